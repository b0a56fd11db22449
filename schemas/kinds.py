"""The kinds of values as pydantic types: the reference for what a member takes, and its JSON Schema.

Each type carries a `Kind` in its annotation: the name under which the fold writes it, and the reader of
`values.py` that the hot path uses in its place. The validators here say the same a second time, in another
way, on purpose. They never see a float: numbers come as int, or as the Decimal of their text.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, StrictBool, StringConstraints, WithJsonSchema

from schemas import values

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DECIMAL = re.compile(rf"^{values.DECIMAL_PATTERN}\Z")
_INSTANT = re.compile(rf"^{values.INSTANT_PATTERN}\Z")


@dataclass(frozen=True)
class Kind:
    """How a member is written canonically (`name`), read on the hot path (`read`) and called in the docs."""

    name: str
    read: Callable[[object], values.Value]
    label: str


def _identifier(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        if abs(value) >= 10**values.ID_LENGTH:  # before its text is made: that could be long
            raise ValueError(f"must have at most {values.ID_LENGTH} digits")
        return str(value)
    return value


def _numeric(value: object) -> Decimal:
    if isinstance(value, str):
        if not _DECIMAL.match(value):
            raise ValueError("is no decimal number")
        try:
            return Decimal(value)
        except InvalidOperation:
            raise ValueError("has an exponent out of range") from None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("must be a number or its decimal text")  # noqa: TRY004 - pydantic takes a ValueError
    return Decimal(value)


def _digits(number: Decimal, whole: int, decimals: int) -> tuple[int, int]:
    """Take a number apart, into an integer and the power of ten below it, after refusing too many digits."""
    sign, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int):
        raise ValueError("is not finite")  # noqa: TRY004 - pydantic takes a ValueError
    significant = "".join(map(str, digits)).lstrip("0")
    trimmed = significant.rstrip("0")
    if not trimmed:
        return 0, 0
    exponent += len(significant) - len(trimmed)
    if len(trimmed) + exponent > whole:
        raise ValueError(f"has more than {whole} integer digits")
    if -exponent > decimals:
        raise ValueError(f"has more than {decimals} decimals")
    if len(trimmed) > whole + decimals:
        raise ValueError("has too many digits")
    return (-int(trimmed) if sign else int(trimmed)), exponent


def _units(value: object) -> int:
    coefficient, exponent = _digits(_numeric(value), values.WHOLE_DIGITS, values.MONEY_DECIMALS)
    return int(coefficient * 10 ** (exponent + values.MONEY_DECIMALS))


def _share(value: object) -> int:
    units = _units(value)
    if units < 0 or units > values.UNITS:
        raise ValueError("must be from 0 to 1")
    return units


def _plain(value: object) -> str:
    coefficient, exponent = _digits(_numeric(value), values.WHOLE_DIGITS, values.NUMBER_DECIMALS)
    if exponent >= 0:
        return str(coefficient * 10**exponent)
    sign, digits = "-" if coefficient < 0 else "", str(abs(coefficient)).rjust(1 - exponent, "0")
    return f"{sign}{digits[:exponent]}.{digits[exponent:]}"


def _above_zero(value: object) -> str:
    plain = _plain(value)
    if Decimal(plain) <= 0:
        raise ValueError("must be greater than 0")
    return plain


def _whole(limit: int) -> Callable[[object], int]:
    def whole(value: object) -> int:
        if isinstance(value, str):
            raise ValueError("must be a number, not a string")  # noqa: TRY004 - pydantic takes a ValueError
        coefficient, exponent = _digits(_numeric(value), len(str(limit)), 0)
        number = int(coefficient * 10**exponent)
        if number < 0 or number > limit:
            raise ValueError(f"must be from 0 to {limit}")
        return number

    return whole


def _in_years(value: date) -> None:
    if not values.FIRST_YEAR <= value.year <= values.LAST_YEAR:
        raise ValueError(f"is not in the years {values.FIRST_YEAR} to {values.LAST_YEAR}")


def _day(value: str) -> str:
    _in_years(date(int(value[:4]), int(value[5:7]), int(value[8:])))
    return value


def _month(value: str) -> str:
    _in_years(date(int(value[:4]), int(value[5:]), 1))
    return value


def _instant(value: object) -> int:
    match = _INSTANT.match(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("is no instant with offset, such as 2026-03-01T12:00:00Z")
    on, hour, minute, second, fraction, offset, _ = match.groups()
    microsecond = ((fraction or ".")[1:7]).ljust(6, "0")
    try:
        local = datetime.fromisoformat(f"{on}T{hour}:{minute}:00.{microsecond}+00:00")
        ahead = timedelta() if offset in "Zz" else timedelta(hours=int(offset[1:3]), minutes=int(offset[4:]))
        local += timedelta(seconds=int(second)) + (ahead if offset[0] == "-" else -ahead)
    except OverflowError:
        raise ValueError("is out of range") from None
    _in_years(local)
    return (local - _EPOCH) // timedelta(microseconds=1)


def _host(value: str) -> str | None:
    address = value.strip(" \t\r\n")
    relative = re.match(r"([A-Za-z][A-Za-z0-9+.-]*:)?//", address) is None
    authority = re.split(r"[/?#]", address if relative else address.partition("//")[2], maxsplit=1)[0]
    if not relative:
        authority = authority.rpartition("@")[2]
    name, colon, port = authority.rpartition(":")
    if colon and not authority.endswith("]"):
        if not re.fullmatch("[0-9]*", port):
            return None
        authority = name
    bracketed = re.fullmatch(r"\[[0-9A-Fa-f:.]+\]", authority)
    if not bracketed and not (authority[:1].isalnum() and re.fullmatch(r"[\w.-]+", authority)):
        return None
    host = authority.rstrip(".").lower()
    return host if host and len(host) <= values.HOST_LENGTH else None


_BOUND = 10**values.WHOLE_DIGITS
_DATE_PATTERN = r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_MONTH_PATTERN = r"[0-9]{4}-(0[1-9]|1[0-2])"
_ID_SCHEMA: dict[str, object] = {
    "anyOf": [
        {"type": "string", "minLength": 1, "maxLength": values.ID_LENGTH},
        {"type": "integer", "description": "taken as its decimal text; 42.0 and 1e3 are refused"},
    ]
}


def _number_schema(decimals: int, **bounds: int) -> dict[str, object]:
    # Bounds are inclusive: a validator that reads floats sees 99999999999999.9999 as 1e14.
    spoken = f"at most {values.WHOLE_DIGITS} integer digits and {decimals} decimals; never rounded"
    return {
        "anyOf": [
            {"type": "number", **bounds, "description": spoken},
            {"type": "string", "pattern": f"^{values.DECIMAL_PATTERN}$", "description": spoken},
        ]
    }


_MONEY_SCHEMA = _number_schema(values.MONEY_DECIMALS, minimum=-_BOUND, maximum=_BOUND)
_NUMBER_SCHEMA = _number_schema(values.NUMBER_DECIMALS, minimum=-_BOUND, maximum=_BOUND)

Identifier = Annotated[
    str,
    BeforeValidator(_identifier),
    StringConstraints(strict=True, min_length=1, max_length=values.ID_LENGTH),
    WithJsonSchema(_ID_SCHEMA),
    Kind("id", values.identifier, "identifier"),
]
Text = Annotated[str, StringConstraints(strict=True), Kind("text", values.text, "text")]
Flag = Annotated[StrictBool, Kind("bool", values.boolean, "boolean")]
Money = Annotated[int, BeforeValidator(_units), WithJsonSchema(_MONEY_SCHEMA), Kind("money", values.money, "money")]
Share = Annotated[
    int,
    BeforeValidator(_share),
    WithJsonSchema(_number_schema(values.MONEY_DECIMALS, minimum=0, maximum=1)),
    Kind("probability", values.probability, "number 0 to 1"),
]
Number = Annotated[
    str, BeforeValidator(_plain), WithJsonSchema(_NUMBER_SCHEMA), Kind("number", values.number, "number")
]
Positive = Annotated[
    str,
    BeforeValidator(_above_zero),
    WithJsonSchema(_number_schema(values.NUMBER_DECIMALS, exclusiveMinimum=0, maximum=_BOUND)),
    Kind("number", values.positive, "number above 0"),
]
Currency = Annotated[
    str,
    StringConstraints(strict=True, pattern="^[A-Z]{3}$"),
    Kind("currency", values.currency, "currency code"),
]
Instant = Annotated[
    int,
    BeforeValidator(_instant),
    WithJsonSchema({"type": "string", "pattern": f"^{values.INSTANT_PATTERN}$"}),
    Kind("instant", values.instant, "instant"),
]
Date = Annotated[
    str,
    StringConstraints(strict=True, pattern=f"^{_DATE_PATTERN}$"),
    AfterValidator(_day),
    Kind("date", values.day, "date"),
]
Month = Annotated[
    str,
    StringConstraints(strict=True, pattern=f"^{_MONTH_PATTERN}$"),
    AfterValidator(_month),
    Kind("month", values.month, "month"),
]
Referrer = Annotated[
    str,
    StringConstraints(strict=True),
    AfterValidator(_host),
    Kind("text", values.referrer, "address or host"),
]
Identifiers = Annotated[list[Identifier], Kind("list", values.identifiers, "array of identifiers")]
Texts = Annotated[list[Text], Kind("list", values.texts, "array of texts")]
Seconds = Annotated[
    int,
    BeforeValidator(_whole(2**32 - 1)),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 2**32 - 1}),
    Kind("int", values.count(2**32 - 1), "whole number"),
]
Count = Annotated[
    int,
    BeforeValidator(_whole(10**15)),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 10**15}),
    Kind("int", values.count(10**15), "whole number"),
]
Scope = Annotated[
    str,
    StringConstraints(strict=True, pattern=r"^(company|(team|rep|campaign)/[\s\S]+)$"),
    Kind("enum", values.scope, "company, team/NAME, rep/ID or campaign/ID"),
]
DealStatus = Annotated[
    Literal["open", "won", "lost"], Kind("enum", values.one_of("open", "won", "lost"), "open, won or lost")
]
Direction = Annotated[
    Literal["inbound", "outbound"],
    Kind("enum", values.one_of("inbound", "outbound"), "inbound or outbound"),
]
CallStatus = Annotated[
    Literal["answered", "missed", "busy", "failed", "voicemail"],
    Kind(
        "enum",
        values.one_of("answered", "missed", "busy", "failed", "voicemail"),
        "answered, missed, busy, failed or voicemail",
    ),
]
BenchmarkMetric = Annotated[
    Literal["answer_rate", "avg_talk_seconds", "advance_rate"],
    Kind(
        "enum",
        values.one_of("answer_rate", "avg_talk_seconds", "advance_rate"),
        "answer_rate, avg_talk_seconds or advance_rate",
    ),
]
TargetMetric = Annotated[
    Literal["leads", "revenue", "won_deals", "calls"],
    Kind("enum", values.one_of("leads", "revenue", "won_deals", "calls"), "leads, revenue, won_deals or calls"),
]
