"""A provider's raw values as members of canonical events take them.

Raw means: str, bool, int, Decimal (never float: its digits are not those that were sent). Empty text and null
clear the member: None comes out. All raise `UnreadableError`, whose message lacks only the place.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from schemas.fields import instant_text
from schemas.reasons import Reason
from schemas.values import DAY_US, DECIMAL_PATTERN, END_US, FIRST_YEAR, LAST_YEAR, named, quoted

Json = str | int | bool | list[str] | None
"""A value as it stands in a canonical event."""

SECONDS_BELOW, MILLISECONDS_BELOW, MICROSECONDS_BELOW = 10**11, 10**14, 10**17
"""An epoch below the first is in seconds (until the year 5138), below the second in milliseconds (from 1973)."""

_DECIMAL = re.compile(DECIMAL_PATTERN)
_EPOCH_TEXT = re.compile(r"[0-9]{9,17}(\.[0-9]{1,9})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CURRENCY = re.compile(r"[A-Za-z]{3}")
_FOUR_DECIMALS = Decimal("0.0001")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_INTEGER_BITS = 1024
_TRUE, _FALSE = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0"})


class UnreadableError(ValueError):
    """A raw value that is not what its member takes."""

    reason: str = Reason.INVALID_MEMBER


class UnreadableDateError(UnreadableError):
    """A raw value that is no date or instant in a form that is known."""

    reason = "invalid-date"


def plain(raw: object) -> str | int | bool | Decimal | None:
    """Strip text, and take empty text for none. Refuses what is no text, number or boolean."""
    if raw is None:
        return None
    if type(raw) is str:
        return raw.strip() or None
    if type(raw) is bool:
        return raw
    if type(raw) is int:
        if raw.bit_length() <= _LONGEST_INTEGER_BITS:
            return raw
        raise UnreadableError("is a number out of range")  # its text alone would take minutes, or be refused
    if type(raw) is Decimal:
        if raw.is_finite():
            return raw
        raise UnreadableError("is a number out of range")
    if type(raw) is float:
        raise UnreadableError("was read as a binary float, whose digits are not those that were sent")
    raise UnreadableError(f"must be a text or a number, not {_type_name(raw)}")


def converted(kind: str, raw: object, zone: str) -> Json:
    """Read a raw value for a member of this kind (`schemas.FIELD_KINDS`); `zone` is of times without offset."""
    if kind == "list":
        return _texts(raw)
    value = plain(raw)
    return None if value is None else _READERS[kind](value, zone)


def decimal(raw: object) -> Decimal:
    """Read an exact number; there must be one."""
    value = plain(raw)
    if type(value) is Decimal:
        return value
    if type(value) is int:
        return Decimal(value)
    if type(value) is str and _DECIMAL.fullmatch(value):
        try:
            return Decimal(value)
        except InvalidOperation:
            raise UnreadableError("has an exponent out of range") from None
    raise UnreadableError(f"{_shown(value)} is no decimal number")


def rounded(number: Decimal, shift: int = 0) -> str:
    """Write a number times 10 to the power of `shift` with at most 4 decimals, rounded half to even."""
    if number.adjusted() >= 20:  # compared before any arithmetic, which 1e999999999 would break
        raise UnreadableError("is a number out of range")
    if number.adjusted() < -20:
        return "0"
    return f"{number.scaleb(shift).quantize(_FOUR_DECIMALS, rounding=ROUND_HALF_EVEN):f}"


def instant_us(raw: object, zone: str = "UTC", formats: Sequence[str] = ()) -> int:
    """Microseconds since 1970 of an instant; there must be one.

    Takes seconds, milliseconds or microseconds since 1970, told apart by size; ISO 8601; the strptime `formats`.
    """
    value = plain(raw)
    if type(value) is str and _EPOCH_TEXT.fullmatch(value):
        value = Decimal(value)
    if type(value) is Decimal or type(value) is int:
        return _in_years(_epoch_us(Decimal(value)), value)
    if type(value) is not str:
        raise UnreadableDateError(f"must be an instant, not {_type_name(value)}")
    try:
        moment = _moment(value, formats)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=ZoneInfo(zone))
        return _in_years((moment - _EPOCH) // timedelta(microseconds=1), value)
    except OverflowError:
        raise UnreadableDateError(f"{quoted(value)} is out of range") from None


def day(raw: object, zone: str, formats: Sequence[str] = ()) -> str:
    """Read a date `YYYY-MM-DD`. Of an instant it is the day in `zone`; midnight in UTC is a plain date's own form."""
    value = plain(raw)
    if type(value) is str and _DATE.fullmatch(value):
        return value  # whether it is in the calendar, the contract says
    us = instant_us(value, zone, formats)
    if us % DAY_US == 0:
        return (_EPOCH + timedelta(microseconds=us)).date().isoformat()
    return (_EPOCH + timedelta(microseconds=us)).astimezone(ZoneInfo(zone)).date().isoformat()


def end_of_day_us(that_day: str, zone: str) -> int:
    """Give the last second of a day in a zone, in microseconds since 1970."""
    try:
        start = datetime.fromisoformat(that_day).replace(hour=23, minute=59, second=59, tzinfo=ZoneInfo(zone))
        return _in_years((start - _EPOCH) // timedelta(microseconds=1), that_day)
    except (ValueError, OverflowError):
        raise UnreadableDateError(f"{quoted(that_day)} is no date") from None


def is_day(raw: object) -> bool:
    """Whether a raw value is a date without a time: `YYYY-MM-DD`, or an epoch at midnight in UTC."""
    if type(raw) is str and _DATE.fullmatch(raw.strip()):
        return True
    try:
        value = plain(raw)
        numeric = type(value) in (int, Decimal) or (type(value) is str and _EPOCH_TEXT.fullmatch(value) is not None)
        return numeric and instant_us(value) % DAY_US == 0
    except UnreadableError:
        return False


def whole(raw: object) -> int:
    """Read a number of 0 or more and cut it to a whole one: 45.7 seconds are 45."""
    number = decimal(raw)
    if number.adjusted() > 18 or number < 0:
        raise UnreadableError(f"{_shown(number)} is no count")
    return int(number)


def identifier(raw: object) -> str:
    """Read an identifier; there must be one. 42 and 42.0 are `42`."""
    value = plain(raw)
    if type(value) is str:
        return value
    if type(value) is int:
        return str(value)
    if type(value) is Decimal and value.adjusted() < 256 and value == value.to_integral_value():
        return f"{value.to_integral_value():f}"
    if value is None:
        raise UnreadableError("is empty")
    raise UnreadableError(f"must be an identifier, not {_type_name(value)}")


def flag(raw: object) -> bool:
    """Read true or false, also as text and as 1 or 0."""
    value = plain(raw)
    text = str(value).lower()
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise UnreadableError("must be true or false")


def instant(us: int) -> str:
    """Write microseconds since 1970 as canonical events carry an instant."""
    return instant_text(us)


def _moment(value: str, formats: Sequence[str]) -> datetime:
    for form in formats:
        try:
            return datetime.strptime(value, form)  # noqa: DTZ007 - the caller adds the zone
        except ValueError:
            continue
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise UnreadableDateError(f"{quoted(value)} is no instant in a form that is known") from None


def _epoch_us(number: Decimal) -> int:
    if number < 0 or number.adjusted() > 17 or number >= MICROSECONDS_BELOW:
        raise UnreadableDateError(f"{_shown(number)} is no instant since 1970")
    factor = 1_000_000 if number < SECONDS_BELOW else 1_000 if number < MILLISECONDS_BELOW else 1
    return int(number * factor)


def _in_years(us: int, value: object) -> int:
    if not 0 <= us < END_US:
        raise UnreadableDateError(f"{_shown(value)} is not in the years {FIRST_YEAR} to {LAST_YEAR}")
    return us


def _money(value: object, _: str) -> Json:
    number = decimal(value)
    return str(number) if type(value) is not str else value


def _probability(value: object, _: str) -> Json:
    return rounded(decimal(value))


def _text(value: object, _: str) -> Json:
    return value if type(value) is str else str(value).lower() if type(value) is bool else str(value)


def _currency(value: object, _: str) -> Json:
    if type(value) is str and _CURRENCY.fullmatch(value):
        return value.upper()
    raise UnreadableError("must be a currency code of three letters, such as EUR")


def _texts(raw: object) -> Json:
    if raw is None:
        return None
    if type(raw) is list and all(type(item) is str for item in raw):
        return [str(item) for item in raw]
    value = plain(raw)
    return None if value is None else [str(value)]


def _shown(value: object) -> str:
    return quoted(str(value)) if type(value) in (int, Decimal) else quoted(value)


def _type_name(value: object) -> str:
    known = (str, bool, list, dict, int, Decimal, float)
    return named(value) if value is None or type(value) in known else f"a Python {type(value).__name__}"


def _calendar_day(value: object, zone: str) -> Json:
    return day(value, zone)


_READERS: dict[str, Callable[[object, str], Json]] = {
    "id": lambda value, _: identifier(value),
    "text": _text,
    "enum": _text,
    "bool": lambda value, _: flag(value),
    "int": lambda value, _: whole(value),
    "money": _money,
    "number": _money,
    "probability": _probability,
    "currency": _currency,
    "instant": lambda value, zone: instant(instant_us(value, zone)),
    "date": _calendar_day,
    "month": lambda value, zone: day(value, zone)[:7],
}

__all__ = [
    "Json",
    "UnreadableDateError",
    "UnreadableError",
    "converted",
    "day",
    "decimal",
    "end_of_day_us",
    "flag",
    "identifier",
    "instant",
    "instant_us",
    "is_day",
    "plain",
    "rounded",
    "whole",
]
