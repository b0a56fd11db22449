"""The records behind the figures: what every link leads to."""

from deploy.grafana.dashboard import Dashboard, Row
from deploy.grafana.panel import Link, stat, table
from deploy.grafana.query import chosen, in_range
from deploy.grafana.variables import CAMPAIGN, CHANNEL, CLICKHOUSE_SOURCE, MODEL, REP, SOURCE, TEAM, typed

_LEAD = Link("All about this lead", {"lead": "lead_id"})
_OPPORTUNITY = Link("This opportunity", {"opportunity": "opportunity_id"})
_MOST = "LIMIT 1000"


_TYPED_LEAD, _TYPED_OPPORTUNITY = "${lead:singlequote}", "${opportunity:singlequote}"
_LEAD_OF_OPPORTUNITY = f"(SELECT lead_id FROM fact_opportunities WHERE opportunity_id = {_TYPED_OPPORTUNITY})"


def _of(day: str, lead: str, opportunity: str, *chosen_ones: str) -> str:
    """The records of the time range and the choices; or, of any time, those of the lead or opportunity typed in."""
    return f"""({_TYPED_LEAD} != '' OR {_TYPED_OPPORTUNITY} != '' OR {in_range(day)})
    AND ({_TYPED_LEAD} = '' OR {lead} = {_TYPED_LEAD})
    AND ({_TYPED_OPPORTUNITY} = '' OR {opportunity})
    AND {" AND ".join(chosen_ones)}"""


_THIS_ONE = f"opportunity_id = {_TYPED_OPPORTUNITY}"
_ORIGIN = (chosen("channel"), chosen("source"), chosen("campaign", "campaign_id"))
_LEADS = _of("day", "lead_id", f"lead_id IN {_LEAD_OF_OPPORTUNITY}", *_ORIGIN)
_TOUCHES = _of("day", "counted_lead_id", f"counted_lead_id IN {_LEAD_OF_OPPORTUNITY}", *_ORIGIN)
_CALLS = _of(
    "day",
    "lead_id",
    f"({_THIS_ONE} OR lead_id IN {_LEAD_OF_OPPORTUNITY})",
    chosen("rep", "rep_id"),
    chosen("team"),
    chosen("campaign", "campaign_id"),
)
_CREDITS = _of("day", "lead_id", _THIS_ONE, *_ORIGIN)
_OPPORTUNITIES = _of("created_day", "lead_id", _THIS_ONE, chosen("rep", "owner_id"), chosen("team", "created_team"))
_SPEND = " AND ".join((in_range(), *_ORIGIN))

BOARD = Dashboard(
    uid="sixfold-records",
    title="Records",
    description="The records behind the figures, as they are now. The figures of the other dashboards link here, with "
    "the keys of their row chosen above. With a lead or an opportunity typed in, its records of all time are shown. "
    "Tables that have no column for a choice leave it out. Names, addresses, subjects and contacts are not shown here.",
    variables=[
        CLICKHOUSE_SOURCE,
        CHANNEL,
        SOURCE,
        CAMPAIGN,
        TEAM,
        REP,
        MODEL,
        typed("lead", "Lead", "A lead's id: everything about it, of any time"),
        typed("opportunity", "Opportunity", "An opportunity's id: everything about it, of any time"),
    ],
    refresh="5m",
    rows=[
        Row(
            "Leads",
            [
                stat(
                    "How many records",
                    "Of all records found, each kind on its day: leads, opportunities by their creation, calls, "
                    "credits of deals closed, touches, spend figures. The tables below show the latest 1,000 of each.",
                    f"""
SELECT
    (SELECT count() FROM fact_leads WHERE {_LEADS}) AS leads,
    (SELECT count() FROM fact_opportunities WHERE {_OPPORTUNITIES}) AS opportunities,
    (SELECT count() FROM fact_calls WHERE {_CALLS}) AS calls,
    (SELECT count() FROM fact_credits WHERE {_CREDITS}) AS credits,
    (SELECT count() FROM fact_touches WHERE {_TOUCHES}) AS touches,
    (SELECT count() FROM fact_spend WHERE {_SPEND}) AS figures
""",
                    "leads opportunities calls credits touches figures",
                ).wide(24),
                table(
                    "Leads",
                    "Leads created in the time range, one row for each group of merged leads: channel, source and "
                    "campaign of reports 1 and 3 and of the funnel.",
                    f"""
SELECT created_at, lead_id, channel, source, medium, campaign_id, campaign, lead_magnet, stage, funnel_stage,
    reached_stage, has_utm, owner, team, account_id, arrayStringConcat(merged_ids, ', ') AS merged_ids
FROM fact_leads
WHERE {_LEADS}
ORDER BY created_at DESC, lead_id
{_MOST}
""",
                    "created_at lead_id channel source medium campaign_id campaign lead_magnet stage funnel_stage "
                    "reached_stage has_utm owner team account_id merged_ids",
                    links={"lead_id": _LEAD},
                ).wide(24, 10),
            ],
        ),
        Row(
            "Revenue",
            [
                table(
                    "Credits, model ${model}",
                    "Who is credited with each deal won that closed in the time range: reports 1, 3, 4 and 6. Money in "
                    "the deal's own currency.",
                    f"""
SELECT day, opportunity_id, lead_id, touch_id, own, channel, source, medium, campaign_id, campaign, currency,
    deals_${{model:raw}} AS deals, revenue_${{model:raw}} AS revenue, cost_${{model:raw}} AS cost
FROM fact_credits
WHERE (deals_${{model:raw}} != 0 OR revenue_${{model:raw}} != 0 OR cost_${{model:raw}} != 0) AND {_CREDITS}
ORDER BY day DESC, opportunity_id, touch_id
{_MOST}
""",
                    "day opportunity_id lead_id touch_id own channel source medium campaign_id campaign currency deals "
                    "revenue cost",
                    links={"lead_id": _LEAD, "opportunity_id": _OPPORTUNITY},
                ).wide(24, 10),
                table(
                    "Opportunities",
                    "Opportunities created in the time range: report 2. Money in the opportunity's own currency; the "
                    "team is the owner's on the day of the creation.",
                    f"""
SELECT created_at, opportunity_id, lead_id, owner_id, owner, created_team AS team, account_id, stage, status, amount,
    currency, cost, probability, due_date, overdue, closed_at, campaign_id
FROM fact_opportunities
WHERE {_OPPORTUNITIES}
ORDER BY created_at DESC, opportunity_id
{_MOST}
""",
                    "created_at opportunity_id lead_id owner_id owner team account_id stage status amount currency "
                    "cost probability due_date overdue closed_at campaign_id",
                    links={"lead_id": _LEAD, "opportunity_id": _OPPORTUNITY},
                ).wide(24, 10),
            ],
        ),
        Row(
            "Calls",
            [
                table(
                    "Calls",
                    "Calls started in the time range: report 5. The campaign is that of the call's lead.",
                    f"""
SELECT started_at, call_id, rep_id, rep, team, direction, status, answered, talk_seconds, lead_id, opportunity_id,
    campaign_id, advanced_to, advanced_mofu, advanced_bofu
FROM fact_calls
WHERE {_CALLS}
ORDER BY started_at DESC, call_id
{_MOST}
""",
                    "started_at call_id rep_id rep team direction status answered talk_seconds lead_id opportunity_id "
                    "campaign_id advanced_to advanced_mofu advanced_bofu",
                    links={"lead_id": _LEAD, "opportunity_id": _OPPORTUNITY},
                ).wide(24, 10),
            ],
        ),
        Row(
            "Touches and spend",
            [
                table(
                    "Touches",
                    "Touches of the time range, the creation of leads included (own): what credits are shared among.",
                    f"""
SELECT at, counted_lead_id AS lead_id, touch_id, own, channel, source, medium, campaign_id, campaign
FROM fact_touches
WHERE {_TOUCHES}
ORDER BY at DESC, lead_id, touch_id
{_MOST}
""",
                    "at lead_id touch_id own channel source medium campaign_id campaign",
                    links={"lead_id": _LEAD},
                ).wide(12, 10),
                table(
                    "Spend",
                    "Spend figures of the time range, in their own currency: reports 3 and 6, expenses.",
                    f"""
SELECT day, platform, account_id, channel, source, medium, campaign_id, campaign, category, amount, currency,
    impressions, clicks, visitors
FROM fact_spend
WHERE {_SPEND}
ORDER BY day DESC, platform, campaign_id, category
{_MOST}
""",
                    "day platform account_id channel source medium campaign_id campaign category amount currency "
                    "impressions clicks visitors",
                ).wide(12, 10),
            ],
        ),
    ],
)
