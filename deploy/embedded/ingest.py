"""The embedded stack's HTTP door for events: what it answers 200 to survives a crash of everything.

`POST /events` takes NDJSON (`application/x-ndjson`, an event a line) or one CloudEvent
(`application/cloudevents+json`, `application/json`), with `Authorization: Bearer KEY`. Lines are taken as they
are, also those that no one can read: the worker says what is wrong with them (`dead_letters`). `POST /seal`, with
the same key, closes the journal's current segment, so that what was erased leaves the disk soon. `GET /live` and
`GET /ready` need no key.
"""

import asyncio
import hmac
from collections.abc import Callable, Mapping, Sequence

from aiohttp import web

from deploy.embedded.intake import BusyError, Intake, Record
from deploy.embedded.journal import JournalFullError
from schemas import Rejected, decode

HOST = "127.0.0.1"
EVENT_BYTES = 2 << 20
"""The longest line; longer ones are answered 413."""

BODY_BYTES = 32 << 20
"""The longest request, unpacked."""

_LINES = frozenset({"application/x-ndjson", "application/jsonl", "application/x-jsonlines"})
_SINGLE = frozenset({"application/cloudevents+json", "application/json"})
_STOP_SECONDS = 3.0

Status = Callable[[], Mapping[str, object]]
"""What `/ready` shows; its member `ready` decides between 200 and 503."""


class _TooLongError(Exception):
    """An event is longer than `EVENT_BYTES`."""

    def __init__(self, line: int, size: int) -> None:
        super().__init__(f"line {line} has {size} bytes, more than {EVENT_BYTES}; nothing was accepted")
        self.line = line


class Ingest:
    """The service over an intake; `start` and `stop` it in an event loop."""

    def __init__(self, intake: Intake, key: str, status: Status) -> None:
        self._intake = intake
        self._key = key.encode()
        self._status = status
        app = web.Application(client_max_size=BODY_BYTES)
        app.router.add_post("/events", self._events)
        app.router.add_post("/seal", self._seal)
        app.router.add_get("/live", self._live)
        app.router.add_get("/ready", self._ready)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_STOP_SECONDS)

    async def start(self, port: int) -> None:
        """Listen on 127.0.0.1. Raises OSError when the port is taken."""
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, port).start()

    async def stop(self) -> None:
        """Answer what is under way for 3 s at most, and close."""
        await self._runner.cleanup()

    def _refuse_stranger(self, request: web.Request) -> web.Response | None:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(key.strip().encode(), self._key):
            return None
        return _refusal(
            401,
            "the key is missing or wrong: send Authorization: Bearer KEY, the gateway_key that stands in "
            "sixfold.toml of the data directory",
            {"WWW-Authenticate": "Bearer"},
        )

    async def _seal(self, request: web.Request) -> web.Response:
        if refusal := self._refuse_stranger(request):
            return refusal
        try:
            await self._intake.seal()
        except OSError as error:
            return _refusal(503, f"the journal cannot be written: {error.strerror}", {"Retry-After": "10"})
        return web.json_response({"sealed": True})

    async def _events(self, request: web.Request) -> web.Response:
        if refusal := self._refuse_stranger(request):
            return refusal
        if request.content_type not in _LINES | _SINGLE:
            return _refusal(
                415, f"Content-Type {request.content_type}: application/x-ndjson or application/json is taken"
            )
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return _refusal(413, f"the request has more than {BODY_BYTES} bytes; send it in several")
        return await self._take(body.split(b"\n") if request.content_type in _LINES else [body])

    async def _take(self, lines: Sequence[bytes]) -> web.Response:
        try:
            records = await asyncio.to_thread(_records, lines)
            first, last = await self._intake.accept(records) if records else (0, -1)
        except _TooLongError as error:
            return _refusal(413, str(error), line=error.line)
        except BusyError:
            return _refusal(503, "too much is waiting to be written; try again", {"Retry-After": "1"})
        except JournalFullError as error:
            return _refusal(503, str(error), {"Retry-After": "10"})
        positions = [first, last] if records else []
        return web.json_response({"accepted": len(records), "positions": positions})

    async def _live(self, _request: web.Request) -> web.Response:
        return web.json_response({"live": True})

    async def _ready(self, _request: web.Request) -> web.Response:
        status = self._status()
        return web.json_response(status, status=200 if status.get("ready") else 503)


def _records(lines: Sequence[bytes]) -> list[Record]:
    """The lines that are not blank, each with the key of its home, without one where it cannot be read."""
    records: list[Record] = []
    for number, line in enumerate(lines, 1):
        event = line.removesuffix(b"\r")
        if len(event) > EVENT_BYTES:
            raise _TooLongError(number, len(event))
        if not event.strip():
            continue
        try:
            key = decode(event, None).home.encode()
        except Rejected:
            key = None
        records.append((key, event))
    return records


def _refusal(status: int, message: str, headers: Mapping[str, str] | None = None, **details: object) -> web.Response:
    return web.json_response({"error": message, **details}, status=status, headers=headers)
