"""JSON by the letter of RFC 8259, numbers exact: what counts as valid JSON here.

Slow and strict. The hot path reads with msgspec and comes here only when msgspec refuses, since that refuses
some valid numbers too (of absurd size or exponent; they may stand in a member that nobody reads).
"""

import json
import re
from decimal import Decimal, InvalidOperation
from typing import NoReturn

MAX_DEPTH = 256
"""Levels of arrays and objects. A bound of our own: the interpreter's depends on where it is called from, and
two workers must agree on every event."""

UNREADABLE = Decimal("NaN")
"""Stands for a number too large or too long to be held; no member accepts it."""

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")


class InvalidJsonError(ValueError):
    """The bytes are no JSON text; the message says where and why."""


def parse(value: bytes) -> object:
    """Read one JSON text: integers as int, other numbers as Decimal of their text; the last duplicate wins.

    Raises InvalidJsonError, also for NaN and Infinity, a byte order mark, bytes that are not UTF-8, halves of
    surrogate pairs, and more than `MAX_DEPTH` levels.
    """
    check_depth(value)
    try:
        document: object = _DECODER.decode(value.decode("utf-8"))
        _check_text(document)
    except UnicodeDecodeError as error:
        raise InvalidJsonError(f"not UTF-8 at byte {error.start}") from None
    except UnicodeEncodeError:
        raise InvalidJsonError("a \\u escape is half of a surrogate pair") from None
    except json.JSONDecodeError as error:
        raise InvalidJsonError(f"{error.msg} at character {error.pos}") from None
    return document


def check_depth(value: bytes) -> None:
    """Raise InvalidJsonError where arrays and objects are nested deeper than `MAX_DEPTH`."""
    if len(value) <= 2 * MAX_DEPTH or value.count(b"{") + value.count(b"[") <= MAX_DEPTH:
        return  # too few bytes, or brackets, for that many levels opened and closed
    depth = 0
    for bracket in _BRACKET.finditer(_STRING.sub(b"", value)):
        depth += 1 if bracket.group() in b"[{" else -1
        if depth > MAX_DEPTH:
            raise InvalidJsonError(f"arrays and objects are nested deeper than {MAX_DEPTH} levels")


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        return UNREADABLE


def _integer(text: str) -> int | Decimal:
    try:
        return int(text)
    except ValueError:  # the interpreter converts no more than 4,300 digits
        return UNREADABLE


def _constant(text: str) -> NoReturn:
    raise InvalidJsonError(f"{text} is no JSON number")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    for name, member in pairs:  # before a duplicate key hides one of them
        name.encode()
        _check_text(member)
    return dict(pairs)


def _check_text(value: object) -> None:
    """Raise UnicodeEncodeError for text with half a surrogate pair; objects were seen by `_object`."""
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, list):
        for item in value:
            _check_text(item)


_DECODER = json.JSONDecoder(
    parse_float=_number, parse_int=_integer, parse_constant=_constant, object_pairs_hook=_object
)
