"""One record: what counts of it now, and who said what of it (`stream/provenance.py`), field by field."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import msgspec
from aiohttp import web
from clickhouse_connect.driver.client import Client

from schemas import decode_key
from stream.flow import id_of, kind_of, touch_ids
from stream.page.asked import Asked, record_url
from stream.page.filters import BadRequest
from stream.page.format import Format, plain
from stream.page.reading import Reader
from stream.provenance import Documents, Said, said

KINDS = frozenset(
    {"lead", "opportunity", "call", "touch", "spend", "campaign", "rep", "account", "rate", "benchmark", "target"}
)
MOST_LINKED = 200
_FACTS = {
    "lead": ("fact_leads", "lead_id = {id:String} OR has(merged_ids, {id:String})"),
    "opportunity": ("fact_opportunities", "opportunity_id = {id:String}"),
    "call": ("fact_calls", "call_id = {id:String}"),
    "touch": ("fact_touches", "lead_id = {lead:String} AND touch_id = {id:String}"),
    "spend": ("fact_spend", "root = {entity:String}"),
}
_HIDDEN = frozenset(
    {"root", "stages", "has_utm", "has_origin", "has_amount", "stage_mapped", "rate_day", "due_month", "overdue", "own"}
)
"""Columns for machines."""


async def record(asked: Asked) -> dict[str, Any]:
    """Read the record `entity`; raises 404 where nothing is known of it."""
    entity = asked.request.query.get("entity", "")
    found = await _explained(asked.reader, entity, asked.state.partitions)
    if found is None:
        raise web.HTTPNotFound(text=f"nothing is known of {entity[:300]}")
    linked: dict[str, list[tuple[str, str]]] = {}
    for each in found.linked:
        linked.setdefault(kind_of(each), []).append((each.partition(":")[2], record_url(each)))
    return {
        "title": f"{found.kind.capitalize()} {found.name}",
        "question": "",
        "keys": (),
        "choice": None,
        "record": found,
        "facts": [
            (name, _fact_text(value, asked.format)) for name, value in found.facts.items() if not _missing(value)
        ],
        "linked": list(linked.items()),
        "said": [_said_row(each, found.people) for each in found.said],
    }


def _missing(value: Any) -> bool:  # noqa: ANN401 - a column of any type
    return value is None or value == "" or value == []


def _fact_text(value: Any, format_: Format) -> str:  # noqa: ANN401 - a column of any type
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return format_.value("date", value) if isinstance(value, date) else plain(value)


def _said_row(each: Said, people: Mapping[str, str]) -> Mapping[str, Any]:
    value = people.get(each.field, "") if each.personal else each.value
    if value is None:
        value = "cleared"
    return {
        "field": each.field,
        "value": plain(value) if not isinstance(value, list | dict) else msgspec.json.encode(value).decode(),
        "time": each.time,
        "source": each.source,
        "event": each.event_id,
        "current": each.current,
    }


@dataclass(frozen=True)
class _Explained:
    """A record.

    `facts` is its row of the view `view`, empty if it does not count; `linked` are the entities that belong to it or
    that it belongs to; `more` says how many of them are left out.
    """

    entity: str
    kind: str
    name: str
    erased: bool
    said: Sequence[Said]
    people: Mapping[str, str]
    view: str
    facts: Mapping[str, Any]
    linked: Sequence[str]
    more: int


async def _explained(reader: Reader, entity: str, partitions: int) -> _Explained | None:
    """Read a record by its key; None where nothing is known of it. Raises `BadRequest`, `Unavailable`."""
    try:
        kind, parts = decode_key(entity)
    except ValueError:
        raise BadRequest(f"{entity} is no record's key") from None
    if kind not in KINDS:
        raise BadRequest(f"there are no records of kind {kind}")
    name = id_of(entity) if kind in {"lead", "opportunity", "call"} else " / ".join(part for part in parts if part)
    return await reader.work(lambda client: _read(client, entity, kind, name, partitions))


def _read(client: Client, entity: str, kind: str, name: str, partitions: int) -> _Explained | None:
    documents = Documents(client, partitions)
    if kind == "touch":  # it lives with its lead
        lead = f"lead:{entity[6 : entity.index('/')]}"
        document = documents.counted(lead).get(entity)
    else:
        document = documents.own(entity)
    if document is None or document.empty:
        return None
    people = client.query(
        "SELECT field, value FROM people_latest WHERE entity = {entity:String} AND value != '' ORDER BY field",
        parameters={"entity": entity},
    ).result_rows
    view, facts = "", {}
    if kind in _FACTS:
        view, condition = _FACTS[kind]
        values = {"entity": entity, "id": name}
        if kind == "touch":
            values["lead"], values["id"] = touch_ids(entity)
        found = client.query(f"SELECT * FROM {view} WHERE {condition} LIMIT 1", parameters=values)  # noqa: S608 - names of ours
        rows = [dict(zip(found.column_names, row, strict=True)) for row in found.result_rows]
        facts = {column: value for column, value in (rows[0] if rows else {}).items() if column not in _HIDDEN}
    node = documents.node(entity) if kind != "touch" else None
    linked = [lead] if kind == "touch" else [*sorted(node.to), *documents.counted(entity)] if node is not None else []
    linked = [each for each in dict.fromkeys(linked) if each != entity]
    linked.sort(key=lambda each: (kind_of(each) != "lead", kind_of(each), each))
    return _Explained(
        entity,
        kind,
        name,
        document.erased,
        said(entity, document),
        {str(field): str(value) for field, value in people},
        view,
        facts,
        linked[:MOST_LINKED],
        max(len(linked) - MOST_LINKED, 0),
    )
