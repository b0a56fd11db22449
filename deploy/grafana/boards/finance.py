"""Finance and targets: what came in, what it cost, what may come, and how far the targets are met."""

from deploy.grafana.columns import ATTAINED
from deploy.grafana.dashboard import EXPENSES, Dashboard, Row
from deploy.grafana.panel import Link, bars, series, stat, table
from deploy.grafana.query import LAST_DAY, in_range, period_in_range
from deploy.grafana.variables import CLICKHOUSE_SOURCE, CURRENCY, grain

_BY = f"report_finance_by(grain = ${{grain:singlequote}})\nWHERE {period_in_range()}"
_MONTH = f"month = toStartOfMonth({LAST_DAY})"

BOARD = Dashboard(
    uid="sixfold-finance",
    title="Finance and targets",
    description="What came in, what it cost, what open opportunities may bring, and how far the targets are met. The "
    "operating result is revenue - cost - all spend: EBIT as far as expenses were posted.",
    variables=[CLICKHOUSE_SOURCE, grain("month"), CURRENCY],
    annotations=[EXPENSES],
    span="now-1y",
    rows=[
        Row(
            "In the time range, in ${currency}",
            [
                stat(
                    "Result",
                    "Revenue and cost on the day of the close, spend on its date.",
                    f"""
SELECT sum(revenue) AS revenue, sum(cost) AS cost, sum(gross_margin) AS gross_margin,
    sum(spend_media) AS spend_media, sum(spend_other) AS spend_other, sum(operating_result) AS operating_result,
    sum(unconverted) AS unconverted
FROM report_finance
WHERE {in_range()}
""",
                    "revenue cost gross_margin spend_media spend_other operating_result unconverted",
                    link=Link("Records"),
                ).wide(24),
                series(
                    "What came in and what went out",
                    "By ${grain}: revenue of deals closed, their cost, spend on media and on everything else.",
                    f"SELECT period_start, revenue, cost, spend_media, spend_other\nFROM {_BY}\nORDER BY period_start",
                    "revenue cost spend_media spend_other",
                    style="bars",
                ),
                series(
                    "Operating result",
                    "By ${grain}: revenue - cost - all spend.",
                    f"SELECT period_start, operating_result\nFROM {_BY}\nORDER BY period_start",
                    "operating_result",
                    style="bars",
                ),
                bars(
                    "What may come",
                    "Amounts by probability of opportunities that are open now, by the month in which they are due, "
                    "whatever the time range. What is past due stands in the month in which it was due.",
                    """
SELECT formatDateTime(period_start, '%Y-%m') AS due, forecast_revenue
FROM report_finance_month
WHERE forecast_revenue != 0
ORDER BY due
""",
                    "due",
                    "forecast_revenue",
                ),
                bars(
                    "Expenses by category",
                    "What was spent in the time range, media and all other categories.",
                    f"""
SELECT category, sum(spend) AS spend
FROM report_expenses
WHERE {in_range()}
GROUP BY category
ORDER BY spend DESC, category
""",
                    "category",
                    "spend",
                    horizontal=True,
                ),
                table(
                    "Expenses",
                    "By category and platform over the time range.",
                    f"""
SELECT category, platform, sum(spend) AS spend, sum(unconverted) AS unconverted
FROM report_expenses
WHERE {in_range()}
GROUP BY category, platform
ORDER BY spend DESC, category, platform
""",
                    "category platform spend unconverted",
                ).wide(8, 9),
                table(
                    "Periods",
                    "The report by ${grain}. The forecast is that of opportunities open now and due in the period.",
                    f"""
SELECT period_start, period_start + INTERVAL 1 ${{grain:raw}} - 1 AS until, revenue, cost, gross_margin, spend_media,
    spend_other, operating_result, forecast_revenue, unconverted
FROM {_BY}
ORDER BY period_start DESC
""",
                    "period_start until revenue cost gross_margin spend_media spend_other operating_result "
                    "forecast_revenue unconverted",
                    links={"revenue": Link("Records of this period", period=True)},
                ).wide(16, 9),
            ],
        ),
        Row(
            "Targets",
            [
                bars(
                    "The company's targets of the last month in the time range",
                    "Attainment: actual / target. 100 % on the month's last day is a target met.",
                    f"""
SELECT metric, attainment
FROM report_targets
WHERE scope = 'company' AND {_MONTH}
ORDER BY metric
""",
                    "metric",
                    "attainment",
                    horizontal=True,
                ).wide(8, 10),
                table(
                    "All targets of that month",
                    "Of the company, of teams, reps and campaigns. Revenue is in the reporting currency.",
                    f"""
SELECT month, metric, scope, target, actual, attainment
FROM report_targets
WHERE {_MONTH}
ORDER BY scope != 'company', scope, metric
LIMIT 1000
""",
                    "month metric scope target actual attainment",
                ).wide(16, 10),
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
