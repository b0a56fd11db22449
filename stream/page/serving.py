"""The page as a service that runs for as long as a block."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiohttp import web

from stream.page.access import AccessError
from stream.page.app import make_app
from stream.settings import Settings

STOP_SECONDS = 3.0


class PageError(Exception):
    """The page cannot be served: one line that says why, and what to set."""


class Serving(NamedTuple):
    """A running page: the port it listens on, and its address for people."""

    port: int
    url: str


@asynccontextmanager
async def serving(settings: Settings, port: int) -> AsyncIterator[Serving]:
    """Serve the page on SIXFOLD_PAGE_HOST inside the block; `port` 0 is any free one. Raises `PageError`."""
    try:
        app = make_app(settings)
    except AccessError as error:
        raise PageError(str(error)) from None
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_SECONDS, handler_cancellation=False)
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.page_host, port)
        try:
            await site.start()
        except (OSError, socket.gaierror) as error:
            raise PageError(
                f"cannot serve the page on {settings.page_host} port {port}: {error.strerror or error}; choose others "
                "with SIXFOLD_PAGE_HOST and SIXFOLD_PAGE_PORT (--port), 0 for any free one"
            ) from None
        found = int(runner.addresses[0][1])
        host = f"[{settings.page_host}]" if ":" in settings.page_host else settings.page_host
        yield Serving(found, settings.page_url or f"http://{host}:{found}")
    finally:
        await runner.cleanup()
