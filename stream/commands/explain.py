"""`sixfold explain`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number
from rich.padding import Padding
from rich.text import Text

from sinks.views import View, load_views
from stream.commands.exits import NEGATIVE, OK, CommandError
from stream.commands.output import AsJson, Rows, stdout, table_of, write_json
from stream.commands.report import Grain, find_view, near, parse_day
from stream.settings import MODELS, Settings

if TYPE_CHECKING:
    from stream.explain import Contribution, Explanation, Question
    from stream.provenance import Said

SHOWN_RECORDS = 10
"""To a person, unless --limit says otherwise."""


def explain(
    report: str,
    /,
    *,
    column: str | None = None,
    where: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,
    day: str | None = None,
    grain: Annotated[Grain, Parameter(name=["--grain", "--by"])] = "day",
    model: str | None = None,
    limit: Annotated[int | None, Parameter(validator=Number(gte=0))] = None,
    as_json: AsJson = False,
) -> int:
    """Open a figure: the records that make it up, and for each field who said so and when.

    What the records add up to is compared with the report, row by row. Exit code 1: it differs, or there is no such
    row.

    Examples: `sixfold explain profitability --where campaign_id=spring --day 2026-03-01 --column revenue`,
    `sixfold explain calls --grain month --day 2026-03-01 --where rep_id=R1 --column advance_rate`,
    `sixfold explain finance --day 2026-03-01 --json`

    Parameters
    ----------
    report
        The view, with or without `report_`.
    column
        The figure; of a ratio, the columns that it is computed from are opened. Without it all figures of the row are
        checked, and their records counted.
    where
        `column=value`, as the report shows it; the same column again: any of the values.
    day
        The day, or a day of the period, YYYY-MM-DD; without it all days are taken together.
    grain
        That of the row: `day`, or as in `sixfold report --by`.
    model
        The attribution model, where the view has a column for it; the settings' one if left out.
    limit
        The most records to show; 0 for all. To a person 10 unless told, as JSON all.
    as_json
        Print JSON: {"report", "columns": [{"column", "figure", "adds_up", "rows", "records"}]}.

    """
    from sinks.client import connect
    from stream.explain import NotAFigure, Question, columns_of, made_of
    from stream.explain import explain as run

    view = find_view(load_views(), report)
    settings = Settings()
    try:
        opened = columns_of(view.name) if column is None else made_of(view.name, _known(view, column))
        conditions = _conditions(view, where or (), model, settings)
        client = connect(settings)
        most = _most(limit, as_json=as_json, checked_only=column is None and len(opened) > 1)
        found = [
            run(
                client,
                Question(view.name, name, grain, parse_day(day, "--day"), conditions),
                settings.partitions,
                limit=most,
            )
            for name in opened
        ]
    except NotAFigure as error:
        raise CommandError(str(error)) from None
    adds_up = all(each.adds_up for each in found)
    if as_json:
        columns = [each.as_json() for each in found]
        write_json({"report": view.name, "column": column, "adds_up": adds_up, "columns": columns})
    elif not any(each.rows for each in found):
        stdout().print(Text(f"{_title(found[0])}: there is no such row"))
    else:
        _write(view, column, found, listed=most != 0)
    return OK if adds_up and any(each.rows for each in found) else NEGATIVE


def _most(limit: int | None, *, as_json: bool, checked_only: bool) -> int | None:
    if limit is not None:
        return limit or None
    if as_json:
        return None
    return 0 if checked_only else SHOWN_RECORDS


def _known(view: View, column: str) -> str:
    names = [each.name for each in view.columns]
    if column not in names:
        raise CommandError(f"{view.name} has no column {column}{near(column, names)}")
    return column


def _conditions(view: View, where: Iterable[str], model: str | None, settings: Settings) -> dict[str, list[str]]:
    wanted: dict[str, list[str]] = {}
    for entry in where:
        name, equals, value = entry.partition("=")
        if not equals:
            raise CommandError(f"--where takes column=value, not {entry}")
        wanted.setdefault(name, []).append(value)
    if not any(each.name == "model" for each in view.columns):
        if model is not None:
            raise CommandError(f"{view.name} has no column model: its model is SIXFOLD_ATTRIBUTION_MODEL")
    elif "model" not in wanted:
        chosen = model or settings.attribution_model
        if chosen not in MODELS:
            raise CommandError(f"there is no model {chosen}{near(chosen, MODELS)}")
        wanted["model"] = [chosen]
    elif model is not None:
        raise CommandError("give --model or --where model=.., not both")
    return wanted


# -- for people


def _write(view: View, column: str | None, found: Sequence["Explanation"], *, listed: bool) -> None:
    out = stdout()
    meanings = {each.name: each.meaning for each in view.columns}
    out.print(Text(_title(found[0]), style="bold"))
    if column is not None and [each.question.column for each in found] != [column]:
        out.print(Text(f"{column} is {meanings[column]}"))
    shown = [[each.question.column, _figure(each), each.count, "yes" if each.adds_up else "NO"] for each in found]
    out.print(table_of(Rows(["column", "figure", "records", "add up"], ["String", "Decimal", "Int", "String"], shown)))
    for each in found:
        for row in each.rows:
            if not row.adds_up:
                key = _pairs({name: str(value) for name, value in row.key.items()})
                out.print(Text(f"{each.question.column}: {key}: {row.figure}, but the records come to {row.total:f}"))
    if not listed:
        out.print(Text("--column NAME lists the records of a figure, and who said so"))
        return
    for each in found:
        for record in each.records:
            _write_record(each.question.column, record)
        if each.count > len(each.records):
            out.print(
                Text(f"{len(each.records)} of {each.count:,} records of {each.question.column}; --limit 0 for all")
            )


def _write_record(column: str, record: "Contribution") -> None:
    out = stdout()
    out.print()
    adds = f"{record.value.normalize():,f}"
    out.print(Text(f"{column} {adds}", style="bold"), Text(f"{record.kind} {_pairs(record.identity)}"), sep="  ")
    said_before = {*record.identity, *record.row}
    facts = {name: value for name, value in record.facts.items() if name not in said_before}
    out.print(Text(f"  counted by {record.root}; {_pairs(facts)}"))
    for each in record.resolved:
        rest = {name: value for name, value in each.items() if name != "what"}
        out.print(Text(f"  found when read: {each['what']}: {_pairs(rest)}"))
    rows = [row for entity, fields in record.said.items() for row in said_rows(entity, fields)]
    table = table_of(Rows(["entity", "field", "value", "source", "event", "time"], ["String"] * 6, rows))
    out.print(Padding(table, (0, 0, 0, 2), expand=False))
    if record.left_out:
        out.print(Text(f"  and {record.left_out:,} entities more"))


def said_rows(entity: str, fields: Iterable["Said"]) -> Iterator[list[str]]:
    """One line a field: what was said of an entity, by which event, and when."""
    for each in fields:
        value = "(personal)" if each.personal else "(cleared)" if each.value is None else str(each.value)
        yield [entity, each.field, value, each.source, each.event_id, each.time]


def _title(explanation: "Explanation") -> str:
    asked: Question = explanation.question
    parts = [asked.report if asked.grain == "day" else f"{asked.report} by {asked.grain}"]
    if asked.day is not None:
        parts.append(f"{asked.grain} of {asked.day}" if asked.grain != "day" else f"day {asked.day}")
    parts += [f"{name} {' or '.join(values)}" for name, values in asked.where.items()]
    rows = len(explanation.rows)
    return ", ".join(parts) + (f" ({rows} rows)" if rows > 1 else "")


def _figure(explanation: "Explanation") -> Decimal:
    if all(row.figure is None for row in explanation.rows):
        return sum((row.total for row in explanation.rows), Decimal(0))
    return Decimal(explanation.figure)


def _pairs(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items() if value)
