"""Spans of days, and the periods that they fall into. Nothing here reads a clock: today is an argument."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

GRAINS = ("day", "week", "month", "quarter", "year")
PRESETS = {
    "7d": "Last 7 days",
    "30d": "Last 30 days",
    "90d": "Last 90 days",
    "month": "This month",
    "last_month": "Last month",
    "quarter": "This quarter",
    "last_quarter": "Last quarter",
    "year": "This year",
    "last_year": "Last year",
    "all": "All time",
}
FIRST, LAST = date(1970, 1, 1), date(2148, 12, 31)
"""No event has a day before or after."""

_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_DAY = timedelta(days=1)


class Span(NamedTuple):
    """Days from `start` to `end`, both included."""

    start: date
    end: date

    @property
    def days(self) -> int:
        """How many."""
        return (self.end - self.start).days + 1

    @property
    def whole(self) -> bool:
        """Whether it has no bounds."""
        return self.start == FIRST and self.end == LAST


@dataclass(frozen=True)
class Calendar:
    """Periods as the views have them: weeks begin on Monday, quarters and years with the fiscal year's first month."""

    fiscal_year_start: int = 1

    def start(self, day: date, grain: str) -> date:
        """First day of the period that a day is in."""
        if grain == "day":
            return day
        if grain == "week":
            return day - timedelta(days=day.weekday())
        months = _MONTHS[grain]
        past = (day.month + 12 - self.fiscal_year_start) % months if months > 1 else 0
        return _add_months(day.replace(day=1), -past)

    def end(self, start: date, grain: str) -> date:
        """Last day of the period that begins with `start`."""
        if grain == "day":
            return start
        if grain == "week":
            return start + 6 * _DAY
        return _add_months(start, _MONTHS[grain]) - _DAY

    def starts(self, span: Span, grain: str) -> Iterator[date]:
        """The first day of every period that the span touches."""
        start = self.start(span.start, grain)
        while start <= span.end:
            yield start
            start = self.end(start, grain) + _DAY

    def grain_of(self, span: Span) -> str | None:
        """The grain of which the span is exactly one period, the finest of them."""
        return next(
            (g for g in GRAINS if self.start(span.start, g) == span.start and self.end(span.start, g) == span.end), None
        )

    def preset(self, name: str, today: date) -> Span:
        """The span that a preset means today. KeyError for a name that is none."""
        if name == "all":
            return Span(FIRST, LAST)
        if name.endswith("d") and name in PRESETS:
            return Span(today - timedelta(days=int(name[:-1]) - 1), today)
        if name not in PRESETS:
            raise KeyError(name)
        grain = name.removeprefix("last_")
        start = self.start(today, grain)
        if name.startswith("last_"):
            start = self.start(start - _DAY, grain)
        return Span(start, self.end(start, grain))

    def before(self, span: Span, today: date) -> Span | None:
        """What to compare with: as many days of the period before as have passed of this one; None for all time."""
        if span.whole or span.start > today:
            return None
        grain = self.grain_of(span)
        start = self.start(span.start - _DAY, grain) if grain else span.start - span.days * _DAY
        passed = (min(span.end, today) - span.start).days
        end = span.start - _DAY if span.end <= today else min(start + passed * _DAY, span.start - _DAY)
        return Span(max(start, FIRST), end)

    def usual_grain(self, span: Span) -> str:
        """The grain in which a span is best drawn."""
        limits = ((31, "day"), (200, "week"), (3 * 366, "month"))
        return "month" if span.whole else next((grain for most, grain in limits if span.days <= most), "quarter")

    def label(self, start: date, grain: str) -> str:
        """A period's name: `24 Nov 2026`, `Nov 2026`, `Q4 2026`, `2026`; of fiscal years `2026/27`."""
        if grain in {"day", "week"}:
            return day_text(start)
        if grain == "month":
            return f"{start:%b %Y}"
        year = self.start(start, "year")
        shown = str(year.year) if self.fiscal_year_start == 1 else f"{year.year}/{(year.year + 1) % 100:02}"
        if grain == "year":
            return shown
        quarter = ((start.year - year.year) * 12 + start.month - year.month) // 3 + 1
        return f"Q{quarter} {shown}"

    def short(self, start: date, grain: str) -> str:
        """The same in little room: days and weeks without their year."""
        return f"{start.day} {start:%b}" if grain in {"day", "week"} else self.label(start, grain)


def day_text(day: date) -> str:
    """`24 Nov 2026`."""
    return f"{day.day} {day:%b %Y}"


def span_text(span: Span) -> str:
    """`1 Jan – 31 Mar 2026`."""
    if span.whole:
        return "all time"
    if span.start == span.end:
        return day_text(span.start)
    start = f"{span.start.day} {span.start:%b}" if span.start.year == span.end.year else day_text(span.start)
    return f"{start} – {day_text(span.end)}"


def _add_months(first: date, months: int) -> date:
    count = first.year * 12 + first.month - 1 + months
    return date(count // 12, count % 12 + 1, 1)
