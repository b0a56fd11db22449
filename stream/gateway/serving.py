"""The gateway as a service that runs for as long as a block."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiohttp import web

from schemas.adapters import reference_of
from stream.gateway.limits import LINGER_SECONDS, Bounds
from stream.gateway.service import Service
from stream.gateway.sink import Sink, TooLarge, Unavailable, record_of
from stream.settings import PREFIX, Settings
from stream.sources import NamedSource

__all__ = ["GatewayError", "Serving", "announce", "listening", "url_of"]

STOP_SECONDS = 6.0
RETRY_SECONDS = 2.0
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n"
    b"Cache-Control: no-store\r\n\r\n"
)

logger = logging.getLogger(__name__)


class GatewayError(Exception):
    """The gateway cannot be served: one line that says why, and what to set."""


class Serving(NamedTuple):
    """A running gateway: the port it listens on, and its address on this machine."""

    port: int
    url: str


class _OwnWords(logging.Filter):
    """aiohttp logs what it cannot parse, and with it what somebody sent: only the kind of error is kept."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        record.msg, record.args = "a connection ended with %s", (type(error).__name__,)
        record.exc_info = record.exc_text = None
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
        return logger.isEnabledFor(logging.DEBUG)


_wire = logging.getLogger("stream.gateway.wire")
_wire.addFilter(_OwnWords())


class _Busy(asyncio.Protocol):
    """A connection above the limit: told to come back, and closed."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a TCP server makes no others
        transport.write(_BUSY)
        transport.close()


@asynccontextmanager
async def listening(service: Service, bounds: Bounds, host: str, port: int, setting: str) -> AsyncIterator[Serving]:
    """Serve inside the block; `port` 0 is any free one. Raises `GatewayError`, which names `setting`."""
    runner = web.AppRunner(
        service.app,
        access_log=None,
        shutdown_timeout=STOP_SECONDS,
        handler_cancellation=False,
        keepalive_timeout=bounds.header_seconds,
        lingering_time=LINGER_SECONDS,
        max_line_size=bounds.header_bytes,
        max_field_size=bounds.header_bytes,
        max_headers=bounds.headers,
        logger=_wire,
    )
    await runner.setup()
    handlers = runner.server
    assert handlers is not None  # noqa: S101 - set up above

    def connect() -> asyncio.Protocol:
        return handlers() if len(handlers.connections) < bounds.connections else _Busy()

    service.metrics.show(service.in_flight, lambda: len(handlers.connections))
    try:
        try:
            server = await asyncio.get_running_loop().create_server(connect, host, port, backlog=256)
        except (OSError, socket.gaierror) as error:
            raise GatewayError(
                f"the gateway cannot listen on {host} port {port}: {error.strerror or error}; choose others with "
                f"{PREFIX}GATEWAY_HOST and {setting}, 0 for any free one"
            ) from None
        found = int(server.sockets[0].getsockname()[1])
        try:
            yield Serving(found, url_of(host, found))
        finally:
            server.close()
    finally:
        await runner.cleanup()


def url_of(host: str, port: int) -> str:
    """The address on this machine of what listens on a host."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def announce(sources: Sequence[NamedSource], sink: Sink) -> None:
    """Send what the source files themselves say (who the owners are) once, however long it takes."""
    for source in sources:
        events = reference_of(source.source).events
        while events:
            try:
                await sink.accept([record_of(event) for event in events])
                break
            except TooLarge as error:
                logger.error("%s: who its people are cannot be sent: %s", source.name, error)  # noqa: TRY400 - says all
                break
            except Unavailable:
                await asyncio.sleep(RETRY_SECONDS)


def log_the_start(settings: Settings, sources: Sequence[NamedSource], served: Sequence[str]) -> None:
    """One line for each source that neither Kafka brings nor has an endpoint, and for what signatures of URLs need."""
    for source in sources:
        if source.name not in served and source.source.kafka is None:
            logger.warning(
                "%s: has no endpoint, for it has no secret: set %sWEBHOOK_SECRETS, or put it into a file %s in "
                "%sWEBHOOK_SECRETS_DIR",
                source.name,
                PREFIX,
                source.name,
                PREFIX,
            )
    signed = [source.name for source in sources if source.name in served and source.kind in ("hubspot", "twilio")]
    if signed and settings.gateway_public_url is None:
        logger.warning(
            "%sGATEWAY_PUBLIC_URL is not set: %s sign the address they call, and only 127.0.0.1 would be right",
            PREFIX,
            ", ".join(signed),
        )
