"""A worker: the shards that Kafka assigns to it, taken over, read, flushed, and given back.

Folding goes on while a flush is under way; flushes follow one another. What fails outside (Kafka, ClickHouse) is tried
again for ever with backoff; meanwhile the worker is not ready, and above its bounds it reads nothing, but it stays in
the group.
"""

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Protocol, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_not_exception_type, wait_random_exponential

from stream.claim import GapError, Log, Store, take_over
from stream.log import TP
from stream.rules import Rules
from stream.shard import Effects, Shard, Topics, flush
from stream.transport import Batch

logger = logging.getLogger(__name__)
T = TypeVar("T")

#: records folded before the event loop gets a turn
SLICE = 500
#: seconds between two looks at a log that has a gap
GAP_SECONDS = 10.0
#: seconds between two looks at who claims our shards
CLAIMS_SECONDS = 2.0
#: seconds after the last takeover before old generations are deleted
IDLE_SECONDS = 30.0


class WorkerStore(Store, Protocol):
    """The store, with what only the running worker asks of it."""

    async def epochs(self) -> dict[int, int]:
        """The greatest claimed epoch of every shard."""

    async def drop_generations(self, epochs: dict[int, int]) -> None:
        """Delete the rolling rows of shards below these epochs."""

    async def use_rules(self, rules_hash: str, content: str) -> None:
        """Append rules, or refuse those that others came after."""


class Delivery(Protocol):
    """What the transport's consumer does for the worker."""

    async def release(self, offsets: dict[TP, int], *, epoch: int | None = None) -> bool:
        """Seek, and let partitions deliver."""

    def hold(self, partitions: Iterable[TP]) -> None:
        """Stop delivering."""

    def resume(self, partitions: Iterable[TP]) -> None:
        """Go on delivering."""


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
        flush_records: int = 20_000,
        max_dirty: int = 50_000,
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
        self._max_dirty = max_dirty
        self.shards: dict[int, Shard] = {}
        self.assigned_shards: set[int] = set()
        self.failing: dict[str, str] = {}
        self._parked: dict[int, Shard] = {}
        self._loading: asyncio.Task[None] | None = None
        self._assignment = 0
        self._batches: list[Batch] = []
        self._records = 0
        self._held = False
        self._wake = asyncio.Event()
        self._flushing = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def ready(self) -> bool:
        """Whether every assigned shard is loaded and nothing outside is failing."""
        return bool(self.assigned_shards) and not self.failing and self.assigned_shards <= self.shards.keys()

    # -- life

    def start(self) -> None:
        """Start flushing and watching, on the running event loop."""
        for loop in (self._flush_loop, self._watch_loop):
            self._tasks.append(asyncio.create_task(self._guarded(loop()), name=loop.__name__))

    async def stop(self) -> None:
        """Stop both loops; what was read and not flushed will be read again."""
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
            with_gap = []
            for number in waiting:
                taken = await self._take_over(number)
                if taken is None:
                    with_gap.append(number)
                else:
                    self.shards[number] = taken
                    await self._release(taken, epoch)
            waiting = with_gap
            if waiting:
                await asyncio.sleep(GAP_SECONDS)
        # what was loaded stays: the collector need not look at it again and again
        gc.freeze()
        logger.info("ready: %d shards, %d nodes", len(self.shards), sum(len(s.nodes) for s in self.shards.values()))

    async def _check_rules(self) -> None:
        """Two sets of rules do not take turns: where newer ones were appended, this worker ends."""
        await self._patiently("rules", lambda: self._store.use_rules(self._rules.hash, self._rules.content))

    async def _take_over(self, number: int) -> Shard | None:
        try:
            return await self._patiently(
                f"shard {number}",
                lambda: take_over(
                    number,
                    self._partitions,
                    self._rules,
                    self._log,
                    self._store,
                    topics=self._topics,
                    incarnation=self._incarnation,
                    max_future_us=self._max_future_us,
                ),
            )
        except GapError as gap:
            logger.error("%s", gap)  # noqa: TRY400 - a line, not a trace
            return None

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
                await self._patiently("old generations", lambda mine=mine: self._store.drop_generations(mine))  # type: ignore[misc]  # mypy infers no type for a lambda with a default
                dropped, idle = mine, 0.0

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
        """Fold a batch into its shard; it is acknowledged after the flush that holds it."""
        shard = self.shards.get(batch.tp.partition)
        if batch.stale or shard is None:
            return
        if batch.first > shard.positions[batch.tp.topic].offset:
            await self._check_missing(batch, shard.positions[batch.tp.topic].offset)
        records = batch.records
        for start in range(0, len(records), SLICE):
            shard.read(batch.tp.topic, records[start : start + SLICE])
            self._records += SLICE
            await asyncio.sleep(0)
            if self.shards.get(shard.number) is not shard:
                return
        self._batches.append(batch)
        if self._records >= self._flush_records:
            self._wake.set()
        if not self._held and self._dirty() > self._max_dirty:
            logger.warning("%d nodes wait to be written: reading pauses", self._dirty())
            self._held = True
            self._delivery().hold(self._all_partitions())

    async def _check_missing(self, batch: Batch, expected: int) -> None:
        """Offsets may be missing: transaction markers have some. Records may not."""
        begin, _ = (await self._log.bounds([batch.tp]))[batch.tp]
        if begin > expected:  # retention was faster; the next start finds it again, and waits for a decision
            raise GapError(batch.tp.topic, batch.tp.partition, expected, begin)
        if expected < batch.follows < batch.first:
            raise RuntimeError(f"{batch.tp}: a batch before offset {batch.follows} was lost; reading it again")

    def _dirty(self) -> int:
        return sum(shard.dirty for shard in self.shards.values())

    def _all_partitions(self) -> list[TP]:
        return [TP(topic, number) for number in self.shards for topic in (self._topics.events, self._topics.documents)]

    # -- flushing

    async def _flush_loop(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._flush_seconds):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            await self._flush()

    async def _flush(self) -> None:
        async with self._flushing:
            batches, self._batches = self._batches, []
            effects = Effects()
            moved = [shard for shard in self.shards.values() if shard.moved]
            if not moved:  # what these batches held was part of the last flush
                for batch in batches:
                    batch.ack()
                return
            self._records = 0
            for shard in moved:
                effects.add(shard.take())
                await asyncio.sleep(0)  # thousands of nodes may have been in hand: others have a turn in between
            await self._patiently("flush", lambda: flush(effects, self._log, self._store))
            for batch in batches:
                batch.ack()
            if self._held:
                self._held = False
                self._delivery().resume(self._all_partitions())

    async def _patiently(self, what: str, call: Callable[[], Awaitable[T]]) -> T:
        """Try for ever, except where waiting does not help: a gap, and rules that others came after."""
        from sinks.clickhouse import RulesConflictError

        def failed(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            self.failing[what] = str(error)
            logger.warning("%s failed, try %d: %s", what, state.attempt_number, str(error).strip()[:500])

        final = (GapError, RulesConflictError)
        async for attempt in AsyncRetrying(
            retry=retry_if_not_exception_type(final),
            wait=wait_random_exponential(multiplier=0.2, max=10),
            after=failed,
            reraise=True,
        ):
            with attempt:
                result = await call()
        if self.failing.pop(what, None):
            logger.info("%s works again", what)
        return result
