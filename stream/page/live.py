"""Telling open pages that figures may have moved: one look at the manifests serves all of them.

Server-sent events: `moved` when a manifest moved, `away` and `back` as ClickHouse goes and comes. Nothing is asked of
ClickHouse while no page is open.
"""

import asyncio
from contextlib import suppress

import msgspec
from aiohttp import ClientConnectionResetError, web
from aiohttp_sse import EventSourceResponse

from stream.page.reading import Reader, Unavailable

LOOK_SECONDS = 1.0
MOST_PAGES = 256
PING_SECONDS = 15


class Live:
    """The open pages, and the one task that looks for them."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._pages: set[asyncio.Queue[tuple[str, str]]] = set()
        self._looking: asyncio.Task[None] | None = None
        self._last = ("", "")

    async def stop(self, _: web.Application) -> None:
        """End the streams: the server stops."""
        self._tell(("bye", ""))
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """`GET /events`."""
        if len(self._pages) >= MOST_PAGES:
            raise web.HTTPServiceUnavailable(text="too many open pages", headers={"Retry-After": "60"})
        page: asyncio.Queue[tuple[str, str]] = asyncio.Queue(maxsize=64)
        self._pages.add(page)
        if self._looking is None or self._looking.done():
            self._last = ("", "")
            self._looking = asyncio.create_task(self._look())
        elif self._last[0]:
            page.put_nowait(self._last)
        response = EventSourceResponse(ping_interval=PING_SECONDS)
        try:
            await response.prepare(request)
            async with response:
                while response.is_connected():
                    with suppress(TimeoutError):
                        event, data = await asyncio.wait_for(page.get(), PING_SECONDS)
                        if event == "bye":
                            break
                        await response.send(data, event=event)
        except ClientConnectionResetError:
            pass  # the reader left
        finally:
            self._pages.discard(page)
        return response

    async def _look(self) -> None:
        while self._pages:
            try:
                state = await self._reader.state()
            except Unavailable as error:
                now = ("away", str(error))
            else:
                if self._last[0] == "away":
                    self._tell(("back", ""))
                now = ("moved", msgspec.json.encode({"token": state.token}).decode())
            if now != self._last:
                self._last = now
                self._tell(now)
            await asyncio.sleep(LOOK_SECONDS)

    def _tell(self, what: tuple[str, str]) -> None:
        for page in self._pages:
            if page.full():  # it does not read: the newest is enough
                page.get_nowait()
            page.put_nowait(what)
