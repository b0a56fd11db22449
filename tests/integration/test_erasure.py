"""A person who is erased is nowhere any more that Sixfold can reach, and the figures stay as they are."""

import asyncio
import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from clickhouse_connect.driver.client import Client

from tests.clickhouse import ClickHouseServer
from tests.deploy.test_up import ask, post, query, running, settings_of
from tests.integration.deployment import PATIENCE_SECONDS, Deployment, assert_right
from tests.kafka.broker import KafkaBroker, TansuBroker
from tests.stream.cases import call, deal, event, lead, opportunity, touch

NAME, ALIAS, EMAIL = "Zebulon Quagmire", "Zeb Maidenname", "zebulon.quagmire@example.org"
COMPANY, CONTACT, SUBJECT = "Quagmire Swamps", "Wilhelmina Xanadu", "Forty flamingos for Quagmire"
TRACES = (NAME, ALIAS, EMAIL, COMPANY, CONTACT, SUBJECT)
BYSTANDER = "Benedict Bystander"


def dead(data: dict[str, Any], **rest: Any) -> bytes:
    """An event that no one can read."""
    return json.dumps(
        {"id": "d", "source": "crm", "type": "crm.lead.updated", "time": "yesterday", "data": data, **rest}
    ).encode()


EVENTS = [
    lead("4711", "2026-03-01", name=NAME, email=EMAIL, company=COMPANY, utm={"source": "google", "medium": "cpc"}),
    lead("ü/2", "2026-03-02", name=ALIAS, stage="MQL"),
    event("crm.lead.merged", "2026-03-03", lead_id="4711", merged_ids=["ü/2"]),
    # a link that lost connects as well as one that won
    lead("3", "2026-03-02", name=ALIAS),
    event("crm.lead.merged", "2026-03-03", lead_id="4711", merged_ids=["3"]),
    event("crm.lead.merged", "2026-03-04", lead_id="other", merged_ids=["3"]),
    lead("other", "2026-03-02"),
    touch("t", "4711", "2026-03-02", utm={"medium": "email"}),
    call("c", "2026-03-03", lead_id="4711", status="answered", talk_seconds=7),
    opportunity("o1", "2026-03-04", lead_id="ü/2", amount="100.00", cost="3.3333", contact=CONTACT, subject=SUBJECT),
    deal("won", "o1", "2026-03-05"),
    opportunity("o2", "2026-03-04", lead_id="4711", amount="5.00", subject=SUBJECT),
    event("crm.opportunity.updated", "2026-03-06", opportunity_id="o2", lead_id="bystander"),
    lead("bystander", "2026-03-01", name=BYSTANDER, email="ben@example.org"),
    opportunity("o3", "2026-03-04", lead_id="bystander", amount="9.00", contact=BYSTANDER),
]
DEAD_OF_HERS = [
    dead({"lead_id": "4711", "name": NAME}),
    dead({"lead_id": 4711, "email": EMAIL}),
    b'{"data": {"lead_id": "\\u00fc\\/2", "name": "' + ALIAS.encode() + b'"',
    dead({"opportunity_id": "o1", "contact": CONTACT}, type="crm.opportunity.updated"),
]
DEAD_OF_OTHERS = [
    dead({"lead_id": "bystander", "name": BYSTANDER}),
    dead({"lead_id": "47111", "amount": 4711, "note": "4711 pieces"}),
]
ENTITIES = ["lead:%C3%BC%2F2", "lead:3", "lead:4711", "lead:other", "opportunity:o1", "opportunity:o2"]


@pytest.fixture
def deployed(tansu: TansuBroker, clickhouse_server: ClickHouseServer, tmp_path: Path) -> Iterator[Deployment]:
    """A worker that leaves the purge to the command, and all events counted."""
    with Deployment(tansu, clickhouse_server, tmp_path, purge_seconds=0) as deployment:
        deployment.start()
        deployment.send([*EVENTS, *DEAD_OF_HERS, *DEAD_OF_OTHERS])
        deployment.wait()
        yield deployment


def found_in_tables(client: Client, words: tuple[str, ...] = TRACES) -> set[str]:
    """Tables in any column of which, read whole, a word stands; states of nodes are unpacked from base64."""
    database = client.database
    tables = client.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
    ).result_rows
    assert {name for (name,) in tables} >= {"people", "dead_letters", "nodes", "roll_leads", "manifest"}
    found = set()
    for (table,) in tables:
        rows = client.raw_query(f"SELECT * FROM {database}.{table} FORMAT JSONEachRow")
        if table == "nodes":
            rows += b"".join(base64.b64decode(json.loads(line)["state"]) for line in rows.splitlines())
        if any(word.encode() in rows for word in words):
            found.add(table)
    return found


def table_files(client: Client, server: ClickHouseServer) -> list[Path]:
    """Where the engine keeps the tables of a database; what an earlier test dropped may lie beside for minutes."""
    ours = "database = currentDatabase() AND engine LIKE '%MergeTree'"
    rows = client.query(f"SELECT arrayJoin(data_paths) FROM system.tables WHERE {ours}").result_rows
    folders = [Path(path) for (path,) in rows]
    assert folders
    assert all(folder.is_relative_to(server.data.resolve()) for folder in folders)
    return folders


def files_with(folder: Path, words: tuple[str, ...] = TRACES) -> set[Path]:
    """Files under a folder in whose bytes a word stands."""
    found = set()
    for path in folder.rglob("*"):
        try:
            content = path.read_bytes() if path.is_file() else b""
        except FileNotFoundError:  # a part that goes just now
            continue
        if any(word.encode() in content for word in words):
            found.add(path)
    return found


async def records(address: str, topic: str) -> list[bytes]:
    """Keys, values and headers of all records of a topic."""
    consumer = AIOKafkaConsumer(bootstrap_servers=address, enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        found: list[bytes] = []
        for partition in partitions:
            consumer.assign([partition])
            await consumer.seek_to_beginning(partition)
            while batch := await consumer.getmany(timeout_ms=1000):
                for record in batch[partition]:
                    found += [record.key or b"", record.value or b"", *(value for _, value in record.headers)]
        return found
    finally:
        await consumer.stop()


def topics_with(deployment: Deployment, words: tuple[str, ...] = TRACES) -> set[str]:
    found = set()
    settings = deployment.settings
    for topic in (settings.events_topic, settings.documents_topic, settings.dead_letters_topic):
        if any(word.encode() in each for each in asyncio.run(records(settings.brokers, topic)) for word in words):
            found.add(topic.removeprefix(settings.prefix))
    return found


def people(client: Client) -> list[tuple[str, str]]:
    rows = client.query("SELECT DISTINCT entity, value FROM people ORDER BY entity, value").result_rows
    return [(entity, value) for entity, value in rows]


def reports(client: Client) -> dict[str, Any]:
    """Every report but those of how things run: the erasure is an event, and its source was heard of."""
    views = client.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND name LIKE 'report\\_%'"
        " AND NOT match(name, '_(by|week|month|quarter|year)$')"
        " AND name NOT IN ('report_freshness', 'report_quality', 'report_sources')"
    ).result_rows
    return {name: client.query(f"SELECT * FROM {name} ORDER BY ALL").result_rows for (name,) in views}


def eventually(what: Callable[[], object], why: Callable[[], object] = str) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not what():
        assert time.monotonic() < end, why()
        time.sleep(0.3)


def test_after_the_erasure_the_person_is_nowhere_and_the_figures_stay(
    deployed: Deployment, clickhouse_server: ClickHouseServer, tmp_path: Path
) -> None:
    client = deployed.client(deployed.name)
    long = json.dumps({"data": {"lead_id": "4711", "name": NAME}, "pad": "x" * (2 << 20)}).encode()
    (tmp_path / "old.jsonl").write_bytes(
        EVENTS[0] + b"\n" + long + b"\n" + b'{"lead_id": "bystander"' + b"x" * (2 << 20)
    )
    deployed.command("import", "old.jsonl", code=1)
    deployed.wait()
    imports = deployed.settings.data / "imports"
    before, shown = deployed.tables(), reports(client)
    # who searches must be able to find
    assert found_in_tables(client) == {"people", "dead_letters"}
    folders = table_files(client, clickhouse_server)
    assert {path.name for folder in folders for path in files_with(folder)} >= {"data.bin"}
    assert files_with(imports)
    assert topics_with(deployed) == {"crm.events", "crm.dead-letters"}

    receipt = json.loads(deployed.output("erase", "lead:4711", "--yes", "--json"))

    assert receipt["complete"], receipt["left"]
    assert receipt["entities"] == ENTITIES
    removed = {(Path(each["where"]).name, each["what"]): each["count"] for each in receipt["removed"]}
    tables = f"ClickHouse {deployed.name}"
    assert removed == {
        (f"{tables}.people", "rows"): 8,
        (f"{tables}.dead_letters", "dead letters"): 4,
        ("imports", "rejected lines"): 1,
    }
    assert found_in_tables(client) == set()
    assert not any(files_with(folder) for folder in folders)
    assert files_with(imports) == set()
    assert files_with(tmp_path / "data") == set()
    assert not any(word in path.read_text() for word in TRACES for path in tmp_path.glob("*.log"))
    # what is out of reach still has it, and is named
    assert topics_with(deployed) == {"crm.events", "crm.dead-letters"}
    outside = {each["where"]: each["until"] for each in receipt["outside"]}
    for topic in (deployed.settings.events_topic, deployed.settings.dead_letters_topic):
        assert outside[f"topic {topic} at {deployed.settings.brokers}"].startswith("for ever: retention.ms is -1")
    assert any(where.startswith("backups") for where in outside)
    # nobody else is touched, and no figure
    assert ("lead:bystander", BYSTANDER) in people(client)
    letters = client.query("SELECT value FROM dead_letters FINAL", query_formats={"String": "bytes"}).result_rows
    assert sorted(value for (value,) in letters) == sorted(DEAD_OF_OTHERS)
    (rejected,) = imports.glob("*.rejected.jsonl")
    entries = [json.loads(line) for line in rejected.read_bytes().splitlines()]
    assert [(entry["line"], entry["reason"]) for entry in entries] == [(2, "erased"), (3, "too-large")]
    assert deployed.tables() == before
    assert reports(client) == shown
    assert_right(deployed, EVENTS)

    # a replay does not bring the person back, nor does what comes later
    deployed.send([*EVENTS, *DEAD_OF_HERS, event("crm.lead.updated", "2026-03-09", lead_id="ü/2", name=NAME)])
    deployed.wait()
    assert found_in_tables(client) == set()
    journey = json.loads(deployed.output("lead", "4711", "--json"))
    assert (journey["erased"], journey["people"]) == (True, {})


def test_an_erasure_that_came_through_the_stream_is_pending_until_it_is_purged(deployed: Deployment) -> None:
    client = deployed.client(deployed.name)
    deployed.send([event("crm.lead.erased", "2026-03-07", lead_id="ü/2")])
    deployed.wait()
    hidden = client.query("SELECT entity FROM people_latest WHERE entity != 'lead:bystander'").result_rows
    assert [row[0] for row in hidden] == ["opportunity:o3"]
    assert found_in_tables(client) == {"people", "dead_letters"}
    said = deployed.command("erase", "--pending")
    assert "8 rows: " in said
    assert "4 dead letters: " in said
    assert "Out of Sixfold's reach" in said
    assert found_in_tables(client) == set()
    again = json.loads(deployed.output("erase", "--pending", "--json"))
    assert (again["complete"], {each["count"] for each in again["removed"]}) == (True, {0})


def test_the_worker_purges_by_itself_also_what_arrives_late(
    tansu: TansuBroker, clickhouse_server: ClickHouseServer, tmp_path: Path
) -> None:
    with Deployment(tansu, clickhouse_server, tmp_path, purge_seconds=1) as deployment:
        deployment.start()
        client = deployment.client(deployment.name)
        deployment.send([event("crm.lead.erased", "2026-03-07", lead_id="4711"), *EVENTS[-2:]])
        deployment.wait()
        # an opportunity learns whose it is after its contact was written
        deployment.send([opportunity("late", "2026-03-08", contact=CONTACT), *DEAD_OF_HERS[3:], *DEAD_OF_OTHERS])
        deployment.wait()
        assert ("opportunity:late", CONTACT) in people(client)
        late = [
            event("crm.opportunity.updated", "2026-03-09", opportunity_id=each, lead_id="4711")
            for each in ("late", "o1")
        ]
        deployment.send([*late, *EVENTS])
        deployment.wait()
        eventually(lambda: found_in_tables(client) == set(), deployment.logs)
        assert "purged what was left of erased people" in deployment.logs()
        assert ("lead:bystander", BYSTANDER) in people(client)
        assert client.query("SELECT count() FROM dead_letters FINAL").result_rows[0][0] == 2


def test_without_a_worker_the_receipt_says_that_it_is_not_counted(
    tansu: TansuBroker, clickhouse_server: ClickHouseServer, tmp_path: Path
) -> None:
    with Deployment(tansu, clickhouse_server, tmp_path) as deployment:
        said = deployment.command("erase", "lead:nobody", "--yes", "--timeout", "3", code=1)
        assert "Nothing was ever said of this lead" in said
        assert "is sent and not counted after 3 s" in said
        refused = deployment.command("erase", "lead:nobody", code=2)
        assert refused == "sixfold: this erases lead nobody for good: confirm with --yes\n"
        for wrong in (["4711"], ["lead:"], [], ["lead:1", "--pending"]):
            assert len(deployment.command("erase", *wrong, code=2).splitlines()) == 1
        deployment.start()
        deployment.wait()
        assert json.loads(deployment.output("erase", "--pending", "--json"))["entities"] == ["lead:nobody"]


def test_the_receipt_reads_the_retention_from_kafka(
    kafka: KafkaBroker, clickhouse_server: ClickHouseServer, tmp_path: Path
) -> None:
    with Deployment(kafka, clickhouse_server, tmp_path) as deployment:
        asyncio.run(_keep_a_week(deployment.broker.address, deployment.settings.events_topic))
        receipt = json.loads(deployment.output("erase", "--pending", "--json"))
        until = {each["where"].split()[1]: each["until"] for each in receipt["outside"]}
        assert "retention.ms is 604800000 (7 days)" in until[deployment.settings.events_topic]
        assert until[deployment.settings.dead_letters_topic].startswith("for ever")


async def _keep_a_week(address: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        configs = {"retention.ms": "604800000"}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=configs)])
    finally:
        await admin.close()


def test_the_embedded_stack_keeps_no_trace_in_any_file(tmp_path: Path) -> None:
    data = tmp_path / "data"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SIXFOLD_")}

    def sixfold(*arguments: str) -> bytes:
        done = subprocess.run(
            [sys.executable, "-m", "stream.cli", *arguments],
            env={**environment, "SIXFOLD_DATA": str(data)},
            cwd=tmp_path,
            capture_output=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    with running(data):
        settings = settings_of(data)
        assert post(settings, b"\n".join([*EVENTS, *DEAD_OF_HERS, *DEAD_OF_OTHERS]))[0] == 200
        sixfold("wait")
        letters = json.loads(sixfold("dead-letters", "list", "--json"))
        assert {letter["id"].split("/")[1] for letter in letters} == {"-1"}
        assert {path.parent.name for path in files_with(data)} >= {"journal"}
        (data / "event.json").write_bytes(DEAD_OF_OTHERS[0].replace(b"yesterday", b"2026-03-09T00:00:00Z"))
        ours = next(letter["id"] for letter in letters if letter["bytes"] == len(DEAD_OF_OTHERS[0]))
        sixfold("dead-letters", "replay", ours, "--from", str(data / "event.json"))
        (data / "event.json").unlink()
        sixfold("wait")
        leads = query(settings, "SELECT day, leads FROM report_funnel ORDER BY ALL")

        assert ask(str(settings.gateway_url), "/seal", b"", "wrong key")[0] == 401
        # sooner than the journal would close its segment by itself
        receipt = json.loads(sixfold("erase", "lead:4711", "--yes", "--json", "--timeout", "240"))

        assert receipt["complete"], receipt["left"]
        assert receipt["entities"] == ENTITIES
        segments = next(each["count"] for each in receipt["removed"] if each["what"] == "segments")
        assert segments >= 1
        assert files_with(data) == set()
        assert any("embedded broker" in each["where"] for each in receipt["outside"])
        assert query(settings, "SELECT day, leads FROM report_funnel ORDER BY ALL") == leads
        assert (BYSTANDER,) in query(settings, "SELECT value FROM people_latest")
    with running(data):  # nor does a start bring anything back
        settings = settings_of(data)
        sixfold("wait")
        assert files_with(data) == set()
        assert query(settings, "SELECT day, leads FROM report_funnel ORDER BY ALL") == leads
        assert len(json.loads(sixfold("dead-letters", "list", "--json"))) == len(DEAD_OF_OTHERS) - 1
