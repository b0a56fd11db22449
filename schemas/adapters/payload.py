"""Payloads from outside, read without trusting them: JSON exactly, members by path."""

import re
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from schemas import strict_json
from schemas.adapters.adapted import NotAdaptable
from schemas.reasons import Reason
from schemas.values import named

MAX_BYTES = 64 << 20
"""The longest payload; a gateway has tighter limits of its own, but a year of exchange rates is one file."""

LABEL = re.compile(r"[A-Za-z0-9_.:/-]{1,64}")
_JSON = msgspec.json.Decoder(float_hook=Decimal)
_encode = msgspec.json.Encoder(decimal_format="number", enc_hook=repr).encode

Object = dict[str, Any]


def parse(payload: object) -> object:
    """Read JSON bytes, numbers as int or as Decimal of their text; what is decoded already is given back.

    Raises NotAdaptable.
    """
    if not isinstance(payload, bytes | bytearray | memoryview):
        return payload
    text = bytes(payload)
    if len(text) > MAX_BYTES:
        raise NotAdaptable(Reason.TOO_LARGE, f"the payload has {len(text)} bytes, more than {MAX_BYTES}")
    try:
        strict_json.check_depth(text)
        try:
            document: object = _JSON.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, InvalidOperation, RecursionError):
            document = strict_json.parse(text)
    except strict_json.InvalidJsonError as error:
        raise NotAdaptable(Reason.INVALID_JSON, f"not valid JSON: {error}") from None
    return document


def raw(part: object) -> bytes:
    """Write a part of a payload as JSON, or as Python shows it where it is none."""
    if isinstance(part, bytes | bytearray | memoryview):
        return bytes(part)
    try:
        return _encode(part)
    except (TypeError, ValueError, RecursionError, OverflowError):
        pass
    try:
        return repr(part)[:MAX_BYTES].encode("utf-8", "backslashreplace")
    except (ValueError, RecursionError):  # an integer too long to be written, or no end of brackets
        return f"a Python {type(part).__name__} that cannot be written down".encode()


def an_object(value: object, place: str) -> Object:
    """Give back a JSON object. Raises NotAdaptable, which names the place."""
    if type(value) is not dict:
        shown = named(value) if value is None or type(value) in (str, bool, list, int, Decimal) else "something else"
        raise NotAdaptable("invalid-payload", f"{place}: must be an object, not {shown}")
    return value


def member(part: Object, name: str) -> object:
    """A member that must be there and not null. Raises NotAdaptable."""
    value = part.get(name)
    if value is None:
        raise NotAdaptable(Reason.MISSING_MEMBER, f"{name}: is missing")
    return value


def text_member(part: Object, name: str) -> str:
    """A member that must be text. Raises NotAdaptable."""
    value = member(part, name)
    if type(value) is not str or not value:
        raise NotAdaptable(Reason.INVALID_MEMBER, f"{name}: must be a text")
    return value


def at_path(part: object, path: str) -> object:
    """What stands at a path of member names with dots between them; None where there is nothing."""
    for name in path.split("."):
        if type(part) is not dict:
            return None
        part = part.get(name)
    return part


def word(value: object) -> str:
    """A text, or an integer as its text; `` for anything else."""
    if type(value) is int and value.bit_length() < 256:
        return str(value)
    return value if type(value) is str else ""


def label(value: object) -> str:
    """A provider's word for a kind of thing, if it is one; what is counted by it must be few and no names."""
    return value if type(value) is str and LABEL.fullmatch(value) else "other"
