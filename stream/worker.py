"""A worker: the shards that Kafka assigns to it, taken over, read, flushed, and given back.

Reading goes on while a flush is under way; flushes follow one another. What fails outside (Kafka, ClickHouse) is tried
again for ever with backoff; meanwhile the worker is not ready, and above its bounds it reads nothing, but it stays in
the group.
"""

import asyncio
import gc
import logging
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import chain
from typing import NamedTuple, Protocol, TypeVar

from aiokafka.errors import KafkaError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential

from sinks.metrics import WorkerMetrics, WorkerState
from stream.claim import GapError, Log, Store, take_over
from stream.log import TP
from stream.resting import Dictionaries, rows_in
from stream.rules import Rules
from stream.shard import Effects, Shard, Topics, flush, fold_together
from stream.transport import Batch, Statistics

logger = logging.getLogger(__name__)
T = TypeVar("T")

#: nodes folded before the event loop gets a turn
SLICE = 250
#: a flush is due at so many records, or at so many for each node above some: see `Worker.due`
FEWEST_DUE, DUE_PER_NODE, NODES_BELOW = 32_000, 12, 16_000
#: as a part of these, and as a number, the records that may be read on while a flush is folded; the smaller one counts
READ_ON, MOST_READ_ON = 1 / 4, 50_000
#: bytes of records that may be read before the next flush begins, however few may be in flight, and for each that may;
#: it is due at half of them
MOST_BYTES, RECORD_BYTES = 128 << 20, 1 << 10
#: shards taken over at the same time: while ClickHouse reads or copies for one, another one is taken in
LOADING = 4
#: seconds between two looks at a log that has a gap
GAP_SECONDS = 10.0
#: seconds between two looks at who claims our shards
CLAIMS_SECONDS = 2.0
#: a flush with a slice that took longer than this is followed by so many times as long a rest, unless records crowd: a
#: root with 100,000 documents costs seconds each time it is counted
DEAR_SECONDS, REST = 1.0, 4
#: seconds after the last takeover before old generations are deleted
IDLE_SECONDS = 30.0
#: seconds between two looks at where the log ends
ENDS_SECONDS = 5.0


class WorkerStore(Store, Protocol):
    """The store, with what only the running worker asks of it."""

    async def epochs(self) -> dict[int, int]:
        """The greatest claimed epoch of every shard."""

    async def flushes(self, epochs: Mapping[int, int]) -> dict[int, int]:
        """The last flush of each shard under the epoch given for it."""

    async def drop_generations(self, epochs: dict[int, int]) -> None:
        """Delete the rolling rows of shards below these epochs."""

    async def use_rules(self, rules_hash: str, content: str) -> None:
        """Append rules, or refuse those that others came after."""

    async def purge(self) -> object:
        """Delete what rows of erased people there are; gives what there was, false for nothing."""


class Delivery(Protocol):
    """What the transport's consumer does for the worker."""

    async def release(self, offsets: dict[TP, int], *, epoch: int | None = None) -> bool:
        """Seek, and let partitions deliver."""

    def hold(self, partitions: Iterable[TP]) -> None:
        """Stop delivering."""

    def resume(self, partitions: Iterable[TP]) -> None:
        """Go on delivering."""

    @property
    def stats(self) -> Statistics:
        """What went through it."""

    @property
    def inflight(self) -> int:
        """Records delivered and not acknowledged."""

    @property
    def oldest_inflight(self) -> float:
        """Age in seconds of the oldest batch that is not acknowledged."""


class Failure(NamedTuple):
    """What fails outside at present: which service, and what it said."""

    service: str
    message: str


class StoreWentBackError(Exception):
    """ClickHouse holds less than this worker wrote: it was restored from a backup."""

    def __init__(self, shard: int, epoch: int, written: int, found: int | None) -> None:
        holds = "no manifest of it" if found is None else f"flush {found}"
        super().__init__(
            f"ClickHouse is older than what this worker wrote (shard {shard}, epoch {epoch}: flush {written} written, "
            f"{holds} found): it ends, to start anew from the manifests that are there"
        )


class Worker:
    """Owns shards between `assigned` and `revoked`.

    `delivery` is asked for the consumer when it exists; `crash` ends the process for what cannot be mended by waiting.
    """

    def __init__(
        self,
        rules: Rules,
        partitions: int,
        log: Log,
        store: WorkerStore,
        *,
        topics: Topics,
        delivery: Callable[[], Delivery],
        crash: Callable[[BaseException], Awaitable[None]],
        incarnation: str = "",
        max_future_us: int = 86_400_000_000,
        flush_seconds: float = 0.5,
        flush_records: int = 500_000,
        max_inflight: int = 600_000,
        max_dirty: int = 1_000_000,
        ready_lag: int = 100_000,
        purge_seconds: float = 60,
        metrics: WorkerMetrics | None = None,
    ) -> None:
        self._rules = rules
        self._partitions = partitions
        self._log = log
        self._store = store
        self._topics = topics
        self._delivery = delivery
        self._crash = crash
        self._incarnation = incarnation
        self._max_future_us = max_future_us
        self._flush_seconds = flush_seconds
        self._flush_records = flush_records
        self._max_inflight = max_inflight
        self._max_dirty = max_dirty
        self._ready_lag = ready_lag
        self._purge_seconds = purge_seconds
        self._metrics = metrics or WorkerMetrics()
        self._metrics.show(self.state)
        self._dictionaries = Dictionaries()
        self._process = secrets.token_hex(8)
        self.shards: dict[int, Shard] = {}
        self.assigned_shards: set[int] = set()
        self.failing: dict[str, Failure] = {}
        self._gaps: dict[TP, int] = {}
        self._ends: dict[TP, int] = {}
        self._durable: dict[TP, int] = {}
        self._last_flush: float | None = None
        self._parked: dict[int, Shard] = {}
        self._loading: asyncio.Task[None] | None = None
        self._assignment = 0
        self._batches: list[Batch] = []
        self._records = self._bytes = 0
        self._held = False
        self._dear_seconds = 0.0
        self._fold_seconds = 0.0
        self._wake = asyncio.Event()
        self._flushing = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    def not_ready(self) -> dict[str, str]:
        """Why it is not ready (codes of `sinks.metrics.NOT_READY`, each with a line); nothing when it is.

        Ready is: every assigned shard claimed and loaded, Kafka and ClickHouse within reach, lag under the bound.
        """
        reasons: dict[str, str] = {}
        if not self.assigned_shards:
            reasons["unassigned"] = "Kafka has assigned no partitions to this worker yet"
        missing = sorted(self.assigned_shards - self.shards.keys())
        if missing:
            reasons["loading"] = f"{len(missing)} of {len(self.assigned_shards)} shards are not loaded: {missing}"
        if self._gaps:
            reasons["gap"] = "; ".join(
                f"{tp.topic}[{tp.partition}] has lost {count} records" for tp, count in sorted(self._gaps.items())
            )
        for operation, failure in self.failing.items():
            reasons.setdefault(failure.service, f"{operation}: {failure.message.strip()[:200]}")
        lag = sum(self._lag().values())
        if lag > self._ready_lag:
            reasons["lag"] = f"{lag} records behind, more than {self._ready_lag} (SIXFOLD_READY_LAG)"
        return reasons

    def state(self) -> WorkerState:
        """The worker as it is now, for its metrics."""
        shards = self.shards.values()
        state = WorkerState(
            assigned=len(self.assigned_shards),
            epochs={shard.number: shard.epoch for shard in shards},
            lag={(self._role(tp.topic), tp.partition): lag for tp, lag in self._lag().items()},
            gaps={(self._role(tp.topic), tp.partition): count for tp, count in self._gaps.items()},
            nodes=sum(len(shard.nodes) for shard in shards),
            dirty_nodes=self._dirty(),
            rolling_rows=sum(len(shard.rolling) for shard in shards),
            dirty_rolling_rows=sum(shard.rolling.dirty for shard in shards),
            last_flush=self._last_flush,
        )
        if self._assignment:  # before that there is no consumer
            delivery = self._delivery()
            state.inflight_records, state.oldest_inflight_seconds = delivery.inflight, delivery.oldest_inflight
            state.backpressure_seconds = delivery.stats.backpressure
            state.undelivered_records, state.stale_acks = delivery.stats.undelivered, delivery.stats.stale_acks
        return state

    def _role(self, topic: str) -> str:
        """A topic's name without the prefix of the installation."""
        return {self._topics.events: "events", self._topics.documents: "documents"}.get(topic, "dead_letters")

    def _lag(self) -> dict[TP, int]:
        """Records in the log that the tables do not hold, by partition of the loaded shards."""
        return {
            tp: max(0, end - self._durable[tp])
            for tp, end in self._ends.items()
            if tp.partition in self.shards and tp in self._durable
        }

    # -- life

    def start(self) -> None:
        """Start flushing and watching, on the running event loop."""
        for loop in (self._flush_loop, self._watch_loop, self._ends_loop, self._purge_loop):
            self._tasks.append(asyncio.create_task(self._guarded(loop()), name=loop.__name__))

    async def stop(self) -> None:
        """Stop the loops; what was read and not flushed will be read again."""
        for task in (*self._tasks, *([self._loading] if self._loading else [])):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _guarded(self, loop: Awaitable[None]) -> None:
        try:
            await loop
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the process must end and start anew
            await self._crash(error)

    # -- ownership

    async def assigned(self, epoch: int, partitions: Collection[TP]) -> None:
        """Kafka gave us partitions: take their shards over, beside the rebalance."""
        self._change_owner()
        self._metrics.rebalances.inc()
        self.assigned_shards = {tp.partition for tp in partitions}
        self._loading = asyncio.create_task(self._guarded(self._load(epoch)), name="load")

    async def revoked(self, _partitions: Collection[TP]) -> None:
        """Kafka takes partitions back: flush what we hold; shards are kept in case they come back."""
        try:
            # it may not wait for ever: then the flush goes on beside, and the shards' next one waits for it
            await asyncio.shield(self._flush())
        finally:
            self._change_owner()
            self.assigned_shards = set()

    def _change_owner(self) -> None:
        """What was released under the assignment before delivers no more; whoever was loading for it gives up."""
        if self._loading:
            self._loading.cancel()
        self._assignment += 1
        self._parked.update(self.shards)
        self.shards.clear()
        self._gaps.clear()

    async def _load(self, epoch: int) -> None:
        wanted = sorted(self.assigned_shards)
        for number in [number for number in self._parked if number not in self.assigned_shards]:
            del self._parked[number]
        await self._check_rules()
        if any(number in self._parked for number in wanted):
            held = await self._patiently("claims", self._store.epochs)
            for number, shard in list(self._parked.items()):
                if held.get(number) == shard.epoch:
                    self.shards[number] = shard
                    await self._release(shard, epoch)
            self._parked.clear()
        # gaps are waited for, the other shards need not wait for them
        waiting = [number for number in wanted if number not in self.shards]
        while waiting:
            gate = asyncio.Semaphore(LOADING)
            loaded = await asyncio.gather(*(self._load_one(number, epoch, gate) for number in waiting))
            waiting = [number for number, done in zip(waiting, loaded, strict=True) if not done]
            if waiting:
                await asyncio.sleep(GAP_SECONDS)
        # what was loaded stays: the collector need not look at it again and again
        gc.freeze()
        logger.info("ready: %d shards, %d nodes", len(self.shards), sum(len(s.nodes) for s in self.shards.values()))

    async def _load_one(self, number: int, epoch: int, gate: asyncio.Semaphore) -> bool:
        """Take a shard over and let it deliver; False if its log has a gap."""
        async with gate:
            taken = await self._take_over(number)
            if taken is None:
                return False
            self.shards[number] = taken
            await self._release(taken, epoch)
            return True

    async def _check_rules(self) -> None:
        """Two sets of rules do not take turns: where newer ones were appended, this worker ends."""
        await self._patiently("rules", lambda: self._store.use_rules(self._rules.hash, self._rules.content))

    async def _take_over(self, number: int) -> Shard | None:
        began = time.perf_counter()
        try:
            shard = await self._patiently(
                "takeover",
                lambda: take_over(
                    number,
                    self._partitions,
                    self._rules,
                    self._log,
                    self._store,
                    topics=self._topics,
                    incarnation=self._incarnation,
                    max_future_us=self._max_future_us,
                    dictionaries=self._dictionaries,
                    process=self._process,
                ),
                f" of shard {number}",
            )
        except GapError as gap:
            logger.error("%s", gap)  # noqa: TRY400 - a line, not a trace
            self._gaps[TP(gap.topic, gap.partition)] = gap.missing
            return None
        for topic in (self._topics.events, self._topics.documents):
            self._gaps.pop(TP(topic, number), None)
        self._metrics.taken_over(time.perf_counter() - began)
        self._note_durable(shard)
        return shard

    def _note_durable(self, shard: Shard) -> None:
        """The tables hold what the shard's last flush held, or what it was loaded with."""
        for topic, position in shard.reached.items():
            self._durable[TP(topic, shard.number)] = position.offset

    async def _release(self, shard: Shard, epoch: int | None) -> None:
        offsets = {TP(topic, shard.number): position.offset for topic, position in shard.positions.items()}
        await self._delivery().release(offsets, epoch=epoch)

    async def _watch_loop(self) -> None:
        """A worker that finds a higher epoch over a shard that it still owns claims again."""
        idle, dropped = 0.0, dict[int, int]()
        while True:
            await asyncio.sleep(CLAIMS_SECONDS)
            if not self.shards:
                continue
            await self._check_rules()
            async with self._flushing:
                await self._patiently("claims", self._check_store)
            held = await self._patiently("claims", self._store.epochs)
            for number, shard in list(self.shards.items()):
                if held.get(number, 0) > shard.epoch and self.shards.get(number) is shard:
                    logger.warning(
                        "shard %d was claimed by another worker and is still ours: claiming it again", number
                    )
                    await self._claim_again(shard)
            mine = {number: shard.epoch for number, shard in self.shards.items()}
            idle = idle + CLAIMS_SECONDS if mine != dropped else 0.0
            if idle >= IDLE_SECONDS:
                await self._patiently("old_generations", lambda mine=mine: self._store.drop_generations(mine))  # type: ignore[misc]  # mypy infers no type for a lambda with a default
                dropped, idle = mine, 0.0

    async def _ends_loop(self) -> None:
        """Look where the log ends, for the lag; it also tells whether Kafka is within reach."""
        while True:
            await asyncio.sleep(ENDS_SECONDS)
            topics = (self._topics.events, self._topics.documents)
            wanted = [TP(topic, number) for topic in topics for number in sorted(self.assigned_shards)]
            if wanted:
                bounds = await self._patiently("log_ends", lambda wanted=wanted: self._log.bounds(wanted))  # type: ignore[misc]  # mypy infers no type for a lambda with a default
                self._ends = {tp: end for tp, (_, end) in bounds.items()}

    async def _purge_loop(self) -> None:
        """The owner of shard 0 sees to it that of erased people nothing is left; what fails waits for the next time."""
        while self._purge_seconds:
            await asyncio.sleep(self._purge_seconds)
            if 0 not in self.shards:
                continue
            try:
                if found := await self._store.purge():
                    logger.info("purged what was left of erased people: %s", found)
            except Exception as error:  # noqa: BLE001 - ClickHouse is away, or lacks a right: the figures do not wait for it
                logger.warning("erased people are yet to be purged: %s", str(error).strip()[:500])

    async def _claim_again(self, shard: Shard) -> None:
        assignment = self._assignment
        async with self._flushing:
            if self.shards.get(shard.number) is not shard:
                return
            del self.shards[shard.number]
            self._batches = [batch for batch in self._batches if batch.tp.partition != shard.number]
        again = await self._take_over(shard.number)
        # a shard that was loaded for an assignment that is over was released to nobody
        if again is not None and assignment == self._assignment:
            self.shards[shard.number] = again
            await self._release(again, None)

    # -- reading

    async def read(self, batch: Batch) -> None:
        """Give a batch to its shard; it is acknowledged after the flush that holds it."""
        shard = self.shards.get(batch.tp.partition)
        if batch.stale or shard is None:
            return
        if batch.first > shard.positions[batch.tp.topic].offset:
            await self._check_missing(batch, shard.positions[batch.tp.topic].offset)
            if self.shards.get(shard.number) is not shard:
                return
        shard.read(batch.tp.topic, batch.records)
        self._records += batch.size
        self._bytes += sum(len(record.value or b"") for record in batch.records)
        batch.records = ()  # the shard has them: what waits for the flush is their offset
        self._batches.append(batch)
        self._metrics.batch(batch.size)
        most_bytes = max(MOST_BYTES, self.room() * RECORD_BYTES)
        if self._records >= self.due() or self._bytes > most_bytes // 2:
            self._wake.set()
        if not self._held and (self._dirty() > self._max_dirty or self._bytes > most_bytes):
            logger.warning("%d nodes and %d bytes wait to be folded: reading pauses", self._dirty(), self._bytes)
            self._held = True
            self._wake.set()
            self._delivery().hold(self._all_partitions())

    async def _check_missing(self, batch: Batch, expected: int) -> None:
        """Offsets may be missing: transaction markers have some. Records may not."""
        begin, _ = (await self._log.bounds([batch.tp]))[batch.tp]
        if begin > expected:  # retention was faster; the next start finds it again, and waits for a decision
            raise GapError(batch.tp.topic, batch.tp.partition, expected, begin)
        if expected < batch.follows < batch.first:
            raise RuntimeError(f"{batch.tp}: a batch before offset {batch.follows} was lost; reading it again")

    def due(self) -> int:
        """How many records make a flush due before its time: at first a fixed number, then twelve for each more node.

        What an event costs is mostly how often a node is written, once in each flush that changes it. In a backlog each
        flush is several times as long as all before it together, so there are few of them, and a node is written more
        seldom of a large company than of a small one.
        """
        nodes = sum(len(shard.nodes) for shard in self.shards.values())
        due = min(self._flush_records, max(FEWEST_DUE, DUE_PER_NODE * (nodes - NODES_BELOW)))
        return max(1, min(due, int(self._max_inflight / (1 + READ_ON))))

    def room(self) -> int:
        """How many records may be read and not flushed: those of a flush, and some that are read while it is folded."""
        due = self.due()
        return min(self._max_inflight, due + max(1, min(int(due * READ_ON), MOST_READ_ON)))

    def _unread(self) -> int:
        """How many records were in the log, when it was looked at last, and have not been read."""
        return sum(
            max(0, end - self.shards[tp.partition].positions[tp.topic].offset)
            for tp, end in self._ends.items()
            if tp.partition in self.shards
        )

    def _dirty(self) -> int:
        return sum(shard.dirty for shard in self.shards.values())

    def _all_partitions(self) -> list[TP]:
        return [TP(topic, number) for number in self.shards for topic in (self._topics.events, self._topics.documents)]

    # -- flushing

    async def _flush_loop(self) -> None:
        while True:
            await self._woken(max(self._flush_seconds, REST * self._dear_seconds))
            # after a long fold little was read when the time is over: in a backlog the next flush may fill for as long
            waited = 0.0
            while waited < self._fold_seconds and self._unread() > FEWEST_DUE and not self._wake.is_set():
                await self._woken(self._flush_seconds)
                waited += self._flush_seconds
            self._wake.clear()
            await self._flush()

    async def _woken(self, seconds: float) -> None:
        """Return when a flush is due, or so many seconds are over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    async def _flush(self) -> None:
        async with self._flushing:
            batches, self._batches = self._batches, []
            shards = dict(self.shards)
            if not any(shard.moved for shard in shards.values()):  # what these batches held was part of the last flush
                self._dear_seconds = 0.0  # its rest is over
                self._acknowledge(batches)
                return
            self._records = self._bytes = 0
            began = time.perf_counter()
            for shard in shards.values():  # with no turn for others in between: the batches are what these flushes hold
                shard.begin()
            stirred, effects = await self._fold(shards)
            await self._patiently("flush", lambda: self._write(effects))
            for shard in stirred:
                shard.written = shard.flush_number
            self._acknowledge(batches)
            for shard in stirred:
                self._note_durable(shard)
            self._count(effects, time.perf_counter() - began)
            if self._held:
                self._held = False
                self._delivery().resume(self._all_partitions())

    async def _fold(self, shards: Mapping[int, Shard]) -> tuple[list[Shard], Effects]:
        """Fold what the flush holds, and let others have a turn every few nodes; gives the shards that it changed."""
        stirred: list[Shard] = []
        effects, seconds, self._dear_seconds = Effects(), 0.0, 0.0

        def take() -> Iterator[None]:
            for shard in shards.values():
                if shard.stirred:
                    stirred.append(shard)
                    effects.add(shard.take())
                    yield

        began = time.perf_counter()
        for _ in chain(fold_together(shards, SLICE), take()):
            took = time.perf_counter() - began
            seconds += took
            if took > DEAR_SECONDS:
                self._dear_seconds += took
            await asyncio.sleep(0)
            began = time.perf_counter()
        self._fold_seconds = seconds
        self._metrics.fold_seconds.observe(seconds)
        return stirred, effects

    async def _write(self, effects: Effects) -> None:
        await self._check_store()
        await flush(effects, self._log, self._store)

    async def _check_store(self) -> None:
        """What we wrote last must still be there: a store restored from a backup under a running worker is not ours.

        Its nodes are older than those in memory; going on would write a manifest that skips the records in between.
        A flush that failed half-way may have written its manifest.
        """
        ours = {number: shard.epoch for number, shard in self.shards.items()}
        if not ours:
            return
        found = await self._store.flushes(ours)
        for number, shard in self.shards.items():
            if shard.epoch == ours.get(number) and found.get(number) not in (shard.written, shard.flush_number):
                raise StoreWentBackError(number, shard.epoch, shard.written, found.get(number))

    def _acknowledge(self, batches: Iterable[Batch]) -> None:
        read: Counter[str] = Counter()
        now = time.monotonic()
        for batch in batches:
            if batch.ack():
                read[self._role(batch.tp.topic)] += batch.size
                self._metrics.batch_ack_seconds.observe(now - batch.born)
        for topic, records in read.items():
            self._metrics.records(topic, records)

    def _count(self, effects: Effects, seconds: float) -> None:
        """Tell of a flush that is done: what it holds is visible from now on."""
        self._last_flush = time.time()
        metrics, tally = self._metrics, effects.tally
        metrics.flushed(rows_in(effects.nodes.get("nodes", ())), seconds)
        for kind, times in tally.folded.items():
            metrics.folded(kind, times, self._last_flush)
        for kind, count in tally.forwarded.items():
            metrics.forwarded(kind, count)
        for reason, count in tally.rejected.items():
            metrics.dead_letters(reason, count)
        produced: dict[str, tuple[int, int]] = {}
        for record in effects.outgoing:
            records, size = produced.get(record.topic, (0, 0))
            produced[record.topic] = (records + 1, size + len(record.value or b""))
        for topic, (records, size) in produced.items():
            metrics.produced(self._role(topic), records, size)

    async def _patiently(self, operation: str, call: Callable[[], Awaitable[T]], subject: str = "") -> T:
        """Try for ever, except where waiting does not help: a gap, and rules that others came after.

        `operation` is one of `sinks.metrics.OPERATIONS`, `subject` what it works on, for the log.
        """
        from sinks.clickhouse import RulesConflictError

        what = f"{operation}{subject}"

        def failed(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            service = "kafka" if isinstance(error, KafkaError) else "clickhouse"
            self.failing[what] = Failure(service, str(error))
            self._metrics.retry(operation)
            logger.warning("%s failed, try %d: %s", what, state.attempt_number, str(error).strip()[:500])

        final = (GapError, RulesConflictError, StoreWentBackError)
        try:
            async for attempt in AsyncRetrying(
                # a cancellation is no failure: whoever tries again after one cannot be stopped
                retry=retry_if_exception(lambda error: isinstance(error, Exception) and not isinstance(error, final)),
                wait=wait_random_exponential(multiplier=0.2, max=10),
                after=failed,
                reraise=True,
            ):
                with attempt:
                    result = await call()
        except BaseException:
            self.failing.pop(what, None)  # nobody tries any more, so nothing would end it
            raise
        if self.failing.pop(what, None):
            logger.info("%s works again", what)
        return result
