"""`sixfold diff`."""

import difflib
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter
from cyclopts.validators import Number
from rich.console import Group, RenderableType
from rich.text import Text

from stream.commands.exits import OK, CommandError
from stream.commands.output import AsJson, Rows, stdout, table_of, write_json
from stream.settings import Settings

if TYPE_CHECKING:
    from stream.history import Cause, Diff

Grain = Literal["day", "week", "month", "quarter", "year"]
SHOWN = 40


def diff(
    report: str,
    /,
    *,
    since: str,
    by: Grain = "month",
    where: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,
    newer: Annotated[bool, Parameter(negative="")] = False,
    limit: Annotated[int, Parameter(validator=Number(gte=1))] = SHOWN,
    as_json: AsJson = False,
) -> int:
    """Show which figures of a report moved since a snapshot, and which late or corrected records moved them.

    It compares with the last snapshot of that day or before (`sixfold history list`). Days from the snapshot's own on
    are left out: that these move is no surprise. What no record explains is said: rates, budgets, settings. Figures by
    attribution model are those of SIXFOLD_ATTRIBUTION_MODEL.

    Examples: `sixfold diff campaign_revenue --since 2026-03-01`,
    `sixfold diff lead_sources --since 2026-03-01 --by quarter --where channel=cpc --json`

    Parameters
    ----------
    report
        The report, with or without `report_`.
    since
        A day, YYYY-MM-DD, or an instant such as 2026-03-01T12:00:00Z.
    by
        The periods in which figures are compared.
    where
        `column=value`, a key of the report; the same column again: any of the values.
    newer
        Take in the days from the snapshot's own on, too.
    limit
        The most figures and the most records to print; JSON has up to 500 and 200.
    as_json
        Print a JSON object.

    """
    from sinks.client import connect
    from stream import history
    from stream.figures import REPORTS

    name = report.removeprefix("report_")
    if name not in history.KEPT:
        near = difflib.get_close_matches(name, history.KEPT, n=1)
        hint = f"did you mean {near[0]}?" if near else f"it is of {', '.join(history.KEPT)}"
        raise CommandError(f"no history is kept of {report}; {hint}")
    conditions: dict[str, list[str]] = {}
    for entry in where or ():
        column, equals, value = entry.partition("=")
        keys = [key for key in REPORTS[name].keys if key not in {"model", "overdue"}]
        if not equals or column not in keys:
            raise CommandError(f"--where takes column=value with a key of the report ({', '.join(keys)}), not {entry}")
        conditions.setdefault(column, []).append(value)
    try:
        found = history.diff(connect(Settings()), name, _since(since), grain=by, where=conditions, newer=newer)
    except history.NoSnapshot as error:
        raise CommandError(str(error)) from None
    if as_json:
        write_json(_json(found))
    else:
        stdout().print(_picture(found, limit))
    return OK


def _json(found: "Diff") -> dict[str, Any]:
    """The comparison as the command and the page give it."""
    return {
        "report": found.report,
        "by": found.grain,
        "snapshot": found.snapshot.taken_at.replace(tzinfo=UTC),
        "days_before": found.until,
        "settings_then_and_now": found.settings,
        "moved_while_taken": found.snapshot.moved,
        "totals": {
            name: {"then": was, "now": now, "difference": now - was, "explained": explained}
            for name, (was, now, explained) in found.totals.items()
        },
        "figure_count": found.figure_count,
        "figures": [
            {"period_start": each.period, **each.place, "measure": each.measure, "then": each.was, "now": each.now}
            for each in found.figures
        ],
        "record_count": found.cause_count,
        "records": [_cause_json(each) for each in found.causes],
    }


def _cause_json(cause: "Cause") -> dict[str, Any]:
    return {
        "record": cause.kind,
        **cause.identity,
        "counted_by": cause.root,
        "what": cause.what,
        "changes": {name: {"then": then, "now": now} for name, (then, now) in cause.changes.items()},
        "moves": [
            {"measure": each.measure, "day": each.day, **each.place, "then": each.was, "now": each.now}
            for each in cause.moves
        ],
    }


def _picture(found: "Diff", limit: int) -> RenderableType:
    taken = f"{found.snapshot.taken_at:%Y-%m-%d %H:%M} UTC"
    days = f", days before {found.until}" if found.until else ""
    notes = [
        f"{name} was {then or 'not set'}, is {now or 'not set'}: this moves figures without any record"
        for name, (then, now) in found.settings.items()
    ]
    if found.snapshot.moved:
        notes.append("figures moved while the snapshot was taken: the last moment's may be told wrongly")
    if not found.figures:
        return Text("\n".join([f"{found.report}: no figure moved since {taken}{days}", *notes]))
    totals = table_of(
        Rows(
            ["measure", "then", "now", "difference", "by records", "not explained"],
            ["String", *["Decimal(38, 6)"] * 5],
            [
                [name, was, now, now - was, explained, now - was - explained]
                for name, (was, now, explained) in found.totals.items()
            ],
        ),
        f"{found.report} since {taken}{days}",
    )
    keys = list(found.figures[0].place)
    figures = table_of(
        Rows(
            ["period", *keys, "measure", "then", "now", "difference"],
            ["Date", *["String"] * (len(keys) + 1), *["Decimal(38, 6)"] * 3],
            [
                [each.period, *each.place.values(), each.measure, each.was, each.now, each.now - each.was]
                for each in found.figures[:limit]
            ],
        ),
        f"{found.figure_count:,} figures moved{_cut(found.figure_count, limit)}",
    )
    records = table_of(
        Rows(
            ["record", "id", "what", "changed", "moved"],
            ["String"] * 5,
            [[each.kind, each.name, each.what, each.changes_text, _moves_text(each)] for each in found.causes[:limit]],
        ),
        f"{found.cause_count:,} records moved them{_cut(found.cause_count, limit)}",
    )
    return Group(totals, figures, records, Text("\n".join(notes)))


def _moves_text(cause: "Cause") -> str:
    """What a record's change adds to each measure, over all places."""
    sums: dict[str, Decimal] = {}
    for each in cause.moves:
        sums[each.measure] = sums.get(each.measure, Decimal(0)) + each.now - each.was
    moved = [f"{name} {value.normalize():+,f}" for name, value in sums.items() if value]
    return ", ".join(moved) or "elsewhere"


def _cut(count: int, limit: int) -> str:
    return f", the {limit} greatest" if count > limit else ""


def _since(text: str) -> date | datetime:
    try:
        if len(text) == len("2026-03-01"):
            return date.fromisoformat(text)
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(f"--since takes a day, YYYY-MM-DD, or an instant, not {text}") from None
    if instant.tzinfo is None:
        raise CommandError(f"--since {text} needs an offset, such as 2026-03-01T12:00:00Z")
    return instant.astimezone(UTC).replace(tzinfo=None)
