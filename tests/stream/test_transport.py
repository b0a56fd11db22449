"""The contract of `stream.transport`, over the embedded broker and a real Kafka, batched and stock."""

import asyncio
import itertools
import json
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest
from aiokafka import AIOKafkaConsumer
from hypothesis import given
from hypothesis import strategies as st

from stream.log import Log, Outgoing
from stream.transport import TP, Batch, Consumer, Ledger, Statistics, consumer_of, install, make_app, serve
from tests.kafka.broker import Process

pytest_plugins = ["tests.kafka.fixtures"]

PROJECT = Path(__file__).parent.parent.parent
PATIENCE = 60.0
names = itertools.count()


# -- the ledger alone


@given(
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=8),
    holes=st.lists(st.integers(0, 2), min_size=8, max_size=8),
    order=st.randoms(use_true_random=False),
    closed_after=st.integers(0, 20),
)
def test_a_position_never_passes_an_unacked_batch(sizes: list[int], holes: list[int], order: Any, closed_after: int):
    stats = Statistics()
    ledger = Ledger(100, stats, lambda: None)
    offset, batches = 100, []
    for size, hole in zip(sizes, holes, strict=False):
        records = [SimpleNamespace(offset=offset + i) for i in range(size)]
        batches.append(Batch(ledger, 1, TP("t", 0), records))
        offset += size + hole
    assert [batch.follows for batch in batches] == [100, *(batch.next_offset for batch in batches[:-1])]
    acks = [*batches, *batches]
    order.shuffle(acks)
    for number, batch in enumerate(acks):
        if number == closed_after:
            ledger.close()
        before = ledger.position
        assert batch.ack() is (number < closed_after)
        if number >= closed_after:
            assert ledger.position == before
            assert batch.stale
            continue
        prefix = list(itertools.takewhile(lambda batch: batch.acked, batches))
        assert ledger.position == (prefix[-1].next_offset if prefix else None)
        assert ledger.inflight == sum(batch.size for batch in batches if not batch.acked)
    assert stats.stale_acks == max(0, len(acks) - closed_after)
    assert stats.records == sum(sizes)


# -- one member in this process


@dataclass
class Cluster:
    """A broker with two fresh topics, and a fresh group."""

    broker: Process
    stock: bool
    directory: Path
    partitions: int = 4

    def __post_init__(self) -> None:
        number = next(names)
        self.topics = f"events{number}", f"documents{number}"
        self.group = f"group{number}"

    def tp(self, partition: int, topic: int = 0) -> TP:
        return TP(self.topics[topic], partition)

    @property
    def all(self) -> frozenset[TP]:
        return frozenset(TP(topic, partition) for topic in self.topics for partition in range(self.partitions))

    async def prepare(self, records: int = 0) -> None:
        """Create the topics, with this many records in every partition."""
        async with await Log.open([self.broker.address]) as log:
            await log.create_topics(dict.fromkeys(self.topics, self.partitions))
        await self.fill(self.all, records)

    async def fill(self, partitions: Any, records: int) -> None:
        async with await Log.open([self.broker.address]) as log:
            await log.produce(
                [
                    Outgoing(*tp, b"key", f"{n}".encode(), 1_700_000_000_000 + n)
                    for tp in partitions
                    for n in range(records)
                ]
            )

    async def committed(self, tp: TP) -> int | None:
        client = AIOKafkaConsumer(bootstrap_servers=self.broker.address, group_id=self.group, enable_auto_commit=False)
        await client.start()
        try:
            return await client.committed(tp)
        finally:
            await client.stop()


class Member:
    """A running application whose agent only collects batches."""

    def __init__(
        self, cluster: Cluster, on_revoked: Any = None, pace: float = 0, conf: Any = None, **options: Any
    ) -> None:
        self.cluster = cluster
        self.batches: list[Batch] = []
        self.revoked: list[frozenset[TP]] = []
        self.assigned = asyncio.Event()
        self._on_revoked = on_revoked
        poll = options.pop("max_poll_records", 10)
        self.app = make_app(
            cluster.group,
            [cluster.broker.address],
            cluster.directory / f"member{next(names)}",
            session_timeout=5,
            heartbeat_interval=1,
            rebalance_timeout=5,
            commit_interval=0.2,
            max_poll_records=poll,
        )
        for name, value in (conf or {}).items():
            setattr(self.app.conf, name, value)
        channel = install(
            self.app,
            *cluster.topics,
            on_assigned=self.on_assigned,
            on_revoked=self.on_revoked,
            stock=cluster.stock,
            **options,
        )

        @self.app.agent(channel)
        async def collect(batches: Any) -> None:
            async for batch in batches:
                self.batches.append(batch)
                await asyncio.sleep(pace)

        self._stop = asyncio.Event()

    async def on_assigned(self, epoch: int, partitions: frozenset[TP]) -> None:
        assert epoch == self.consumer.epoch
        self.owned = partitions
        self.assigned.set()

    async def on_revoked(self, partitions: frozenset[TP]) -> None:
        self.revoked.append(partitions)
        if self._on_revoked:
            await self._on_revoked(self)

    @property
    def consumer(self) -> Consumer:
        return consumer_of(self.app)

    def offsets(self, tp: TP) -> list[int]:
        """First to last offset that came, in order of delivery."""
        return [n for batch in self.batches if batch.tp == tp for n in range(batch.first, batch.next_offset)]

    async def __aenter__(self) -> Self:
        self._serving = asyncio.create_task(serve(self.app, stop=self._stop))
        await until(lambda: self.assigned.is_set() or self._serving.done())
        assert not self._serving.done()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._stop.set()
        assert await self._serving == 0


async def until(true: Callable[[], bool]) -> None:
    """Wait for something that must come."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.01)


def run(case: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(case(), 2 * PATIENCE))


@pytest.fixture(params=["tansu-batched", "tansu-stock", "kafka-batched"])
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Cluster:
    broker, way = request.param.split("-")
    return Cluster(request.getfixturevalue(broker), way == "stock", tmp_path)


# A member joins Kafka in 1 s and the embedded broker in 4 s, which also keeps a place for who has left.
both_ways = pytest.mark.parametrize("cluster", ["kafka-batched", "kafka-stock"], indirect=True)
kafka_batched = pytest.mark.parametrize("cluster", ["kafka-batched"], indirect=True)
tansu_batched = pytest.mark.parametrize("cluster", ["tansu-batched"], indirect=True)


def test_partitions_are_held_until_released_and_deliver_from_there(cluster: Cluster):
    async def case() -> None:
        await cluster.prepare(records=20)
        a, b, c, other = cluster.tp(0), cluster.tp(1), cluster.tp(2), cluster.tp(1, topic=1)
        async with Member(cluster) as member:
            consumer = member.consumer
            assert member.owned == cluster.all
            await asyncio.sleep(1)
            assert not member.batches
            assert {consumer.highwater(tp) for tp in cluster.all} == {None}, "something was fetched"

            assert not await consumer.release({a: 0}, epoch=consumer.epoch + 1)
            assert not await consumer.release({a: 0, TP("nobody's", 0): 0})
            assert await consumer.release({a: 0, b: 7, other: 20}, epoch=consumer.epoch)
            await until(lambda: len(member.offsets(a)) >= 20 and len(member.offsets(b)) >= 13)
            assert member.offsets(a) == list(range(20))
            assert member.offsets(b) == list(range(7, 20))
            record = member.batches[0].records[0]
            assert (record.key, record.value) == (b"key", f"{record.offset}".encode())
            assert record.timestamp == 1_700_000_000_000 + record.offset

            consumer.hold([a])
            await asyncio.sleep(0.3)  # a poll under way may still bring some
            await cluster.fill([a, other], 3)
            await until(lambda: len(member.offsets(other)) >= 3)
            assert member.offsets(other) == [20, 21, 22]
            assert member.offsets(a) == list(range(20))
            consumer.resume([a])
            await until(lambda: len(member.offsets(a)) >= 23)

            old = [batch for batch in member.batches if batch.tp == a]
            member.batches.clear()
            assert await consumer.release({a: 5})
            assert all(batch.stale for batch in old)
            assert not old[0].ack()
            await until(lambda: len(member.offsets(a)) >= 18)
            assert member.offsets(a) == list(range(5, 23))
            assert not member.offsets(c)
            assert consumer.stats.stale_acks == 1
            assert consumer.oldest_inflight > 0
        assert member.revoked == [cluster.all]
        assert all(batch.stale for batch in member.batches)

    run(case)


@kafka_batched
def test_commits_follow_the_order_of_offsets_and_only_acks(cluster: Cluster):
    async def case() -> None:
        await cluster.prepare(records=30)
        tp = cluster.tp(0)
        async with Member(cluster) as member:
            await member.consumer.release({tp: 0})
            await until(lambda: len(member.offsets(tp)) >= 30)
            first, *rest = member.batches
            for batch in reversed(rest):
                assert batch.ack()
            await asyncio.sleep(1)
            assert await cluster.committed(tp) is None
            assert member.consumer.inflight == first.size
            assert first.ack()
            assert first.ack()
            assert member.consumer.inflight == 0
            await asyncio.sleep(1)
            assert await cluster.committed(tp) == 30

    run(case)


@both_ways
def test_the_release_decides_whatever_is_committed(cluster: Cluster):
    """Unacked records come again; so do acknowledged ones when the manifest is older (a restored backup)."""

    async def case() -> None:
        await cluster.prepare(records=10)
        a, b = cluster.tp(0), cluster.tp(1)
        async with Member(cluster) as member:
            await member.consumer.release({a: 0, b: 0})
            await until(lambda: len(member.batches) >= 2 and len(member.offsets(a) + member.offsets(b)) >= 20)
            for batch in member.batches:
                if batch.tp == a:
                    batch.ack()
        assert await cluster.committed(a) == 10
        assert await cluster.committed(b) is None
        async with Member(cluster) as member:
            await member.consumer.release({a: 0, b: 0})
            await until(lambda: len(member.offsets(a) + member.offsets(b)) >= 20)
            assert member.offsets(a) == member.offsets(b) == list(range(10))

    run(case)


@both_ways
def test_records_in_flight_are_bounded(cluster: Cluster):
    async def case() -> None:
        await cluster.prepare(records=100)
        async with Member(cluster, max_inflight=lambda: 50, max_poll_records=20) as member:
            await member.consumer.release(dict.fromkeys(cluster.all, 0))
            acked = 0
            while acked < 800:
                await until(lambda: member.consumer.inflight == 50)
                await asyncio.sleep(0.05)
                assert member.consumer.inflight == 50
                for batch in member.batches[:]:
                    acked += batch.size
                    batch.ack()
                member.batches.clear()
                if acked + 50 > 800:
                    break
            assert member.consumer.stats.backpressure > 0

    run(case)


@kafka_batched
def test_a_long_hold_does_not_lose_the_group(cluster: Cluster):
    async def case() -> None:
        await cluster.prepare(records=10)
        tp = cluster.tp(0)
        async with Member(cluster, conf={"broker_max_poll_interval": 2}) as member:
            await asyncio.sleep(3.5)
            assert await member.consumer.release({tp: 0})
            member.consumer.hold([tp])
            await asyncio.sleep(3.5)
            member.consumer.resume([tp])
            await until(lambda: len(member.offsets(tp)) >= 10)
            assert member.consumer.epoch == 1
            assert not member.revoked

    run(case)


@kafka_batched
def test_a_stop_lets_the_processor_finish_and_commits_it(cluster: Cluster):
    async def finish(member: Member) -> None:
        await asyncio.sleep(0.2)
        for batch in member.batches:
            assert batch.ack()

    async def case() -> None:
        await cluster.prepare(records=10)
        async with Member(cluster, on_revoked=finish) as member:
            await member.consumer.release({cluster.tp(0): 0})
            await until(lambda: len(member.offsets(cluster.tp(0))) >= 10)
        assert await cluster.committed(cluster.tp(0)) == 10

    run(case)


@kafka_batched
def test_who_does_not_finish_in_time_keeps_nothing(cluster: Cluster):
    async def dawdle(member: Member) -> None:
        try:
            await asyncio.sleep(PATIENCE)
        except asyncio.CancelledError:
            member.cancelled = True  # type: ignore[attr-defined]  # only this test asks
            raise

    async def case() -> None:
        await cluster.prepare(records=10)
        async with Member(cluster, on_revoked=dawdle) as member:
            await member.consumer.release({cluster.tp(0): 0})
            await until(lambda: len(member.offsets(cluster.tp(0))) >= 10)
        assert member.cancelled  # type: ignore[attr-defined]  # set above
        assert not member.batches[0].ack()
        assert await cluster.committed(cluster.tp(0)) is None

    run(case)


@kafka_batched
def test_who_had_nothing_loses_nothing_of_what_it_is_given(cluster: Cluster):
    """Faust empties the agents' queues when a rebalance is over: nothing may be in them before."""

    async def case() -> None:
        cluster.partitions = 1
        await cluster.prepare(records=20)
        first, tp = Member(cluster), cluster.tp(0)
        late = Member(cluster, pace=0.8, max_poll_records=5, conf={"stream_recovery_delay": 1})
        await first.__aenter__()
        async with late:
            assert not late.owned, "the assignor leaves the partition where it was"
            await first.__aexit__()
            await until(lambda: late.owned == cluster.all)
            assert await late.consumer.release({tp: 0})
            await until(lambda: len(late.offsets(tp)) >= 20)
            assert late.offsets(tp) == list(range(20))

    run(case)


# -- whole processes


class Worker:
    """`worker_process.py`, and what its journal says."""

    def __init__(self, cluster: Cluster, name: str, *options: str) -> None:
        self.journal = cluster.directory / f"{name}.jsonl"
        manifest = cluster.directory / "manifest"
        manifest.mkdir(exist_ok=True)
        arguments = [
            cluster.broker.address,
            cluster.group,
            ",".join(cluster.topics),
            str(manifest),
            str(self.journal),
        ]
        self._log = (cluster.directory / f"{name}.log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.stream.worker_process", *arguments, *options],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )

    def facts(self, event: str) -> list[dict[str, Any]]:
        if not self.journal.exists():
            return []
        lines = self.journal.read_text().splitlines(keepends=True)
        facts = [json.loads(line) for line in lines if line.endswith("\n")]
        return [fact for fact in facts if fact["event"] == event]

    @property
    def owned(self) -> frozenset[TP]:
        assigned = self.facts("assigned")
        return frozenset(TP(*tp) for tp in assigned[-1]["partitions"]) if assigned else frozenset()

    @property
    def read(self) -> set[tuple[str, int, int]]:
        return {(*fact["tp"], n) for fact in self.facts("batch") for n in range(fact["first"], fact["next"])}

    def end(self, signal_number: int) -> int:
        self.process.send_signal(signal_number)
        return self.process.wait(PATIENCE)

    def listens(self) -> list[str]:
        """Local addresses of TCP sockets on which the process listens."""
        own = set()
        for descriptor in Path(f"/proc/{self.process.pid}/fd").iterdir():
            target = str(descriptor.readlink())
            if target.startswith("socket:["):
                own.add(target[8:-1])
        found = []
        for table in ("tcp", "tcp6"):
            for line in Path(f"/proc/{self.process.pid}/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and fields[9] in own:
                    found.append(fields[1])
        return found

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._log.close()


@contextmanager
def workers(cluster: Cluster, *names: str, options: tuple[str, ...] = ()) -> Iterator[list[Worker]]:
    started = [Worker(cluster, name, *options) for name in names]
    try:
        yield started
    finally:
        for worker in started:
            worker.close()


@kafka_batched
def test_a_killed_worker_is_replaced_and_nothing_is_missing(cluster: Cluster):
    async def case() -> None:
        # Three members for five partitions: it does not divide them, and leaves nobody without any.
        cluster.partitions = 5
        await cluster.prepare(records=50)
        with workers(cluster, "a", "b", "c") as members:
            a, b, c = members
            await until(lambda: all(one.owned for one in members) and sum(len(one.owned) for one in members) == 10)
            for one in members:
                numbers = [{tp.partition for tp in one.owned if tp.topic == topic} for topic in cluster.topics]
                assert numbers[0] == numbers[1], "partition p of both topics belongs to one member"
            await cluster.fill(cluster.all, 50)
            a.end(signal.SIGKILL)
            await cluster.fill(cluster.all, 50)
            assert b.end(signal.SIGTERM) == 0
            await cluster.fill(cluster.all, 50)
            await until(lambda: c.owned == cluster.all)
            everything = {(*tp, n) for tp in cluster.all for n in range(200)}
            await until(lambda: a.read | b.read | c.read >= everything)
            assert a.read | b.read | c.read == everything
            await asyncio.sleep(2.5)
            assert {await cluster.committed(tp) for tp in cluster.all} == {200}
            assert c.end(signal.SIGTERM) == 0

    run(case)


@tansu_batched
def test_a_crash_ends_the_process_with_1_and_its_batch_comes_again(cluster: Cluster):
    async def case() -> None:
        await cluster.prepare(records=10)
        with workers(cluster, "crashing", options=("--crash-after", "30")) as (crashing,):
            assert crashing.process.wait(PATIENCE) == 1
            assert [fact["code"] for fact in crashing.facts("end")] == [1]
            assert not crashing.facts("revoked")
        with workers(cluster, "next") as (following,):
            last = crashing.facts("batch")[-1]
            await until(lambda: (*last["tp"], last["first"]) in following.read)
            await until(lambda: len(crashing.read | following.read) == 80)
            assert not following.listens()
            assert following.end(signal.SIGINT) == 0
            assert following.facts("revoked")[0]["partitions"] == [list(tp) for tp in sorted(cluster.all)]

    run(case)


@kafka_batched
def test_a_stop_while_joining_is_orderly(cluster: Cluster):
    async def case() -> None:
        await cluster.prepare()
        with workers(cluster, "early") as (early,):
            await until(lambda: bool(early.facts("start")))
            await asyncio.sleep(0.5)
            assert early.end(signal.SIGTERM) == 0

    run(case)
