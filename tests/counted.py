"""Events counted into a real database without Kafka: the real shards, over logs in memory."""

import asyncio
from collections.abc import Iterable

from clickhouse_connect.driver.client import Client

from schemas import Rejected, decode
from sinks.clickhouse import ClickHouseStore
from stream.claim import take_over
from stream.log import home_partition
from stream.rules import Rules
from stream.shard import Shard, Topics, flush
from tests.property.simulation import NOW_MS, Fuse, MemoryLog

TOPICS = Topics()
PARTITIONS = 4


class Counter:
    """The owner of all shards of one database; what it is given stands in the tables when `count` returns."""

    def __init__(self, client: Client, rules: Rules | None = None, partitions: int = PARTITIONS) -> None:
        self.store = ClickHouseStore(client, "test")
        self.log = MemoryLog(Fuse())
        self.partitions, self._rules = partitions, rules or Rules()
        self._shards: list[Shard] = []

    def count(self, values: Iterable[bytes], timestamp_ms: int = NOW_MS) -> None:
        for number, value in enumerate(values):
            try:
                key = decode(value, None).home.encode()
            except Rejected:
                key = None
            partition = home_partition(key or str(number), self.partitions)
            self.log.append(TOPICS.events, partition, key, value, timestamp_ms)
        asyncio.run(self._run())

    async def _run(self) -> None:
        if not self._shards:
            for number in range(self.partitions):
                self._shards.append(
                    await take_over(number, self.partitions, self._rules, self.log, self.store, topics=TOPICS)  # type: ignore[arg-type]  # a log in memory
                )
        while moved := [shard for shard in self._shards if self._read(shard)]:
            for shard in moved:
                await flush(shard.take(), self.log, self.store)

    def _read(self, shard: Shard) -> bool:
        for topic in (TOPICS.events, TOPICS.documents):
            records = self.log.records.get((topic, shard.number), [])
            shard.read(topic, records[shard.positions[topic].offset :])
        return shard.moved
