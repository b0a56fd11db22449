"""Every view of the reports' contract, row by row, from what is counted.

A view is a list of rows, column name to value; `day` stands for `period_start` in the forms by grain. Figures are
`Near`: an exact value, and how far the view may be off (0.0001 for each converted amount of the row).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from functools import cached_property
from math import ceil
from typing import Any, NamedTuple

from tests.oracle.journeys import MODELS, NONE, SECOND, UNITS, Config, Credit, Group, Journeys, Opportunity, Origin

Row = dict[str, Any]
CENT = Fraction(1, UNITS)


class Near(NamedTuple):
    """A figure, and how far off one may be that was made from rounded conversions."""

    value: Fraction
    tolerance: Fraction = Fraction(0)

    def plus(self, other: "Near", sign: int = 1) -> "Near":
        return Near(self.value + sign * other.value, self.tolerance + other.tolerance)


class Unforeseen:
    """Stands for a figure that cannot be foretold: a ratio whose denominator may be rounded to zero or not."""


ANY = Unforeseen()
ZERO = Near(Fraction(0))


def ratio(above: Near, below: Near) -> Near | Unforeseen | None:
    if below.value == 0 and below.tolerance == 0:
        return None
    room = abs(below.value) - below.tolerance
    if room <= 0:
        return ANY
    value = above.value / below.value
    return Near(value, (above.tolerance + abs(value) * below.tolerance) / room)


def quantile(counts: Mapping[int, int], level: Fraction) -> int | None:
    """The least value whose cumulated count reaches ceil(level x total)."""
    need = ceil(level * sum(counts.values()))
    total = 0
    for value in sorted(counts):
        total += counts[value]
        if total >= need:
            return value
    return None


@dataclass
class Totals:
    """Rows in the making: sums and sparse counts by key."""

    rows: dict[tuple[Any, ...], dict[str, Near]] = field(default_factory=dict)
    counts: dict[tuple[Any, ...], dict[int, int]] = field(default_factory=dict)

    def add(self, key: tuple[Any, ...], **figures: "int | Near") -> None:
        row = self.rows.setdefault(key, {})
        for name, figure in figures.items():
            near = figure if isinstance(figure, Near) else Near(Fraction(figure))
            row[name] = row.get(name, ZERO).plus(near)

    def count(self, key: tuple[Any, ...], value: int) -> None:
        counts = self.counts.setdefault(key, {})
        counts[value] = counts.get(value, 0) + 1

    def each(self, *names: str) -> Iterable[tuple[tuple[Any, ...], list[Near]]]:
        for key, row in self.rows.items():
            yield key, [row.get(name, ZERO) for name in names]


@dataclass
class Reports:
    """The views of one company. `today` is the local day on which they are read."""

    journeys: Journeys
    today: date

    @property
    def config(self) -> Config:
        return self.journeys.config

    # -- money and periods

    def _money(self, units: int, currency: str, day: date | None) -> Near | None:
        """An amount in the reporting currency; None without a rate."""
        rate = self.journeys.rate(currency, day)
        if rate is None:
            return None
        return Near(Fraction(units, UNITS) * rate, Fraction(0) if currency == self.config.currency else CENT)

    def _opportunity_money(self, each: Opportunity, units: int) -> Near | None:
        return self._money(units, each.currency, each.closed_day)

    def start(self, day: date, grain: str) -> date:
        if grain == "week":
            return day - timedelta(days=day.weekday())
        if grain == "month":
            return day.replace(day=1)
        if grain in ("quarter", "year"):
            length = 3 if grain == "quarter" else 12
            months = day.year * 12 + day.month - 1
            months -= (months - (self.config.fiscal_year_start - 1)) % length
            return date(months // 12, months % 12 + 1, 1)
        return day

    def last_day(self, start: date, grain: str) -> date:
        if grain == "day":
            return start
        if grain == "week":
            return start + timedelta(days=6)
        months = start.year * 12 + start.month - 1 + {"month": 1, "quarter": 3, "year": 12}[grain]
        return date(months // 12, months % 12 + 1, 1) - timedelta(days=1)

    def view(self, name: str, grain: str = "day") -> list[Row]:
        """The rows of a view; `grain` for those with periods."""
        method: Callable[..., list[Row]] = getattr(self, name)
        return method(grain) if name in WITH_PERIODS else method()

    # -- 1

    def report_leads_by_channel(self, grain: str) -> list[Row]:
        totals = Totals()
        for lead in self.journeys.leads:
            key = (self.start(lead.day, grain), lead.origin.channel)
            self._lead_counts(totals, key, lead)
            if lead.converted_at is not None and lead.converted_at >= lead.created:
                took = lead.converted_at - lead.created
                totals.add(key, converted=1, seconds=took // SECOND)
                totals.count(key, took // (3600 * SECOND))
        rows = []
        for key, row in totals.each("leads", "bofu", "customers", "converted", "seconds"):
            leads, bofu, customers, converted, seconds = row
            hours = totals.counts.get(key, {})
            rows.append(
                {
                    "day": key[0],
                    "channel": key[1],
                    "leads": leads,
                    "opportunities": bofu,
                    "customers": customers,
                    "opportunity_rate": ratio(bofu, leads),
                    "conversion_rate": ratio(customers, leads),
                    "converted": converted,
                    "avg_days_to_convert": ratio(Near(seconds.value / 86400), converted),
                    "p50_days_to_convert": _days(quantile(hours, Fraction(1, 2))),
                    "p90_days_to_convert": _days(quantile(hours, Fraction(9, 10))),
                }
            )
        return rows

    def _lead_counts(self, totals: Totals, key: tuple[Any, ...], lead: Group) -> None:
        totals.add(
            key,
            leads=1,
            mofu=int("mofu" in lead.reached),
            bofu=int("bofu" in lead.reached),
            customers=int("customer" in lead.reached),
        )

    def report_channel_attribution(self, grain: str) -> list[Row]:
        totals = Totals()
        for credit in self.journeys.credits:
            key = (self._closed(credit, grain), credit.model, credit.origin.channel)
            self._add_credit(totals, key, credit)
        whole: dict[tuple[Any, ...], Near] = {}
        for key, (revenue,) in totals.each("revenue"):
            whole[key[:2]] = whole.get(key[:2], ZERO).plus(revenue)
        return [
            {
                **dict(zip(("day", "model", "channel"), key, strict=True)),
                "deals": deals,
                "revenue": revenue,
                "revenue_share": ratio(revenue, whole[key[:2]]),
                "unconverted": unconverted,
            }
            for key, (deals, revenue, unconverted) in totals.each("deals", "revenue", "unconverted")
        ]

    def _closed(self, credit: Credit, grain: str) -> date:
        assert credit.opportunity.closed_day is not None
        return self.start(credit.opportunity.closed_day, grain)

    def _add_credit(self, totals: Totals, key: tuple[Any, ...], credit: Credit, revenue: str = "revenue") -> None:
        totals.add(key, deals=Near(Fraction(credit.deals, 1_000_000)))
        amount = self._opportunity_money(credit.opportunity, credit.revenue)
        cost = self._opportunity_money(credit.opportunity, credit.cost)
        if amount is None or cost is None:
            totals.add(key, unconverted=int(credit.first))
        else:
            with_rate = Near(Fraction(credit.deals, 1_000_000))
            totals.add(key, **{revenue: amount}, cost=cost, deals_with_rate=with_rate)

    @cached_property
    def _default_credits(self) -> list[Credit]:
        return [credit for credit in self.journeys.credits if credit.model == self.config.attribution_model]

    # -- 2

    def _opportunities(self, grain: str, day_of: Callable[[Opportunity], date | None]) -> list[Row]:
        totals = Totals()
        for each in self.journeys.opportunities:
            day = day_of(each)
            if day is None:
                continue
            team = self.journeys.team(each.owner_id, day)
            key = (self.start(day, grain), each.owner_id, self.journeys.rep_name(each.owner_id), team)
            totals.add(key, opportunities=1, **{each.status: 1})
            amount, weighted = (self._opportunity_money(each, units) for units in (each.units, each.weighted))
            if amount is None or weighted is None:
                totals.add(key, unconverted=1)
            else:
                totals.add(key, estimated=amount, weighted=weighted, **{f"{each.status}_revenue": amount})
        rows = []
        names = ("opportunities", "estimated", "weighted", "open", "won", "lost", "won_revenue", "lost_revenue")
        for key, row in totals.each(*names, "unconverted"):
            count, estimated, weighted, open_, won, lost, won_revenue, lost_revenue, unconverted = row
            rows.append(
                {
                    **dict(zip(("day", "owner_id", "owner", "team"), key, strict=True)),
                    "opportunities": count,
                    "estimated_revenue": estimated,
                    "weighted_revenue": weighted,
                    "open": open_,
                    "won": won,
                    "lost": lost,
                    "won_revenue": won_revenue,
                    "lost_revenue": lost_revenue,
                    "win_rate": ratio(won, won.plus(lost)),
                    "win_rate_by_amount": ratio(won_revenue, won_revenue.plus(lost_revenue)),
                    "unconverted": unconverted,
                }
            )
        return rows

    def report_opportunities(self, grain: str) -> list[Row]:
        return self._opportunities(grain, lambda each: each.created_day)

    def report_opportunities_closed(self, grain: str) -> list[Row]:
        return self._opportunities(grain, lambda each: each.closed_day)

    def report_pipeline(self) -> list[Row]:
        totals = Totals()
        for each in self.journeys.opportunities:
            key = (*self._owner_today(each.owner_id), each.stage, each.status)
            totals.add(key, opportunities=1)
            self._add_estimates(totals, key, each)
        return [
            {
                **dict(zip(("owner_id", "owner", "team", "stage", "status"), key, strict=True)),
                "opportunities": row[0],
                "estimated_revenue": row[1],
                "weighted_revenue": row[2],
                "unconverted": row[3],
            }
            for key, row in totals.each("opportunities", "estimated", "weighted", "unconverted")
        ]

    def _owner_today(self, owner_id: str) -> tuple[str, str, str]:
        return owner_id, self.journeys.rep_name(owner_id), self.journeys.team(owner_id, self.today)

    def _add_estimates(self, totals: Totals, key: tuple[Any, ...], each: Opportunity) -> None:
        amount, weighted = (self._opportunity_money(each, units) for units in (each.units, each.weighted))
        if amount is None or weighted is None:
            totals.add(key, unconverted=1)
        else:
            totals.add(key, estimated=amount, weighted=weighted)

    def report_key_accounts(self) -> list[Row]:
        totals = Totals()
        for each in self.journeys.opportunities:
            key = (each.account_id, *self.journeys.account(each.account_id))
            totals.add(key, opportunities=1, **{each.status: 1})
            if each.status == "lost":
                continue
            amount = self._opportunity_money(each, each.units)
            if amount is None:
                totals.add(key, unconverted=1)
            else:
                totals.add(key, **{f"{each.status}_revenue": amount})
        names = ("opportunities", "open", "won", "lost", "open_revenue", "won_revenue", "unconverted")
        return [
            {
                "account_id": key[0],
                "account": key[1],
                "key_account": key[2],
                "opportunities": row[0],
                "open": row[1],
                "won": row[2],
                "lost": row[3],
                "estimated_revenue": row[4],
                "won_revenue": row[5],
                "win_rate": ratio(row[2], row[2].plus(row[3])),
                "unconverted": row[6],
            }
            for key, row in totals.each(*names)
        ]

    def report_forecast(self) -> list[Row]:
        totals = Totals()
        for each in self.journeys.opportunities:
            if each.status == "open":
                month = None if each.due is None else each.due.replace(day=1)
                key = (month, *self._owner_today(each.owner_id), self._overdue(each))
                totals.add(key, open=1)
                self._add_estimates(totals, key, each)
        return [
            {
                **dict(zip(("due_month", "owner_id", "owner", "team", "overdue"), key, strict=True)),
                "open": row[0],
                "estimated_revenue": row[1],
                "weighted_revenue": row[2],
                "unconverted": row[3],
            }
            for key, row in totals.each("open", "estimated", "weighted", "unconverted")
        ]

    def _overdue(self, each: Opportunity) -> bool:
        return each.status == "open" and each.due is not None and each.due < self.today

    def opportunity_list(self) -> list[Row]:
        rows = []
        for each in self.journeys.opportunities:
            owner_id, owner, team = self._owner_today(each.owner_id)
            account, key_account = self.journeys.account(each.account_id)
            amount = self._opportunity_money(each, each.units)
            erased = each.id in self.erased_opportunities
            rows.append(
                {
                    "opportunity_id": each.id,
                    "subject": "" if erased else self._person("opportunity", each.id, "subject"),
                    "contact_id": each.contact_id or "",
                    "contact": "" if erased else self._person("opportunity", each.id, "contact"),
                    "lead_id": each.lead.lead if each.lead is not None else "",
                    "owner_id": owner_id,
                    "owner": owner,
                    "team": team,
                    "account_id": each.account_id,
                    "account": account,
                    "key_account": key_account,
                    "stage": each.stage,
                    "status": each.status,
                    "due_date": each.due,
                    "overdue": self._overdue(each),
                    "age_days": Near(Fraction(((each.closed_day or self.today) - each.created_day).days)),
                    "amount": Near(Fraction(each.units, UNITS)),
                    "currency": each.currency,
                    "estimated_revenue": amount or ZERO,
                    "probability": None if each.probability is None else Near(Fraction(each.probability)),
                    "created_at": each.created,
                    "closed_at": each.closed,
                    "unconverted": Near(Fraction(int(amount is None))),
                }
            )
        return rows

    def _person(self, kind: str, name: str, what: str) -> str:
        found = self.journeys.state.people.get((kind, name, what))
        return "" if found is None else str(found[-1])

    @cached_property
    def erased_leads(self) -> set[str]:
        """Those erased, and every lead that merges, winning or not, connect with them."""
        state = self.journeys.state
        erased = {lead for lead, entity in state.leads.items() if entity.erased}
        merges = [
            (lead, survivor) for lead, entity in state.leads.items() for survivor in entity.links.get("merged_into", ())
        ]
        while True:
            more = {end for merge in merges if erased & set(merge) for end in merge} - erased
            if not more:
                break
            erased |= more
        return erased

    @cached_property
    def erased_opportunities(self) -> set[str]:
        """Those that were ever attached to one of these."""
        opportunities = self.journeys.state.opportunities.items()
        return {name for name, entity in opportunities if entity.links.get("lead_id", set()) & self.erased_leads}

    # -- 3

    def report_lead_sources(self, grain: str) -> list[Row]:
        totals = Totals()
        for lead in self.journeys.leads:
            self._lead_counts(totals, (self.start(lead.day, grain), *self._origin(lead.origin)), lead)
        for credit in self._default_credits:
            self._add_credit(totals, (self._closed(credit, grain), *self._origin(credit.origin)), credit)
            self._add_cohort(totals, credit, grain, self._origin(credit.origin))
        for spend in self.journeys.spend:
            key = (self.start(spend.day, grain), *self._origin(spend.origin))
            totals.add(key, visitors=spend.visitors, clicks=spend.clicks, impressions=spend.impressions, figures=1)
            if spend.category == "media":
                self._add_spend(totals, key, spend.units, spend.currency, spend.day)
        names = (
            *("leads", "bofu", "customers", "revenue", "cohort_revenue", "spend", "visitors", "clicks", "impressions"),
            "unconverted",
        )
        rows = []
        for key, row in totals.each(*names):
            leads, bofu, customers, revenue, cohort, spent, visitors, clicks, impressions, unconverted = row
            rows.append(
                {
                    **dict(zip(("day", "channel", "source", "medium", "campaign_id"), key, strict=True)),
                    "campaign": self.journeys.campaigns.name(key[-1]),
                    "leads": leads,
                    "opportunities": bofu,
                    "customers": customers,
                    "revenue": revenue,
                    "cohort_revenue": cohort,
                    "spend": spent,
                    "visitors": visitors,
                    "clicks": clicks,
                    "impressions": impressions,
                    "cpl": ratio(spent, leads),
                    "cpa": ratio(spent, customers),
                    "roas": ratio(revenue, spent),
                    "cohort_roas": ratio(cohort, spent),
                    "visitor_conversion": ratio(customers, visitors),
                    "ctr": ratio(clicks, impressions),
                    "cpc": ratio(spent, clicks),
                    "unconverted": unconverted,
                }
            )
        return rows

    def _origin(self, origin: Origin) -> tuple[str, str, str, str]:
        return (*origin[:3], self._campaign(origin))

    def _campaign(self, origin: Origin) -> str:
        return self.journeys.campaigns.resolve(origin.campaign_id)

    def _add_cohort(self, totals: Totals, credit: Credit, grain: str, rest: tuple[Any, ...], **counts: int) -> None:
        """Revenue on the day that its lead was created."""
        lead = credit.opportunity.lead
        if lead is not None:
            amount = self._opportunity_money(credit.opportunity, credit.revenue)
            totals.add((self.start(lead.day, grain), *rest), cohort_revenue=amount or ZERO, **counts)

    def _add_spend(
        self, totals: Totals, key: tuple[Any, ...], units: int, currency: str, day: date, name: str = "spend"
    ) -> None:
        amount = self._money(units, currency, day)
        if amount is None:
            totals.add(key, unconverted=1)
        else:
            totals.add(key, **{name: amount})

    def report_lead_magnets(self, grain: str) -> list[Row]:
        totals = Totals()
        for lead in self.journeys.leads:
            key = (self.start(lead.day, grain), lead.lead_magnet, lead.origin.channel, lead.origin.source)
            self._lead_counts(totals, key, lead)
        for credit in self._default_credits:
            rest = (credit.lead_magnet, credit.origin.channel, credit.origin.source)
            opportunity = credit.opportunity
            missing = self._opportunity_money(opportunity, opportunity.units) is None
            self._add_cohort(totals, credit, grain, rest, unconverted=int(missing and credit.first))
        return [
            {
                **dict(zip(("day", "lead_magnet", "channel", "source"), key, strict=True)),
                "leads": row[0],
                "opportunities": row[1],
                "customers": row[2],
                "cohort_revenue": row[3],
                "conversion_rate": ratio(row[2], row[0]),
                "unconverted": row[4],
            }
            for key, row in totals.each("leads", "bofu", "customers", "cohort_revenue", "unconverted")
        ]

    # -- 4

    def report_campaign_revenue(self, grain: str) -> list[Row]:
        totals = Totals()
        for credit in self.journeys.credits:
            key = (self._closed(credit, grain), credit.model, self._campaign(credit.origin), credit.origin.channel)
            self._add_credit(totals, key, credit)
        return [
            {
                "day": key[0],
                "model": key[1],
                "campaign_id": key[2],
                "campaign": self.journeys.campaigns.name(key[2]),
                "campaign_group": self.journeys.campaigns.group(key[2]),
                "channel": key[3],
                "deals": row[0],
                "revenue": row[1],
                "average_deal": ratio(row[1], row[2]),
                "unconverted": row[3],
            }
            for key, row in totals.each("deals", "revenue", "deals_with_rate", "unconverted")
        ]

    # -- 5

    def report_calls(self, grain: str) -> list[Row]:
        totals = Totals()
        for call in self.journeys.calls:
            team = self.journeys.team(call.rep_id, call.day)
            name = self.journeys.rep_name(call.rep_id)
            key = (self.start(call.day, grain), call.rep_id, name, team, call.direction)
            totals.add(
                key,
                calls=1,
                answered=int(call.answered),
                missed=int(not call.answered),
                talk=call.talk_seconds,
                mofu=int("mofu" in call.advanced),
                bofu=int("bofu" in call.advanced),
            )
            if call.answered:
                totals.count(key, call.talk_seconds)
        rows = []
        for key, row in totals.each("calls", "answered", "missed", "talk", "mofu", "bofu"):
            calls, answered, missed, talk, mofu, bofu = row
            counts = totals.counts.get(key, {})
            day = self.last_day(key[0], grain)
            rows.append(
                {
                    **dict(zip(("day", "rep_id", "rep", "team", "direction"), key, strict=True)),
                    "calls": calls,
                    "answered": answered,
                    "missed": missed,
                    "answer_rate": ratio(answered, calls),
                    "talk_seconds": talk,
                    "avg_talk_seconds": ratio(talk, answered),
                    "p50_talk_seconds": _whole(quantile(counts, Fraction(1, 2))),
                    "p90_talk_seconds": _whole(quantile(counts, Fraction(9, 10))),
                    "advanced_mofu": mofu,
                    "advanced_bofu": bofu,
                    "advance_rate": ratio(mofu.plus(bofu), answered),
                    **{
                        f"benchmark_{name}": self._benchmark(name, day)
                        for name in ("answer_rate", "avg_talk_seconds", "advance_rate")
                    },
                }
            )
        return rows

    def _benchmark(self, metric: str, day: date) -> Near | None:
        past = [
            (valid_from, entity.get("value"))
            for (of, valid_from), entity in self.journeys.state.benchmarks.items()
            if of == metric and date.fromisoformat(valid_from) <= day
        ]
        return Near(Fraction(max(past)[1])) if past else None

    # -- 6

    def report_profitability(self, grain: str) -> list[Row]:
        totals = Totals()
        days = self._profitability_days()
        for day, campaign, figures in days:
            totals.add((self.start(day, grain), campaign), **figures)
        for campaign, first in _first_days(days).items():
            entity = self.journeys.state.campaigns.get(campaign)
            budget = None if entity is None else entity.get("budget")
            if entity is not None and budget is not None:
                currency = entity.get("currency") or self.config.currency
                amount = self._money(int(budget * UNITS), currency, first)
                totals.add((self.start(first, grain), campaign), budget=amount or ZERO)
        names = ("revenue", "cohort_revenue", "leads", "bofu", "customers", "deals", "spend", "cost", "budget")
        rows = []
        for key, row in totals.each(*names, "unconverted"):
            revenue, cohort, leads, bofu, customers, deals, spend, cost, budget, unconverted = row
            margin = revenue.plus(cost, -1)
            contribution = margin.plus(spend, -1)
            rows.append(
                {
                    "day": key[0],
                    "campaign_id": key[1],
                    "campaign": self.journeys.campaigns.name(key[1]),
                    "campaign_group": self.journeys.campaigns.group(key[1]),
                    "revenue": revenue,
                    "cohort_revenue": cohort,
                    "leads": leads,
                    "opportunities": bofu,
                    "won_deals": deals,
                    "spend": spend,
                    "cost": cost,
                    "gross_margin": margin,
                    "gross_margin_ratio": ratio(margin, revenue),
                    "contribution": contribution,
                    "contribution_ratio": ratio(contribution, revenue),
                    "roi": ratio(contribution, cost.plus(spend)),
                    "roas": ratio(revenue, spend),
                    "cpl": ratio(spend, leads),
                    "cpa": ratio(spend, customers),
                    "budget": budget,
                    "unconverted": unconverted,
                }
            )
        return rows

    def _profitability_days(self) -> list[tuple[date, str, dict[str, Near]]]:
        totals = Totals()
        for lead in self.journeys.leads:
            self._lead_counts(totals, (lead.day, self._campaign(lead.origin)), lead)
        for credit in self._default_credits:
            self._add_credit(totals, (self._closed(credit, "day"), self._campaign(credit.origin)), credit)
            self._add_cohort(totals, credit, "day", (self._campaign(credit.origin),))
        for spend in self.journeys.spend:
            key = (spend.day, self._campaign(spend.origin))
            self._add_spend(totals, key, spend.units, spend.currency, spend.day)
        return [(*key, row) for key, row in totals.rows.items() if any(figure.value for figure in row.values())]

    # -- 7

    def report_funnel(self, grain: str) -> list[Row]:
        totals = Totals()
        for lead in self.journeys.leads:
            key = (self.start(lead.day, grain), lead.origin.channel, self._campaign(lead.origin))
            self._lead_counts(totals, key, lead)
        for spend in self.journeys.spend:
            key = (self.start(spend.day, grain), spend.origin.channel, self._campaign(spend.origin))
            totals.add(key, visitors=spend.visitors)
        rows = []
        for key, row in totals.each("visitors", "leads", "mofu", "bofu", "customers"):
            visitors, leads, mofu, bofu, customers = row
            rows.append(
                {
                    "day": key[0],
                    "channel": key[1],
                    "campaign_id": key[2],
                    "campaign": self.journeys.campaigns.name(key[2]),
                    "visitors": visitors,
                    "leads": leads,
                    "mofu": mofu,
                    "bofu": bofu,
                    "customers": customers,
                    "visitor_to_lead": ratio(leads, visitors),
                    "lead_to_mofu": ratio(mofu, leads),
                    "mofu_to_bofu": ratio(bofu, mofu),
                    "bofu_to_customer": ratio(customers, bofu),
                }
            )
        return rows

    # -- 8

    def report_finance(self, grain: str) -> list[Row]:
        totals = Totals()
        for each in self.journeys.opportunities:
            if each.status == "won":
                assert each.closed_day is not None
                key: tuple[Any, ...] = (self.start(each.closed_day, grain),)
                amount, cost = (self._opportunity_money(each, units) for units in (each.units, each.cost))
                if amount is None or cost is None:
                    totals.add(key, unconverted=1)
                else:
                    totals.add(key, revenue=amount, cost=cost)
            elif each.status == "open" and each.due is not None:
                key = (self.start(each.due, grain),)
                weighted = self._opportunity_money(each, each.weighted)
                if weighted is None:
                    totals.add(key, unconverted=1)
                else:
                    totals.add(key, forecast=weighted)
        for spend in self.journeys.spend:
            name = "spend_media" if spend.category == "media" else "spend_other"
            self._add_spend(totals, (self.start(spend.day, grain),), spend.units, spend.currency, spend.day, name)
        rows = []
        for key, row in totals.each("revenue", "cost", "spend_media", "spend_other", "forecast", "unconverted"):
            revenue, cost, media, other, forecast, unconverted = row
            rows.append(
                {
                    "day": key[0],
                    "revenue": revenue,
                    "cost": cost,
                    "spend_media": media,
                    "spend_other": other,
                    "gross_margin": revenue.plus(cost, -1),
                    "operating_result": revenue.plus(cost, -1).plus(media, -1).plus(other, -1),
                    "forecast_revenue": forecast,
                    "unconverted": unconverted,
                }
            )
        return rows

    def report_expenses(self, grain: str) -> list[Row]:
        totals = Totals()
        for spend in self.journeys.spend:
            key = (self.start(spend.day, grain), spend.category, spend.platform)
            self._add_spend(totals, key, spend.units, spend.currency, spend.day)
        return [
            {
                **dict(zip(("day", "category", "platform"), key, strict=True)),
                "spend": row[0],
                "unconverted": row[1],
            }
            for key, row in totals.each("spend", "unconverted")
        ]

    # -- 9

    def report_targets(self) -> list[Row]:
        rows = []
        for (metric, scope, month), entity in self.journeys.state.targets.items():
            target = Near(Fraction(entity.get("value")))
            actual = self._actual(metric, scope, date.fromisoformat(f"{month}-01"))
            rows.append(
                {
                    "month": date.fromisoformat(f"{month}-01"),
                    "metric": metric,
                    "scope": scope,
                    "target": target,
                    "actual": actual,
                    "attainment": ratio(actual, target),
                }
            )
        return rows

    def _actual(self, metric: str, scope: str, month: date) -> Near:
        whose, _, name = scope.partition("/")

        def counts(day: date | None, person: str, campaign: str | None) -> bool:
            if day is None or day.replace(day=1) != month:
                return False
            if whose == "rep":
                return person == name
            if whose == "team":
                return self.journeys.team(person, day) == name
            return whose == "company" or campaign == name

        total = ZERO
        for day, person, campaign, figure in self._measured(metric, by_credits=whose == "campaign"):
            if counts(day, person, campaign):
                total = total.plus(figure)
        return total

    def _measured(self, metric: str, *, by_credits: bool) -> Iterator[tuple[date | None, str, str | None, Near]]:
        """What adds up to an actual: its day, whose it is, of which campaign, how much."""
        one = Near(Fraction(1))
        if metric == "leads":
            for lead in self.journeys.leads:
                yield lead.day, lead.owner_id, self._campaign(lead.origin), one
        elif metric == "calls":
            for call in self.journeys.calls:
                known = call.group is not None and call.group.lead is not None
                yield call.day, call.rep_id, self._campaign(call.group.origin) if known and call.group else None, one
        elif by_credits:
            for credit in self._default_credits:
                amount = self._opportunity_money(credit.opportunity, credit.revenue) or ZERO
                deals = Near(Fraction(credit.deals, 1_000_000))
                figure = amount if metric == "revenue" else deals
                yield credit.opportunity.closed_day, "", self._campaign(credit.origin), figure
        else:
            for each in self.journeys.opportunities:
                if each.status == "won":
                    amount = self._opportunity_money(each, each.units) or ZERO
                    yield each.closed_day, each.owner_id, None, amount if metric == "revenue" else one

    # -- 10

    def report_model_sensitivity(self) -> list[Row]:
        totals = Totals()
        for credit in self.journeys.credits:
            key = (self._closed(credit, "month"), self._campaign(credit.origin))
            amount = self._opportunity_money(credit.opportunity, credit.revenue)
            if amount is not None:
                totals.add(key, **{credit.model: amount})
            elif credit.model == self.config.attribution_model:
                totals.add(key, unconverted=int(credit.first))
            else:
                totals.add(key)
        for spend in self.journeys.spend:
            if spend.category == "media":
                key = (self.start(spend.day, "month"), self._campaign(spend.origin))
                self._add_spend(totals, key, spend.units, spend.currency, spend.day)
        rows = []
        for key, row in totals.each(*MODELS, "spend", "unconverted"):
            *revenues, spend_, unconverted = row
            ratios = [ratio(revenue, spend_) for revenue in revenues]
            known = [each for each in ratios if isinstance(each, Near)]
            low = min(known, default=ANY if ANY in ratios else None)
            high = max(known, default=ANY if ANY in ratios else None)
            depends: Any = ANY if ANY in ratios else Near(Fraction(0))
            if isinstance(low, Near) and isinstance(high, Near):
                close = any(0 < abs(each.value - 1) <= each.tolerance for each in (low, high))
                depends = ANY if close else Near(Fraction(int(low.value < 1 <= high.value)))
            rows.append(
                {
                    "month": key[0],
                    "campaign_id": key[1],
                    "campaign": self.journeys.campaigns.name(key[1]),
                    **{f"revenue_{model}": revenue for model, revenue in zip(MODELS, revenues, strict=True)},
                    "spend": spend_,
                    "roas_min": low,
                    "roas_max": high,
                    "decision_depends": depends,
                    "unconverted": unconverted,
                }
            )
        return rows

    # -- 11

    def report_long(self, grain: str) -> list[Row]:
        totals = Totals()
        for name, (dimensions, metrics) in LONG.items():
            rows = self.view(name, grain)
            for row in rows:
                if row.get("model", self.config.attribution_model) != self.config.attribution_model:
                    continue
                for dimension in ("(all)", *dimensions):
                    member = "(all)" if dimension == "(all)" else row[dimension]
                    for metric in metrics:
                        totals.add(
                            (name.removeprefix("report_"), row["day"], dimension, member, metric), value=row[metric]
                        )
        names = ("report", "day", "dimension", "member", "metric")
        return [{**dict(zip(names, key, strict=True)), "value": row[0]} for key, row in totals.each("value")]

    # -- 12

    def report_quality(self) -> list[Row]:
        journeys = self.journeys
        leads, opportunities, calls, spend = journeys.leads, journeys.opportunities, journeys.calls, journeys.spend
        lead_campaigns = {self._campaign(lead.origin) for lead in leads} - {NONE}
        spend_campaigns = {self._campaign(each.origin) for each in spend if each.units} - {NONE}
        campaigns = (
            lead_campaigns
            | {self._campaign(each.origin) for each in spend}
            | {self._campaign(touch.origin) for group in journeys.groups for touch in group.touches}
            | {journeys.campaigns.resolve(each.campaign_id) for each in opportunities if each.campaign_id is not None}
        ) - {NONE}
        stages = {raw for lead in leads for _, raw in lead.stages if raw}
        stages |= {each.stage for each in opportunities if each.stage != NONE}
        money = [(each.id, each.currency, each.closed_day) for each in opportunities]
        money += [
            (
                f"{each.platform}/{each.account_id}/{each.day}/{self._campaign(each.origin)}/{each.category}",
                each.currency,
                each.day,
            )
            for each in spend
        ]
        return [
            _check("leads_without_channel_or_utm", [(lead.lead, not lead.says_channel) for lead in leads]),
            _check("unknown_campaigns", [(each, each not in journeys.campaigns.known) for each in campaigns]),
            _check("unmapped_stages", [(each, not self.config.mapped(each)) for each in stages]),
            _check("opportunities_without_lead", [(each.id, each.lead is None) for each in opportunities]),
            _check("opportunities_without_amount", [(each.id, not each.has_amount) for each in opportunities]),
            _check("opportunities_without_due_date", [(each.id, each.due is None) for each in opportunities]),
            _check(
                "overdue_opportunities",
                [(each.id, self._overdue(each)) for each in opportunities if each.status == "open"],
            ),
            _check(
                "won_deals_without_amount",
                [(each.id, not each.has_amount) for each in opportunities if each.status == "won"],
            ),
            _check("calls_without_lead", [(each.id, each.group is None or each.group.lead is None) for each in calls]),
            _check("spend_without_leads", [(each, each not in lead_campaigns) for each in spend_campaigns]),
            _check(
                "leads_of_a_campaign_without_spend", [(each, each not in spend_campaigns) for each in lead_campaigns]
            ),
            _check("dead_letters_of_the_last_24_h", [("", True)] * journeys.state.rejected),
            _check(
                "amounts_without_rate", [(name, journeys.rate(currency, day) is None) for name, currency, day in money]
            ),
        ]


def _check(name: str, looked_at: Iterable[tuple[Any, bool]]) -> Row:
    """A check of the data: what was looked at, and whether it fails."""
    checked = list(looked_at)
    failing = sorted(each for each, fails in checked if fails)
    records, failed = Near(Fraction(len(checked))), Near(Fraction(len(failing)))
    return {
        "check": name,
        "records": records,
        "failing": failed,
        "share": ratio(failed, records),
        "sample_ids": failing[:5],
    }


#: the additive measures of the views of 1..7 that have a day, and the dimensions that they are shown by
LONG: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "report_leads_by_channel": (("channel",), ("leads", "opportunities", "customers", "converted")),
    "report_channel_attribution": (("channel",), ("deals", "revenue", "unconverted")),
    **dict.fromkeys(
        ("report_opportunities", "report_opportunities_closed"),
        (
            ("owner_id", "owner", "team"),
            (
                *("opportunities", "estimated_revenue", "weighted_revenue", "open", "won", "lost"),
                *("won_revenue", "lost_revenue", "unconverted"),
            ),
        ),
    ),
    "report_lead_sources": (
        ("channel", "source", "medium", "campaign_id", "campaign"),
        (
            *("leads", "opportunities", "customers", "revenue", "cohort_revenue", "spend", "visitors", "clicks"),
            *("impressions", "unconverted"),
        ),
    ),
    "report_lead_magnets": (
        ("lead_magnet", "channel", "source"),
        ("leads", "opportunities", "customers", "cohort_revenue", "unconverted"),
    ),
    "report_campaign_revenue": (
        ("campaign_id", "campaign", "campaign_group", "channel"),
        ("deals", "revenue", "unconverted"),
    ),
    "report_calls": (
        ("rep_id", "rep", "team", "direction"),
        ("calls", "answered", "missed", "talk_seconds", "advanced_mofu", "advanced_bofu"),
    ),
    "report_profitability": (
        ("campaign_id", "campaign", "campaign_group"),
        (
            *("revenue", "cohort_revenue", "leads", "opportunities", "won_deals", "spend", "cost", "gross_margin"),
            *("contribution", "budget", "unconverted"),
        ),
    ),
    "report_funnel": (
        ("channel", "campaign_id", "campaign"),
        ("visitors", "leads", "mofu", "bofu", "customers"),
    ),
}

WITH_PERIODS = (*LONG, "report_finance", "report_expenses", "report_long")
WITHOUT_PERIODS = (
    *("report_pipeline", "report_key_accounts", "report_forecast", "opportunity_list", "report_targets"),
    *("report_model_sensitivity", "report_quality"),
)


def _first_days(days: Iterable[tuple[date, str, Any]]) -> dict[str, date]:
    first: dict[str, date] = {}
    for day, campaign, _ in days:
        first[campaign] = min(day, first.get(campaign, day))
    return first


def _days(hours: int | None) -> Near | None:
    return None if hours is None else Near(Fraction(hours, 24))


def _whole(value: int | None) -> Near | None:
    return None if value is None else Near(Fraction(value))
