"""`sixfold doctor` over real brokers and ClickHouse: each check where all is well, and where it is not."""

import asyncio
import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from pydantic import SecretStr

from sinks.clickhouse import ClickHouseStore
from stream.doctor import database
from stream.doctor.examination import examine
from stream.doctor.finding import Finding
from stream.doctor.topics import CHECKS as OF_BROKERS
from stream.kafka_access import open_log
from stream.rules import Rules
from stream.settings import Settings
from tests.clickhouse import READER, ClickHouseServer
from tests.integration.deployment import Deployment
from tests.kafka.broker import KafkaBroker, TansuBroker
from tests.stream.cases import lead

PASSWORD = "never-to-be-seen"
NEED_BROKERS = {*OF_BROKERS, "lag", "gaps"}
LOCAL = {"secret_files", "source_files", "webhook_secrets", "gateway_key"}


@pytest.fixture(scope="module")
def site(
    tansu: TansuBroker, clickhouse_server: ClickHouseServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """Topics and tables, and nobody who counts."""
    with Deployment(tansu, clickhouse_server, tmp_path_factory.mktemp("site"), partitions=2) as deployed:
        yield deployed


def look(settings: Settings) -> dict[str, Finding]:
    found = asyncio.run(examine(settings))
    assert len({finding.check for finding in found}) == len(found)
    assert all(finding.action for finding in found if finding.state in ("warning", "problem"))
    assert all("\n" not in finding.found + finding.action for finding in found)
    return {finding.check: finding for finding in found}


def other(site: Deployment, **settings: Any) -> Settings:
    """The settings of the site, and others beside them, unchecked."""
    given = {name: getattr(site.settings, name) for name in site.settings.model_fields_set}
    return Settings(**{**given, **settings})


def url(server: ClickHouseServer, name: str, *, reader: bool = False) -> str:
    user, password = (READER, server.reader_password) if reader else (server.user, server.password)
    return f"http://{user}:{password}@{server.host}:{server.port}/{name}"


def quiet_lead(at: datetime, number: int) -> bytes:
    value = json.loads(lead(f"q{number}", at.isoformat()))
    return json.dumps({**value, "source": "sleepy"}).encode()


def test_all_is_well_then_a_source_falls_silent_and_rules_change(
    tansu: TansuBroker, clickhouse_server: ClickHouseServer, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    with Deployment(tansu, clickhouse_server, tmp_path, partitions=2) as deployed:
        deployed.change(clickhouse_reader_url=url(clickhouse_server, deployed.name, reader=True))
        deployed.start()
        deployed.send([lead("a", now.isoformat(), channel="email")])
        deployed.wait()
        before = json.loads(deployed.output("doctor", "--json"))
        assert {each["check"]: each for each in before["checks"]}["history"]["state"] == "warning"
        deployed.command("history", "take")
        found = json.loads(deployed.output("doctor", "--json"))
        states = {each["check"]: each["state"] for each in found["checks"]}
        assert found["problems"] == 0, found
        assert set(states) >= NEED_BROKERS | LOCAL | {"brokers", "clickhouse", "rules", "migrations", "reader"}
        assert {name for name, state in states.items() if state != "ok"} <= {"quality", "workers"}, found
        said = {each["check"]: each["found"] for each in found["checks"]}
        assert states["workers"] == "unknown"  # which the embedded broker cannot tell
        assert ": 1 member listed" in said["workers"]
        assert said["brokers"].endswith("over PLAINTEXT")
        assert "0 records to count" in said["lag"]
        text = deployed.command("doctor")
        assert clickhouse_server.password not in text
        assert clickhouse_server.reader_password not in text
        assert len([line for line in text.splitlines() if line.startswith("ok ")]) > 20

        gone = [quiet_lead(now - timedelta(hours=5, minutes=minute), minute) for minute in range(4)]
        deployed.send([*gone, b"not json"])
        deployed.wait()
        late = {each["check"]: each for each in json.loads(deployed.output("doctor", "--json"))["checks"]}
        assert late["quiet_sources"]["state"] == "warning"
        assert "sleepy" in late["quiet_sources"]["found"]
        assert late["dead_letters"]["state"] == "warning"
        assert late["dead_letters"]["found"].startswith("1 ")
        assert late["quality"]["state"] == "warning"
        assert late["history"]["state"] == "ok"

        # Other rules than those under which it was counted, new ones and older ones.
        changed = look(other(deployed, currency="EUR"))["rules"]
        assert changed.state == "problem"
        assert Rules().hash in changed.found
        store = ClickHouseStore(deployed.client(deployed.name), "test")
        newer = Rules(currency="EUR")
        asyncio.run(store.use_rules(newer.hash, newer.content))
        old = look(deployed.settings)["rules"]
        assert old.state == "problem"
        assert f"sixfold rules use {Rules().hash}" in old.action


def test_nothing_runs_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from stream.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIXFOLD_BROKERS", "127.0.0.1:1")
    monkeypatch.setenv("SIXFOLD_CLICKHOUSE_URL", f"http://x:{PASSWORD}@127.0.0.1:2/y")
    assert main(["doctor", "--json"]) == 1
    said = capsys.readouterr()
    assert PASSWORD not in said.out + said.err
    found = json.loads(said.out)
    assert {each["check"] for each in found["checks"] if each["state"] == "problem"} == {"brokers", "clickhouse"}
    assert found["problems"] == 2
    assert all("cannot be reached" in each["found"] for each in found["checks"] if each["state"] == "unknown")
    assert {each["check"] for each in found["checks"] if each["state"] == "ok"} == LOCAL
    assert main(["doctor"]) == 1
    said = capsys.readouterr()
    assert said.out.count("\n") == len(found["checks"]) + 1
    assert PASSWORD not in said.out + said.err
    assert main(["doctor", "--nonsense"]) == 2


def test_services_that_take_connections_and_say_nothing_hide_no_other(site: Deployment) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        found = look(other(site, brokers=f"127.0.0.1:{port}"))
        assert found["brokers"].state == "problem"
        assert {name for name, each in found.items() if each.state == "unknown"} == NEED_BROKERS
        assert found["migrations"].state == "ok"
        found = look(other(site, clickhouse_url=SecretStr(f"http://x:{PASSWORD}@127.0.0.1:{port}/y")))
        assert found["clickhouse"].state == "problem"
        assert found["topics"].state == "ok"
        assert found["lag"].state == "unknown"
        assert PASSWORD not in repr(found)


def test_topics_that_are_missing(site: Deployment) -> None:
    found = look(other(site, prefix=f"{site.name}.other."))
    assert found["topics"].state == "problem"
    assert f"{site.name}.other.crm.events" in found["topics"].found
    assert "sixfold migrate" in found["topics"].action
    assert {found[name].state for name in ("partitions", "replication", "retention", "message_size")} == {"unknown"}
    assert found["workers"].state == "problem"
    assert found["migrations"].state == "ok"


def test_topics_as_the_settings_do_not_want_them(site: Deployment) -> None:
    fine = look(site.settings)
    assert {fine[name].state for name in ("topics", "partitions", "replication", "retention", "message_size")} == {"ok"}
    found = look(other(site, partitions=5, replication_factor=3, min_insync_replicas=2))
    assert found["partitions"].state == "problem"
    assert "SIXFOLD_PARTITIONS=2" in found["partitions"].action
    assert found["replication"].state == "warning"
    assert "1 replicas, not 3" in found["replication"].found
    assert "min.insync.replicas=1, not 2" in found["replication"].found


def test_topics_that_lose_or_refuse_records(site: Deployment) -> None:
    settings = other(site, prefix=f"{site.name}.small.")
    configs = {"retention.ms": "86400000", "max.message.bytes": "1000", "cleanup.policy": "compact"}
    letters = {**configs, "max.message.bytes": str(2 << 20)}
    names = {settings.events_topic: 2, settings.documents_topic: 2, settings.dead_letters_topic: 1}

    async def _create() -> None:
        async with open_log(settings) as log:
            await log.create_topics(
                names, configs={settings.events_topic: configs, settings.dead_letters_topic: letters}
            )

    asyncio.run(_create())
    found = look(settings)
    assert found["retention"].state == "problem"
    assert "retention.ms=86400000, not -1" in found["retention"].found
    assert "cleanup.policy=compact" in found["retention"].found
    assert found["message_size"].state == "problem"
    assert f"{settings.events_topic} has max.message.bytes=1000" in found["message_size"].found
    assert f"{settings.dead_letters_topic} has max.message.bytes=2097152" in found["message_size"].found
    shorter = look(other(site, prefix=settings.prefix, retention_days=1))["retention"]
    assert "retention.ms" not in shorter.found


def test_records_to_count(site: Deployment) -> None:
    site.send([lead(f"l{number}", "2026-03-01") for number in range(20)])
    assert look(site.settings)["lag"].state == "ok"
    late = look(other(site, ready_lag=19))["lag"]
    assert late.state == "warning"
    assert "20 records to count" in late.found


def test_over_apache_kafka_the_worker_goes_and_records_are_gone(
    kafka: KafkaBroker, clickhouse_server: ClickHouseServer, tmp_path: Path
) -> None:
    with Deployment(kafka, clickhouse_server, tmp_path, partitions=2) as deployed:
        worker = deployed.start()
        deployed.send([lead(f"l{number}", "2026-03-01") for number in range(20)])
        deployed.wait()
        found = look(deployed.settings)
        assert {name for name, each in found.items() if each.state in ("problem", "unknown")} == set()
        assert found["workers"].found.endswith(": 1 member")
        worker.terminate()
        assert worker.wait(60) == 0, deployed.logs()
        deployed.send([lead(f"m{number}", "2026-03-01") for number in range(20)])
        ends = asyncio.run(_delete(deployed))
        found = look(deployed.settings)
        assert found["workers"].state == "problem"
        assert "no members" in found["workers"].found
        assert "sixfold worker" in found["workers"].action
        assert found["gaps"].state == "problem"
        assert found["gaps"].found.startswith(f"{ends - 20} records are gone")
        assert "sixfold accept-gap" in found["gaps"].action


async def _delete(deployed: Deployment) -> int:
    """All events go; gives how many there were."""
    topic = deployed.settings.events_topic
    partitions = [TopicPartition(topic, number) for number in range(2)]
    async with open_log(deployed.settings) as log:
        ends = {partition: end for partition, (_, end) in (await log.bounds(partitions)).items()}
    admin = AIOKafkaAdminClient(bootstrap_servers=deployed.broker.address)
    await admin.start()
    try:
        for partition, end in ends.items():
            await admin.delete_records({partition: RecordsToDelete(end)})
    finally:
        await admin.close()
    return sum(ends.values())


def test_tables_of_another_version_and_none_at_all(site: Deployment) -> None:
    client = site.client(site.name)
    client.command("INSERT INTO migrations SELECT 999, 'later', 'x', now64(3)")
    newer = look(site.settings)["migrations"]
    client.command("ALTER TABLE migrations DELETE WHERE number = 999", settings={"mutations_sync": 1})
    assert newer.state == "problem"
    assert "999_later.sql" in newer.found
    client.command("RENAME TABLE nodes TO elsewhere")
    lost = look(site.settings)["migrations"]
    client.command("RENAME TABLE elsewhere TO nodes")
    assert (lost.state, lost.found) == ("problem", f"database {site.name} has lost nodes")
    assert lost.action.startswith("restore it from a backup")
    name = f"{site.name}_empty"
    client.command(f"CREATE DATABASE {name}")
    try:
        bare = look(other(site, clickhouse_url=SecretStr(url(site.clickhouse, name))))
    finally:
        client.command(f"DROP DATABASE {name}")
    assert bare["clickhouse"].state == bare["disk"].state == "ok"
    assert bare["migrations"].state == "problem"
    assert "sixfold migrate" in bare["migrations"].action
    assert {bare[check].state for check in ("rules", "quality", "history", "lag", "quiet_sources")} == {"unknown"}
    assert bare["rules"].action == "run `sixfold migrate`"
    none = look(other(site, clickhouse_url=SecretStr(url(site.clickhouse, name))))
    assert none["clickhouse"].state == "ok"
    assert none["migrations"].state == "problem"
    assert none["rules"].state == "unknown"
    assert name in none["rules"].found


def test_who_may_write(site: Deployment) -> None:
    server = site.clickhouse
    alone = look(site.settings)
    assert alone["writing"].state == "ok"
    assert alone["reader"].state == "warning"
    reading, writing = (SecretStr(url(server, site.name, reader=reader)) for reader in (True, False))
    swapped = look(other(site, clickhouse_url=reading, clickhouse_reader_url=writing))
    assert swapped["writing"].state == swapped["reader"].state == "problem"
    assert "nodes" in swapped["writing"].found
    assert "may write" in swapped["reader"].found
    right = look(other(site, clickhouse_reader_url=reading))
    assert right["reader"].state == "ok"
    assert server.password not in repr(swapped) + repr(right)


def test_disk_clock_version_and_zone(site: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    fine = look(site.settings)
    assert {fine[name].state for name in ("clickhouse", "clock", "time_zone")} == {"ok"}
    assert "GiB free" in fine["disk"].found

    class Late(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) - timedelta(minutes=1)

    with monkeypatch.context() as patched:
        patched.setattr(database, "datetime", Late)
        patched.setattr(database, "OLDEST", (99, 1))
        patched.setattr(database, "NO_BYTES", 1 << 60)
        bad = look(site.settings.model_copy(update={"time_zone": "Mars/Olympus"}))
    assert {name: bad[name].state for name in ("clickhouse", "disk", "clock", "time_zone")} == {
        "clickhouse": "warning",
        "disk": "problem",
        "clock": "problem",
        "time_zone": "problem",
    }
    assert "60." in bad["clock"].found or "59." in bad["clock"].found
    with monkeypatch.context() as patched:
        patched.setattr(database, "FEW_BYTES", 1 << 60)
        patched.setattr(database, "FEW_SHARE", 1)
        patched.setattr(database, "NO_BYTES", 0)
        patched.setattr(database, "NO_SHARE", 0)
        assert look(site.settings)["disk"].state == "warning"
