"""The figures of a report for a span of days, all from one query over its view, so that they always agree.

Total, the total of the span before, the course over time and the rows of the table are grouping sets of the same
rows. What only a single row of the view has (quantiles) is read from the view of the period where a row is one.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sinks.views import period_start
from stream.figures import Figures
from stream.page.filters import Filters
from stream.page.periods import Calendar, Span
from stream.page.reading import Reader, Rows, State

Row = Mapping[str, Any]
_NOTHING: Row = {}


@dataclass(frozen=True)
class Choice:
    """What to read of a report, with nothing left open."""

    figures: Figures
    span: Span
    before: Span | None
    grain: str
    split: bool
    model: str
    where: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, figures: Figures, filters: Filters, state: State) -> "Choice":
        """Take the usual for what the filters leave open."""
        span = filters.span(state.calendar, state.today)
        return cls(
            figures,
            span,
            state.calendar.before(span, state.today) if figures.has_periods else None,
            filters.grain or state.calendar.usual_grain(span),
            (filters.split or not figures.keys) and figures.has_periods,
            filters.model or state.model,
            filters.only(table_keys(figures)),
        )


@dataclass(frozen=True)
class Summary:
    """The figures. A row has the keys, labels, measures, ratios, shares and single columns of the report.

    `periods` are (first day, row); `rows` are those of the table, with `period_start` where they are split; `single`
    says whether single columns were read.
    """

    choice: Choice
    total: Row
    before: Row | None
    periods: Sequence[tuple[date, Row]]
    rows: Sequence[Row]
    single: bool


def table_keys(figures: Figures) -> list[str]:
    """What tells the rows of the table apart, beside periods: the model is chosen, a month of now is a key."""
    keys = [key for key in figures.keys if key != "model"]
    return [figures.day, *keys] if figures.day and not figures.has_periods else keys


async def summarize(reader: Reader, state: State, choice: Choice) -> Summary:
    """Read the figures. Raises `Unavailable`."""
    figures = choice.figures
    shared = {key: values for key, values in choice.where.items() if figures.shares}
    main, wholes, single = await asyncio.gather(
        reader.query(*_query(choice)),
        # a share is that of all, whatever is filtered
        reader.query(*_query(choice, unfiltered=True)) if shared else _none(),
        _single(reader, state.calendar, choice) if figures.single else _none(),
    )
    keys = table_keys(figures)
    sets = _Sets(main, keys, choice)
    totals = sets if wholes is None else _Sets(wholes, [], choice)
    place = (["period_start"] if choice.split else []) + keys
    singles = {tuple(row[key] for key in place): row for row in single.rows} if single is not None else {}
    rows = []
    for row in sets.rows:
        whole = totals.of(row["period_start"]) if choice.split else totals.total
        own = singles.get(tuple(row[key] for key in place), _NOTHING)
        rows.append(
            {
                **row,
                **{name: _share(row[measure], whole.get(measure)) for name, measure in figures.shares.items()},
                **{name: own.get(name) for name in figures.single},
            }
        )
    periods = [(row["period_start"], row) for row in sets.periods]
    return Summary(choice, sets.total, sets.before, periods, rows, single is not None)


class _Sets:
    """The rows of a result by grouping set."""

    def __init__(self, found: Rows, keys: Sequence[str], choice: Choice) -> None:
        self.total: Row = _NOTHING
        self.before: Row | None = None
        self.periods: list[Row] = []
        self.rows: list[Row] = []
        figures = choice.figures
        empty: Row = {**dict.fromkeys(figures.ratios), **dict.fromkeys(figures.measures, 0)}
        for row in found.rows:
            summed_periods, summed_keys = bool(row["all_periods"]), bool(row["all_keys"])
            if not row["current"]:
                if summed_periods and summed_keys:
                    self.before = row
            elif summed_periods and summed_keys:
                self.total = row
            elif summed_keys:
                self.periods.append(row)
                if choice.split and not keys:
                    self.rows.append(row)
            else:
                self.rows.append(row)
        self.total = self.total or empty
        if choice.before is not None and self.before is None:
            self.before = empty
        self.periods.sort(key=lambda row: row["period_start"])
        self._by_period = {row["period_start"]: row for row in self.periods}

    def of(self, period: date) -> Row:
        """The total of one period."""
        return self._by_period.get(period, _NOTHING)


def _query(choice: Choice, *, unfiltered: bool = False) -> tuple[str, dict[str, Any]]:
    """The one query. `all_periods` and `all_keys` say what a row is the sum of."""
    figures = choice.figures
    keys = [] if unfiltered else table_keys(figures)
    conditions, values = conditions_of({} if unfiltered else choice.where)
    if figures.has_model:
        conditions.append("model = {model:String}")
        values["model"] = choice.model
    if figures.has_periods:
        first = min(choice.span.start, choice.before.start if choice.before else choice.span.start)
        values |= {"first": first, "last": choice.span.end, "start": choice.span.start}
        conditions.append("day >= {first:Date} AND day <= {last:Date}")
        if choice.before:
            values["before_end"] = choice.before.end
            conditions.append("(day >= {start:Date} OR day <= {before_end:Date})")
        inner = f"*, day >= {{start:Date}} AS current, {period_start(repr(choice.grain))}"
    else:
        inner = "*, true AS current"
    sets = ["(current)"]
    if figures.has_periods:
        sets.append("(current, period_start)")
    if keys:
        by = ["current", "period_start", *keys] if choice.split else ["current", *keys]
        sets.append(f"({', '.join(by)})")
    columns = [
        "current",
        *(("period_start", "grouping(period_start) AS all_periods") if figures.has_periods else ("1 AS all_periods",)),
        f"grouping({keys[0]}) AS all_keys" if keys else "1 AS all_keys",
        *keys,
        *(f"any(r.{label}) AS {label}" for key, names in figures.labels.items() if key in keys for label in names),
        *(f"sum(r.{measure}) AS {measure}" for measure in figures.measures),
        *(f"{ratio} AS {name}" for name, ratio in figures.ratios.items()),
    ]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    text = (
        f"SELECT {', '.join(columns)} FROM (SELECT {inner} FROM {figures.view}{where}) AS r "  # noqa: S608 - names of ours
        f"GROUP BY GROUPING SETS ({', '.join(sets)})"
    )
    return text, values


async def _single(reader: Reader, calendar: Calendar, choice: Choice) -> Rows | None:
    """The columns of single rows, of periods that lie within the span whole; None where there is none."""
    figures, span = choice.figures, choice.span
    grain = choice.grain if choice.split else calendar.grain_of(span)
    if grain is None:
        return None
    first, last = calendar.start(span.start, grain), calendar.start(span.end, grain)
    if first < span.start:
        first = calendar.end(first, grain) + timedelta(days=1)
    if calendar.end(last, grain) > span.end:
        last = calendar.start(last - timedelta(days=1), grain)
    conditions, values = conditions_of(choice.where)
    conditions.append("period_start >= {first:Date} AND period_start <= {last:Date}")
    columns = ["period_start", *table_keys(figures), *figures.single]
    return await reader.query(
        f"SELECT {', '.join(columns)} FROM {figures.view}_by(grain = '{grain}') WHERE {' AND '.join(conditions)}",  # noqa: S608 - names of ours
        values | {"first": first, "last": last},
    )


def conditions_of(where: Mapping[str, tuple[str, ...]]) -> tuple[list[str], dict[str, Any]]:
    """Conditions that let the chosen values of each column through, and their parameters."""
    conditions: list[str] = []
    values: dict[str, Any] = {}
    for number, (column, chosen) in enumerate(where.items()):
        conditions.append(f"has({{where_{number}:Array(String)}}, ifNull(toString({column}), ''))")
        values[f"where_{number}"] = list(chosen)
    return conditions, values


def _share(part: Any, whole: Any) -> float | None:  # noqa: ANN401 - a number of any kind
    return float(part) / float(whole) if whole else None


async def _none() -> None:
    return None
