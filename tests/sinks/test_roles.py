"""The roles' grants, enforced by the engine: each role can do its work, and nothing more.

The embedded engine makes no roles, but takes a user's grants from a file: its user is given those of one role.
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from sinks.migrate import ViewSettings, check_migrated, migrate, tables
from sinks.roles import ADMIN, PEOPLE_READER, PERSONAL, READER, WRITER, grants
from sinks.views import load_views
from tests.clickhouse import engine, limit
from tests.kafka.broker import free_port


@contextmanager
def limited(directory: Path, granted: Sequence[str]) -> Iterator[Client]:
    """An engine over the data of `directory` whose user has these grants and no others."""
    path = directory / f"{secrets.token_hex(4)}.xml"
    limit(path, granted)
    port = free_port()
    with engine(port, directory / "data", path):
        client = clickhouse_connect.get_client(
            host="127.0.0.1", port=port, username="sixfold", password="password", autogenerate_session_id=False
        )
        yield client
        client.close()


def refused(client: Client, statement: str) -> bool:
    try:
        client.command(statement)
    except ClickHouseError as error:
        if "ACCESS_DENIED" not in str(error):
            raise
        return True
    return False


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory in which a user with the admin's grants alone has run the migrations, twice."""
    directory = tmp_path_factory.mktemp("roles")
    with limited(directory, grants(ADMIN, "crm")) as client:
        assert migrate(client, "crm", ViewSettings())
        assert migrate(client, "crm", ViewSettings(currency="CHF"))[0] == "wrote view_settings"
        assert refused(client, "INSERT INTO crm.nodes (shard, entity) VALUES (0, 'x')")
        assert refused(client, "CREATE TABLE default.x (a UInt8) ENGINE = Memory")
    return directory


def test_a_writer_writes_every_table_and_changes_none(migrated: Path):
    with limited(migrated, grants(WRITER, "crm")) as client:
        check_migrated(client, "crm")
        for table in tables():
            kept = refused(client, f"INSERT INTO crm.{table} SELECT * FROM crm.{table} WHERE 0")
            assert kept == (table in ("migrations", "view_settings")), table
            deleted = not refused(client, f"ALTER TABLE crm.{table} DELETE WHERE 0")
            assert deleted == (table.startswith(("roll_", "history_")) or table in ("people", "dead_letters")), table
        assert refused(client, "DROP TABLE crm.nodes")
        assert refused(client, "ALTER TABLE crm.nodes ADD COLUMN x UInt8")
        assert refused(client, "CREATE OR REPLACE VIEW crm.report_calls AS SELECT 1")


def test_a_reader_reads_every_report_and_no_personal_data(migrated: Path):
    views = [view.name for view in load_views()]
    with limited(migrated, grants(READER, "crm")) as client:
        closed = {view for view in views if refused(client, f"SELECT * FROM crm.{view} LIMIT 1")}
        assert closed == PERSONAL & set(views)
        assert refused(client, "SELECT value FROM crm.dead_letters")
        assert refused(client, "INSERT INTO crm.claims (shard) VALUES (0)")
    with limited(migrated, [*grants(READER, "crm"), *grants(PEOPLE_READER, "crm")]) as client:
        assert not [view for view in views if refused(client, f"SELECT * FROM crm.{view} LIMIT 1")]
        assert refused(client, "ALTER TABLE crm.people DELETE WHERE 1")
