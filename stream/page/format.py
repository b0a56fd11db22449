"""How values are shown to people: money in the reporting currency, rates, counts, times; numbers line up in a column.

The exact value always goes along in the page (`<data value>`), and into CSV.
"""

import re
from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from stream.page.periods import day_text

MISSING = "–"
MINUS = "\N{MINUS SIGN}"
NARROW = "\N{NARROW NO-BREAK SPACE}"

_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£"}
"""Of the others the code says more."""

_WITHOUT_CENTS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_WITH_MILS = "BHD IQD JOD KWD LYD OMR TND"
_DIGITS = dict.fromkeys(_WITHOUT_CENTS.split(), 0) | dict.fromkeys(_WITH_MILS.split(), 3)
"""Decimals of the currencies that do not have two (ISO 4217)."""

_PERCENT = re.compile(
    r"(_rate|share|_ratio|_conversion|_by_amount|_to_(lead|mofu|bofu|customer))$|^(ctr|roi|attainment)$"
)
_TIMES = re.compile(r"^(cohort_)?roas(_min|_max)?$")
_UNIT_PRICE = re.compile(r"^(cpl|cpa|cpc|average_deal)$")
_SHORT_TIME = re.compile(r"_talk_seconds$")
_DAYS = re.compile(r"days_to_convert$|^age_days$")
_FLAGS = frozenset({"overdue", "key_account", "decision_depends"})
_WORDS = {
    "cpl": "CPL",
    "cpa": "CPA",
    "cpc": "CPC",
    "ctr": "CTR",
    "roi": "ROI",
    "roas": "ROAS",
    "cohort_roas": "Cohort ROAS",
    "roas_min": "ROAS, least",
    "roas_max": "ROAS, greatest",
    "mofu": "MOFU",
    "bofu": "BOFU",
    "lead_to_mofu": "Lead to MOFU",
    "mofu_to_bofu": "MOFU to BOFU",
    "bofu_to_customer": "BOFU to customer",
    "advanced_mofu": "Advanced to MOFU",
    "advanced_bofu": "Advanced to BOFU",
    "p50_days_to_convert": "Median days to convert",
    "p90_days_to_convert": "90th percentile of days",
    "avg_days_to_convert": "Average days to convert",
    "p50_talk_seconds": "Median talk time",
    "p90_talk_seconds": "90th percentile of talk time",
    "avg_talk_seconds": "Average talk time",
    "talk_seconds": "Talk time",
    "benchmark_avg_talk_seconds": "Benchmark of talk time",
    "benchmark_answer_rate": "Benchmark of answer rate",
    "benchmark_advance_rate": "Benchmark of advance rate",
    "campaign_id": "Campaign",
    "owner_id": "Owner",
    "rep_id": "Rep",
    "account_id": "Account",
    "campaign_group": "Group",
    "forecast_revenue": "Forecast",
    "unconverted": "Without rate",
    "due_month": "Due",
    "key_account": "Key account",
    "time_decay": "Time decay",
    "w_shaped": "W-shaped",
    "decision_depends": "Depends on model",
}


def name_of(column: str) -> str:
    """A column's name for people."""
    return _WORDS.get(column) or column.replace("_", " ").capitalize()


def kind_of(column: str, type_: str) -> str:
    """What a column's values are: money, price, percent, times, time, hours, days, count, flag, date, text."""
    if column in _FLAGS:
        return "flag"
    if "Date" in type_:
        return "date"
    if re.match(r"(Nullable\()?(Decimal|Float|U?Int)", type_) is None:
        return "text"
    shapes = (
        (_TIMES, "times"),
        (_UNIT_PRICE, "price"),
        (_DAYS, "days"),
        (_SHORT_TIME, "time"),
        (_PERCENT, "percent"),
    )
    for shape, kind in shapes:
        if shape.search(column):
            return kind
    if column == "talk_seconds":
        return "hours"
    return "money" if re.search(r"Decimal\(\d+, 4\)", type_) else "count"


def kind_of_measure(measure: str, meaning: str) -> str:
    """The kind of a report's measure or ratio, by its name and what the view's file says that it means.

    (An empty result does not bring the types of its columns along.)
    """
    kind = kind_of(measure, "Int64")
    return "money" if kind == "count" and "reporting currency" in meaning else kind


class Format:
    """Shows values in one reporting currency (`symbol` goes before amounts) and time zone."""

    def __init__(self, currency: str, time_zone: str) -> None:
        self.currency = currency
        self.time_zone = time_zone
        self._zone = ZoneInfo(time_zone)
        self.symbol = _SYMBOLS.get(currency, f"{currency}{NARROW}")
        self._digits = _DIGITS.get(currency, 2)

    def value(self, kind: str, value: Any, digits: int | None = None) -> str:  # noqa: ANN401 - any column's
        """Show a value; `digits` are the decimals of money, those of the currency if None."""
        if value is None:
            return MISSING
        if isinstance(value, datetime):
            return self.instant(value)
        if isinstance(value, date):
            return day_text(value)
        show = _NUMBERS.get(kind)
        if show is not None:
            return _signed(show, value)
        if kind == "money":
            return self.money(value, digits)
        if kind == "price":
            return self.money(value)
        if kind == "flag":
            return "yes" if value else "no"
        return str(value)

    def money(self, value: Any, digits: int | None = None) -> str:  # noqa: ANN401 - a number of any kind
        """`$1,234.50`; codes where there is no well-known sign: `CHF 1,234.50`."""
        places = self._digits if digits is None else min(digits, self._digits)
        return _signed(lambda amount: f"{self.symbol}{amount:,.{places}f}", value)

    def compact(self, kind: str, value: Any) -> str:  # noqa: ANN401 - a number of any kind
        """Show a value in little room: `$1.2M`, `34k`."""
        if value is None or kind not in {"money", "price", "count"}:
            return self.value(kind, value)
        sign = self.symbol if kind != "count" else ""
        return _signed(lambda number: f"{sign}{_scaled(float(number))}", value)

    def digits(self, values: Iterable[Any]) -> int:
        """Decimals that money in one column is shown with: none where the amounts are large."""
        return 0 if any(value is not None and abs(value) >= 10_000 for value in values) else self._digits

    def instant(self, value: datetime) -> str:
        """Show an instant in the reporting time zone; naive ones are UTC."""
        aware = value if value.tzinfo else value.replace(tzinfo=ZoneInfo("UTC"))
        local = aware.astimezone(self._zone)
        return f"{day_text(local.date())}, {local:%H:%M:%S}"


def plain(value: object) -> str:
    """Give the exact value as CSV and `<data value>` have it; NULL is empty."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    return str(value)


def _signed(show: Callable[[Any], str], value: Any) -> str:  # noqa: ANN401 - a number of any kind
    text = show(abs(value))
    return f"{MINUS}{text}" if value < 0 and re.search(r"[1-9]", text) else text


def _count(value: Any) -> str:  # noqa: ANN401 - a number of any kind
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


def _clock(value: Any) -> str:  # noqa: ANN401 - a number of any kind
    minutes, seconds = divmod(round(value), 60)
    return f"{minutes:,}:{seconds:02}"


def _scaled(value: float) -> str:
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


_NUMBERS: dict[str, Callable[[Any], str]] = {
    "count": _count,
    "percent": lambda value: f"{value:.1%}",
    "times": lambda value: f"{value:,.2f}×",
    "time": _clock,
    "hours": lambda value: f"{value / 3600:,.1f} h",
    "days": lambda value: f"{value:,.1f}",
}
