"""As in production: a worker that may only write, tenants side by side, and versions that meet."""

from datetime import UTC, datetime
from pathlib import Path

from deploy.embedded.company import records
from sinks.migrate import Migration, load_migrations, migrate
from sinks.roles import WRITER, grants
from tests.clickhouse import ClickHouseServer, engine, limit
from tests.integration.deployment import Deployment, assert_right
from tests.kafka.broker import TansuBroker, free_port

END = datetime(2026, 11, 24, tzinfo=UTC)
SERVER = "sixfold", "password"


def _events(deployed: Deployment, values: list[bytes]) -> None:
    path = deployed.directory / "events.jsonl"
    path.write_bytes(b"\n".join(values))
    deployed.command("import", str(path))


def test_a_worker_needs_no_more_than_the_writers_grants(tansu: TansuBroker, tmp_path: Path) -> None:
    values = [record.value for record in records(7, END, 1_500, golden=False)]
    port, data = free_port(), tmp_path / "data"
    server = ClickHouseServer("127.0.0.1", port, *SERVER)
    deployed = Deployment(tansu, server, tmp_path / "deployed", migrate_at_start=False)
    deployed.directory.mkdir()
    with engine(port, data) as process:
        assert "lacks 001_tables" in deployed.command("worker", code=2)
        deployed.command("migrate")
        process.terminate()
        process.wait(60)
    config = tmp_path / "writer.xml"
    limit(config, grants(WRITER, deployed.name))
    with engine(port, data, config):
        worker = deployed.start()
        try:
            _events(deployed, values)
            deployed.wait()
            assert_right(deployed, values)
            worker.terminate()
            assert worker.wait(60) == 0, deployed.logs()
            assert "ACCESS_DENIED" not in deployed.logs()
            assert "Not enough privileges" in deployed.command("migrate", code=2)
        finally:
            worker.kill()
            worker.wait()


def test_two_tenants_on_one_broker_and_one_clickhouse_mix_nothing(
    tansu: TansuBroker, clickhouse_server: ClickHouseServer, tmp_path: Path
) -> None:
    """The same ids with other content in each: a record in the wrong place would change a figure."""
    given = [[record.value for record in records(seed, END, 1_500, golden=False)] for seed in (31, 32)]
    with (
        Deployment(tansu, clickhouse_server, tmp_path / "a") as first,
        Deployment(tansu, clickhouse_server, tmp_path / "b") as second,
    ):
        workers = [tenant.start() for tenant in (first, second)]
        for tenant, values in zip((first, second), given, strict=True):
            _events(tenant, values)
        for tenant, values in zip((first, second), given, strict=True):
            tenant.wait()
            assert_right(tenant, values)
        for worker, tenant in zip(workers, (first, second), strict=True):
            worker.terminate()
            assert worker.wait(60) == 0, tenant.logs()


def test_a_rolling_upgrade_adds_a_table_under_a_running_worker_and_is_not_gone_back_on(
    tansu: TansuBroker, clickhouse_server: ClickHouseServer, tmp_path: Path
) -> None:
    values = [record.value for record in records(41, END, 1_500, golden=False)]
    with Deployment(tansu, clickhouse_server, tmp_path / "deployed") as deployed:
        old = deployed.start()
        _events(deployed, values[:700])
        deployed.wait()
        statement = "CREATE TABLE IF NOT EXISTS later (x UInt8) ENGINE = MergeTree ORDER BY x"
        newer = [*load_migrations(), Migration(900, "later", "0" * 64, (statement,))]
        client = clickhouse_server.connect()
        assert "applied 900_later" in migrate(
            client, deployed.name, deployed.settings.view_settings(), migrations=newer
        )
        _events(deployed, values[700:])  # the old version, running on, works with the new tables
        deployed.wait()
        assert_right(deployed, values)
        for at_start in (True, False):  # but is not started again
            deployed.environment({"migrate_at_start": at_start})
            said = deployed.command("worker", code=2)
            assert "900_later.sql, newer than this version of Sixfold" in said
            assert "Traceback" not in said
        old.terminate()
        assert old.wait(60) == 0, deployed.logs()
        client.command(f"ALTER TABLE {deployed.name}.migrations DELETE WHERE number = 900 SETTINGS mutations_sync = 2")
        # new rules: the newer worker counts anew, and an older one with the rules from before is refused
        deployed.environment({"time_zone": "Asia/Tokyo", "migrate_at_start": False})
        deployed.start()
        deployed.wait()
        deployed.environment({"time_zone": "UTC"})
        assert "are not the newest" in deployed.command("worker", code=2)
