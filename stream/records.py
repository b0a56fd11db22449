"""The records that a root counts, field by field the nested columns of the table `nodes` (see its SQL for units).

They are written by position: the order of the fields is that of the columns, and new ones come last.
"""

import msgspec

MODELS = ("first", "last", "linear", "position", "time_decay", "w_shaped")


class StageChange(msgspec.Struct, array_like=True, gc=False):
    """One value that the stage of a lead of the group ever had."""

    at_us: int
    stage: str
    funnel_stage: str
    mapped: int


class Lead(msgspec.Struct, array_like=True, gc=False):
    """The counted lead of a group of merged ones."""

    lead_id: str
    merged_ids: list[str]
    created_us: int
    day: str
    channel: str
    source: str
    medium: str
    campaign_id: str
    lead_magnet: str
    stage: str
    funnel_stage: str
    reached_stage: str
    mofu_us: int | None
    bofu_us: int | None
    customer_us: int | None
    stages: list[StageChange]
    given_channel: str
    utm_source: str
    utm_medium: str
    utm_campaign: str
    utm_term: str
    utm_content: str
    gclid: str
    msclkid: str
    fbclid: str
    referrer: str
    has_utm: int
    has_origin: int
    owner_id: str
    account_id: str


class Opportunity(msgspec.Struct, array_like=True, gc=False):
    """An opportunity; a deal once it is won or lost."""

    opportunity_id: str
    lead_id: str
    given_lead_id: str
    account_id: str
    contact_id: str
    amount_units: int
    has_amount: int
    currency: str
    cost_units: int
    probability_units: int | None
    weighted_units: int
    stage: str
    stage_mapped: int
    status: str
    due_date: str | None
    created_us: int
    created_day: str
    closed_us: int | None
    closed_day: str | None
    owner_id: str
    campaign_id: str
    rate_day: str


class Call(msgspec.Struct, array_like=True, gc=False):
    """A call; `advanced_mofu` and `advanced_bofu` are credited by the journey."""

    call_id: str
    rep_id: str
    lead_id: str
    given_lead_id: str
    opportunity_id: str
    direction: str
    status: str
    started_us: int
    day: str
    talk_seconds: int
    advanced_to: str
    advanced_stage: str
    advanced_mofu: int = 0
    advanced_bofu: int = 0


class Touch(msgspec.Struct, array_like=True, gc=False):
    """A touch; `own` is 1 for the creation of a lead."""

    touch_id: str
    lead_id: str
    own: int
    counted_lead_id: str
    at_us: int
    day: str
    channel: str
    source: str
    medium: str
    campaign_id: str
    given_channel: str
    utm_source: str
    utm_medium: str
    utm_campaign: str
    utm_term: str
    utm_content: str
    gclid: str
    msclkid: str
    fbclid: str
    referrer: str
    has_utm: int


class Spend(msgspec.Struct, array_like=True, gc=False):
    """A spend figure; channel '' is resolved when it is read."""

    platform: str
    account_id: str
    day: str
    given_campaign_id: str
    campaign_id: str
    category: str
    channel: str
    source: str
    medium: str
    given_channel: str
    utm_source: str
    utm_medium: str
    utm_campaign: str
    utm_term: str
    utm_content: str
    currency: str
    amount_units: int
    impressions: int
    clicks: int
    visitors: int


class Credit(msgspec.Struct, array_like=True, gc=False):
    """What one touch is credited of one won deal, by every model.

    Deals in 1e-6, money in 1e-4, and whether this is the first touch with a weight (`heads`).
    """

    opportunity_id: str
    touch_id: str
    touch_lead_id: str
    own: int
    lead_id: str
    day: str
    cohort_day: str | None
    channel: str
    source: str
    medium: str
    campaign_id: str
    lead_magnet: str
    currency: str
    rate_day: str
    deals_first: int
    revenue_first: int
    cost_first: int
    heads_first: int
    deals_last: int
    revenue_last: int
    cost_last: int
    heads_last: int
    deals_linear: int
    revenue_linear: int
    cost_linear: int
    heads_linear: int
    deals_position: int
    revenue_position: int
    cost_position: int
    heads_position: int
    deals_time_decay: int
    revenue_time_decay: int
    cost_time_decay: int
    heads_time_decay: int
    deals_w_shaped: int
    revenue_w_shaped: int
    cost_w_shaped: int
    heads_w_shaped: int

    def measures(self) -> tuple[int, ...]:
        """Deals, revenue, cost and heads of each model, in the order of the columns."""
        return msgspec.structs.astuple(self)[14:]
