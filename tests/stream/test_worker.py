"""A worker's account of why it is not ready, and of how much it may read, without Faust around it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sinks.clickhouse import ClickHouseStore
from stream.log import TP, Log
from stream.rules import Rules
from stream.shard import Shard, Topics
from stream.transport import Batch, Consumer, Ledger, Statistics
from stream.worker import MOST_BYTES, Worker
from tests.clickhouse import ClickHouseServer, engine
from tests.kafka.broker import TansuBroker, free_port
from tests.property.simulation import Record


def _no_consumer() -> Consumer:
    raise AssertionError("nothing is delivered here")


async def _crash(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("nodes", "most", "expected"),
    [(0, 90_000, 40_000), (40_000, 90_000, 40_000), (60_000, 90_000, 70_000), (900_000, 90_000, 90_000), (0, 9, 9)],
)
def test_the_more_nodes_are_kept_the_more_may_be_in_flight(nodes: int, most: int, expected: int) -> None:
    """Log and store are not asked, so that there need be none."""
    unasked: Any = None
    worker = Worker(
        Rules(), 2, unasked, unasked, topics=Topics(), delivery=_no_consumer, crash=_crash, max_inflight=most
    )
    for number in (0, 1):
        shard = worker.shards[number] = Shard(number, 2, Rules())
        for node in range(nodes // 2):
            shard.nodes.put(f"lead:{node}", b"\x93")
    assert worker.room() == expected


def test_reading_pauses_above_so_many_nodes_or_bytes() -> None:
    """However few records these are; log and store are not asked before the flush."""

    class Delivery:
        held: frozenset[TP] = frozenset()

        def hold(self, partitions: Any) -> None:
            self.held = frozenset(partitions)

    tp = TP("crm.events", 0)

    def held_after(values: list[bytes], max_dirty: int) -> bool:
        unasked: Any = None
        delivery: Any = Delivery()
        worker = Worker(
            Rules(), 1, unasked, unasked, topics=Topics(), delivery=lambda: delivery, crash=_crash, max_dirty=max_dirty
        )
        worker.shards[0] = Shard(0, 1, Rules())
        records: Any = [
            Record(tp.topic, 0, offset, 0, f"lead:{offset}".encode(), value) for offset, value in enumerate(values)
        ]
        asyncio.run(worker.read(Batch(Ledger(0, Statistics(), lambda: None), 1, tp, records)))
        assert delivery.held in (frozenset(), {tp, TP("crm.documents", 0)})
        return bool(delivery.held)

    mebibyte = b" " * (1 << 20)
    most = MOST_BYTES >> 20
    assert not held_after([mebibyte] * most, most)
    assert held_after([mebibyte] * (most + 1), most + 1)
    assert not held_after([b"{}"] * 9, 9)
    assert held_after([b"{}"] * 10, 9)


def test_a_failure_that_nobody_waits_for_any_more_is_forgotten(tansu: TansuBroker, tmp_path: Path) -> None:
    port = free_port()
    with engine(port, tmp_path):
        client = ClickHouseServer("127.0.0.1", port, "sixfold", "password").connect()

    async def lose_the_shards_while_loading() -> None:
        async with await Log.open([tansu.address]) as log:
            store = ClickHouseStore(client, "worker")
            worker = Worker(Rules(), 1, log, store, topics=Topics(), delivery=_no_consumer, crash=_crash)
            assert set(worker.not_ready()) == {"unassigned"}
            partitions = frozenset({TP("crm.events", 0), TP("crm.documents", 0)})
            await worker.assigned(1, partitions)
            async with asyncio.timeout(60):
                while "clickhouse" not in worker.not_ready():  # noqa: ASYNC110 - a worker tells nobody
                    await asyncio.sleep(0.05)
            assert set(worker.not_ready()) == {"clickhouse", "loading"}
            await worker.revoked(partitions)
            await asyncio.sleep(0.1)
            assert set(worker.not_ready()) == {"unassigned"}
            await worker.stop()

    asyncio.run(lose_the_shards_while_loading())
