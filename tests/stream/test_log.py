"""`stream.log` over the embedded broker and a real Kafka."""

import asyncio
import itertools
import subprocess
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from stream.log import (
    TP,
    Log,
    LogUnreachable,
    Mark,
    Outgoing,
    TopicRefused,
    WrongPartitions,
    home_partition,
    mark_of,
)
from tests.kafka.broker import KafkaBroker, Process, fetch_jars, free_port

pytest_plugins = ["tests.kafka.fixtures"]

names = itertools.count()


@pytest.fixture(params=["tansu", "kafka"])
def broker(request: pytest.FixtureRequest) -> Process:
    process: Process = request.getfixturevalue(request.param)
    return process


@pytest.fixture
def topic() -> str:
    return f"log{next(names)}"


def run(case: Callable[[Log], Awaitable[None]], broker: Process) -> None:
    async def main() -> None:
        async with await Log.open([broker.address]) as log:
            await asyncio.wait_for(case(log), 120)

    asyncio.run(main())


async def read(broker: Process, tp: TP, records: int) -> list:
    consumer = AIOKafkaConsumer(bootstrap_servers=broker.address, auto_offset_reset="earliest")
    await consumer.start()
    consumer.assign([tp])
    consumer.seek(tp, 0)
    found = []
    while len(found) < records:
        found += (await consumer.getmany(tp, timeout_ms=1000)).get(tp, [])
    await consumer.stop()
    return found


def test_topics_are_created_once_and_their_partitions_are_fixed(broker: Process, topic: str):
    async def case(log: Log) -> None:
        assert await log.partitions(topic) is None
        configs = {topic: {"cleanup.policy": "delete", "max.message.bytes": "4194304"}}
        assert await log.create_topics({topic: 3}, 1, configs) == [topic]
        assert await log.partitions(topic) == 3
        assert await log.create_topics({topic: 3, f"{topic}-b": 1}) == [f"{topic}-b"]
        with pytest.raises(WrongPartitions) as refused:
            await log.create_topics({f"{topic}-c": 1, topic: 8})
        assert (refused.value.topic, refused.value.found, refused.value.wanted) == (topic, 3, 8)
        assert f"{topic!r} has 3 partitions, the settings say 8" in str(refused.value)
        assert await log.partitions(f"{topic}-c") is None

    run(case, broker)


def test_a_refused_topic_is_named(kafka: KafkaBroker):
    async def case(log: Log) -> None:
        with pytest.raises(TopicRefused, match=r"'too-safe': InvalidReplicationFactorError"):
            await log.create_topics({"too-safe": 1}, replication=3)

    run(case, kafka)


def test_what_is_produced_is_there_in_order_with_everything_it_had(broker: Process, topic: str):
    async def case(log: Log) -> None:
        await log.create_topics({topic: 2}, 1, {topic: {"max.message.bytes": "4194304"}})
        first, second = TP(topic, 0), TP(topic, 1)
        headers = [("journal", b"17")]
        many = [Outgoing(topic, n % 2, b"k%d" % n, b"x" * 500, 1_600_000_000_000 + n, headers) for n in range(5000)]
        await log.produce(many)
        await log.produce([Outgoing(topic, 0, None, b"y" * 3_000_000), Outgoing(topic, 0, b"gone", None)])
        assert await log.bounds([first, second]) == {first: (0, 2502), second: (0, 2500)}
        records = await read(broker, first, 2502)
        assert [record.key for record in records[:2500]] == [b"k%d" % n for n in range(0, 5000, 2)]
        assert [record.timestamp for record in records[:2500]] == [1_600_000_000_000 + n for n in range(0, 5000, 2)]
        assert list(records[0].headers) == headers
        assert len(records[2500].value) == 3_000_000
        assert (records[2501].key, records[2501].value) == (b"gone", None)
        assert await log.record_before(first, 2501) == mark_of(records[2500])

    run(case, broker)


def test_the_mark_is_of_the_record_just_before(broker: Process, topic: str):
    async def case(log: Log) -> None:
        await log.create_topics({topic: 2})
        tp, empty = TP(topic, 0), TP(topic, 1)
        await log.produce([Outgoing(topic, 0, b"k%d" % n, b"v%d" % n, 1_000 + n) for n in range(20)])
        marks = await asyncio.gather(*(log.record_before(tp, n) for n in (0, 1, 7, 20, 21)))
        assert marks == [None, *(Mark(1_000 + n, zlib.crc32(b"k%dv%d" % (n, n))) for n in (0, 6, 19)), None]
        assert await log.record_before(empty, 0) is None
        assert await log.bounds([empty, tp]) == {empty: (0, 0), tp: (0, 20)}

    run(case, broker)


def test_transaction_markers_are_looked_past(kafka: KafkaBroker, topic: str):
    async def case(log: Log) -> None:
        await log.create_topics({topic: 1})
        tp = TP(topic, 0)
        producer = AIOKafkaProducer(bootstrap_servers=kafka.address, transactional_id=topic)
        await producer.start()
        for n in range(3):
            async with producer.transaction():
                await producer.send(topic, b"v%d" % n, timestamp_ms=n, partition=0)
        for _ in range(20):  # aborted: their data is there for who reads uncommitted, their markers are not data
            await producer.begin_transaction()
            await producer.send_and_wait(topic, b"never", timestamp_ms=9, partition=0)
            await producer.abort_transaction()
        await producer.stop()
        assert await log.bounds([tp]) == {tp: (0, 46)}
        # 0 v0, 1 marker, 2 v1, 3 marker, 4 v2, 5 marker
        assert await log.record_before(tp, 6) == await log.record_before(tp, 5) == Mark(2, zlib.crc32(b"v2"))

    run(case, kafka)


def test_an_absent_broker_is_named():
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(LogUnreachable, match=f"no Kafka broker answers at {address}"):
        asyncio.run(Log.open([address]))


@given(st.binary(max_size=100), st.integers(1, 64))
def test_home_is_where_the_client_library_sends_a_key(key: bytes, partitions: int):
    numbers = list(range(partitions))
    assert home_partition(key, partitions) == DefaultPartitioner()(key, numbers, numbers)


def test_home_is_where_kafka_itself_sends_a_key(tmp_path: Path):
    keys = [f"opportunity:{'x' * (n % 23)}é{n}" for n in range(500)]
    source = tmp_path / "Home.java"
    source.write_text(
        "import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;\n"
        "public class Home { public static void main(String[] keys) throws Exception {\n"
        "  for (String key : keys)\n"
        '  System.out.println(BuiltInPartitioner.partitionForKey(key.getBytes("UTF-8"), 32));}}\n'
    )
    command = [
        "java",
        "-Dfile.encoding=UTF-8",
        "-Dsun.jnu.encoding=UTF-8",
        "-cp",
        f"{fetch_jars()}/*",
        str(source),
    ]
    environment = {"LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        [*command, *keys],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin:/bin", **environment},
    )
    assert [int(line) for line in done.stdout.split()] == [home_partition(key, 32) for key in keys]
