"""Whole Kafka fetches through a Faust agent, held until the state says where to begin.

All private API of Faust (0.15.3) and aiokafka (0.14) that Sixfold rests on stands in this file. It gives
the stream processor four things that Faust does not have:

* **Batches.** An agent gets one `Batch` for each partition and poll instead of one event at a time, which
  costs about 1 us an event over a bare aiokafka consumer, where Faust's own path costs hundreds.
* **Held partitions.** What is assigned delivers nothing until `Consumer.release` has sought to the offsets
  of the manifest in ClickHouse, which are the truth; Kafka's committed offsets only serve lag tools.
* **Honest acknowledgements.** Faust acknowledges when an agent takes its next event and commits past
  unfinished work when acks come out of order. Here only `Batch.ack` moves an offset, and commits follow the
  order of the offsets (`Ledger`).
* **An orderly end of ownership.** Before a partition is given away (and at stop) the processor may finish
  what it holds, the last commit is sent, and every batch still around is `stale` from then on.

How to run it, in a plain asyncio program without Faust's command line::

    app = make_app("crm", ["127.0.0.1:9092"], Path("var/worker-1"))
    channel = install(app, "crm.events", "crm.documents", on_assigned=claim, on_revoked=finish)

    @app.agent(channel)
    async def process(batches):
        async for batch in batches:
            ...                    # batch.ack() once its effects are durable
    sys.exit(run(app))             # or: code = await serve(app)

`serve` stops in order at SIGTERM and SIGINT (exit code 0) and after `await app.crash(exc)` (exit code 1).
"""
# ruff: noqa: ANN401 - most of what Faust and aiokafka pass around has no type of its own

import asyncio
import logging
import signal
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, TypeAlias, cast

import faust
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers import aiokafka as driver
from faust.types.tuples import ConsumerMessage
from mode.threads import WorkerThread

__all__ = [
    "TP",
    "Batch",
    "Consumer",
    "Ledger",
    "OnAssigned",
    "OnRevoked",
    "Statistics",
    "consumer_of",
    "install",
    "make_app",
    "run",
    "serve",
]

log = logging.getLogger(__name__)

TP: TypeAlias = TopicPartition
"""(topic, partition)"""

OnAssigned = Callable[[int, frozenset[TP]], Awaitable[None]]
"""`await on_assigned(epoch, partitions)`: all partitions of this member, now; must return at once."""

OnRevoked = Callable[[frozenset[TP]], Awaitable[None]]
"""`await on_revoked(partitions)`: finish what is in hand; cancelled when `revoke_drain` seconds are over."""

POLL_SECONDS = 0.25
"""The longest a poll waits for records; also the longest `Consumer.release` waits for a poll under way."""

FETCH_WAIT_MS = 500
"""The longest a broker may sit on a fetch without data: a partition just released waits that long at most."""


@dataclass(slots=True)
class Statistics:
    """What went through one consumer since it started; all members only grow."""

    batches: int = 0
    records: int = 0
    stale_acks: int = 0
    """Acknowledgements of batches that were no longer ours; they moved nothing."""
    undelivered: int = 0
    """Records fetched across a rebalance or a new release; they are read again, by us or by the new owner."""
    gaps: int = 0
    """Batches that did not begin where the one before ended (retention, transaction markers)."""
    backpressure: float = 0.0
    """Seconds in which nothing was fetched because `max_inflight` records were in flight."""


class Ledger:
    """The batches delivered from one partition since its release, in offset order.

    Acks may come in any order and more than once; `position` only ever passes a prefix of acked batches. A
    closed ledger (partition revoked, or released anew) takes no more acks.
    """

    __slots__ = (
        "_queue",
        "_wake",
        "closed",
        "committed",
        "expected",
        "held",
        "inflight",
        "position",
        "stats",
    )

    def __init__(self, start: int, stats: Statistics, wake: Callable[[], None]) -> None:
        self.stats = stats
        self.expected = start
        """Offset at which the next batch should begin."""
        self.position: int | None = None
        """Offset to commit: everything before it is acked. None until the first ack in order."""
        self.committed = -1
        """The last position that the broker took."""
        self.inflight = 0
        """Records delivered and not acked."""
        self.held = False
        """True while `Consumer.hold` keeps the partition from being fetched."""
        self.closed = False
        self._queue: deque[Batch] = deque()
        self._wake = wake

    def add(self, batch: "Batch") -> None:
        """Enter a batch at its delivery."""
        if batch.first != self.expected:
            self.stats.gaps += 1
            log.info("%s: offset %d expected, %d came", batch.tp, self.expected, batch.first)
        batch.follows = self.expected
        self.expected = batch.next_offset
        self.inflight += batch.size
        self.stats.batches += 1
        self.stats.records += batch.size
        self._queue.append(batch)

    def ack(self, batch: "Batch") -> bool:
        """Acknowledge a batch of this ledger; False when the ledger is closed."""
        if self.closed:
            self.stats.stale_acks += 1
            return False
        if not batch.acked:
            batch.acked = True
            batch.records = ()
            self.inflight -= batch.size
            while self._queue and self._queue[0].acked:
                self.position = self._queue.popleft().next_offset
            self._wake()
        return True

    def close(self) -> None:
        """Forget everything: the partition is no longer ours, or starts again elsewhere."""
        self.closed = True
        self.inflight = 0
        self._queue.clear()

    @property
    def oldest(self) -> float | None:
        """Monotonic time at which the oldest unacked batch was delivered; None when there is none."""
        return self._queue[0].born if self._queue else None


class Batch:
    """Records of one partition from one poll, in offset order."""

    __slots__ = ("_ledger", "acked", "born", "epoch", "first", "follows", "next_offset", "records", "size", "tp")

    def __init__(self, ledger: Ledger, epoch: int, tp: TP, records: Sequence[ConsumerRecord]) -> None:
        self._ledger = ledger
        self.epoch = epoch
        """Number of the assignment under which it was delivered."""
        self.tp = tp
        self.records = records
        """`key` and `value` bytes or None, `timestamp` in ms, `offset`, `headers`; empty once taken in or acked."""
        self.size = len(records)
        self.first: int = records[0].offset
        self.next_offset: int = records[-1].offset + 1
        self.follows = self.first
        """Where the batch before it ended, or the released offset: a processor that is not there has lost one."""
        self.acked = False
        self.born = monotonic()
        ledger.add(self)

    @property
    def stale(self) -> bool:
        """True when the partition was revoked or released anew: do not process it, it will come again."""
        return self._ledger.closed

    def ack(self) -> bool:
        """Its effects are durable (call it after the manifest). Idempotent; False when it was stale."""
        return self._ledger.ack(self)


class _StockBatch(Batch):
    """One record that came through Faust's own path; its ack goes to Faust's bookkeeping too."""

    __slots__ = ("_consumer", "message")

    def __init__(self, consumer: "Consumer", ledger: Ledger, tp: TP, record: ConsumerRecord) -> None:
        super().__init__(ledger, consumer.epoch, tp, (record,))
        self._consumer = consumer
        self.message: Any = None

    def ack(self) -> bool:
        first = not self.acked
        ours = super().ack()
        if ours and first:
            self.message.ack(self._consumer)
        return ours


class _BatchSchema(faust.Schema[Any, Any]):
    """Nothing is decoded in Faust: the value of the event is the batch."""

    def compile(self, app: Any, **_options: Any) -> Callable[..., Awaitable[Any]]:
        create_event = app.create_event

        async def decode(message: Any, *, propagate: bool = False) -> Any:  # noqa: ARG001 - Faust's signature
            batch = message.value
            if isinstance(batch, _StockBatch):
                # The stream drops its reference as soon as the agent asks for the next event. One more
                # keeps Faust from acknowledging then; `_StockBatch.ack` drops it.
                message.incref(1)
                batch.message = message
            return create_event(None, batch, message.headers, message)

        return decode


class _RebalanceListener(driver.ConsumerRebalanceListener):
    """Pauses what was assigned before the first fetch, on aiokafka's own loop."""

    async def on_partitions_assigned(self, assigned: Iterable[TP]) -> None:
        assigned = list(assigned)
        self._thread._ensure_consumer().pause(*assigned)
        await super().on_partitions_assigned(assigned)


class _DaemonThread(WorkerThread):
    """A thread that cannot keep a process alive whose broker does not answer while it stops."""

    def __init__(self, service: Any, **kwargs: Any) -> None:
        super().__init__(service, **kwargs)
        self.daemon = True


class _ConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread, with the options of aiokafka that Faust has no setting for."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        consumer._isolation_level = "read_committed" if transport.delivery.read_committed else "read_uncommitted"
        consumer._group_instance_id = transport.delivery.instance
        return consumer


class Consumer(driver.Consumer):
    """Ownership, holding and commits: what both ways of delivery share.

    Every method runs on the application's event loop; aiokafka runs on a loop of its own in another thread
    and is only called through `call_thread`.
    """

    RebalanceListener = _RebalanceListener

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.stats = Statistics()
        self.epoch = 0
        """Number of the present assignment, counted from 1."""
        self._owned: frozenset[TP] = frozenset()
        self._ledgers: dict[TP, Ledger] = {}
        self._polled: dict[TP, Ledger] = {}
        # One at a time: a poll, or the seek of a release. A poll that outlives a seek would hand on, or
        # drop, records of the new position.
        self._positions = asyncio.Lock()
        self._changed = asyncio.Event()
        super().__init__(*args, **kwargs)

    @property
    def delivery(self) -> "_Delivery":
        """The options given to `install`."""
        return cast("_Transport", self.transport).delivery

    @property
    def inflight(self) -> int:
        """Records delivered and not acked, in all partitions."""
        return sum(ledger.inflight for ledger in self._ledgers.values())

    @property
    def oldest_inflight(self) -> float:
        """Age in seconds of the oldest batch that is not acked; 0.0 when there is none."""
        heads = [born for ledger in self._ledgers.values() if (born := ledger.oldest) is not None]
        return monotonic() - min(heads) if heads else 0.0

    # -- what the processor calls

    async def release(self, offsets: Mapping[TP, int], *, epoch: int | None = None) -> bool:
        """Seek to these offsets and let the partitions deliver from there.

        Any offset of 0 or more will do, whatever is committed; one that the log no longer has is moved to
        its beginning by aiokafka (look first, with `stream.log.Log.bounds`). Releasing a partition again
        makes its earlier batches stale. False, and nothing delivers, when a partition is not (or no longer)
        ours, or when `epoch` is given and is not the present one.
        """
        async with self._positions:
            if not self._may_release(offsets, epoch):
                return False
            sought = await self._thread.call_thread(self._seek_in_thread, dict(offsets))
            if not sought or not self._may_release(offsets, epoch):
                return False
            for tp, offset in offsets.items():
                if old := self._ledgers.pop(tp, None):
                    old.close()
                self._forget(tp)
                self._ledgers[tp] = Ledger(offset, self.stats, self._changed.set)
        self._changed.set()
        return True

    def hold(self, partitions: Iterable[TP]) -> None:
        """Fetch nothing more for these released partitions; the member stays in the group.

        A poll under way may still deliver from them, for `POLL_SECONDS` at most.
        """
        for tp in partitions:
            if ledger := self._ledgers.get(tp):
                ledger.held = True

    def resume(self, partitions: Iterable[TP]) -> None:
        """Fetch again for partitions on hold, from where they were."""
        for tp in partitions:
            if ledger := self._ledgers.get(tp):
                ledger.held = False
        self._changed.set()

    async def committed(self, partitions: Collection[TP]) -> dict[TP, int]:
        """Where the group's commits say to go on, for `release`; 0 where nothing is committed."""
        found = await self._thread.call_thread(self._committed_in_thread, list(partitions))
        return cast("dict[TP, int]", found)

    def lag(self) -> dict[TP, int]:
        """Records that are in the log and not acked, by released partition, as of the last fetch."""
        consumer = self._thread._ensure_consumer() if self._ledgers else None
        ends = {tp: consumer.highwater(tp) for tp in self._ledgers} if consumer else {}
        return {
            tp: max(0, end - ledger.expected) + ledger.inflight
            for tp, ledger in self._ledgers.items()
            if (end := ends.get(tp)) is not None
        }

    # -- ownership

    async def _committed_in_thread(self, partitions: list[TP]) -> dict[TP, int]:
        consumer = self._thread._ensure_consumer()
        return {tp: await consumer.committed(tp) or 0 for tp in partitions}

    def _may_release(self, offsets: Mapping[TP, int], epoch: int | None) -> bool:
        return offsets.keys() <= self._owned and epoch in (None, self.epoch)

    async def _seek_in_thread(self, offsets: dict[TP, int]) -> bool:
        consumer = self._thread._ensure_consumer()
        try:
            for tp, offset in offsets.items():
                consumer.seek(tp, offset)
            consumer.resume(*offsets)
        except IllegalStateError:  # revoked meanwhile: the next assignment releases anew
            return False
        return True

    def _forget(self, tp: TP) -> None:
        """Drop what Faust remembers of a partition's offsets: it would drop batches before them."""
        for memory in (self._read_offset, self._committed_offset, self._gap, self._acked, self._acked_index):
            memory.pop(tp, None)

    def _close_ledgers(self) -> None:
        for ledger in self._ledgers.values():
            ledger.close()
        self._ledgers.clear()
        self._changed.set()

    async def on_partitions_assigned(self, assigned: set[Any], generation_id: int = 0) -> None:
        """A new epoch begins; everything in it is held until released."""
        self.epoch += 1
        self._close_ledgers()
        self._owned = frozenset(TP(*tp) for tp in assigned)
        # When a rebalance is over Faust empties the agents' queues and resumes the flow. It forgets to stop the
        # flow first when nothing was owned, and resumes it late when rebalances follow each other closely;
        # what came between would be lost in the queues.
        self.stop_flow()
        await super().on_partitions_assigned(assigned, generation_id)
        if self.delivery.on_assigned:
            await self.delivery.on_assigned(self.epoch, self._owned)

    async def wait_empty(self) -> None:
        """End of ownership; Faust calls it at a revoke and at stop, when no more is handed to agents.

        The processor finishes what it holds, the last commit goes out (we are still a member of the old
        generation, the broker takes it), and the ledgers are emptied. After a crash only the latter: the
        consumer's thread has ended, and what the processor holds is not to be trusted.
        """
        owned, self._owned = self._owned, frozenset()
        try:
            if owned and not self.app.crashed:
                if self.delivery.on_revoked:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self.delivery.on_revoked(owned), self.delivery.revoke_drain)
                await self.commit()
        finally:
            self._close_ledgers()

    async def perform_seek(self) -> None:
        """Nothing: Faust would seek to the committed offsets; `release` seeks to the manifest's."""

    async def verify_all_partitions_active(self) -> None:
        """Nothing: Faust takes a held or an idle partition for a hang; `oldest_inflight` tells a real one."""

    # -- fetching

    def _new_consumer_thread(self) -> _ConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon, Worker=_DaemonThread)

    async def _getmany(self, active_partitions: Collection[Any] | None, timeout: float) -> dict[TP, Any]:  # noqa: ARG002, ASYNC109 - Faust's signature; what may deliver is ours to say
        """Records by partition, of released partitions only, never more than there is room for."""
        self._changed.clear()
        async with self._positions:
            room = self.delivery.max_inflight() - self.inflight
            wanted = {tp: ledger for tp, ledger in self._ledgers.items() if not ledger.held}
            if room > 0 and wanted and self.flow_active:
                self._polled = wanted
                limit = min(room, self.app.conf.broker_max_poll_records)
                found = await self._thread.call_thread(
                    self._poll_in_thread, list(wanted), min(timeout, POLL_SECONDS), limit
                )
                return {tp: records for tp, records in found.items() if self._current(tp, records)}
        started = monotonic()
        await self._thread.call_thread(self._keep_alive_in_thread)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), timeout)
        if room <= 0:
            self.stats.backpressure += monotonic() - started
        return {}

    def _current(self, tp: TP, records: Sequence[ConsumerRecord]) -> bool:
        """Whether what was polled may still be delivered; if not, a later release seeks behind it."""
        if self._ledgers.get(tp) is self._polled[tp]:
            return True
        self.stats.undelivered += len(records)
        return False

    async def _poll_in_thread(self, partitions: list[TP], seconds: float, limit: int) -> dict[TP, Any]:
        if not self.flow_active:  # a rebalance began while this call waited for its turn
            return {}
        consumer = self._thread._ensure_consumer()
        found = await consumer.getmany(*partitions, timeout_ms=int(seconds * 1000), max_records=limit)
        return cast("dict[TP, Any]", found)

    async def _keep_alive_in_thread(self) -> None:
        """An empty fetch: without one for `max_poll_interval` aiokafka leaves the group, for good."""
        with self._thread._ensure_consumer()._subscription.fetch_context():
            pass

    # -- commits

    async def _commit(self, offsets: Mapping[Any, int]) -> bool:
        return cast("bool", await self._thread.call_thread(self._commit_in_thread, dict(offsets)))

    async def _commit_in_thread(self, offsets: dict[TP, int]) -> bool:
        """Commit what is still assigned. A failure is only logged: lag tools lag, the manifest does not."""
        consumer = self._thread._ensure_consumer()
        assigned = consumer.assignment()
        ours = {TP(*tp): OffsetAndMetadata(offset, "") for tp, offset in offsets.items() if tp in assigned}
        try:
            await asyncio.wait_for(consumer.commit(ours), self.delivery.revoke_commit)
        except (KafkaError, TimeoutError) as exc:
            log.warning("offsets not committed, the next commit covers them: %r", exc)
            return False
        return True


class BatchConsumer(Consumer):
    """Delivers one batch for each partition and poll; commits what the ledgers say."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._committing = asyncio.Lock()
        super().__init__(*args, **kwargs)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ASYNC109 - Faust's signature
        """One message for each partition with records; its value is the batch."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow.wait())
        if self.should_stop:
            return
        for tp, records in (await self._getmany(None, timeout)).items():
            if not self._current(tp, records):  # revoked while the batch before was handed on
                continue
            batch = Batch(self._ledgers[tp], self.epoch, tp, records)
            # Faust drops messages before the offset it remembers, which a release may have sought behind.
            self._read_offset[tp] = None
            last = records[-1]
            yield (
                tp,
                ConsumerMessage(
                    tp.topic,
                    tp.partition,
                    batch.first,
                    last.timestamp / 1000.0,
                    last.timestamp_type,
                    None,
                    None,
                    cast("Any", batch),
                    None,
                    0,
                    0,
                    tp,
                    generation_id=self.app.consumer_generation_id,
                ),
            )

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ARG002 - Faust's signature
        """Commit the positions of all ledgers that moved, one commit after the other."""
        async with self._committing:
            moved = {
                tp: (ledger, ledger.position)
                for tp, ledger in self._ledgers.items()
                if ledger.position is not None and ledger.position > ledger.committed
            }
            if not moved or not await self._commit({tp: position for tp, (_, position) in moved.items()}):
                return False
            for ledger, position in moved.values():
                ledger.committed = position
            return True


class StockConsumer(Consumer):
    """Delivers through Faust's own path, one record a batch; Faust's bookkeeping commits."""

    def _to_message(self, tp: Any, record: ConsumerRecord) -> Any:
        tp = TP(*tp)
        remembered = self._read_offset[tp]
        if remembered is not None and remembered > record.offset:
            self._read_offset[tp] = None
        message = super()._to_message(tp, record)
        message.value = cast("Any", _StockBatch(self, self._polled[tp], tp, record))
        return message


@dataclass(frozen=True, slots=True)
class _Delivery:
    """The options of `install`."""

    on_assigned: OnAssigned | None
    on_revoked: OnRevoked | None
    max_inflight: Callable[[], int]
    revoke_drain: float
    revoke_commit: float
    read_committed: bool
    instance: str | None


class _Transport(driver.Transport):
    """Makes the consumers of this module; carries their options."""

    delivery: _Delivery


class _BatchTransport(_Transport):
    Consumer = BatchConsumer


class _StockTransport(_Transport):
    Consumer = StockConsumer


def make_app(
    group: str,
    brokers: Sequence[str],
    datadir: Path,
    *,
    session_timeout: float = 10,
    heartbeat_interval: float = 2,
    rebalance_timeout: float = 10,
    commit_interval: float = 1,
    max_poll_records: int = 10_000,
    max_fetch_bytes: int = 1 << 20,
    broker_credentials: Any = None,
) -> faust.App:
    """A Faust application that consumes as `group` and listens on no port.

    `brokers` are `host:port`; `datadir` must be this process's alone; times in seconds. The embedded broker
    joins faster with session 5, heartbeat 1, rebalance 5; where CPU is scarce a session of 45 keeps a slow
    member in the group. `broker_credentials` is one of `faust.SSLCredentials`, `faust.SASLCredentials`.
    """
    datadir.mkdir(parents=True, exist_ok=True)
    return faust.App(
        group,
        broker=[f"kafka://{broker}" for broker in brokers],
        broker_credentials=broker_credentials,
        datadir=str(datadir),
        store="memory://",
        broker_session_timeout=session_timeout,
        broker_heartbeat_interval=heartbeat_interval,
        broker_rebalance_timeout=rebalance_timeout,
        broker_commit_interval=commit_interval,
        broker_max_poll_records=max_poll_records,
        broker_max_poll_interval=86_400,  # a stall is ours to notice: leaving the group for it is for good
        consumer_max_fetch_size=max_fetch_bytes,
        consumer_auto_offset_reset="earliest",
        # With no standby replicas Faust takes a round-robin assignor, which gives partition p of two topics
        # to different members as soon as their number does not divide the number of partitions.
        table_standby_replicas=1,
        stream_wait_empty=True,  # calls Consumer.wait_empty at stop and at every revoke
        stream_recovery_delay=0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        worker_redirect_stdouts=False,
    )


def install(
    app: faust.App,
    *topics: str,
    on_assigned: OnAssigned | None = None,
    on_revoked: OnRevoked | None = None,
    max_inflight: Callable[[], int] = lambda: 30_000,
    read_committed: bool = True,
    instance: str | None = None,
    stock: bool = False,
) -> Any:
    """Put this transport under `app`; gives the channel whose agent gets `Batch` values of all `topics`.

    Topics with the same number of partitions are assigned together: partition p of all of them to one
    member. At most `max_inflight()` records are delivered and not acked. `on_revoked` may take 2 s, the last
    commit 5 s, and both together no more than 0.7 of the rebalance timeout. `stock=True` falls back to
    Faust's own delivery (one record a batch) and commits, with the same interface. Call it once, before the
    application starts.
    """
    transport = (_StockTransport if stock else _BatchTransport)(app.conf.broker_consumer, app)
    patience = app.conf.broker_rebalance_timeout
    transport.delivery = _Delivery(
        on_assigned=on_assigned,
        on_revoked=on_revoked,
        max_inflight=max_inflight,
        revoke_drain=min(2.0, 0.2 * patience),
        revoke_commit=min(5.0, 0.5 * patience),
        read_committed=read_committed,
        instance=instance,
    )
    app.transport = transport
    return app.topic(*topics, schema=_BatchSchema(), acks=stock)


def consumer_of(app: faust.App) -> Consumer:
    """The consumer of an application that went through `install`."""
    return cast("Consumer", app.consumer)


async def serve(app: faust.App, *, stop: asyncio.Event | None = None, stop_timeout: float = 30) -> int:
    """Run until SIGTERM, SIGINT, `stop` or `app.crash(exc)`; gives the exit code, 0, or 1 after a crash.

    It stops in order: no more is delivered, `on_revoked` runs (not after a crash), the last commit goes out,
    the member leaves the group. A stop that takes longer than `stop_timeout` seconds is given up with 1.
    """
    loop = asyncio.get_running_loop()
    stop = stop or asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    starting = asyncio.create_task(app.start(), name="start")
    ends = [
        asyncio.create_task(stop.wait(), name="stop"),
        asyncio.create_task(app.wait_until_stopped(), name="crashed"),
    ]
    try:
        await asyncio.wait([starting, *ends], return_when=asyncio.FIRST_COMPLETED)
        if not starting.done() or starting.exception() is None:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        try:
            await asyncio.wait_for(app.stop(), stop_timeout)
        except TimeoutError:
            log.error("the stop took longer than %g s and was given up", stop_timeout)  # noqa: TRY400 - no trace
            return 1
        await asyncio.wait([starting], timeout=1)
        reason = app.crash_reason or (starting.exception() if starting.done() else None)
        if reason is not None:
            log.error("stopped by %s: %s", type(reason).__name__, reason)
        return 1 if reason is not None else 0
    finally:
        for task in (starting, *ends):
            task.cancel()
        await asyncio.gather(starting, *ends, return_exceptions=True)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def run(app: faust.App) -> int:
    """`serve` as a whole program; gives the exit code."""
    return asyncio.run(serve(app))
