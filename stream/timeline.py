"""One person's whole journey: what happened around a lead, in order, and where it counts.

A lead that was merged counts with its group, at the group's root; the journey is the group's. Its records come from the
facts, the words that made them from the documents of the root, the personal values from the table of people alone.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from clickhouse_connect.driver.client import Client

from schemas import entity_key, instant_text
from sinks.client import bound_lists
from stream.flow import id_of, kind_of, root
from stream.fold import Document
from stream.provenance import Documents, Said, said
from stream.records import MODELS

MOST_DOCUMENTS = 200
"""Of so many entities a journey tells who said what; a catch-all lead may have a hundred thousand."""

_Row = Mapping[str, Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class UnknownLead(Exception):  # noqa: N818 - it says what is wrong
    """Nothing was ever said of this lead."""


@dataclass(frozen=True)
class Entry:
    """Something that happened: when (an instant in UTC), what, to which entity, and what there is to say of it.

    `source` and `event_id` name the event that said when, '' where it follows from others.
    """

    at: str
    what: str
    entity: str
    details: Mapping[str, Any]
    source: str = ""
    event_id: str = ""

    def as_json(self) -> dict[str, Any]:
        """As the commands print it."""
        said_by = {"source": self.source, "id": self.event_id} if self.source else None
        return {
            "at": self.at,
            "what": self.what,
            "entity": self.entity,
            "details": dict(self.details),
            "said_by": said_by,
        }


@dataclass(frozen=True)
class Credit:
    """What one touch is credited of one won deal, by each model: deals, revenue and cost, in the deal's currency."""

    opportunity_id: str
    touch_lead_id: str
    touch_id: str
    day: Any
    channel: str
    campaign_id: str
    currency: str
    models: Mapping[str, Mapping[str, Decimal]]


@dataclass(frozen=True)
class Journey:
    """A lead, and all that counts with it.

    `root` counts it, as `counted_as` (None: no lead of the group is known and not deleted). `people` has the personal
    values by entity; of those that were `erased` it has none, nor is there any.
    """

    lead_id: str
    root: str
    counted_as: str | None
    members: Sequence[str]
    erased: bool
    people: Mapping[str, Mapping[str, str]]
    lead: _Row | None
    timeline: Sequence[Entry]
    opportunities: Sequence[_Row]
    credits: Sequence[Credit]
    said: Mapping[str, Sequence[Said]] = field(default_factory=dict)
    left_out: int = 0

    def as_json(self) -> dict[str, Any]:
        """As the commands print it."""
        return {
            "lead_id": self.lead_id,
            "counted_by": self.root,
            "counted_as": self.counted_as,
            "leads": list(self.members),
            "erased": self.erased,
            "people": {entity: dict(values) for entity, values in self.people.items()},
            "lead": dict(self.lead) if self.lead is not None else None,
            "timeline": [entry.as_json() for entry in self.timeline],
            "opportunities": [dict(row) for row in self.opportunities],
            "credits": [
                {
                    "opportunity_id": each.opportunity_id,
                    "touch_lead_id": each.touch_lead_id,
                    "touch_id": each.touch_id,
                    "day": each.day,
                    "channel": each.channel,
                    "campaign_id": each.campaign_id,
                    "currency": each.currency,
                    "models": {model: dict(shares) for model, shares in each.models.items()},
                }
                for each in self.credits
            ],
            "said": {entity: [each.as_json() for each in fields] for entity, fields in self.said.items()},
            "entities_left_out": self.left_out,
        }


def read_journey(client: Client, lead_id: str, partitions: int) -> Journey:
    """Read a lead's journey. Raises `UnknownLead`; errors: those of the client."""
    documents = Documents(client, partitions)
    entity = entity_key("lead", lead_id)
    if documents.node(entity) is None:
        raise UnknownLead(f"nothing was ever said of lead {lead_id}")
    top = root(entity, documents.own)
    counted = documents.counted(top)
    leads = sorted(each for each in counted if kind_of(each) == "lead") or [entity]
    rows = {name: _facts(client, name, top) for name in ("leads", "touches", "opportunities", "calls", "credits")}
    lead = rows["leads"][0] if rows["leads"] else None
    people = _people(client, [*leads, *(each for each in counted if kind_of(each) == "opportunity")])
    shown = [entity, *(each for each in counted if each != entity)][:MOST_DOCUMENTS]
    return Journey(
        lead_id,
        top,
        lead["lead_id"] if lead is not None else None,
        [id_of(each) for each in leads],
        _erased(client, leads),
        people,
        lead,
        timeline(counted, lead, rows["touches"], rows["opportunities"], rows["calls"]),
        rows["opportunities"],
        [_credit(row) for row in rows["credits"]],
        {each: said(each, counted[each]) for each in shown if each in counted},
        max(len(counted) - MOST_DOCUMENTS, 0),
    )


def timeline(
    documents: Mapping[str, Document],
    lead: _Row | None,
    touches: Iterable[_Row],
    opportunities: Iterable[_Row],
    calls: Iterable[_Row],
) -> list[Entry]:
    """All that happened, earliest first. A pure function of the documents that a root counts, and of its facts."""
    found: list[Entry] = []
    found += (_touch(row, documents) for row in touches)
    found += (entry for row in opportunities for entry in _opportunity(row, documents))
    found += (_call(row, documents) for row in calls)
    funnel: dict[tuple[str, str], str] = {}
    if lead is not None:
        funnel = {(each["at"], each["stage"]): each["funnel_stage"] for each in lead["stages"]}
        found += (
            Entry(lead[f"{stage}_at"], f"reached {stage}", entity_key("lead", lead["lead_id"]), {})
            for stage in ("mofu", "bofu", "customer")
            if lead[f"{stage}_at"] is not None
        )
    for entity, document in documents.items():
        found += _words(entity, document, funnel)
    order = {what: place for place, what in enumerate(_ORDER)}
    return sorted(found, key=lambda entry: (entry.at[:-1], order.get(entry.what, len(order)), entry.entity))


_ORDER = ("created", "touch", "opportunity created", "call", "stage", "status", "won", "lost")


def _touch(row: _Row, documents: Mapping[str, Document]) -> Entry:
    details = {name: row[name] for name in ("channel", "source", "medium", "campaign_id", "campaign")}
    if row["own"]:
        entity = entity_key("lead", row["lead_id"])
        return Entry(row["at"], "created", entity, details, *_said_by(documents, entity, "created_at"))
    entity = entity_key("touch", row["lead_id"], row["touch_id"])
    return Entry(row["at"], "touch", entity, details, *_said_by(documents, entity, "at"))


def _opportunity(row: _Row, documents: Mapping[str, Document]) -> Iterator[Entry]:
    entity = entity_key("opportunity", row["opportunity_id"])
    money = {"amount": row["amount"], "currency": row["currency"]}
    created = {**money, "owner_id": row["owner_id"]}
    by = _said_by(documents, entity, "created_at")
    yield Entry(row["created_at"], "opportunity created", entity, created, *by)
    if row["closed_at"] is not None:
        yield Entry(row["closed_at"], row["status"], entity, money)


def _call(row: _Row, documents: Mapping[str, Document]) -> Entry:
    names = ("direction", "status", "talk_seconds", "rep_id", "rep", "opportunity_id", "advanced_mofu", "advanced_bofu")
    entity = entity_key("call", row["call_id"])
    details = {name: row[name] for name in names if row[name]}
    return Entry(row["started_at"], "call", entity, details, *_said_by(documents, entity, "started_at"))


def _said_by(documents: Mapping[str, Document], entity: str, field_name: str) -> tuple[str, str]:
    """Source and id of the event that said when; where none did, of the earliest that still holds a field."""
    document = documents.get(entity)
    if document is None or not document.writes:
        return "", ""
    _, _, source, event_id = document.key_of(field_name) or document.writes[0][0]
    return source, event_id


def _words(entity: str, document: Document, funnel: Mapping[tuple[str, str], str]) -> Iterator[Entry]:
    """What only the documents tell: every stage and status, merges, deletions."""
    kind = kind_of(entity)
    if kind not in ("lead", "opportunity"):
        return
    for each in said(entity, document):
        by = each.source, each.event_id
        if each.field == "stage":
            stage = each.value or "(none)"
            details = {"stage": stage}
            if kind == "lead" and (each.time, stage) in funnel:
                details["funnel_stage"] = funnel[each.time, stage]
            yield Entry(each.time, "stage", entity, details, *by)
        elif each.field == "status":
            yield Entry(each.time, "status", entity, {"status": each.value}, *by)
        elif each.field == "merged_into" and each.value is not None:
            yield Entry(each.time, "merged", entity, {"into": each.value}, *by)
        elif each.field == "deleted":
            yield Entry(each.time, "deleted" if each.value else "restored", entity, {}, *by)


def _facts(client: Client, name: str, top: str) -> list[dict[str, Any]]:
    """The facts that a root counts, instants as text like those of events."""
    order = {"touches": "at, own DESC, touch_id", "credits": "day, opportunity_id"}.get(name, "1")
    result = client.query(
        f"SELECT * EXCEPT root FROM fact_{name} WHERE root = {{root:String}} ORDER BY {order}",  # noqa: S608 - our own names
        parameters={"root": top},
    )
    return [
        {column: _plain(value) for column, value in zip(result.column_names, row, strict=True)}
        for row in result.result_rows
    ]


def _plain(value: Any) -> Any:  # noqa: ANN401 - the value of any column
    if isinstance(value, datetime):
        return _text(value)
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return value


def _people(client: Client, entities: Sequence[str]) -> dict[str, dict[str, str]]:
    query = "SELECT entity, field, value FROM people_latest WHERE entity IN %(entities)s AND value != '' ORDER BY ALL"
    found: dict[str, dict[str, str]] = {}
    for chunk in bound_lists(sorted(entities)):
        for entity, name, value in client.query(query, parameters={"entities": chunk}).result_rows:
            found.setdefault(entity, {})[name] = value
    return found


def _erased(client: Client, leads: Sequence[str]) -> bool:
    query = "SELECT count() FROM erased WHERE entity IN %(entities)s"
    return any(
        client.query(query, parameters={"entities": chunk}).result_rows[0][0] for chunk in bound_lists(sorted(leads))
    )


def _credit(row: _Row) -> Credit:
    return Credit(
        row["opportunity_id"],
        row["touch_lead_id"],
        row["touch_id"],
        row["day"],
        row["channel"],
        row["campaign_id"],
        row["currency"],
        {model: {measure: row[f"{measure}_{model}"] for measure in ("deals", "revenue", "cost")} for model in MODELS},
    )


def _text(at: datetime) -> str:
    """An instant as events have it; the driver gives UTC without saying so."""
    passed = at.replace(tzinfo=UTC) - _EPOCH
    return instant_text((passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds)
