"""Salesforce: Change Data Capture, as Kafka connectors and the Pub/Sub API give it.

Sources: Salesforce, "Change Data Capture Developer Guide" (developer.salesforce.com/docs), chapters ChangeEventHeader
Fields, Change Events for Lead Conversion, Merged Change Events, Gap Events, Overflow Events; Confluent, "Salesforce
CDC Source Connector".

| form | payload |
| --- | --- |
| Pub/Sub, decoded | `{"ChangeEventHeader": {..}, "StageName": ..}`, every field there, null where it did not change |
| Kafka Connect JSON | the same flat, plain or inside `{"schema": .., "payload": ..}`; names of a person flat, too |
| streaming API (`SF_API`) | `{"schema": .., "payload": {..}, "event": {..}}`, or all of it in `data`; sparse |

| entity, change | becomes |
| --- | --- |
| Lead CREATE, UPDATE, DELETE, UNDELETE | `crm.lead.created`, `.updated`, `.deleted`, `.restored` and `.updated` |
| Lead with ConvertedOpportunityId | besides, `crm.opportunity.updated` of that opportunity with `lead_id` |
| Opportunity | `crm.opportunity.created`, `.updated`, `.deleted`, `.restored` |
| Task that is a call | `crm.call.logged`, `.deleted`, `.restored` |
| Account, User, Campaign | `crm.account.upserted`, `crm.rep.upserted`, `crm.campaign.upserted` |
| CampaignMember of a lead, CREATE | `crm.touch.recorded` |
| GAP_CREATE, GAP_UPDATE, GAP_UNDELETE, GAP_OVERFLOW, a wildcard id | `crm.gap.posted`: the records to fetch |
| GAP_DELETE | as DELETE: nothing more is to be known |

| Lead | member | Opportunity | member | Task | member |
| --- | --- | --- | --- | --- | --- |
| Name, FirstName, LastName | name | Name | subject | OwnerId | rep_id |
| Email, Company | email, company | Amount | amount | WhoId (a lead) | lead_id |
| OwnerId | owner_id | CurrencyIsoCode | currency | WhatId (an opportunity) | opportunity_id |
| Status | stage | StageName, IsClosed, IsWon | stage, status | CallDurationInSeconds | talk_seconds |
| LeadSource | channel | Probability (percent) | probability | CallType | direction |
| CreatedDate | created_at | CloseDate | due_date, closed_at | CallDisposition | status |
| ConvertedAccountId | account_id | AccountId, OwnerId, CampaignId, ContactId | the same | CreatedDate | started_at |

Sparse: in an UPDATE a field that is null clears its member only if `nulledFields` or `changedFields` names it.
A field in `diffFields` is a difference, not a value: the record is to be fetched. Both lists may come as bitmaps
(`0x..`), which only the schema can read: values are taken, and if something was nulled the record is to be fetched.

Order: the time is `commitTimestamp`, which Salesforce cuts to seconds, so `sequence` is `commitNumber` and within
its transaction `sequenceNumber`. One change of several records gives an event each. The id of an event is made of
`transactionKey`, `sequenceNumber`, record and change, so that connectors may deliver twice.
"""

from collections.abc import Iterator
from enum import Enum
from typing import ClassVar, Literal

from pydantic import Field

from schemas.adapters import convert
from schemas.adapters.adapted import NOTHING_KNOWN, Adapted, Context, NotAdaptable
from schemas.adapters.configuration import Currency, Reps, Source, StageBook, Stages
from schemas.adapters.draft import Collector, Draft, reading
from schemas.adapters.fields import (
    AccountFields,
    CallFields,
    CampaignFields,
    FieldTable,
    LeadFields,
    OpportunityFields,
    RepFields,
)
from schemas.adapters.payload import Object, an_object, member, text_member, word
from schemas.adapters.reps import rep_events
from schemas.reasons import Reason

LEAD_FIELDS = {
    "CreatedDate": "created_at",
    "Email": "email",
    "Company": "company",
    "OwnerId": "owner_id",
    "Status": "stage",
    "LeadSource": "channel",
    "ConvertedAccountId": "account_id",
}
OPPORTUNITY_FIELDS = {
    "CreatedDate": "created_at",
    "Name": "subject",
    "Amount": "amount",
    "CurrencyIsoCode": "currency",
    "StageName": "stage",
    "Probability": "probability_percent",
    "CloseDate": "close_date",
    "AccountId": "account_id",
    "OwnerId": "owner_id",
    "CampaignId": "campaign_id",
    "ContactId": "contact_id",
}
CALL_FIELDS = {
    "CreatedDate": "started_at",
    "OwnerId": "rep_id",
    "CallDurationInSeconds": "talk_seconds",
    "CallType": "direction",
    "CallDisposition": "status",
}
CALL_VALUES = {
    "CallType": {"Inbound": "inbound", "Outbound": "outbound", "Internal": ""},
    "CallDisposition": {
        "Answered": "answered",
        "Connected": "answered",
        "Completed": "answered",
        "No Answer": "missed",
        "Missed": "missed",
        "Busy": "busy",
        "Failed": "failed",
        "Left Voicemail": "voicemail",
        "Voicemail": "voicemail",
    },
}
ACCOUNT_FIELDS = {"Name": "name"}
USER_FIELDS: dict[str, str] = {}
CAMPAIGN_FIELDS = {"Name": "name", "BudgetedCost": "budget", "CurrencyIsoCode": "currency"}
OPPORTUNITY_STAGES = {"Closed Won": "won", "Closed Lost": "lost"}

WILDCARD = "*"
ALL_RECORDS = "000000000000000AAA"
"""The record id of an overflow: more changed at once than is said."""
LEAD_PREFIX, OPPORTUNITY_PREFIX = "00Q", "006"
_CALL_SIGNS = ("CallDurationInSeconds", "CallType", "CallDisposition")
_TYPES = {
    "Lead": ("lead_id", "crm.lead.created", "crm.lead.updated", "crm.lead"),
    "Opportunity": ("opportunity_id", "crm.opportunity.created", "crm.opportunity.updated", "crm.opportunity"),
    "Task": ("call_id", "crm.call.logged", "crm.call.logged", "crm.call"),
    "Account": ("account_id", "crm.account.upserted", "crm.account.upserted", ""),
    "User": ("rep_id", "crm.rep.upserted", "crm.rep.upserted", ""),
    "Campaign": ("campaign_id", "crm.campaign.upserted", "crm.campaign.upserted", ""),
}
"""Of an entity: its id's member, the types of its creation and update, and the beginning of its other types."""
_CHANGES = frozenset({"CREATE", "UPDATE", "DELETE", "UNDELETE"})
_GAPS = frozenset({"GAP_CREATE", "GAP_UPDATE", "GAP_DELETE", "GAP_UNDELETE", "GAP_OVERFLOW"})
_COMMIT_NUMBER_END = 10**14
_SHORT_ID = 15
_ID_SIGNS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_SEQUENCES = 1000


class LeadTable(LeadFields):
    """Leads. `stages`: by `Status`, with what they are called."""

    stages: Stages = Field(default={})


class OpportunityTable(OpportunityFields):
    """Opportunities. `stages`: by `StageName`, with their status; else IsClosed and IsWon say it."""

    stages: Stages = Field(default={})


class TaskTable(CallFields):
    """Tasks that are calls."""

    every_task: bool = False
    """Take every task for a call. Else those with TaskSubtype or Type Call, or with a field of calls set."""


class Salesforce(Source):
    """A Salesforce org (`kind = "salesforce"`)."""

    kind: ClassVar[Literal["salesforce"]] = "salesforce"
    currency: Currency | None = None
    """Of opportunities that have none of their own; an org with one currency does not say it."""
    several_currencies: bool = False
    """Records carry CurrencyIsoCode: `currency` is then said when one is created, and not again."""
    lead: LeadTable = LeadTable()
    opportunity: OpportunityTable = OpportunityTable()
    task: TaskTable = TaskTable()
    account: AccountFields = AccountFields()
    user: RepFields = RepFields()
    campaign: CampaignFields = CampaignFields()
    users: Reps = Field(default={})
    """Users by their id, where their own changes are not captured."""


class How(Enum):
    """How much of a record is there: all of it as it was made, what changed, or all of it as it is."""

    CREATE = "create"
    UPDATE = "update"
    WHOLE = "whole"


_HOW = {"CREATE": How.CREATE, "UPDATE": How.UPDATE, "UNDELETE": How.WHOLE}


class Mapper:
    """The fields of an org's records, for its changes and its exports alike."""

    def __init__(self, source: Salesforce) -> None:
        self.source = source
        zone = source.time_zone
        self.tables = {
            "Lead": FieldTable(source.lead, LEAD_FIELDS, {}, zone),
            "Opportunity": FieldTable(source.opportunity, OPPORTUNITY_FIELDS, {}, zone),
            "Task": FieldTable(source.task, CALL_FIELDS, CALL_VALUES, zone),
            "Account": FieldTable(source.account, ACCOUNT_FIELDS, {}, zone),
            "User": FieldTable(source.user, USER_FIELDS, {}, zone),
            "Campaign": FieldTable(source.campaign, CAMPAIGN_FIELDS, {}, zone),
        }
        self._stages = {
            "Lead": StageBook(source.lead.stages),
            "Opportunity": StageBook(source.opportunity.stages),
        }

    def write(self, draft: Draft, entity: str, values: Object, out: Collector, how: How) -> None:
        """Put the values of a record into its event: what is absent is unchanged, null is cleared."""
        table = self.tables[entity]
        for field, value in values.items():
            if field not in table:
                continue
            if table.target(field) == "stage":
                self._stage(draft, entity, field, value, out)
            else:
                table.write(draft, field, value, out)
        if entity in ("Lead", "User"):
            _person(draft, values, how)
        if entity == "Opportunity":
            self._status(draft, values, how)
            self._currency(draft, whole=how is not How.UPDATE)
        if entity == "Campaign" and draft.data.get("budget") is not None:
            self._currency(draft, whole=True)
        if entity == "Task":
            _ends_of_call(draft, values)

    def is_call(self, values: Object) -> bool:
        """Whether a task is a call, as far as this change says."""
        if self.source.task.every_task:
            return True
        if "Call" in (values.get("TaskSubtype"), values.get("Type")):
            return True
        return any(values.get(sign) is not None for sign in _CALL_SIGNS)

    def _stage(self, draft: Draft, entity: str, field: str, value: object, out: Collector) -> None:
        with reading(field):
            raw = convert.plain(value)
        found = None if raw is None else self._stages[entity].find(str(raw))
        draft.put("stage", None if raw is None else found[0] if found else str(raw), field)
        if entity == "Opportunity" and found and found[1]:
            draft.put("status", found[1], field)
        configured = self.source.opportunity.stages if entity == "Opportunity" else self.source.lead.stages
        if raw is not None and found is None and configured:
            out.unmapped(f"{entity}.{field}", raw)

    def _status(self, draft: Draft, values: Object, how: How) -> None:
        """Won and lost, unless the stage said so: of an update only what changed is known.

        IsWon alone turning false means lost, for what was won is closed and stays so. A new opportunity is open
        without being told: said, it would make a close date that came with it that of an older close.
        """
        if draft.has("status"):
            if how is How.CREATE and draft.data["status"] == "open":
                del draft.data["status"]
            return
        won, closed = _flag(values, "IsWon"), _flag(values, "IsClosed")
        status = None
        if won:
            status = "won"
        elif closed is False:
            status = None if how is How.CREATE else "open"
        elif closed or (won is False and how is How.UPDATE):
            status = "lost"
        elif closed is None and won is None:
            status = OPPORTUNITY_STAGES.get(word(values.get("StageName")))
        if status is not None:
            draft.put("status", status, "IsClosed, IsWon")

    def _currency(self, draft: Draft, *, whole: bool) -> None:
        if self.source.currency is None or draft.data.get("currency") is not None:
            return
        if whole or (draft.has("amount") and not self.source.several_currencies):
            draft.put("currency", self.source.currency, "currency")


class SalesforceChanges:
    """Change events of one org become canonical events."""

    def __init__(self, source: Salesforce) -> None:
        self._source, self._mapper = source, Mapper(source)

    def adapt(self, payload: object, context: Context = NOTHING_KNOWN) -> Adapted:  # noqa: ARG002 - one signature
        """Read one change event, or an array of them; JSON bytes or decoded."""
        out = Collector(self._source.source, self._source.revision)
        for document in out.documents(payload):
            for item in document if type(document) is list else [document]:
                with out.part(item):
                    self._change(_unwrapped(an_object(item, "change event")), out)
        return out.adapted

    def _change(self, values: Object, out: Collector) -> None:
        header = an_object(member(values, "ChangeEventHeader"), "ChangeEventHeader")
        entity, change = text_member(header, "entityName"), text_member(header, "changeType")
        if change not in _CHANGES and change not in _GAPS:
            raise NotAdaptable(Reason.INVALID_MEMBER, "changeType: is none of CREATE, UPDATE, DELETE, UNDELETE, GAP_..")
        if entity not in _TYPES and entity != "CampaignMember":
            out.pass_over(entity)
            return
        records = member(header, "recordIds")
        if type(records) is not list or not records:
            raise NotAdaptable(Reason.INVALID_MEMBER, "recordIds: must be an array with an id in it")
        with reading("commitTimestamp"):
            time_us = convert.instant_us(member(header, "commitTimestamp"))
        sequence = _sequence(header)
        identity = (word(header.get("transactionKey"))[:256], word(header.get("sequenceNumber")), change, entity)
        for record in records:
            with reading("recordIds"):
                record_id = convert.identifier(record)
            self._record(record_id, entity, change, values, header, (time_us, sequence, *identity), out)

    def _record(
        self,
        record: str,
        entity: str,
        change: str,
        values: Object,
        header: Object,
        when: tuple[int, int, str, str, str, str],
        out: Collector,
    ) -> None:
        time_us, sequence, *identity = when
        everything = record == ALL_RECORDS or record.endswith(WILDCARD) or change == "GAP_OVERFLOW"
        if everything or change in ("GAP_CREATE", "GAP_UPDATE", "GAP_UNDELETE"):
            out.gap(time_us, sequence, entity, WILDCARD if everything else record, change, *identity, record)
            return
        if entity == "CampaignMember":
            self._touch(record, change, values, time_us, sequence, out)
            return
        id_member, created, updated, prefix = _TYPES[entity]
        if change in ("DELETE", "GAP_DELETE", "UNDELETE"):
            if not prefix:
                out.pass_over(f"{entity}.{change}")
                return
            master = values.get("MasterRecordId")
            verb = "restored" if change == "UNDELETE" else "deleted"
            if entity == "Lead" and verb == "deleted" and type(master) is str and master:
                out.add(Draft("crm.lead.merged", time_us, sequence, *identity, lead_id=master, merged_ids=[record]))
                return
            out.add(Draft(f"{prefix}.{verb}", time_us, sequence, *identity)).put(id_member, record, "recordIds")
            if change != "UNDELETE":
                return
        new = change != "UPDATE"
        said = dict(values) if new else _changed(values, header)
        if entity == "Task" and not self._mapper.is_call(said):
            out.pass_over("Task")
            return
        if not new and _is_partly_unreadable(header, self._mapper.tables[entity]):
            out.gap(time_us, sequence, entity, record, change, *identity, record)
        draft = Draft(created if new else updated, time_us, sequence, *identity)
        draft.put(id_member, record, "recordIds")
        self._mapper.write(
            draft, entity, said, out, How.CREATE if change == "CREATE" else How.WHOLE if new else How.UPDATE
        )
        if new or len(draft.data) > 1:
            out.add(draft)
        opportunity = said.get("ConvertedOpportunityId")
        if entity == "Lead" and opportunity is not None:
            with reading("ConvertedOpportunityId"):
                converted = convert.identifier(opportunity)
            out.add(
                Draft(
                    "crm.opportunity.updated",
                    time_us,
                    sequence,
                    *identity,
                    "conversion",
                    opportunity_id=converted,
                    lead_id=record,
                )
            )

    def _touch(self, record: str, change: str, values: Object, time_us: int, sequence: int, out: Collector) -> None:
        lead, campaign = values.get("LeadId"), values.get("CampaignId")
        if change != "CREATE" or lead is None:
            out.pass_over(f"CampaignMember.{change}")
            return
        with reading("LeadId, CampaignId"):
            ids = convert.identifier(lead), None if campaign is None else convert.identifier(campaign)
        out.add(
            Draft("crm.touch.recorded", time_us, sequence, touch_id=record, lead_id=ids[0], campaign_id=ids[1])
        ).put("at", convert.instant(time_us), "commitTimestamp")


def full_id(record: str) -> str:
    """The 18 characters of a record's id; reports of Salesforce show the first 15, which differ in case only.

    The last three say which of the letters before are capitals, five in each.
    """
    if len(record) != _SHORT_ID or not (record.isascii() and record.isalnum()):
        return record
    for start in (0, 5, 10):
        capitals = sum(1 << place for place, letter in enumerate(record[start : start + 5]) if letter.isupper())
        record += _ID_SIGNS[capitals]
    return record


def reference(source: Salesforce) -> Adapted:
    """What the source file itself says: who the users are."""
    return rep_events(source, source.users)


def _unwrapped(item: Object) -> Object:
    """The change event inside whatever is around it."""
    for name in ("data", "payload", "payload"):
        if "ChangeEventHeader" in item:
            break
        inner = item.get(name)
        if type(inner) is dict:
            item = inner
    return item


def _changed(values: Object, header: Object) -> Object:
    """What an update says: every value, and null for what is named as changed or as nulled."""
    named = set(_names(header, "changedFields")) | set(_names(header, "nulledFields"))
    outer = {name.partition(".")[0] for name in named}
    differences = set(_names(header, "diffFields"))
    said = {name: value for name, value in values.items() if value is not None and name not in differences}
    said |= {name: None for name in values if name in outer and values[name] is None and name not in differences}
    # sparse forms leave out what was nulled
    said |= {name: None for name in _names(header, "nulledFields") if "." not in name and name not in said}
    return said


def _names(header: Object, member_name: str) -> Iterator[str]:
    given = header.get(member_name)
    for name in given if type(given) is list else ():
        if type(name) is str and not _is_bitmap(name):
            yield name


def _is_bitmap(name: str) -> bool:
    return name.startswith("0x") or "-0x" in name


def _is_partly_unreadable(header: Object, table: FieldTable) -> bool:
    """Whether something that this org's mapping reads was sent as a difference, or nulled we know not what."""
    for member_name in ("nulledFields", "diffFields"):
        given = header.get(member_name)
        for name in given if type(given) is list else ():
            if type(name) is str and _is_bitmap(name):
                return True
    return any(name in table for name in _names(header, "diffFields"))


def _sequence(header: Object) -> int:
    commit, within = header.get("commitNumber", 0), header.get("sequenceNumber", 0)
    numbers = []
    for name, given, end in (("commitNumber", commit, _COMMIT_NUMBER_END), ("sequenceNumber", within, _SEQUENCES)):
        with reading(name):
            number = 0 if given is None else convert.whole(given)
        numbers.append(min(number, end - 1))
    return numbers[0] * _SEQUENCES + numbers[1]


def _flag(values: Object, name: str) -> bool | None:
    value = values.get(name)
    if value is None:
        return None
    with reading(name):
        return convert.flag(value)


def _person(draft: Draft, values: Object, how: How) -> None:
    """A person's name: whole, compound or flat. Half a name, as updates of one half have it, is none."""
    name = values.get("Name")
    parts = name if type(name) is dict else values
    first, last = parts.get("FirstName"), parts.get("LastName")
    with reading("Name"):
        if type(name) is str:
            draft.put("name", name.strip() or None, "Name")
        elif (first is not None and last is not None) or (how is not How.UPDATE and (first or last)):
            words = [str(word) for word in (convert.plain(first), convert.plain(last)) if word is not None]
            draft.put("name", " ".join(words) or None, "Name")


def _ends_of_call(draft: Draft, values: Object) -> None:
    """Whom a task is about: Salesforce's ids begin with the kind of record."""
    for field, prefix, target in (
        ("WhoId", LEAD_PREFIX, "lead_id"),
        ("WhatId", OPPORTUNITY_PREFIX, "opportunity_id"),
    ):
        if field in values:
            value = values[field]
            with reading(field):
                record = None if convert.plain(value) is None else convert.identifier(value)
            draft.put(target, record if record and record.startswith(prefix) else None, field)
    talked = draft.data.get("talk_seconds")
    if draft.data.get("status") is None and "CallDisposition" not in values and type(talked) is int:
        draft.put("status", "answered" if talked > 0 else "missed", "CallDurationInSeconds")
