"""A worker's account of why it is not ready, how much it may read, and when it flushes, without Faust around it."""

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

import stream.worker
from deploy.embedded.company import lines
from schemas import decode
from sinks.clickhouse import ClickHouseStore
from stream.log import TP, Log, home_partition
from stream.resting import Line, rows_in
from stream.rules import Rules
from stream.shard import Shard, Topics, fold_together
from stream.transport import Batch, Consumer, Ledger, Statistics
from stream.worker import MOST_BYTES, Worker
from tests.clickhouse import ClickHouseServer, engine
from tests.kafka.broker import TansuBroker, free_port
from tests.property.simulation import Record
from tests.stream.cases import event


def _no_consumer() -> Consumer:
    raise AssertionError("nothing is delivered here")


async def _crash(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("nodes", "most", "expected"),
    [
        (0, 900_000, (32_000, 40_000)),
        (18_000, 900_000, (32_000, 40_000)),
        (24_000, 900_000, (96_000, 120_000)),
        (40_000, 900_000, (288_000, 338_000)),
        (900_000, 900_000, (500_000, 550_000)),
        (100_000, 90_000, (72_000, 90_000)),
        (0, 9, (7, 8)),
        (0, 1, (1, 1)),
    ],
)
def test_the_more_nodes_are_kept_the_more_a_flush_holds(nodes: int, most: int, expected: tuple[int, int]) -> None:
    """The records that make a flush due, and those that may be in flight; log and store are not asked."""
    unasked: Any = None
    worker = Worker(
        Rules(), 2, unasked, unasked, topics=Topics(), delivery=_no_consumer, crash=_crash, max_inflight=most
    )
    for number in (0, 1):
        shard = worker.shards[number] = Shard(number, 2, Rules())
        for node in range(nodes // 2):
            shard.nodes.put(f"lead:{node}", b"\x93")
    assert (worker.due(), worker.room()) == expected


def test_reading_pauses_above_so_many_nodes_or_bytes() -> None:
    """However few records these are; log and store are not asked before the flush."""

    class Delivery:
        held: frozenset[TP] = frozenset()

        def hold(self, partitions: Any) -> None:
            self.held = frozenset(partitions)

    tp = TP("crm.events", 0)

    def held_after(values: list[bytes], max_dirty: int, nodes: int = 0) -> bool:
        unasked: Any = None
        delivery: Any = Delivery()
        worker = Worker(
            Rules(), 1, unasked, unasked, topics=Topics(), delivery=lambda: delivery, crash=_crash, max_dirty=max_dirty
        )
        shard = worker.shards[0] = Shard(0, 1, Rules())
        for node in range(nodes):
            shard.nodes.put(f"rep:{node}", b"\x93")
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
    # 550,000 records may be in flight here, of 1 KiB each
    assert not held_after([mebibyte] * (most + 1), most + 1, nodes=100_000)
    assert not held_after([b"{}"] * 9, 9)
    assert held_after([b"{}"] * 10, 9)


class Manifests:
    """A store, as far as it is asked: how far the events were read at each flush."""

    def __init__(self) -> None:
        self.positions: list[int] = []

    async def insert(self, rows: Mapping[str, Sequence[Line]]) -> None:
        self.positions += [json.loads(bytes(line))["events_position"] for line in rows.get("manifest", ())]

    async def flushes(self, epochs: Mapping[int, int]) -> dict[int, int]:
        return dict.fromkeys(epochs, len(self.positions))

    async def epochs(self) -> dict[int, int]:
        return {0: 1}

    async def use_rules(self, rules_hash: str, content: str) -> None:
        pass


class EndingAt:
    """A log, as far as it is asked: where its partitions end."""

    def __init__(self, end: int) -> None:
        self.end = end

    async def bounds(self, partitions: Iterable[TP]) -> dict[TP, tuple[int, int]]:
        return {tp: (0, self.end if tp.topic == "crm.events" else 0) for tp in partitions}


@pytest.mark.parametrize("end", [20, 1_000_000])
def test_in_a_backlog_a_flush_may_fill_for_as_long_as_the_last_one_was_folded(
    monkeypatch: pytest.MonkeyPatch, end: int
) -> None:
    """Without one it begins when its time is over, however long that was."""
    monkeypatch.setattr(stream.worker, "ENDS_SECONDS", 0.01)
    tp, slices = TP("crm.events", 0), [0.5, 0.5, 0.5, 0.5]
    folded = sum(slices)
    store: Any = Manifests()
    log: Any = EndingAt(end)

    def slow_at_first(shards: Mapping[int, Shard], most: int) -> Iterator[None]:
        while slices:
            time.sleep(slices.pop())
            yield
        yield from fold_together(shards, most)

    monkeypatch.setattr(stream.worker, "fold_together", slow_at_first)

    def ten(first: int) -> Batch:
        records: Any = [
            Record(
                tp.topic,
                0,
                offset,
                1_780_000_000_000,
                f"lead:{offset}".encode(),
                event("crm.lead.created", "2026-03-01", lead_id=str(offset)),
            )
            for offset in range(first, first + 10)
        ]
        return Batch(Ledger(0, Statistics(), lambda: None), 1, tp, records)

    async def until(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():  # noqa: ASYNC110 - a worker tells nobody
                await asyncio.sleep(0.01)

    async def second_flush() -> float:
        """Seconds from the end of the first flush to that of the second one."""
        worker = Worker(
            Rules(),
            1,
            log,
            store,
            topics=Topics(),
            delivery=_no_consumer,
            crash=_crash,
            flush_seconds=0.05,
            purge_seconds=0,
        )
        worker.shards[0] = Shard(0, 1, Rules())
        worker.assigned_shards = {0}
        worker.start()
        await worker.read(ten(0))
        await until(lambda: len(store.positions) == 1)
        ended = time.monotonic()
        await worker.read(ten(10))
        await until(lambda: len(store.positions) == 2)
        waited = time.monotonic() - ended
        await worker.stop()
        return waited

    waited = asyncio.run(second_flush())
    assert store.positions == [10, 20]
    assert waited >= folded if end > 20 else waited < folded


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


def test_nodes_of_a_larger_company_are_written_more_seldom_than_those_of_a_smaller_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """How often is most of what an event costs; `tests/bench` tells the rest. Here all is a tenth as large."""
    monkeypatch.setattr(stream.worker, "FEWEST_DUE", stream.worker.FEWEST_DUE // 10)
    monkeypatch.setattr(stream.worker, "NODES_BELOW", stream.worker.NODES_BELOW // 10)
    end, written = datetime(2026, 11, 24, tzinfo=UTC), dict[int, float]()
    for size in (30_000, 120_000):
        unasked: Any = None
        worker = Worker(Rules(), 8, unasked, unasked, topics=Topics(), delivery=_no_consumer, crash=_crash)
        worker.shards.update({number: Shard(number, 8, Rules()) for number in range(8)})
        values, offsets, nodes = lines(5, end, size), [0] * 8, 0
        while records := list(islice(values, worker.due())):
            by_shard: dict[int, list[Any]] = {number: [] for number in range(8)}
            for value in records:
                key = decode(value, None).home.encode()
                number = home_partition(key, 8)
                by_shard[number].append(Record("crm.events", number, offsets[number], 1_800_000_000_000, key, value))
                offsets[number] += 1
            for number, shard in worker.shards.items():
                shard.read("crm.events", by_shard[number])
                shard.begin()
            for _ in fold_together(worker.shards, 250):
                pass
            nodes += sum(rows_in(shard.take().nodes["nodes"]) for shard in worker.shards.values())
        written[size] = nodes / size
    assert written[120_000] < written[30_000]
