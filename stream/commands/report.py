"""`sixfold report`."""

import difflib
import re
import sys
import time
from calendar import monthrange
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

from clickhouse_connect.driver.client import Client
from cyclopts import Parameter
from cyclopts.validators import Number
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from sinks.views import View, load_views
from stream.commands.exits import OK, CommandError
from stream.commands.output import (
    AsCsv,
    AsJson,
    Rows,
    bars,
    format_of,
    is_number,
    stderr,
    stdout,
    table_of,
    with_names,
    write_csv,
    write_json,
    write_records,
)
from stream.settings import MODELS, Settings

Grain = Literal["day", "week", "month", "quarter", "year"]
MOST_ROWS = 200
"""In a table, unless --limit says otherwise."""
BARS = 12
_NO_TEXT = "''"
FOLLOW_SECONDS = 2.0

_DAY_COLUMNS = ("period_start", "day", "month", "due_month", "created_day", "due_date")
_LENGTHS = {
    "week": "addDays({}, 7)",
    "month": "addMonths({}, 1)",
    "quarter": "addMonths({}, 3)",
    "year": "addYears({}, 1)",
}
# What the bars of a report show: measure by label. A funnel's bars are its steps.
_BARS = {
    "report_campaign_revenue": ("revenue", "campaign"),
    "report_channel_attribution": ("revenue", "channel"),
    "report_leads_by_channel": ("leads", "channel"),
    "report_lead_sources": ("revenue", "source"),
    "report_lead_magnets": ("leads", "lead_magnet"),
    "report_opportunities": ("estimated_revenue", "owner"),
    "report_pipeline": ("estimated_revenue", "stage"),
    "report_calls": ("calls", "rep"),
    "report_profitability": ("revenue", "campaign"),
    "report_expenses": ("spend", "platform"),
}
_FUNNEL = ("visitors", "leads", "mofu", "bofu", "customers")
HEADLINES = {
    "report_leads_by_channel": (
        "channel",
        "leads",
        "opportunities",
        "customers",
        "opportunity_rate",
        "conversion_rate",
        "avg_days_to_convert",
    ),
    "report_opportunities": (
        "owner",
        "team",
        "opportunities",
        "open",
        "won",
        "lost",
        "estimated_revenue",
        "won_revenue",
        "win_rate",
    ),
    "report_lead_sources": (
        "channel",
        "source",
        "campaign",
        "leads",
        "customers",
        "revenue",
        "spend",
        "visitors",
        "cpl",
        "cpa",
        "roas",
    ),
    "report_campaign_revenue": ("campaign", "campaign_group", "channel", "deals", "revenue", "average_deal"),
    "report_calls": (
        "rep",
        "team",
        "direction",
        "calls",
        "answered",
        "answer_rate",
        "avg_talk_seconds",
        "advance_rate",
    ),
    "report_profitability": (
        "campaign",
        "revenue",
        "spend",
        "cost",
        "gross_margin",
        "contribution",
        "roi",
        "roas",
        "budget",
    ),
    "report_funnel": _FUNNEL,
}
"""What people ask for first, in the order of the dashboards, each with the columns that say most."""
_HINTED = 10
"""How many of a column's values are named where the one asked for does not exist."""


def report(
    name: str | None = None,
    /,
    *,
    by: Grain | None = None,
    start: Annotated[str | None, Parameter(name="--from")] = None,
    end: Annotated[str | None, Parameter(name="--to")] = None,
    where: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,
    model: str | None = None,
    limit: Annotated[int | None, Parameter(validator=Number(gte=0))] = None,
    list_: Annotated[bool, Parameter(name="--list", negative="")] = False,
    follow: Annotated[bool, Parameter(negative="")] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> int:
    """Print a report, or any other view.

    Examples: `sixfold report campaign_revenue --by quarter`,
    `sixfold report lead_sources --where source=google source=bing --from 2026-01-01`,
    `sixfold report channel_attribution --model linear --json`, `sixfold report --list calls`

    Parameters
    ----------
    name
        The view, with or without `report_`; `sixfold report --list` names them.
    by
        Sum over periods; without it a row is a day's.
    start
        The first day, YYYY-MM-DD; with --by, of the first period that reaches it. A month YYYY-MM or a year YYYY is
        its first day.
    end
        The last day, YYYY-MM-DD. A month YYYY-MM or a year YYYY is its last day.
    where
        `column=value`; the same column again: any of the values.
    model
        The attribution model, where the view has a column for it; the settings' one if left out; or `all`, without
        bars: models are not added up.
    limit
        The most rows to print; 0 for all. A table has 200 unless told.
    list_
        Say what there is: all views, or with a name the columns of that view, with their meaning.
    follow
        Draw it again every 2 seconds until Ctrl-C.
    as_json
        Print a JSON array of objects.
    as_csv
        Print CSV with a header.

    """
    if (as_json + as_csv + follow) > 1:
        raise CommandError("--json, --csv and --follow exclude each other")
    views = load_views()
    if list_:
        _list(_offered(views) if name is None else [find_view(views, name)], as_json=as_json, as_csv=as_csv)
        return OK
    if name is None:
        raise CommandError("name a report; sixfold report --list shows what there is")
    from sinks.client import connect

    settings = Settings()
    shown = MOST_ROWS if limit is None and not (as_json or as_csv) else limit or None
    query = _query(
        find_view(views, name),
        by,
        _parse_bound(start, "--from"),
        _parse_bound(end, "--to"),
        where or (),
        model,
        shown,
        settings,
    )
    client = connect(settings)
    _check_numbers(client, query)
    if follow:
        _follow(client, query)
    found = _rows(client.query(query.text, parameters=query.values))
    if as_json:
        write_records(found)
    elif as_csv:
        # An empty result does not bring its columns along.
        write_csv(found if found.rows else Rows(query.columns, [], []))
    else:
        stdout().print(_picture(client, query, found))
        if limit is None and len(found.rows) == MOST_ROWS:
            stderr().print(Text(f"sixfold: the first {MOST_ROWS} rows; --limit N for more, --limit 0 for all"))
    return OK


@dataclass
class _Query:
    """A query over one view: the rows, and their bars. Values travel as parameters, never in the text."""

    view: View
    title: str
    source: str
    columns: Sequence[str]
    limit: int | None
    conditions: list[str] = field(default_factory=list)
    wanted: dict[str, list[str]] = field(default_factory=dict)
    values: dict[str, object] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """All columns, in order."""
        most = f" LIMIT {self.limit:d}" if self.limit else ""
        return f"SELECT * FROM {self.source}{self._where} ORDER BY ALL{most}"  # noqa: S608 - names of ours

    @property
    def bars(self) -> str | None:
        """Measure by label, greatest first; None where the view has no bars, or rows of several models."""
        if "model" in self.columns and "model" not in self.values and len(set(self.wanted.get("model", ()))) != 1:
            return None
        if self.view.name == "report_funnel":
            sums = ", ".join(f"sum({step}) AS {step}" for step in _FUNNEL)
            return f"SELECT {sums} FROM {self.source}{self._where}"  # noqa: S608 - names of ours
        measure, label = _BARS.get(self.view.name, ("", ""))
        if not {measure, label} <= set(self.columns):
            return None
        named = name_or_id(label, self.columns)
        return (
            f"SELECT {named} AS label, sum({measure}) AS total FROM {self.source}{self._where} "  # noqa: S608 - names of ours
            f"GROUP BY label HAVING total != 0 ORDER BY total DESC, label LIMIT {BARS}"
        )

    def existing(self, column: str) -> str:
        """Values of a column in the range and model asked for, and whether they are wanted; those first."""
        where = f" WHERE {' AND '.join(self.conditions)}" if self.conditions else ""
        return (
            f"SELECT DISTINCT {name_or_id(column, self.columns)}, {self._is_wanted(column)} FROM {self.source}{where} "  # noqa: S608 - names of ours
            f"ORDER BY 2 DESC, 1 LIMIT {_HINTED + 1}"
        )

    @property
    def _where(self) -> str:
        conditions = [*self.conditions, *map(self._is_wanted, self.wanted)]
        return f" WHERE {' AND '.join(conditions)}" if conditions else ""

    def _is_wanted(self, column: str) -> str:
        wanted = f"{{where_{column}:Array(String)}}"
        if f"{column}_id" in self.columns:  # what the table shows in place of a name is found by it, too
            return f"hasAny({wanted}, [{column}, {name_or_id(column, self.columns)}])"
        return f"has({wanted}, toString({column}))"


def name_or_id(column: str, columns: Collection[str]) -> str:
    """Write the expression of a name in SQL: of what has none, its id, such as `(none)`."""
    return f"if({column} = '', {column}_id, {column})" if f"{column}_id" in columns else column


def _query(
    view: View,
    by: Grain | None,
    start: date | None,
    end: date | None,
    where: Iterable[str],
    model: str | None,
    limit: int | None,
    settings: Settings,
) -> _Query:
    columns = ["period_start" if c.name == "day" and by else c.name for c in view.columns]
    if by and not view.has_periods:
        raise CommandError(f"{view.name} has no periods: leave --by out")
    query = _Query(view, view.name, f"{view.name}_by(grain = '{by}')" if by else view.name, columns, limit)
    if by:
        query.title += f" by {by}"
    _add_range(query, columns, by, start, end)
    _add_conditions(query, columns, where)
    if "model" in columns and "model" not in {entry.partition("=")[0] for entry in where}:
        chosen = model or settings.attribution_model
        if chosen not in (*MODELS, "all"):
            raise CommandError(f"there is no model {chosen}{near(chosen, (*MODELS, 'all'))}")
        if chosen != "all":
            query.conditions.append("model = {model:String}")
            query.values["model"] = chosen
            query.title += f", model {chosen}"
    elif model is not None:
        raise CommandError(
            f"{view.name} has no column model: its model is SIXFOLD_ATTRIBUTION_MODEL"
            if "model" not in columns
            else "give --model or --where model=.., not both"
        )
    return query


def _add_range(query: _Query, columns: Sequence[str], by: Grain | None, start: date | None, end: date | None) -> None:
    if start is None and end is None:
        return
    day = next((name for name in _DAY_COLUMNS if name in columns), None)
    if day is None:
        raise CommandError(f"{query.view.name} has no day: leave --from and --to out")
    if start is not None and end is not None and start > end:
        raise CommandError(f"--from {start} is after --to {end}")
    if start is not None:
        query.values["start"] = start
        after = _LENGTHS.get(by or "")
        query.conditions.append(f"{after.format(day)} > {{start:Date}}" if after else f"{day} >= {{start:Date}}")
        query.title += f" from {start}"
    if end is not None:
        query.values["end"] = end
        query.conditions.append(f"{day} <= {{end:Date}}")
        query.title += f" to {end}"


def _add_conditions(query: _Query, columns: Sequence[str], where: Iterable[str]) -> None:
    for entry in where:
        column, equals, value = entry.partition("=")
        if not equals:
            raise CommandError(f"--where takes column=value, not {entry}")
        if column not in columns:
            raise CommandError(f"{query.view.name} has no column {column}{near(column, columns)}")
        query.wanted.setdefault(column, []).append(value)
    for column, values in query.wanted.items():
        query.values[f"where_{column}"] = values
        query.title += f", {column} {' or '.join(value or _NO_TEXT for value in values)}"


def _check_numbers(client: Client, query: _Query) -> None:
    """Refuse a word where a column has numbers: no row could ever have it."""
    if not query.wanted:
        return
    described = client.query(f"DESCRIBE (SELECT * FROM {query.source})").result_rows  # noqa: S608 - names of ours
    for name, kind, *_ in described:
        if is_number(kind):
            for value in query.wanted.get(name, ()):
                if not _is_decimal(value):
                    raise CommandError(f"--where {name} takes a number, not {value or _NO_TEXT}")


def _is_decimal(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


def _offered(views: Sequence[View]) -> list[View]:
    """Put first what people ask for; leave out the views that others are made of, and those of `sixfold audit`."""
    offered = [view for view in views if not view.name.startswith(("audit_", "base_", "records_", "recomputed_"))]
    headlines = [view for name in HEADLINES for view in offered if view.name == name]
    others = [view for view in offered if view not in headlines]
    return [*headlines, *sorted(others, key=lambda view: not view.name.startswith("report_"))]


def find_view(views: Sequence[View], name: str) -> View:
    """Find a view by its name, with or without `report_`. Raises `CommandError`."""
    by_name = {view.name: view for view in views}
    for candidate in (f"report_{name}", name):
        if candidate in by_name:
            return by_name[candidate]
    grain = re.fullmatch(r"(.+)_(by|week|month|quarter|year)", name)
    if grain and _is_view(by_name, grain[1]):
        period = "month" if grain[2] == "by" else grain[2]
        raise CommandError(f"say sixfold report {grain[1]} --by {period}")
    names = [view.name.removeprefix("report_") for view in _offered(views)]
    plain = name.removeprefix("report_")
    raise CommandError(f"there is no report {name}{near(plain, names)}")


def _is_view(by_name: dict[str, View], name: str) -> bool:
    return name in by_name or f"report_{name}" in by_name


def near(name: str, names: Iterable[str]) -> str:
    """Say which name was meant, or which ones there are: the end of a complaint."""
    found = difflib.get_close_matches(name, list(names), n=1)
    return f"; did you mean {found[0]}?" if found else f"; there are {', '.join(names)}"


def parse_day(text: str | None, option: str) -> date | None:
    """Read a day given as an option. Raises `CommandError`."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{option} takes a day, YYYY-MM-DD, not {text}") from None


def _parse_bound(text: str | None, option: Literal["--from", "--to"]) -> date | None:
    """Read the first or the last day of a range, which a month or a year may name. Raises `CommandError`."""
    period = re.fullmatch(r"(\d{4})(?:-(\d{2}))?", text or "")
    if period is None:
        return parse_day(text, option)
    try:
        year, first, last = int(period[1]), int(period[2] or 1), int(period[2] or 12)
        return date(year, first, 1) if option == "--from" else date(year, last, monthrange(year, last)[1])
    except ValueError:
        raise CommandError(f"{option} takes a day, a month or a year, such as 2026-03, not {text}") from None


def _rows(result: Any) -> Rows:  # noqa: ANN401 - the driver's own class
    return Rows(result.column_names, [kind.name for kind in result.column_types], result.result_rows)


def _picture(client: Client, query: _Query, found: Rows) -> RenderableType:
    if not found.rows:
        return Text("\n".join([f"{query.title}: no rows", *_hints(client, query)]))
    table = table_of(
        with_names(found),
        query.title,
        important=[*reversed(_BARS.get(query.view.name, ())), *HEADLINES.get(query.view.name, ())],
        elsewhere="a wider terminal, --csv or --json",
    )
    if query.bars is None:
        return table
    totals = _rows(client.query(query.bars, parameters=query.values))
    if not totals.rows:  # there are figures, and none of those that the bars show
        return table
    if query.view.name == "report_funnel":
        show = format_of("leads", "Int64")
        return Group(table, bars(list(zip(_FUNNEL, totals.rows[0], strict=True)), show, "The funnel"))
    measure, label = _BARS[query.view.name]
    labelled = [(str(name), total) for name, total in totals.rows]
    return Group(table, bars(labelled, format_of(measure, totals.types[1]), f"{measure} by {label}"))


def _hints(client: Client, query: _Query) -> Iterator[str]:
    """Say what values there are, of each column that does not have the one asked for."""
    for column in query.wanted:
        found = _rows(client.query(query.existing(column), parameters=query.values))
        if found.rows and not found.rows[0][1]:
            show = format_of(column, found.types[0])
            shown = [show(value) or _NO_TEXT for value, _ in found.rows]
            more = ", ..." if len(shown) > _HINTED else ""
            yield f"{column} has {', '.join(shown[:_HINTED])}{more}"


def _follow(client: Client, query: _Query) -> None:
    """Draw until Ctrl-C, which ends the command; in a terminal in place, else one below the other."""
    out = stdout()
    with Live(console=out, auto_refresh=False, vertical_overflow="crop") if out.is_terminal else nullcontext() as live:
        while True:
            picture = _picture(client, query, _rows(client.query(query.text, parameters=query.values)))
            if live is not None:
                live.update(picture, refresh=True)
            else:
                out.print(picture)
                sys.stdout.flush()
            time.sleep(FOLLOW_SECONDS)


def _list(views: Sequence[View], *, as_json: bool, as_csv: bool) -> None:
    if as_csv:
        rows = [[view.name, column.name, column.meaning] for view in views for column in view.columns]
        write_csv(Rows(["view", "column", "meaning"], ["String"] * 3, rows))
        return
    if as_json:
        write_json(
            [
                {
                    "name": view.name,
                    "title": view.title,
                    "periods": view.has_periods,
                    "columns": {column.name: column.meaning for column in view.columns},
                }
                for view in views
            ]
        )
        return
    out = stdout()
    for view in views:
        periods = " (has --by)" if view.has_periods else ""
        out.print(Text(view.name.removeprefix("report_"), style="bold"), Text(f"{view.title}{periods}"), sep="  ")
        width = max(len(column.name) for column in view.columns)
        for column in view.columns:
            out.print(Text(f"  {column.name:{width}}  {column.meaning}"))
        out.print()
