"""The access list of a worker, in force in a real Kafka: with it a worker works."""

import asyncio
import json
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import TopicAuthorizationFailedError

from deploy.embedded.company import records
from stream.kafka_access_list import acl_commands, strimzi
from stream.settings import Settings
from tests.clickhouse import ClickHouseServer
from tests.integration.deployment import Deployment, assert_right
from tests.kafka.access_list import AUTHORIZER, allow
from tests.kafka.broker import KafkaBroker

OTHERS = ("gateway", "exporter", "operator")
END = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    with KafkaBroker(tmp_path_factory.mktemp("guarded"), extra=AUTHORIZER, users=OTHERS) as broker:
        yield broker


def test_manifests_and_commands_say_what_the_settings_say() -> None:
    settings = Settings(prefix="acme.", replication_factor=3, min_insync_replicas=2, retention_days=14)
    *topics, user = yaml.safe_load_all(yaml.safe_dump_all(strimzi(settings, "worker", "main")))
    assert [(topic["spec"]["topicName"], topic["spec"]["partitions"]) for topic in topics] == [
        ("acme.crm.events", 32),
        ("acme.crm.documents", 32),
        ("acme.crm.dead-letters", 1),
    ]
    assert {topic["spec"]["replicas"] for topic in topics} == {3}
    assert topics[0]["spec"]["config"]["min.insync.replicas"] == "2"
    assert topics[0]["spec"]["config"]["retention.ms"] == str(14 * 86_400_000)
    assert len(user["spec"]["authorization"]["acls"]) == len(acl_commands(settings, "worker")) == 4
    assert acl_commands(settings, "worker")[-1].endswith("User:worker --operation Read --group acme.sixfold")


def test_a_worker_works_with_its_access_list_and_is_refused_without(
    guarded: KafkaBroker, clickhouse_server: ClickHouseServer, tmp_path: Path
) -> None:
    values = [record.value for record in records(21, END, 1_500, golden=False)]
    with Deployment(guarded, clickhouse_server, tmp_path / "deployed") as admin:  # makes topics and tables
        secured = {
            "brokers": guarded.secure_address,
            "kafka_security_protocol": "SASL_SSL",
            "kafka_username": guarded.user,
            "kafka_password": guarded.password,
            "kafka_ca_file": guarded.ca_file,
            "migrate_at_start": False,
        }
        events = tmp_path / "events.jsonl"
        events.write_bytes(b"\n".join(values))
        admin.command("import", str(events))
        admin.environment(secured)
        said = admin.command("worker", code=2)
        assert f"has no topic {admin.settings.events_topic}, or does not let us see it" in said
        asyncio.run(allow(guarded.address, acl_commands(admin.settings, guarded.user)))
        worker = admin.start()
        admin.wait()
        assert_right(admin, values)
        worker.terminate()
        assert worker.wait(60) == 0, admin.logs()


def test_everybody_works_with_the_list_of_their_process_and_may_do_no_more(
    guarded: KafkaBroker, clickhouse_server: ClickHouseServer, tmp_path: Path
) -> None:
    values = [record.value for record in records(22, END, 1_500, golden=False)]
    with Deployment(guarded, clickhouse_server, tmp_path / "deployed") as deployed:
        deployed.start()  # as the super user of the plain listener
        events = tmp_path / "events.jsonl"
        events.write_bytes(b"\n".join(values))

        def run(user: str, *command: str, code: int = 0) -> list[str]:
            deployed.environment(
                {
                    "brokers": guarded.secure_address,
                    "kafka_security_protocol": "SASL_SSL",
                    "kafka_username": user,
                    "kafka_password": guarded.passwords[user],
                    "kafka_ca_file": guarded.ca_file,
                    "migrate_at_start": False,
                }
            )
            import time; t=time.time()
            try:
                return deployed.command(*command, code=code).splitlines()
            finally:
                print("TIMED", user, command, time.time()-t)

        topic = deployed.settings.events_topic
        assert f"has no topic {topic}" in run("gateway", "import", str(events), code=2)[-1]
        assert f"has no topic {topic}" in run("operator", "status", code=2)[-1]
        for process in OTHERS:
            printed = deployed.command("kafka", "--process", process, "--user", process)
            asyncio.run(allow(guarded.address, printed.splitlines()))
        run("gateway", "import", str(events))
        run("operator", "wait", "--timeout", "120")
        assert len(run("exporter", "wait", "--timeout", "120")) == 0  # asks what the exporter asks
        assert_right(deployed, values)
        run("operator", "status")
        checks = json.loads(deployed.output("doctor", "--json"))["checks"]
        assert {each["check"] for each in checks if each["state"] in ("problem", "unknown")} == set()
        for user in ("exporter", "operator"):
            (line,) = run(user, "import", str(events), code=2)[-1:]
            assert f"user {user} may not write to {topic}: see `sixfold kafka --process gateway`" in line
        assert not asyncio.run(may_read(guarded, "exporter", topic))
        assert not asyncio.run(may_read(guarded, "operator", topic))
        asyncio.run(allow(guarded.address, acl_commands(deployed.settings, guarded.user)))
        assert asyncio.run(may_read(guarded, guarded.user, topic))


async def may_read(broker: KafkaBroker, user: str, topic: str) -> bool:
    """Whether a user gets records of a topic that has some."""
    context = ssl.create_default_context(cafile=broker.ca_file)
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=broker.secure_address,
        security_protocol="SASL_SSL",
        ssl_context=context,
        sasl_mechanism="SCRAM-SHA-512",
        sasl_plain_username=user,
        sasl_plain_password=broker.passwords[user],
        auto_offset_reset="earliest",
    )
    try:
        await consumer.start()
        async with asyncio.timeout(60):
            while True:
                if await consumer.getmany(timeout_ms=500):
                    return True
    except TopicAuthorizationFailedError:
        return False
    finally:
        await consumer.stop()
