"""The gateway's HTTP service: who may send what, and when the answer is given.

`POST /webhooks/KIND/NAME` takes what a provider sends, if its signature is right: the adapter of the source makes
events of it, and what it refuses is kept as a dead letter. `POST /events` takes events, with
`Authorization: Bearer KEY`. Both answer 200 once the sink has everything safe; sending a thing again is counted once,
and the very same signed request is refused (`replays.py`).
`/seal` (only where the sink is a journal) closes its current segment, so that what was erased leaves the disk soon.
`/openapi.json` and `/docs` say all this to programs and people; `/live` and `/ready` need no key.

Nothing of a body, a query or a header is logged: only kinds, names of sources, event types and our own words.
"""

import asyncio
import hmac
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec
from aiohttp import web

from schemas import EVENT_TYPES
from schemas.adapters import Adapted, Context
from stream.gateway import metrics, page
from stream.gateway.cloud_events import MEDIA_TYPES, BodyError, events_of
from stream.gateway.endpoints import Endpoint
from stream.gateway.limits import Bounds, InFlight, Rates, client_address, read_body
from stream.gateway.openapi import document
from stream.gateway.replays import Replays
from stream.gateway.signatures import Request, SignatureError
from stream.gateway.sink import Record, Sink, TooLarge, Unavailable, record_of
from stream.refused import refused_record

__all__ = ["Service"]

INLINE_BYTES = 32 << 10
"""Longer bodies are read in a thread, so that others are not held up."""

LOG_SECONDS = 60.0
"""One line a minute for each source and fault: a storm of refusals must not fill a disk."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Status = Callable[[], Mapping[str, object]]
"""What `/ready` shows; its member `ready` decides between 200 and 503."""

_KIND = web.RequestKey("kind", str)
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": page.POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "Sixfold",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

logger = logging.getLogger(__name__)


class _Type(msgspec.Struct):
    type: str = ""


_type_of = msgspec.json.Decoder(_Type).decode


class Service:
    """The application over a sink. `public_url` is what providers sign; `clock` gives Unix seconds."""

    def __init__(
        self,
        sink: Sink,
        endpoints: Mapping[str, Endpoint],
        keys: Sequence[str],
        public_url: str,
        bounds: Bounds,
        status: Status,
        *,
        proxies: tuple[str, ...] = (),
        seal: Callable[[], Awaitable[None]] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sink, self._bounds = sink, bounds
        self.public_url = public_url
        self._status, self._seal_journal, self._clock = status, seal, clock
        self._proxies = proxies
        self._rates, self._replays = Rates(bounds), Replays()
        self._in_flight = {name: InFlight(bounds.in_flight_bytes) for name in ("webhooks", "events")}
        self._said: dict[tuple[str, str], float] = {}
        self.metrics = metrics.GatewayMetrics()
        self.use(keys, endpoints)
        self.app = web.Application(middlewares=[self._guard], client_max_size=bounds.events_bytes)
        self.app.on_response_prepare.append(_add_headers)
        router = self.app.router
        router.add_post("/webhooks/{kind}/{name}", self._webhook)
        if keys:
            router.add_post("/events", self._events)
            if seal is not None:
                router.add_post("/seal", self._seal)
        router.add_get("/openapi.json", self._openapi)
        router.add_get("/docs", self._docs)
        router.add_get("/live", self._live)
        router.add_get("/ready", self._ready)

    def use(self, keys: Sequence[str], endpoints: Mapping[str, Endpoint]) -> None:
        """Have these keys and endpoints in force from the next request on."""
        self._keys = [key.encode() for key in keys]
        self.endpoints = endpoints
        self.metrics.expect({endpoint.name: endpoint.kind for endpoint in endpoints.values()})

    def in_flight(self) -> dict[str, int]:
        """Bytes that were read and are not safe yet."""
        return {name: each.now for name, each in self._in_flight.items()}

    # -- what stands before every answer

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Keep to the rate of an address, count, and answer in JSON whatever goes wrong."""
        began = time.monotonic()
        request[_KIND] = "other"
        try:
            _check_target(request.raw_path)
            await self._rates.hit("address", client_address(request, self._proxies))
            response = await handler(request)
        except web.HTTPException as error:
            response = _refusal(error)
        except BodyError as error:
            details = {} if error.line is None else {"line": error.line}
            response = web.json_response({"error": str(error), **details}, status=error.status)
        except Unavailable as error:
            response = web.json_response({"error": str(error)}, status=503, headers={"Retry-After": str(error.after)})
        except TooLarge as error:
            response = web.json_response({"error": str(error)}, status=413)
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, what it says may hold personal data
            logger.error("unforeseen: %s", _place_of(error))  # noqa: TRY400 - the message is left out on purpose
            response = web.json_response({"error": "unforeseen; see the gateway's log"}, status=500)
        self.metrics.answered(request[_KIND], response.status, time.monotonic() - began)
        return response

    def _say(self, about: str, fault: str, message: str) -> None:
        now = time.monotonic()
        if now - self._said.get((about, fault), -LOG_SECONDS) >= LOG_SECONDS:
            self._said[about, fault] = now
            logger.warning("%s: %s", about, message)

    # -- webhooks

    async def _webhook(self, request: web.Request) -> web.Response:
        endpoint = self.endpoints.get(request.match_info["name"])
        if endpoint is None or endpoint.kind != request.match_info["kind"]:
            raise web.HTTPNotFound(text="there is no such endpoint: see /docs")
        request[_KIND] = endpoint.kind
        with self._in_flight["webhooks"].share() as share:
            body = await read_body(request, self._bounds.webhook_bytes, self._bounds.webhook_seconds, share)
            self.metrics.body_bytes.labels(endpoint.kind).inc(len(body))
            now = self._clock()
            signed = Request(request.method, self.public_url + request.raw_path, request.headers, body)
            try:
                signed_at = endpoint.scheme.verify(signed, endpoint.secrets, now)
                with self._replays.once(endpoint.name, signed_at, body, now):
                    await self._rates.hit("source", endpoint.name)
                    return await self._take(endpoint, body, _context(endpoint, request, signed_at))
            except SignatureError as error:
                self.metrics.signatures.labels(endpoint.name, error.fault).inc()
                self._say(endpoint.name, error.fault, f"refused: {error}")
                headers = {"WWW-Authenticate": f'Basic realm="{endpoint.name}"'} if endpoint.kind == "pipedrive" else {}
                raise web.HTTPUnauthorized(text=str(error), headers=headers) from None

    async def _take(self, endpoint: Endpoint, body: bytes, context: Context) -> web.Response:
        if len(body) > INLINE_BYTES:
            adapted, records = await asyncio.to_thread(_adapt, endpoint, body, context)
        else:
            adapted, records = _adapt(endpoint, body, context)
        return self._accepted(endpoint, adapted, await self._keep(records))

    def _accepted(self, endpoint: Endpoint, adapted: Adapted, positions: tuple[int, int] | None) -> web.Response:
        passed_over = adapted.passed_over.total()
        self._count(adapted.events)
        self.metrics.payloads.labels(endpoint.name).inc(len(adapted.refusals))
        self.metrics.passed_over.labels(endpoint.name).inc(passed_over)
        self.metrics.last_accepted[endpoint.name] = self._clock()
        for refusal in adapted.refusals:
            self._say(endpoint.name, refusal.reason, f"kept as a dead letter: {refusal.reason}")
        return web.json_response(
            {
                "accepted": len(adapted.events),
                "refused": len(adapted.refusals),
                "passed_over": passed_over,
                **({} if positions is None else {"positions": list(positions)}),
            }
        )

    # -- events

    def _check_key(self, request: web.Request) -> None:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        key = given.strip().encode("utf-8", "surrogateescape")
        right = False
        for each in self._keys:
            right |= hmac.compare_digest(key, each)
        if scheme.lower() != "bearer" or not right:
            raise web.HTTPUnauthorized(
                text="the key is missing or wrong: send Authorization: Bearer KEY, one of SIXFOLD_GATEWAY_KEY (of "
                "sixfold up, the gateway_key in sixfold.toml of the data directory)",
                headers={"WWW-Authenticate": "Bearer"},
            )

    async def _events(self, request: web.Request) -> web.Response:
        request[_KIND] = "events"
        self._check_key(request)
        if request.content_type not in MEDIA_TYPES:
            raise BodyError(415, f"Content-Type must be one of {', '.join(MEDIA_TYPES)}")
        with self._in_flight["events"].share() as share:
            body = await read_body(request, self._bounds.events_bytes, self._bounds.events_seconds, share)
            self.metrics.body_bytes.labels("events").inc(len(body))
            await self._rates.hit("source", "/events")
            if len(body) > INLINE_BYTES:
                records = await asyncio.to_thread(_records, request, body)
            else:
                records = _records(request, body)
            positions = await self._keep(records)
        self._count([value for _, value in records])
        shown = {} if positions is None and records else {"positions": list(positions or ())}
        return web.json_response({"accepted": len(records), **shown})

    async def _seal(self, request: web.Request) -> web.Response:
        self._check_key(request)
        assert self._seal_journal is not None  # noqa: S101 - else there is no route
        try:
            await self._seal_journal()
        except OSError as error:
            raise Unavailable(f"the journal cannot be written: {error.strerror}", 10) from None
        return web.json_response({"sealed": True})

    async def _keep(self, records: Sequence[Record]) -> tuple[int, int] | None:
        if not records:
            return None
        try:
            async with asyncio.timeout(self._bounds.ack_seconds):
                return await self._sink.accept(records)
        except TimeoutError:
            raise Unavailable("what came is not safe yet; send it again") from None

    def _count(self, events: Sequence[bytes]) -> None:
        for name, number in _by_type(events).items():
            self.metrics.events.labels(name).inc(number)

    # -- about itself

    async def _openapi(self, _request: web.Request) -> web.Response:
        return web.json_response(self._document())

    async def _docs(self, _request: web.Request) -> web.Response:
        return web.Response(text=page.render(self._document()), content_type="text/html", charset="utf-8")

    def _document(self) -> dict[str, Any]:
        return document(self.endpoints.values(), has_events=bool(self._keys), server=self.public_url)

    async def _live(self, _request: web.Request) -> web.Response:
        return web.json_response({"live": True})

    async def _ready(self, _request: web.Request) -> web.Response:
        status = self._status()
        return web.json_response(status, status=200 if status.get("ready") else 503)


def _check_target(target: str) -> None:
    """Refuse `http://HOST/path` and the like: what is signed is our own address and a path."""
    if not target.startswith("/") or not target.isascii():
        raise web.HTTPBadRequest(text="the request target must be a path, in ASCII")


def _records(request: web.Request, body: bytes) -> list[Record]:
    return [record_of(event) for event in events_of(request.content_type, request.headers, body)]


def _adapt(endpoint: Endpoint, body: bytes, context: Context) -> tuple[Adapted, list[Record]]:
    adapted = endpoint.adapter.adapt(body, context)
    refused = [(None, refused_record(endpoint.name, refusal, context)) for refusal in adapted.refusals]
    return adapted, [*map(record_of, adapted.events), *refused]


def _context(endpoint: Endpoint, request: web.Request, signed_at: float | None) -> Context:
    """What is known besides the body, as far as it is signed: Twilio's parameters, and the generic one's instant."""
    if endpoint.kind == "twilio":
        return Context(query=dict(request.query))
    if endpoint.scheme.name == "generic" and signed_at is not None:
        return Context(as_of=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(signed_at)))
    return Context()


def _by_type(events: Sequence[bytes]) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    for event in events:
        name = ""
        with suppress(msgspec.DecodeError):
            name = _type_of(event).type
        name = name if name in EVENT_TYPES else "(unreadable)"
        counts[name] = counts.get(name, 0) + 1
    return counts


def _refusal(error: web.HTTPException) -> web.Response:
    headers = {
        name: error.headers[name] for name in ("Retry-After", "WWW-Authenticate", "Allow") if name in error.headers
    }
    return web.json_response({"error": error.text or error.reason}, status=error.status, headers=headers)


def _place_of(error: BaseException) -> str:
    """The error's type and where it was raised, without what it says."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__} at {place}"


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)
