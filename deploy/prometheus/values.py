"""The values of a thresholds file, as people write them: each function reads one kind of text, or raises ValueError.

Shares and rates are given as parts of 1, durations in seconds, times of day in hours, days as bits.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from math import nan

__all__ = [
    "OFF",
    "Kind",
    "any_of",
    "clock",
    "count",
    "days",
    "direction",
    "duration",
    "factor",
    "money",
    "rate",
    "share",
]

OFF = nan
"""Compared with it everything is false: the alert does not fire."""

_MOST_SHARE = 100
_HOURS = 24
_PLAIN = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

Kind = Callable[[str], float]


def _number(text: str, problem: str) -> Decimal:
    if not _PLAIN.fullmatch(text):
        raise ValueError(problem)
    return Decimal(text)


def _percent(text: str, problem: str) -> Decimal:
    """Read `60%` or `0.6` as a number of hundredths."""
    if text.endswith("%"):
        return _number(text.removesuffix("%").rstrip(), problem)
    return _number(text, problem) * 100


def share(text: str) -> float:
    """Read a part of a whole: 60% or 0.6."""
    problem = "must be a share from 0% to 100%, such as 60% or 0.6"
    hundredths = _percent(text, problem)
    if not 0 <= hundredths <= _MOST_SHARE:
        raise ValueError(problem)
    return float(hundredths / 100)


def rate(text: str) -> float:
    """Read a return, which may be a loss: -20% or -0.2."""
    problem = "must be a rate from -100%, such as 0%, -20% or 1.5"
    hundredths = _percent(text, problem)
    if hundredths < -_MOST_SHARE:
        raise ValueError(problem)
    return float(hundredths / 100)


def factor(text: str) -> float:
    """Read how many times: 1.5 or 150%."""
    problem = "must be 0 or more, such as 1.5 or 150%"
    hundredths = _percent(text, problem)
    if hundredths < 0:
        raise ValueError(problem)
    return float(hundredths / 100)


def money(text: str) -> float:
    """Read an amount in the reporting currency."""
    problem = "must be an amount of 0 or more without separators and currency, such as 1000 or 49.50"
    amount = _number(text, problem)
    if amount < 0:
        raise ValueError(problem)
    return float(amount)


def count(text: str) -> float:
    """Read a whole number of things."""
    if not text.isascii() or not text.isdigit():
        raise ValueError("must be a whole number, such as 20")
    return int(text)


def duration(text: str) -> float:
    """Read a length of time; gives seconds."""
    number, unit = text[:-1], text[-1:]
    if unit not in _SECONDS or not number.isascii() or not number.isdigit():
        raise ValueError("must be a duration: a whole number with s, m, h or d, such as 90s, 15m, 4h or 2d")
    return int(number) * _SECONDS[unit]


def clock(text: str) -> float:
    """Read a time of day; gives hours."""
    match = re.fullmatch(r"([0-9]{1,2}):([0-5][0-9])", text)
    hours = int(match[1]) + int(match[2]) / 60 if match else nan
    if not hours <= _HOURS:
        raise ValueError("must be a time of day from 00:00 to 24:00, such as 09:00")
    return hours


def days(text: str) -> float:
    """Read days of the week; gives a bit for each, Monday the lowest."""
    mask = 0
    for part in text.lower().replace(",", " ").split():
        first, _, last = part.partition("-")
        if first not in _DAYS or (last or first) not in _DAYS:
            mask = 0
            break
        begin, end = _DAYS.index(first), _DAYS.index(last or first)
        for day in range(begin, end + 1 if begin <= end else end + 8):
            mask |= 1 << day % 7
    if not mask:
        raise ValueError("must be days of the week, such as mon-fri or mon, wed, fri")
    return mask


def any_of(*names: str) -> Callable[[str], str]:
    """Make the reader of an option that is one of these words."""

    def option(text: str) -> str:
        if text not in names:
            raise ValueError(f"must be {', '.join(names[:-1])}{' or ' if len(names) > 1 else ''}{names[-1]}")
        return text

    return option


def direction(text: str) -> str:
    """Read which calls: gives the label's value."""
    return "inbound" if any_of("inbound", "all")(text) == "inbound" else "(all)"
