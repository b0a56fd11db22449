"""A journey: what a root counts, as records. A pure function of the counted documents and the rules.

The fields of the records are the nested columns of the table `nodes` in their order, so that a record is encoded into
its row as it stands. Instants are microseconds since 1970 in UTC, days ISO text, money integers of 1e-4; absent texts
are '' or the name that reports give to what is absent.
"""

from collections.abc import Iterable, Mapping

import msgspec

from stream.advances import credit_calls
from stream.calendar import LAST_DAY, NO_RATE_DAY
from stream.channels import DIRECT, NONE, Origin, Raw, Said, campaign_of
from stream.flow import id_of, kind_of, touch_ids
from stream.fold import Document, Fields, Key, canonical
from stream.records import Call, Credit, Lead, Opportunity, Spend, StageChange, Touch
from stream.rules import Rules
from stream.stages import BOFU, CUSTOMER, FUNNEL, MOFU, TOFU

UNASSIGNED = "(unassigned)"
#: the leads of a group that are known and not deleted, by id, with their values and what these say of their origin
Members = dict[str, tuple[Document, Fields, Said]]


class Journey(msgspec.Struct, gc=False):
    """The records that one root counts: at most one lead, and what belongs to it."""

    lead: Lead | None = None
    opportunities: list[Opportunity] = []
    calls: list[Call] = []
    touches: list[Touch] = []
    spend: list[Spend] = []
    credits: list[Credit] = []


EMPTY = Journey()
_KINDS = frozenset({"lead", "opportunity", "call", "touch", "spend"})


class _Group:
    """A root that counts a lead, or what belongs to one, on its way to a journey: its documents by kind."""

    __slots__ = ("deals", "journey", "leads", "logged", "members", "origins", "recorded", "root", "row_id")

    def __init__(self, root: str, documents: Mapping[str, Document], found: Journey) -> None:
        self.root, self.journey = root, found
        self.leads: dict[str, Document] = {}
        self.recorded: dict[str, Document] = {}
        self.deals: dict[str, Document] = {}
        self.logged: dict[str, Document] = {}
        self.members: Members = {}
        self.origins: dict[str, Origin] = {}
        self.row_id = ""
        by_kind = {"lead": self.leads, "touch": self.recorded, "opportunity": self.deals, "call": self.logged}
        for entity, document in documents.items():
            by_kind[kind_of(entity)][entity] = document


def journeys(counted: Iterable[tuple[str, Mapping[str, Document]]], rules: Rules) -> list[Journey]:
    """The records of each (root, the documents that it counts). `Journey.credits` is left to the attribution.

    Each step is taken for all of them before the next one, as in `Shard.fold`, and for the same reason.
    """
    found: list[Journey] = []
    groups: list[_Group] = []
    for root, documents in counted:
        kind = kind_of(root)
        if not documents or kind not in _KINDS:
            found.append(EMPTY)
        elif kind == "spend":
            found.append(Journey(spend=_spend(documents[root], rules)))
        else:
            found.append(Journey())
            groups.append(_Group(root, documents, found[-1]))
    for group in groups:
        _join_members(group, rules)
    for group in groups:
        group.journey.touches, group.origins = _touches(group.recorded, group.members, group.row_id, rules)
    for group in groups:
        if group.deals:
            each = (_opportunity(entity, document, group.row_id, rules) for entity, document in group.deals.items())
            group.journey.opportunities = [opportunity for opportunity in each if opportunity]
    for group in groups:
        if group.logged:
            calls = (_call(entity, document, group.row_id, rules) for entity, document in group.logged.items())
            group.journey.calls = [call for call in calls if call]
    for group in groups:
        if group.row_id:
            group.journey.lead = _lead(group, rules)
    for group in groups:
        credit_calls(group.journey.lead, group.journey.calls, rules.call_credit_us)
    return found


def _join_members(group: _Group, rules: Rules) -> None:
    """Find the leads that count, and the one that stands for them."""
    for entity, document in group.leads.items():
        values = document.values()
        if document.first is not None and not values.get("deleted"):
            group.members[id_of(entity)] = document, values, rules.origins.said(values)
    group.row_id = _row(id_of(group.root) if kind_of(group.root) == "lead" else "", group.members)


def created_us(document: Document, values: Fields) -> int:
    """When a lead or an opportunity was created: as it says, else the least time of its events."""
    at: int | None = values.get("created_at")
    return at if at is not None else document.first or 0


def _row(root_id: str, members: Members) -> str:
    """The lead that stands for its group: the root if it may, else the earliest created, then the least id."""
    if root_id in members or not members:
        return root_id if members else ""
    return min(members, key=lambda lead_id: (created_us(*members[lead_id][:2]), lead_id))


def _raw(values: Fields) -> Raw:
    get = values.get
    return Raw(
        get("channel") or "",
        get("utm_source") or "",
        get("utm_medium") or "",
        get("utm_campaign") or "",
        get("utm_term") or "",
        get("utm_content") or "",
        get("gclid") or "",
        get("msclkid") or "",
        get("fbclid") or "",
        get("referrer") or "",
        get("campaign_id") or "",
    )


def _touches(
    recorded: Mapping[str, Document], members: Members, row_id: str, rules: Rules
) -> tuple[list[Touch], dict[str, Origin]]:
    """The touches in order, creation touches among them, and the origin of each member.

    A creation touch without any origin carries that of the group's earliest touch that has one.
    """
    say, day = rules.origins.said, rules.calendar.day
    found: list[tuple[int, int, str, str, Said]] = []
    for lead_id, (document, values, said) in members.items():
        found.append((created_us(document, values), 0, lead_id, "", said))
    for entity, document in recorded.items():
        if document.first is None:
            continue
        values = document.values()
        lead_id, touch_id = touch_ids(entity)
        at: int | None = values.get("at")
        found.append((at if at is not None else document.first, 1, touch_id, lead_id, say(values)))
    found.sort()  # by what comes before the values: no two touches have the same ids
    touches: list[Touch] = []
    origins: dict[str, Origin] = {}
    for at_us, is_recorded, first_id, second_id, (origin, given, utm, texts) in found:
        if is_recorded:
            touch_id, lead_id = first_id, second_id
        else:
            touch_id, lead_id = "", first_id
            if not given:
                origin = next((said.origin for *_, said in found if said.given), DIRECT)
            origins[lead_id] = origin
        touches.append(Touch(touch_id, lead_id, 1 - is_recorded, row_id, at_us, day(at_us), *origin, *texts, int(utm)))
    return touches, origins


def _reach(rises: list[int | None], rank: int, at_us: int) -> None:
    """Note that a group's reached stage came to a rank, and with it to those below."""
    for below in range(rank, TOFU, -1):
        known = rises[below]
        if known is None or at_us < known:
            rises[below] = at_us


def _lead(group: _Group, rules: Rules) -> Lead:
    funnel, members, row_id = rules.funnel, group.members, group.row_id
    others = sorted(each for entity in group.leads if (each := id_of(entity)) != row_id) if len(group.leads) > 1 else []
    history: list[tuple[Key, str | None]] = []
    for document, _, _ in members.values():
        history += document.history("stage")
    if len(members) > 1:
        history.sort(key=lambda each: (each[0], canonical("stage", each[1])))  # as within the history of one lead
    # when the group's reached stage came to each rank or above it
    rises: list[int | None] = [None] * len(FUNNEL)
    stages: list[StageChange] = []
    for key, stage in history:
        at_us, rank = key[0], funnel.rank(stage)
        if rank and rises[rank] is None:  # a later one of a history does not come before it
            _reach(rises, rank, at_us)
        stages.append(StageChange(at_us, stage or NONE, FUNNEL[rank], int(funnel.mapped(stage))))
    for opportunity in group.journey.opportunities:
        _reach(rises, BOFU, opportunity.created_us)
        if opportunity.status == "won" and opportunity.closed_us is not None:
            _reach(rises, CUSTOMER, opportunity.closed_us)
    reached = CUSTOMER
    while reached and rises[reached] is None:
        reached -= 1
    document, values, said = members[row_id]
    own_stage = (values.get("stage") or [None])[-1]
    created = created_us(document, values)
    return Lead(
        row_id,
        others,
        created,
        rules.calendar.day(created),
        *group.origins[row_id],
        values.get("lead_magnet") or NONE,
        own_stage or NONE,
        FUNNEL[funnel.rank(own_stage)],
        FUNNEL[reached],
        rises[MOFU],
        rises[BOFU],
        rises[CUSTOMER],
        stages,
        *said.texts,
        int(said.utm),
        int(said.given),
        values.get("owner_id") or UNASSIGNED,
        values.get("account_id") or "",
    )


def _opportunity(entity: str, document: Document, row_id: str, rules: Rules) -> Opportunity | None:
    values = document.values()
    if document.first is None or values.get("deleted"):
        return None
    status, closed_us = _close(document, values)
    created = created_us(document, values)
    amount = values.get("amount")
    currency = values.get("currency") or rules.currency
    closed_day = rules.calendar.day(closed_us) if closed_us is not None else None
    probability = values.get("probability")
    stage = (values.get("stage") or [None])[-1]
    rate_day = NO_RATE_DAY if currency == rules.currency else closed_day or LAST_DAY
    return Opportunity(
        id_of(entity),
        row_id,
        document.lead(values) or "",
        values.get("account_id") or "",
        values.get("contact_id") or "",
        amount or 0,
        int(amount is not None),
        currency,
        values.get("cost") or 0,
        probability,
        _weighted(amount or 0, status, probability, stage, rules),
        stage or NONE,
        int(rules.funnel.mapped(stage)),
        status,
        values.get("due_date"),
        created,
        rules.calendar.day(created),
        closed_us,
        closed_day,
        values.get("owner_id") or UNASSIGNED,
        values.get("campaign_id") or "",
        rate_day,
    )


def _close(document: Document, values: Fields) -> tuple[str, int | None]:
    """Status now, and when it closed: as it says, else at the first of the last run of this status.

    A `closed_at` written by the event of the last other status, or an older one, belongs to an older close.
    """
    history = document.history("status")
    status = history[-1][1] if history else "open"
    if status == "open":
        return status, None
    start = len(history) - 1
    while start and history[start - 1][1] == status:
        start -= 1
    closed_at: int | None = values.get("closed_at")
    if closed_at is not None:
        written = document.key_of("closed_at")
        if start == 0 or (written is not None and written > history[start - 1][0]):
            return status, closed_at
    return status, history[start][0][0]


def _weighted(amount: int, status: str, probability: int | None, stage: str | None, rules: Rules) -> int:
    """Amount times probability, rounded half to even; a won one counts whole, a lost one not at all."""
    if status == "won":
        return amount
    if status == "lost":
        return 0
    if probability is None:
        probability = rules.stage_probability.get(stage or "", 0)
    quotient, rest = divmod(amount * probability, 10_000)
    if rest > 5_000 or (rest == 5_000 and quotient % 2):
        quotient += 1
    return quotient


def _call(entity: str, document: Document, row_id: str, rules: Rules) -> Call | None:
    values = document.values()
    if document.first is None or values.get("deleted"):
        return None
    started: int | None = values.get("started_at")
    if started is None:
        started = document.first
    says = values.get("advanced_to") or ""
    return Call(
        id_of(entity),
        values.get("rep_id") or UNASSIGNED,
        row_id,
        document.lead(values) or "",
        values.get("opportunity_id") or "",
        values.get("direction") or NONE,
        values.get("outcome") or "",
        started,
        rules.calendar.day(started),
        values.get("talk_seconds") or 0,
        says,
        FUNNEL[rules.funnel.rank(says)] if says else "",
    )


def _spend(document: Document, rules: Rules) -> list[Spend]:
    figure = document.values().get("figure")
    if figure is None:
        return []
    raw = _raw(figure)
    channel, source, medium = rules.origins.spend(raw)
    if not (source or medium):
        platform = rules.platform_map.get(figure["platform"], {})
        source, medium = platform.get("source", NONE), platform.get("medium", NONE)
    return [
        Spend(
            figure["platform"],
            figure.get("account_id") or "",
            figure["date"],
            figure.get("campaign_id") or "",
            campaign_of(raw.campaign_id, raw.utm_campaign),
            figure.get("category") or "media",
            channel,
            source,
            medium,
            *raw[:6],
            figure["currency"],
            figure["amount"],
            figure.get("impressions") or 0,
            figure.get("clicks") or 0,
            figure.get("visitors") or 0,
        )
    ]
