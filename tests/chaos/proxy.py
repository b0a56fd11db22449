"""Between worker and ClickHouse: a door that can be slow, shut, broken or full, one request at a time."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

import aiohttp
from aiohttp import web

HOST = "127.0.0.1"
_HOP = {"connection", "content-length", "transfer-encoding", "keep-alive", "host"}


@dataclass(frozen=True)
class Fault:
    """What becomes of the requests that `hits` chooses (by the beginning of their statement).

    `delay` seconds before each; an `error` in ClickHouse's form, (HTTP status, code, text); or `cut`: half of the body
    is sent on, then both connections end.
    """

    hits: Callable[[bytes], bool] = field(default=lambda _statement: True)
    delay: float = 0.0
    error: tuple[int, int, str] | None = None
    cut: bool = False


def inserts(statement: bytes) -> bool:
    """Whether a request is an insert of rows."""
    return statement[:11].upper() == b"INSERT INTO"


class Proxy:
    """A reverse proxy on a port of its own, in a thread of its own. `fault` may change at any time."""

    def __init__(self, behind: int, port: int) -> None:
        self.port = port
        self.fault: Fault | None = None
        self.faults_met = 0
        self._behind = f"http://{HOST}:{behind}"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")
        self._site: web.TCPSite | None = None

    def open(self) -> None:
        """Listen."""
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(30)

    def shut(self) -> None:
        """Refuse connections, and end those that there are."""
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result(30)

    def __enter__(self) -> Self:
        self._thread.start()
        self.open()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.shut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self) -> None:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._pass)
        self._session = aiohttp.ClientSession(
            auto_decompress=False, timeout=aiohttp.ClientTimeout(total=None), connector=aiohttp.TCPConnector(limit=0)
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, self.port, reuse_address=True).start()

    async def _shut(self) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        fault = self.fault
        statement = request.query.get("query", "").encode() or body  # of an insert the body has the rows alone
        if fault is not None and fault.hits(statement):
            self.faults_met += 1
            await asyncio.sleep(fault.delay)
            if fault.error is not None:
                status, code, text = fault.error
                message = f"Code: {code}. DB::Exception: {text}"
                return web.Response(status=status, text=message, headers={"X-ClickHouse-Exception-Code": str(code)})
            if fault.cut:
                with suppress(aiohttp.ClientError, ConnectionError):
                    await self._send_on(request, _half(body), {"Content-Length": str(len(body))})
                assert request.transport is not None
                request.transport.abort()
                return web.Response(status=500)
        try:
            return await self._send_on(request, body, {})
        except aiohttp.ClientError:
            assert request.transport is not None
            request.transport.abort()
            return web.Response(status=502)

    async def _send_on(
        self, request: web.Request, body: bytes | AsyncIterator[bytes], more: dict[str, str]
    ) -> web.Response:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP} | more
        address = f"{self._behind}{request.raw_path}"
        async with self._session.request(request.method, address, data=body, headers=headers) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)


async def _half(body: bytes) -> AsyncIterator[bytes]:
    yield body[: len(body) // 2]
    raise aiohttp.ClientConnectionError("cut")
