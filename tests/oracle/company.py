"""Events that aim at the hard corners of the reports, and settings to read them by: a company a seed.

Few ids, days and amounts, so that everything meets: merges with merges, rates with closes, touches with closes, calls
with rises, days with the hour at which clocks change.
"""

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.oracle.journeys import MODELS, Config

Data = dict[str, Any]

CURRENCIES = ("USD", "EUR", "SEK", "GBP", "JPY")
CAMPAIGNS = ("k1", "k2", "K3", "spring sale", "k5")
REPS = ("r1", "r2", "r3", 9)
ACCOUNTS = ("a1", "a2", "a3")
LEAD_STAGES = ("tofu", "MQL", "SQL", "Klient", "mofu", "bofu", "customer", "odd", "", None)
DEAL_STAGES = ("Proposal", "Contract", "proposal", "SQL", "", None)
AMOUNTS = (
    "100.00",
    "0.01",
    "0.0001",
    "0.0003",
    "33.3333",
    "1e3",
    1250,
    "-250.5",
    "0",
    "99999.9999",
    7,
    "12345.67",
    "1000003",
)
#: so large that a float would lose digits
HUGE = "99999999999999.9999"


def config(seed: int) -> Config:
    """The settings of a seed; the first ones are chosen, so that few seeds cover what matters."""
    rng = random.Random(f"config {seed}")
    zone = ("Europe/Stockholm", "UTC", "America/New_York", "Asia/Kolkata", "Pacific/Auckland")[seed % 5]
    return Config(
        time_zone=zone,
        currency=("USD", "EUR", "SEK", "USD")[seed % 4],
        pivot_currency=("EUR", "EUR", "GBP", "USD")[seed // 2 % 4],
        fiscal_year_start=(4, 1, 7, 12, 2)[seed % 5],
        attribution_model=MODELS[seed % 6],
        lookback_days=(0, 5, 30)[seed % 3],
        call_credit_hours=(24, 2, 48, 0)[seed // 3 % 4],
        stages={"MQL": "mofu", "SQL": "bofu", **({"Klient": "customer"} if seed % 2 else {})},
        stage_probability=rng.choice([{}, {"Proposal": "0.5", "Contract": "0.8333"}]),
        channels=rng.choice([{}, {"cpc": "paid", "Podcast-Ad": "audio"}]),
        search_engines=rng.choice([(), ("search.example", "suche.")]),
        social_networks=rng.choice([(), ("forum.example",)]),
        platforms=rng.choice([{}, {"billboard": {"channel": "display", "source": "street", "medium": "poster"}}]),
        own_domains=rng.choice([(), ("ours.example", "Ours.test")]),
    )


class Company:
    """Makes the events of one seed."""

    def __init__(self, seed: int, size: int = 40) -> None:
        self.rng = random.Random(f"company {seed}")
        self.size = size
        # around a change of clocks, of month, and of the fiscal years above
        self.start = datetime(
            *self.rng.choice([(2026, 3, 27), (2025, 10, 24), (2025, 12, 29), (2026, 3, 7)]), tzinfo=UTC
        )
        self.leads: list[Any] = [f"l{number}" for number in range(size)] + [42, "ü/5", "a b,c"]
        self.opportunities: list[Any] = [f"o{number}" for number in range(size)] + [7, "é:%"]
        self.calls = [f"c{number}" for number in range(size)]
        self.found: list[bytes] = []

    def events(self) -> list[bytes]:
        """All events, in a random order, some of them twice."""
        for _ in range(self.size):
            self._lead()
            self._opportunity()
            self._call()
        for _ in range(self.size * 2 // 3):
            self._touch()
            self._spend()
        for _ in range(self.size // 3):
            self._merge()
        for _ in range(self.size // 5):
            self._life()
        for _ in range(self.size):
            self._rate()
        for _ in range(self.size // 2):
            self._reference()
        self._journey()
        self._groups()
        found = self.found + self.rng.sample(self.found, len(self.found) // 8)
        self.rng.shuffle(found)
        return found

    # -- values

    def _time(self, days: float = 9) -> str:
        """An instant: often the last or first moment of somebody's day, in one of several spellings."""
        rng = self.rng
        at = self.start + timedelta(days=rng.randrange(int(days)))
        clock = rng.choice(
            [
                timedelta(hours=rng.randrange(24)),
                timedelta(hours=rng.choice((21, 22, 23, 0, 1, 4, 5, 10, 11, 13, 18)), minutes=rng.choice((0, 29, 30))),
                timedelta(hours=rng.choice((22, 23, 24, 18.5)), microseconds=-1),
                timedelta(hours=rng.randrange(24), seconds=rng.randrange(3600), microseconds=rng.randrange(1_000_000)),
            ]
        )
        at += clock
        offset = rng.choice((0, 0, 0, 60, 120, -300, 330))
        shown = (at + timedelta(minutes=offset)).replace(tzinfo=None).isoformat()
        zone = "Z" if offset == 0 else f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02}:{abs(offset) % 60:02}"
        return shown + zone

    def _date(self, days: int = 12) -> str:
        return (self.start + timedelta(days=self.rng.randrange(-1, days))).date().isoformat()

    def _some(self, chance: float, **values: Any) -> Data:
        """Some of the members; a value that is a list is one of these."""
        found = {}
        for name, choices in values.items():
            if self.rng.random() < chance:
                found[name] = self.rng.choice(choices) if isinstance(choices, (list, tuple)) else choices
        return found

    def _origin(self) -> Data:
        rng = self.rng
        return rng.choice(
            [
                *({} for _ in range(8)),
                {"utm": {"source": "Google ", "medium": "CPC", "campaign": rng.choice(["K1", " Spring Sale", "gone"])}},
                {"utm": {"source": "news", "medium": "e-mail", "campaign": rng.choice(["alias one", "k2"])}},
                {"utm": {"source": "meta", "medium": "Paid Social"}},
                {"utm": {"medium": "podcast_ad", "term": "t"}},
                {"utm": {"source": "x"}},
                {"utm": {"source": "(direct)", "medium": "(none)"}},
                {"utm": {"source": "bing", "medium": "(not set)"}, "referrer": "https://www.bing.com/search?q=1"},
                {"utm": {"content": "only content"}},
                {"utm": {"source": None, "medium": None}},
                {"utm": None},
                {"utm": None, "click_id": None, "referrer": None, "channel": None, "campaign_id": None},
                {"click_id": {"gclid": "g"}, "utm": {"medium": "email"}},
                {"click_id": {"fbclid": "f"}},
                {"click_id": {"fbclid": "f"}, "utm": {"medium": "display"}},
                {"referrer": "https://WWW.Google.co.uk/"},
                {"referrer": "https://suche.example/x"},
                {"referrer": "https://m.facebook.com"},
                {"referrer": "https://forum.example/thread"},
                {"referrer": "https://www.blog.example/post"},
                {"referrer": "https://shop.ours.example/cart"},
                {"referrer": "ours.test"},
                {"channel": " Partner "},
                {"channel": ""},
                {"channel": "  ", "utm": {"source": " ", "medium": "-"}},
                {"channel": "cpc", "utm": {"source": "ÅÄÖ", "medium": "OrganicSearch"}},
                {"referrer": "/pricing"},
                {"referrer": "https://user:pw@news.example:8443/a?b"},
                {"channel": "cpc", "campaign_id": rng.choice([*CAMPAIGNS, "K1", "unknown"])},
                {"campaign_id": rng.choice([*CAMPAIGNS, "spring SALE", 77])},
                {"utm": {"source": "a", "medium": "affiliate"}, "campaign_id": "k1"},
            ]
        )

    def _emit(self, type_: str, data: Data, time: str | None = None, **envelope: Any) -> None:
        rng = self.rng
        few = type_ != "crm.spend.posted" and rng.random() < 0.3
        if few and time is None:
            # at the same moment, so that sequence, source, id and at last the value decide
            time = (self.start + timedelta(days=4, hours=rng.randrange(2))).isoformat()
        event = {
            "specversion": "1.0",
            # ids are used again, with other content
            "id": str(rng.randrange(6 if few else 10**6)),
            "source": rng.choice(["crm", "crm", "web"]),
            "type": type_,
            "time": time or self._time(),
            "data": data,
            **rng.choice([{}, {}, {"sequence": rng.randrange(3)}, {"sequence": str(rng.randrange(12))}]),
            **envelope,
        }
        self.found.append(json.dumps(event, ensure_ascii=rng.random() < 0.5).encode())

    # -- events

    def _lead(self) -> None:
        lead = self.rng.choice(self.leads)
        for _ in range(self.rng.choice((1, 1, 2, 3))):
            data = {
                "lead_id": lead,
                **self._origin(),
                **self._some(
                    0.3,
                    stage=LEAD_STAGES,
                    lead_magnet=["ebook", "webinar", "", None],
                    owner_id=[*REPS, None],
                    account_id=[*ACCOUNTS, None],
                    name=["Ann"],
                    created_at=[self._time(), self._time(), None],
                ),
            }
            self._emit(self.rng.choice(["crm.lead.created", "crm.lead.updated"]), data)

    def _touch(self) -> None:
        for _ in range(self.rng.choice((1, 2, 9))):
            data = {
                "touch_id": self.rng.choice(["t1", "t2", "t3", "t4", 5, "ü"]),
                "lead_id": self.rng.choice(self.leads[:20] + self.leads[-3:]),
                **self._origin(),
                **self._some(0.6, at=[self._time(30), self._time(), None]),
            }
            self._emit("crm.touch.recorded", data)

    def _deal(self) -> Data:
        return self._some(
            0.45,
            # most of them of the leads that are merged
            lead_id=[*self.leads, *self.leads[:16] * 3, None],
            account_id=[*ACCOUNTS, None],
            contact_id=["p1", None],
            contact=["Bo Ek", None],
            subject=["Big one", "Other", None],
            amount=[*AMOUNTS, *AMOUNTS, None],
            cost=["1.0001", 20, "3e1", None],
            currency=[*CURRENCIES, None],
            probability=[0.25, "0.5", "0.3333", 1, 0, None],
            stage=DEAL_STAGES,
            due_date=["2020-01-31", "2026-03-28", self._date(), "2090-02-28", None],
            created_at=[self._time(), None],
            closed_at=[self._time(20), self._time(), None],
            owner_id=[*REPS, None],
            campaign_id=[*CAMPAIGNS, "K1", "unknown", None],
        )

    def _opportunity(self) -> None:
        rng = self.rng
        opportunity = rng.choice(self.opportunities)
        for _ in range(rng.choice((1, 2, 2, 3))):
            data = {"opportunity_id": opportunity, **self._deal(), **self._some(0.15, unlinked_lead_id=self.leads[:16])}
            if rng.random() < 0.2 and data.get("lead_id") is not None:  # of the lead it has
                unlinked = {"opportunity_id": opportunity, "unlinked_lead_id": data["lead_id"]}
                self._emit("crm.opportunity.updated", unlinked)
            if rng.random() < 0.3:
                data["status"] = rng.choice(["open", "won", "lost", None])
            type_ = rng.choices(
                [
                    "crm.opportunity.created",
                    "crm.opportunity.updated",
                    "crm.deal.won",
                    "crm.deal.lost",
                    "crm.deal.reopened",
                ],
                [3, 3, 6, 2, 2],
            )[0]
            self._emit(type_, data)

    def _call(self) -> None:
        call = self.rng.choice(self.calls)
        for _ in range(self.rng.choice((1, 1, 2))):
            data = {
                "call_id": call,
                **self._some(
                    0.6,
                    lead_id=[*self.leads, None],
                    opportunity_id=[*self.opportunities, None],
                    rep_id=[*REPS, None],
                    direction=["inbound", "outbound", None],
                    status=["answered", "answered", "missed", "busy", "voicemail", None],
                    started_at=[self._time(), None],
                    talk_seconds=[0, 1, 59, 60, 600, 601.0, None],
                ),
                **self._some(0.2, advanced_to=[*LEAD_STAGES], unlinked_lead_id=self.leads[:16]),
            }
            self._emit("crm.call.logged", data)

    def _merge(self) -> None:
        rng = self.rng
        # few survivors: chains, cycles, and merges that later ones undo
        survivor = rng.choice(self.leads[:12] + self.leads[-3:])
        merged = rng.sample(self.leads[:16] + self.leads[-3:], rng.choice((1, 1, 2, 3)))
        self._emit("crm.lead.merged", {"lead_id": survivor, "merged_ids": merged})

    def _life(self) -> None:
        rng = self.rng
        for kind, names, verbs in (
            ("lead", self.leads, ["deleted", "deleted", "restored"]),
            ("opportunity", self.opportunities, ["deleted", "restored"]),
            ("call", self.calls, ["deleted", "restored"]),
        ):
            self._emit(f"crm.{kind}.{rng.choice(verbs)}", {f"{kind}_id": rng.choice(names)})
        if rng.random() < 0.3:
            self._emit("crm.lead.erased", {"lead_id": rng.choice(self.leads)})

    def _spend(self) -> None:
        rng = self.rng
        data = {
            "platform": rng.choice(["google_ads", "meta", "billboard", "print"]),
            "date": self._date(),
            "amount": rng.choice([*AMOUNTS, 0]),
            "currency": rng.choice(CURRENCIES),
            **self._some(
                0.4,
                account_id=["acc", 1, None],
                campaign_id=[*CAMPAIGNS, "unknown", None],
                channel=["social", " partner", "", None],
                category=["media", "tools", "agency", None],
                impressions=[0, 1000, None],
                clicks=[0, 3, 17],
                visitors=[0, 5, 11],
                utm=[
                    None,
                    {"source": "google", "medium": "cpc"},
                    {"source": "Google", "campaign": "K1"},
                    {"campaign": "\u00a0alias ONE\u3000"},
                    {"medium": "email"},
                    {"term": "t", "medium": "(Not set)"},
                    {"source": "(none)", "medium": ""},
                ],
            ),
        }
        self._emit("crm.spend.posted", data)
        if rng.random() < 0.3:  # restated
            self._emit("crm.spend.posted", {**data, "amount": rng.choice(AMOUNTS)})

    def _rate(self) -> None:
        base, quote = self.rng.sample(CURRENCIES[: self.rng.choice((3, 3, 4))], 2)
        data = {
            "date": self._date(12),
            "base": base,
            "quote": quote,
            "rate": self.rng.choice(["1.1", "0.9", 11.25, "0.0871", 1, "3e0", "0.333333333333333333"]),
        }
        self._emit("crm.rate.posted", data)

    def _reference(self) -> None:
        rng = self.rng
        campaign = rng.choice(CAMPAIGNS)
        self._emit(
            "crm.campaign.upserted",
            {
                "campaign_id": campaign,
                **self._some(
                    0.5,
                    name=["Spring", "K2", "gone", f"Name of {campaign}", None],
                    group=["brand", "sales", None],
                    channel=["cpc", "display", None],
                    aliases=[["\u00a0Alias One"], ["alias one", " unknown ", "(none)"], [], None],
                    budget=["5000", "0.5", 1000, None],
                    currency=[*CURRENCIES, None],
                ),
            },
        )
        rep = rng.choice(REPS)
        data = {"rep_id": rep, **self._some(0.7, name=[f"Rep {rep}", None], team=["north", "south", "", None])}
        if rng.random() < 0.6:
            data["team_since"] = rng.choice([self._date(), None])
        self._emit("crm.rep.upserted", data)
        self._emit(
            "crm.account.upserted",
            {
                "account_id": rng.choice(ACCOUNTS),
                **self._some(0.6, name=["Acme", None], key_account=[True, False, None]),
            },
        )
        metric = rng.choice(["answer_rate", "avg_talk_seconds", "advance_rate", "calls"])
        benchmark = {"metric": metric, "value": rng.choice(["0.5", 120, 0.333])}
        self._emit(
            "crm.benchmark.posted", {**benchmark, **self._some(0.7, valid_from=[self._date(), None], label=["x"])}
        )
        for _ in range(4):
            scope = rng.choice(["company", "team/north", "team/south", "rep/r1", "rep/r2", "rep/9", "campaign/k1"])
            if rng.random() < 0.3:
                scope = rng.choice([f"campaign/{campaign}" for campaign in CAMPAIGNS])
            target = {
                "metric": rng.choice(["leads", "revenue", "won_deals", "calls"]),
                "month": rng.choice([self._date()[:7], self._date()[:7], self._date()[:7], "2026-01"]),
                "value": rng.choice([10, "1000.5", 0, 3]),
            }
            said = rng.choice([{}, {"scope": None}]) if scope == "company" and rng.random() < 0.5 else {"scope": scope}
            self._emit("crm.target.posted", {**target, **said})

    def _journey(self) -> None:
        """A few leads whose calls, rises and touches lie within each other's windows."""
        rng = self.rng
        for lead in ("j1", "j2", "j3"):
            base = self.start + timedelta(days=rng.randrange(4))

            def at(hours: float, base: datetime = base) -> str:
                return (base + timedelta(hours=hours)).isoformat()

            created = rng.choice([0, 30])
            self._emit("crm.lead.created", {"lead_id": lead, **self._origin()}, at(created))
            for number, hours in enumerate(rng.sample((1, 1, 20, 24, 47), rng.choice((2, 3, 5)))):
                data: Data = {"call_id": f"{lead}-{number}", "status": "answered", "talk_seconds": 60, "rep_id": "r1"}
                data |= {"lead_id": lead} if number % 2 else {"opportunity_id": f"{lead}-o"}
                if rng.random() < 0.25:
                    data["advanced_to"] = rng.choice(["MQL", "bofu", "customer"])
                    data["status"] = rng.choice(["answered", "missed"])
                self._emit("crm.call.logged", data, at(hours))
            self._emit("crm.lead.updated", {"lead_id": lead, "stage": "MQL"}, at(rng.choice((24, 25, 26, 44, 48))))
            deal = {"opportunity_id": f"{lead}-o", "lead_id": lead, "amount": "100.01", "cost": "33.33"}
            self._emit("crm.opportunity.created", deal, at(rng.choice((24, 48, 72))))
            self._emit("crm.deal.won", {"opportunity_id": f"{lead}-o"}, at(rng.choice((24, 96, 24 * 40))))
            for number in range(rng.choice((0, 1, 3, 7))):
                touch = {"touch_id": f"n{number}", "lead_id": lead, **self._origin()}
                self._emit("crm.touch.recorded", touch, at(rng.choice((1, 2, 24, 48, 72, 96, 24 * 30))))
            # a long way: early touches weigh next to nothing when weights decay
            weeks = rng.choice((0, 25, 40))
            for number in range(weeks // 2):
                touch = {"touch_id": f"w{number}", "lead_id": lead, **self._origin()}
                self._emit("crm.touch.recorded", touch, at(96 - number * 24 * 14 + rng.random()))
            large = {"opportunity_id": f"{lead}-large", "lead_id": lead, "amount": HUGE, "probability": "0.3333"}
            large |= self._some(0.5, currency=CURRENCIES)
            self._emit(rng.choice(["crm.deal.won", "crm.opportunity.created"]), large, at(97))
            # closed, opened again with the close in the same event, and closed once more
            twice = {"opportunity_id": f"{lead}-again", "lead_id": lead, "amount": "50"}
            self._emit("crm.deal.won", {**twice, "closed_at": at(50)}, at(60))
            again = {**twice, **self._some(0.5, closed_at=at(10))}
            self._emit(rng.choice(["crm.deal.reopened", "crm.deal.lost"]), again, at(70))
            self._emit("crm.deal.won", {"opportunity_id": f"{lead}-again"}, at(80))
            self._emit("crm.opportunity.updated", {**twice, "status": "won", "amount": "-50"}, at(90))

    def _groups(self) -> None:
        """Leads that are gone but for their deal, and leads that have their origin from the one merged into them."""
        rng = self.rng
        self._emit("crm.lead.created", {"lead_id": "gone", **self._origin()})
        self._emit("crm.touch.recorded", {"touch_id": "t", "lead_id": "gone", **self._origin()})
        self._emit("crm.lead.deleted", {"lead_id": "gone"}, sequence=9)
        deal = {"opportunity_id": "of-gone", "lead_id": "gone", "amount": "77.7777", "campaign_id": "K1"}
        self._emit("crm.deal.won", {**deal, **self._some(0.5, currency=CURRENCIES)})
        self._emit("crm.call.logged", {"call_id": "of-gone", "opportunity_id": "of-gone", "status": "answered"})
        for _ in range(2):
            self._emit("crm.lead.created", {"lead_id": "m1", "owner_id": 9, **self._origin()})
            self._emit("crm.lead.created", {"lead_id": "m3", "stage": "customer", **self._origin()})
        self._emit("crm.lead.created", {"lead_id": "m2", "account_id": "a1"})
        self._emit("crm.lead.created", {"lead_id": "blank", "channel": " \t"})
        self._emit("crm.lead.merged", {"lead_id": "m2", "merged_ids": ["m1"]})
        self._emit("crm.lead.merged", {"lead_id": "m1", "merged_ids": ["m3"]})
        if rng.random() < 0.4:
            self._emit("crm.lead.deleted", {"lead_id": "m2"})
        # a cycle of two or three
        for lead, into in rng.choice(([("y1", "y2"), ("y2", "y1")], [("y1", "y2"), ("y2", "y3"), ("y3", "y1")])):
            self._emit("crm.lead.created", {"lead_id": lead, **self._origin()})
            self._emit("crm.lead.merged", {"lead_id": into, "merged_ids": [lead]})
            self._emit("crm.touch.recorded", {"touch_id": "t", "lead_id": lead, **self._origin()}, self._time(2))
        francs = {"opportunity_id": "y-francs", "lead_id": "y2", "currency": "CHF", "amount": "9.9999"}
        self._emit("crm.deal.won", {**francs, "closed_at": "2026-06-01T00:00:00Z"})
        halves = {"opportunity_id": "halves", "amount": rng.choice(["0.0001", "0.0003"]), "probability": 0.5}
        self._emit("crm.opportunity.created", halves)
        francs = {"opportunity_id": "francs", "currency": "CHF", "amount": 5, "due_date": self._date()}
        self._emit("crm.opportunity.created", francs)
        # yen has no rate but that to euro
        self._emit("crm.rate.posted", {"date": self._date(3), "base": "EUR", "quote": "JPY", "rate": "163.25"})
        for number in range(2):
            yen = {"opportunity_id": f"yen-{number}", "currency": "JPY", "amount": 1_000_001, "cost": "99999.9"}
            self._emit(rng.choice(["crm.deal.won", "crm.deal.lost"]), yen)
        for number, amount in enumerate(rng.sample(AMOUNTS, 3)):
            lead = rng.choice(["m1", "m2", "m3"])
            won = {"opportunity_id": f"m-{number}", "lead_id": lead, "amount": amount, "cost": "0.0005"}
            self._emit("crm.deal.won", {**won, **self._some(0.5, currency=CURRENCIES)})
