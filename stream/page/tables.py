"""Figures made ready to be shown: tiles, tables, lines; a number has its text, its exact value and its address."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from stream.figures import Figures
from stream.page import charts
from stream.page.catalog import Page
from stream.page.filters import Filters
from stream.page.format import MISSING, Format, kind_of_measure, name_of, plain
from stream.page.periods import Calendar, Span
from stream.page.summary import Row, Summary, table_keys

FIRST_ROWS = 25
MOST_BARS = 12
MOST_POINTS = 1500
LEFT = frozenset({"text", "flag"})
_BETTER_LOW = frozenset({"cpl", "cpa", "cpc", "missed", "lost", "lost_revenue", "avg_days_to_convert", "unconverted"})
_NEITHER = frozenset({"spend", "spend_media", "spend_other", "cost", "avg_talk_seconds", "calls", "visitors"})


class Cell(NamedTuple):
    """One value: what is shown, the exact value, where it leads, and a name that stays while it moves."""

    text: str
    value: str = ""
    href: str = ""
    key: str = ""
    left: bool = False
    muted: bool = False


class Column(NamedTuple):
    """A column's head; `sort` is the address that sorts by it, `direction` aria-sort's value."""

    name: str
    title: str
    meaning: str
    left: bool
    sort: str = ""
    direction: str = ""


@dataclass(frozen=True)
class Table:
    """A table; `more` says how many rows there are beside those shown."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    total: Sequence[Cell] = ()
    more: int = 0


class Tile(NamedTuple):
    """A number that stands out, and how it moved against the span before."""

    title: str
    meaning: str
    cell: Cell
    change: str
    up: bool | None
    good: bool | None


@dataclass(frozen=True)
class Shown:
    """What showing needs to know: how to write values, and where things are."""

    format: Format
    calendar: Calendar
    filters: Filters
    meanings: Mapping[str, str]


def record_url(
    figures: Figures, measure: str, filters: Filters, span: Span, where: Mapping[str, tuple[str, ...]]
) -> str:
    """Where the records of a figure are; '' for one that is no sum of records."""
    if measure not in figures.measures:
        return ""
    dated = figures.has_periods and not span.whole
    start, end = (span.start, span.end) if dated else (None, None)
    exact = Filters(period="all", start=start, end=end, model=filters.model, where=where)
    return exact.url(f"/records/{figures.report}/{measure}")


def tiles(page: Page, summary: Summary, shown: Shown, titles: Mapping[str, str] = {}) -> list[Tile]:
    """The page's first numbers; `titles` where their columns' names would mislead."""
    made = []
    for column in page.tiles:
        kind = kind_of_measure(column, shown.meanings.get(column, ""))
        value, before = summary.total[column], summary.before[column] if summary.before else None
        href = record_url(page.figures, column, shown.filters, summary.choice.span, summary.choice.where)
        cell = Cell(
            shown.format.value(kind, value, shown.format.digits([value])), plain(value), href, f"total.{column}"
        )
        change, up = _change(kind, value, before, shown.format)
        better = up if column not in _BETTER_LOW else not up
        good = None if up is None or column in _NEITHER else better
        made.append(Tile(titles.get(column) or name_of(column), shown.meanings.get(column, ""), cell, change, up, good))
    return made


def _change(kind: str, value: Any, before: Any, format_: Format) -> tuple[str, bool | None]:  # noqa: ANN401 - any numbers
    if value is None or not before:
        return "", None
    difference = float(value) - float(before)
    share = abs(difference / float(before))
    if kind == "percent":
        text = f"{abs(difference) * 100:.1f} pp"
    else:
        text = f"{share:.1%}" if share < 5 else f"from {format_.compact(kind, before)}"
    return text, None if text in {"0.0%", "0.0 pp"} else difference > 0


def table(page: Page, summary: Summary, shown: Shown, *, every: bool = False) -> Table:
    """The table of a report's page, sorted and cut as the filters say."""
    figures, choice = page.figures, summary.choice
    keys = table_keys(figures)
    columns = [*(["period_start"] if choice.split else []), *keys]
    numbers = [
        name
        for name in (*figures.measures, *figures.ratios, *figures.shares, *figures.single)
        if (summary.single or name not in figures.single)
        and name not in page.hidden
        and not (name == "unconverted" and not summary.total.get(name))
    ]
    rows = sorted_rows(page, summary, shown.filters.sort)
    kept = rows if every or shown.filters.rows == "all" else rows[:FIRST_ROWS]
    kinds = {name: kind_of_measure(name, shown.meanings.get(name, "")) for name in numbers}
    digits = {name: shown.format.digits(row[name] for row in kept) for name in numbers if kinds[name] == "money"}

    def cells(row: Row, *, total: bool = False) -> list[Cell]:
        place = "sum" if total else "/".join(str(row[key]) for key in columns)
        span, where = choice.span, dict(choice.where)
        if not total:
            where |= {key: (_text(row[key]),) for key in keys}
            if choice.split:
                span = _within(shown.calendar, row["period_start"], choice.grain, choice.span)
        made = [_key_cell(figures, key, row, shown, choice.grain) for key in columns] if not total else []
        for name in numbers:
            href = record_url(figures, name, shown.filters, span, where)
            text = shown.format.value(kinds[name], row[name], digits.get(name))
            made.append(Cell(text, plain(row[name]), href if row[name] else "", f"{place}.{name}", muted=not row[name]))
        return made

    total_row = {**dict.fromkeys(figures.shares), **dict.fromkeys(figures.single), **summary.total}
    heads = [_head(name, summary, shown, page) for name in (*columns, *numbers)]
    total = [Cell("Total", left=True), *(Cell("", left=True) for _ in columns[1:]), *cells(total_row, total=True)]
    return Table(heads, [cells(row) for row in kept], total if columns else (), len(rows) - len(kept))


def sorted_rows(page: Page, summary: Summary, sort: str) -> list[Row]:
    """The rows in the order asked for: `column`, or `-column` for the greatest first."""
    column, down = sort.removeprefix("-"), sort.startswith("-")
    known = summary.rows and column in summary.rows[0]
    if not known:
        column = "period_start" if summary.choice.split else page.lead
        down = page.lead != "due_month"
    keys = table_keys(page.figures)
    names = _names(page.figures)

    def order(row: Row) -> tuple[bool, Any]:
        value = row.get(names.get(column, column))
        return (value is None) != down, value if value is not None else 0

    by_key = sorted(summary.rows, key=lambda row: [_text(row[key]) for key in keys])
    if summary.choice.split and page.lead in page.figures.measures:
        by_key.sort(key=lambda row: row[page.lead], reverse=True)
    return sorted(by_key, key=order, reverse=down)


def bar_chart(page: Page, summary: Summary, shown: Shown) -> charts.Bars | None:
    """The page's bars: a measure by a key, over all other keys and periods."""
    if page.bars is None:
        return None
    measure, key = page.bars
    sums: dict[Any, Any] = {}
    labels: dict[Any, str] = {}
    for row in summary.rows:
        sums[row[key]] = sums.get(row[key], 0) + row[measure]
        labels[row[key]] = label_of(page.figures, key, row, shown.format)
    found = []
    for value in sorted(sums, key=lambda value: (value is None, str(value))):
        where = {**summary.choice.where, key: (_text(value),)}
        href = record_url(page.figures, measure, shown.filters, summary.choice.span, where)
        found.append((labels[value], sums[value], href, f"bar.{_text(value)}"))
    kind = kind_of_measure(measure, shown.meanings.get(measure, ""))
    # months stand in their order, all else by size
    return charts.bars(measure, key, kind, found, MOST_BARS, by_size=key != page.figures.day)


def lines(columns: Sequence[str], summary: Summary, shown: Shown, today: date) -> dict[str, Any] | None:
    """Values over time for the browser to draw; periods without figures are 0, and those to come left out."""
    choice = summary.choice
    found = dict(summary.periods)
    if not found or not columns:
        return None
    first = max(choice.span.start, min(found)) if choice.span.whole else choice.span.start
    last = max(found) if choice.span.whole else min(choice.span.end, max(today, *found))
    starts = list(shown.calendar.starts(Span(first, last), choice.grain))[-MOST_POINTS:]
    nothing = dict.fromkeys(columns, 0)
    kinds = {name: kind_of_measure(name, shown.meanings.get(name, "")) for name in columns}
    return {
        "labels": [shown.calendar.label(start, choice.grain) for start in starts],
        "short": [shown.calendar.short(start, choice.grain) for start in starts],
        "title": ", ".join(_within_sentence(name_of(name), index) for index, name in enumerate(columns)),
        "kind": kinds[columns[0]],
        "symbol": shown.format.symbol,
        "series": [
            {
                "name": name_of(name),
                "values": [_number(found.get(start, nothing)[name]) for start in starts],
                "texts": [shown.format.value(kinds[name], found.get(start, nothing)[name]) for start in starts],
            }
            for name in columns
        ],
    }


def label_of(figures: Figures, key: str, row: Row, format_: Format) -> str:
    """What a key is called: its name where it has one."""
    names = figures.labels.get(key)
    value = row[key]
    if names and row.get(names[0]):
        return str(row[names[0]])
    if key == "due_month":
        return f"{value:%b %Y}" if value else "no due date"
    return format_.value("flag", value) if key == "overdue" else str(value)


def csv_rows(page: Page, summary: Summary, sort: str) -> Iterable[list[str]]:
    """Head and rows with every column and the exact values."""
    figures = page.figures
    keys = [*(["period_start"] if summary.choice.split else []), *table_keys(figures)]
    labels = [label for key, names in figures.labels.items() if key in keys for label in names]
    columns = [*keys, *labels, *figures.measures, *figures.ratios, *figures.shares, *figures.single]
    yield columns
    for row in sorted_rows(page, summary, sort):
        yield [plain(row.get(name)) for name in columns]


def _head(name: str, summary: Summary, shown: Shown, page: Page) -> Column:
    kind = "text" if name in table_keys(page.figures) else kind_of_measure(name, shown.meanings.get(name, ""))
    sort = shown.filters.sort or f"-{'period_start' if summary.choice.split else page.lead}"
    if page.lead == "due_month" and not shown.filters.sort:
        sort = "due_month"
    direction = {f"-{name}": "descending", name: "ascending"}.get(sort, "")
    key = name in {*table_keys(page.figures), "period_start"}
    following = name if (sort == f"-{name}" or (key and sort != name)) else f"-{name}"
    title = "Period" if name == "period_start" else name_of(name)
    return Column(
        name,
        title,
        shown.meanings.get(name, ""),
        kind in LEFT or key,
        shown.filters.url(page.path, sort=following),
        direction,
    )


def _key_cell(figures: Figures, key: str, row: Row, shown: Shown, grain: str) -> Cell:
    if key == "period_start":
        return Cell(shown.calendar.label(row[key], grain), plain(row[key]), left=True)
    text = label_of(figures, key, row, shown.format) or MISSING
    return Cell(text, plain(row[key]), left=True, muted=text.startswith("("))


def _names(figures: Figures) -> Mapping[str, str]:
    return {key: names[0] for key, names in figures.labels.items()}


def _within_sentence(name: str, place: int) -> str:
    return name if place == 0 or name[:2].isupper() else name[0].lower() + name[1:]


def _within(calendar: Calendar, start: date, grain: str, span: Span) -> Span:
    return Span(max(start, span.start), min(calendar.end(start, grain), span.end))


def _text(value: Any) -> str:  # noqa: ANN401 - a key of any kind
    return "" if value is None else str(value)


def _number(value: Any) -> float | None:  # noqa: ANN401 - a number of any kind
    return None if value is None else round(float(value), 6)
