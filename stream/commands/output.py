"""How results are shown: a table for people, JSON or CSV for programs."""

import csv
import logging
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, NamedTuple

import msgspec
from cyclopts import Parameter
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

AsJson = Annotated[bool, Parameter(name="--json", negative="")]
AsCsv = Annotated[bool, Parameter(name="--csv", negative="")]

MISSING = "—"
_PIPED_WIDTH = 2000
"""Where nothing says how wide the output may be, nothing is cut."""
_encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=str)
_PERCENT = re.compile(
    r"(_rate|share|_ratio|_conversion|_by_amount|_to_(lead|mofu|bofu|customer))$|^(ctr|roi|attainment)$"
)


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
    sys.stdout.write(_encoder.encode(value).decode() + "\n")


def write_records(found: Rows) -> None:
    """Print a JSON array of objects, one for each row."""
    write_json([dict(zip(found.columns, row, strict=True)) for row in found.rows])


def write_csv(found: Rows) -> None:
    """Print a header and the rows as CSV; NULL is an empty field."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(found.columns)
    writer.writerows([_plain(value) for value in row] for row in found.rows)


def table_of(found: Rows, title: str = "") -> Table:
    """Lay a result out as a table: numbers to the right, each by its column's kind."""
    table = Table(title=title or None, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", pad_edge=False)
    formats = [format_of(name, kind) for name, kind in zip(found.columns, found.types, strict=True)]
    for name, kind in zip(found.columns, found.types, strict=True):
        number = is_number(kind)
        table.add_column(
            Text(name), justify="right" if number else "left", no_wrap=True, overflow="ellipsis", min_width=3
        )
    for row in found.rows:
        table.add_row(*(Text(show(value)) for show, value in zip(formats, row, strict=True)))
    return table


def is_number(kind: str) -> bool:
    """Whether values of this ClickHouse type are numbers."""
    return re.match(r"(Nullable\()?(Decimal|Float|U?Int)", kind) is not None


def format_of(name: str, kind: str) -> Callable[[Any], str]:
    """Give the function that shows a column's values: money, ratio, count, date or text."""
    if "Decimal(38, 4)" in kind:
        return _shown(lambda value: f"{value:,.2f}")
    if "Decimal" in kind:
        return _shown(lambda value: f"{value.normalize():,f}")
    if "Float" in kind:
        percent = _PERCENT.search(name) is not None
        return _shown((lambda value: f"{value:,.1%}") if percent else (lambda value: f"{value:,.2f}"))
    if is_number(kind):
        return _shown(lambda value: f"{value:,}")
    return _shown(_plain)


def bars(labelled: Sequence[tuple[str, Any]], show: Callable[[Any], str], title: str, width: int = 40) -> Table:
    """Draw one bar a label, to the scale of the greatest; a negative value has none."""
    chart = Table(title=title, box=None, show_header=False, title_justify="left", title_style="bold", pad_edge=False)
    chart.add_column(justify="left", no_wrap=True, overflow="ellipsis", max_width=32)
    chart.add_column(justify="left", no_wrap=True)
    chart.add_column(justify="right", no_wrap=True)
    greatest = max((float(value) for _, value in labelled), default=0.0)
    for label, value in labelled:
        eighths = round(width * 8 * float(value) / greatest) if greatest > 0 and value > 0 else 0
        bar = "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()
        chart.add_row(Text(label), Text(bar, style="cyan"), Text(show(value)))
    return chart


def pairs(title: str, values: Mapping[str, object]) -> Table:
    """Lay out names and values, one a line."""
    return table_of(Rows(["name", "value"], ["String", "String"], [[k, str(v)] for k, v in values.items()]), title)


def _shown(show: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda value: MISSING if value is None else show(value)


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
