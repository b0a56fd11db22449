"""Kafka for a command: connected, or one line that says why not."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from stream.log import Log, LogUnreachable
from stream.settings import Settings

CONNECT_SECONDS = 15


@asynccontextmanager
async def open_log(settings: Settings) -> AsyncIterator[Log]:
    """Connect to the brokers of the settings. Raises `LogUnreachable`, also when nothing answers for 15 s."""
    # What the client logs meanwhile is said by the error, in one line.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            log = await Log.open(settings.broker_list)
    except TimeoutError:
        raise LogUnreachable(
            f"no Kafka broker answers at {settings.brokers} within {CONNECT_SECONDS} s: start it, or correct "
            f"SIXFOLD_BROKERS ({settings.origins()['brokers']})"
        ) from None
    async with log:
        yield log
