"""Report 4: which campaigns the revenue is due to, by each attribution model."""

from deploy.grafana.columns import PAYS
from deploy.grafana.dashboard import Dashboard, Row, spend_annotation
from deploy.grafana.panel import Link, bars, series, stat, table
from deploy.grafana.query import chosen, in_range, period_in_range
from deploy.grafana.variables import CAMPAIGN, CHANNEL, CLICKHOUSE_SOURCE, CURRENCY, MODEL, grain

_CHOSEN = f"{chosen('channel')} AND {chosen('campaign', 'campaign_id')}"
_NAME = "if(campaign = '', campaign_id, campaign)"
_IN_RANGE = f"""FROM report_campaign_revenue
WHERE model = ${{model:singlequote}} AND {in_range()} AND {_CHOSEN}"""
_MODELS = "revenue_first revenue_last revenue_linear revenue_position revenue_time_decay revenue_w_shaped"
_OF_CAMPAIGN = Link("Credits of this campaign", {"campaign": "campaign_id"}, keep=["channel", "model"])

BOARD = Dashboard(
    uid="sixfold-campaign-revenue",
    title="4 Campaigns by revenue",
    description="Which campaigns the revenue of won deals is due to. Revenue stands on the day of the close, and is "
    "credited to the campaigns of the touches before it by the model chosen above.",
    variables=[CLICKHOUSE_SOURCE, grain(), MODEL, CHANNEL, CAMPAIGN, CURRENCY],
    annotations=[spend_annotation(_CHOSEN)],
    rows=[
        Row(
            "Closed in the time range, model ${model}, in ${currency}",
            [
                stat(
                    "Revenue",
                    "Of deals won, on the day they closed. Refunds are deals with a negative amount. Deals without a "
                    "rate to the reporting currency are left out of the money and counted as unconverted.",
                    f"""
SELECT sum(revenue) AS revenue, sum(deals) AS deals, sum(unconverted) AS unconverted
{_IN_RANGE}
""",
                    "revenue deals unconverted",
                    link=Link("Credits", keep=["channel", "campaign", "model"]),
                ).wide(24),
                bars(
                    "Campaigns by revenue",
                    "The 25 campaigns with the most revenue.",
                    f"""
SELECT {_NAME} AS campaign, campaign_id, sum(revenue) AS revenue
{_IN_RANGE}
GROUP BY campaign_id, campaign
ORDER BY revenue DESC, campaign_id
LIMIT 25
""",
                    "campaign",
                    "revenue",
                    horizontal=True,
                    link=_OF_CAMPAIGN,
                ).wide(12, 14),
                table(
                    "Campaigns",
                    "Deals are shares: a deal of four touches counts a quarter for each by the linear model.",
                    f"""
SELECT campaign_id, {_NAME} AS campaign, campaign_group, sum(deals) AS deals, sum(revenue) AS revenue,
    sum(unconverted) AS unconverted
{_IN_RANGE}
GROUP BY campaign_id, campaign, campaign_group
ORDER BY revenue DESC, campaign_id
LIMIT 1000
""",
                    "campaign_id campaign campaign_group deals revenue unconverted",
                    links={"revenue": _OF_CAMPAIGN},
                    hidden="campaign_id",
                ).wide(12, 14),
            ],
        ),
        Row(
            "By ${grain}, in ${currency}",
            [
                series(
                    "The ten campaigns with the most revenue",
                    "All others are one series: (others).",
                    f"""
SELECT period_start, if(campaign_id IN (
        SELECT campaign_id FROM report_campaign_revenue
        WHERE model = ${{model:singlequote}} AND {in_range()} AND {_CHOSEN}
        GROUP BY campaign_id ORDER BY sum(revenue) DESC, campaign_id LIMIT 10),
    {_NAME}, '(others)') AS member, sum(revenue) AS revenue
FROM report_campaign_revenue_by(grain = ${{grain:singlequote}})
WHERE model = ${{model:singlequote}} AND {period_in_range()} AND {_CHOSEN}
GROUP BY period_start, member
ORDER BY period_start, member
""",
                    "revenue",
                    by="member",
                    style="bars",
                    stacked=True,
                ).wide(24, 10),
                table(
                    "Campaigns and periods",
                    "The report, period by period. The average deal is that of the deals that have a rate to the "
                    "reporting currency.",
                    f"""
SELECT period_start, period_start + INTERVAL 1 ${{grain:raw}} - 1 AS until, campaign_id, {_NAME} AS campaign,
    campaign_group, channel, deals, revenue, average_deal, unconverted
FROM report_campaign_revenue_by(grain = ${{grain:singlequote}})
WHERE model = ${{model:singlequote}} AND {period_in_range()} AND {_CHOSEN}
ORDER BY period_start DESC, revenue DESC, campaign_id, channel
LIMIT 1000
""",
                    "period_start until campaign_id campaign campaign_group channel deals revenue average_deal "
                    "unconverted",
                    links={
                        "revenue": Link(
                            "Credits of this campaign, channel and period",
                            {"campaign": "campaign_id", "channel": "channel"},
                            keep=["model"],
                            period=True,
                        )
                    },
                    hidden="campaign_id",
                ).wide(24, 10),
            ],
        ),
        Row(
            "Does the model decide? In ${currency}",
            [
                table(
                    "Model sensitivity by month",
                    "What each model gives a campaign, beside its spend on media. Where the decision depends on the "
                    "model, the spend pays by some models only. Months that begin in the time range.",
                    f"""
SELECT month, campaign_id, {_NAME} AS campaign, {_MODELS.replace(" ", ", ")}, spend, roas_min, roas_max,
    decision_depends
FROM report_model_sensitivity
WHERE {in_range("month")} AND {chosen("campaign", "campaign_id")}
ORDER BY month DESC, decision_depends DESC, spend DESC, campaign_id
LIMIT 1000
""",
                    f"month campaign_id campaign {_MODELS} spend roas_min roas_max decision_depends",
                    links={"campaign": _OF_CAMPAIGN},
                    hidden="campaign_id",
                ).wide(24, 10),
                series(
                    "Greatest and least ROAS of the six models",
                    "All campaigns together, by the period of close and spend: the band within which the truth lies. "
                    "Below 1 (dashed) the spend is not earned back.",
                    f"""
SELECT month, toFloat64(least(a, b, c, d, e, f)) / toFloat64(spent) AS roas_min,
    toFloat64(greatest(a, b, c, d, e, f)) / toFloat64(spent) AS roas_max
FROM (
    SELECT month, sum(revenue_first) AS a, sum(revenue_last) AS b, sum(revenue_linear) AS c,
        sum(revenue_position) AS d, sum(revenue_time_decay) AS e, sum(revenue_w_shaped) AS f, sum(spend) AS spent
    FROM report_model_sensitivity
    WHERE {in_range("month")} AND {chosen("campaign", "campaign_id")}
    GROUP BY month
    HAVING spent > 0)
ORDER BY month
""",
                    "roas_min roas_max",
                    steps=PAYS,
                ).wide(24),
            ],
        ),
    ],
)
