"""An invented company, told at the clock, that keeps every figure inside the shipped thresholds.

So an alert on the business in such a run is a defect. It also knows what the reports must say of it (`Expected`).
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

REPS = ("N1", "N2", "N3", "S1", "S2", "S3")
TEAMS = {"N": "North", "S": "South"}
CAMPAIGNS = {"generic-search": "google_ads", "it-managers": "linkedin", "spring-sale": "meta", "bing": "microsoft_ads"}
UTM = {
    "google_ads": ("google", "cpc"),
    "linkedin": ("linkedin", "paid_social"),
    "meta": ("facebook", "paid_social"),
    "microsoft_ads": ("bing", "cpc"),
}
SPEND_PER_LEAD = 10
TENTHS_OF_A_EURO = 11
"""In USD: EUR/USD is posted as 1.1, so that every amount converts exactly."""

_encode = msgspec.json.Encoder().encode


@dataclass
class Expected:
    """What the reports must say; money in tenths of a dollar."""

    leads: int = 0
    calls: int = 0
    answered: int = 0
    deals: int = 0
    revenue: int = 0
    spend: int = 0
    rejected: int = 0


class Company:
    """Tells events; each has an id of its own, and the time at which it is told."""

    def __init__(self) -> None:
        self.expected = Expected()
        self._leads, self._ids = itertools.count(), itertools.count()
        self._spent: dict[tuple[str, str], int] = {}
        self._of_campaign: dict[tuple[str, str], int] = {}

    def history(self, stories: int) -> list[bytes]:
        """Tell what was before: people, campaigns, plans and rates, and so many stories."""
        return [*self._founding(), *(event for _ in range(stories) for event in self.story())]

    def _founding(self) -> list[bytes]:
        now = datetime.now(UTC)
        told = [self._event("rep.upserted", rep_id=rep, name=f"Rep {rep}", team=TEAMS[rep[0]]) for rep in REPS]
        for campaign in CAMPAIGNS:
            budget = {"budget": 100_000_000, "currency": "USD"}
            told.append(self._event("campaign.upserted", campaign_id=campaign, name=campaign.title(), **budget))
        told.append(self._event("rate.posted", date=f"{now:%Y-%m-%d}", base="EUR", quote="USD", rate="1.1"))
        told.append(self._event("benchmark.posted", metric="answer_rate", value="0.5", label="Trade average"))
        month = f"{now:%Y-%m}"
        told += [
            self._event("target.posted", metric="revenue", month=month, value=5_000, scope=scope)
            for scope in ("company", "team/North", "rep/N1")
        ]
        return told

    def story(self) -> list[bytes]:
        """Tell what happens around one lead: about five events."""
        number = next(self._leads)
        lead, rep, turn = f"L{number}", REPS[number % len(REPS)], number // len(REPS)
        campaign = list(CAMPAIGNS)[number // 7 % len(CAMPAIGNS)]
        source, medium = UTM[CAMPAIGNS[campaign]]
        utm = {"source": source, "medium": medium, "campaign": campaign}
        now = datetime.now(UTC)
        created = {"created_at": now.isoformat(), "name": f"Person {number}", "email": f"p{number}@example.org"}
        told = [self._event("lead.created", lead_id=lead, owner_id=rep, utm=utm, stage="tofu", **created)]
        self.expected.leads += 1
        if number % 2:
            told.append(self._event("touch.recorded", "web/tracker", touch_id="1", lead_id=lead, utm=utm))
        told.append(self._call(number, lead, rep, missed=turn % 5 == 4, inbound=turn % 2 == 1))
        if number % 2 == 0:
            told.append(self._event("lead.updated", lead_id=lead, stage="mofu"))
        if number % 3 == 0:
            told += self._opportunity(number, lead)
        if number % 50 == 49:
            told.append(self._event("lead.merged", lead_id=f"L{number - 1}", merged_ids=[lead]))
            self.expected.leads -= 1
        elif number % 200 == 120:
            told.append(self._event("lead.deleted", lead_id=lead))
            self.expected.leads -= 1
        elif number % 500 == 250:
            told.append(self._event("lead.erased", lead_id=lead))
        day = f"{now:%Y-%m-%d}"
        of_campaign = self._of_campaign[day, campaign] = self._of_campaign.get((day, campaign), 0) + 1
        if of_campaign % 100 == 0:
            told.append(self._spend(day, campaign, of_campaign * SPEND_PER_LEAD))
        return told

    def spoiled(self, number: int) -> bytes:
        """Give an event that nobody can read, of two reasons in turn; it is expected among the dead letters."""
        self.expected.rejected += 1
        event = self._event("lead.created" if number % 2 else "lead.forgotten", lead_id=f"spoiled-{number}")
        return event[:-2] if number % 2 else event

    def lead(self, lead_id: str) -> bytes:
        """Tell of a lead with nothing around it."""
        self.expected.leads += 1
        return self._event("lead.created", "web/form", lead_id=lead_id, channel="direct", owner_id=REPS[0])

    def _call(self, number: int, lead: str, rep: str, *, missed: bool, inbound: bool) -> bytes:
        self.expected.calls += 1
        self.expected.answered += not missed
        return self._event(
            "call.logged",
            "telephony/pbx-1",
            call_id=f"C{number}",
            rep_id=rep,
            lead_id=lead,
            direction="inbound" if inbound else "outbound",
            status="missed" if missed else "answered",
            talk_seconds=0 if missed else 100 + number % 160,
        )

    def _opportunity(self, number: int, lead: str) -> list[bytes]:
        amount, euro = 600 + number % 400, number % 12 == 0
        named = {"opportunity_id": f"O{number}"}
        told = [
            self._event(
                "opportunity.created",
                lead_id=lead,
                owner_id=REPS[number // len(REPS) % len(REPS)],
                subject=f"{number} desks",
                amount=amount,
                cost=amount * 2 // 5,
                currency="EUR" if euro else "USD",
                stage="Qualified",
                **named,
            )
        ]
        if number % 6 == 0:
            told.append(self._event("deal.won", **named))
            self.expected.deals += 1
            self.expected.revenue += amount * (TENTHS_OF_A_EURO if euro else 10)
        elif number % 9 == 0:
            told.append(self._event("deal.lost", **named))
        return told

    def _spend(self, day: str, campaign: str, amount: int) -> bytes:
        self.expected.spend += 10 * (amount - self._spent.get((day, campaign), 0))
        self._spent[day, campaign] = amount
        platform = CAMPAIGNS[campaign]
        figures = {"amount": amount, "currency": "USD", "clicks": amount // 2, "impressions": amount * 20}
        return self._event(
            "spend.posted", f"ads/{platform}", platform=platform, date=day, campaign_id=campaign, **figures
        )

    def _event(self, kind: str, source: str = "crm/northdesk", /, **data: Any) -> bytes:
        return _encode(
            {
                "specversion": "1.0",
                "id": f"{kind}-{next(self._ids)}",
                "source": source,
                "type": f"crm.{kind}",
                "time": datetime.now(UTC).isoformat(),
                "data": data,
            }
        )


def batched(events: Sequence[bytes]) -> bytes:
    """Put events into one batch of CloudEvents."""
    return b"[" + b",".join(events) + b"]"
