"""Stories: what happens around one lead of an invented seller of desks, from its creation to its refunds.

Times are seconds since 1970, UTC. `company.py` makes quarters and endless streams of these.
"""

import itertools
import random
from datetime import date, timedelta
from typing import Any, NamedTuple

Event = dict[str, Any]

MINUTE, HOUR, DAY = 60, 3_600, 86_400


class Campaign(NamedTuple):
    """A campaign, its usual spend a day, and its weight among the ways to the company."""

    campaign_id: str
    name: str
    group: str
    channel: str
    platform: str | None
    source: str
    medium: str
    aliases: tuple[str, ...]
    daily_spend: int
    currency: str
    weight: int


CAMPAIGNS = (
    Campaign(
        "brand-search",
        "Brand search",
        "Always on",
        "cpc",
        "google_ads",
        "google",
        "cpc",
        ("brand",),
        90,
        "USD",
        9,
    ),
    Campaign(
        "generic-search",
        "Desks and chairs",
        "Always on",
        "cpc",
        "google_ads",
        "google",
        "cpc",
        (),
        260,
        "USD",
        12,
    ),
    Campaign("bing-search", "Search on Bing", "Always on", "cpc", "microsoft_ads", "bing", "cpc", (), 70, "USD", 4),
    Campaign(
        "spring-sale",
        "Spring sale",
        "Seasons",
        "social",
        "meta",
        "facebook",
        "paid_social",
        ("spring", "spring_26"),
        150,
        "EUR",
        7,
    ),
    Campaign(
        "it-managers",
        "IT managers",
        "Roles",
        "social",
        "linkedin",
        "linkedin",
        "paid_social",
        (),
        210,
        "EUR",
        7,
    ),
    Campaign(
        "desk-tour",
        "Desk tour",
        "Seasons",
        "social",
        "tiktok",
        "tiktok",
        "paid_social",
        ("desktour",),
        60,
        "USD",
        4,
    ),
    Campaign(
        "retargeting",
        "Seen before",
        "Always on",
        "display",
        "banner_net",
        "banner_net",
        "display",
        (),
        45,
        "USD",
        4,
    ),
    Campaign(
        "partners",
        "Partner shops",
        "Partners",
        "affiliate",
        "partner_net",
        "deskfans",
        "affiliate",
        (),
        40,
        "USD",
        4,
    ),
    Campaign(
        "monthly-letter",
        "Monthly letter",
        "Letters",
        "email",
        None,
        "newsletter",
        "email",
        ("letter",),
        0,
        "USD",
        8,
    ),
    Campaign(
        "webinar",
        "Ergonomics webinar",
        "Letters",
        "email",
        None,
        "newsletter",
        "e-mail",
        ("Webinar 1",),
        0,
        "USD",
        5,
    ),
)
_ELSEWHERE: tuple[tuple[int, Event], ...] = (
    (8, {"referrer": "https://www.google.com/"}),
    (2, {"referrer": "https://duckduckgo.com/?q=standing+desk"}),
    (3, {"referrer": "https://www.linkedin.com/feed/"}),
    (4, {"referrer": "https://blog.ergonomics.example/best-desks"}),
    (2, {"referrer": "https://www.office-news.example/tests/"}),
    (2, {"utm": {"source": "google", "medium": "organic"}}),
    (1, {"utm": {"source": "talk-show", "medium": "podcast", "campaign": "pod-7"}}),
    (9, {}),
)
TEAMS = {
    "North": ("Ida", "Noah", "Mira", "Otto"),
    "South": ("Lea", "Emil", "Vera", "Hugo"),
    "Key accounts": ("Nora", "Jonas"),
}
FIRST_NAMES = (
    "Alma",
    "Bela",
    "Cora",
    "Dario",
    "Edda",
    "Finn",
    "Greta",
    "Henk",
    "Ilse",
    "Jorn",
    "Kaia",
    "Leif",
    "Maud",
    "Nils",
)
LAST_NAMES = (
    "Aalto",
    "Brandt",
    "Costa",
    "Dahl",
    "Ekman",
    "Fabre",
    "Grau",
    "Holm",
    "Ivers",
    "Jansen",
    "Kraus",
    "Lund",
    "Moser",
)
FIRMS = (
    "Works",
    "Studios",
    "Logistics",
    "Clinic",
    "Bakery",
    "Systems",
    "Printing",
    "Gardens",
    "Motors",
    "School",
)
_MAGNETS = ("Buying guide", "Webinar", "Price list", "Posture check")
PROBABILITY = {"Qualified": "0.2", "Proposal": "0.5", "Negotiation": "0.75"}
_CALL_STATUS = {"answered": 55, "missed": 20, "voicemail": 14, "busy": 8, "failed": 3}
HOURS_OF_DAY = (1, 1, 1, 1, 1, 2, 4, 9, 18, 24, 24, 22, 16, 20, 23, 22, 19, 14, 9, 7, 6, 5, 3, 2)
ACCOUNTS = 60
KEY_ACCOUNTS = 9
_PLANNED_ORIGINS = 4096


_DAY_TEXT: dict[int, str] = {}


def day_text(time: int) -> str:
    """Date in UTC of a time in seconds since 1970."""
    number = time // DAY
    text = _DAY_TEXT.get(number)
    if text is None:
        text = _DAY_TEXT[number] = (date(1970, 1, 1) + timedelta(days=number)).isoformat()
    return text


def instant_text(time: int) -> str:
    """Write a time as an instant."""
    hour, rest = divmod(time % DAY, HOUR)
    minute, second = divmod(rest, MINUTE)
    return f"{day_text(time)}T{hour:02}:{minute:02}:{second:02}Z"


def cents(amount: float) -> str:
    """Write an amount with two decimals."""
    return f"{amount:.2f}"


class Company:
    """Tells stories, each a list of (time, event). `tag` stands in every id; `pace` stretches the waits."""

    def __init__(self, chance: random.Random, tag: str, pace: float = 1.0) -> None:
        self._chance = chance
        self._tag, self._pace = tag, pace
        self._ids = itertools.count(1)
        self._told: list[tuple[int, Event]] = []
        self._leads: list[tuple[str, int]] = []
        self.reps = [f"{team[0]}{number}" for team, names in TEAMS.items() for number in range(1, len(names) + 1)]
        self._origins = self._plan_origins()

    def emit(self, kind: str, time: float, data: Event, source: str = "crm/northdesk") -> None:
        """Add an event to the story."""
        at = int(time)
        event = {
            "specversion": "1.0",
            "id": f"e{self._tag}{next(self._ids)}",
            "source": source,
            "type": f"crm.{kind}",
            "time": instant_text(at),
            "data": data,
        }
        self._told.append((at, event))

    def taken(self) -> list[tuple[int, Event]]:
        """Hand over what was told since the last time."""
        told, self._told = self._told, []
        return told

    def story(self, created: int) -> list[tuple[int, Event]]:
        """Tell everything around a new lead."""
        chance = self._chance
        lead_id = self.new_id("L")
        owner = chance.choice(self.reps)
        account = f"A{chance.randrange(1, ACCOUNTS + 1)}" if chance.random() < 0.4 else None
        self._create_lead(lead_id, created, owner, account)
        touched = chance.choices((0, 1, 2, 3, 5), (35, 28, 20, 12, 5))[0]
        for number in range(1, touched + 1):
            self._touch(lead_id, number, created)
        if chance.random() < 0.5:
            self._rise(lead_id, created)
        opportunity = None
        if chance.random() < 0.3:
            opportunity = self.opportunity(lead_id, created + self._wait(0.2, 14), owner, account)
        for _ in range(chance.choices((0, 1, 2, 3), (50, 28, 15, 7))[0]):
            self._call(created, owner, lead_id, opportunity)
        self._second_thoughts(lead_id, created)
        self._leads.append((lead_id, created))
        return self.taken()

    def todays_spend(self, now: int) -> list[tuple[int, Event]]:
        """Post a campaign's figures of today, which grow from hour to hour and replace those before."""
        campaign = self._chance.choice([each for each in CAMPAIGNS if each.platform])
        self.spend(campaign, now, now, max(0.01, (now % DAY) / DAY))
        return self.taken()

    def spend(self, campaign: Campaign, day: int, posted: int, share: float = 1.0) -> None:
        """Post a day's figures; `share` of what the campaign usually spends."""
        amount = campaign.daily_spend * share
        clicks = int(amount / 1.4)
        data: Event = {
            "platform": campaign.platform,
            "date": day_text(day),
            "amount": cents(amount),
            "currency": campaign.currency,
            "account_id": f"{campaign.platform}-1",
            "campaign_id": campaign.campaign_id,
            "impressions": clicks * 38,
            "clicks": clicks,
            "visitors": int(clicks * 0.9),
        }
        if campaign.channel in ("display", "affiliate"):  # platforms that no default map knows
            data["utm"] = {"source": campaign.source, "medium": campaign.medium}
        self.emit("spend.posted", posted, data, f"ads/{campaign.platform}")

    def _plan_origins(self) -> list[Event]:
        """Draw visits once, to be shared by leads and touches: most of the members repeat anyway."""
        chance = self._chance
        choices: list[Campaign | Event] = [*CAMPAIGNS, *(origin for _, origin in _ELSEWHERE)]
        weights = [each.weight for each in CAMPAIGNS] + [weight for weight, _ in _ELSEWHERE]
        planned = []
        for drawn in chance.choices(choices, weights, k=_PLANNED_ORIGINS):
            if not isinstance(drawn, Campaign):
                planned.append(drawn)
                continue
            name = chance.choice((drawn.campaign_id, drawn.campaign_id.upper(), *drawn.aliases))
            origin: Event = {"utm": {"source": drawn.source, "medium": drawn.medium, "campaign": name}}
            if drawn.platform == "google_ads":
                origin["utm"]["term"] = chance.choice(("standing desk", "office chair", "desk 160x80"))
                origin["click_id"] = {"gclid": f"g{chance.getrandbits(40):x}"}
            elif drawn.platform == "microsoft_ads":
                origin["click_id"] = {"msclkid": f"m{chance.getrandbits(40):x}"}
            elif drawn.platform == "meta":
                origin["utm"]["content"] = chance.choice(("carousel", "video"))
                origin["click_id"] = {"fbclid": f"f{chance.getrandbits(40):x}"}
            if chance.random() < 0.3:
                origin["campaign_id"] = drawn.campaign_id
            planned.append(origin)
        return planned

    def new_id(self, kind: str) -> str:
        """Make an id of an entity; `kind` is its first letter."""
        return f"{kind}{self._tag}{next(self._ids)}"

    def _wait(self, least: float, most: float) -> float:
        """A wait of `least` to `most` days, in seconds."""
        return self._chance.uniform(least, most) * DAY * self._pace

    def _create_lead(self, lead_id: str, created: int, owner: str, account: str | None) -> None:
        chance = self._chance
        first, last = chance.choice(FIRST_NAMES), chance.choice(LAST_NAMES)
        data: Event = {
            "lead_id": lead_id,
            "created_at": instant_text(created),
            "name": f"{first} {last}",
            "email": f"{first}.{last}.{lead_id}@example.org".lower(),
            "company": f"{last} {chance.choice(FIRMS)}",
            "owner_id": owner if chance.random() < 0.96 else None,
            "stage": "tofu",
            **chance.choice(self._origins),
        }
        if account is not None:
            data["account_id"] = account
        if chance.random() < 0.35:
            data["lead_magnet"] = chance.choice(_MAGNETS)
        self.emit("lead.created", created, data)

    def _touch(self, lead_id: str, number: int, created: int) -> None:
        at = int(created + self._wait(-6, 24))
        data = {"touch_id": f"t{number}", "lead_id": lead_id, "at": instant_text(at)}
        self.emit("touch.recorded", at, {**data, **self._chance.choice(self._origins)}, "web/tracker")

    def _rise(self, lead_id: str, created: int) -> None:
        chance = self._chance
        at = created + self._wait(0.05, 8)
        stage = "mofu" if chance.random() < 0.93 else "Nurturing"
        self.emit("lead.updated", at, {"lead_id": lead_id, "stage": stage})
        if chance.random() < 0.3:
            self.emit("lead.updated", at + self._wait(0.5, 10), {"lead_id": lead_id, "stage": "bofu"})

    def _call(self, created: int, owner: str, lead_id: str, opportunity: str | None) -> None:
        chance = self._chance
        started = int(created + self._wait(0.02, 9))
        (status,) = chance.choices(tuple(_CALL_STATUS), tuple(_CALL_STATUS.values()))
        data: Event = {
            "call_id": self.new_id("C"),
            "rep_id": owner,
            "direction": "outbound" if chance.random() < 0.7 else "inbound",
            "status": status,
            "started_at": instant_text(started),
            "talk_seconds": int(chance.lognormvariate(5.2, 0.8)) if status == "answered" else 0,
        }
        link = chance.random()
        if link < 0.8:
            data["lead_id"] = lead_id
        elif opportunity is not None:
            data["opportunity_id"] = opportunity
        if status == "answered" and chance.random() < 0.12:
            data["advanced_to"] = "mofu" if chance.random() < 0.7 else "bofu"
        self.emit("call.logged", started, data, "telephony/pbx-1")
        if chance.random() < 0.01:
            self.emit("call.deleted", started + self._wait(0.1, 2), {"call_id": data["call_id"]}, "telephony/pbx-1")

    def opportunity(self, lead_id: str | None, at: float, owner: str, account: str | None) -> str:
        """Tell an opportunity from its creation to where it stands at last; gives its id."""
        chance = self._chance
        opportunity = self.new_id("O")
        amount = round(chance.lognormvariate(7.6, 0.9), 2)
        data: Event = {
            "opportunity_id": opportunity,
            "subject": f"{chance.randrange(2, 40)} desks",
            "amount": cents(amount),
            "currency": "EUR" if chance.random() < 0.35 else "USD",
            "cost": cents(amount * chance.uniform(0.3, 0.65)),
            "probability": PROBABILITY["Qualified"],
            "stage": "Qualified",
            "owner_id": owner,
        }
        if lead_id is not None:
            data["lead_id"] = lead_id
        if account is not None:
            data["account_id"] = account
        if chance.random() < 0.93:
            data["due_date"] = day_text(int(at) + chance.randrange(10, 75) * DAY)
        self.emit("opportunity.created", at, data)
        for stage in ("Proposal", "Negotiation"):
            if chance.random() < 0.7:
                at += self._wait(1, 9)
                update: Event = {
                    "opportunity_id": opportunity,
                    "stage": stage,
                    "probability": PROBABILITY[stage],
                }
                if chance.random() < 0.4:
                    amount = round(amount * chance.uniform(0.8, 1.25), 2)
                    update["amount"] = cents(amount)
                self.emit("opportunity.updated", at, update)
        self._decide(opportunity, data, amount, at + self._wait(1, 20))
        if chance.random() < 0.004:
            self.emit("opportunity.deleted", at + self._wait(25, 30), {"opportunity_id": opportunity})
        return opportunity

    def _decide(self, opportunity: str, created: Event, amount: float, at: float) -> None:
        chance = self._chance
        outcome = chance.random()
        named = {"opportunity_id": opportunity}
        if outcome >= 0.8:
            return
        if outcome >= 0.45:
            self.emit("deal.lost", at, named)
            if chance.random() < 0.05:
                self.emit("deal.reopened", at + self._wait(2, 6), {**named, "stage": "Negotiation"})
            return
        self.emit("deal.won", at, {**named, "amount": cents(amount)})
        after = chance.random()
        if after < 0.04:
            at += self._wait(1, 5)
            self.emit("deal.reopened", at, named)
            self.emit("deal.won" if chance.random() < 0.5 else "deal.lost", at + self._wait(2, 9), named)
        elif after < 0.08:
            at += self._wait(3, 15)
            kept = ("lead_id", "account_id", "owner_id", "currency")
            refund: Event = {key: created[key] for key in kept if key in created}
            share = chance.choice((1, 0.5, 0.25))
            refund |= {
                "opportunity_id": f"{opportunity}-refund",
                "subject": f"Refund of {opportunity}",
                "amount": cents(-amount * share),
                "stage": "Refund",
            }
            self.emit("deal.won", at, refund)

    def _second_thoughts(self, lead_id: str, created: int) -> None:
        """Merge, delete, restore or erase a lead, or give it another owner; most are left alone."""
        chance = self._chance
        what = chance.random()
        at = created + self._wait(0.5, 20)
        named = {"lead_id": lead_id}
        if what < 0.025 and self._leads:
            other, since = self._leads[-1 - chance.randrange(min(len(self._leads), 200))]
            survivor, merged = (other, lead_id) if chance.random() < 0.5 else (lead_id, other)
            self.emit("lead.merged", max(at, since), {"lead_id": survivor, "merged_ids": [merged]})
            if chance.random() < 0.3:  # a chain: who survived is merged in turn
                last, since_last = self._leads[-1 - chance.randrange(min(len(self._leads), 200))]
                at = max(at, since_last) + self._wait(0.5, 4)
                self.emit("lead.merged", at, {"lead_id": last, "merged_ids": [survivor]})
        elif what < 0.035:
            self.emit("lead.deleted", at, named)
            if chance.random() < 0.4:
                self.emit("lead.restored", at + self._wait(0.1, 3), named)
        elif what < 0.037:
            self.emit("lead.erased", at, named)
        elif what < 0.1:
            self.emit("lead.updated", at, {**named, "owner_id": chance.choice(self.reps)})
