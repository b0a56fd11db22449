"""Payloads that an adapter refused, on their way to the dead letters.

Whoever reads a source (the gateway, the process of the Kafka sources) writes what its adapter refused to the topic of
the events, beside the events, so that one acknowledgement covers both. The shard that reads such a value makes a dead
letter of it; the value stays whole, so that it can be run through the adapter again.

    {"specversion": "1.0", "id": "…", "source": "hubspot-eu", "type": "sixfold.payload.refused",
     "data": {"source": "hubspot-eu", "reason": "missing-member", "message": "objectId: is missing",
              "payload": "[{…}]"}}

`payload` is the payload's text, `payload_base64` stands in its place where that is no UTF-8; `cut_from` is the number
of bytes that there were, where not all are kept; `query` and `as_of` are what else was known
(`schemas.adapters.Context`).
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Any

import msgspec

from schemas import MAX_BYTES, REASONS, AnyReason, PayloadReason
from schemas.adapters import NOTHING_KNOWN, Context, Refusal

__all__ = ["TYPE", "RefusedPayload", "read_refused", "refused_record"]

TYPE = "sixfold.payload.refused"
MAX_MESSAGE = 2000
"""Characters of a message."""

_MARK = TYPE.encode()
_encode = msgspec.json.Encoder().encode


class _Data(msgspec.Struct, omit_defaults=True):
    source: str
    reason: str
    message: str
    payload: str | None = None
    payload_base64: str | None = None
    cut_from: int = 0
    query: dict[str, str] = {}
    as_of: str | None = None


class _Value(msgspec.Struct):
    specversion: str
    id: str
    source: str
    type: str
    data: _Data


_decode = msgspec.json.Decoder(_Value).decode


@dataclass(frozen=True)
class RefusedPayload:
    """What `refused_record` wrote. `cut_from` is the length in bytes where `payload` is only its beginning, else 0."""

    source: str
    reason: AnyReason
    message: str
    payload: bytes
    cut_from: int = 0
    context: Context = NOTHING_KNOWN


def refused_record(
    source_name: str, refusal: Refusal, context: Context = NOTHING_KNOWN, limit: int = MAX_BYTES
) -> bytes:
    """Make the value of a record on the topic of the events; never longer than an event, never raises.

    A lower `limit` in bytes is kept to as far as the facts without any of the payload allow.

    `source_name` is what the source is called in `SIXFOLD_SOURCES`. The same refusal gives the same bytes.
    """
    raw, kept = refusal.raw, len(refusal.raw)
    identity = hashlib.sha256(b"\0".join((source_name.encode("utf-8", "replace"), raw))).hexdigest()[:32]
    while True:
        value = _value(source_name, refusal, identity, raw[:kept], context)
        if len(value) <= limit or (kept == 0 and context is NOTHING_KNOWN):
            return value
        if kept == 0:  # what was known besides is longer than any event
            context = NOTHING_KNOWN
            kept = len(raw)
            continue
        # escapes make up to six bytes of one: in proportion, and a little more
        kept = min(kept - 1, kept * limit // len(value) * 99 // 100)


def read_refused(value: bytes | None) -> RefusedPayload | None:
    """Read such a value again; None for everything that is none, however nearly it looks like one."""
    if value is None or len(value) > MAX_BYTES or _MARK not in value:
        return None
    try:
        found = _decode(value)
        data = found.data
        if found.type != TYPE or (data.payload is None) == (data.payload_base64 is None):
            return None
        if not 0 <= data.cut_from < 1 << 63:
            return None
        payload = (
            data.payload.encode()
            if data.payload is not None
            else base64.b64decode(data.payload_base64 or "", validate=True)
        )
        # they become columns and headers
        data.message.encode()
        data.source.encode()
    except (msgspec.DecodeError, UnicodeError, binascii.Error, ValueError, RecursionError):
        return None
    reason = REASONS.get(data.reason, PayloadReason.INVALID_PAYLOAD)
    message = data.message[:MAX_MESSAGE]
    if data.cut_from:
        message += f" (of the payload's {data.cut_from} bytes only the first {len(payload)} are kept)"
    return RefusedPayload(data.source, reason, message, payload, data.cut_from, Context(data.query, data.as_of))


def _value(source: str, refusal: Refusal, identity: str, kept: bytes, context: Context) -> bytes:
    whole = len(kept) == len(refusal.raw)
    source = _text(source)[:MAX_MESSAGE]
    data: dict[str, Any] = {
        "source": source,
        "reason": _text(str(refusal.reason))[:MAX_MESSAGE],
        "message": _text(refusal.message)[:MAX_MESSAGE],
    }
    try:
        data["payload"] = (kept if whole else _whole_characters(kept)).decode()
    except UnicodeDecodeError:
        data["payload_base64"] = base64.b64encode(kept).decode()
    if not whole:
        data["cut_from"] = len(refusal.raw)
    if context.query:
        data["query"] = {_text(name): _text(value) for name, value in context.query.items()}
    if context.as_of is not None:
        data["as_of"] = _text(context.as_of)
    return _encode({"specversion": "1.0", "id": identity, "source": source, "type": TYPE, "data": data})


def _whole_characters(text: bytes) -> bytes:
    """Leave out a character of UTF-8 that was cut in two at the end."""
    for back in range(1, min(4, len(text)) + 1):
        byte = text[-back]
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return text if length <= back else text[:-back]
        if byte < 0x80:
            break
    return text


def _text(value: str) -> str:
    """A text that can be written, also where it has half a surrogate pair."""
    return value.encode("utf-8", "replace").decode()
