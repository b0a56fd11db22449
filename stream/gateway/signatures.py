"""Who sent a webhook: the signatures of the providers, each as the provider defines it. Pure: `now` is passed.

| kind | header | over |
| --- | --- | --- |
| hubspot v3 | `X-HubSpot-Signature-v3`, `..-Request-Timestamp` | base64 HMAC-SHA256: method, URL, body, timestamp |
| hubspot v2 | `X-HubSpot-Signature`, `X-HubSpot-Signature-Version: v2` | hex SHA-256 of secret, method, URL, body |
| hubspot v1 | the same with `v1` | hex SHA-256 of secret, body |
| twilio | `X-Twilio-Signature` | base64 HMAC-SHA1 of the URL and the sorted parameters, or of a URL with `bodySHA256` |
| pipedrive | `Authorization: Basic` | the secret is `user:password` |
| segment | `X-Signature` | hex HMAC-SHA1 of the body |
| any other | `Sixfold-Signature: t=UNIX,v1=HEX` | HMAC-SHA256 of the timestamp, a dot, the body |

Sources: HubSpot, "Validating requests"; Twilio, "Security" and its own libraries; Pipedrive, "Guide for webhooks v2";
Segment, "Webhooks destination: authenticating requests".

What holds for all of them: every secret in force is tried, in constant time; a header that comes twice is refused;
a timestamp further than `WINDOW_SECONDS` from now is refused, before or after. Within the window `replays.py` refuses
copies of what was taken. Where no time is signed a copy cannot be told from a provider's retry: it passes, and does no
harm, for its events have the same ids and are counted once.

HubSpot sends an older signature beside v3. Where there is a v3 header only that one counts, so that nobody gets an old
body past its timestamp by spoiling v3. Taking the header away needs a right v1 or v2 signature, which without the
secret is that of a real notification, and that one is counted already.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qs, parse_qsl, urlsplit, urlunsplit

from multidict import CIMultiDict, CIMultiDictProxy

__all__ = [
    "SCHEMES",
    "WINDOW_SECONDS",
    "Fault",
    "Request",
    "Scheme",
    "SignatureError",
    "generic_signature",
    "scheme_of",
]

WINDOW_SECONDS = 300
MAX_PARAMETERS = 500

Fault = Literal["missing", "wrong", "old", "replayed"]
Secrets = Sequence[bytes]


@dataclass(frozen=True)
class Request:
    """What is signed. `url` is the address as the provider knows it: the public one, never that of a Host header."""

    method: str
    url: str
    headers: CIMultiDict[str] | CIMultiDictProxy[str]
    body: bytes


class SignatureError(Exception):
    """The request is not shown to come from who has the secret; the message quotes nothing of it."""

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


@dataclass(frozen=True)
class Scheme:
    """How a kind of source signs: `verify` gives the signed instant (Unix seconds), None where there is none.

    `headers` are those that carry the signature. It raises SignatureError.
    """

    name: str
    headers: tuple[str, ...]
    verify: Callable[[Request, Secrets, float], float | None]


def _header(request: Request, name: str) -> str:
    values = request.headers.getall(name, [])
    if not values:
        raise SignatureError("missing", f"the header {name} is missing")
    if len(values) > 1:
        raise SignatureError("wrong", f"the header {name} is there more than once")
    return values[0].strip()


def _check(given: str, expected: Sequence[str], name: str) -> None:
    """Compare with every candidate, whichever is right."""
    right = False
    for each in expected:
        right |= hmac.compare_digest(given.encode("utf-8", "surrogateescape"), each.encode())
    if not right:
        raise SignatureError("wrong", f"{name} is not the signature of this request")


def _check_age(at: float, now: float, name: str) -> None:
    if abs(now - at) > WINDOW_SECONDS:
        raise SignatureError("old", f"{name} is more than {WINDOW_SECONDS} seconds from now")


def _whole(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise SignatureError("wrong", f"{name} is no timestamp")
    return int(text)


# -- HubSpot

_V3_DECODED = {
    "%3A": ":",
    "%2F": "/",
    "%3F": "?",
    "%40": "@",
    "%21": "!",
    "%24": "$",
    "%27": "'",
    "%28": "(",
    "%29": ")",
    "%2A": "*",
    "%2C": ",",
    "%3B": ";",
}
"""The escapes that HubSpot signs decoded; all others stay as they are."""
_V3_ESCAPE = re.compile("|".join(_V3_DECODED), re.IGNORECASE)


def _hubspot(request: Request, secrets: Secrets, now: float) -> float | None:
    if "X-HubSpot-Signature-v3" in request.headers:
        return _hubspot_v3(request, secrets, now)
    given = _header(request, "X-HubSpot-Signature")
    version = _header(request, "X-HubSpot-Signature-Version").lower()
    if version == "v1":
        before = b""
    elif version == "v2":
        before = f"{request.method}{request.url}".encode()
    else:
        raise SignatureError("wrong", "X-HubSpot-Signature-Version is neither v1 nor v2, and there is no v3 signature")
    expected = [hashlib.sha256(secret + before + request.body).hexdigest() for secret in secrets]
    _check(given.lower(), expected, "X-HubSpot-Signature")
    return None


def _hubspot_v3(request: Request, secrets: Secrets, now: float) -> float:
    name = "X-HubSpot-Request-Timestamp"
    timestamp = _header(request, name)
    at = _whole(timestamp, name) / 1000
    url = _V3_ESCAPE.sub(lambda found: _V3_DECODED[found[0].upper()], request.url)
    signed = f"{request.method}{url}".encode() + request.body + timestamp.encode()
    expected = [_base64_hmac(secret, signed, "sha256") for secret in secrets]
    _check(_header(request, "X-HubSpot-Signature-v3"), expected, "X-HubSpot-Signature-v3")
    _check_age(at, now, name)  # last, so that only who has the secret learns of our clock
    return at


# -- Twilio


def _twilio(request: Request, secrets: Secrets, now: float) -> None:  # noqa: ARG001 - Twilio signs no time
    name = "X-Twilio-Signature"
    given = _header(request, name)
    parameters = _twilio_parameters(request)
    expected = [
        _base64_hmac(secret, f"{url}{parameters}".encode(), "sha1")
        for secret in secrets
        for url in _with_and_without_port(request.url)
    ]
    _check(given, expected, name)


def _twilio_parameters(request: Request) -> str:
    """The form's parameters as they are signed. A body that is no form must be the one whose hash the URL has."""
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded" or not request.body:
        try:
            pairs = parse_qsl(
                request.body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS
            )
        except ValueError:
            raise SignatureError("wrong", "the body is no form in UTF-8, or one of too many parameters") from None
        return "".join(name + value for name, value in sorted(set(pairs)))
    hashes = parse_qs(urlsplit(request.url).query).get("bodySHA256", [])
    if len(hashes) != 1:
        raise SignatureError("missing", "the body is no form, and the address has no bodySHA256")
    _check(hashes[0].lower(), [hashlib.sha256(request.body).hexdigest()], "bodySHA256")
    return ""


def _with_and_without_port(url: str) -> list[str]:
    """The address with and without its port: Twilio has signed either, as its libraries know."""
    parts = urlsplit(url)
    user, at, place = parts.netloc.rpartition("@")
    host, colon, port = place.rpartition(":") if not place.endswith("]") else (place, "", "")
    if not colon:
        host, port = place, "443" if parts.scheme == "https" else "80"
    return [urlunsplit(parts._replace(netloc=f"{user}{at}{each}")) for each in (host, f"{host}:{port}")]


# -- the others


def _pipedrive(request: Request, secrets: Secrets, now: float) -> None:  # noqa: ARG001 - one signature of functions
    scheme, _, given = _header(request, "Authorization").partition(" ")
    if scheme.lower() != "basic":
        raise SignatureError("missing", "the header Authorization is not Basic")
    try:
        decoded = base64.b64decode(given.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise SignatureError("wrong", "Authorization is not Basic as RFC 7617 has it") from None
    _check(decoded, [secret.decode("utf-8", "replace") for secret in secrets], "Authorization")


def _segment(request: Request, secrets: Secrets, now: float) -> None:  # noqa: ARG001 - Segment signs no time
    expected = [hmac.new(secret, request.body, "sha1").hexdigest() for secret in secrets]
    _check(_header(request, "X-Signature").lower(), expected, "X-Signature")


_GENERIC = "Sixfold-Signature"
_GENERIC_FORM = re.compile(r"t=([0-9]{1,12})((?:,v1=[0-9a-fA-F]{64}){1,4})")


def generic_signature(secret: bytes, body: bytes, at: int) -> str:
    """The value of `Sixfold-Signature` for a body, signed at `at` (Unix seconds)."""
    return f"t={at},v1={_generic_digest(secret, str(at), body)}"


def _generic_digest(secret: bytes, at: str, body: bytes) -> str:
    return hmac.new(secret, at.encode() + b"." + body, "sha256").hexdigest()


def _generic(request: Request, secrets: Secrets, now: float) -> float:
    found = _GENERIC_FORM.fullmatch(_header(request, _GENERIC).replace(" ", ""))
    if found is None:
        raise SignatureError("wrong", f"{_GENERIC} is not t=UNIX,v1=HEX")
    expected = [_generic_digest(secret, found[1], request.body) for secret in secrets]
    for given in found[2].removeprefix(",").split(","):
        try:
            _check(given.removeprefix("v1=").lower(), expected, _GENERIC)
            break
        except SignatureError:
            continue
    else:
        raise SignatureError("wrong", f"{_GENERIC} is not the signature of this request")
    _check_age(int(found[1]), now, _GENERIC)
    return float(found[1])


def _base64_hmac(secret: bytes, text: bytes, algorithm: str) -> str:
    return base64.b64encode(hmac.new(secret, text, algorithm).digest()).decode()


GENERIC = Scheme("generic", (_GENERIC,), _generic)
SCHEMES: Mapping[str, Scheme] = {
    "hubspot": Scheme("hubspot", ("X-HubSpot-Signature-v3", "X-HubSpot-Request-Timestamp"), _hubspot),
    "twilio": Scheme("twilio", ("X-Twilio-Signature",), _twilio),
    "pipedrive": Scheme("pipedrive", ("Authorization",), _pipedrive),
    "segment": Scheme("segment", ("X-Signature",), _segment),
}
"""By kind of source; all other kinds have the generic one."""


def scheme_of(kind: str) -> Scheme:
    """How a kind of source signs."""
    return SCHEMES.get(kind, GENERIC)
