"""`sixfold sources` over real brokers: what comes of records, and that none is lost or counted twice."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from schemas.adapters import ConfigurationError
from stream.log import Log, Outgoing
from stream.refused import TYPE
from stream.resting import rows_in
from stream.settings import Settings
from stream.source_reader import topics_of
from stream.sources import read_sources
from stream.topics import migrate_topics
from tests.kafka.broker import KafkaBroker, Process, TansuBroker, free_port
from tests.schemas.adapters.samples import salesforce
from tests.stream.gateway.serving import records
from tests.stream.test_refused import folded

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples" / "sources"
PATIENCE = 120.0
NOON_MS = 1772366400000
MANY = 4000


def row(number: int, **more: Any) -> dict[str, Any]:
    times = {"created_at": NOON_MS, "updated_at": NOON_MS + number}
    return {"id": number, "email": None, "owner_id": "o-1", "utm_source": "google", **times, **more}


def change(operation: str, before: Any = None, after: Any = None) -> dict[str, Any]:
    return {"before": before, "after": after, "op": operation, "source": {"ts_ms": NOON_MS + 9000}}


def setting(broker: Process, tmp_path: Path, prefix: str, *files: str) -> Settings:
    """Settings with source files of these texts, each read from a topic called as its file with the prefix."""
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "rows-leads.yaml").write_text((EXAMPLES / "rows-leads.yaml").read_text())
    for kind in files:
        text = f'kind = "{kind}"\nsource = "{kind}/test"\n'
        text += 'mapping = "rows-leads.yaml"\n' if kind == "rows" else ""
        (folder / f"{kind}.toml").write_text(f'{text}[kafka]\ntopics = ["{prefix}{kind}"]\n')
    return Settings(
        brokers=broker.address,
        prefix=prefix,
        partitions=4,
        data=tmp_path / "data",
        sources=(str(folder),),
    )


def environment(settings: Settings, **more: str) -> dict[str, str]:
    own = {
        "BROKERS": settings.brokers,
        "PREFIX": settings.prefix,
        "PARTITIONS": str(settings.partitions),
        "DATA": str(settings.data),
        "SOURCES": ",".join(settings.sources),
        "SESSION_TIMEOUT": "6",
        "HEARTBEAT_INTERVAL": "1",
        "REBALANCE_TIMEOUT": "6",
        **more,
    }
    plain = {name: value for name, value in os.environ.items() if not name.startswith("SIXFOLD_")}
    return plain | {f"SIXFOLD_{name}": value for name, value in own.items()}


@contextmanager
def reading(settings: Settings, tmp_path: Path, **more: str) -> Iterator["subprocess.Popen[bytes]"]:
    with (
        (tmp_path / "log").open("ab") as log,
        subprocess.Popen(
            [sys.executable, "-m", "stream.cli", "sources"], env=environment(settings, **more), stderr=log, stdout=log
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


async def prepare(settings: Settings, **values: list[Any]) -> None:
    """Create the topics, and write these values to them, with two partitions each."""
    await migrate_topics(settings)
    async with await Log.open(settings.broker_list) as log:
        await log.create_topics({f"{settings.prefix}{kind}": 2 for kind in values})
        await log.produce(
            [
                Outgoing(f"{settings.prefix}{kind}", number % 2, b"k", _bytes(value))
                for kind, own in values.items()
                for number, value in enumerate(own)
            ]
        )


def _bytes(value: Any) -> bytes | None:
    return value if value is None or isinstance(value, bytes) else json.dumps(value, default=str).encode()


async def committed(settings: Settings, topic: str) -> list[int]:
    client = AIOKafkaConsumer(
        bootstrap_servers=settings.brokers, group_id=settings.sources_group, enable_auto_commit=False
    )
    await client.start()
    try:
        return [await client.committed(TopicPartition(topic, partition)) or 0 for partition in range(2)]
    finally:
        await client.stop()


async def until_committed(process: "subprocess.Popen[bytes]", settings: Settings, topic: str, at_least: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while sum(await committed(settings, topic)) < at_least:
        assert process.poll() is None, "it has ended"
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.2)


async def written(settings: Settings) -> int:
    """How many records stand on the topic of the events."""
    async with await Log.open(settings.broker_list) as log:
        bounds = await log.bounds(
            [TopicPartition(settings.events_topic, number) for number in range(settings.partitions)]
        )
    return sum(end for _, end in bounds.values())


async def everything(settings: Settings) -> list[dict[str, Any]]:
    """All that stands on the topic of the events."""
    return await records(settings, await written(settings))


def stopped(process: "subprocess.Popen[bytes]") -> int:
    process.send_signal(signal.SIGTERM)
    return process.wait(PATIENCE)


@pytest.mark.parametrize("broker", ["tansu", "kafka"])
def test_every_form_becomes_events_and_what_is_refused_a_dead_letter(
    broker: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    settings = setting(request.getfixturevalue(broker), tmp_path, "forms-", "rows", "salesforce")
    port = free_port()
    values = [
        change("u", row(1, owner_id="o-0"), row(1)),
        {"schema": {"type": "struct"}, "payload": change("c", None, row(2))},
        {"schema": {"type": "struct"}, "payload": row(3)},
        row(4),
        change("d", row(5)),
        {"schema": {"type": "string"}, "payload": json.dumps(row(7))},
        {"schema": None, "payload": None},
        None,
        b"{ no json",
        change("u", None, row(6, updated_at="yesterday")),
    ]

    lead = salesforce("Lead", "00Q5f000005mc66EAA", "UPDATE", Status="Contacted")

    async def work() -> None:
        await prepare(settings, rows=values, salesforce=[{"schema": {"type": "struct"}, "payload": lead}])
        with reading(settings, tmp_path, METRICS_PORT=str(port)) as process:
            await until_committed(process, settings, f"{settings.prefix}rows", len(values))
            await until_committed(process, settings, f"{settings.prefix}salesforce", 1)
            url = f"http://127.0.0.1:{port}"
            async with aiohttp.ClientSession() as session:
                async with session.get(f"{url}/ready") as answer:
                    assert (answer.status, await answer.json()) == (200, {"ready": True, "reasons": {}})
                async with session.get(f"{url}/metrics") as answer:
                    metrics = dict(
                        line.rsplit(" ", 1) for line in (await answer.text()).splitlines() if line[:1] not in ("", "#")
                    )
            for outcome, count in {"adapted": 6, "tombstone": 2, "refused": 2, "passed_over": 0}.items():
                assert float(metrics[f'sixfold_sources_records_total{{outcome="{outcome}",source="rows"}}']) == count
            assert float(metrics['sixfold_sources_events_total{source="rows"}']) == 6
            assert float(metrics[f'sixfold_sources_lag_records{{partition="0",topic="{settings.prefix}rows"}}']) == 0
            assert stopped(process) == 0
        found = await everything(settings)
        rows = sorted(
            (each["data"]["lead_id"], each["type"], each["data"].get("owner_id"))
            for each in found
            if each["source"] == "rows/test"
        )
        assert rows == [
            ("1", "crm.lead.updated", "o-1"),
            ("2", "crm.lead.updated", "o-1"),
            ("3", "crm.lead.updated", "o-1"),
            ("4", "crm.lead.updated", "o-1"),
            ("5", "crm.lead.deleted", None),
            ("7", "crm.lead.updated", "o-1"),
        ]
        refused = sorted(each["data"]["reason"] for each in found if each["type"] == TYPE)
        assert len(refused) == 2
        assert "invalid-json" in refused
        assert any(each["source"] == "salesforce/test" for each in found)

    asyncio.run(work())


def test_killed_in_the_middle_each_is_counted_once(tansu: TansuBroker, tmp_path: Path) -> None:
    settings = setting(tansu, tmp_path, "killed-", "rows")
    topic = f"{settings.prefix}rows"

    async def work() -> None:
        for part in range(2):
            numbers = range(part * MANY // 2, (part + 1) * MANY // 2)
            await prepare(settings, rows=[change("u", None, row(number)) for number in numbers])
            before = await written(settings)
            with reading(settings, tmp_path) as process:
                deadline = time.monotonic() + PATIENCE
                while await written(settings) == before:
                    assert process.poll() is None, "it has ended"
                    assert time.monotonic() < deadline, "waited in vain"
                process.kill()
                process.wait()
        with reading(settings, tmp_path) as process:
            await until_committed(process, settings, topic, MANY)
            assert stopped(process) == 0
        found = await everything(settings)
        assert {int(each["data"]["lead_id"]) for each in found} == set(range(MANY))
        effects = folded(*(json.dumps(each).encode() for each in found))
        assert rows_in(effects.nodes["nodes"]) == MANY
        assert len({each["id"] for each in found}) == MANY

    asyncio.run(work())


def test_two_share_the_partitions_through_a_kill_and_a_broker_that_goes_and_comes(tmp_path: Path) -> None:
    (tmp_path / "kafka").mkdir()
    with KafkaBroker(tmp_path / "kafka") as broker:
        settings = setting(broker, tmp_path, "shared-", "rows")
        topic, ports = f"{settings.prefix}rows", [free_port(), free_port()]

        async def write(some: range) -> None:
            await prepare(settings, rows=[change("u", None, row(number)) for number in some])

        async def until_both_read() -> None:
            deadline = time.monotonic() + PATIENCE
            while [await partitions_of(port) for port in ports] != [1, 1]:
                assert time.monotonic() < deadline, "waited in vain"
                await asyncio.sleep(0.2)

        async def work() -> None:
            third = MANY // 3
            await write(range(third))
            with (
                reading(settings, tmp_path, METRICS_PORT=str(ports[0]), WORKER_NAME="one") as one,
                reading(settings, tmp_path, METRICS_PORT=str(ports[1]), WORKER_NAME="two") as two,
            ):
                await until_both_read()
                await write(range(third, 2 * third))
                one.kill()
                await until_committed(two, settings, topic, 2 * third)
                await write(range(2 * third, MANY))
                await asyncio.to_thread(broker.kill)
                await asyncio.sleep(5)
                assert two.poll() is None
                await asyncio.to_thread(broker.start)
                await until_committed(two, settings, topic, MANY)
                assert stopped(two) == 0
            found = await everything(settings)
            assert {int(each["data"]["lead_id"]) for each in found} == set(range(MANY))
            assert len({each["id"] for each in found}) == MANY

        asyncio.run(work())


async def partitions_of(port: int) -> int:
    """Of how many partitions a reader tells the lag: those that it has."""
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}/metrics") as answer,
        ):
            return (await answer.text()).count("\nsixfold_sources_lag_records{")
    except aiohttp.ClientError:
        return 0


def test_no_offset_is_committed_before_kafka_has_the_events(kafka: KafkaBroker, tmp_path: Path) -> None:
    """Kafka refuses the events from the middle of the stream on; killed there, the reader has not passed them."""
    settings = setting(kafka, tmp_path, "refusing-", "rows")
    topic, port = f"{settings.prefix}rows", free_port()
    numbers = range(MANY)
    half = MANY // 2

    async def write(some: range) -> None:
        await prepare(settings, rows=[change("u", None, row(number)) for number in some])

    async def work() -> None:
        await write(numbers[:half])
        with reading(settings, tmp_path, METRICS_PORT=str(port)) as process:
            await until_committed(process, settings, topic, half)
            await largest_event(settings, 10)
            await write(numbers[half:])
            await until_retried(process, port)
            await asyncio.sleep(3)  # some commit intervals
            status, answer = await readiness(port)
            assert status == 503
            assert "is held up: a record is larger than the topic" in answer["reasons"]["kafka"]
            process.kill()
            process.wait()
        assert sum(await committed(settings, topic)) == half
        await largest_event(settings, 1 << 20)
        with reading(settings, tmp_path) as process:
            await until_committed(process, settings, topic, MANY)
            assert stopped(process) == 0
        found = await everything(settings)
        assert sorted({int(each["data"]["lead_id"]) for each in found}) == list(numbers)
        assert len({each["id"] for each in found}) == MANY

    asyncio.run(work())


def test_an_event_that_the_topic_does_not_take_becomes_a_dead_letter(kafka: KafkaBroker, tmp_path: Path) -> None:
    """Before and after it the others arrive; what is kept of it fits, and says what was wrong."""
    settings = setting(kafka, tmp_path, "large-", "rows")
    topic, port, limit = f"{settings.prefix}rows", free_port(), 8_000
    numbers = range(40)

    def value(number: int) -> dict[str, Any]:
        return row(number, email=f"{'x' * 3 * limit}@a.example" if number in (7, 22) else None)

    async def work() -> None:
        await prepare(settings)
        await largest_event(settings, limit)
        await prepare(settings, rows=[*map(value, numbers), b"{ no json " + b"y" * 3 * limit])
        with reading(settings, tmp_path, METRICS_PORT=str(port)) as process:
            await until_committed(process, settings, topic, len(numbers) + 1)
            async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
                metrics = await answer.text()
            assert 'sixfold_sources_records_total{outcome="refused",source="rows"} 3.0' in metrics
            assert 'sixfold_sources_records_total{outcome="adapted",source="rows"} 38.0' in metrics
            assert 'sixfold_sources_events_total{source="rows"} 38.0' in metrics
            assert (await readiness(port))[0] == 200
            assert stopped(process) == 0
        found = await everything(settings)
        events = {int(each["data"]["lead_id"]) for each in found if each["type"] != TYPE}
        assert events == set(numbers) - {7, 22}
        refused = {json.dumps(each["data"], sort_keys=True): each for each in found if each["type"] == TYPE}
        reasons = sorted(each["data"]["reason"] for each in refused.values())
        assert reasons == ["invalid-json", "too-large", "too-large"]
        for each in refused.values():
            assert len(json.dumps(each)) <= limit
            assert each["data"]["cut_from"] > 3 * limit
            if each["data"]["reason"] == "too-large":
                assert f"bytes, more than {settings.events_topic} takes (max.message.bytes)" in each["data"]["message"]
                assert each["data"]["payload"].startswith('{"id": ')

    asyncio.run(work())


def test_what_retention_took_is_told(kafka: KafkaBroker, tmp_path: Path) -> None:
    settings = setting(kafka, tmp_path, "lost-", "rows")
    topic, port = f"{settings.prefix}rows", free_port()

    async def write(some: range) -> None:
        await prepare(settings, rows=[change("u", None, row(number)) for number in some])

    async def lost() -> float:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
            name = f'sixfold_sources_lost_records_total{{source="rows",topic="{topic}"}} '
            return float((await answer.text()).partition(name)[2].split()[0])

    async def delete(**before: int) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=settings.brokers)
        await admin.start()
        try:
            await admin.delete_records(
                {TopicPartition(topic, int(number[1:])): RecordsToDelete(at) for number, at in before.items()}
            )
        finally:
            await admin.close()

    async def work() -> None:
        await write(range(20))
        await delete(p0=4)  # what was gone before anybody read is no loss
        with reading(settings, tmp_path, METRICS_PORT=str(port)) as process:
            await until_committed(process, settings, topic, 20)
            assert await lost() == 0
            assert stopped(process) == 0
        await write(range(20, 60))
        await delete(p1=17)
        with reading(settings, tmp_path, METRICS_PORT=str(port)) as process:
            await until_committed(process, settings, topic, 60)
            assert await lost() == 7
            process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(2)  # the fetch under way is answered, and the next one not sent
            await write(range(60, 80))
            await delete(p0=35)
            process.send_signal(signal.SIGCONT)
            await until_committed(process, settings, topic, 80)
            assert await lost() == 12
            assert stopped(process) == 0
        lines = [line for line in (tmp_path / "log").read_text().splitlines() if "has lost" in line]
        assert len(lines) == 2
        assert f"rows: {topic}[1] has lost 7 records: Kafka deleted the offsets 10 to 16 before they" in lines[0]
        assert f"rows: {topic}[0] has lost 5 records: Kafka deleted the offsets 30 to 34 before they" in lines[1]
        found = {int(each["data"]["lead_id"]) for each in await everything(settings)}
        assert found == set(range(80)) - {0, 2, 4, 6} - set(range(21, 35, 2)) - set(range(60, 70, 2))

    asyncio.run(work())


async def largest_event(settings: Settings, size: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.brokers)
    await admin.start()
    try:
        named = ConfigResource(ConfigResourceType.TOPIC, settings.events_topic, {"max.message.bytes": str(size)})
        await admin.alter_configs([named])
    finally:
        await admin.close()


async def readiness(port: int) -> tuple[int, dict[str, Any]]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/ready") as answer,
    ):
        return answer.status, await answer.json()


async def until_retried(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    async with aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
                if "\nsixfold_sources_retries_total 0.0\n" not in await answer.text():
                    return
            assert process.poll() is None, "it has ended"
            assert time.monotonic() < deadline, "waited in vain"
            await asyncio.sleep(0.2)


def test_a_missing_topic_is_one_line(tansu: TansuBroker, tmp_path: Path) -> None:
    settings = setting(tansu, tmp_path, "missing-", "rows")
    asyncio.run(prepare(settings))
    ended = subprocess.run(
        [sys.executable, "-m", "stream.cli", "sources"],
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert "has no topic missing-rows: create it, or correct kafka.topics in" in line
    assert "rows.toml" in line


def test_a_topic_of_two_sources_and_one_of_our_own_are_faults(tansu: TansuBroker, tmp_path: Path) -> None:
    settings = setting(tansu, tmp_path, "two-", "rows")
    folder = Path(settings.sources[0])
    (folder / "other.toml").write_text('kind = "segment"\nsource = "s"\n[kafka]\ntopics = ["two-rows"]\n')
    with pytest.raises(ConfigurationError, match=r"rows\.toml: kafka\.topics: two-rows is read for .*other\.toml"):
        topics_of(settings, read_sources(settings))
    (folder / "other.toml").write_text('kind = "segment"\nsource = "s"\n[kafka]\ntopics = ["two-crm.events"]\n')
    with pytest.raises(ConfigurationError, match=r"two-crm\.events is Sixfold's own"):
        topics_of(settings, read_sources(settings))


def test_a_mapping_that_is_not_there_names_both_files(tansu: TansuBroker, tmp_path: Path) -> None:
    settings = setting(tansu, tmp_path, "unmapped-", "rows")
    (Path(settings.sources[0]) / "rows-leads.yaml").unlink()
    (source,) = read_sources(settings)
    with pytest.raises(ConfigurationError, match=r"rows\.toml: mapping: .*rows-leads\.yaml: No such file"):
        source.open()
