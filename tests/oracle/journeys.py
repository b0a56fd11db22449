"""What is counted: groups of merged leads, their origin and stages, deals and their credits, calls and their advances.

Straight from the contract's sections on channels, stages and attribution. Instants are microseconds, money is in
units of 1e-4 of its own currency.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tests.oracle.state import UTM, Entity, Moment, State

MODELS = ("first", "last", "linear", "position", "time_decay", "w_shaped")
RANK = {"tofu": 0, "mofu": 1, "bofu": 2, "customer": 3}
SECOND = 1_000_000
UNITS = 10_000
UNATTRIBUTED = "(unattributed)"
NONE = "(none)"
#: what says nothing as source and medium of spend
UNSAID = {"", NONE, "(not set)"}


@dataclass(frozen=True)
class Config:
    """The settings that the reports depend on, by their names."""

    time_zone: str = "UTC"
    currency: str = "USD"
    pivot_currency: str = "EUR"
    fiscal_year_start: int = 1
    attribution_model: str = "first"
    lookback_days: int = 0
    call_credit_hours: int = 24
    stages: Mapping[str, str] = field(default_factory=dict)
    stage_probability: Mapping[str, str] = field(default_factory=dict)
    channels: Mapping[str, str] = field(default_factory=dict)
    search_engines: tuple[str, ...] = ()
    social_networks: tuple[str, ...] = ()
    platforms: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    own_domains: tuple[str, ...] = ()

    def day(self, us: int) -> date:
        """The local day of an instant."""
        seconds = us // SECOND
        return datetime.fromtimestamp(seconds, ZoneInfo(self.time_zone)).date()

    def stage(self, raw: str | None) -> str:
        return raw if raw in RANK else self.stages.get(raw or "", "tofu")

    def mapped(self, raw: str | None) -> bool:
        return raw in RANK or raw in self.stages


class Origin(NamedTuple):
    """Where somebody came from: `campaign_id` as it was given, not yet resolved."""

    channel: str
    source: str
    medium: str
    campaign_id: str


DIRECT = Origin("direct", NONE, NONE, NONE)

# -- channels

SEARCH = ("google.", "bing.com", "duckduckgo.com", "yahoo.", "ecosia.org", "baidu.com")
SOCIAL = ("facebook.com", "instagram.com", "linkedin.com", "tiktok.com", "youtube.com", "x.com", "pinterest.")
PLATFORMS = {
    "google_ads": {"channel": "cpc", "source": "google", "medium": "cpc"},
    "microsoft_ads": {"channel": "cpc", "source": "bing", "medium": "cpc"},
    "meta": {"channel": "social", "source": "facebook", "medium": "paid_social"},
    "linkedin": {"channel": "social", "source": "linkedin", "medium": "paid_social"},
    "tiktok": {"channel": "social", "source": "tiktok", "medium": "paid_social"},
}


def _plain(text: str | None) -> str:
    return (text or "").strip().lower()


def _squeezed(medium: str | None) -> str:
    return _plain(medium).replace("-", "").replace(" ", "").replace("_", "")


def within(host: str, domains: tuple[str, ...]) -> bool:
    """Whether a host is one of the domains or under one; `google.` has any ending."""
    for domain in domains:
        domain = domain.lower()
        if domain.endswith("."):
            if f".{host}".find(f".{domain}") >= 0:
                return True
        elif host == domain or host.endswith(f".{domain}"):
            return True
    return False


def referrer_of(entity: Entity, config: Config) -> str | None:
    host = entity.get("referrer")
    return None if host is None or within(host, config.own_domains) else str(host)


def _has_utm(entity: Entity) -> bool:
    return any((entity.get(f"utm.{each}") or "").strip() for each in UTM)


def has_origin(entity: Entity, config: Config) -> bool:
    return bool(
        (entity.get("channel") or "").strip()
        or _has_utm(entity)
        or any((entity.get(f"click_id.{each}") or "").strip() for each in ("gclid", "msclkid", "fbclid"))
        or referrer_of(entity, config)
        or entity.get("campaign_id") is not None
    )


def channel_of(entity: Entity, config: Config) -> str:  # noqa: C901 - the table, row by row
    given = (entity.get("channel") or "").strip()
    if given:
        return str(given)
    referrer = referrer_of(entity, config)
    # the rules look at the medium without hyphens, spaces and underscores: of "-" nothing is left
    squeezed = medium = _squeezed(entity.get("utm.medium"))
    if medium in ("(none)", "(notset)"):
        medium = ""
    source = _plain(entity.get("utm.source"))
    if (entity.get("click_id.gclid") or "").strip() or (entity.get("click_id.msclkid") or "").strip():
        return "cpc"
    if (entity.get("click_id.fbclid") or "").strip() and not medium:
        return "social"
    for name, channel in config.channels.items():
        if medium and _squeezed(name) == squeezed:
            return channel
    searched = referrer is not None and within(referrer, (*SEARCH, *config.search_engines))
    if squeezed in ("organic", "organicsearch") or (not medium and searched):
        return "organic"
    if squeezed in ("email", "newsletter"):
        return "email"
    if squeezed in ("cpc", "ppc", "paidsearch", "paid"):
        return "cpc"
    networked = referrer is not None and within(referrer, (*SOCIAL, *config.social_networks))
    if squeezed in ("social", "paidsocial", "socialmedia", "influencer") or (not medium and networked):
        return "social"
    if squeezed in ("display", "banner", "cpm"):
        return "display"
    if squeezed == "affiliate":
        return "affiliate"
    if squeezed == "referral" or (not medium and referrer is not None):
        return "referral"
    if not medium and source in ("", "(direct)"):
        return "direct"
    return "other"


def campaign_key(campaign_id: str | None, utm_campaign: str | None) -> str:
    return campaign_id if campaign_id is not None else (_plain(utm_campaign) or NONE)


def origin_of(entity: Entity, config: Config) -> Origin:
    referrer = referrer_of(entity, config)
    return Origin(
        channel_of(entity, config),
        _plain(entity.get("utm.source")) or (referrer.removeprefix("www.") if referrer else NONE),
        _plain(entity.get("utm.medium")) or NONE,
        campaign_key(entity.get("campaign_id"), entity.get("utm.campaign")),
    )


# -- touches, leads, deals, calls


class Touch(NamedTuple):
    """In the order of attribution: at, own before recorded, lead, touch."""

    at: int
    recorded: bool
    lead_id: str
    touch_id: str
    origin: Origin


@dataclass
class Group:
    """Leads that were merged, and the one that has their row (None: no lead of them is known)."""

    root: str
    members: list[str]
    lead: str | None = None
    created: int = 0
    day: date = date.min
    origin: Origin = DIRECT
    lead_magnet: str = NONE
    owner_id: str = ""
    account_id: str | None = None
    touches: list[Touch] = field(default_factory=list)
    #: when each stage above tofu was reached first
    reached: dict[str, int] = field(default_factory=dict)
    #: the close of its first deal that is won now
    converted_at: int | None = None
    #: whether its lead says itself by which channel or UTM it came
    says_channel: bool = False
    stages: list[tuple[Moment, str | None]] = field(default_factory=list)


@dataclass
class Opportunity:
    """An opportunity that is not deleted."""

    id: str
    group: Group | None
    given_lead: str | None
    given_account: str | None
    contact_id: str | None
    has_amount: bool
    units: int
    cost: int
    currency: str
    probability: Decimal | None
    weighted: int
    stage: str
    status: str
    due: date | None
    created: int
    created_day: date
    closed: int | None
    closed_day: date | None
    owner_id: str
    campaign_id: str | None

    @property
    def lead(self) -> Group | None:
        """The known lead it belongs to."""
        return self.group if self.group is not None and self.group.lead is not None else None

    @property
    def account_id(self) -> str:
        own = self.given_account
        if own is None and self.lead is not None:
            own = self.lead.account_id
        return own if own is not None else NONE


class Credit(NamedTuple):
    """A part of a won deal: deals in 1e-6, revenue and cost in 1e-4. `touch` is None without a known lead."""

    opportunity: Opportunity
    model: str
    touch: Touch | None
    origin: Origin
    lead_magnet: str
    deals: int
    revenue: int
    cost: int
    first: bool


@dataclass
class Call:
    """A call that is not deleted."""

    id: str
    group: Group | None
    rep_id: str
    direction: str
    answered: bool
    started: int
    day: date
    talk_seconds: int
    says: str | None
    advanced: set[str] = field(default_factory=set)


class Spend(NamedTuple):
    platform: str
    account_id: str
    day: date
    category: str
    origin: Origin
    currency: str
    units: int
    impressions: int
    clicks: int
    visitors: int
    #: as posted: source, medium, campaign, term, content
    utm: tuple[str, ...]


@dataclass
class Journeys:
    """Everything the reports count, from the state under a configuration."""

    state: State
    config: Config

    # -- links

    @cached_property
    def _groups(self) -> dict[str, Group]:
        """Group by the root of its leads, and by each lead."""
        state = self.state
        names = set(state.leads) | {lead for lead, _ in state.touches}
        for entity in state.leads.values():
            names |= {entity.get("merged_into")} - {None}
        for entity in (*state.opportunities.values(), *state.calls.values()):
            names |= {entity.lead} - {None}
        by_root: dict[str, Group] = {}
        for name in sorted(names):
            root = self._root(name)
            by_root.setdefault(root, Group(root, [])).members.append(name)
        for group in by_root.values():
            self._count(group)
        return {member: group for group in by_root.values() for member in group.members}

    def _root(self, lead: str) -> str:
        path: list[str] = []
        while True:
            if lead in path:
                return min(path[path.index(lead) :], key=str.encode)
            path.append(lead)
            entity = self.state.leads.get(lead)
            above = None if entity is None else entity.get("merged_into")
            if above is None:
                return lead
            lead = above

    def _created(self, lead: str) -> int:
        entity = self.state.leads[lead]
        given = entity.get("created_at")
        return int(given if given is not None else min(entity.seen))

    def _counts(self, lead: str) -> bool:
        entity = self.state.leads.get(lead)
        return entity is not None and entity.known and not entity.deleted

    def _count(self, group: Group) -> None:
        """Choose the lead that has the row; origin, touches and own stages of all."""
        leads = self.state.leads
        counting = [lead for lead in group.members if self._counts(lead)]
        if group.root in counting:
            group.lead = group.root
        elif counting:
            group.lead = min(counting, key=lambda lead: (self._created(lead), lead.encode()))
        # what each touch says by itself; None where it says nothing of where from
        said: list[tuple[int, bool, str, str, Entity]] = [
            (self._created(lead), False, lead, "", leads[lead]) for lead in counting
        ]
        for (lead, touch_id), touch in self.state.touches.items():
            if lead in group.members:
                at = touch.get("at")
                said.append((at if at is not None else min(touch.seen), True, lead, touch_id, touch))
        # own touches by lead, recorded ones by touch; one touch id under two leads: by lead
        said.sort(key=lambda each: (each[0], each[1], each[3].encode(), each[2].encode()))
        first = next((entity for *_, entity in said if has_origin(entity, self.config)), None)
        inherited = DIRECT if first is None else origin_of(first, self.config)
        for at, recorded, lead, touch_id, entity in said:
            own = origin_of(entity, self.config)
            origin = own if recorded or has_origin(entity, self.config) else inherited
            group.touches.append(Touch(at, recorded, lead, touch_id, origin))
        if group.lead is None:
            return
        lead = leads[group.lead]
        group.created = self._created(group.lead)
        group.day = self.config.day(group.created)
        group.origin = next(t.origin for t in group.touches if not t.recorded and t.lead_id == group.lead)
        group.lead_magnet = lead.get("lead_magnet") or NONE
        group.owner_id = lead.get("owner_id") or "(unassigned)"
        group.account_id = lead.get("account_id")
        group.says_channel = bool((lead.get("channel") or "").strip() or _has_utm(lead))
        for member in counting:
            group.stages += leads[member].history("stage")

    @cached_property
    def opportunities(self) -> list[Opportunity]:
        found = []
        for name, entity in sorted(self.state.opportunities.items()):
            if entity.known and not entity.deleted:
                found.append(self._opportunity(name, entity))
        return found

    def _opportunity(self, name: str, entity: Entity) -> Opportunity:
        config = self.config
        lead, amount, probability = entity.lead, entity.get("amount"), entity.get("probability")
        stages = entity.history("stage")
        stage = stages[-1][1] if stages else None
        status, closed = _status(entity)
        created = entity.get("created_at")
        created = created if created is not None else min(entity.seen)
        units = int((amount or Decimal(0)) * UNITS)
        if status == "won":
            share = Fraction(1)
        elif status == "lost":
            share = Fraction(0)
        elif probability is not None:
            share = Fraction(probability)
        else:
            share = Fraction(config.stage_probability.get(stage or "", "0"))
        due = entity.get("due_date")
        return Opportunity(
            id=name,
            group=None if lead is None else self._groups[lead],
            given_lead=lead,
            given_account=entity.get("account_id"),
            contact_id=entity.get("contact_id"),
            has_amount=amount is not None,
            units=units,
            cost=int((entity.get("cost") or Decimal(0)) * UNITS),
            currency=entity.get("currency") or config.currency,
            probability=probability,
            weighted=round(units * share),  # of Fractions: half to even
            stage=stage or NONE,
            status=status,
            due=None if due is None else date.fromisoformat(due),
            created=created,
            created_day=config.day(created),
            closed=closed,
            closed_day=None if closed is None else config.day(closed),
            owner_id=entity.get("owner_id") or "(unassigned)",
            campaign_id=entity.get("campaign_id"),
        )

    @cached_property
    def groups(self) -> list[Group]:
        """All groups, with the stages that their leads, opportunities and deals reached."""
        unique = {id(group): group for group in self._groups.values()}
        groups = list(unique.values())
        for group in groups:
            if group.lead is None:
                continue
            attached = [each for each in self.opportunities if each.group is group]
            rises: list[tuple[int, int]] = [(RANK[self.config.stage(raw)], moment.time) for moment, raw in group.stages]
            rises += [(RANK["bofu"], each.created) for each in attached]
            closes = [each.closed for each in attached if each.status == "won" and each.closed is not None]
            rises += [(RANK["customer"], close) for close in closes]
            for stage in ("mofu", "bofu", "customer"):
                times = [time for rank, time in rises if rank >= RANK[stage]]
                if times:
                    group.reached[stage] = min(times)
            group.converted_at = min(closes, default=None)
        return groups

    @cached_property
    def leads(self) -> list[Group]:
        """The groups that have a row."""
        return [group for group in self.groups if group.lead is not None]

    # -- attribution

    def touches_of(self, deal: Opportunity) -> list[Touch]:
        group = deal.lead
        assert group is not None
        assert deal.closed is not None
        oldest = deal.closed - self.config.lookback_days * 86400 * SECOND if self.config.lookback_days else None
        found = [t for t in group.touches if t.at <= deal.closed and (oldest is None or t.at >= oldest)]
        return found or [t for t in group.touches if not t.recorded and t.lead_id == group.lead]

    @cached_property
    def credits(self) -> list[Credit]:
        found: list[Credit] = []
        for deal in self.opportunities:
            if deal.status == "won":
                for model in MODELS:
                    found += self._credit(deal, model)
        return found

    def _credit(self, deal: Opportunity, model: str) -> list[Credit]:
        if deal.lead is None:
            u = UNATTRIBUTED
            origin = Origin(u, u, u, deal.campaign_id if deal.campaign_id is not None else u)
            return [Credit(deal, model, None, origin, u, 1_000_000, deal.units, deal.cost, first=True)]
        touches = self.touches_of(deal)
        weights = _weights(model, touches, deal)
        shares = [split(whole, weights) for whole in (1_000_000, deal.units, deal.cost)]
        credited = [index for index, weight in enumerate(weights) if weight]
        return [
            Credit(
                deal,
                model,
                touches[i],
                touches[i].origin,
                deal.lead.lead_magnet,
                shares[0][i],
                shares[1][i],
                shares[2][i],
                first=i == credited[0],
            )
            for i in credited
        ]

    # -- calls

    @cached_property
    def calls(self) -> list[Call]:
        found = []
        for name, entity in sorted(self.state.calls.items()):
            if entity.known and not entity.deleted:
                lead = entity.lead
                if lead is None:
                    through = self.state.opportunities.get(entity.get("opportunity_id") or "")
                    lead = None if through is None else through.lead
                started = entity.get("started_at")
                started = started if started is not None else min(entity.seen)
                answered = entity.get("call_status") == "answered"
                call = Call(
                    id=name,
                    group=None if lead is None else self._groups[lead],
                    rep_id=entity.get("rep_id") or "(unassigned)",
                    direction=entity.get("direction") or NONE,
                    answered=answered,
                    started=started,
                    day=self.config.day(started),
                    talk_seconds=(entity.get("talk_seconds") or 0) if answered else 0,
                    says=entity.get("advanced_to"),
                )
                if call.says is not None and self.config.stage(call.says) in ("mofu", "bofu"):
                    call.advanced.add(self.config.stage(call.says))
                found.append(call)
        window = self.config.call_credit_hours * 3600 * SECOND
        for group in self.leads:
            calls = [call for call in found if call.group is group]
            for stage in ("mofu", "bofu"):
                if stage not in group.reached:
                    continue
                rise = group.reached[stage]
                near = [call for call in calls if rise - window <= call.started <= rise]
                if any(call.says is not None and self.config.stage(call.says) == stage for call in near):
                    continue
                silent = [call for call in near if call.answered and call.says is None]
                if silent:
                    max(silent, key=lambda call: (call.started, call.id.encode())).advanced.add(stage)
        return found

    # -- spend

    @cached_property
    def spend(self) -> list[Spend]:
        found = []
        for key, entity in sorted(self.state.spend.items()):
            platform, account_id, day, campaign_id, source, medium, campaign, term, content, category = key
            figure = entity.get("figure")
            as_touch = Entity()
            for name, value in (
                ("channel", figure["channel"]),
                ("utm.source", source),
                ("utm.medium", medium),
                ("utm.campaign", campaign),
                ("utm.term", term),
                ("utm.content", content),
            ):
                as_touch.write(name, Moment(0, 0, b"", b""), value or None, b"")
            config = self.config
            mapped = {**PLATFORMS, **config.platforms}.get(platform, {})
            campaign_id = campaign_key(campaign_id or None, campaign)
            own = origin_of(as_touch, config)
            if not {_plain(source), _plain(medium)} <= UNSAID:
                origin = own._replace(campaign_id=campaign_id)
            else:
                channel = (figure["channel"] or "").strip() or self.campaigns.channel(campaign_id)
                channel = channel or mapped.get("channel") or "other"
                origin = Origin(channel, mapped.get("source") or NONE, mapped.get("medium") or NONE, campaign_id)
            found.append(
                Spend(
                    platform,
                    account_id,
                    date.fromisoformat(day),
                    category,
                    origin,
                    figure["currency"],
                    int(figure["amount"] * UNITS),
                    figure["impressions"],
                    figure["clicks"],
                    figure["visitors"],
                    (source, medium, campaign, term, content),
                )
            )
        return found

    @cached_property
    def campaigns(self) -> "Campaigns":
        return Campaigns(self.state)

    # -- names, teams, rates

    def team(self, rep_id: str, day: date) -> str:
        """The team that somebody was in on a day."""
        rep = self.state.reps.get(rep_id)
        since = "team since "
        past = [
            (name, write.value)
            for name, write in ({} if rep is None else rep.fields).items()
            if name.startswith(since) and date.fromisoformat(name.removeprefix(since)) <= day
        ]
        return max(past)[1] or "" if past else ""

    def rep_name(self, rep_id: str) -> str:
        rep = self.state.reps.get(rep_id)
        return "" if rep is None else rep.get("rep_name") or ""

    def account(self, account_id: str) -> tuple[str, bool]:
        account = self.state.accounts.get(account_id)
        if account is None:
            return "", False
        return account.get("account_name") or "", bool(account.get("key_account"))

    def rate(self, currency: str, day: date | None) -> Fraction | None:
        """What one unit is worth in the reporting currency on a day (None: by the newest rates)."""
        target, pivot = self.config.currency, self.config.pivot_currency
        if currency == target:
            return Fraction(1)
        straight = self._leg(currency, target, day)
        if straight is not None:
            return straight
        if pivot in (currency, target):
            return None
        there, back = self._leg(currency, pivot, day), self._leg(pivot, target, day)
        return None if there is None or back is None else there * back

    def _leg(self, base: str, quote: str, day: date | None) -> Fraction | None:
        found: list[tuple[date, int, Fraction]] = []
        for (of, to, on), entity in self.state.rates.items():
            posted = date.fromisoformat(on)
            if day is None or posted <= day:
                if (of, to) == (base, quote):
                    found.append((posted, 1, Fraction(entity.get("rate"))))
                elif (of, to) == (quote, base):
                    found.append((posted, 0, 1 / Fraction(entity.get("rate"))))
        return max(found)[2] if found else None


class Campaigns:
    """Names, groups, aliases and budgets of campaigns."""

    def __init__(self, state: State) -> None:
        self.known = state.campaigns
        self.aliases: dict[str, str] = {}
        for campaign_id in sorted(self.known, key=str.encode, reverse=True):
            campaign = self.known[campaign_id]
            names = [campaign_id, campaign.get("campaign_name") or "", *(campaign.get("aliases") or [])]
            for name in names:
                if _plain(name) not in {"", NONE}:
                    self.aliases[_plain(name)] = campaign_id

    def resolve(self, key: str) -> str:
        if key in self.known:
            return key
        return self.aliases.get(_plain(key), key)

    def name(self, campaign_id: str) -> str:
        return self._text(campaign_id, "campaign_name")

    def group(self, campaign_id: str) -> str:
        return self._text(campaign_id, "group")

    def channel(self, key: str) -> str:
        return self._text(self.resolve(key), "channel").strip()

    def _text(self, campaign_id: str, name: str) -> str:
        campaign = self.known.get(campaign_id)
        return "" if campaign is None else campaign.get(name) or ""


def _status(entity: Entity) -> tuple[str, int | None]:
    """The status now, and when it closed if it is closed."""
    history = entity.history("status")
    status = history[-1][1] if history else "open"
    if status == "open":
        return status, None
    others = [index for index, (_, value) in enumerate(history) if value != status]
    before = history[others[-1]][0] if others else None
    since = next(moment for moment, _ in history[(others[-1] + 1 if others else 0) :])
    closed = entity.fields.get("closed_at")
    if closed is not None and closed.value is not None and (before is None or closed.moment > before):
        return status, closed.value
    return status, since.time


def _weights(model: str, touches: list[Touch], deal: Opportunity) -> list[int]:
    n = len(touches)
    if model == "first":
        return [1] + [0] * (n - 1)
    if model == "last":
        return [0] * (n - 1) + [1]
    if model == "linear":
        return [1] * n
    if model == "position":
        if n <= 2:
            return [1] * n
        return [40 * (n - 2)] + [20] * (n - 2) + [40 * (n - 2)]
    if model == "time_decay":
        last = touches[-1].at
        return [round(10**9 * 2 ** (-((last - t.at) / SECOND) / 604_800)) for t in touches]
    assert deal.lead is not None
    own = next((i for i, t in enumerate(touches) if not t.recorded and t.lead_id == deal.lead.lead), 0)
    created = max((i for i, t in enumerate(touches) if t.at <= deal.created), default=0)
    weights = [0] * n
    for milestone in (0, own, created):
        weights[milestone] += 30
    rest = [i for i, weight in enumerate(weights) if not weight]
    if rest:
        weights = [weight * len(rest) for weight in weights]
        for i in rest:
            weights[i] = 10
    return weights


def split(whole: int, weights: list[int]) -> list[int]:
    """Cut by weight; what is left goes one each to the largest remainders, the earlier first."""
    if whole < 0:
        return [-part for part in split(-whole, weights)]
    total = sum(weights)
    parts = [whole * weight // total for weight in weights]
    order = sorted(range(len(weights)), key=lambda i: (-(whole * weights[i] % total), i))
    for i in order[: whole - sum(parts)]:
        parts[i] += 1
    return parts
