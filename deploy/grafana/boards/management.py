"""An overview for management: the figures that decide, each beside that of the span before."""

from deploy.grafana.columns import ATTAINED
from deploy.grafana.dashboard import Dashboard, Row, spend_annotation
from deploy.grafana.panel import Link, Panel, bars, picture, series, stat, table
from deploy.grafana.query import FIRST_DAY, LAST_DAY, in_range, period_in_range
from deploy.grafana.variables import CLICKHOUSE_SOURCE, CURRENCY, grain

_SPAN_BEFORE = f"{FIRST_DAY} - ({LAST_DAY} - {FIRST_DAY}) - 1"
_PROFIT = f"report_profitability_by(grain = ${{grain:singlequote}})\nWHERE {period_in_range()}"


def _figure(
    title: str, description: str, column: str, expression: str, view: str, change: str = "more is good"
) -> Panel:
    """One figure over the time range, and its change since the span of the same length before."""
    return stat(
        title,
        f"{description} In percent: the change since the span of the same length before the time range.",
        f"""
SELECT {expression} AS {column}
FROM {view}
WHERE day BETWEEN {_SPAN_BEFORE} AND {LAST_DAY}
GROUP BY day >= {FIRST_DAY}
ORDER BY day >= {FIRST_DAY}
""",
        column,
        change="more is good" if change == "more is good" else "less is good",
    ).wide(3)


BOARD = Dashboard(
    uid="sixfold-management",
    title="Overview for management",
    description="The figures that decide, and where to look closer. Each figure stands on its own day: spend on its "
    "date, leads on their creation, revenue on the close.",
    variables=[CLICKHOUSE_SOURCE, grain(), CURRENCY],
    annotations=[spend_annotation()],
    rows=[
        Row(
            "In the time range, in ${currency}",
            [
                _figure("Revenue", "Of deals closed.", "revenue", "sum(revenue)", "report_finance"),
                _figure(
                    "Operating result",
                    "Revenue - cost - all spend.",
                    "operating_result",
                    "sum(operating_result)",
                    "report_finance",
                ),
                _figure(
                    "Spend on media",
                    "By its date.",
                    "spend_media",
                    "sum(spend_media)",
                    "report_finance",
                    "less is good",
                ),
                _figure(
                    "ROAS",
                    "Revenue / spend on media; red below 1.",
                    "roas",
                    "toFloat64(sum(revenue)) / nullIf(toFloat64(sum(spend_media)), 0)",
                    "report_finance",
                ),
                _figure("Leads", "Leads created.", "leads", "sum(leads)", "report_leads_by_channel"),
                _figure(
                    "Customers",
                    "Leads created in the span with a deal won by now.",
                    "customers",
                    "sum(customers)",
                    "report_leads_by_channel",
                ),
                _figure(
                    "Win rate",
                    "Won / (won + lost) of what closed in the span.",
                    "win_rate",
                    "sum(won) / nullIf(sum(won) + sum(lost), 0)",
                    "report_opportunities_closed",
                ),
                _figure(
                    "Answer rate",
                    "Answered / calls.",
                    "answer_rate",
                    "sum(answered) / nullIf(sum(calls), 0)",
                    "report_calls",
                ),
                series(
                    "Revenue, cost, spend",
                    "By ${grain}, each on its own day.",
                    f"""
SELECT period_start, sum(revenue) AS revenue, sum(cost) AS cost, sum(spend) AS spend
FROM {_PROFIT}
GROUP BY period_start
ORDER BY period_start
""",
                    "revenue cost spend",
                    style="bars",
                ),
                series(
                    "Leads by channel",
                    "By the ${grain} of their creation.",
                    f"""
SELECT period_start, channel, leads
FROM report_leads_by_channel_by(grain = ${{grain:singlequote}})
WHERE {period_in_range()}
ORDER BY period_start, channel
""",
                    "leads",
                    by="channel",
                    style="bars",
                    stacked=True,
                ),
                bars(
                    "Campaigns by revenue",
                    "The ten campaigns with the most revenue, default attribution model, beside what was spent on "
                    "them.",
                    f"""
SELECT if(campaign = '', campaign_id, campaign) AS campaign, campaign_id, sum(revenue) AS revenue, sum(spend) AS spend
FROM report_profitability
WHERE {in_range()}
GROUP BY campaign_id, campaign
ORDER BY revenue DESC, campaign_id
LIMIT 10
""",
                    "campaign",
                    "revenue spend",
                    horizontal=True,
                    link=Link("Records of this campaign", {"campaign": "campaign_id"}),
                ).wide(12, 10),
                picture(
                    "The funnel",
                    "Visitors; leads created; those of them that reached MOFU, BOFU and a deal won now.",
                    f"""
SELECT sum(visitors) AS visitors, sum(leads) AS leads, sum(mofu) AS mofu, sum(bofu) AS bofu,
    sum(customers) AS customers
FROM report_funnel
WHERE {in_range()}
""",
                    "visitors leads mofu bofu customers",
                    link=Link("Funnel", board="sixfold-funnel"),
                ).wide(12, 10),
            ],
        ),
        Row(
            "What may come",
            [
                stat(
                    "Open pipeline, in ${currency}",
                    "Opportunities that are open now, their amounts, and their amounts by probability.",
                    """
SELECT sum(opportunities) AS opportunities, sum(estimated_revenue) AS estimated_revenue,
    sum(weighted_revenue) AS weighted_revenue
FROM report_pipeline
WHERE status = 'open'
""",
                    "opportunities estimated_revenue weighted_revenue",
                    link=Link("Opportunities", board="sixfold-opportunities"),
                ).wide(8, 6),
                stat(
                    "Past due, in ${currency}",
                    "Open opportunities whose due date is before today.",
                    """
SELECT sum(open) AS overdue_open, sum(weighted_revenue) AS weighted_overdue
FROM report_forecast
WHERE overdue
""",
                    "overdue_open weighted_overdue",
                    link=Link("Opportunities", board="sixfold-opportunities"),
                ).wide(8, 6),
                bars(
                    "The company's targets of this month",
                    "Actual / target, of the last month in the time range.",
                    f"""
SELECT metric, attainment
FROM report_targets
WHERE scope = 'company' AND month = toStartOfMonth({LAST_DAY})
ORDER BY metric
""",
                    "metric",
                    "attainment",
                    horizontal=True,
                ).wide(8, 6),
            ],
        ),
        Row(
            "Where to look closer",
            [
                table(
                    "Campaigns that lose money, in ${currency}",
                    "Campaigns with spend whose contribution over the time range is negative, the greatest loss first.",
                    f"""
SELECT campaign_id, if(campaign = '', campaign_id, campaign) AS campaign, sum(spend) AS spend,
    sum(revenue) AS revenue, sum(contribution) AS contribution,
    toFloat64(contribution) / nullIf(toFloat64(sum(cost) + spend), 0) AS roi,
    toFloat64(revenue) / nullIf(toFloat64(spend), 0) AS roas
FROM report_profitability
WHERE {in_range()}
GROUP BY campaign_id, campaign
HAVING spend > 0 AND contribution < 0
ORDER BY contribution, campaign_id
LIMIT 20
""",
                    "campaign_id campaign spend revenue contribution roi roas",
                    links={"campaign": Link("Records of this campaign", {"campaign": "campaign_id"})},
                    hidden="campaign_id",
                ).wide(12),
                table(
                    "Data quality",
                    "Checks that fail, over all time: how many records, of how many, and the first few of them.",
                    """
SELECT check, failing, records, share, arrayStringConcat(sample_ids, ', ') AS sample_ids
FROM report_quality
WHERE failing > 0
ORDER BY share DESC, check
""",
                    "check failing records share sample_ids",
                ).wide(12),
                series(
                    "Attainment of the company's targets",
                    "By month. Dashed: 80 % and 100 %.",
                    f"""
SELECT month, metric, attainment
FROM report_targets
WHERE scope = 'company' AND {in_range("month")}
ORDER BY month, metric
""",
                    "attainment",
                    by="metric",
                    style="bars",
                    steps=ATTAINED,
                ).wide(24),
            ],
        ),
    ],
)
