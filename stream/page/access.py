"""Who may see the page: a password, a reverse proxy that names the user, or anybody on this machine.

Without a password or a proxy the page serves loopback only, and only under a loopback name: else a web site could point
a name of its own at 127.0.0.1 and read the reports through a visitor's browser.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from aiohttp import web
from itsdangerous import BadSignature, URLSafeTimedSerializer
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from stream.settings import Settings

COOKIE = "sixfold_session"
SESSION_SECONDS = 12 * 3600
TRIES, TRIES_OF_ALL = RateLimitItemPerMinute(5), RateLimitItemPerMinute(60)
"""Wrong passwords a minute: of one address, and of all together."""

OPEN_PATHS = frozenset({"/login", "/live", "/ready"})
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class AccessError(Exception):
    """The settings would let in whom they should not; one line that says what to set."""


class Access:
    """Decides on requests. Raises `AccessError` for settings that leave the page open to a network."""

    def __init__(self, settings: Settings) -> None:
        self._password = (settings.page_password.get_secret_value() if settings.page_password else "").encode()
        self._header = settings.page_user_header
        self._proxies = [ip_network(each) for each in settings.page_proxies]
        self._loopback = is_loopback(settings.page_host)
        self._public = urlsplit(settings.page_url or "")
        key = settings.page_session_key.get_secret_value() if settings.page_session_key else secrets.token_hex(32)
        # another password ends the sessions of the one before
        salt = hmac.new(key.encode(), self._password, hashlib.sha256).hexdigest()
        self._sessions = URLSafeTimedSerializer(
            key, salt=salt, signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"}
        )
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        if self._header and not self._proxies:
            raise AccessError(
                "SIXFOLD_PAGE_USER_HEADER without SIXFOLD_PAGE_PROXIES: say whose header is believed, such as 127.0.0.1"
            )
        if self._header and not (self._loopback or self._public.hostname):
            raise AccessError(
                "SIXFOLD_PAGE_USER_HEADER needs SIXFOLD_PAGE_URL, the address that the proxy is reached at: a request "
                "under another name is refused"
            )
        if not (self._loopback or self._password or self._header):
            raise AccessError(
                f"SIXFOLD_PAGE_HOST={settings.page_host} would show the reports to the network: set "
                "SIXFOLD_PAGE_PASSWORD, or SIXFOLD_PAGE_USER_HEADER and SIXFOLD_PAGE_PROXIES"
            )

    @property
    def has_password(self) -> bool:
        """Whether there is a login form."""
        return bool(self._password)

    @property
    def secure(self) -> bool:
        """Whether browsers come by HTTPS, as far as the settings say."""
        return self._public.scheme == "https"

    def check_host(self, request: web.Request) -> None:
        """Refuse names that are not this page's, unless a password is asked for: a cookie is one name's alone."""
        if self._password and not self._header:
            return
        name = urlsplit(f"//{request.host}").hostname or ""
        if name != self._public.hostname and not (self._loopback and name in _LOOPBACK_NAMES):
            raise web.HTTPMisdirectedRequest(text=f"this page is not served as {name[:100]}: see SIXFOLD_PAGE_URL")

    def check_origin(self, request: web.Request) -> None:
        """Refuse forms that another site sends."""
        origin = request.headers.get("Origin")
        site = request.headers.get("Sec-Fetch-Site", "same-origin")
        if origin is not None and origin != "null":
            same = urlsplit(origin).netloc in {request.host, self._public.netloc}
        else:
            same = site in {"same-origin", "none"}
        if not same:
            raise web.HTTPForbidden(text="this form was sent by another site")

    def allows(self, request: web.Request) -> bool:
        """Whether the request may see reports."""
        if self._header and self._from_proxy(request) and request.headers.get(self._header, "").strip():
            return True
        if self._password:
            return self._has_session(request)
        return not self._header

    async def log_in(self, request: web.Request, password: str) -> bool:
        """Whether this is the password. Raises 429 after too many wrong ones."""
        peer = self._peer(request)
        if not await self._limiter.test(TRIES, peer) or not await self._limiter.test(TRIES_OF_ALL, "all"):
            raise web.HTTPTooManyRequests(
                text="too many wrong passwords: try again in a minute", headers={"Retry-After": "60"}
            )
        given = hashlib.sha256(password.encode()).digest()
        if self._password and hmac.compare_digest(given, hashlib.sha256(self._password).digest()):
            return True
        await self._limiter.hit(TRIES, peer)
        await self._limiter.hit(TRIES_OF_ALL, "all")
        return False

    def start_session(self, response: web.StreamResponse) -> None:
        """Give the browser a signed cookie."""
        response.set_cookie(
            COOKIE,
            self._sessions.dumps({"v": 1}),
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="Lax",
            secure=self.secure,
            path="/",
        )

    def end_session(self, response: web.StreamResponse) -> None:
        """Take the cookie back."""
        response.del_cookie(COOKIE, path="/", httponly=True, samesite="Lax", secure=self.secure)

    def _has_session(self, request: web.Request) -> bool:
        try:
            self._sessions.loads(request.cookies.get(COOKIE, ""), max_age=SESSION_SECONDS)
        except BadSignature:
            return False
        return True

    def _from_proxy(self, request: web.Request) -> bool:
        try:
            peer = ip_address(request.remote or "")
        except ValueError:
            return False
        peer = getattr(peer, "ipv4_mapped", None) or peer
        return any(peer in network for network in self._proxies)

    def _peer(self, request: web.Request) -> str:
        """Who is there: behind a proxy that is believed, whom that one names last."""
        forwarded = request.headers.get("X-Forwarded-For", "")
        if forwarded and self._from_proxy(request):
            return forwarded.rpartition(",")[2].strip()[:64]
        return request.remote or ""


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to an address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def headers(*, secure: bool) -> Iterable[tuple[str, str]]:
    """What every answer tells the browser to refuse."""
    yield (
        "Content-Security-Policy",
        (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
            "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        ),
    )
    yield "X-Content-Type-Options", "nosniff"
    yield "X-Frame-Options", "DENY"
    yield "Referrer-Policy", "same-origin"
    yield "Cross-Origin-Opener-Policy", "same-origin"
    yield "Cross-Origin-Resource-Policy", "same-origin"
    yield "Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
    if secure:
        yield "Strict-Transport-Security", "max-age=31536000"
