"""Pipedrive: exports of deals, persons, activities and organizations (CSV).

Source: Pipedrive's knowledge base, "Exporting data from Pipedrive" (support.pipedrive.com).

Columns are named `Deal - Title`, `Person - Name` and so on; which object a row is, the `- ID` column that comes
first in this order says: Activity, Deal, Person, Organization. A row is a whole record as it was at its `Update
time`, which is the time of its event; members are those of `pipedrive.py`. A column that is there and empty clears.

| column | field | column | field |
| --- | --- | --- | --- |
| Deal - Title, Value, Currency of Value | title, value, currency | Person - Name | name |
| Deal - Stage, Status, Probability | stage_id, status, probability | Person - Email (the first one) | email |
| Deal - Expected close date | expected_close_date | Person - Owner | owner_id |
| Deal - Won time, Lost time, Deal closed on | won_time, lost_time, close_time | Person - Organization ID | org_id |
| Deal - Owner | owner_id | Activity - Type, Done | type, done |
| Deal - Deal created | add_time | Activity - Duration, Due date, Due time | the same |
| Person - ID (beside a deal) | person_id | Deal - ID, Person - ID (beside an activity) | deal_id, person_id |
| Organization - ID (beside a deal or person) | org_id | Organization - Name | name |

Owners and stages stand in exports by their names: `users` and `deal.stages` of the source file turn them into the
ids and names that webhooks give. `export.columns` adds columns: `"Deal - Campaign" = "<key of the custom field>"`.

Overlap with webhooks: a webhook later than the row's update time wins, an earlier one loses, for the row has seen it.
"""

from collections.abc import Mapping, Sequence

from schemas.adapters import convert
from schemas.adapters.adapted import NOTHING_KNOWN, Adapted, Context, NotAdaptable, UnusableTable
from schemas.adapters.draft import Collector, Draft, reading
from schemas.adapters.pipedrive import Mapper, Pipedrive, clock_seconds, started_us
from schemas.adapters.reps import rep_ids
from schemas.reasons import Reason

OBJECTS = {"activity": "Activity", "deal": "Deal", "person": "Person", "organization": "Organization"}
"""In the order in which the first one with an id says what a row is."""

COLUMNS = {
    "title": "title",
    "value": "value",
    "currency of value": "currency",
    "currency": "currency",
    "stage": "stage_id",
    "stage (pipeline)": "stage_id",
    "status": "status",
    "probability": "probability",
    "expected close date": "expected_close_date",
    "won time": "won_time",
    "lost time": "lost_time",
    "deal closed on": "close_time",
    "closed on": "close_time",
    "owner": "owner_id",
    "assigned to user": "owner_id",
    "deal created": "add_time",
    "person created": "add_time",
    "creation date": "add_time",
    "update time": "update_time",
    "last updated": "update_time",
    "name": "name",
    "email": "email",
    "email - work": "email",
    "email (work)": "email",
    "type": "type",
    "done": "done",
    "duration": "duration",
    "due date": "due_date",
    "due time": "due_time",
    "marked as done time": "marked_as_done_time",
    "id": "id",
    "system id": "id",
    "pipedrive system id": "id",
    "organization id": "org_id",
    "person id": "person_id",
    "contact person id": "person_id",
    "deal id": "deal_id",
}
"""Field of an English column, without its object, in small letters."""

_TYPES = {
    "activity": ("crm.call.logged", "call_id"),
    "deal": ("crm.opportunity.updated", "opportunity_id"),
    "person": ("crm.lead.updated", "lead_id"),
    "organization": ("crm.account.upserted", "account_id"),
}
_LINKS = {"person": "person_id", "deal": "deal_id", "organization": "org_id"}
_TIMES = frozenset({"add_time", "won_time", "lost_time", "close_time", "marked_as_done_time"})


class PipedriveExport:
    """Rows of one export become canonical events."""

    def __init__(self, source: Pipedrive, columns: Sequence[str], context: Context = NOTHING_KNOWN) -> None:
        """Take the header of the file. Raises UnusableTable."""
        self._source, self._mapper, self._as_of = source, Mapper(source), context.as_of
        self._users = rep_ids(source.users)
        places = [(column, *_place(column)) for column in columns]
        ids = {kind for _, kind, field in places if field == "id"}
        self._kind = next((kind for kind in OBJECTS if kind in ids), "")
        if not self._kind:
            raise UnusableTable("there is no column of an id, such as Deal - ID: export it too")
        given = source.export.columns
        self._fields: dict[str, str] = {}
        for column, kind, field in places:
            if column in given:
                self._fields[column] = given[column]
            elif kind in (self._kind, ""):
                self._fields.setdefault(column, field)
            elif field == "id" and kind in _LINKS:
                self._fields[column] = _LINKS[kind]
        if "update_time" not in self._fields.values() and self._as_of is None:
            raise UnusableTable(
                f"there is no column {OBJECTS[self._kind]} - Update time: export it too, or say with --as-of when "
                "the export was made"
            )

    def row(self, row: Mapping[str, str]) -> Adapted:
        """Read a row, cells by column."""
        out = Collector(self._source.source, self._source.revision)
        with out.part(dict(row)):
            cells: dict[str, str | None] = {}
            for column, field in self._fields.items():
                cells[field] = row[column].strip() or cells.get(field)
            self._row(cells, out)
        return out.adapted

    def _row(self, cells: dict[str, str | None], out: Collector) -> None:
        zone, formats = self._source.time_zone, self._source.export.date_formats
        modified = cells.get("update_time") or self._as_of
        if modified is None:
            raise NotAdaptable(Reason.MISSING_MEMBER, "Update time: is empty")
        with reading("Update time"):
            time_us = convert.instant_us(modified, zone, formats)
        type_, identifier = _TYPES[self._kind]
        with reading("ID"):
            record = convert.identifier(cells["id"])
        for field in _TIMES & cells.keys():
            cell = cells[field]
            with reading(field):
                cells[field] = cell and convert.instant(convert.instant_us(cell, zone, formats))
        owner = cells.get("owner_id")
        if owner:
            cells["owner_id"] = self._users.get(owner.casefold(), owner)
        if self._kind == "activity":
            self._call(record, cells, time_us, out)
            return
        status = (cells.get("status") or "").lower()
        if self._kind == "deal" and status == "deleted":
            out.add(Draft("crm.opportunity.deleted", time_us, 0, "export", opportunity_id=record))
            return
        draft = out.add(Draft(type_, time_us, 0, "export")).put_id(identifier, record)
        self._mapper.write(draft, self._kind, dict(cells), out)
        if self._kind == "person" and "email" in cells:
            draft.put("email", (cells["email"] or "").partition(",")[0].strip() or None, "Email")
        if self._kind == "deal":
            if "person_id" in cells:
                draft.put("contact_id", cells["person_id"], "Person - ID")
            self._mapper.close(draft, dict(cells), status)
            if self._source.currency is not None and draft.data.get("currency") is None:
                draft.put("currency", self._source.currency, "currency")

    def _call(self, record: str, cells: dict[str, str | None], time_us: int, out: Collector) -> None:
        types = {name.casefold() for name in self._source.activity.call_types}
        done = (cells.get("done") or "").lower()
        if (cells.get("type") or "").casefold() not in types or done not in ("done", "yes", "true", "1"):
            out.pass_over("activity")
            return
        draft = out.add(Draft("crm.call.logged", time_us, 0, "export", call_id=record, status="answered"))
        self._mapper.write(draft, "activity", dict(cells), out)
        if self._source.activity.direction is not None:
            draft.put("direction", self._source.activity.direction, "direction")
        with reading("Duration"):
            draft.put("talk_seconds", clock_seconds(cells.get("duration")), "Duration")
        started = started_us(dict(cells), self._source.time_zone)
        if started is not None:
            draft.put("started_at", convert.instant(started), "Due date, Due time")


def _place(column: str) -> tuple[str, str]:
    """The object that a column belongs to, '' where it does not say, and the field."""
    name = column.strip().casefold()
    kind, dash, rest = name.partition(" - ")
    if not dash or kind not in OBJECTS:
        kind, rest = "", name
    return kind, COLUMNS.get(rest.rstrip("*"), rest)
