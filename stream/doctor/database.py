"""ClickHouse itself, whether or not there are tables yet."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from clickhouse_connect.driver.client import Client

from sinks.migrate import MigrationError, check_migrated, load_migrations
from stream.doctor.finding import Finding, fine, problem, unknown, warning
from stream.settings import Settings

OLDEST = (26, 9)
"""The version that all tests run against: docs/clickhouse.md."""
FEW_BYTES, NO_BYTES = 10 << 30, 1 << 30
FEW_SHARE, NO_SHARE = 0.10, 0.02
"""Of a disk: below the first a warning, below the second a problem."""
CLOCK_SECONDS = 5
"""How far two clocks may be apart."""


def version(name: str, settings: Settings, client: Client) -> Finding:
    """It answers, and is not older than what is tested."""
    found = f"{settings.clickhouse}, version {client.server_version}"
    parts = (client.server_version or "").split(".")[:2]
    if not all(part.isdigit() for part in parts) or tuple(map(int, parts)) >= OLDEST:
        return fine(name, found)
    return warning(
        name, f"{found} is older than {OLDEST[0]}.{OLDEST[1]}", "upgrade ClickHouse: older versions are not tested"
    )


def disk(name: str, settings: Settings, client: Client) -> Finding:  # noqa: ARG001 - all checks are called alike
    """There is room. Disks without a size (object stores) have no bound."""
    rows = client.query("SELECT name, free_space, total_space FROM system.disks ORDER BY name").result_rows
    disks = [(str(disk), int(free), int(total)) for disk, free, total in rows if 0 < int(total) < 1 << 60]
    if not disks:
        return unknown(name, "ClickHouse tells of no disk with a size")
    found = ", ".join(
        f"{disk}: {free / 2**30:,.1f} GiB of {total / 2**30:,.1f} GiB free" for disk, free, total in disks
    )
    if any(free < max(NO_BYTES, NO_SHARE * total) for _, free, total in disks):
        return problem(name, found, "make room: ClickHouse refuses inserts on a full disk")
    if any(free < min(FEW_BYTES, FEW_SHARE * total) for _, free, total in disks):
        return warning(name, found, "make room soon")
    return fine(name, found)


def clock(name: str, settings: Settings, client: Client) -> Finding:  # noqa: ARG001 - as above
    """Our clock and ClickHouse's agree: a day ends when it ends for both."""
    before = datetime.now(UTC)
    (row,) = client.query("SELECT toUnixTimestamp64Milli(now64(3))").result_rows
    after = datetime.now(UTC)
    theirs = int(row[0]) / 1000
    # It was asked at some moment between the two.
    apart = max(before.timestamp() - theirs, theirs - after.timestamp(), 0.0)
    found = f"{apart:.1f} s apart from ClickHouse's"
    if apart > CLOCK_SECONDS:
        return problem(name, found, "set both clocks by NTP")
    return fine(name, found)


def time_zone(name: str, settings: Settings, client: Client) -> Finding:
    """ClickHouse knows the zone in which a day begins."""
    zone = settings.time_zone
    rows = client.query(
        "SELECT count() FROM system.time_zones WHERE time_zone = {zone:String}", parameters={"zone": zone}
    ).result_rows
    if not int(rows[0][0]):
        return problem(name, f"ClickHouse does not know {zone}", "upgrade ClickHouse, or correct SIXFOLD_TIME_ZONE")
    return fine(name, zone)


def migrations(name: str, settings: Settings, client: Client) -> Finding:
    """The tables are of exactly this version."""
    try:
        check_migrated(client, settings.clickhouse.database)
    except MigrationError as error:
        what, _, todo = str(error).rpartition(": ")
        return problem(name, what, todo)
    newest = load_migrations()[-1]
    return fine(name, f"{newest.number:03}_{newest.name}, as this version wants")


CHECKS: Mapping[str, Callable[[str, Settings, Client], Finding]] = {
    "disk": disk,
    "clock": clock,
    "time_zone": time_zone,
    "migrations": migrations,
}
