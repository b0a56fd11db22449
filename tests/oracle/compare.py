"""Rows of a view against rows of the oracle: what differs, in lines that a person can read."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from tests.oracle.reports import ANY, Near, Row
from tests.oracle.state import EPOCH

FLOAT = 1e-9


def differences(view: str, shown: Sequence[Row], wanted: Sequence[Row]) -> list[str]:
    """One line for every row that is missing, too many, or has another figure; empty when the views agree.

    Rows are matched by their columns without figures. A row in which nothing was counted may be there or not.
    """
    if not wanted:
        return [f"{view}: unexpected row {row}" for row in shown]
    keys = [name for name, value in wanted[0].items() if name not in _figures(wanted)]
    found: list[str] = []
    mine = {tuple(_plain(row[name]) for name in keys): row for row in wanted}
    theirs: dict[tuple[Any, ...], Row] = {}
    for row in shown:
        key = tuple(_plain(row[name]) for name in keys)
        if key in theirs:
            found.append(f"{view}: two rows {dict(zip(keys, key, strict=True))}")
        theirs[key] = row
    if shown and set(shown[0]) != set(wanted[0]):
        found.append(f"{view}: columns {sorted(set(shown[0]) ^ set(wanted[0]))} on one side only")
    for key in sorted(mine.keys() | theirs.keys(), key=str):
        at = ", ".join(f"{name}={value}" for name, value in zip(keys, key, strict=True))
        if key not in theirs:
            if not _nothing(mine[key], keys):
                found.append(f"{view}: no row {at}; wanted {_shown(mine[key], keys)}")
        elif key not in mine:
            if not _nothing(theirs[key], keys):
                found.append(f"{view}: unexpected row {at}: {_shown(theirs[key], keys)}")
        else:
            found += [
                f"{view}: {at}: {name} is {theirs[key].get(name)!r}, wanted {_text(value)}"
                for name, value in mine[key].items()
                if name in theirs[key] and not _same(theirs[key][name], value)
            ]
    return found


def _figures(rows: Sequence[Row]) -> set[str]:
    return {name for row in rows for name, value in row.items() if value is ANY or isinstance(value, Near)} | {
        name
        for name in rows[0]
        # ratios that no row has
        if all(row[name] is None for row in rows) and not name.endswith(("_date", "_month", "_at", "_day"))
    }


def _nothing(row: Row, keys: Sequence[str]) -> bool:
    """Whether all figures of a row are nothing, or may have been rounded to it."""
    for name, figure in row.items():
        if name not in keys and figure is not None and figure is not ANY:
            value, tolerance = figure if isinstance(figure, Near) else (figure, 0)
            if abs(value) > tolerance:
                return False
    return True


def _plain(value: Any) -> Any:
    """Keys of both sides in one form; instants as microseconds."""
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=EPOCH.tzinfo)
        moment = aware - EPOCH
        return (moment.days * 86400 + moment.seconds) * 1_000_000 + moment.microseconds
    if isinstance(value, list):
        return tuple(value)
    return int(value) if isinstance(value, bool) else value


def _same(shown: Any, wanted: Any) -> bool:
    if wanted is ANY:
        return True
    if not isinstance(wanted, Near):
        return bool(_plain(shown) == _plain(wanted))
    if shown is None or isinstance(shown, str):
        return False
    off = abs(Fraction(shown) - wanted.value)
    exact = isinstance(shown, (int, Decimal))
    return off <= wanted.tolerance + (0 if exact else Fraction(FLOAT) * max(1, abs(wanted.value)))


def _text(value: Any) -> str:
    if isinstance(value, Near):
        return f"{float(value.value):.10g}" + (f" +- {float(value.tolerance):.4f}" if value.tolerance else "")
    return repr(value)


def _shown(row: Row, keys: Sequence[str]) -> str:
    return ", ".join(
        f"{name} {_text(value)}" for name, value in row.items() if name not in keys and value not in (None, 0)
    )
