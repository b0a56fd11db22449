"""The KPI exporter as a service: with an endpoint, and with Kafka to tell by when the figures are complete."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import NamedTuple

from clickhouse_connect.driver.client import Client

from sinks.client import connect
from sinks.endpoint import Endpoint
from sinks.exporter import NOT_READY, Exporter
from stream.kafka_access import open_log
from stream.log import Log
from stream.settings import Settings
from stream.wait import Ends, read_ends

logger = logging.getLogger(__name__)

_CLOSE_SECONDS = 3.0
_AUDIT_PATIENCE = 20
"""Times the bound of other queries: an audit reads every record there is."""
_GRACE_SECONDS = 5.0
"""The engine ends a query at its bound; the client waits a little longer for it to say so."""


class Exporting(NamedTuple):
    """A running exporter: `work` ends only with an error."""

    exporter: Exporter
    port: int
    work: "asyncio.Task[None]"


@asynccontextmanager
async def exporting(
    settings: Settings, port: int, incarnation: Callable[[], str] | None = None
) -> AsyncIterator[Exporting]:
    """Run an exporter inside the block. `port` 0 is any free one; raises `EndpointError` when it is taken.

    `incarnation` says which log Kafka holds now, where that can change (`sixfold up`).
    """
    log_ends = _LogEnds(settings, incarnation or (lambda: settings.log_incarnation))
    exporter = Exporter(
        lambda: _connect(settings, settings.exporter_timeout),
        log_ends.read,
        connect_audit=lambda: _connect(settings, _AUDIT_PATIENCE * settings.exporter_timeout),
        interval=settings.exporter_interval,
        stale=settings.exporter_stale,
        audit_interval=settings.exporter_audit,
    )
    endpoint = Endpoint(exporter.registry, NOT_READY, exporter.not_ready)
    found = await endpoint.start(settings.metrics_host, port, "SIXFOLD_EXPORTER_PORT")
    work = asyncio.create_task(exporter.run(), name="exporter")
    try:
        yield Exporting(exporter, found, work)
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await endpoint.stop()
        await log_ends.close()


def _connect(settings: Settings, bound: float) -> Client:
    return connect(settings, receive_seconds=bound + _GRACE_SECONDS, max_execution_time=bound)


class _LogEnds:
    """Where the log ends, over a connection that is made when needed, and anew after a failure."""

    def __init__(self, settings: Settings, incarnation: Callable[[], str]) -> None:
        self._settings, self._incarnation = settings, incarnation
        self._log: Log | None = None
        self._opened = AsyncExitStack()

    async def read(self) -> tuple[Ends, str]:
        """The ends, and the incarnation of the log. Raises whatever is wrong with Kafka."""
        incarnation = self._incarnation()
        try:
            if self._log is None:
                self._log = await self._opened.enter_async_context(open_log(self._settings))
            return await read_ends(self._log, self._settings), incarnation
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        self._log = None
        with suppress(TimeoutError):
            await asyncio.wait_for(self._opened.aclose(), _CLOSE_SECONDS)
