"""How results are shown: a table for people, JSON or CSV for programs."""

import csv
import logging
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from io import TextIOWrapper
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from cyclopts import Parameter
from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

AsJson = Annotated[bool, Parameter(name="--json", negative="")]
AsCsv = Annotated[bool, Parameter(name="--csv", negative="")]

MISSING = "—"
_PIPED_WIDTH = 2000
"""Where nothing says how wide the output may be, nothing is cut."""
_GAP = 2
_LEAST_TEXT = 14
"""What a name keeps of its length in a terminal that is too narrow: `(unattributed)` is this long."""
_LONGEST_LABEL = 32
_LONGEST_BAR = 40
_encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=str)
_PERCENT = re.compile(
    r"(_rate|share|_ratio|_conversion|_by_amount|_to_(lead|mofu|bofu|customer))$|^(ctr|roi|attainment)$"
)
_MONEY = re.compile(r"revenue|spend|cost|amount|margin|contribution|budget|operating_result")
_FIGURE = re.compile(r"[-+]?[\d.,:%/TZ +-]*|—")


class Rows(NamedTuple):
    """A result: column names, their ClickHouse types, and the rows."""

    columns: Sequence[str]
    types: Sequence[str]
    rows: Sequence[Sequence[Any]]


def log_to_stderr(level: str, **libraries: str) -> None:
    """Log from this level on to stderr; of the libraries named, from theirs on."""
    shown = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(level=level.upper(), stream=sys.stderr, format=shown)
    for name, own in libraries.items():
        logging.getLogger(name).setLevel(own)


def stdout() -> Console:
    """Where results go."""
    return Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH)


def stderr() -> Console:
    """Where progress and notes go."""
    return Console(stderr=True, width=None if sys.stderr.isatty() else _PIPED_WIDTH)


def printable(value: bytes) -> str:
    """What may be shown on a terminal of bytes from outside: control characters, which could drive it, are escaped."""
    shown = value.decode("utf-8", "backslashreplace")
    return "".join(each if each.isprintable() or each in "\n\t" else ascii(each)[1:-1] for each in shown)


def write_json(value: object) -> None:
    """Print one JSON document; decimals as numbers with all their digits."""
    _in_utf8()
    sys.stdout.write(_encoder.encode(value).decode() + "\n")


def write_records(found: Rows) -> None:
    """Print a JSON array of objects, one for each row."""
    write_json([dict(zip(found.columns, row, strict=True)) for row in found.rows])


def write_csv(found: Rows) -> None:
    """Print a header and the rows as CSV; NULL is an empty field."""
    _in_utf8()
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(found.columns)
    writer.writerows([_plain(value) for value in row] for row in found.rows)


def _in_utf8() -> None:
    """What programs read is UTF-8, whatever a terminal can show: no character is replaced."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="strict")


def table_of(
    found: Rows, title: str = "", *, important: Sequence[str] = (), elsewhere: str = "a wider terminal or --json"
) -> RenderableType:
    """Lay a result out as a table: numbers to the right, each by its column's kind.

    In a terminal that it is too wide for, whole columns are left out, the `important` ones last, the first of them
    very last; a line below says which, and that they are `elsewhere`.
    """
    return _Table(_columns(found), title, important, elsewhere)


def with_names(found: Rows) -> Rows:
    """Put the id where its name is blank: `(none)` in `campaign_id` is `(none)` in `campaign` too."""
    ids = {
        at: found.columns.index(f"{name}_id") for at, name in enumerate(found.columns) if f"{name}_id" in found.columns
    }
    rows = [
        [row[ids[at]] if at in ids and value == "" else value for at, value in enumerate(row)] for row in found.rows
    ]
    return Rows(found.columns, found.types, rows)


@dataclass(frozen=True, eq=False)
class _Column:
    """A column of a table as it is shown."""

    name: str
    cells: Sequence[str]
    is_number: bool
    whole: bool
    """Whether its values are never cut: numbers, dates and times, also those that come as text."""

    @cached_property
    def is_empty(self) -> bool:
        return bool(self.cells) and all(cell in ("", MISSING) for cell in self.cells)

    @cached_property
    def is_same(self) -> bool:
        """Whether all rows have one value, which can be said once."""
        return len(self.cells) > 1 and not self.is_empty and len(set(self.cells)) == 1

    @cached_property
    def said(self) -> str:
        """The one value, as a title says it."""
        return f"{self.name} {self.cells[0]}"

    @cached_property
    def width(self) -> int:
        return max(cell_len(line) for cell in (self.name, *self.cells) for line in cell.splitlines() or [""])

    @cached_property
    def least(self) -> int:
        return self.width if self.whole else max(cell_len(self.name), min(self.width, _LEAST_TEXT))


def _columns(found: Rows) -> list[_Column]:
    formats = [format_of(name, kind) for name, kind in zip(found.columns, found.types, strict=True)]
    shown = [[show(value) for show, value in zip(formats, row, strict=True)] for row in found.rows]
    if "metric" in found.columns:
        # Such a row's decimals are what its metric is.
        metric = found.columns.index("metric")
        decimals = [at for at, kind in enumerate(found.types) if "Decimal" in kind]
        for row, cells in zip(found.rows, shown, strict=True):
            if _MONEY.search(str(row[metric])):
                for at in decimals:
                    cells[at] = _money(row[at])
    columns = []
    for at, (name, kind) in enumerate(zip(found.columns, found.types, strict=True)):
        cells = [row[at] for row in shown]
        number = is_number(kind)
        whole = number or "Date" in kind or all(_FIGURE.fullmatch(cell) for cell in cells)
        columns.append(_Column(name, cells, number, whole))
    return columns


@dataclass(frozen=True)
class _Table:
    """A table that is laid out when the width is known."""

    columns: Sequence[_Column]
    title: str
    important: Sequence[str]
    elsewhere: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room = options.max_width
        # What is piped has all columns: there is no terminal to make wider.
        left_out = self._left_out(room) if console.is_terminal else []
        shown = [column for column in self.columns if column not in left_out]
        said = [column for column in left_out if column.is_same]
        missing = [column.name for column in left_out if not column.is_same]
        title = [self.title] if self.title else []
        title += [column.said for column in said if column.said not in self.title]
        if title:
            yield Text(", ".join(title), style="bold")
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
        for column, width in zip(shown, _widths(shown, room), strict=True):
            justify: Literal["left", "right"] = "right" if column.is_number else "left"
            table.add_column(Text(column.name), justify=justify, no_wrap=True, overflow="ellipsis", width=width)
        for cells in zip(*(column.cells for column in shown), strict=True):
            table.add_row(*map(Text, cells))
        yield from _trimmed(console, options, table)
        if missing:
            left = f"{len(missing)} column{'s' if len(missing) > 1 else ''} left out ({', '.join(missing)})"
            yield Text(f"{left}: {self.elsewhere} has {'them' if len(missing) > 1 else 'it'}", style="dim")
        yield Text()

    def _left_out(self, room: int) -> list[_Column]:
        """Find what to leave out, first what costs the reader least: what can be said once, then what is empty."""
        backwards = self.columns[::-1]
        names = {column.name for column in self.columns}
        important = list(dict.fromkeys([self.columns[0].name, *self.important]))
        ids = {f"{name}_id" for name in names}
        order = [column for column in backwards if column.is_same and column.said in self.title]
        order += [column for column in backwards if column.is_same]
        order += [column for column in backwards if column.is_empty]
        order += [column for column in backwards if column.name in ids]
        order += [column for column in backwards if column.name not in important]
        order += [column for name in reversed(important) for column in backwards if column.name == name]
        shown = list(self.columns)
        for column in order:
            if len(shown) == 1 or sum(each.least for each in shown) + _GAP * (len(shown) - 1) <= room:
                break
            if column in shown:
                shown.remove(column)
        return [column for column in self.columns if column not in shown]


def _widths(columns: Sequence[_Column], room: int) -> list[int]:
    """Take from the widest text, one by one, what is too much; from the first column last, which names the row."""
    widths = [column.width for column in columns]
    for _ in range(sum(widths) + _GAP * (len(columns) - 1) - room):
        spare = [at for at, column in enumerate(columns) if widths[at] > column.least]
        if not spare:
            break
        widths[max(spare, key=lambda at: (at > 0, widths[at]))] -= 1
    return widths


def _trimmed(console: Console, options: ConsoleOptions, table: Table) -> Iterator[Segment]:
    """Render without the blanks that fill a line up."""
    for line in console.render_lines(table, options, pad=False):
        while line and not line[-1].text.strip():
            line.pop()
        if line:
            yield from line[:-1]
            yield Segment(line[-1].text.rstrip(), line[-1].style)
        yield Segment.line()


def is_number(kind: str) -> bool:
    """Whether values of this ClickHouse type are numbers."""
    return re.match(r"(Nullable\()?(Decimal|Float|U?Int)", kind) is not None


def format_of(name: str, kind: str) -> Callable[[Any], str]:
    """Give the function that shows a column's values: money, ratio, count, date or text."""
    if "Decimal(38, 4)" in kind:
        return _money
    if "Decimal" in kind:
        return _shown(lambda value: f"{value.normalize():,f}")
    if "Float" in kind:
        percent = _PERCENT.search(name) is not None
        return _shown((lambda value: f"{value:,.1%}") if percent else (lambda value: f"{value:,.2f}"))
    if is_number(kind):
        return _shown(lambda value: f"{value:,}")
    return _shown(_plain)


def bars(labelled: Sequence[tuple[str, Any]], show: Callable[[Any], str], title: str) -> RenderableType:
    """Draw one bar a label, to the scale of the greatest; a negative value has none."""
    return _Bars([(label, float(value), show(value)) for label, value in labelled], title)


@dataclass(frozen=True)
class _Bars:
    """Bars that are as long as the width allows: first they get shorter, then the labels; numbers are never cut."""

    bars: Sequence[tuple[str, float, str]]
    title: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        numbers = max((cell_len(number) for *_, number in self.bars), default=0)
        room = max(options.max_width - numbers - 2 * _GAP, 0)
        labels = min(max((cell_len(label) for label, *_ in self.bars), default=0), _LONGEST_LABEL)
        labels = min(labels, max(room // 2, _LEAST_TEXT), max(options.max_width - numbers - _GAP, 1))
        width = min(max(room - labels, 0), _LONGEST_BAR)
        greatest = max((value for _, value, _ in self.bars), default=0.0)
        yield Text(self.title, style="bold")
        chart = Table(box=None, show_header=False, pad_edge=False, padding=(0, _GAP, 0, 0))
        chart.add_column(no_wrap=True, overflow="ellipsis", width=labels)
        if width:
            chart.add_column(no_wrap=True)
        chart.add_column(justify="right", no_wrap=True, width=numbers)
        for label, value, number in self.bars:
            eighths = round(width * 8 * value / greatest) if greatest > 0 and value > 0 else 0
            bar = "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()
            drawn = [Text(bar, style="cyan")] if width else []
            chart.add_row(Text(label), *drawn, Text(number))
        yield from _trimmed(console, options, chart)


def pairs(title: str, values: Mapping[str, object]) -> RenderableType:
    """Lay out names and values, one a line."""
    return table_of(Rows(["name", "value"], ["String", "String"], [[k, str(v)] for k, v in values.items()]), title)


def _shown(show: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda value: MISSING if value is None else show(value)


_money = _shown(lambda value: f"{value:,.2f}")


def _plain(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, list | tuple | dict):
        return _encoder.encode(value).decode()
    return str(value)
