"""How much the gateway takes at once, from whom, and how long it waits for it."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from aiohttp import web
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from stream.settings import Settings

__all__ = ["Bounds", "InFlight", "Rates", "client_address", "read_body"]

LINGER_SECONDS = 1.0
"""How long what is left of a refused body is read, so that its sender sees the answer."""


@dataclass(frozen=True)
class Bounds:
    """The limits. Bytes are those of the body unpacked; rates are requests a minute, 0 for no limit."""

    webhook_bytes: int = 1 << 20
    """A refused payload travels to the dead letters in base64, in one record of 2 MiB."""
    events_bytes: int = 32 << 20
    webhook_seconds: float = 10.0
    """For the body of a webhook, whose sender is not known before it is here."""
    events_seconds: float = 60.0
    header_seconds: float = 15.0
    """For the first request of a connection to be there, and for each further one."""
    header_bytes: int = 8190
    """Of the request line, and of each header."""
    headers: int = 100
    connections: int = 1000
    in_flight_bytes: int = 64 << 20
    """Read and not yet safe: of webhooks, and as much of events."""
    ack_seconds: float = 5.0
    """For the acknowledgement; the answer is 503 then."""
    address_rate: int = 6000
    source_rate: int = 30_000

    @classmethod
    def of(cls, settings: Settings, ack_seconds: float) -> "Bounds":
        """Those of the settings."""
        return cls(
            address_rate=settings.gateway_address_rate,
            source_rate=settings.gateway_source_rate,
            ack_seconds=ack_seconds,
        )


def _refusal(kind: type[web.HTTPException], message: str, after: int | None = None) -> web.HTTPException:
    headers = {} if after is None else {"Retry-After": str(after)}
    if kind is web.HTTPRequestEntityTooLarge:
        return web.HTTPRequestEntityTooLarge(0, 0, text=message, headers=headers)
    return kind(text=message, headers=headers)


class InFlight:
    """The bytes that were read and are not safe yet."""

    def __init__(self, most: int) -> None:
        self.most, self.now = most, 0

    @contextmanager
    def share(self) -> Iterator["Share"]:
        """One request's part; given back at the end of the block."""
        share = Share(self)
        try:
            yield share
        finally:
            self.now -= share.size


class Share:
    """What one request holds."""

    def __init__(self, whole: InFlight) -> None:
        self._whole, self.size = whole, 0

    def take(self, size: int) -> None:
        """Hold so many bytes more. Raises 503 where all hold too much together."""
        if self._whole.now + size > self._whole.most:
            raise _refusal(web.HTTPServiceUnavailable, "too much is under way; try again", 1)
        self._whole.now += size
        self.size += size


async def read_body(request: web.Request, most: int, seconds: float, share: Share) -> bytes:
    """Read and unpack the body; at no time is much more than `most` bytes held. Raises 400, 408, 413, 503."""
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "deflate", ""):
        raise _refusal(web.HTTPUnsupportedMediaType, "Content-Encoding must be gzip, deflate or none")
    if (request.content_length or 0) > most:
        raise _refusal(web.HTTPRequestEntityTooLarge, f"the body has more than {most} bytes; send it in several")
    parts: list[bytes] = []
    try:
        async with asyncio.timeout(seconds):
            while part := await request.content.readany():
                share.take(len(part))
                if share.size > most:
                    message = f"the body has more than {most} bytes; send it in several"
                    raise _refusal(web.HTTPRequestEntityTooLarge, message)
                parts.append(part)
    except TimeoutError:
        raise _refusal(web.HTTPRequestTimeout, f"the body was not there after {seconds:g} seconds") from None
    except web.RequestPayloadError:
        raise _refusal(web.HTTPBadRequest, "the body is not encoded as the headers say") from None
    return b"".join(parts)


class Rates:
    """Requests a minute by address and by source, each over a sliding window."""

    def __init__(self, bounds: Bounds) -> None:
        self._items = {
            scope: RateLimitItemPerMinute(rate, namespace=scope)
            for scope, rate in (("address", bounds.address_rate), ("source", bounds.source_rate))
            if rate
        }
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def hit(self, scope: str, name: str) -> None:
        """Count a request. Raises 429 with the seconds until another may pass."""
        item = self._items.get(scope)
        if item is None or await self._limiter.hit(item, name):
            return
        reset = (await self._limiter.get_window_stats(item, name)).reset_time
        after = min(60, max(1, round(reset - time.time() + 0.5)))
        raise _refusal(web.HTTPTooManyRequests, f"more than {item.amount} requests a minute of one {scope}", after)


def client_address(request: web.Request, proxies: tuple[str, ...]) -> str:
    """Who asks, for the rate: behind a proxy that is believed whom it names last; of IPv6 the network of 64 bits."""
    try:
        peer = ip_address(request.remote or "")
    except ValueError:
        return ""
    peer = getattr(peer, "ipv4_mapped", None) or peer
    if any(peer in ip_network(each) for each in proxies):
        with suppress(ValueError):
            peer = ip_address(request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip())
    return str(ip_network((peer, 64), strict=False)) if isinstance(peer, IPv6Address) else str(peer)
