"""The funnel: how visitors become leads, and leads customers."""

from deploy.grafana.dashboard import MERGES, Dashboard, Row, spend_annotation
from deploy.grafana.panel import Link, picture, series, stat, table
from deploy.grafana.query import chosen, in_range, period_in_range
from deploy.grafana.variables import CAMPAIGN, CHANNEL, CLICKHOUSE_SOURCE, grain

_CHOSEN = f"{chosen('channel')} AND {chosen('campaign', 'campaign_id')}"
_STEPS = (
    "sum(visitors) AS visitors, sum(leads) AS leads, sum(mofu) AS mofu, sum(bofu) AS bofu, sum(customers) AS customers"
)
_RATES = """leads / nullIf(visitors, 0) AS visitor_to_lead, mofu / nullIf(leads, 0) AS lead_to_mofu,
    bofu / nullIf(mofu, 0) AS mofu_to_bofu, customers / nullIf(bofu, 0) AS bofu_to_customer"""
_IN_RANGE = f"FROM report_funnel\nWHERE {in_range()} AND {_CHOSEN}"
_BY = f"FROM report_funnel_by(grain = ${{grain:singlequote}})\nWHERE {period_in_range()} AND {_CHOSEN}"
_ALL = "visitors leads mofu bofu customers"
_ALL_RATES = "visitor_to_lead lead_to_mofu mofu_to_bofu bofu_to_customer"

BOARD = Dashboard(
    uid="sixfold-funnel",
    title="Funnel",
    description="How visitors become leads, and leads customers. Visitors stand on the day they were posted for, all "
    "others on the day on which the lead was created, whenever it reached the stage.",
    variables=[CLICKHOUSE_SOURCE, grain(), CHANNEL, CAMPAIGN],
    annotations=[spend_annotation(_CHOSEN), MERGES],
    rows=[
        Row(
            "In the time range",
            [
                picture(
                    "The funnel",
                    "Visitors; leads created; those of them that reached MOFU, BOFU and a deal won now. Reaching a "
                    "stage is reaching all below it.",
                    f"SELECT {_STEPS}\n{_IN_RANGE}",
                    _ALL,
                    link=Link("Records", keep=["channel", "campaign"]),
                ).wide(14, 10),
                stat(
                    "From step to step",
                    "The share of each step that takes the next.",
                    f"SELECT {_RATES}\nFROM (SELECT {_STEPS} {_IN_RANGE})",
                    _ALL_RATES,
                ).wide(10, 10),
                table(
                    "Channels",
                    "Over the time range. Visitors are known for those channels only for which they are posted.",
                    f"""
SELECT channel, {_STEPS}, {_RATES}
{_IN_RANGE}
GROUP BY channel
ORDER BY leads DESC, channel
""",
                    f"channel {_ALL} {_ALL_RATES}",
                    links={"leads": Link("Records of this channel", {"channel": "channel"}, keep=["campaign"])},
                ).wide(12, 10),
                table(
                    "Campaigns",
                    "The same by campaign, over the time range.",
                    f"""
SELECT campaign_id, if(campaign = '', campaign_id, campaign) AS campaign, {_STEPS}, {_RATES}
{_IN_RANGE}
GROUP BY campaign_id, campaign
ORDER BY leads DESC, campaign_id
LIMIT 1000
""",
                    f"campaign_id campaign {_ALL} {_ALL_RATES}",
                    links={"leads": Link("Records of this campaign", {"campaign": "campaign_id"}, keep=["channel"])},
                    hidden="campaign_id",
                ).wide(12, 10),
            ],
        ),
        Row(
            "By ${grain}",
            [
                series(
                    "Leads and how far they came",
                    "Leads by the period in which they were created.",
                    f"""
SELECT period_start, sum(leads) AS leads, sum(mofu) AS mofu, sum(bofu) AS bofu, sum(customers) AS customers
{_BY}
GROUP BY period_start
ORDER BY period_start
""",
                    "leads mofu bofu customers",
                    style="bars",
                ),
                series(
                    "From step to step, over time",
                    "Young periods are low: their leads still have time.",
                    f"""
SELECT period_start, {_RATES}
FROM (SELECT period_start, {_STEPS} {_BY} GROUP BY period_start)
ORDER BY period_start
""",
                    _ALL_RATES,
                ),
            ],
        ),
    ],
)
