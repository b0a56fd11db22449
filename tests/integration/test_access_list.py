"""The access list of each process, in force in a real Kafka: with it the process works, with one less it says which."""

import asyncio
import json
import secrets
import signal
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest

from deploy.embedded.company import records
from stream.kafka_access_list import PROCESSES, Access, access_of, acl_commands, strimzi
from stream.log import Log, Outgoing
from stream.settings import Settings
from tests.clickhouse import ClickHouseServer
from tests.integration.deployment import Deployment, assert_right
from tests.integration.test_starting import ask, process, until
from tests.kafka.access_list import ALLOW, AUTHORIZER, LITERAL, OPERATIONS, RESOURCES
from tests.kafka.broker import KafkaBroker, free_port

END = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    with KafkaBroker(tmp_path_factory.mktemp("guarded"), extra=AUTHORIZER) as broker:
        yield broker


Right = tuple[str, str, str]
"""Resource, name, operation."""


def rights_of(accesses: Iterable[Access]) -> list[Right]:
    return [(found.resource, found.name, operation) for found in accesses for operation in found.operations]


async def _change(broker: KafkaBroker, request: type, rights: Iterable[Right]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.address)
    await admin.start()
    try:
        for resource, name, operation in rights:
            entry = (RESOURCES[resource], name, LITERAL, f"User:{broker.user}", "*", OPERATIONS[operation], ALLOW)
            answer = await admin._send_request(request(*entry))
            codes = answer.creation_responses if request is CreateAclsRequest else answer.filter_responses
            assert [each[0] for each in codes] == [0]
    finally:
        await admin.close()


def allow(broker: KafkaBroker, rights: Iterable[Right]) -> None:
    asyncio.run(_change(broker, CreateAclsRequest, rights))


def forbid(broker: KafkaBroker, rights: Iterable[Right]) -> None:
    asyncio.run(_change(broker, DeleteAclsRequest, rights))


def secured(broker: KafkaBroker) -> dict[str, Any]:
    return {
        "brokers": broker.secure_address,
        "kafka_security_protocol": "SASL_SSL",
        "kafka_username": broker.user,
        "kafka_password": broker.password,
        "kafka_ca_file": broker.ca_file,
    }


def line_for(right: Right, broker: KafkaBroker) -> str:
    resource, name, operation = right
    return f"not allowed to {operation.lower()} {resource} {name}: grant {operation} to User:{broker.user}"


def test_manifests_and_commands_say_what_the_settings_say(tmp_path: Path) -> None:
    (tmp_path / "rows.toml").write_text('kind = "segment"\nsource = "s"\n[kafka]\ntopics = ["one", "two"]\n')
    settings = Settings(
        prefix="acme.",
        replication_factor=3,
        min_insync_replicas=2,
        retention_days=14,
        sources=(str(tmp_path / "rows.toml"),),
    )
    *topics, user = yaml.safe_load_all(yaml.safe_dump_all(strimzi(settings, "worker", "main", ["worker", "exporter"])))
    assert [(topic["spec"]["topicName"], topic["spec"]["partitions"]) for topic in topics] == [
        ("acme.crm.events", 32),
        ("acme.crm.documents", 32),
        ("acme.crm.dead-letters", 1),
    ]
    assert {topic["spec"]["replicas"] for topic in topics} == {3}
    assert topics[0]["spec"]["config"]["min.insync.replicas"] == "2"
    assert topics[0]["spec"]["config"]["retention.ms"] == str(14 * 86_400_000)
    assert len(user["spec"]["authorization"]["acls"]) == len(acl_commands(settings, "worker", "worker")) == 4
    assert acl_commands(settings, "w", "worker")[-1].endswith("User:w --operation Read --group acme.sixfold")
    assert [line.partition("User:s ")[2] for line in acl_commands(settings, "s", "sources")] == [
        "--operation Read --topic one",
        "--operation Read --topic two",
        "--operation Write --topic acme.crm.events",
        "--operation Read --group acme.sixfold-sources",
    ]


def test_a_worker_works_with_its_access_list(
    guarded: KafkaBroker, clickhouse_server: ClickHouseServer, tmp_path: Path
) -> None:
    values = [record.value for record in records(21, END, 1_500, golden=False)]
    with Deployment(guarded, clickhouse_server, tmp_path / "deployed") as admin:  # makes topics and tables
        events = tmp_path / "events.jsonl"
        events.write_bytes(b"\n".join(values))
        admin.command("import", str(events))
        admin.environment({**secured(guarded), "migrate_at_start": False})
        rights = rights_of(access_of(admin.settings, "worker"))
        allow(guarded, rights)
        worker = admin.start()
        admin.environment({"brokers": guarded.address, "kafka_security_protocol": "PLAINTEXT"})  # others are not asked
        admin.wait()
        assert_right(admin, values)
        worker.terminate()
        assert worker.wait(60) == 0, admin.logs()
        assert "not allowed" not in admin.logs()
        forbid(guarded, rights)


def reason(port: int) -> str:
    """Why a process is not ready for Kafka's sake."""
    return str(ask(port, "/ready")[1].get("reasons", {}).get("kafka", ""))


def own_settings(guarded: KafkaBroker, server: ClickHouseServer, name: str, directory: Path) -> dict[str, Any]:
    """Of a deployment with topics and tables, which only the guarded listener serves."""
    given = {
        "prefix": f"{name}.",
        "partitions": 4,
        "clickhouse_url": f"http://{server.user}:{server.password}@{server.host}:{server.port}/{name}",
        "data": directory / "data",
        "sources": directory / "rows.toml",
        "migrate_at_start": False,
        "gateway_key": "key",
        "gateway_port": free_port(),
        "metrics_port": free_port(),
    }
    (directory / "rows.toml").write_text(f'kind = "segment"\nsource = "s"\n[kafka]\ntopics = ["{name}.rows"]\n')
    with process("migrate", directory, brokers=guarded.address, **given) as migrated:
        assert migrated.wait(180) == 0, (directory / "log").read_text()
    asyncio.run(_source_topic(guarded, f"{name}.rows"))
    return {**given, **secured(guarded)}


async def _source_topic(broker: KafkaBroker, topic: str) -> None:
    async with await Log.open((broker.address,)) as log:
        await log.create_topics({topic: 1})
        await log.produce([Outgoing(topic, 0, None, b"no json")])


@pytest.mark.parametrize("command", ["worker", "gateway", "sources"])
def test_one_right_less_is_one_line_and_waited_for(
    command: Any, guarded: KafkaBroker, clickhouse_server: ClickHouseServer, tmp_path: Path
) -> None:
    name = f"acl_{secrets.token_hex(4)}"
    own = own_settings(guarded, clickhouse_server, name, tmp_path)
    settings = Settings(prefix=f"{name}.", sources=(str(tmp_path / "rows.toml"),))
    rights = rights_of(access_of(settings, command))
    for missing in rights:
        rest = [right for right in rights if right != missing]
        allow(guarded, rest)
        with process(command, tmp_path, **own) as started:
            told = line_for(missing, guarded)
            port = own["metrics_port"]
            until(lambda told=told, port=port: told in reason(port), started, tmp_path)
            said = (tmp_path / "log").read_text().splitlines()
            assert [told in line for line in said].count(True) == 1
            assert sum("not allowed" in line for line in said) == 1, "of nothing else"
            assert ask(port, "/live")[0] == 200
            allow(guarded, [missing])
            until(lambda port=port: ask(port, "/ready")[0] == 200, started, tmp_path)
            started.send_signal(signal.SIGTERM)
            assert started.wait(60) == 0
        forbid(guarded, rights)


def test_the_command_line_and_the_exporter_have_their_lists(
    guarded: KafkaBroker, clickhouse_server: ClickHouseServer, tmp_path: Path
) -> None:
    values = [record.value for record in records(21, END, 1_500, golden=False)]
    events = tmp_path / "events.jsonl"
    events.write_bytes(b"\n".join(values))
    with Deployment(guarded, clickhouse_server, tmp_path / "deployed") as deployed:
        deployed.start()
        deployed.environment(secured(guarded))
        rights = rights_of(access_of(deployed.settings, "commands"))
        allow(guarded, rights)
        deployed.command("import", str(events))
        deployed.wait()
        status = json.loads(deployed.output("status", "--json"))
        assert sum(shard["events_lag"] for shard in status["shards"]) == 0
        doctor = json.loads(deployed.output("doctor", "--json"))["checks"]
        kept = {"topics", "partitions", "retention", "message_size", "workers"}
        assert {each["check"]: each["state"] for each in doctor if each["check"] in kept} == dict.fromkeys(kept, "ok")
        forbid(guarded, rights)
        exporter = rights_of(access_of(deployed.settings, "exporter"))
        allow(guarded, exporter)
        deployed.command("status")  # asks Kafka what the exporter asks
        forbid(guarded, exporter)
        assert not {right for right in exporter if right[2] == "Read"}, "events name people"
        documents_described = ("topic", deployed.settings.documents_topic, "Describe")
        events_write = ("topic", deployed.settings.events_topic, "Write")
        allow(guarded, [right for right in rights if right != documents_described])
        for command in ("status", "wait"):
            said = deployed.command(command, code=2)
            assert line_for(documents_described, guarded) in said
            assert len(said.splitlines()) == 1
        forbid(guarded, rights)
        allow(guarded, [right for right in rights if right != events_write])
        said = deployed.command("import", str(events), "--restart", code=2)
        assert line_for(events_write, guarded) in said
        forbid(guarded, rights)


def test_every_process_has_a_list() -> None:
    assert all(access_of(Settings(), process) for process in PROCESSES)
