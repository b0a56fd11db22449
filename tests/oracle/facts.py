"""The records behind the reports, `fact_*`: those of their columns that the contract gives a meaning to."""

from datetime import date
from fractions import Fraction
from typing import Any

from tests.oracle.journeys import MODELS, NONE, RANK, UNITS, Group
from tests.oracle.reports import ZERO, Near, Reports, Row


def fact_leads(reports: Reports) -> list[Row]:
    journeys = reports.journeys
    rows = []
    for group in journeys.leads:
        assert group.lead is not None
        own = journeys.state.leads[group.lead].history("stage")
        stage = own[-1][1] if own else None
        took = None
        if group.converted_at is not None and group.converted_at >= group.created:
            took = Near(Fraction((group.converted_at - group.created) // 1_000_000))
        rows.append(
            {
                "lead_id": group.lead,
                # leads of which nothing is said but that others were merged into them are not among them
                "merged_ids": [
                    lead
                    for lead in group.members
                    if lead != group.lead and (lead in journeys.state.leads or lead in reports.erased_leads)
                ],
                "created_at": group.created,
                "day": group.day,
                "channel": group.origin.channel,
                "source": group.origin.source,
                "medium": group.origin.medium,
                "campaign_id": journeys.campaigns.resolve(group.origin.campaign_id),
                "lead_magnet": group.lead_magnet,
                "stage": stage or NONE,
                "funnel_stage": reports.config.stage(stage),
                "reached_stage": max(group.reached, key=RANK.__getitem__, default="tofu"),
                "mofu_at": group.reached.get("mofu"),
                "bofu_at": group.reached.get("bofu"),
                "customer_at": group.reached.get("customer"),
                "converted_at": group.converted_at,
                "seconds_to_convert": took,
                "owner_id": group.owner_id,
                "owner": journeys.rep_name(group.owner_id),
                "team": journeys.team(group.owner_id, group.day),
                "account_id": group.account_id or "",
            }
        )
    return rows


def fact_opportunities(reports: Reports) -> list[Row]:
    journeys = reports.journeys
    rows = []
    for each in journeys.opportunities:
        campaign = "" if each.campaign_id is None else journeys.campaigns.resolve(each.campaign_id)
        rows.append(
            {
                "opportunity_id": each.id,
                "lead_id": _id(each.lead),
                "account_id": each.account_id,
                "amount": Near(Fraction(each.units, UNITS)),
                "currency": each.currency,
                "weighted_amount": Near(Fraction(each.weighted, UNITS)),
                "cost": Near(Fraction(each.cost, UNITS)),
                "probability": None if each.probability is None else Near(Fraction(each.probability)),
                "stage": each.stage,
                "status": each.status,
                "due_date": each.due,
                "due_month": None if each.due is None else each.due.replace(day=1),
                "created_at": each.created,
                "created_day": each.created_day,
                "closed_at": each.closed,
                "closed_day": each.closed_day,
                "owner_id": each.owner_id,
                "owner": journeys.rep_name(each.owner_id),
                "team": journeys.team(each.owner_id, reports.today),
                "created_team": journeys.team(each.owner_id, each.created_day),
                "campaign_id": campaign,
                "campaign": journeys.campaigns.name(campaign),
            }
        )
    return rows


def fact_calls(reports: Reports) -> list[Row]:
    journeys = reports.journeys
    rows = []
    for call in journeys.calls:
        lead = call.group if call.group is not None and call.group.lead is not None else None
        rows.append(
            {
                "call_id": call.id,
                "rep_id": call.rep_id,
                "rep": journeys.rep_name(call.rep_id),
                "team": journeys.team(call.rep_id, call.day),
                "direction": call.direction,
                "answered": call.answered,
                "started_at": call.started,
                "day": call.day,
                "lead_id": _id(lead),
                "campaign_id": NONE if lead is None else journeys.campaigns.resolve(lead.origin.campaign_id),
                "advanced_to": call.says or "",
                "advanced_mofu": Near(Fraction("mofu" in call.advanced)),
                "advanced_bofu": Near(Fraction("bofu" in call.advanced)),
            }
        )
    return rows


def fact_touches(reports: Reports) -> list[Row]:
    journeys = reports.journeys
    return [
        {
            "touch_id": touch.touch_id,
            "lead_id": touch.lead_id,
            "own": not touch.recorded,
            "counted_lead_id": group.lead or "",
            "at": touch.at,
            "day": reports.config.day(touch.at),
            "channel": touch.origin.channel,
            "source": touch.origin.source,
            "medium": touch.origin.medium,
            "campaign_id": journeys.campaigns.resolve(touch.origin.campaign_id),
        }
        for group in journeys.groups
        for touch in group.touches
    ]


def fact_spend(reports: Reports) -> list[Row]:
    return [
        {
            "platform": each.platform,
            "account_id": each.account_id,
            "day": each.day,
            "campaign_id": reports.journeys.campaigns.resolve(each.origin.campaign_id),
            "given_campaign_id": each.origin.campaign_id,
            "category": each.category,
            "channel": each.origin.channel,
            "source": each.origin.source,
            "medium": each.origin.medium,
            **dict(
                zip(
                    (f"utm_{name}" for name in ("source", "medium", "campaign", "term", "content")),
                    each.utm,
                    strict=True,
                )
            ),
            "currency": each.currency,
            "amount": Near(Fraction(each.units, UNITS)),
            "impressions": Near(Fraction(each.impressions)),
            "clicks": Near(Fraction(each.clicks)),
            "visitors": Near(Fraction(each.visitors)),
        }
        for each in reports.journeys.spend
    ]


def fact_credits(reports: Reports) -> list[Row]:
    journeys = reports.journeys
    rows: dict[tuple[Any, ...], Row] = {}
    figures = ("deals", "revenue", "cost", "heads")
    for credit in journeys.credits:
        deal, touch = credit.opportunity, credit.touch
        key = (deal.id, "" if touch is None else touch.touch_id, "" if touch is None else touch.lead_id)
        cohort: date | None = None if deal.lead is None else deal.lead.day
        row = rows.setdefault(
            key,
            {
                **dict(zip(("opportunity_id", "touch_id", "touch_lead_id"), key, strict=True)),
                "lead_id": _id(deal.lead),
                "day": deal.closed_day,
                "cohort_day": cohort,
                "channel": credit.origin.channel,
                "source": credit.origin.source,
                "medium": credit.origin.medium,
                "campaign_id": journeys.campaigns.resolve(credit.origin.campaign_id),
                "lead_magnet": credit.lead_magnet,
                "currency": deal.currency,
                **{f"{figure}_{model}": ZERO for model in MODELS for figure in figures},
            },
        )
        model = credit.model
        row[f"deals_{model}"] = Near(Fraction(credit.deals, 1_000_000))
        row[f"revenue_{model}"] = Near(Fraction(credit.revenue, UNITS))
        row[f"cost_{model}"] = Near(Fraction(credit.cost, UNITS))
        row[f"heads_{model}"] = Near(Fraction(credit.first))
    return list(rows.values())


FACTS = {
    each.__name__: each for each in (fact_leads, fact_opportunities, fact_calls, fact_touches, fact_spend, fact_credits)
}


def _id(group: Group | None) -> str:
    return "" if group is None or group.lead is None else group.lead
