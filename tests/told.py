"""Events told to real shards in this process, their effects written to a real ClickHouse: a database to look at.

What a worker does between Kafka and the tables, without the Kafka: the shards fold, what they send to each other is
handed over, and every flush is written by the store that workers use.
"""

import asyncio
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from clickhouse_connect.driver.client import Client

from schemas import Rejected, decode
from sinks.clickhouse import ClickHouseStore
from stream.log import Outgoing, home_partition
from stream.rules import Rules
from stream.shard import Effects, Shard, Topics, flush

TOPICS = Topics()


class _Record(NamedTuple):
    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


class Told:
    """Shards over one database that is migrated. `tell` returns when the views have the events."""

    def __init__(self, client: Client, partitions: int = 2, rules: Rules | None = None) -> None:
        self._store = ClickHouseStore(client, "told")
        self._offsets = itertools.count()
        self._shards = [Shard(number, partitions, rules or Rules(), topics=TOPICS) for number in range(partitions)]
        self._waiting: list[Outgoing] = []

    async def produce(self, records: Sequence[Outgoing]) -> None:
        """What a flush sends waits for the next round."""
        self._waiting += records

    def tell(self, events: Iterable[bytes], stamp_ms: int = 1_900_000_000_000) -> None:
        """Fold events, in their order, and whatever follows from them; all of it is written at the end."""
        self._waiting += [_outgoing(value, len(self._shards), stamp_ms) for value in events]
        asyncio.run(self._settle())

    async def _settle(self) -> None:
        while self._waiting:
            arrived: dict[tuple[str, int], list[_Record]] = {}
            for each in self._waiting:
                if each.topic == TOPICS.dead_letters:
                    continue
                place = (each.topic, each.partition)
                offset, stamp = next(self._offsets), each.timestamp_ms or 0
                arrived.setdefault(place, []).append(_Record(*place, offset, stamp, each.key, each.value))
            self._waiting = []
            for (topic, partition), records in arrived.items():
                self._shards[partition].read(topic, records)
            effects = Effects()
            for shard in self._shards:
                effects.add(shard.take())
            await flush(effects, self, self._store)

    async def insert(self, rows: Mapping[str, Sequence[bytes]]) -> None:
        """Write rows as they are."""
        await self._store.insert(rows)


def _outgoing(value: bytes, partitions: int, stamp_ms: int) -> Outgoing:
    try:
        home = decode(value, None).home
    except Rejected:
        home = "lead:unreadable"
    return Outgoing(TOPICS.events, home_partition(home, partitions), home.encode(), value, stamp_ms)
