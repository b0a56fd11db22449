"""Rows as CSV that a spreadsheet opens without computing anything."""

import csv
import io
from collections.abc import Iterable, Sequence

_FORMULA = ("=", "+", "@", "\t", "\r")


def csv_text(rows: Iterable[Sequence[str]]) -> str:
    """RFC 4180; a text that would be taken for a formula has a `'` before it."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows([_harmless(cell) for cell in row] for row in rows)
    return out.getvalue()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) or (cell.startswith("-") and not _is_number(cell)) else cell


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
