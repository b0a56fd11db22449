"""Report 6: what each campaign earns after the cost of its deals and its spend."""

from deploy.grafana.columns import EARNS
from deploy.grafana.dashboard import EXPENSES, MERGES, Dashboard, Row, spend_annotation
from deploy.grafana.panel import Link, bars, series, stat, table
from deploy.grafana.query import chosen, in_range, period_in_range
from deploy.grafana.variables import CAMPAIGN, CLICKHOUSE_SOURCE, CURRENCY, grain

_CAMPAIGN = chosen("campaign", "campaign_id")
_NAME = "if(campaign = '', campaign_id, campaign)"
_SUMS = """sum(revenue) AS revenue, sum(cost) AS cost, sum(spend) AS spend, sum(gross_margin) AS gross_margin,
    toFloat64(gross_margin) / nullIf(toFloat64(revenue), 0) AS gross_margin_ratio, sum(contribution) AS contribution,
    toFloat64(contribution) / nullIf(toFloat64(revenue), 0) AS contribution_ratio,
    toFloat64(contribution) / nullIf(toFloat64(cost + spend), 0) AS roi,
    toFloat64(revenue) / nullIf(toFloat64(spend), 0) AS roas"""
_IN_RANGE = f"FROM report_profitability\nWHERE {in_range()} AND {_CAMPAIGN}"
_BY = f"FROM report_profitability_by(grain = ${{grain:singlequote}})\nWHERE {period_in_range()} AND {_CAMPAIGN}"
_OF_CAMPAIGN = Link("Records of this campaign", {"campaign": "campaign_id"})

BOARD = Dashboard(
    uid="sixfold-profitability",
    title="6 Profitability",
    description="What each campaign earns after the cost of its deals and its spend (of all categories), each on its "
    "own day. Revenue, cost and won deals are by the default attribution model.",
    variables=[CLICKHOUSE_SOURCE, grain(), CAMPAIGN, CURRENCY],
    annotations=[spend_annotation(_CAMPAIGN), EXPENSES, MERGES],
    rows=[
        Row(
            "In the time range, in ${currency}",
            [
                stat(
                    "Earnings",
                    "Gross margin is revenue - cost, contribution revenue - cost - spend, ROI contribution / (cost + "
                    "spend), ROAS revenue / spend. Red: money is lost.",
                    f"SELECT {_SUMS}\n{_IN_RANGE}",
                    "revenue cost spend gross_margin gross_margin_ratio contribution contribution_ratio roi roas",
                    link=Link("Records", keep=["campaign"]),
                ).wide(24),
                bars(
                    "Contribution by campaign",
                    "Revenue - cost - spend of the 25 campaigns with the most spend or revenue.",
                    f"""
SELECT {_NAME} AS campaign, campaign_id, sum(contribution) AS contribution
{_IN_RANGE}
GROUP BY campaign_id, campaign
ORDER BY sum(spend) + abs(sum(revenue)) DESC, campaign_id
LIMIT 25
""",
                    "campaign",
                    "contribution",
                    horizontal=True,
                    link=_OF_CAMPAIGN,
                ).wide(8, 14),
                table(
                    "Campaigns",
                    "Over the time range. The budget is the campaign's own; used is the spend of all time over it.",
                    f"""
SELECT ranged.*, whole.budget AS budget, toFloat64(whole.spent) / nullIf(toFloat64(budget), 0) AS budget_used
FROM (
    SELECT campaign_id, {_NAME} AS campaign, campaign_group, sum(leads) AS leads, sum(won_deals) AS won_deals, {_SUMS},
        toFloat64(spend) / nullIf(leads, 0) AS cpl, sum(unconverted) AS unconverted
    {_IN_RANGE}
    GROUP BY campaign_id, campaign, campaign_group) AS ranged
INNER JOIN (
    SELECT campaign_id, sum(budget) AS budget, sum(spend) AS spent FROM report_profitability GROUP BY campaign_id
) AS whole ON whole.campaign_id = ranged.campaign_id
ORDER BY contribution DESC, campaign_id
LIMIT 1000
""",
                    "campaign_id campaign campaign_group leads won_deals revenue cost spend gross_margin "
                    "gross_margin_ratio contribution contribution_ratio roi roas cpl unconverted budget budget_used",
                    links=dict.fromkeys(("campaign", "revenue", "spend", "leads"), _OF_CAMPAIGN),
                    hidden="campaign_id",
                ).wide(16, 14),
            ],
        ),
        Row(
            "By ${grain}, in ${currency}",
            [
                series(
                    "Revenue, cost, spend",
                    "Each on its own day: over a period that is cash.",
                    f"""
SELECT period_start, sum(revenue) AS revenue, sum(cost) AS cost, sum(spend) AS spend
{_BY}
GROUP BY period_start
ORDER BY period_start
""",
                    "revenue cost spend",
                    style="bars",
                ),
                series(
                    "Contribution",
                    "Revenue - cost - spend.",
                    f"""
SELECT period_start, sum(contribution) AS contribution
{_BY}
GROUP BY period_start
ORDER BY period_start
""",
                    "contribution",
                    style="bars",
                    steps=EARNS,
                ),
                series(
                    "ROI",
                    "(revenue - cost - spend) / (cost + spend); -100 % is a total loss.",
                    f"""
SELECT period_start, toFloat64(sum(contribution)) / nullIf(toFloat64(sum(cost) + sum(spend)), 0) AS roi
{_BY}
GROUP BY period_start
ORDER BY period_start
""",
                    "roi",
                    steps=EARNS,
                ),
                series(
                    "Gross margin",
                    "(revenue - cost) / revenue.",
                    f"""
SELECT period_start, toFloat64(sum(gross_margin)) / nullIf(toFloat64(sum(revenue)), 0) AS gross_margin_ratio
{_BY}
GROUP BY period_start
ORDER BY period_start
""",
                    "gross_margin_ratio",
                ),
                table(
                    "Campaigns and periods",
                    "The report, period by period.",
                    f"""
SELECT period_start, period_start + INTERVAL 1 ${{grain:raw}} - 1 AS until, campaign_id, {_NAME} AS campaign,
    campaign_group, leads, opportunities, won_deals, revenue, cohort_revenue, cost, spend, gross_margin,
    gross_margin_ratio, contribution, contribution_ratio, roi, roas, cpl, cpa, unconverted
{_BY}
ORDER BY period_start DESC, contribution DESC, campaign_id
LIMIT 1000
""",
                    "period_start until campaign_id campaign campaign_group leads opportunities won_deals revenue "
                    "cohort_revenue cost spend gross_margin gross_margin_ratio contribution contribution_ratio roi "
                    "roas cpl cpa unconverted",
                    links={
                        name: Link("Records of this campaign and period", {"campaign": "campaign_id"}, period=True)
                        for name in ("campaign", "revenue", "spend")
                    },
                    hidden="campaign_id",
                ).wide(24, 10),
            ],
        ),
    ],
)
