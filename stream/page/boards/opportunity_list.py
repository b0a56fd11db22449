"""Every opportunity as a record, by status."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from schemas import entity_key
from stream.page.asked import Asked, record_url
from stream.page.format import name_of, plain
from stream.page.reading import Rows
from stream.page.summary import conditions_of
from stream.page.tables import Cell

ROWS = 100
MOST_ROWS = 100_000
"""In CSV."""

_STATUSES = ("open", "won", "lost", "all")
_COLUMNS = (
    "opportunity_id", "subject", "contact", "account", "owner", "team", "stage", "status", "due_date", "age_days",
    "probability", "amount",
)  # fmt: skip
_KEYS = ("owner_id", "team", "stage", "account_id")


async def opportunity_list(asked: Asked) -> dict[str, Any]:
    """Read one page of it."""
    status, found, total = await _read(asked, asked.number, ROWS)
    columns = [name for name in _COLUMNS if name != "status" or status == "all"]
    return {
        "title": "Opportunity list",
        "question": asked.views["opportunity_list"].title,
        "keys": _KEYS,
        "choice": asked.choice("pipeline"),
        "status": status,
        "statuses": _STATUSES,
        "count": total,
        "number": asked.number,
        "pages": max(1, -(-total // ROWS)),
        "heads": [(name_of(name), name not in {"age_days", "probability", "amount"}) for name in columns],
        "rows": [_row(asked, columns, row) for row in found.rows],
    }


async def opportunity_list_csv(asked: Asked) -> tuple[str, Iterable[Sequence[str]]]:
    """All of it, with all columns."""
    _, found, _ = await _read(asked, 1, MOST_ROWS)
    rows = [[plain(row[name]) for name in found.columns] for row in found.rows]
    return "opportunity-list", [list(found.columns), *rows]


async def _read(asked: Asked, number: int, most: int) -> tuple[str, Rows, int]:
    """The status asked for, a page of the list, and how many there are."""
    status = asked.word("status", _STATUSES, "open")
    conditions, values = conditions_of(asked.filters.only(_KEYS))
    if status != "all":
        conditions.append("status = {status:String}")
        values["status"] = status
    where = " AND ".join(conditions) or "1"
    found, count = await asyncio.gather(
        asked.reader.query(
            f"SELECT * FROM opportunity_list WHERE {where} ORDER BY estimated_revenue DESC, opportunity_id "  # noqa: S608 - names of ours
            f"LIMIT {most:d} OFFSET {(number - 1) * most:d}",
            values,
        ),
        asked.reader.query(f"SELECT count() AS opportunities FROM opportunity_list WHERE {where}", values),  # noqa: S608 - names of ours
    )
    return status, found, count.rows[0]["opportunities"]


def _row(asked: Asked, columns: Sequence[str], row: Mapping[str, Any]) -> list[Cell]:
    kinds = {"age_days": "count", "probability": "percent"}
    cells = []
    for name in columns:
        value = row[name]
        if name == "amount":
            cells.append(Cell(f"{row['currency']} {value:,.2f}", plain(value)))
        elif name in kinds:
            cells.append(Cell(asked.format.value(kinds[name], value), plain(value)))
        else:
            text = asked.format.value("text", value if value != "" else None)
            late = name == "due_date" and row["overdue"]
            href = record_url(entity_key("opportunity", row["opportunity_id"])) if name == "opportunity_id" else ""
            cells.append(Cell(f"{text} (overdue)" if late else text, plain(value), href, left=True))
    return cells
