"""What a page is asked for, read from its URL and written into others: a page's address says all that it shows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Self
from urllib.parse import urlencode

from stream.figures import REPORTS
from stream.page.periods import FIRST, GRAINS, LAST, PRESETS, Calendar, Span

DEFAULT_PERIOD = "90d"
SHARED = ("channel", "campaign_id", "team")
"""Filters that go along from report to report."""

KEYS = frozenset(
    key
    for figures in REPORTS.values()
    for key in (*figures.keys, "" if figures.has_periods else figures.day)
    if key not in {"", "model"}
)
"""Every column that can be filtered by; the model is a choice of its own."""

_MOST_VALUES = 200
_MOST_TEXT = 300


class BadRequest(Exception):  # noqa: N818 - it says what is wrong
    """The URL asks for what there is not; one line for the reader."""


@dataclass(frozen=True)
class Filters:
    """A page's choices. `where`: column -> the values that are let through; `split`: a row for each period."""

    period: str = DEFAULT_PERIOD
    start: date | None = None
    end: date | None = None
    grain: str | None = None
    model: str | None = None
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    split: bool = False
    sort: str = ""
    rows: str = ""

    @classmethod
    def of(cls, query: Iterable[tuple[str, str]]) -> Self:
        """Read a query string's pairs. Empty values and names that mean nothing here are left out.

        Raises `BadRequest` for a value that cannot be.
        """
        values: dict[str, Any] = {}
        where: dict[str, list[str]] = {}
        for name, value in query:
            text = value.strip()
            if not text and name not in KEYS:
                continue
            if len(text) > _MOST_TEXT:
                raise BadRequest(f"{name} is too long")
            if name in KEYS:
                where.setdefault(name, []).append(value)
            elif name in {"from", "to"}:
                values["start" if name == "from" else "end"] = _day(name, text)
            elif name == "period" and text != "custom":
                values["period"] = _one_of(name, text, PRESETS)
            elif name == "grain":
                values["grain"] = _one_of(name, text, GRAINS)
            elif name == "split":
                values["split"] = text == "1"
            elif name in {"model", "sort", "rows"}:
                values[name] = text
        if sum(map(len, where.values())) > _MOST_VALUES:
            raise BadRequest(f"more than {_MOST_VALUES} values to filter by")
        self = cls(**values, where={name: tuple(dict.fromkeys(chosen)) for name, chosen in where.items()})
        if "period" in values:
            self = replace(self, start=None, end=None)
        if self.start and self.end and self.start > self.end:
            raise BadRequest(f"from {self.start} is after to {self.end}")
        return self

    @property
    def custom(self) -> bool:
        """Whether days were given, and not a preset."""
        return self.start is not None or self.end is not None

    def span(self, calendar: Calendar, today: date) -> Span:
        """The days asked for."""
        if self.custom:
            return Span(self.start or FIRST, self.end or LAST)
        return calendar.preset(self.period, today)

    def pairs(self) -> list[tuple[str, str]]:
        """The query string's pairs that `of` reads again, without what is usual anyway."""
        pairs: list[tuple[str, str]] = []
        if self.custom:
            pairs += [("from", str(self.start or "")), ("to", str(self.end or ""))]
        elif self.period != DEFAULT_PERIOD:
            pairs.append(("period", self.period))
        named = (("grain", self.grain), ("model", self.model), ("sort", self.sort), ("rows", self.rows))
        pairs += [(name, value) for name, value in named if value]
        if self.split:
            pairs.append(("split", "1"))
        pairs += [(name, value) for name, values in self.where.items() for value in values]
        return [(name, value) for name, value in pairs if value or name in KEYS]

    def url(self, path: str, **changes: Any) -> str:  # noqa: ANN401 - values of the fields
        """Give the address of a page with these choices, some of them changed."""
        query = urlencode(replace(self, **changes).pairs() if changes else self.pairs())
        return f"{path}?{query}" if query else path

    def only(self, keys: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
        """The filters that a report with these keys can have."""
        wanted = set(keys)
        return {name: values for name, values in self.where.items() if name in wanted}

    def without(self, name: str, value: str | None = None) -> Mapping[str, tuple[str, ...]]:
        """Filters less one column, or one of its values."""
        left = dict(self.where)
        values = tuple(each for each in left.pop(name, ()) if value is not None and each != value)
        return {**left, name: values} if values else left

    def shared(self) -> Self:
        """What goes along to another report."""
        where = {name: values for name, values in self.where.items() if name in SHARED}
        return replace(self, where=where, split=False, sort="", rows="")


def _one_of(name: str, value: str, allowed: Iterable[str]) -> str:
    if value not in allowed:
        raise BadRequest(f"there is no {name} {value}; there are {', '.join(allowed)}")
    return value


def _day(name: str, text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise BadRequest(f"{name} takes a day, YYYY-MM-DD, not {text}") from None
    return min(max(day, FIRST), LAST)
