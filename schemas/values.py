"""Single values, read on the hot path: each function takes a decoded JSON value, gives the normalised one.

Decoded means: str, bool, list, dict, int for integer text, Decimal for every other number; null clears a
member and never gets here. All raise `InvalidValueError`, whose message lacks only the member's name.
`kinds.py` says the same rules again with pydantic; a property test holds the two together.
"""

import re
from collections.abc import Callable
from datetime import date
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, Inexact, InvalidOperation
from functools import lru_cache

Value = str | int | bool | list[str] | None
"""A normalised value. Money and probability are units of 1e-4, instants microseconds since 1970, as int."""

ID_LENGTH = 256
WHOLE_DIGITS = 14
MONEY_DECIMALS = 4
NUMBER_DECIMALS = 18
UNITS = 10_000
FIRST_YEAR, LAST_YEAR = 1970, 2148
SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
END_US = (date(LAST_YEAR + 1, 1, 1) - date(1970, 1, 1)).days * DAY_US
"""The first microsecond that is too late for any instant."""
DECIMAL_PATTERN = r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?"
INSTANT_PATTERN = (
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9]|60)(\.[0-9]+)?"
    r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
)
HOST_PATTERN = (
    r"(?:(?:[A-Za-z][A-Za-z0-9+.-]*:)?//(?:[^/?#]*@)?)?+"
    r"([^\W_][\w.-]*|\[[0-9A-Fa-f:.]+\])"
    r"(?::[0-9]*)?(?:[/?#].*)?"
)
HOST_LENGTH = 253

_ID_MAX, _ID_MIN = 10**ID_LENGTH, -(10 ** (ID_LENGTH - 1))
_WHOLE_MAX = 10**WHOLE_DIGITS
_EXACT = Context(prec=64, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[Inexact, InvalidOperation])
_MONEY_STEP = Decimal(1).scaleb(-MONEY_DECIMALS)
_NUMBER_STEP = Decimal(1).scaleb(-NUMBER_DECIMALS)
_ZERO, _ONE = Decimal(0), Decimal(1)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_DECIMAL = re.compile(DECIMAL_PATTERN)
_INSTANT = re.compile(INSTANT_PATTERN)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MONTH = re.compile(r"[0-9]{4}-[0-9]{2}")
_HOST = re.compile(HOST_PATTERN, re.DOTALL)
_QUOTABLE = re.compile(r"[0-9A-Z+.: -]{1,40}|[0-9+.eE-]{1,40}")


class InvalidValueError(ValueError):
    """A value that its member does not take."""


def identifier(value: object) -> str:
    """Text of 1 to 256 characters; an integer counts as its decimal text."""
    if type(value) is str:
        if 0 < len(value) <= ID_LENGTH:
            return value
        raise InvalidValueError(f"must have 1 to {ID_LENGTH} characters, has {len(value)}")
    if type(value) is int:
        if _ID_MIN < value < _ID_MAX:
            return str(value)
        raise InvalidValueError(f"must have at most {ID_LENGTH} digits")
    raise InvalidValueError(f"must be a string or an integer, not {named(value)}")


def text(value: object) -> str:
    """Any string, as it stands."""
    if type(value) is str:
        return value
    raise InvalidValueError(f"must be a string, not {named(value)}")


def boolean(value: object) -> bool:
    """True or false; no number or text stands for one."""
    if type(value) is bool:
        return value
    raise InvalidValueError(f"must be true or false, not {named(value)}")


def one_of(*allowed: str) -> Callable[[object], str]:
    """Make the reader of a member that takes these texts only."""
    choices = frozenset(allowed)

    def choice(value: object) -> str:
        if type(value) is str and value in choices:
            return value
        raise InvalidValueError(f"must be one of {', '.join(allowed)}")

    return choice


def currency(value: object) -> str:
    """Three capital letters."""
    if type(value) is str and len(value) == 3 and value.isascii() and value.isalpha() and value.isupper():
        return value
    raise InvalidValueError("must be a currency code of three capital letters, such as EUR")


def scope(value: object) -> str:
    """Whom a target is for: `company`, `team/NAME`, `rep/ID` or `campaign/ID`."""
    if type(value) is str:
        whose, _, name = value.partition("/")
        if value == "company" or (name and whose in ("team", "rep", "campaign")):
            return value
    raise InvalidValueError("must be company, team/NAME, rep/ID or campaign/ID")


def identifiers(value: object) -> list[str]:
    """An array of identifiers, perhaps empty."""
    if type(value) is not list:
        raise InvalidValueError(f"must be an array, not {named(value)}")
    return [_item(identifier, index, item) for index, item in enumerate(value)]


def texts(value: object) -> list[str]:
    """An array of strings, perhaps empty."""
    if type(value) is not list:
        raise InvalidValueError(f"must be an array, not {named(value)}")
    return [_item(text, index, item) for index, item in enumerate(value)]


def money(value: object) -> int:
    """An amount of at most 14 integer digits and 4 decimals, in units of 1e-4; never rounded."""
    if type(value) is int:
        if -_WHOLE_MAX < value < _WHOLE_MAX:
            return value * UNITS
        raise InvalidValueError(f"has more than {WHOLE_DIGITS} integer digits")
    if type(value) is Decimal:
        value = str(value)
    if type(value) is str and value.isascii():  # the common spelling, 12500 or 12500.00, needs no arithmetic
        whole, point, decimals = value.partition(".")
        if len(whole) <= WHOLE_DIGITS and len(decimals) <= MONEY_DECIMALS and whole.isdigit():
            if not point:
                return int(whole) * UNITS
            if decimals.isdigit():
                return int(whole) * UNITS + int((decimals + "000")[:MONEY_DECIMALS])
    exact = _exact(_decimal(value), _MONEY_STEP, WHOLE_DIGITS)
    return int(_EXACT.scaleb(exact, MONEY_DECIMALS))


def probability(value: object) -> int:
    """A share from 0 to 1 of at most 4 decimals, in units of 1e-4."""
    units = money(value)
    if 0 <= units <= UNITS:
        return units
    raise InvalidValueError("must be from 0 to 1")


def number(value: object) -> str:
    """At most 14 integer digits and 18 decimals, as decimal text without exponent or spare zeros."""
    plain = _exact(_decimal(value), _NUMBER_STEP, WHOLE_DIGITS)
    return f"{plain:f}".rstrip("0").rstrip(".") if plain else "0"


def positive(value: object) -> str:
    """Like `number`, and above zero."""
    plain = number(value)
    if plain == "0" or plain[0] == "-":
        raise InvalidValueError("must be greater than 0")
    return plain


def count(limit: int) -> Callable[[object], int]:
    """Make the reader of a whole number from 0 to `limit`; 12.0 is one, "12" is not."""
    digits = len(str(limit))

    def within(value: object) -> int:
        if type(value) is int:
            whole = value
        elif type(value) is Decimal:
            whole = int(_exact(value, _ONE, digits))
        else:
            raise InvalidValueError(f"must be a whole number, not {named(value)}")
        if 0 <= whole <= limit:
            return whole
        raise InvalidValueError(f"must be from 0 to {limit}")

    return within


def day(value: object) -> str:
    """A calendar date, `YYYY-MM-DD`, 1970 to 2148."""
    if type(value) is str and (value in _DAYS or _day_number(value) is not None):
        return value
    raise InvalidValueError(f"{quoted(value)} is no date YYYY-MM-DD from {FIRST_YEAR} to {LAST_YEAR}")


def month(value: object) -> str:
    """A calendar month, `YYYY-MM`, 1970 to 2148."""
    if type(value) is str and _MONTH.fullmatch(value) and _day_number(f"{value}-01") is not None:
        return value
    raise InvalidValueError(f"{quoted(value)} is no month YYYY-MM from {FIRST_YEAR} to {LAST_YEAR}")


def instant(value: object) -> int:
    """An RFC 3339 instant with offset, 1970 to 2148 in UTC: microseconds since 1970, finer digits cut off.

    A leap second (`:60`) is the next second.
    """
    if type(value) is not str:
        raise InvalidValueError(f"must be an instant such as 2026-03-01T12:00:00Z, not {named(value)}")
    # The common spelling is put together from tables; all others take the longer way below.
    days = _DAYS.get(value[:10])
    minute = _MINUTES.get(value[10:16])
    second = _SECONDS.get(value[16:19])
    rest = _RESTS.get(value[19:])
    if days is not None and minute is not None and second is not None and rest is not None:
        us = days + minute + second + rest
        if us < END_US:
            return us
    return _any_instant(value)


def referrer(value: object) -> str | None:
    """The host of an address, lower-case, without port and user, or None; a bare host will do as address."""
    address = text(value)
    # Few referrers make most of the visits; long ones would fill the memory, and never come twice.
    return _usual_host(address) if len(address) <= _USUAL_LENGTH else _host(address)


def named(value: object) -> str:
    """Name the JSON type of a value."""
    return _TYPE_NAMES.get(type(value), "a number")


def quoted(value: object) -> str:
    """Show a value where it can only be a number or a date, else its type: messages must not carry names."""
    shown = value if isinstance(value, str) else str(value) if isinstance(value, Decimal) else ""
    return shown if _QUOTABLE.fullmatch(shown) else named(value)


_TYPE_NAMES: dict[type, str] = {
    str: "a string",
    bool: "a boolean",
    list: "an array",
    dict: "an object",
    type(None): "null",
}
# Microseconds from 1970 to the start of a date; grows to every date of the range and no further.
_DAYS: dict[str, int] = {}
_MINUTES = {f"T{h:02}:{m:02}": (h * 60 + m) * 60 * SECOND_US for h in range(24) for m in range(60)}
_SECONDS = {f":{s:02}": s * SECOND_US for s in range(61)}
_RESTS = {"Z": 0, "+00:00": 0} | {f".{ms:03}Z": ms * 1000 for ms in range(1000)}


def _host(address: str) -> str | None:
    match = _HOST.fullmatch(address.strip(" \t\r\n"))
    if match is None:
        return None
    host = match.group(1).rstrip(".").lower()
    return host if 0 < len(host) <= HOST_LENGTH else None


_USUAL_LENGTH = 100
_usual_host = lru_cache(maxsize=4096)(_host)


def _day_number(value: str) -> int | None:
    start = _DAYS.get(value)
    if start is None:
        if not _DATE.fullmatch(value):
            return None
        try:
            that_day = date.fromisoformat(value)
        except ValueError:
            return None
        if not FIRST_YEAR <= that_day.year <= LAST_YEAR:
            return None
        start = _DAYS[value] = (that_day.toordinal() - _EPOCH_DAY) * DAY_US
    return start


def _any_instant(value: str) -> int:
    match = _INSTANT.fullmatch(value)
    if match is None:
        raise InvalidValueError(f"{quoted(value)} is no instant with offset, such as 2026-03-01T12:00:00Z")
    day_text, hour, minute, second, fraction, offset, _ = match.groups()
    try:
        start = (date.fromisoformat(day_text).toordinal() - _EPOCH_DAY) * DAY_US
    except ValueError:
        raise InvalidValueError(f"{quoted(value)} is not in the calendar") from None
    if FIRST_YEAR <= int(day_text[:4]) <= LAST_YEAR:
        _DAYS[day_text] = start
    seconds = (int(hour) * 60 + int(minute)) * 60 + int(second)
    if offset not in ("Z", "z"):
        ahead = (int(offset[1:3]) * 60 + int(offset[4:6])) * 60
        seconds += ahead if offset[0] == "-" else -ahead
    us = start + seconds * SECOND_US + (int((fraction[1:] + "00000")[:6]) if fraction else 0)
    if 0 <= us < END_US:
        return us
    raise InvalidValueError(f"{quoted(value)} is not in the years {FIRST_YEAR} to {LAST_YEAR}")


def _decimal(value: object) -> Decimal:
    if type(value) is Decimal:
        return value
    if type(value) is str:
        if _DECIMAL.fullmatch(value):
            try:
                return Decimal(value)
            except InvalidOperation:
                raise InvalidValueError("has an exponent out of range") from None
        raise InvalidValueError(f"{quoted(value)} is no decimal number")
    if type(value) is int:
        return Decimal(value)
    raise InvalidValueError(f"must be a number or its decimal text, not {named(value)}")


def _exact(value: Decimal, step: Decimal, whole_digits: int) -> Decimal:
    """The same number with the decimals of `step`; refuses rather than rounds."""
    if not value:
        return _ZERO
    if not value.is_finite():
        raise InvalidValueError("is a number out of range")
    # Compared before any arithmetic: 1e999999999 is short to write and far too long to compute with.
    if value.adjusted() >= whole_digits:
        raise InvalidValueError(f"{quoted(value)} has more than {whole_digits} integer digits")
    try:
        return value.quantize(step, context=_EXACT)
    except Inexact:
        decimals = -int(step.as_tuple().exponent)
        raise InvalidValueError(f"{quoted(value)} has more than {decimals} decimals") from None


def _item(read: Callable[[object], str], index: int, item: object) -> str:
    try:
        return read(item)
    except InvalidValueError as error:
        raise InvalidValueError(f"item {index} {error}") from None
