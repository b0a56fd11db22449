"""The access list of a worker, in force in a real Kafka: with it a worker works."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from deploy.embedded.company import records
from stream.kafka_access_list import acl_commands, strimzi
from stream.settings import Settings
from tests.clickhouse import ClickHouseServer
from tests.integration.deployment import Deployment, assert_right
from tests.kafka.access_list import AUTHORIZER, allow
from tests.kafka.broker import KafkaBroker

END = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    with KafkaBroker(tmp_path_factory.mktemp("guarded"), extra=AUTHORIZER) as broker:
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
