"""How a process starts while Kafka or ClickHouse is away: it waits, live and not ready, and says so in one line.

Only who is absent is waited for, and rights that Kafka does not give us yet. A login that is refused is an error at
once, with one exception: a broker that was away a moment ago may refuse while it starts, and is asked again.
"""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TypeVar

from aiokafka.errors import KafkaError

from stream.kafka_access import open_log
from stream.kafka_access_list import Process, access_of, missing_rights
from stream.log import Log, LogAway, LogUnreachable
from stream.settings import Settings

__all__ = ["Stopped", "await_clickhouse", "await_log", "await_rights", "unless_stopped"]

RETRY_SECONDS = 2.0
RIGHTS_SECONDS = 5.0
REFUSALS = 3
"""So often a broker that was away before may refuse, one try after the other."""

logger = logging.getLogger(__name__)
T = TypeVar("T")


class Stopped(Exception):  # noqa: N818 - it says what happened
    """The process was told to stop while it waited."""


@asynccontextmanager
async def await_log(settings: Settings, away: Callable[[str], None] = lambda _reason: None) -> AsyncIterator[Log]:
    """Connect as `open_log` does, however long no broker answers; `away` is told why, and '' when one does.

    Raises `LogUnreachable` for a Kafka that refuses us, and `SettingsError`.
    """
    waited, refusals = False, 0
    while True:
        opening = open_log(settings)
        try:
            log = await opening.__aenter__()
        except KafkaError as error:  # of a broker that is about to come or to go
            away(f"Kafka at {settings.brokers} does not answer as it should ({type(error).__name__})")
            waited = True
            await asyncio.sleep(RETRY_SECONDS)
        except LogUnreachable as error:
            refusals = 0 if isinstance(error, LogAway) else refusals + 1
            if refusals and (not waited or refusals >= REFUSALS):
                raise
            await _wait(error, away, first=not waited)
            waited = True
        else:
            break
    try:
        away("")
        if waited:
            logger.info("Kafka answers at %s", settings.brokers)
        yield log
    finally:
        await opening.__aexit__(None, None, None)


async def _wait(error: Exception, away: Callable[[str], None], *, first: bool) -> None:
    """Tell who is away, the log only the first time, and let some time pass."""
    away(str(error))
    if first:
        logger.warning("%s; until then nothing is done", error)
    await asyncio.sleep(RETRY_SECONDS)


async def await_clickhouse(settings: Settings, away: Callable[[str], None]) -> None:
    """Return once ClickHouse answers; `away` is told why it does not, and '' when it does.

    Raises `ClickHouseUnusable` for one that refuses us.
    """
    from sinks.client import ClickHouseAway, connect  # not everybody who waits for Kafka has to load its client

    waited = False
    while True:
        try:
            client = await asyncio.to_thread(connect, settings, database="default")
        except ClickHouseAway as error:
            await _wait(error, away, first=not waited)
            waited = True
        else:
            client.close()
            break
    away("")
    if waited:
        logger.info("ClickHouse answers at %s", settings.clickhouse)


async def await_rights(
    settings: Settings, log: Log, process: Process, refused: Callable[[str], None] = lambda _reason: None
) -> None:
    """Return once the broker lets us do what this process needs; `refused` is told what not, and '' when all is well.

    Raises `ConfigurationError`.
    """
    accesses, said = access_of(settings, process), set[str]()
    while True:
        try:
            missing = await missing_rights(settings, log, accesses)
        except KafkaError as error:
            missing = [f"Kafka at {settings.brokers} does not say what we may do ({type(error).__name__})"]
        refused("; ".join(missing))
        if not missing:
            break
        for line in missing:
            if line not in said:
                logger.error("%s", line)
        said.update(missing)
        await asyncio.sleep(RIGHTS_SECONDS)
    if said:
        logger.info("Kafka allows what the %s needs", process)


async def unless_stopped(starting: Coroutine[None, None, T]) -> T:
    """Give what comes of it. Raises `Stopped` at SIGTERM and SIGINT, until it is there."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        loop.add_signal_handler(number, stop.set)
    work, told = asyncio.create_task(starting), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([work, told], return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        raise Stopped
    finally:
        for task in (work, told):
            task.cancel()
        await asyncio.gather(work, told, return_exceptions=True)
        for number in numbers:
            loop.remove_signal_handler(number)
