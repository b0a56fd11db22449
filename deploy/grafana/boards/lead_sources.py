"""Report 3: where leads and revenue come from, beside what was spent there."""

from deploy.grafana.dashboard import EXPENSES, MERGES, Dashboard, Row, spend_annotation
from deploy.grafana.panel import Link, series, stat, table
from deploy.grafana.query import chosen, in_range, period_in_range
from deploy.grafana.variables import CAMPAIGN, CHANNEL, CLICKHOUSE_SOURCE, CURRENCY, grain

_CHOSEN = f"{chosen('channel')} AND {chosen('campaign', 'campaign_id')}"
_SUMS = """sum(leads) AS leads, sum(opportunities) AS opportunities, sum(customers) AS customers,
    sum(revenue) AS revenue, sum(cohort_revenue) AS cohort_revenue, sum(spend) AS spend,
    toFloat64(spend) / nullIf(leads, 0) AS cpl, toFloat64(spend) / nullIf(customers, 0) AS cpa,
    toFloat64(revenue) / nullIf(toFloat64(spend), 0) AS roas,
    toFloat64(cohort_revenue) / nullIf(toFloat64(spend), 0) AS cohort_roas,
    sum(visitors) AS visitors, sum(clicks) AS clicks, sum(impressions) AS impressions,
    customers / nullIf(visitors, 0) AS visitor_conversion, clicks / nullIf(impressions, 0) AS ctr,
    toFloat64(spend) / nullIf(clicks, 0) AS cpc"""
_IN_RANGE = f"FROM report_lead_sources\nWHERE {in_range()} AND {_CHOSEN}"
_BY = f"FROM report_lead_sources_by(grain = ${{grain:singlequote}})\nWHERE {period_in_range()} AND {_CHOSEN}"
_FIGURES = "leads opportunities customers revenue cohort_revenue spend cpl cpa roas cohort_roas"
_VISITS = "visitors clicks impressions visitor_conversion ctr cpc"

BOARD = Dashboard(
    uid="sixfold-lead-sources",
    title="3 Lead sources",
    description="Where leads and revenue come from, beside what was spent on media there. Each figure stands on its "
    "own day: spend on its date, leads and customers on the lead's creation, revenue on the close. Cohort columns "
    "answer for the leads of the time range.",
    variables=[CLICKHOUSE_SOURCE, grain(), CHANNEL, CAMPAIGN, CURRENCY],
    annotations=[spend_annotation(_CHOSEN), EXPENSES, MERGES],
    rows=[
        Row(
            "In the time range, in ${currency}",
            [
                stat(
                    "Leads, money in, money out",
                    "Spend is that of media. CPL is spend / leads, CPA spend / customers, ROAS revenue / spend: below "
                    "1 the spend is not earned back.",
                    f"SELECT {_FIGURES.replace(' ', ', ')}\nFROM (SELECT {_SUMS} {_IN_RANGE})",
                    _FIGURES,
                    link=Link("Records", keep=["channel", "campaign"]),
                ).wide(24),
                stat(
                    "Visits",
                    "Visitors, clicks and impressions as posted with spend, of every category.",
                    f"SELECT {_VISITS.replace(' ', ', ')}\nFROM (SELECT {_SUMS} {_IN_RANGE})",
                    _VISITS,
                ).wide(24),
                table(
                    "Sources",
                    "By channel, source and medium over the time range.",
                    f"""
SELECT channel, source, medium, {_SUMS}
{_IN_RANGE}
GROUP BY channel, source, medium
ORDER BY leads DESC, channel, source, medium
LIMIT 1000
""",
                    f"channel source medium {_FIGURES} {_VISITS}",
                    links={
                        "leads": Link(
                            "Records of this source", {"channel": "channel", "source": "source"}, keep=["campaign"]
                        )
                    },
                ).wide(24, 10),
                table(
                    "Campaigns",
                    "By campaign over the time range.",
                    f"""
SELECT campaign_id, any(campaign) AS campaign, {_SUMS}, sum(unconverted) AS unconverted
{_IN_RANGE}
GROUP BY campaign_id
ORDER BY leads DESC, campaign_id
LIMIT 1000
""",
                    f"campaign_id campaign {_FIGURES} {_VISITS} unconverted",
                    links={"leads": Link("Records of this campaign", {"campaign": "campaign_id"}, keep=["channel"])},
                ).wide(24, 10),
            ],
        ),
        Row(
            "By ${grain}, in ${currency}",
            [
                series(
                    "Revenue and spend",
                    "Revenue of deals closed and spend on media in each period.",
                    f"""
SELECT period_start, sum(revenue) AS revenue, sum(spend) AS spend, sum(cohort_revenue) AS cohort_revenue
{_BY}
GROUP BY period_start
ORDER BY period_start
""",
                    "revenue spend cohort_revenue",
                    style="bars",
                ),
                series(
                    "What a lead and a customer cost",
                    "Spend / leads and spend / customers among the leads of the period.",
                    f"""
SELECT period_start, toFloat64(sum(spend)) / nullIf(sum(leads), 0) AS cpl,
    toFloat64(sum(spend)) / nullIf(sum(customers), 0) AS cpa
{_BY}
GROUP BY period_start
ORDER BY period_start
""",
                    "cpl cpa",
                ),
                series(
                    "ROAS by channel",
                    "Revenue / spend of channels with spend. Below 1 (dashed) the spend is not earned back.",
                    f"""
SELECT period_start, channel, toFloat64(sum(revenue)) / toFloat64(sum(spend)) AS roas
{_BY}
GROUP BY period_start, channel
HAVING sum(spend) > 0
ORDER BY period_start, channel
""",
                    "roas",
                    by="channel",
                    steps=((None, "red"), (1, "green")),
                ),
                series(
                    "Leads by channel",
                    "Leads by the period in which they were created.",
                    f"""
SELECT period_start, channel, sum(leads) AS leads
{_BY}
GROUP BY period_start, channel
ORDER BY period_start, channel
""",
                    "leads",
                    by="channel",
                    style="bars",
                    stacked=True,
                ),
            ],
        ),
        Row(
            "Lead magnets, in ${currency}",
            [
                table(
                    "Lead magnets",
                    "What leads of the time range came for, and what those leads have brought since.",
                    f"""
SELECT lead_magnet, sum(leads) AS leads, sum(opportunities) AS opportunities, sum(customers) AS customers,
    customers / nullIf(leads, 0) AS conversion_rate, sum(cohort_revenue) AS cohort_revenue,
    sum(unconverted) AS unconverted
FROM report_lead_magnets
WHERE {in_range()} AND {chosen("channel")}
GROUP BY lead_magnet
ORDER BY leads DESC, lead_magnet
LIMIT 1000
""",
                    "lead_magnet leads opportunities customers conversion_rate cohort_revenue unconverted",
                ),
            ],
        ),
    ],
)
