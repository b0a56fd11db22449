"""The bodies of `/events`: lines of events, and CloudEvents over HTTP, structured, batched and binary.

Source: CloudEvents 1.0.2, "HTTP Protocol Binding". Structured events and lines are taken byte by byte as they came,
also those that nobody can read: the worker says what is wrong with them (`dead_letters`). Only what has to be taken
apart here must be JSON: a batch, and the data of a binary event.
"""

import re
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

import msgspec
from multidict import CIMultiDict, CIMultiDictProxy

from schemas import strict_json

__all__ = ["EVENT_BYTES", "LINES", "MEDIA_TYPES", "BodyError", "events_of"]

EVENT_BYTES = (2 << 20) - (64 << 10)
"""The longest event that is taken; the topic's `max.message.bytes` is 2 MiB, and the worker's own limit 1 MiB."""

LINES = ("application/x-ndjson", "application/jsonl", "application/x-jsonlines")
STRUCTURED, BATCH, JSON = "application/cloudevents+json", "application/cloudevents-batch+json", "application/json"
MEDIA_TYPES = (*LINES, STRUCTURED, BATCH, JSON)

_ATTRIBUTE = re.compile(r"[a-z0-9]{1,64}")
_ESCAPED = re.compile(r"\\(.)")
_decode_batch = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


class BodyError(Exception):
    """A request that cannot be taken; `status` is the answer's, `line` the event's number where there are several."""

    def __init__(self, status: int, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.status, self.line = status, line


def events_of(media_type: str, headers: CIMultiDict[str] | CIMultiDictProxy[str], body: bytes) -> list[bytes]:
    """Give the events of a request, each as JSON bytes; blank lines are none. Raises BodyError."""
    if media_type in LINES:
        return _sized([line.removesuffix(b"\r") for line in body.split(b"\n")])
    if media_type == BATCH:
        return _sized(_batch(body))
    if media_type == STRUCTURED:
        return _sized([body])
    if media_type == JSON:
        return _sized([_binary(headers, body) if "ce-specversion" in headers else body])
    raise BodyError(415, f"Content-Type must be one of {', '.join(MEDIA_TYPES)}")


def _sized(events: Sequence[bytes]) -> list[bytes]:
    for number, event in enumerate(events, 1):
        if len(event) > EVENT_BYTES:
            message = f"line {number} has {len(event)} bytes, more than {EVENT_BYTES}; nothing was accepted"
            raise BodyError(413, message, number)
    return [event for event in events if event.strip()]


def _batch(body: bytes) -> list[bytes]:
    try:
        strict_json.check_depth(body)
        return [bytes(each) for each in _decode_batch(body)]
    except (ValueError, RecursionError):  # msgspec's and ours
        raise BodyError(400, "the batch is no JSON array, or nested too deep; nothing was accepted") from None


def _binary(headers: CIMultiDict[str] | CIMultiDictProxy[str], body: bytes) -> bytes:
    event: dict[str, object] = {}
    for name, value in headers.items():
        attribute = name.lower().removeprefix("ce-")
        if not name.lower().startswith("ce-"):
            continue
        if not _ATTRIBUTE.fullmatch(attribute) or attribute in ("data", "data_base64"):
            raise BodyError(400, "a header ce-.. is no attribute: only letters and digits, and never ce-data")
        if attribute in event:
            raise BodyError(400, f"the header ce-{attribute} is there more than once")
        event[attribute] = _value(attribute, value)
    if body.strip():
        try:
            strict_json.parse(body)
        except (ValueError, RecursionError):
            raise BodyError(400, "the data of the event is no JSON; nothing was accepted") from None
        event["data"] = msgspec.Raw(body)
    return _encode(event)


def _value(attribute: str, value: str) -> str:
    """Undo what the binding does to a value for a header: quotes around it, then percent escapes of UTF-8."""
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = _ESCAPED.sub(r"\1", value[1:-1])
    try:
        return unquote_to_bytes(value).decode("utf-8")
    except UnicodeError:
        raise BodyError(400, f"the header ce-{attribute} is not percent-encoded UTF-8") from None
