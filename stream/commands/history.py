"""`sixfold history`."""

from datetime import UTC, date, timedelta
from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number
from rich.text import Text

from stream.commands.exits import OK, CommandError
from stream.commands.output import AsJson, Rows, stderr, stdout, table_of, write_json
from stream.settings import Settings

app = App(
    name="history",
    help="Snapshots of what the reports said, so that `sixfold diff` can tell which figures moved since, and why. "
    "`sixfold up` takes one a night; elsewhere let a timer run `sixfold history take --if-due`. Limits: "
    "docs/history.md.",
)


@app.command(name="take")
def take(*, if_due: Annotated[bool, Parameter(negative="")] = False, as_json: AsJson = False) -> int:
    """Take a snapshot now. Only what differs from the one before is written.

    Examples: `sixfold history take`, `sixfold history take --if-due`

    Parameters
    ----------
    if_due
        Only if there is none yet of this day in the reporting time zone, and there are figures.
    as_json
        Print a JSON object; null if none was due.

    """
    from sinks.client import connect
    from stream import history

    client = connect(Settings())
    if if_due and not history.is_due(client):
        write_json(None) if as_json else stdout().print(Text("there is a snapshot of this day, or nothing to keep"))
        return OK
    with stderr().status("writing down what the reports say"):
        taken = history.take(client)
    if as_json:
        write_json(_json(taken))
        return OK
    moved = "; figures moved while it was taken" if taken.moved else ""
    stdout().print(
        Text(
            f"snapshot {taken.taken_at:%Y-%m-%d %H:%M:%S} UTC: {taken.rows:,} rows of reports and {taken.records:,} "
            f"records that differ from the one before, in {taken.seconds:.1f} s{moved}"
        )
    )
    return OK


@app.command(name="list")
def list_snapshots(*, as_json: AsJson = False) -> int:
    """Show the snapshots there are, the newest last.

    Example: `sixfold history list`

    Parameters
    ----------
    as_json
        Print a JSON array.

    """
    from sinks.client import connect
    from stream import history

    found = history.snapshots(connect(Settings()))
    if as_json:
        write_json([_json(each) for each in found])
        return OK
    if not found:
        stdout().print(Text("no snapshots yet; sixfold history take makes one"))
        return OK
    columns = ["taken at (UTC)", "day", "seconds", "rows", "records", "currency", "model", "rules", "moved meanwhile"]
    rows = [
        [
            each.taken_at.replace(tzinfo=None),
            each.day,
            round(each.seconds, 1),
            each.rows,
            each.records,
            each.currency,
            each.model,
            each.rules_hash,
            "yes" if each.moved else "",
        ]
        for each in found
    ]
    kinds = ["DateTime", "Date", "Float64", "UInt64", "UInt64", *["String"] * 4]
    stdout().print(table_of(Rows(columns, kinds, rows)))
    return OK


@app.command(name="prune")
def prune(
    *,
    before: date | None = None,
    days: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    as_json: AsJson = False,
) -> int:
    """Give up old snapshots. The newest stays, and so does what those that stay rest on.

    Examples: `sixfold history prune --days 400`, `sixfold history prune --before 2026-01-01`

    Parameters
    ----------
    before
        Those of days before this one, YYYY-MM-DD.
    days
        Those older than so many days; SIXFOLD_HISTORY_DAYS where neither is given.
    as_json
        Print JSON: {"pruned": N}.

    """
    from sinks.client import connect
    from stream import history

    if before is not None and days is not None:
        raise CommandError("give --before or --days, not both")
    settings = Settings()
    client = connect(settings)
    if before is None:
        (today,) = client.query("SELECT today FROM base_settings").result_rows[0]
        before = today - timedelta(days=settings.history_days if days is None else days)
    count = history.prune(client, before)
    if as_json:
        write_json({"pruned": count})
    else:
        stdout().print(Text(f"{count} snapshot{'s' if count != 1 else ''} given up, of days before {before}"))
    return OK


def _json(each: object) -> dict[str, object]:
    from stream.history import Snapshot

    assert isinstance(each, Snapshot)  # noqa: S101 - imported when it is called for
    facts = each._asdict()
    for name in ("taken_at", "last_event_time"):
        facts[name] = facts[name] and facts[name].replace(tzinfo=UTC)
    return facts
