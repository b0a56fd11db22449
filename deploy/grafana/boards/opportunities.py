"""Report 2: what opportunities were generated, by whom, how they ended, and what is still open."""

from deploy.grafana.dashboard import MERGES, Dashboard, Row
from deploy.grafana.panel import Link, bars, series, stat, table
from deploy.grafana.query import chosen, in_range, period_in_range
from deploy.grafana.variables import CLICKHOUSE_SOURCE, CURRENCY, TEAM, grain

_TEAM = chosen("team")
_PERIODS = f"(grain = ${{grain:singlequote}})\nWHERE {period_in_range()} AND {_TEAM}"
_OF_OWNER = Link("Opportunities of this owner", {"rep": "owner_id"})
_SUMS = """sum(opportunities) AS opportunities, sum(open) AS open, sum(won) AS won, sum(lost) AS lost,
    won / nullIf(won + lost, 0) AS win_rate, sum(estimated_revenue) AS estimated_revenue,
    sum(weighted_revenue) AS weighted_revenue, sum(won_revenue) AS won_revenue, sum(lost_revenue) AS lost_revenue,
    toFloat64(won_revenue) / nullIf(toFloat64(won_revenue + lost_revenue), 0) AS win_rate_by_amount"""

BOARD = Dashboard(
    uid="sixfold-opportunities",
    title="2 Opportunities",
    description="What opportunities were generated, by whom, what they are worth, how they ended, and what is open "
    "now.",
    variables=[CLICKHOUSE_SOURCE, grain(), TEAM, CURRENCY],
    annotations=[MERGES],
    rows=[
        Row(
            "Created in the time range, in ${currency}",
            [
                stat(
                    "Opportunities",
                    "Created in the time range, and how they stand now. Win rates leave open ones out.",
                    f"""
SELECT opportunities, open, won, lost, win_rate, win_rate_by_amount
FROM (SELECT {_SUMS} FROM report_opportunities WHERE {in_range()} AND {_TEAM})
""",
                    "opportunities open won lost win_rate win_rate_by_amount",
                    link=Link("Opportunities", keep=["team"]),
                ),
                stat(
                    "Their worth",
                    "Amounts in the reporting currency: all of them, by probability, won, lost.",
                    f"""
SELECT sum(estimated_revenue) AS estimated_revenue, sum(weighted_revenue) AS weighted_revenue,
    sum(won_revenue) AS won_revenue, sum(lost_revenue) AS lost_revenue
FROM report_opportunities
WHERE {in_range()} AND {_TEAM}
""",
                    "estimated_revenue weighted_revenue won_revenue lost_revenue",
                ),
                table(
                    "Owners",
                    "Opportunities created in the time range, by owner and the owner's team on that day.",
                    f"""
SELECT owner_id, any(owner) AS owner, team, {_SUMS}, sum(unconverted) AS unconverted
FROM report_opportunities
WHERE {in_range()} AND {_TEAM}
GROUP BY owner_id, team
ORDER BY won_revenue DESC, owner_id, team
""",
                    "owner_id owner team opportunities open won lost win_rate estimated_revenue weighted_revenue "
                    "won_revenue lost_revenue win_rate_by_amount unconverted",
                    links={"opportunities": _OF_OWNER},
                    hidden="owner_id",
                ),
            ],
        ),
        Row(
            "By ${grain}",
            [
                series(
                    "Created",
                    "Opportunities by the period of their creation, and how they stand now.",
                    f"""
SELECT period_start, sum(open) AS open, sum(won) AS won, sum(lost) AS lost
FROM report_opportunities_by{_PERIODS}
GROUP BY period_start
ORDER BY period_start
""",
                    "open won lost",
                    style="bars",
                    stacked=True,
                ),
                series(
                    "Closed: won and lost amounts, in ${currency}",
                    "Amounts by the period in which they closed. A refund is a won opportunity with a negative amount.",
                    f"""
SELECT period_start, sum(won_revenue) AS won_revenue, sum(lost_revenue) AS lost_revenue
FROM report_opportunities_closed_by{_PERIODS}
GROUP BY period_start
ORDER BY period_start
""",
                    "won_revenue lost_revenue",
                    style="bars",
                ),
                table(
                    "Owners and periods",
                    "The report, period by period.",
                    f"""
SELECT period_start, period_start + INTERVAL 1 ${{grain:raw}} - 1 AS until, owner_id, owner, team, opportunities,
    open, won, lost, win_rate, estimated_revenue, weighted_revenue, won_revenue, lost_revenue
FROM report_opportunities_by{_PERIODS}
ORDER BY period_start DESC, estimated_revenue DESC, owner_id, team
""",
                    "period_start until owner_id owner team opportunities open won lost win_rate estimated_revenue "
                    "weighted_revenue won_revenue lost_revenue",
                    links={
                        "opportunities": Link(
                            "Opportunities of this owner and period", {"rep": "owner_id"}, period=True
                        )
                    },
                    hidden="owner_id",
                ),
            ],
        ),
        Row(
            "Pipeline, as of now, in ${currency}",
            [
                bars(
                    "Open opportunities by stage",
                    "Amounts and amounts by probability of what is open now, whatever the time range.",
                    f"""
SELECT stage, sum(estimated_revenue) AS estimated_revenue, sum(weighted_revenue) AS weighted_revenue
FROM report_pipeline
WHERE status = 'open' AND {_TEAM}
GROUP BY stage
ORDER BY estimated_revenue DESC, stage
""",
                    "stage",
                    "estimated_revenue weighted_revenue",
                ),
                bars(
                    "Forecast by month",
                    "Amounts by probability of what is open now, by the month in which it is due; what is past due "
                    "stands apart, as do opportunities without a due date.",
                    f"""
SELECT
    multiIf(
        overdue, 'past due',
        due_month IS NULL, 'no due date',
        formatDateTime(assumeNotNull(due_month), '%Y-%m')) AS due,
    sum(weighted_revenue) AS weighted_revenue, sum(estimated_revenue) AS estimated_revenue
FROM report_forecast
WHERE {_TEAM}
GROUP BY due
ORDER BY due = 'no due date', due != 'past due', due
""",
                    "due",
                    "weighted_revenue estimated_revenue",
                ),
                table(
                    "Who has what",
                    "The pipeline as of now by owner, with the team of today, stage and status.",
                    f"""
SELECT owner_id, owner, team, stage, status, opportunities, estimated_revenue, weighted_revenue, unconverted
FROM report_pipeline
WHERE {_TEAM}
ORDER BY status != 'open', weighted_revenue DESC, owner_id, stage
LIMIT 500
""",
                    "owner_id owner team stage status opportunities estimated_revenue weighted_revenue unconverted",
                    hidden="owner_id",
                ).wide(12, 10),
                table(
                    "Accounts",
                    "Every account with an opportunity, key accounts first. The revenue estimated is that of open "
                    "ones.",
                    """
SELECT account_id, account, key_account, opportunities, open, won, lost, estimated_revenue, won_revenue, win_rate
FROM report_key_accounts
ORDER BY key_account DESC, won_revenue DESC, account_id
LIMIT 500
""",
                    "account_id account key_account opportunities open won lost estimated_revenue won_revenue win_rate",
                ).wide(12, 10),
                table(
                    "Open opportunities, the most urgent first",
                    "Records, at most 500: past due first, then by due date. Subject and contact are personal data and "
                    "not shown here.",
                    f"""
SELECT opportunity_id, owner, team, account, key_account, stage, due_date, overdue, age_days, amount, currency,
    estimated_revenue, probability, lead_id
FROM opportunity_list
WHERE status = 'open' AND {_TEAM}
ORDER BY overdue DESC, due_date, estimated_revenue DESC, opportunity_id
LIMIT 500
""",
                    "opportunity_id owner team account key_account stage due_date overdue age_days amount currency "
                    "estimated_revenue probability lead_id",
                    links={
                        "opportunity_id": Link("This opportunity", {"opportunity": "opportunity_id"}),
                        "lead_id": Link("All about this lead", {"lead": "lead_id"}),
                    },
                ).wide(24, 10),
            ],
        ),
    ],
)
