"""From a figure to its records: exactly those that it counts, so that their amounts add up to it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sinks.figures import FAMILIES, Counted
from stream.page.filters import BadRequest
from stream.page.reading import Reader, Rows
from stream.page.summary import Choice, conditions_of

PAGE_ROWS = 100
MOST_ROWS = 100_000
"""In CSV."""

SHOWN: Mapping[str, tuple[str, ...]] = {
    "leads": ("record", "created_at", "channel", "source", "campaign_id", "reached_stage", "owner_id"),
    "credits": ("opportunity_id", "day", "lead_id", "touch_id", "channel", "source", "campaign_id"),
    "spend": ("record", "day", "platform", "campaign_id", "category", "amount", "currency"),
    "opportunities": (
        "record",
        "owner_id",
        "stage",
        "status",
        "created_day",
        "closed_day",
        "due_date",
        "amount",
        "currency",
    ),
    "calls": ("record", "started_at", "rep_id", "direction", "status", "talk_seconds", "lead_id"),
}
"""What is shown of a record of each family."""

NAMES = {
    "leads": ("lead", "leads"),
    "credits": ("credit of a won deal", "credits of won deals"),
    "spend": ("spend figure", "spend figures"),
    "opportunities": ("opportunity", "opportunities"),
    "calls": ("call", "calls"),
}
LABELS = {"campaign_id": "campaign", "owner_id": "owner", "rep_id": "rep"}


@dataclass(frozen=True)
class Part:
    """The records of one family that a figure counts: how many, their sum, and a page of them by size."""

    family: str
    columns: Sequence[str]
    count: int
    total: Any
    found: Rows


async def records(reader: Reader, choice: Choice, measure: str, *, page: int, most: int = PAGE_ROWS) -> list[Part]:
    """The records of a measure under the filters of `choice`. Raises `BadRequest`, `Unavailable`."""
    counted = choice.figures.measures.get(measure)
    if counted is None:
        raise BadRequest(f"{choice.figures.view} has no measure {measure}")
    if not counted:
        raise BadRequest(f"{measure} is no sum of records: it comes with the campaign")
    return list(await asyncio.gather(*(_part(reader, choice, each, page, most) for each in counted)))


async def _part(reader: Reader, choice: Choice, counted: Counted, page: int, most: int) -> Part:
    family = FAMILIES[counted.family]
    amount = counted.amount.replace("$model", choice.model)
    conditions, values = conditions_of({counted.keys.get(key, key): chosen for key, chosen in choice.where.items()})
    conditions += [counted.where, f"({amount}) != 0"]
    if choice.figures.has_periods:
        conditions.append(f"{counted.day} >= {{start:Date}} AND {counted.day} <= {{end:Date}}")
        values |= {"start": choice.span.start, "end": choice.span.end}
    columns = SHOWN[counted.family]
    labels = [LABELS[column] for column in columns if column in LABELS]
    source = f"FROM {family.view} WHERE {' AND '.join(conditions)}"
    shown = ", ".join(dict.fromkeys(("record", "entity", *columns, *labels)))
    found, total = await asyncio.gather(
        reader.query(
            f"SELECT {shown}, {amount} AS counted {source} "
            f"ORDER BY abs(counted) DESC, record LIMIT {most:d} OFFSET {(page - 1) * most:d}",
            values,
        ),
        reader.query(f"SELECT count() AS records, sum({amount}) AS total {source}", values),
    )
    return Part(counted.family, columns, total.rows[0]["records"], total.rows[0]["total"], found)
