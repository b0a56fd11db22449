"""Sending events: over HTTP to what takes them in, or straight to Kafka.

Either way `send` returns once everything it was given is acknowledged, so that its caller may forget it. What
cannot be reached is tried again, for as long as `PATIENCE_SECONDS`.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol

import aiohttp
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_delay,
    wait_random_exponential,
)

from schemas import Rejected, decode
from stream.kafka_access import open_log
from stream.kafka_access_list import Access, NotAllowed, require
from stream.log import Log, LogUnreachable, MissingTopic, Outgoing, home_partition
from stream.settings import Settings
from stream.topics import partitions_of

__all__ = ["PATIENCE_SECONDS", "Destination", "SendingError", "open_destination"]

PATIENCE_SECONDS = 300.0
"""How long a destination that does not answer is tried again."""

TIMEOUT_SECONDS = 60.0
"""How long one answer is waited for."""


class SendingError(Exception):
    """Events could not be sent; the message names the address and what to do."""


class Destination(Protocol):
    """Where events go."""

    async def send(self, events: Sequence[bytes]) -> list[int]:
        """Send JSON events, one without line breaks each, and wait for the acknowledgement.

        Gives the indexes of those that were refused for their size. Raises SendingError; some of the events
        may have arrived then, and sending all of them again does no harm.
        """
        ...


@asynccontextmanager
async def open_destination(settings: Settings) -> AsyncIterator[Destination]:
    """Connect to the gateway if the settings have one, else to Kafka. Raises SendingError."""
    if settings.gateway_url is not None:
        key = settings.gateway_keys[0].get_secret_value() if settings.gateway_keys else None
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
            yield _Gateway(session, f"{settings.gateway_url}/events")
        return
    async with AsyncExitStack() as opening:
        try:
            log = await opening.enter_async_context(open_log(settings))
        except LogUnreachable as error:
            raise SendingError(str(error)) from None
        try:
            await require(settings, log, Access("topic", settings.events_topic, ("Write",)))
            partitions = await partitions_of(settings, log, settings.events_topic)
        except (MissingTopic, NotAllowed) as error:
            raise SendingError(str(error)) from None
        yield _Kafka(log, settings.events_topic, partitions, settings.brokers)


class _TryAgainError(Exception):
    """A failure that may pass; `after` is how many seconds the other side asks for, if it does."""

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class _TooLargeError(Exception):
    """The other side finds the request too large."""


_backoff = wait_random_exponential(multiplier=0.2, max=10)


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.after if isinstance(error, _TryAgainError) else None
    return _backoff(state) if asked is None else asked


def _patient() -> AsyncRetrying:
    return AsyncRetrying(
        retry=retry_if_exception_type(_TryAgainError),
        wait=_wait,
        stop=stop_after_delay(PATIENCE_SECONDS),
        reraise=True,
    )


class _Gateway:
    """A service that takes NDJSON at an address."""

    def __init__(self, session: aiohttp.ClientSession, address: str) -> None:
        self._session, self._address = session, address

    async def send(self, events: Sequence[bytes]) -> list[int]:
        try:
            async for attempt in _patient():
                with attempt:
                    await self._post(events)
        except _TooLargeError:
            if len(events) == 1:
                return [0]
            middle = len(events) // 2
            refused = await self.send(events[:middle])
            return refused + [middle + index for index in await self.send(events[middle:])]
        except _TryAgainError as error:
            raise SendingError(f"{self._address}: {error}; gave up after {PATIENCE_SECONDS:g} s") from None
        return []

    async def _post(self, events: Sequence[bytes]) -> None:
        body = b"\n".join(events) + b"\n"
        headers = {"Content-Type": "application/x-ndjson"}
        try:
            async with self._session.post(self._address, data=body, headers=headers) as answer:
                text = (await answer.text())[:200]
                status, after = answer.status, answer.headers.get("Retry-After", "")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _TryAgainError(f"does not answer ({type(error).__name__}: {error})") from None
        if status < 300:
            return
        if status == 413:
            raise _TooLargeError
        if status in (408, 425, 429) or status >= 500:
            seconds = float(after) if after.isdigit() else None
            raise _TryAgainError(f"answers {status}: {text}", seconds)
        if status in (401, 403):
            raise SendingError(f"{self._address}: answers {status}: the key is wrong; set SIXFOLD_GATEWAY_KEY")
        raise SendingError(f"{self._address}: answers {status}: {text}; check SIXFOLD_GATEWAY_URL")


class _Kafka:
    """The topic of the events; each goes to its home. What cannot be decoded goes where its bytes hash to."""

    def __init__(self, log: Log, topic: str, partitions: int, brokers: str) -> None:
        self._log, self._topic, self._partitions, self._brokers = log, topic, partitions, brokers

    async def send(self, events: Sequence[bytes]) -> list[int]:
        records = [self._addressed(event) for event in events]
        try:
            async for attempt in _patient():
                with attempt:
                    await self._produce(records)
        except _TooLargeError:
            if len(events) == 1:
                return [0]
            refused = [await self.send([event]) for event in events]
            return [index for index, one in enumerate(refused) if one]
        except _TryAgainError as error:
            problem = f"{error}; gave up after {PATIENCE_SECONDS:g} s"
            raise SendingError(f"Kafka at {self._brokers}: {problem}") from None
        return []

    async def _produce(self, records: Sequence[Outgoing]) -> None:
        try:
            await self._log.produce(records)
        except MessageSizeTooLargeError:
            raise _TooLargeError from None
        except KafkaError as error:
            problem = f"{type(error).__name__}: {error}"
            if error.retriable:
                raise _TryAgainError(problem) from None
            raise SendingError(f"Kafka at {self._brokers}: {problem}") from None

    def _addressed(self, event: bytes) -> Outgoing:
        try:
            key = decode(event, None).home.encode()
        except Rejected:
            return Outgoing(self._topic, home_partition(event, self._partitions), None, event)
        return Outgoing(self._topic, home_partition(key, self._partitions), key, event)
