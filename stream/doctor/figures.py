"""What the figures say of themselves: silent sources, what could not be read, snapshots."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from clickhouse_connect.driver.client import Client

from stream.doctor.finding import Finding, fine, warning
from stream.history import is_due, snapshots
from stream.settings import Settings

LETTERS = "dead_letters_of_the_last_24_h"
SNAPSHOT_AGE = timedelta(hours=36)
"""One is taken every night."""
_SHOWN = 5


def quiet_sources(name: str, settings: Settings, client: Client) -> Finding:  # noqa: ARG001 - all are called alike
    """Every source sends as it used to."""
    rows = client.query("SELECT source, last_event_time, quiet FROM report_sources ORDER BY source").result_rows
    quiet = [f"{source} (last event {at:%Y-%m-%d %H:%M} UTC)" for source, at, silent in rows if silent]
    if quiet:
        return warning(name, f"gone quiet: {_some(quiet)}", "look whether it still sends: `sixfold report sources`")
    return fine(name, f"{len(rows)} sources, none of them quiet")


def dead_letters(name: str, settings: Settings, client: Client) -> Finding:  # noqa: ARG001 - as above
    """What came in the last 24 hours could be read."""
    # as report_quality has it, which looks at much else for it
    count = client.query(
        "SELECT count() FROM dead_letter_list WHERE state = 'open' AND received_at >= now64(3) - INTERVAL 24 HOUR"
    ).result_rows[0][0]
    if count:
        return warning(name, f"{count:,} open ones of the last 24 h", "see `sixfold dead-letters list`")
    return fine(name, "none of the last 24 h is open")


def quality(name: str, settings: Settings, client: Client) -> Finding:  # noqa: ARG001 - as above
    """The other checks of report_quality."""
    rows = client.query(
        "SELECT check, failing FROM report_quality WHERE check != {check:String} ORDER BY failing DESC, check",
        parameters={"check": LETTERS},
    ).result_rows
    failing = [f"{check} {count:,}" for check, count in rows if count]
    if failing:
        return warning(name, f"failing: {_some(failing)}", "see `sixfold report quality`")
    return fine(name, f"all {len(rows)} checks pass")


def history(name: str, settings: Settings, client: Client) -> Finding:  # noqa: ARG001 - as above
    """A snapshot was taken last night, once there are figures."""
    found = snapshots(client)
    if not found:
        if is_due(client):
            return warning(name, "no snapshot of the figures yet", "run `sixfold history take` every night")
        return fine(name, "no snapshot, and no figures yet")
    age = datetime.now(UTC) - found[-1].taken_at.replace(tzinfo=UTC)
    said = f"the newest snapshot is {age / timedelta(hours=1):,.0f} h old"
    if age > SNAPSHOT_AGE and is_due(client):
        return warning(name, said, "run `sixfold history take` every night")
    return fine(name, said)


CHECKS: Mapping[str, Callable[[str, Settings, Client], Finding]] = {
    "quiet_sources": quiet_sources,
    "dead_letters": dead_letters,
    "quality": quality,
    "history": history,
}


def _some(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
