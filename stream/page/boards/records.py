"""From a figure to its records: exactly those that it is made of (`stream/recipes.py`), so that they add up to it."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from stream.explain import documents_of
from stream.figures import REPORTS, Figures
from stream.page.asked import Asked, record_url
from stream.page.filters import BadRequest
from stream.page.format import MISSING, Format, kind_of, kind_of_measure, name_of, plain
from stream.page.reading import Reader, Rows
from stream.page.summary import Choice
from stream.page.tables import Cell
from stream.recipes import RECIPES, Part, Records

PAGE_ROWS = 100
MOST_ROWS = 100_000
"""In CSV."""

SHOWN: Mapping[str, tuple[str, ...]] = {
    "lead": ("lead_id", "day", "channel", "source", "campaign_id", "reached_stage"),
    "credit": ("opportunity_id", "day", "lead_id", "touch_id", "channel", "source", "campaign_id"),
    "spend": ("day", "platform", "campaign_id", "category", "given_amount", "currency"),
    "opportunity": ("opportunity_id", "day", "owner_id", "stage", "status", "given_amount", "currency"),
    "call": ("call_id", "day", "rep_id", "direction", "lead_id", "answered", "talk_seconds"),
    "budget": ("campaign_id", "day", "given_amount", "currency"),
    "target": ("scope", "month", "metric"),
    "checked": ("id", "what"),
}
"""What is shown of a record of each kind, the name first."""

NAMES = {
    "lead": ("lead", "leads"),
    "credit": ("credit of a won deal", "credits of won deals"),
    "spend": ("spend figure", "spend figures"),
    "opportunity": ("opportunity", "opportunities"),
    "call": ("call", "calls"),
    "budget": ("budget", "budgets"),
    "target": ("target", "targets"),
    "checked": ("record", "records"),
}
LEFT = frozenset({"text", "date", "flag"})
LABELS = {"campaign_id": "campaign", "owner_id": "owner", "rep_id": "rep"}


async def records(asked: Asked) -> dict[str, Any]:
    """Read a page of the records of the figure that the address names. Raises `BadRequest`, `Unavailable`."""
    figures, measure = _figure(asked.request)
    choice = asked.choice(figures.report)
    groups = await _groups(asked.reader, choice, measure, asked.number, PAGE_ROWS)
    meaning = asked.meanings(figures.report).get(measure, "")
    kind = kind_of_measure(measure, meaning)
    if figures.report == "targets":  # one column for all metrics
        kind = "money" if choice.where.get("metric") == ("revenue",) else "count"
    total = sum(group.total or 0 for group in groups)
    return {
        "title": f"{name_of(measure)}: records",
        "question": "",
        "keys": figures.keys,
        "choice": choice,
        "figures": figures,
        "back": {"targets": "/targets", "quality": "/quality"}.get(figures.report, f"/report/{figures.report}"),
        "figure": asked.format.value(kind, total),
        "exact": plain(total),
        "measure": measure,
        "meaning": meaning,
        "groups": [_table(group, kind, asked.format) for group in groups],
        "names": NAMES,
        "number": asked.number,
        "pages": max(-(-group.count // PAGE_ROWS) for group in groups),
    }


async def records_csv(asked: Asked) -> tuple[str, Iterable[Sequence[str]]]:
    """All of them; the kinds one below the other."""
    figures, measure = _figure(asked.request)
    groups = await _groups(asked.reader, asked.choice(figures.report), measure, 1, MOST_ROWS)
    return f"{figures.report}-{measure}", _rows(groups)


def _figure(request: web.Request) -> tuple[Figures, str]:
    name = request.match_info["report"]
    if name not in REPORTS:
        raise web.HTTPNotFound(text=f"there is no report {name}")
    return REPORTS[name], request.match_info["measure"]


def _table(group: "_Group", kind: str, format_: Format) -> dict[str, Any]:
    kinds = {name: kind_of(name, type_) for name, type_ in group.found.types.items()}
    rows = []
    for row in group.found.rows:
        cells = []
        for name in group.columns:
            label = row.get(LABELS.get(name, ""), "") or row[name]
            href = record_url(row["entity"]) if name == group.columns[0] else ""
            text = format_.value(kinds[name], label) if label != "" else MISSING
            cells.append(Cell(text, plain(row[name]), href, left=kinds[name] in LEFT))
        cells.append(Cell(format_.value(kind, row["counted"]), plain(row["counted"])))
        rows.append(cells)
    return {
        "kind": group.kind,
        "count": group.count,
        "heads": [(name_of(name), kinds.get(name) in LEFT) for name in group.columns],
        "rows": rows,
        "total": format_.value(kind, group.total),
    }


def _rows(groups: Sequence["_Group"]) -> Iterable[list[str]]:
    for number, group in enumerate(groups):
        columns = list(group.found.columns)
        if number:
            yield []
        yield columns
        for row in group.found.rows:
            yield [plain(row[name]) for name in columns]


@dataclass(frozen=True)
class _Group:
    """The records of one kind that a figure is made of: how many, their sum, and a page of them by size.

    Rows have the shown columns, `entity`, and `counted`: what a record adds.
    """

    kind: str
    columns: Sequence[str]
    count: int
    total: Any
    found: Rows


async def _groups(reader: Reader, choice: Choice, measure: str, page: int, most: int) -> list[_Group]:
    """The records of a measure under the filters of `choice`, by kind. Raises `BadRequest`, `Unavailable`."""
    view = choice.figures.view
    parts = RECIPES[view].columns.get(measure)
    if parts is None:
        raise BadRequest(f"{view} has no measure {measure}")
    kinds: dict[str, list[Part]] = {}
    for part in parts:
        kinds.setdefault(part.records.kind, []).append(part)
    return list(await asyncio.gather(*(_group(reader, choice, each, page, most) for each in kinds.values())))


async def _group(reader: Reader, choice: Choice, parts: Sequence[Part], page: int, most: int) -> _Group:
    kind = parts[0].records
    columns = SHOWN[kind.kind]
    needed = tuple(dict.fromkeys((*columns, *kind.identity, *_labels(columns), *_for_entity(kind), "root")))
    values: dict[str, Any] = {}
    source = " UNION ALL ".join(_select(choice, part, needed, values) for part in parts)
    if len(parts) > 1:  # a deal adds its revenue and takes off its cost: one record
        names = ", ".join(needed)
        source = f"SELECT {names}, sum(counted) AS counted FROM ({source}) GROUP BY {names} HAVING counted != 0"  # noqa: S608 - names of ours
    found, total = await asyncio.gather(
        reader.query(
            f"SELECT * FROM ({source}) ORDER BY abs(counted) DESC, {', '.join(kind.identity)} "  # noqa: S608 - names of ours
            f"LIMIT {most:d} OFFSET {(page - 1) * most:d}",
            values,
        ),
        reader.query(f"SELECT count() AS records, sum(counted) AS total FROM ({source})", values),  # noqa: S608 - names of ours
    )
    rows = [{**row, "entity": _entity(kind, row)} for row in found.rows]
    return _Group(
        kind.kind,
        columns,
        total.rows[0]["records"],
        total.rows[0]["total"],
        Rows([*found.columns, "entity"], {**found.types, "entity": "String"}, rows),
    )


def _select(choice: Choice, part: Part, columns: Sequence[str], values: dict[str, Any]) -> str:
    """What one part adds, record by record, under the conditions of the figure."""
    conditions = [f"({part.value}) != 0", *([part.where] if part.where else [])]
    where = dict(choice.where)
    if choice.figures.has_model:
        where["model"] = (choice.model,)
    for number, (key, chosen) in enumerate(where.items()):
        conditions.append(f"has({{where_{number}:Array(String)}}, ifNull(toString({part.keys.get(key, key)}), ''))")
        values[f"where_{number}"] = list(chosen)
    if choice.figures.has_periods:
        day = part.keys.get("day", "day")
        conditions.append(f"{day} >= {{start:Date}} AND {day} <= {{end:Date}}")
        values |= {"start": choice.span.start, "end": choice.span.end}
    source = part.records.view
    if part.array_join:
        # the function: an ARRAY JOIN clause over the view's own is an error in the engine (its names meet)
        array, _, name = part.array_join.rpartition(" AS ")
        source = f"(SELECT *, arrayJoin({array}) AS {name} FROM {source})"  # noqa: S608 - names of ours
    return (
        f"SELECT {', '.join(columns)}, toDecimal256({part.value}, 32) AS counted FROM {source} "  # noqa: S608 - names of ours
        f"WHERE {' AND '.join(conditions)}"
    )


def _labels(columns: Sequence[str]) -> list[str]:
    return [LABELS[column] for column in columns if column in LABELS]


def _for_entity(kind: Records) -> tuple[str, ...]:
    return ("lead_id",) if "lead_id" in kind.facts else ()


def _entity(kind: Records, row: Mapping[str, Any]) -> str:
    """The key of the record itself, '' for what has none."""
    texts = {name: str(row[name]) for name in (*kind.identity, *_for_entity(kind))}
    return next(iter(documents_of(kind.kind, texts, texts, str(row["root"]))), "")
