"""The canonical events: the envelope, and one model for the data of every event type.

The models are the one place that says which members there are, of which kind, and which are required. The hot
path's tables, the JSON Schemas and the reference in docs/ are made from them.

Null clears an optional member, absence leaves it alone: `model_fields_set` tells the two apart.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from schemas.kinds import (
    BenchmarkMetric,
    CallStatus,
    Count,
    Currency,
    Date,
    DealStatus,
    Direction,
    Flag,
    Identifier,
    Identifiers,
    Instant,
    Money,
    Month,
    Number,
    Positive,
    Referrer,
    Scope,
    Seconds,
    Share,
    TargetMetric,
    Text,
    Texts,
)

SEQUENCE_MIN, SEQUENCE_MAX = -(2**63), 2**63 - 1


class Members(BaseModel):
    """An object that takes its known members strictly and ignores all others."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


def _sequence(value: object) -> int:
    if isinstance(value, str):
        digits = value.removeprefix("-")
        if not (digits.isascii() and digits.isdigit()):
            raise ValueError("must be an integer or its decimal text")
        significant = digits.lstrip("0")[:20]  # twenty digits are too many already
        value = int(significant or "0") * (-1 if value[0] == "-" else 1)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be an integer or its decimal text")  # noqa: TRY004 - pydantic takes a ValueError
    if not SEQUENCE_MIN <= value <= SEQUENCE_MAX:
        raise ValueError("does not fit 64 bits")
    return value


Sequence = Annotated[
    int,
    BeforeValidator(_sequence),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": SEQUENCE_MIN, "maximum": SEQUENCE_MAX},
                {"type": "string", "pattern": "^-?[0-9]+$"},
            ]
        }
    ),
]


class Envelope(Members):
    """What every event carries around its data: CloudEvents 1.0, structured JSON."""

    specversion: Literal["1.0"] | None = Field("1.0", description="Version of CloudEvents; may be left out.")
    id: Identifier = Field(description="Names the event within its source.")
    source: Identifier = Field(description="Where it comes from: system and account, such as hubspot/62515.")
    type: Annotated[str, Field(strict=True)] = Field(description="What happened: one of the types below.")
    time: Instant = Field(
        description="When the change happened at the source. Not more than 24 hours after the record's Kafka "
        "timestamp (SIXFOLD_MAX_FUTURE_HOURS)."
    )
    sequence: Sequence | None = Field(
        None, description="The source's own order among events of equal time; 64 bits; 0 if left out."
    )
    data: dict[str, object] = Field(description="The members of the type; unknown ones are ignored.")


class Utm(Members):
    """The five UTM parameters, as they were in the link."""

    source: Text | None = Field(None, description="utm_source, such as google.")
    medium: Text | None = Field(None, description="utm_medium, such as cpc.")
    campaign: Text | None = Field(None, description="utm_campaign; names a campaign by id, name or alias.")
    term: Text | None = Field(None, description="utm_term.")
    content: Text | None = Field(None, description="utm_content.")


class ClickId(Members):
    """The click identifiers that advertising platforms append to links."""

    gclid: Text | None = Field(None, description="Google Ads.")
    msclkid: Text | None = Field(None, description="Microsoft Ads.")
    fbclid: Text | None = Field(None, description="Meta.")


GROUP_PREFIX = {"utm": "utm_", "click_id": ""}
"""Members that are objects, whose own members become fields: what these get in front of their names."""


class LeadId(Members):
    """Nothing but a lead's id."""

    lead_id: Identifier = Field(description="The lead.")


class Origin(Members):
    """Where a visit came from."""

    utm: Utm | None = Field(None, description="UTM parameters; null clears all five.")
    click_id: ClickId | None = Field(None, description="Click identifiers; null clears all three.")
    referrer: Referrer | None = Field(None, description="Referring page; only its host is kept.")
    channel: Text | None = Field(None, description="Channel, where the source knows it; beats all rules.")
    campaign_id: Identifier | None = Field(None, description="Campaign.")


class Lead(Origin, LeadId):
    """A lead's own data."""

    created_at: Instant | None = Field(None, description="Creation in the CRM; else the earliest event.")
    name: Text | None = Field(None, description="Name of the person (personal data).")
    email: Text | None = Field(None, description="Mail address (personal data).")
    company: Text | None = Field(None, description="Company as given (personal data).")
    account_id: Identifier | None = Field(None, description="Account that the lead belongs to.")
    owner_id: Identifier | None = Field(None, description="Rep who owns the lead.")
    lead_magnet: Text | None = Field(None, description="What the lead signed up for, such as a webinar.")
    stage: Text | None = Field(None, description="Stage in the CRM's own words; mapped by configuration.")


class LeadMerge(LeadId):
    """Leads that turned out to be one."""

    lead_id: Identifier = Field(description="The lead that survives.")
    merged_ids: Identifiers = Field(description="The leads that are merged into it; may be empty.")


class Touch(Origin):
    """A visit or another contact of a lead."""

    touch_id: Identifier = Field(description="The touch, unique within its lead.")
    lead_id: Identifier = Field(description="The lead that was touched.")
    at: Instant | None = Field(None, description="When it happened; else the earliest event counts.")


class OpportunityId(Members):
    """Nothing but an opportunity's id."""

    opportunity_id: Identifier = Field(description="The opportunity.")


class Opportunity(OpportunityId):
    """A possible or decided sale."""

    lead_id: Identifier | None = Field(None, description="Lead it came from.")
    unlinked_lead_id: Identifier | None = Field(
        None, description="Lead it no longer belongs to: clears lead_id where that is the one."
    )
    account_id: Identifier | None = Field(None, description="Account it is with.")
    contact_id: Identifier | None = Field(None, description="Person it is talked over with.")
    contact: Text | None = Field(None, description="That person's name (personal data).")
    subject: Text | None = Field(None, description="What it is about (personal data).")
    amount: Money | None = Field(None, description="What it is worth; negative for a refund.")
    currency: Currency | None = Field(None, description="Currency of amount and cost.")
    cost: Money | None = Field(None, description="What it costs, in the same currency.")
    probability: Share | None = Field(None, description="Chance of winning; at most 4 decimals.")
    stage: Text | None = Field(None, description="Stage in the CRM's own words.")
    status: DealStatus | None = Field(None, description="How it stands; crm.deal.* types say it themselves.")
    due_date: Date | None = Field(None, description="Day by which it should be decided.")
    created_at: Instant | None = Field(None, description="Creation in the CRM; else the earliest event.")
    closed_at: Instant | None = Field(None, description="Decision; else the first event with won or lost.")
    owner_id: Identifier | None = Field(None, description="Rep who owns it.")
    campaign_id: Identifier | None = Field(None, description="Campaign, used where no lead is known.")


class CallId(Members):
    """Nothing but a call's id."""

    call_id: Identifier = Field(description="The call.")


class Call(CallId):
    """A phone call."""

    rep_id: Identifier | None = Field(None, description="Rep on the phone.")
    lead_id: Identifier | None = Field(None, description="Lead on the phone.")
    unlinked_lead_id: Identifier | None = Field(
        None, description="Lead it no longer belongs to: clears lead_id where that is the one."
    )
    opportunity_id: Identifier | None = Field(None, description="Opportunity it was about.")
    direction: Direction | None = Field(None, description="Who called.")
    status: CallStatus | None = Field(None, description="How it ended; all but answered count as missed.")
    started_at: Instant | None = Field(None, description="Start; else the earliest event counts.")
    talk_seconds: Seconds | None = Field(None, description="Seconds talked, at most 4294967295.")
    advanced_to: Text | None = Field(None, description="Stage to which the call moved the lead.")


class Spend(Members):
    """What one campaign cost on one day on one platform; replaces what was posted before for the same key."""

    platform: Identifier = Field(description="Advertising platform, such as google_ads.")
    date: Date = Field(description="Day of the spend.")
    amount: Money = Field(description="Cost of that day; 0 where only visitors are reported.")
    currency: Currency = Field(description="Currency of the amount.")
    account_id: Identifier | None = Field(None, description="Account on the platform.")
    campaign_id: Identifier | None = Field(None, description="Campaign.")
    utm: Utm | None = Field(None, description="UTM parameters that the ads carry.")
    channel: Text | None = Field(None, description="Channel; else the campaign's, else the platform's.")
    category: Identifier | None = Field("media", description="Kind of cost; media unless said otherwise.")
    impressions: Count | None = Field(None, description="Times shown.")
    clicks: Count | None = Field(None, description="Times clicked.")
    visitors: Count | None = Field(None, description="Visitors it brought.")


class Campaign(Members):
    """A campaign."""

    campaign_id: Identifier = Field(description="The campaign.")
    name: Text | None = Field(None, description="Its name.")
    group: Text | None = Field(None, description="Group of campaigns it belongs to.")
    channel: Text | None = Field(None, description="Channel of its spend.")
    aliases: Texts | None = Field(None, description="UTM campaign names that mean this campaign.")
    budget: Money | None = Field(None, description="Planned cost.")
    currency: Currency | None = Field(None, description="Currency of the budget.")


class Rep(Members):
    """Somebody in sales; owners of leads and opportunities are reps too."""

    rep_id: Identifier = Field(description="The rep.")
    name: Text | None = Field(None, description="Name shown in reports.")
    team: Text | None = Field(None, description="Team.")
    team_since: Date | None = Field(None, description="First day in that team; absent: from the beginning.")


class Account(Members):
    """A company that is sold to."""

    account_id: Identifier = Field(description="The account.")
    name: Text | None = Field(None, description="Its name.")
    key_account: Flag | None = Field(None, description="Whether it is a key account.")


class Rate(Members):
    """An exchange rate of one day."""

    date: Date = Field(description="Day of the rate.")
    base: Currency = Field(description="Currency of which one is taken.")
    quote: Currency = Field(description="Currency in which it is priced.")
    rate: Positive = Field(description="How much of quote one base costs.")


class Benchmark(Members):
    """What the calls of a rep should come to."""

    metric: BenchmarkMetric = Field(description="Column of the call report.")
    value: Number = Field(description="What it should be.")
    label: Text | None = Field(None, description="How reports call it.")
    valid_from: Date | None = Field(None, description="First day it holds; from the beginning if left out.")


class Target(Members):
    """What a month should bring."""

    metric: TargetMetric = Field(description="What is counted.")
    month: Month = Field(description="The month, YYYY-MM.")
    value: Number = Field(description="What it should reach.")
    scope: Scope | None = Field("company", description="Whose target it is; the company's if left out.")


class Gap(Members):
    """A record of a source whose change did not come through: it must be fetched, or was."""

    system: Identifier = Field(description="Source that the record is in, such as salesforce/acme.")
    entity: Identifier = Field(description="The source's own word for what it is, such as Opportunity.")
    record: Identifier = Field(description="The record; * for all of its kind.")
    open: Flag = Field(description="true: to be fetched; false: fetched since.")
    change: Text | None = Field(None, description="The source's own word for what happened, such as GAP_UPDATE.")


@dataclass(frozen=True)
class EventType:
    """One event type: the model of its data, whose record key it has, and an example.

    `home` is the kind of entity whose home folds the event; `parts` are the normalised fields that
    make its key.
    """

    data: type[Members]
    home: str
    parts: tuple[str, ...]
    summary: str
    example: dict[str, object]


_LEAD = ("lead", ("lead_id",))
_OPPORTUNITY = ("opportunity", ("opportunity_id",))
_CALL = ("call", ("call_id",))
_SPEND_PARTS = (
    "platform",
    "account_id",
    "date",
    "campaign_id",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_term",
    "utm_content",
    "category",
)

EVENT_TYPES: dict[str, EventType] = {
    "crm.lead.created": EventType(
        Lead,
        *_LEAD,
        "A lead came into being.",
        {
            "lead_id": "1042",
            "created_at": "2026-03-01T09:12:44Z",
            "name": "Ada Example",
            "email": "ada@example.org",
            "owner_id": "rep-7",
            "utm": {"source": "google", "medium": "cpc", "campaign": "spring"},
            "referrer": "https://www.google.com/",
            "stage": "subscriber",
        },
    ),
    "crm.lead.updated": EventType(
        Lead, *_LEAD, "Something about a lead changed.", {"lead_id": "1042", "stage": "MQL", "owner_id": None}
    ),
    "crm.lead.merged": EventType(
        LeadMerge,
        *_LEAD,
        "Leads were found to be one; each merged lead now points to the survivor.",
        {"lead_id": "1042", "merged_ids": ["977", "1013"]},
    ),
    "crm.lead.deleted": EventType(LeadId, *_LEAD, "A lead was deleted; it can come back.", {"lead_id": "1042"}),
    "crm.lead.restored": EventType(LeadId, *_LEAD, "A deleted lead came back.", {"lead_id": "1042"}),
    "crm.lead.erased": EventType(
        LeadId, *_LEAD, "A person is to be forgotten, for good; the counts stay.", {"lead_id": "1042"}
    ),
    "crm.touch.recorded": EventType(
        Touch,
        *_LEAD,
        "A lead visited, clicked or answered.",
        {
            "touch_id": "t-88",
            "lead_id": "1042",
            "at": "2026-03-17T10:00:00+01:00",
            "utm": {"source": "newsletter", "medium": "email"},
        },
    ),
    "crm.opportunity.created": EventType(
        Opportunity,
        *_OPPORTUNITY,
        "An opportunity came into being.",
        {
            "opportunity_id": "d-5",
            "lead_id": "1042",
            "subject": "Yearly licence",
            "amount": "12500.00",
            "currency": "EUR",
            "probability": 0.4,
            "stage": "Proposal",
            "due_date": "2026-06-30",
            "owner_id": "rep-7",
        },
    ),
    "crm.opportunity.updated": EventType(
        Opportunity,
        *_OPPORTUNITY,
        "Something about an opportunity changed.",
        {"opportunity_id": "d-5", "amount": 13750.5},
    ),
    "crm.deal.won": EventType(
        Opportunity,
        *_OPPORTUNITY,
        "An opportunity was won.",
        {"opportunity_id": "d-5", "closed_at": "2026-04-02T15:30:00Z"},
    ),
    "crm.deal.lost": EventType(Opportunity, *_OPPORTUNITY, "An opportunity was lost.", {"opportunity_id": "d-6"}),
    "crm.deal.reopened": EventType(
        Opportunity, *_OPPORTUNITY, "A decided opportunity is open again.", {"opportunity_id": "d-6"}
    ),
    "crm.opportunity.deleted": EventType(
        OpportunityId,
        *_OPPORTUNITY,
        "An opportunity was deleted; it can come back.",
        {"opportunity_id": "d-6"},
    ),
    "crm.opportunity.restored": EventType(
        OpportunityId, *_OPPORTUNITY, "A deleted opportunity came back.", {"opportunity_id": "d-6"}
    ),
    "crm.call.logged": EventType(
        Call,
        *_CALL,
        "A call was made, or what is known of it changed.",
        {
            "call_id": "c-310",
            "rep_id": "rep-7",
            "lead_id": "1042",
            "direction": "outbound",
            "status": "answered",
            "started_at": "2026-03-18T08:05:00Z",
            "talk_seconds": 312,
            "advanced_to": "SQL",
        },
    ),
    "crm.call.deleted": EventType(CallId, *_CALL, "A call was deleted; it can come back.", {"call_id": "c-310"}),
    "crm.call.restored": EventType(CallId, *_CALL, "A deleted call came back.", {"call_id": "c-310"}),
    "crm.spend.posted": EventType(
        Spend,
        "spend",
        _SPEND_PARTS,
        "A day's figures of a campaign; they replace those posted before under the same key.",
        {
            "platform": "google_ads",
            "date": "2026-03-01",
            "amount": "184.2150",
            "currency": "EUR",
            "account_id": "771-204",
            "campaign_id": "spring",
            "impressions": 18250,
            "clicks": 411,
        },
    ),
    "crm.campaign.upserted": EventType(
        Campaign,
        "campaign",
        ("campaign_id",),
        "A campaign as it is now.",
        {
            "campaign_id": "spring",
            "name": "Spring 2026",
            "channel": "cpc",
            "aliases": ["spring26", "fruehling"],
            "budget": 5000,
            "currency": "EUR",
        },
    ),
    "crm.rep.upserted": EventType(
        Rep,
        "rep",
        ("rep_id",),
        "A rep as they are now.",
        {"rep_id": "rep-7", "name": "R. Seven", "team": "North", "team_since": "2026-01-01"},
    ),
    "crm.account.upserted": EventType(
        Account,
        "account",
        ("account_id",),
        "An account as it is now.",
        {"account_id": "a-12", "name": "Example Works", "key_account": True},
    ),
    "crm.rate.posted": EventType(
        Rate,
        "rate",
        ("base", "quote", "date"),
        "The exchange rate of a day.",
        {"date": "2026-03-01", "base": "USD", "quote": "EUR", "rate": "0.9217"},
    ),
    "crm.benchmark.posted": EventType(
        Benchmark,
        "benchmark",
        ("metric", "valid_from"),
        "What calls should come to.",
        {"metric": "answer_rate", "value": 0.35, "label": "Industry", "valid_from": "2026-01-01"},
    ),
    "crm.target.posted": EventType(
        Target,
        "target",
        ("metric", "scope", "month"),
        "What a month should bring.",
        {"metric": "revenue", "month": "2026-03", "value": 250000, "scope": "team/North"},
    ),
    "crm.gap.posted": EventType(
        Gap,
        "gap",
        ("system", "entity", "record"),
        "A source could not say what changed: the record is to be fetched, or was fetched since.",
        {
            "system": "salesforce/acme",
            "entity": "Opportunity",
            "record": "0065f00000UloqVAAR",
            "open": True,
            "change": "GAP_UPDATE",
        },
    ),
}

PERSONAL: dict[str, frozenset[str]] = {
    "lead": frozenset({"name", "email", "company"}),
    "opportunity": frozenset({"contact", "subject"}),
}
"""Fields with personal data, by kind of entity: no folded state, internal topic or log holds their values."""
