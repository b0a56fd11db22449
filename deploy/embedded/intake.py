"""From a request to the broker: journal first, then Kafka, then the answer.

Requests that wait at the same time share one fsync. What the broker forgets with its memory is sent again
from the journal, with its first timestamps; segments that the tables cover are dropped (`retention.py`).
"""

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import pairwise

from aiokafka.errors import KafkaError

from deploy.embedded.journal import Entry, Journal, JournalFullError, Segment, batches
from deploy.embedded.retention import Reached, Watch, follow
from stream.gateway.sink import Record, Unavailable
from stream.log import TP, Log, Outgoing, home_partition

JOURNAL_HEADER = "sixfold-journal"
"""Name of the Kafka header that carries a record's journal position, as decimal text."""

WAITING_BYTES = 64 << 20
"""Above this much accepted and not yet delivered, senders are told to come back."""

COMMIT_BYTES = 8 << 20
REPLAY_BYTES = 1 << 20
RETENTION_SECONDS = 5.0
_RETRY_SECONDS = 0.2

Manifests = Callable[[], Awaitable[Mapping[int, Reached]]]
"""Reads the newest manifest of every shard that has one; any error it raises means "not now"."""

log = logging.getLogger(__name__)


class Intake:
    """Journal and broker in one.

    Nothing moves unless `run()` is running, and nothing is delivered before the first `replay`.
    """

    def __init__(self, journal: Journal, broker: Log, topic: str, partitions: int, manifests: Manifests) -> None:
        self._journal = journal
        self._log = broker
        self._topic = topic
        self._partitions = partitions
        self._manifests = manifests
        self._incarnation = ""
        self._delivering = asyncio.Event()
        self._replayed = False
        self._queue: list[tuple[Sequence[Record], asyncio.Future[tuple[int, int]]]] = []
        self._queued = asyncio.Event()
        self._waiting_bytes = 0
        self._undelivered: set[int] = set()
        self._watches: dict[Segment, Watch] = {}

    async def run(self) -> None:
        """Commit, deliver and drop until cancelled. Raises what is not foreseen."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._commit(tasks))
            tasks.create_task(self._retain())

    async def accept(self, records: Sequence[Record]) -> tuple[int, int]:
        """Take records in: returns their first and last journal position, once they are on disk and in Kafka.

        While the broker restarts this waits. Raises `Unavailable` when too much is waiting already, and when the disk
        refuses.
        """
        size = sum(len(value) for _, value in records)
        if self._waiting_bytes and self._waiting_bytes + size > WAITING_BYTES:
            raise Unavailable("too much is waiting to be written; try again", 1)
        done: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()
        self._waiting_bytes += size
        done.add_done_callback(lambda _: self._leave(size))
        self._queue.append((records, done))
        self._queued.set()
        try:
            return await done
        except JournalFullError as error:
            raise Unavailable(str(error), 10) from None

    def reasons(self) -> Mapping[str, str]:
        """`kafka` while the broker is gone or gets its records again."""
        return {} if self._replayed else {"kafka": "the broker is being started"}

    async def seal(self) -> None:
        """Close the journal's current segment now, so that it can go as soon as the tables cover it."""
        await asyncio.to_thread(self._journal.seal, force=True)

    def hold(self) -> None:
        """The broker is gone: deliver nothing until `replay`."""
        self._delivering.clear()
        self._replayed = False

    async def replay(self, incarnation: str) -> int:
        """The broker is back and empty: send it all that is retained, and go on; returns how many records.

        `incarnation` is what the manifests of its readers will say.
        """
        self._replayed = False
        self._watches.clear()
        self._incarnation = incarnation
        self._delivering.set()
        retained = batches(self._journal.entries(), REPLAY_BYTES)
        count = 0
        while batch := await asyncio.to_thread(next, retained, None):
            await self._log.produce([self._outgoing(entry) for entry in batch])
            count += len(batch)
        self._replayed = True
        return count

    async def _commit(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            await self._queued.wait()
            taken, size = [], 0
            while self._queue and size < COMMIT_BYTES:
                records, done = self._queue.pop(0)
                if not done.done():  # else the sender has left
                    taken.append((records, done))
                    size += sum(len(value) for _, value in records)
            if not self._queue:
                self._queued.clear()
            if not taken:
                continue
            together = [record for records, _ in taken for record in records]
            # Before the append, so that no moment is left in which the segment looks delivered.
            first = self._journal.next_position
            self._undelivered.add(first)
            try:
                entries = await asyncio.to_thread(self._journal.append, together, time.time_ns() // 1_000_000)
            except JournalFullError as error:
                self._undelivered.discard(first)
                log.error("%s", error)  # noqa: TRY400 - says it all
                for _, done in taken:
                    if not done.done():
                        done.set_exception(error)
                continue
            tasks.create_task(self._deliver(first, entries, taken))

    async def _deliver(
        self,
        first: int,
        entries: list[Entry],
        taken: Sequence[tuple[Sequence[Record], asyncio.Future[tuple[int, int]]]],
    ) -> None:
        outgoing = [self._outgoing(entry) for entry in entries]
        while True:
            await self._delivering.wait()
            try:
                await self._log.produce(outgoing)
                break
            except (KafkaError, OSError) as error:
                log.warning("cannot deliver to the broker yet: %s", type(error).__name__)
                await asyncio.sleep(_RETRY_SECONDS)
        self._undelivered.discard(first)
        position = first
        for records, done in taken:
            if not done.done():
                done.set_result((position, position + len(records) - 1))
            position += len(records)

    async def _retain(self) -> None:
        while True:
            await asyncio.sleep(RETENTION_SECONDS)
            try:
                await asyncio.to_thread(self._journal.seal)
                await self.drop_covered()
            except Exception as error:  # noqa: BLE001 - broker, ClickHouse or disk; the next round tries again
                log.info("the journal keeps its segments for now: %s: %s", type(error).__name__, error)

    async def drop_covered(self) -> int:
        """Look once after the sealed segments; returns how many were dropped."""
        segments = await asyncio.to_thread(lambda: self._journal.segments)
        if len(segments) == 1 or not self._replayed:
            return 0
        incarnation = self._incarnation
        delivered = min(self._undelivered, default=segments[-1].first)
        manifests = await self._manifests()
        topic = [TP(self._topic, number) for number in range(self._partitions)]
        ends = {tp.partition: end for tp, (_, end) in (await self._log.bounds(topic)).items()}
        if incarnation != self._incarnation:
            return 0
        covered = []
        for segment, following in pairwise(segments):
            if following.first > delivered:
                break
            watch = follow(self._watches.get(segment, Watch()), manifests, ends, incarnation)
            self._watches[segment] = watch
            if watch.covered:
                covered.append(segment)
        if covered:
            # What the manifests tell of must outlive a power cut too, and ClickHouse does not sync its parts.
            await asyncio.to_thread(os.sync)
        for segment in covered:
            await asyncio.to_thread(self._journal.drop, segment)
            del self._watches[segment]
        return len(covered)

    def _outgoing(self, entry: Entry) -> Outgoing:
        return Outgoing(
            self._topic,
            home_partition(entry.value if entry.key is None else entry.key, self._partitions),
            entry.key,
            entry.value,
            entry.timestamp_ms,
            ((JOURNAL_HEADER, b"%d" % entry.position),),
        )

    def _leave(self, size: int) -> None:
        self._waiting_bytes -= size
