"""Report 1: which channels bring leads, how many become customers, and what revenue they are credited with."""

from deploy.grafana.dashboard import MERGES, Dashboard, Row, spend_annotation
from deploy.grafana.panel import Link, bars, series, stat, table
from deploy.grafana.query import chosen, in_range, period_in_range
from deploy.grafana.variables import CHANNEL, CLICKHOUSE_SOURCE, CURRENCY, MODEL, grain
from stream.settings import MODELS

_CHANNEL = chosen("channel")
_BY = f"report_leads_by_channel_by(grain = ${{grain:singlequote}})\nWHERE {period_in_range()} AND {_CHANNEL}"
_OF_CHANNEL = Link("Records of this channel", {"channel": "channel"})
_OF_PERIOD = Link("Records of this channel and period", {"channel": "channel"}, period=True)
_RATES = "opportunities / nullIf(leads, 0) AS opportunity_rate, customers / nullIf(leads, 0) AS conversion_rate"

BOARD = Dashboard(
    uid="sixfold-leads-by-channel",
    title="1 Leads by channel",
    description="Which channels bring leads, how many of them become opportunities and customers, and how soon.",
    variables=[CLICKHOUSE_SOURCE, grain(), CHANNEL, MODEL, CURRENCY],
    annotations=[spend_annotation(_CHANNEL), MERGES],
    rows=[
        Row(
            "Leads created in the time range",
            [
                stat(
                    "Leads and what became of them",
                    "Leads created in the time range; of these, those that reached BOFU (opportunities) and those with "
                    "a deal won by now (customers), whenever that happened.",
                    f"""
SELECT sum(leads) AS leads, sum(opportunities) AS opportunities, sum(customers) AS customers,
    {_RATES}
FROM report_leads_by_channel
WHERE {in_range()} AND {_CHANNEL}
""",
                    "leads opportunities customers opportunity_rate conversion_rate",
                    link=Link("Records", keep=["channel"]),
                ).wide(24),
                bars(
                    "Leads, opportunities and customers by channel",
                    "Of the leads created in the time range.",
                    f"""
SELECT channel, sum(leads) AS leads, sum(opportunities) AS opportunities, sum(customers) AS customers
FROM report_leads_by_channel
WHERE {in_range()} AND {_CHANNEL}
GROUP BY channel
ORDER BY leads DESC, channel
""",
                    "channel",
                    "leads opportunities customers",
                    link=_OF_CHANNEL,
                ).wide(10, 9),
                table(
                    "Channels",
                    "Of the leads created in the time range. Days to convert run from a lead's creation to its first "
                    "deal that is won now; customers whose deal closed before their lead was created are left out of "
                    "them.",
                    f"""
SELECT channel, sum(leads) AS leads, sum(opportunities) AS opportunities, sum(customers) AS customers,
    {_RATES},
    sum(avg_days_to_convert * converted) / nullIf(sum(converted), 0) AS avg_days_to_convert
FROM report_leads_by_channel
WHERE {in_range()} AND {_CHANNEL}
GROUP BY channel
ORDER BY leads DESC, channel
""",
                    "channel leads opportunities customers opportunity_rate conversion_rate avg_days_to_convert",
                    links={"leads": _OF_CHANNEL},
                ).wide(14, 9),
            ],
        ),
        Row(
            "By ${grain}",
            [
                series(
                    "Leads by channel",
                    "Leads by the period in which they were created.",
                    f"SELECT period_start, channel, leads\nFROM {_BY}\nORDER BY period_start, channel",
                    "leads",
                    by="channel",
                    style="bars",
                    stacked=True,
                ),
                series(
                    "Conversion rate by channel",
                    "Customers among the leads of the period. Young periods are low: their leads still have time.",
                    f"SELECT period_start, channel, conversion_rate\nFROM {_BY}\nORDER BY period_start, channel",
                    "conversion_rate",
                    by="channel",
                ),
                table(
                    "Channels and periods",
                    "The report, period by period: quantiles of the days to convert are exact for each row.",
                    f"""
SELECT period_start, period_start + INTERVAL 1 ${{grain:raw}} - 1 AS until, channel, leads, opportunities, customers,
    opportunity_rate, conversion_rate, avg_days_to_convert, p50_days_to_convert, p90_days_to_convert
FROM {_BY}
ORDER BY period_start DESC, leads DESC, channel
""",
                    "period_start until channel leads opportunities customers opportunity_rate conversion_rate "
                    "avg_days_to_convert p50_days_to_convert p90_days_to_convert",
                    links={"leads": _OF_PERIOD},
                ),
            ],
        ),
        Row(
            "Revenue credited to channels, in ${currency}",
            [
                series(
                    "Revenue by channel, model ${model}",
                    "Revenue of deals won, on the day they closed, credited to the channels of their touches.",
                    f"""
SELECT period_start, channel, revenue
FROM report_channel_attribution_by(grain = ${{grain:singlequote}})
WHERE model = ${{model:singlequote}} AND {period_in_range()} AND {_CHANNEL}
ORDER BY period_start, channel
""",
                    "revenue",
                    by="channel",
                    style="bars",
                    stacked=True,
                ),
                bars(
                    "Models compared",
                    "The same deals by each attribution model. Where the bars of a channel differ much, look at the "
                    "model before you move money.",
                    f"""
SELECT channel, {", ".join(f"sumIf(revenue, model = '{model}') AS {model}" for model in MODELS)}
FROM report_channel_attribution
WHERE {in_range()} AND {_CHANNEL}
GROUP BY channel
ORDER BY first DESC, channel
""",
                    "channel",
                    " ".join(MODELS),
                    link=Link("Credits of this channel", {"channel": "channel"}, keep=["model"]),
                ),
                table(
                    "Channels by revenue, model ${model}",
                    "Revenue share is the part of all revenue of the period by this model. Deals without a rate to the "
                    "reporting currency are left out of the money and counted as unconverted.",
                    f"""
SELECT period_start, period_start + INTERVAL 1 ${{grain:raw}} - 1 AS until, channel, deals, revenue, revenue_share,
    unconverted
FROM report_channel_attribution_by(grain = ${{grain:singlequote}})
WHERE model = ${{model:singlequote}} AND {period_in_range()} AND {_CHANNEL}
ORDER BY period_start DESC, revenue DESC, channel
""",
                    "period_start until channel deals revenue revenue_share unconverted",
                    links={
                        "revenue": Link(
                            "Credits of this channel and period", {"channel": "channel"}, keep=["model"], period=True
                        )
                    },
                ),
            ],
        ),
    ],
)
