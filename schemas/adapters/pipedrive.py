"""Pipedrive: webhooks v2.

Source: Pipedrive, "Guide for Webhooks v2" and "Webhooks v2 migration guide" (pipedrive.readme.io/docs).

A webhook is `{"meta": {..}, "data": {..}, "previous": {..}}`: `data` is the whole object as of the change (null when
it was deleted), `previous` its changed fields before (of a deleted one, all).

| entity, action | becomes |
| --- | --- |
| person create, change | `crm.lead.created`, `.updated` |
| person delete | `crm.lead.deleted`; with `merged_to_id` `crm.lead.merged` |
| deal create, change | `crm.opportunity.created`, `.updated`, with the status of the deal |
| deal delete, also merged; status deleted | `crm.opportunity.deleted` |
| a change of what was deleted | besides, `.restored` |
| activity that is a call and done | `crm.call.logged`; deleted or no longer done `crm.call.deleted` |
| organization, user | `crm.account.upserted`, `crm.rep.upserted` |
| anything else (leads of the inbox too, which are no persons yet) | passed over |

| person | member | deal | member | activity | member |
| --- | --- | --- | --- | --- | --- |
| name | name | title | subject | owner_id, user_id | rep_id |
| emails, email (the primary one) | email | value, currency | amount, currency | person_id | lead_id |
| owner_id | owner_id | stage_id | stage | deal_id | opportunity_id |
| org_id | account_id | status | status | duration (HH:MM) | talk_seconds |
| add_time | created_at | probability (percent) | probability | due_date, due_time | started_at |
| | | expected_close_date | due_date | | |
| | | won_time, lost_time, close_time | closed_at | | |
| | | person_id | lead_id, contact_id | | |
| | | org_id, owner_id, add_time | account_id, owner_id, created_at | | |

Custom fields are named by their key, the 40 characters that Pipedrive gives them; their `value`, or the `id` of an
option, is taken.

Order: the time is `meta.timestamp`, ISO or seconds. `data` is whole, so the latest webhook says it all. The id of an
event is made of `meta.id`, or where there is none of what it says; `attempt` and `webhook_id` are not part of it.
"""

import re
from typing import ClassVar, Literal

from pydantic import Field

from schemas.adapters import convert
from schemas.adapters.adapted import NOTHING_KNOWN, Adapted, Context, NotAdaptable
from schemas.adapters.configuration import Currency, Reps, Source, StageBook, Stages
from schemas.adapters.draft import Collector, Draft, reading
from schemas.adapters.fields import AccountFields, CallFields, FieldTable, LeadFields, OpportunityFields, RepFields
from schemas.adapters.payload import Object, an_object, member, text_member, word
from schemas.adapters.reps import rep_events
from schemas.reasons import Reason

PERSON_FIELDS = {"name": "name", "owner_id": "owner_id", "org_id": "account_id", "add_time": "created_at"}
DEAL_FIELDS = {
    "title": "subject",
    "value": "amount",
    "currency": "currency",
    "stage_id": "stage",
    "probability": "probability_percent",
    "expected_close_date": "due_date",
    "person_id": "lead_id",
    "org_id": "account_id",
    "owner_id": "owner_id",
    "add_time": "created_at",
}
CALL_FIELDS = {"owner_id": "rep_id", "user_id": "rep_id", "person_id": "lead_id", "deal_id": "opportunity_id"}
ORGANIZATION_FIELDS = {"name": "name"}
USER_FIELDS = {"name": "name"}

_DURATION = re.compile(r"([0-9]{1,3}):([0-5][0-9])(:[0-5][0-9])?")
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?")
_STATUS = frozenset({"open", "won", "lost"})
_ENTITIES = frozenset({"person", "deal", "activity", "organization", "user"})
_SEQUENCE = {"create": 0, "change": 1, "delete": 2}


class PersonTable(LeadFields):
    """Persons are the leads. `stages`: of the values of a field mapped to `stage`."""

    stages: Stages = Field(default={})


class DealTable(OpportunityFields):
    """Deals are the opportunities. `stages`: by `stage_id`, of all pipelines."""

    stages: Stages = Field(default={})


class ActivityTable(CallFields):
    """Activities of some types are calls."""

    call_types: list[str] = Field(default=["call"])
    direction: Literal["inbound", "outbound"] | None = None
    """Of all calls: Pipedrive does not say."""


class ExportTable(LeadFields):
    """How the account writes its exports."""

    columns: dict[str, str] = Field(default={})
    """Field of a column, beside the English ones."""
    date_formats: list[str] = Field(default=[])
    """strptime formats, tried before ISO."""


class Pipedrive(Source):
    """A Pipedrive company (`kind = "pipedrive"`)."""

    kind: ClassVar[Literal["pipedrive"]] = "pipedrive"
    company: int | None = Field(None, ge=1)
    """Its `company_id`: webhooks of another are refused."""
    currency: Currency | None = None
    """Of deals in exports without a column of the currency."""
    person: PersonTable = PersonTable()
    deal: DealTable = DealTable()
    activity: ActivityTable = ActivityTable()
    organization: AccountFields = AccountFields()
    user: RepFields = RepFields()
    users: Reps = Field(default={})
    """Users by their id."""
    export: ExportTable = ExportTable()


class Mapper:
    """The fields of a company's objects, for webhooks and exports alike."""

    def __init__(self, source: Pipedrive) -> None:
        self.source = source
        zone = source.time_zone
        self.tables = {
            "person": FieldTable(source.person, PERSON_FIELDS, {}, zone),
            "deal": FieldTable(source.deal, DEAL_FIELDS, {}, zone),
            "activity": FieldTable(source.activity, CALL_FIELDS, {}, zone),
            "organization": FieldTable(source.organization, ORGANIZATION_FIELDS, {}, zone),
            "user": FieldTable(source.user, USER_FIELDS, {}, zone),
        }
        self._stages = {"person": StageBook(source.person.stages), "deal": StageBook(source.deal.stages)}

    def write(self, draft: Draft, entity: str, values: Object, out: Collector) -> None:
        """Put an object's values into its event; null clears."""
        table = self.tables[entity]
        for field in table:
            if field not in values:
                continue
            raw = _plain_value(values[field])
            if table.target(field) == "stage":
                self._stage(draft, entity, field, raw, out)
            elif not (
                raw is None and draft.has(table.target(field))
            ):  # of two fields of one member the one that has it
                table.write(draft, field, raw, out)

    def _stage(self, draft: Draft, entity: str, field: str, value: object, out: Collector) -> None:
        with reading(field):
            raw = convert.plain(value)
        found = None if raw is None else self._stages[entity].find(str(raw))
        if raw is not None and found is None:
            out.unmapped(f"{entity}.stages", raw)
        draft.put("stage", None if raw is None else found[0] if found else str(raw), field)

    def close(self, draft: Draft, values: Object, status: object) -> None:
        """Put in status and close of a deal."""
        if status not in _STATUS:
            return
        draft.put("status", str(status), "status")
        field = next((name for name in (f"{status}_time", "close_time") if values.get(name) is not None), None)
        if field is not None and status != "open":
            with reading(field):
                closed_us = convert.instant_us(values[field], self.source.time_zone, self.source.export.date_formats)
            draft.put("closed_at", convert.instant(closed_us), field)


class PipedriveWebhooks:
    """Webhooks of one company become canonical events."""

    def __init__(self, source: Pipedrive) -> None:
        self._source, self._mapper = source, Mapper(source)

    def adapt(self, payload: object, context: Context = NOTHING_KNOWN) -> Adapted:  # noqa: ARG002 - one signature
        """Read one webhook, or an array of them; JSON bytes or decoded."""
        out = Collector(self._source.source, self._source.revision)
        for document in out.documents(payload):
            for item in document if type(document) is list else [document]:
                with out.part(item):
                    self._webhook(an_object(item, "webhook"), out)
        return out.adapted

    def _webhook(self, item: Object, out: Collector) -> None:
        meta = an_object(member(item, "meta"), "meta")
        if self._source.company is not None and word(meta.get("company_id")) != str(self._source.company):
            raise NotAdaptable(
                "wrong-account", f"meta.company_id: is not {self._source.company}, the company of this source"
            )
        entity, action = text_member(meta, "entity"), text_member(meta, "action")
        if entity not in _ENTITIES or action not in _SEQUENCE:
            out.pass_over(f"{entity}.{action}")
            return
        with reading("meta.timestamp"):
            time_us = convert.instant_us(member(meta, "timestamp"))
        with reading("meta.entity_id"):
            record = convert.identifier(member(meta, "entity_id"))
        event_id = meta.get("id")
        when = time_us, _SEQUENCE[action], f"{entity}.{action}", word(event_id)[:64]
        if action == "delete":
            self._deleted(entity, record, meta.get("merged_to_id"), when, out)
            return
        values = dict(an_object(member(item, "data"), "data"))
        custom = values.get("custom_fields")
        values |= custom if type(custom) is dict else {}
        previous = item.get("previous")
        self._changed(entity, record, values, previous if type(previous) is dict else {}, when, out)

    def _deleted(
        self, entity: str, record: str, merged_to: object, when: tuple[int, int, str, str], out: Collector
    ) -> None:
        if entity == "person" and merged_to is not None:
            with reading("meta.merged_to_id"):
                survivor = convert.identifier(merged_to)
            out.add(Draft("crm.lead.merged", *when, lead_id=survivor, merged_ids=[record]))
        elif entity == "person":
            out.add(Draft("crm.lead.deleted", *when, lead_id=record))
        elif entity == "deal":
            out.add(Draft("crm.opportunity.deleted", *when, opportunity_id=record))
        elif entity == "activity":
            out.add(Draft("crm.call.deleted", *when, call_id=record))
        else:
            out.pass_over(f"{entity}.delete")

    def _changed(
        self,
        entity: str,
        record: str,
        values: Object,
        previous: Object,
        when: tuple[int, int, str, str],
        out: Collector,
    ) -> None:
        back = previous.get("is_deleted") is True or previous.get("status") == "deleted"
        new = when[2].endswith(".create")
        if entity == "person":
            if back:
                out.add(Draft("crm.lead.restored", *when, lead_id=record))
            draft = out.add(Draft("crm.lead.created" if new else "crm.lead.updated", *when, lead_id=record))
            self._mapper.write(draft, entity, values, out)
            if "emails" in values or "email" in values:
                draft.put("email", primary(values.get("emails", values.get("email"))), "emails")
        elif entity == "deal":
            if values.get("status") == "deleted" or values.get("is_deleted") is True:
                out.add(Draft("crm.opportunity.deleted", *when, opportunity_id=record))
                return
            if back:
                out.add(Draft("crm.opportunity.restored", *when, opportunity_id=record))
            type_ = "crm.opportunity.created" if new else "crm.opportunity.updated"
            draft = out.add(Draft(type_, *when, opportunity_id=record))
            self._mapper.write(draft, entity, values, out)
            if draft.has("lead_id"):
                contact = draft.data["lead_id"]
                draft.put("contact_id", contact if type(contact) is str else None, "person_id")
            self._mapper.close(draft, values, values.get("status"))
        elif entity == "activity":
            self._activity(record, values, previous, when, out)
        elif entity == "organization":
            draft = out.add(Draft("crm.account.upserted", *when, account_id=record))
            self._mapper.write(draft, entity, values, out)
        else:
            draft = out.add(Draft("crm.rep.upserted", *when, rep_id=record))
            self._mapper.write(draft, entity, values, out)

    def _activity(
        self, record: str, values: Object, previous: Object, when: tuple[int, int, str, str], out: Collector
    ) -> None:
        """A call is what was done; one that is planned, or was not a call after all, does not count."""
        done = values.get("done")
        if type(done) is not bool and done not in (0, 1):
            raise NotAdaptable(Reason.INVALID_MEMBER, "data.done: must be true or false")
        if values.get("type") not in self._source.activity.call_types or not done:
            if "done" in previous or "type" in previous:
                out.add(Draft("crm.call.deleted", *when, call_id=record))
            else:
                out.pass_over("activity")
            return
        if "done" in previous or "type" in previous:
            out.add(Draft("crm.call.restored", *when, call_id=record))
        draft = out.add(Draft("crm.call.logged", *when, call_id=record, status="answered"))
        self._mapper.write(draft, "activity", values, out)
        if self._source.activity.direction is not None and not draft.has("direction"):
            draft.put("direction", self._source.activity.direction, "direction")
        with reading("data.duration"):
            if not draft.has("talk_seconds"):
                draft.put("talk_seconds", clock_seconds(values.get("duration")), "duration")
        started = started_us(values, self._source.time_zone)
        if started is not None and not draft.has("started_at"):
            draft.put("started_at", convert.instant(started), "due_date, due_time")


def reference(source: Pipedrive) -> Adapted:
    """What the source file itself says: who the users are."""
    return rep_events(source, source.users)


def primary(emails: object) -> str | None:
    """The primary one of an array of mail addresses, else the first; of a text, itself."""
    if type(emails) is str:
        return emails.strip() or None
    found = [each for each in emails if type(each) is dict] if type(emails) is list else []
    chosen = next((each for each in found if each.get("primary") is True), found[0] if found else {})
    value = chosen.get("value")
    return value.strip() or None if type(value) is str else None


def clock_seconds(raw: object) -> int:
    """Seconds of `HH:MM` or `HH:MM:SS`, or of a number of seconds; nothing is 0."""
    value = convert.plain(raw)
    if value is None:
        return 0
    match = _DURATION.fullmatch(value) if type(value) is str else None
    if match is None:
        return convert.whole(value)
    hours, minutes, seconds = match.groups()
    return int(hours) * 3600 + int(minutes) * 60 + int((seconds or ":0")[1:])


def started_us(values: Object, zone: str) -> int | None:
    """When a call began: its due date and time (in UTC), its day, or when it was marked as done."""
    date, time = values.get("due_date"), values.get("due_time")
    if type(date) is str and date:
        with reading("data.due_date, data.due_time"):
            if type(time) is str and _TIME.fullmatch(time):
                return convert.instant_us(f"{date.strip()} {time}")
            return convert.instant_us(date, zone)
    marked = values.get("marked_as_done_time")
    if marked is None or marked == "":
        return None
    with reading("data.marked_as_done_time"):
        return convert.instant_us(marked)


def _plain_value(raw: object) -> object:
    """The value inside `{"value": .., "type": ..}`, the id inside `{"id": ..}`: fields are objects here and there."""
    if type(raw) is dict:
        return raw.get("value", raw.get("id"))
    return raw
