"""HubSpot: webhooks v3.

Sources: HubSpot's developer documentation, "Webhooks API" and "Create generic webhook subscriptions"
(developers.hubspot.com/docs/api/webhooks), and its knowledge base on properties.

A payload is an array of notifications. Each says one thing of one object; nothing else of the object is in it.

| notification | becomes |
| --- | --- |
| contact creation, deletion, restore | `crm.lead.created` (with `created_at`), `.deleted`, `.restored` |
| contact propertyChange | `crm.lead.updated` with that member; an empty value clears it |
| contact merge | `crm.lead.merged` into `newObjectId`, else `primaryObjectId` |
| contact privacyDeletion | `crm.lead.erased` |
| deal creation, propertyChange, deletion, restore | `crm.opportunity.created`, `.updated`, `.deleted`, `.restored` |
| deal `dealstage` | besides the stage the status that `deal.stages` gives it |
| deal merge | the merged deals are deleted; a deal that is new must be fetched |
| call creation and propertyChange, deletion, restore | `crm.call.logged`, `.deleted`, `.restored` |
| company creation and propertyChange | `crm.account.upserted` |
| associationChange deal-contact, deal-company, contact-company, call-contact, call-deal | the link of the first named |
| association with a contact removed | `unlinked_lead_id`: clears the link where that contact is the current one |
| association with a company or of a call with a deal removed | the record is to be fetched (`crm.gap.posted`) |
| anything else | passed over |

| contact property | member | deal property | member | call property | member |
| --- | --- | --- | --- | --- | --- |
| createdate | created_at | createdate | created_at | hs_timestamp | started_at |
| hs_full_name_or_email | name | dealname | subject | hubspot_owner_id | rep_id |
| email, company | email, company | amount | amount | hs_call_direction | direction |
| hubspot_owner_id | owner_id | deal_currency_code | currency | hs_call_status | status |
| associatedcompanyid | account_id | dealstage | stage, status | hs_call_disposition | status |
| lifecyclestage | stage | hs_is_closed_won, _lost | status | hs_call_duration | talk_seconds |
| hs_analytics_source | channel | hs_deal_stage_probability | probability | | |
| utm_source, ... | utm.source, ... | closedate | due_date, closed_at | | |
| hs_google_click_id | click_id.gclid | hubspot_owner_id | owner_id | | |
| hs_facebook_click_id | click_id.fbclid | | | | |
| hs_analytics_first_referrer | referrer | | | | |
| first_conversion_event_name | lead_magnet | | | | |

Order and repetition: `occurredAt` (milliseconds) is the time. Among notifications of one millisecond a creation
comes first, so that the properties set with it win. `eventId` is not unique and says little; the id of an event is
a hash of what the notification says. `attemptNumber` and `subscriptionId` are not part of it.
"""

import re
from typing import ClassVar, Literal, NamedTuple

from pydantic import Field

from schemas.adapters import convert
from schemas.adapters.adapted import NOTHING_KNOWN, Adapted, Context, NotAdaptable
from schemas.adapters.configuration import Currency, Reps, Source, Stage, StageBook, Stages, Strict
from schemas.adapters.draft import Collector, Draft, reading
from schemas.adapters.fields import AccountFields, CallFields, FieldTable, LeadFields, OpportunityFields
from schemas.adapters.payload import Object, an_object, member, text_member, word
from schemas.adapters.reps import rep_events
from schemas.reasons import Reason

OBJECTS = {"0-1": "contact", "0-2": "company", "0-3": "deal", "0-48": "call"}
"""HubSpot's numbers of the object types that mean something here."""

CONTACT_FIELDS = {
    "createdate": "created_at",
    "hs_full_name_or_email": "name",
    "email": "email",
    "company": "company",
    "hubspot_owner_id": "owner_id",
    "associatedcompanyid": "account_id",
    "lifecyclestage": "stage",
    "hs_analytics_source": "channel",
    "utm_source": "utm.source",
    "utm_medium": "utm.medium",
    "utm_campaign": "utm.campaign",
    "utm_term": "utm.term",
    "utm_content": "utm.content",
    "hs_google_click_id": "click_id.gclid",
    "hs_facebook_click_id": "click_id.fbclid",
    "hs_analytics_first_referrer": "referrer",
    "first_conversion_event_name": "lead_magnet",
}
CONTACT_VALUES = {
    "hs_analytics_source": {
        "ORGANIC_SEARCH": "organic",
        "PAID_SEARCH": "cpc",
        "EMAIL_MARKETING": "email",
        "SOCIAL_MEDIA": "social",
        "PAID_SOCIAL": "social",
        "REFERRALS": "referral",
        "AI_REFERRALS": "referral",
        "OTHER_CAMPAIGNS": "other",
        "DIRECT_TRAFFIC": "direct",
        "OFFLINE": "offline",
    }
}
DEAL_FIELDS = {
    "createdate": "created_at",
    "dealname": "subject",
    "amount": "amount",
    "deal_currency_code": "currency",
    "dealstage": "stage",
    "hs_deal_stage_probability": "probability",
    "closedate": "close_date",
    "hubspot_owner_id": "owner_id",
}
LIFECYCLE_STAGES = {
    "subscriber": Stage(name="Subscriber"),
    "lead": Stage(name="Lead"),
    "marketingqualifiedlead": Stage(name="Marketing Qualified Lead"),
    "salesqualifiedlead": Stage(name="Sales Qualified Lead"),
    "opportunity": Stage(name="Opportunity"),
    "customer": Stage(name="Customer"),
    "evangelist": Stage(name="Evangelist"),
    "other": Stage(name="Other"),
}
DEAL_STAGES = {
    "appointmentscheduled": Stage(name="Appointment Scheduled", status="open"),
    "qualifiedtobuy": Stage(name="Qualified To Buy", status="open"),
    "presentationscheduled": Stage(name="Presentation Scheduled", status="open"),
    "decisionmakerboughtin": Stage(name="Decision Maker Bought-In", status="open"),
    "contractsent": Stage(name="Contract Sent", status="open"),
    "closedwon": Stage(name="Closed Won", status="won"),
    "closedlost": Stage(name="Closed Lost", status="lost"),
}
"""Those of the pipeline that every account begins with."""
CALL_FIELDS = {
    "hs_timestamp": "started_at",
    "hubspot_owner_id": "rep_id",
    "hs_call_direction": "direction",
    "hs_call_status": "status",
    "hs_call_disposition": "status",
    "hs_call_duration": "talk_milliseconds",
}
CALL_VALUES = {
    "hs_call_direction": {"INBOUND": "inbound", "OUTBOUND": "outbound"},
    "hs_call_status": {
        "COMPLETED": "answered",
        "BUSY": "busy",
        "NO_ANSWER": "missed",
        "CANCELED": "missed",
        "MISSED": "missed",
        "FAILED": "failed",
        # not over yet
        **dict.fromkeys(("QUEUED", "CONNECTING", "RINGING", "CALLING_CRM_USER", "IN_PROGRESS"), ""),
    },
    # the outcomes that every account has
    "hs_call_disposition": {
        "f240bbac-87c9-4f6e-bf70-924b57d47db7": "answered",
        "a4c4c377-d246-4b32-a13b-75a56a4cd0ff": "answered",
        "17b47fee-58de-441e-a44c-c6300d46f273": "answered",
        "b2cf5968-551e-4856-9783-52b3da59a7d0": "voicemail",
        "9d9162e7-6cf3-4944-bf63-4dff82258764": "busy",
        "73a0d17f-1163-4015-bdd5-ec830791da20": "missed",
    },
}
COMPANY_FIELDS = {"name": "name"}

_CLOSED = {"hs_is_closed_won": "won", "hs_is_closed_lost": "lost"}
_PREFIX = {"contact": "crm.lead", "deal": "crm.opportunity", "call": "crm.call"}
_ID = {"contact": "lead_id", "deal": "opportunity_id", "call": "call_id", "company": "account_id"}
_UPDATED = {
    "contact": "crm.lead.updated",
    "deal": "crm.opportunity.updated",
    "call": "crm.call.logged",
    "company": "crm.account.upserted",
}
_CREATED = {**_UPDATED, "contact": "crm.lead.created", "deal": "crm.opportunity.created"}
_LIFE = {"deletion": "deleted", "restore": "restored"}
_SEQUENCE = {"creation": 0, "merge": 3, "deletion": 4, "restore": 5, "privacyDeletion": 6}
_CHANGE, _OUTCOME = 1, 2
_ASSOCIATION = re.compile(r"(CONTACT|DEAL|COMPANY|CALL)_TO_(CONTACT|DEAL|COMPANY|CALL)(_.*)?")
_LINKS = {
    ("deal", "contact"): ("lead_id", "contact_id"),
    ("deal", "company"): ("account_id",),
    ("contact", "company"): ("account_id",),
    ("call", "contact"): ("lead_id",),
    ("call", "deal"): ("opportunity_id",),
}
"""Whose link it is, to what, and its members."""


class ContactTable(LeadFields):
    """Contacts are the leads. `stages`: lifecycle stages by their internal name, with what they are called."""

    stages: Stages = Field(default={})


class DealTable(OpportunityFields):
    """Deals are the opportunities. `stages`: of all pipelines, by internal name (the ids are unique)."""

    stages: Stages = Field(default={})


class ExportTable(Strict):
    """How the account writes its exports; HubSpot exports are in the language and the format of who makes them."""

    columns: dict[str, str] = Field(default={})
    """Property of a column, beside the English ones."""
    date_formats: list[str] = Field(default=[])
    """strptime formats, tried before ISO."""


class HubSpot(Source):
    """A HubSpot account (`kind = "hubspot"`)."""

    kind: ClassVar[Literal["hubspot"]] = "hubspot"
    portal: int | None = Field(None, ge=1)
    """Account id: notifications of another are refused."""
    currency: Currency | None = None
    """Of deals that have none of their own."""
    several_currencies: bool = False
    """Deals have a currency of their own: `currency` is then said when a deal is created, and not again."""
    contact: ContactTable = ContactTable()
    deal: DealTable = DealTable()
    call: CallFields = CallFields()
    company: AccountFields = AccountFields()
    owners: Reps = Field(default={})
    """Owners by their id."""
    export: ExportTable = ExportTable()


class Tables(NamedTuple):
    """The field tables of an account's objects, by object."""

    contact: FieldTable
    deal: FieldTable
    call: FieldTable
    company: FieldTable

    def of(self, kind: str) -> FieldTable:
        """The table of one object."""
        table: FieldTable = getattr(self, kind)
        return table


def stages_of(source: HubSpot) -> dict[str, StageBook]:
    """Stages of contacts and deals, the account's over HubSpot's own."""
    return {
        "contact": StageBook(LIFECYCLE_STAGES, source.contact.stages),
        "deal": StageBook(DEAL_STAGES, source.deal.stages),
    }


def tables_of(source: HubSpot) -> Tables:
    """Put the adapter's fields and the account's together."""
    zone = source.time_zone
    return Tables(
        FieldTable(source.contact, CONTACT_FIELDS, CONTACT_VALUES, zone),
        FieldTable(source.deal, DEAL_FIELDS, {}, zone),
        FieldTable(source.call, CALL_FIELDS, CALL_VALUES, zone),
        FieldTable(source.company, COMPANY_FIELDS, {}, zone),
    )


class HubSpotWebhooks:
    """Notifications of one account become canonical events."""

    def __init__(self, source: HubSpot) -> None:
        self._source = source
        self._tables = tables_of(source)
        self._stages = stages_of(source)

    def adapt(self, payload: object, context: Context = NOTHING_KNOWN) -> Adapted:  # noqa: ARG002 - one signature
        """Read an array of notifications, or one; JSON bytes or decoded."""
        out = Collector(self._source.source, self._source.revision)
        for document in out.documents(payload):
            for item in document if type(document) is list else [document]:
                with out.part(item):
                    self._notification(an_object(item, "notification"), out)
        return out.adapted

    def _notification(self, item: Object, out: Collector) -> None:
        if self._source.portal is not None and item.get("portalId") != self._source.portal:
            raise NotAdaptable("wrong-account", f"portalId: is not {self._source.portal}, the account of this source")
        subscription = text_member(item, "subscriptionType")
        kind, _, action = subscription.partition(".")
        if kind == "object" and action != "associationChange":
            kind = OBJECTS.get(word(member(item, "objectTypeId")), "other")
        with reading("occurredAt"):
            time_us = convert.instant_us(member(item, "occurredAt"))
        if action == "associationChange":
            self._association(item, kind, time_us, out)
        elif kind not in _ID:
            out.pass_over(subscription)
        elif action == "merge":
            self._merge(item, kind, time_us, out)
        elif action == "propertyChange":
            self._property(item, kind, time_us, out)
        elif action == "creation":
            draft = out.add(Draft(_CREATED[kind], time_us, _SEQUENCE[action], "creation", _event_id(item)))
            draft.put(_ID[kind], _object_id(item, "objectId"), "objectId")
            if kind in ("contact", "deal"):
                draft.put("created_at", convert.instant(time_us), "occurredAt")
            if kind == "deal" and self._source.currency is not None:
                draft.put("currency", self._source.currency, "currency")
        elif action in _LIFE and kind in _PREFIX:
            self._life(item, f"{_PREFIX[kind]}.{_LIFE[action]}", kind, time_us, action, out)
        elif action == "privacyDeletion" and kind == "contact":
            self._life(item, "crm.lead.erased", kind, time_us, action, out)
        else:
            out.pass_over(subscription)

    def _life(self, item: Object, type_: str, kind: str, time_us: int, action: str, out: Collector) -> None:
        draft = out.add(Draft(type_, time_us, _SEQUENCE[action], action))
        draft.put(_ID[kind], _object_id(item, "objectId"), "objectId")

    def _property(self, item: Object, kind: str, time_us: int, out: Collector) -> None:
        name = text_member(item, "propertyName")
        if "propertyValue" not in item:
            raise NotAdaptable(Reason.MISSING_MEMBER, "propertyValue: is missing")
        value = item["propertyValue"]
        sequence = _OUTCOME if name == "hs_call_disposition" else _CHANGE
        draft = Draft(_UPDATED[kind], time_us, sequence, "propertyChange", name, _event_id(item))
        draft.put(_ID[kind], _object_id(item, "objectId"), "objectId")
        if not write_property(draft, kind, name, value, self._tables, self._stages, out):
            out.pass_over(f"{kind}.{name}")
            return
        if len(draft.data) > 1:
            out.add(draft)
        if draft.has("amount") and self._source.currency is not None and not self._source.several_currencies:
            draft.put("currency", self._source.currency, "currency")

    def _merge(self, item: Object, kind: str, time_us: int, out: Collector) -> None:
        merged = member(item, "mergedObjectIds")
        if type(merged) is not list:
            raise NotAdaptable(Reason.INVALID_MEMBER, "mergedObjectIds: must be an array")
        primary = _object_id(item, "primaryObjectId")
        survivor = primary if item.get("newObjectId") is None else _object_id(item, "newObjectId")
        with reading("mergedObjectIds"):
            losers = [convert.identifier(each) for each in merged]
        losers = [each for each in dict.fromkeys([primary, *losers]) if each != survivor]
        if kind == "contact":
            out.add(Draft("crm.lead.merged", time_us, _SEQUENCE["merge"], "merge", lead_id=survivor, merged_ids=losers))
        elif kind == "deal":
            for loser in losers:
                out.add(Draft("crm.opportunity.deleted", time_us, _SEQUENCE["merge"], "merge", opportunity_id=loser))
            if survivor != primary:
                out.gap(time_us, 0, "deal", survivor, "merge")
        else:
            out.pass_over(f"{kind}.merge")

    def _association(self, item: Object, kind: str, time_us: int, out: Collector) -> None:
        ends = _ends(item)
        if ends is None:
            out.pass_over(f"{kind}.associationChange")
            return
        (of, of_id), (to, to_id) = ends
        members = _LINKS[of, to]
        removed = item.get("associationRemoved", False)
        if type(removed) is not bool:
            raise NotAdaptable(Reason.INVALID_MEMBER, "associationRemoved: must be true or false")
        if to == "company" and item.get("isPrimaryAssociation") is False:
            out.pass_over("secondary-company")
            return
        if removed and to != "contact":
            out.gap(time_us, 0, of, of_id, "associationRemoved", to_id)
            return
        draft = out.add(Draft(_UPDATED[of], time_us, _CHANGE, "associationChange"))
        draft.put(_ID[of], of_id, "fromObjectId")
        if removed:
            draft.put("unlinked_lead_id", to_id, "toObjectId")
            return
        for name in members:
            draft.put(name, to_id, "toObjectId")


def write_property(
    draft: Draft, kind: str, name: str, value: object, tables: Tables, stages: dict[str, StageBook], out: Collector
) -> bool:
    """Put a property into the event of its object; False if it means nothing here."""
    table = tables.of(kind)
    if name not in table:
        if kind == "deal" and name in _CLOSED:
            with reading(name):
                if convert.plain(value) is not None and convert.flag(value):
                    draft.put("status", _CLOSED[name], name)
            return True
        return False
    if table.target(name) != "stage":
        table.write(draft, name, value, out)
        return True
    with reading(name):
        raw = convert.plain(value)
    found = None if raw is None else stages[kind].find(str(raw))
    if raw is not None and found is None:
        out.unmapped(f"{kind}.stages", raw)
    draft.put("stage", None if raw is None else found[0] if found else str(raw), name)
    if kind == "deal" and found is not None and found[1] is not None:
        draft.put("status", found[1], name)
    return True


def reference(source: HubSpot) -> Adapted:
    """What the source file itself says: who the owners are."""
    return rep_events(source, source.owners)


def _ends(item: Object) -> tuple[tuple[str, str], tuple[str, str]] | None:
    """Whose link an association changes, and what it links to; None if it is none of ours."""
    named = _ASSOCIATION.fullmatch(word(item.get("associationType")))
    if named:
        from_kind, to_kind = named.group(1).lower(), named.group(2).lower()
    else:
        from_kind = OBJECTS.get(word(item.get("fromObjectTypeId")), "other")
        to_kind = OBJECTS.get(word(item.get("toObjectTypeId")), "other")
    if (from_kind, to_kind) in _LINKS:
        return (from_kind, _object_id(item, "fromObjectId")), (to_kind, _object_id(item, "toObjectId"))
    if (to_kind, from_kind) in _LINKS:
        return (to_kind, _object_id(item, "toObjectId")), (from_kind, _object_id(item, "fromObjectId"))
    return None


def _object_id(item: Object, name: str) -> str:
    with reading(name):
        return convert.identifier(member(item, name))


def _event_id(item: Object) -> str:
    """Of use where two changes of a personal value came in one millisecond; not unique, and not relied on."""
    return word(item.get("eventId"))[:64]
