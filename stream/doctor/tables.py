"""Our tables: who may write to them, and under which rules they are counted."""

from collections.abc import Callable, Mapping

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from sinks.client import connect, error_code, message_of
from sinks.migrate import tables
from sinks.roles import WRITTEN_BY_MIGRATE
from stream.doctor.finding import Finding, fine, problem, warning
from stream.settings import Settings

_REFUSED = ("497", "164")
"""Not enough privileges; a user who may only read."""
_SECONDS = 5


def writing(name: str, settings: Settings, client: Client) -> Finding:
    """We may write to every table that a worker writes to: tried with no rows."""
    refused = [table for table in tables() if table not in WRITTEN_BY_MIGRATE and not _may_insert(client, table)]
    user = settings.clickhouse.user
    if refused:
        return problem(
            name, f"user {user} may not write to {', '.join(refused)}", "grant what `sixfold roles` prints for a writer"
        )
    return fine(name, f"user {user} may write")


def reader(name: str, settings: Settings, client: Client) -> Finding:
    """Who reads reports may not write."""
    address = settings.clickhouse_reader
    if settings.clickhouse_reader_url is None or address == settings.clickhouse:
        return warning(
            name,
            f"none: reports are read as {settings.clickhouse.user}, who may write",
            "set SIXFOLD_CLICKHOUSE_READER_URL to a user with the reader's role (`sixfold roles`)",
        )
    client = connect(settings, reader=True, receive_seconds=_SECONDS)
    try:
        client.query("SELECT count() FROM rules")
        if _may_insert(client, "rules"):
            return problem(
                name, f"user {address.user} may write", "take its rights to write: see `sixfold roles` for a reader"
            )
    except ClickHouseError as error:
        if error_code(error) not in _REFUSED:
            raise
        return problem(name, f"user {address.user} may not read: {message_of(error)}", "grant the reader's role")
    finally:
        client.close()
    return fine(name, f"user {address.user} may read and not write")


def rules(name: str, settings: Settings, client: Client) -> Finding:
    """The rules in force are those of the settings: a worker of others does not start, or counts all anew."""
    own = settings.rules().hash
    rows = client.query("SELECT hash FROM rules FINAL ORDER BY seq, hash").result_rows
    if not rows:
        return fine(name, f"{own} of the settings; no worker has put any in force yet")
    force = str(rows[-1][0])
    if force == own:
        return fine(name, f"{own} are in force")
    known = any(str(row[0]) == own for row in rows)
    todo = (
        f"correct the settings, or `sixfold rules use {own}` and restart the workers"
        if known
        else "restart the workers to count all anew under the settings, or correct the settings (`sixfold rules list`)"
    )
    return problem(name, f"{force} are in force, the settings say {own}", todo)


CHECKS: Mapping[str, Callable[[str, Settings, Client], Finding]] = {
    "writing": writing,
    "reader": reader,
    "rules": rules,
}


def _may_insert(client: Client, table: str) -> bool:
    try:
        client.command(f"INSERT INTO {table} SELECT * FROM {table} LIMIT 0")  # noqa: S608 - our own names
    except ClickHouseError as error:
        if error_code(error) not in _REFUSED:
            raise
        return False
    return True
