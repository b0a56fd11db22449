"""Events in ClickHouse without Kafka: one shard folds them, and what it sends comes back to it."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from clickhouse_connect.driver.client import Client

from sinks.clickhouse import ClickHouseStore
from stream.log import Outgoing
from stream.rules import Rules
from stream.shard import Shard, flush


@dataclass
class _Record:
    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


@dataclass
class Folder:
    """A shard over a database; `fold` ends when all that came of the events is in the tables."""

    client: Client
    rules: Rules = field(default_factory=Rules)
    offsets: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.shard = Shard(0, 1, self.rules)
        self.store = ClickHouseStore(self.client, "test")
        self.sent: list[Outgoing] = []

    def fold(self, values: Sequence[bytes]) -> None:
        events, documents = self.shard.topics.events, self.shard.topics.documents
        waiting: list[tuple[str, bytes | None, bytes]] = [(events, None, value) for value in values]
        while waiting:
            for topic in (events, documents):
                self.shard.read(topic, [self._record(*each) for each in waiting if each[0] == topic])
            self.sent = []
            asyncio.run(flush(self.shard.take(), self, self.store))
            waiting = [(r.topic, r.key, r.value or b"") for r in self.sent if r.topic in (events, documents)]

    def _record(self, topic: str, key: bytes | None, value: bytes) -> _Record:
        offset = self.offsets[topic] = self.offsets.get(topic, -1) + 1
        return _Record(topic, 0, offset, round(time.time() * 1000), key, value)

    async def produce(self, records: Sequence[Outgoing]) -> None:
        self.sent += records
