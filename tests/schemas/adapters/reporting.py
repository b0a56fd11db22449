"""From events to the views: the real shard and flush, into the real engine."""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from clickhouse_connect.driver.client import Client

from sinks.clickhouse import ClickHouseStore
from stream.log import Outgoing
from stream.rules import Rules
from stream.shard import Shard, Topics, flush

LATE_MS = 1_790_000_000_000
"""When the records were written: later than every event."""


class Record(NamedTuple):
    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


class MemoryLog:
    """One partition of each topic."""

    def __init__(self) -> None:
        self.records: dict[str, list[Record]] = {}

    async def produce(self, records: Sequence[Outgoing]) -> None:
        for record in records:
            of_topic = self.records.setdefault(record.topic, [])
            of_topic.append(Record(record.topic, 0, len(of_topic), LATE_MS, record.key, record.value))


def fold(client: Client, events: Sequence[bytes], rules: Rules | None = None) -> None:
    """Read all events, and the documents that follow, until nothing follows any more; write what they come to."""
    asyncio.run(_fold(client, events, rules or Rules()))


async def _fold(client: Client, events: Sequence[bytes], rules: Rules) -> None:
    log, store, topics = MemoryLog(), ClickHouseStore(client, "test"), Topics()
    shard = Shard(0, 1, rules, topics=topics)
    await log.produce([Outgoing(topics.events, 0, None, event) for event in events])
    read = dict.fromkeys((topics.events, topics.documents), 0)
    while any(len(log.records.get(topic, ())) > position for topic, position in read.items()):
        for topic in read:
            records = log.records.get(topic, [])[read[topic] :]
            shard.read(topic, records)
            read[topic] += len(records)
        await flush(shard.take(), log, store)
    assert not log.records.get(topics.dead_letters)


def table(client: Client, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in client.query(query).result_rows]
