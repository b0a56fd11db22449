"""Where the gateway puts what it took in: it answers once this has it safe.

Two are there: Kafka, here, and the embedded stack's journal (`deploy/embedded/intake.py`).
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from schemas import Rejected, decode
from stream.log import Log, Outgoing, home_partition

__all__ = ["KafkaSink", "Record", "Sink", "TooLarge", "Unavailable", "record_of"]

Record: TypeAlias = tuple[bytes | None, bytes]
"""Key (the home's, None if the event cannot be read) and value."""

STALLED_SECONDS = 4.0
"""When Kafka has not acknowledged for so long, others are not made to wait as well. HubSpot waits 5 s."""

GROUP_BYTES = 4 << 20
"""Requests that wait at the same time go to Kafka together, up to about this much."""

CHECK_SECONDS = 3.0
"""How often Kafka is asked whether it is there."""

logger = logging.getLogger(__name__)


class Unavailable(Exception):  # noqa: N818 - it says what is
    """Nothing can be accepted now; `after` is in how many seconds to try again."""

    def __init__(self, message: str, after: int = 5) -> None:
        super().__init__(message)
        self.after = after


class TooLarge(Exception):  # noqa: N818 - it says what is wrong
    """A record is larger than the topic takes; trying again will not help."""


class Sink(Protocol):
    """What keeps records."""

    async def accept(self, records: Sequence[Record]) -> tuple[int, int] | None:
        """Return once all are safe: the first and last position, where the sink counts positions.

        Raises `Unavailable` or `TooLarge`; some may have been kept then, and all of them may be given again.
        """
        ...

    def reasons(self) -> Mapping[str, str]:
        """Why nothing could be accepted now; nothing when it could."""
        ...


def record_of(value: bytes) -> Record:
    """Address an event to its home; without a key where it cannot be read."""
    try:
        return decode(value, None).home.encode(), value
    except Rejected:
        return None, value


_Waiting: TypeAlias = tuple[Sequence[Record], "asyncio.Future[None]"]


class KafkaSink:
    """The topic of the events, acknowledged by all in-sync replicas. Nothing moves unless `run()` is running.

    Until `connect` was called nothing is accepted.
    """

    def __init__(self, topic: str, partitions: int, patience: float = STALLED_SECONDS) -> None:
        self._log: Log | None = None
        self._topic, self._partitions = topic, partitions
        self._patience = patience
        self._queue: list[_Waiting] = []
        self._queued = asyncio.Event()
        self._sending_since: float | None = None
        self._away = "not connected to Kafka yet"

    def away(self, reason: str) -> None:
        """Say why Kafka is out of reach; '' when it is not."""
        self._away = reason

    def connect(self, log: Log) -> None:
        """Send to this log from now on."""
        self._log, self._away = log, ""

    async def run(self) -> None:
        """Send and watch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._send_all())
            tasks.create_task(self._watch())

    async def accept(self, records: Sequence[Record]) -> None:
        """Wait for the acknowledgement, `patience` seconds at most."""
        if self._log is None:
            raise Unavailable(self._away)
        since = self._sending_since
        if since is not None and asyncio.get_running_loop().time() - since > self._patience:
            raise Unavailable("Kafka does not acknowledge")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((records, done))
        self._queued.set()
        try:
            async with asyncio.timeout(self._patience):
                await done
        except TimeoutError:
            self._away = "Kafka does not acknowledge"
            raise Unavailable(self._away) from None

    def reasons(self) -> Mapping[str, str]:
        """`kafka` while it is away."""
        return {"kafka": self._away} if self._away else {}

    async def _send_all(self) -> None:
        while True:
            await self._queued.wait()
            group, size = [], 0
            while self._queue and size < GROUP_BYTES:
                records, done = self._queue.pop(0)
                if not done.done():  # else the sender has left
                    group.append((records, done))
                    size += sum(len(value) for _, value in records)
            if not self._queue:
                self._queued.clear()
            if group:
                self._sending_since = asyncio.get_running_loop().time()
                try:
                    await self._send(group)
                finally:
                    self._sending_since = None

    @property
    def _connected(self) -> Log:
        assert self._log is not None  # noqa: S101 - `run` comes after `connect`
        return self._log

    async def _send(self, group: Sequence[_Waiting]) -> None:
        try:
            await self._connected.produce([self._addressed(record) for records, _ in group for record in records])
        except MessageSizeTooLargeError:
            if len(group) > 1:  # one of them is at fault
                for one in group:
                    await self._send([one])
                return
            _fail(group, TooLarge(f"a record is larger than the topic {self._topic} takes (max.message.bytes)"))
        except (KafkaError, OSError) as error:
            self._away = f"Kafka does not take records ({type(error).__name__})"
            _fail(group, Unavailable(self._away))
        else:
            self._away = ""
            for _, done in group:
                if not done.done():
                    done.set_result(None)

    async def _watch(self) -> None:
        """Know of Kafka when nobody sends, either."""
        while True:
            try:
                async with asyncio.timeout(CHECK_SECONDS):
                    found = await self._connected.partitions(self._topic)
                away = "" if found else f"there is no topic {self._topic}"
            except (KafkaError, OSError, TimeoutError) as error:
                away = f"no Kafka broker answers ({type(error).__name__})"
            if bool(away) != bool(self._away):
                logger.warning("Kafka is away: %s", away) if away else logger.info("Kafka is back")
            if self._sending_since is None or away:
                self._away = away
            await asyncio.sleep(CHECK_SECONDS)

    def _addressed(self, record: Record) -> Outgoing:
        key, value = record
        return Outgoing(self._topic, home_partition(value if key is None else key, self._partitions), key, value)


def _fail(group: Sequence[_Waiting], error: Exception) -> None:
    for _, done in group:
        if not done.done():
            done.set_exception(error)
