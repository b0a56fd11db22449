"""An invented company's quarter of CRM events: for the demo, and as the load of tests and benchmarks.

Everything follows from the seed, the end and the number of events; no clock is read. Among the company's own
campaigns stand two whose figures are known beforehand (`GOLDEN`), and which nothing else touches. Each of
their leads has a single touch, so that every attribution model gives them the same.

A *story* is what happens around one lead, from its creation to calls, deals, refunds and merges. Stories are
told until the number of events is reached, and then delivered the way sources deliver: nearly in order, some
twice, some days late.
"""

import heapq
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from deploy.embedded.stories import (
    ACCOUNTS,
    CAMPAIGNS,
    DAY,
    FIRMS,
    FIRST_NAMES,
    HOUR,
    HOURS_OF_DAY,
    KEY_ACCOUNTS,
    LAST_NAMES,
    MINUTE,
    PROBABILITY,
    TEAMS,
    Company,
    Event,
    cents,
    day_text,
    instant_text,
)
from schemas import MAX_BYTES, Rejected, decode

__all__ = ["DAYS", "GOLDEN", "Golden", "Record", "events", "lines", "live", "records"]

DAYS = 91
"""Length of the quarter."""


@dataclass(frozen=True)
class Golden:
    """A campaign and what its reports must say; money in USD. `visitors` is None where none are counted."""

    campaign_id: str
    name: str
    leads: int
    customers: int
    revenue: int
    spend: int
    visitors: int | None

    @property
    def roas(self) -> Decimal:
        """Revenue for each unit of spend."""
        return Decimal(self.revenue) / self.spend

    @property
    def roi(self) -> Decimal:
        """Return on what was spent: -0.2 is -20 %."""
        return Decimal(self.revenue - self.spend) / self.spend

    @property
    def cpa(self) -> Decimal:
        """Spend for each customer."""
        return Decimal(self.spend) / self.customers

    @property
    def bought(self) -> Decimal:
        """Share of the visitors that bought, or, where none are counted, of the leads."""
        return Decimal(self.customers) / (self.visitors or self.leads)


GOLDEN = (
    Golden("instagram-influencer", "Instagram influencer post", 1_000, 100, 40_000, 50_000, None),
    Golden("search-ad", "Search ad", 1_000, 1_000, 400_000, 50_000, 100_000),
)


class Record(NamedTuple):
    """An event as a producer sends it."""

    key: str | None
    value: bytes


def events(
    seed: int,
    end: datetime,
    count: int = 20_000,
    *,
    duplicates: float = 0.02,
    late: float = 0.03,
    golden: bool = True,
) -> Iterator[Event]:
    """Tell the quarter that ends at `end`: exactly `count` events in the order of their delivery.

    The share `duplicates` of them are repetitions, the share `late` comes one to ten days after its turn; the
    others come within minutes of it. `golden` leaves the two campaigns of known figures in. Events are not
    copied: a duplicate is the same object. Raises ValueError for a `count` too small to tell a quarter with,
    a share outside 0..1 or an `end` without time zone.
    """
    if end.tzinfo is None:
        raise ValueError("end: needs a time zone")
    if not (0 <= duplicates < 1 and 0 <= late <= 1):
        raise ValueError("duplicates and late are shares: from 0 to 1")
    chance = random.Random(seed)  # noqa: S311 - nothing here is secret
    last = int(end.timestamp())
    repeated = int(count * duplicates)
    told = _Quarter(chance, last - DAYS * DAY, last).tell(count - repeated, golden=golden)
    delivered = [(_arrival(chance, time, late), number) for number, (time, _) in enumerate(told)]
    delivered += [
        (delivered[number][0] + chance.randrange(1, 2 * DAY), number)
        for number in (chance.randrange(len(told)) for _ in range(repeated))
    ]
    delivered.sort()
    for _, number in delivered:
        yield told[number][1]


def lines(
    seed: int,
    end: datetime,
    count: int = 20_000,
    *,
    malformed: int = 0,
    **shape: Any,  # noqa: ANN401 - of `events`
) -> Iterator[bytes]:
    """Give the events as JSON texts, with `malformed` further lines among them, of every reason in turn."""
    every = max(1, count // (malformed + 1))
    encode = msgspec.json.Encoder().encode
    spoiled = 0
    for number, event in enumerate(events(seed, end, count, **shape), start=1):
        yield encode(event)
        if spoiled < malformed and number % every == 0:
            yield _malformed(spoiled, event)
            spoiled += 1


def records(
    seed: int,
    end: datetime,
    count: int = 20_000,
    *,
    wrong_keys: float = 0.0,
    **shape: Any,  # noqa: ANN401 - of `lines`
) -> Iterator[Record]:
    """Give the lines with record keys: the right ones, but for the share `wrong_keys` of them.

    A wrong key is none, a plain id, or another entity's. What cannot be decoded has no key.
    """
    chance = random.Random(f"{seed} keys")  # noqa: S311 - nothing here is secret
    before = "lead:0"
    for value in lines(seed, end, count, **shape):
        try:
            home: str | None = decode(value, None).home
        except Rejected:
            home = None
        key = home
        if home is not None and chance.random() < wrong_keys:
            key = chance.choice((None, home.partition(":")[2], before))
        before = home or before
        yield Record(key, value)


def live(seed: int, start: datetime) -> Iterator[Event]:
    """Go on without end: one event a second from `start` on, in the order of their times.

    Stories run faster than in a quarter, so that whoever watches sees them end. Events of two different
    starts are about different leads. Raises ValueError for a `start` without time zone.
    """
    if start.tzinfo is None:
        raise ValueError("start: needs a time zone")
    first = int(start.timestamp())
    chance = random.Random(f"{seed} live {first}")  # noqa: S311 - nothing here is secret
    company = Company(chance, f"{first:x}", pace=1 / 3_000)
    order = itertools.count()
    pending: list[tuple[int, int, Event]] = []
    for now in itertools.count(first):
        if not pending or pending[0][0] > now:
            told = company.todays_spend(now) if chance.random() < 0.1 else company.story(now)
            for time, event in told:
                heapq.heappush(pending, (max(time, now), next(order), event))
        _, _, event = heapq.heappop(pending)
        event["time"] = instant_text(now)
        yield event


def _arrival(chance: random.Random, time: int, late: float) -> float:
    if chance.random() < late:
        return time + chance.uniform(DAY, 10 * DAY)
    return time + chance.expovariate(1 / (10 * MINUTE))


def _malformed(number: int, event: Event) -> bytes:
    """Spoil a copy of an event, in another way for each number."""
    encode = msgspec.json.encode
    again = {**event, "id": f"malformed-{number}"}
    spoiled = (
        lambda: encode(again)[:-2],
        lambda: encode({**again, "time": "yesterday"}),
        lambda: encode({**again, "type": "crm.lead.forgotten"}),
        lambda: encode({**again, "type": "crm.lead.updated", "data": {"stage": "mofu"}}),
        lambda: encode({**again, "type": "crm.lead.updated", "data": {"lead_id": "0", "owner_id": 1.5}}),
        lambda: encode({**again, "data": {**event["data"], "note": "x" * MAX_BYTES}}),
        lambda: encode({**again, "time": "2147-01-01T00:00:00Z"}),
    )
    return spoiled[number % len(spoiled)]()


class _Quarter:
    """All that happens from `start` to `end` (seconds since 1970)."""

    def __init__(self, chance: random.Random, start: int, end: int) -> None:
        self._chance = chance
        self._start, self._end = start, end
        self._company = Company(chance, "")
        self._company_days = range(start // DAY, end // DAY + 1)

    def tell(self, count: int, *, golden: bool) -> list[tuple[int, Event]]:
        """Tell `count` events; raises ValueError where these are too few for what every quarter has."""
        self._people_and_plans()
        self._rates()
        self._costs()
        if golden:
            for campaign in GOLDEN:
                self._golden(campaign)
        told = self._within(self._company.taken())
        if len(told) > count:
            raise ValueError(f"a quarter has at least {len(told)} different events; {count} were asked for")
        while len(told) < count:
            created = self._moment(self._start, self._end)
            told += self._within(self._company.story(created))
            if self._chance.random() < 0.02:
                told += self._without_lead()
        del told[count:]
        return told

    def _within(self, told: list[tuple[int, Event]]) -> list[tuple[int, Event]]:
        """Leave out what comes before the quarter, or has not happened yet."""
        return [(time, event) for time, event in told if self._start <= time <= self._end]

    def _moment(self, first: int, last: int) -> int:
        """Draw a time, in working hours and on working days mostly."""
        chance = self._chance
        while True:
            day = chance.randrange(first // DAY, last // DAY + 1)
            if day % 7 in (2, 3) and chance.random() < 0.6:  # 1970 began on a Thursday: a weekend
                continue
            time = day * DAY + chance.choices(range(24), HOURS_OF_DAY)[0] * HOUR + chance.randrange(HOUR)
            if first <= time <= last:
                return time

    def _without_lead(self) -> list[tuple[int, Event]]:
        """An opportunity or a call that nobody linked with a lead."""
        chance, company = self._chance, self._company
        at = self._moment(self._start, self._end)
        rep = chance.choice(company.reps)
        if chance.random() < 0.5:
            account = f"A{chance.randrange(1, ACCOUNTS + 1)}"
            company.opportunity(None, at, rep, account)
        else:
            data = {
                "call_id": company.new_id("C"),
                "direction": "inbound",
                "status": "missed",
                "started_at": instant_text(at),
            }
            company.emit("call.logged", at, data, "telephony/pbx-1")
        return self._within(company.taken())

    def _people_and_plans(self) -> None:
        company, start = self._company, self._start
        names = [(team, name) for team, names in TEAMS.items() for name in names]
        for number, (rep, (team, name)) in enumerate(zip(company.reps, names, strict=True)):
            surname = LAST_NAMES[number % len(LAST_NAMES)]
            company.emit("rep.upserted", start, {"rep_id": rep, "name": f"{name} {surname}", "team": team})
        middle = start + DAYS // 2 * DAY
        moved = {"rep_id": company.reps[0], "team": "South", "team_since": day_text(middle)}
        company.emit("rep.upserted", middle, moved)
        for number in range(1, ACCOUNTS + 1):
            firm = f"{LAST_NAMES[number % len(LAST_NAMES)]} {FIRMS[number % len(FIRMS)]}"
            data = {"account_id": f"A{number}", "name": firm, "key_account": number <= KEY_ACCOUNTS}
            company.emit("account.upserted", start, data, "erp/ledger")
        for campaign in CAMPAIGNS:
            data = {
                "campaign_id": campaign.campaign_id,
                "name": campaign.name,
                "group": campaign.group,
                "channel": campaign.channel,
                "aliases": list(campaign.aliases),
            }
            if campaign.daily_spend:
                data |= {"budget": cents(campaign.daily_spend * 95), "currency": campaign.currency}
            company.emit("campaign.upserted", start, data)
        for metric, value in (("answer_rate", "0.5"), ("avg_talk_seconds", 180), ("advance_rate", "0.15")):
            company.emit("benchmark.posted", start, {"metric": metric, "value": value, "label": "Trade average"})
        self._targets()

    def _targets(self) -> None:
        months = sorted({day_text(day * DAY)[:7] for day in self._company_days})
        company = self._company
        for month in months:
            for scope, metric, value in (
                ("company", "leads", 2_000),
                ("company", "revenue", 400_000),
                ("company", "won_deals", 500),
                ("company", "calls", 1_500),
                *((f"team/{team}", "revenue", 120_000) for team in TEAMS),
                *((f"rep/{rep}", "calls", 140) for rep in company.reps[:4]),
                ("campaign/generic-search", "leads", 220),
            ):
                data = {"metric": metric, "month": month, "value": value, "scope": scope}
                company.emit("target.posted", self._start, data, "planning/sheet")

    def _rates(self) -> None:
        rate = 1.08
        for day in self._company_days:
            rate = min(1.2, max(0.98, rate + self._chance.gauss(0, 0.004)))
            data = {"date": day_text(day * DAY), "base": "EUR", "quote": "USD", "rate": f"{rate:.4f}"}
            self._company.emit("rate.posted", max(day * DAY, self._start), data, "bank/rates")

    def _costs(self) -> None:
        """Advertising day by day, some of it restated; visitors that cost nothing; other expenses."""
        company, chance = self._company, self._chance
        for day in self._company_days:
            posted = max(day * DAY, self._start) + DAY // 4
            for campaign in CAMPAIGNS:
                if campaign.platform is None or (campaign.group == "Seasons" and day % 91 < 30):
                    continue
                share = chance.uniform(0.7, 1.3)
                company.spend(campaign, day * DAY, posted, share)
                if chance.random() < 0.1:
                    company.spend(campaign, day * DAY, posted + 2 * DAY, share * chance.uniform(0.97, 1.04))
            for source, medium, usual in (
                ("google", "organic", 240),
                ("", "", 180),
                ("newsletter", "email", 60),
            ):
                visited: Event = {
                    "platform": "web_analytics",
                    "date": day_text(day * DAY),
                    "amount": 0,
                    "currency": "USD",
                    "visitors": int(usual * chance.uniform(0.7, 1.3)),
                }
                visited |= {"utm": {"source": source, "medium": medium}} if source else {"channel": "direct"}
                company.emit("spend.posted", posted, visited, "web/tracker")
            for category, weekday, amount, currency in (
                ("salaries", 1, 9_500, "EUR"),
                ("software", 4, 640, "USD"),
                ("agency", 5, 1_200, "EUR"),
            ):
                if day % 7 == weekday:
                    paid = {
                        "platform": "ledger",
                        "date": day_text(day * DAY),
                        "amount": cents(amount * chance.uniform(0.95, 1.05)),
                        "currency": currency,
                        "category": category,
                    }
                    company.emit("spend.posted", posted, paid, "erp/ledger")

    def _golden(self, golden: Golden) -> None:
        """Tell one of the two campaigns whose figures are known: all sums come out exactly."""
        company, chance, start = self._company, self._chance, self._start
        search = golden.visitors is not None
        utm = {"source": "google" if search else "instagram", "medium": "cpc" if search else "influencer"}
        prefix = "GS" if search else "GI"
        campaign: Event = {
            "campaign_id": golden.campaign_id,
            "name": golden.name,
            "group": "Launch",
            "channel": "cpc" if search else "social",
            "budget": golden.spend,
            "currency": "USD",
        }
        company.emit("campaign.upserted", start, campaign)
        days = 50 if search else 10
        for number in range(days):
            time = start + (8 + number) * DAY
            posted: Event = {
                "platform": "google_ads" if search else "meta",
                "date": day_text(time),
                "amount": golden.spend // days,
                "currency": "USD",
                "account_id": "launch",
                "campaign_id": golden.campaign_id,
                "utm": {**utm, "campaign": golden.campaign_id},
            }
            if golden.visitors is not None:
                visitors = golden.visitors // days
                posted |= {"impressions": visitors * 30, "clicks": visitors, "visitors": visitors}
            company.emit("spend.posted", time + 30 * HOUR, posted, f"ads/{posted['platform']}")
        price = cents(golden.revenue / golden.customers)
        for number in range(1, golden.leads + 1):
            created = self._moment(start + 9 * DAY, start + (9 + days) * DAY)
            lead_id, owner = f"{prefix}{number}", chance.choice(company.reps)
            lead: Event = {
                "lead_id": lead_id,
                "created_at": instant_text(created),
                "name": f"{chance.choice(FIRST_NAMES)} {chance.choice(LAST_NAMES)}",
                "email": f"{lead_id.lower()}@example.org",
                "owner_id": owner,
                "stage": "mofu" if number % 3 == 0 else "tofu",
                "utm": {**utm, "campaign": golden.campaign_id},
                "campaign_id": golden.campaign_id,
            }
            company.emit("lead.created", created, lead)
            if number <= golden.customers:
                offered = created + chance.randrange(HOUR, 3 * DAY)
                deal: Event = {
                    "opportunity_id": f"{lead_id}-1",
                    "lead_id": lead_id,
                    "subject": "A desk",
                    "amount": price,
                    "currency": "USD",
                    "stage": "Proposal",
                    "probability": PROBABILITY["Proposal"],
                    "owner_id": owner,
                }
                company.emit("opportunity.created", offered, deal)
                won = {"opportunity_id": deal["opportunity_id"]}
                company.emit("deal.won", offered + chance.randrange(HOUR, 14 * DAY), won)
