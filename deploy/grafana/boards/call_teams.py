"""For call teams: today, hour by hour, rep by rep, and who is to be called back."""

from deploy.grafana.columns import ANSWERED
from deploy.grafana.dashboard import Dashboard, Row
from deploy.grafana.panel import Link, series, stat, table
from deploy.grafana.query import chosen, in_range
from deploy.grafana.variables import CLICKHOUSE_SOURCE, TEAM

_TEAM = chosen("team")
_TODAY = "day = assumeNotNull((SELECT today FROM base_settings))"
_SUMS = """sum(calls) AS calls, sum(answered) AS answered, sum(missed) AS missed,
    answered / nullIf(calls, 0) AS answer_rate, sum(talk_seconds) / nullIf(answered, 0) AS avg_talk_seconds,
    sum(advanced_mofu) AS advanced_mofu, sum(advanced_bofu) AS advanced_bofu"""
_FIGURES = "calls answered missed answer_rate avg_talk_seconds advanced_mofu advanced_bofu"
_LEAD = Link("All about this lead", {"lead": "lead_id"})

BOARD = Dashboard(
    uid="sixfold-call-teams",
    title="Call teams",
    description="Today's calls, rep by rep, and who is to be called back. Today is the local day in the reporting "
    "zone.",
    variables=[CLICKHOUSE_SOURCE, TEAM],
    span="now-7d",
    refresh="30s",
    rows=[
        Row(
            "Today",
            [
                stat(
                    "Calls today",
                    "Of the teams chosen. A call advances a lead when it says so, or when the lead rises soon after it "
                    "was answered.",
                    f"SELECT {_SUMS}\nFROM report_calls\nWHERE {_TODAY} AND {_TEAM}",
                    _FIGURES,
                ).wide(16),
                stat(
                    "Benchmarks today",
                    "Those in force; none where none was posted.",
                    """
SELECT argMaxOrNullIf(toFloat64(value), valid_from, metric = 'answer_rate') AS benchmark_answer_rate,
    argMaxOrNullIf(toFloat64(value), valid_from, metric = 'avg_talk_seconds') AS benchmark_avg_talk_seconds
FROM benchmarks FINAL
WHERE valid_from <= assumeNotNull((SELECT today FROM base_settings))
""",
                    "benchmark_answer_rate benchmark_avg_talk_seconds",
                ).wide(8),
                table(
                    "Reps today",
                    "Reps with calls today, the most missed first.",
                    f"""
SELECT rep_id, any(rep) AS rep, team, {_SUMS}
FROM report_calls
WHERE {_TODAY} AND {_TEAM}
GROUP BY rep_id, team
ORDER BY missed DESC, calls DESC, rep_id
""",
                    f"rep_id rep team {_FIGURES}",
                    links={"calls": Link("Calls of this rep", {"rep": "rep_id"})},
                    hidden="rep_id",
                ).wide(12, 9),
                table(
                    "To be called back",
                    "Inbound calls of the last 14 days that were not answered, of leads that nobody has talked to "
                    "since; at most 200, the latest first.",
                    f"""
SELECT started_at, rep, team, status, lead_id, call_id
FROM fact_calls
LEFT ANY JOIN (
    SELECT lead_id, max(started_at) AS talked FROM fact_calls WHERE answered GROUP BY lead_id
) AS later USING (lead_id)
WHERE NOT answered AND direction = 'inbound' AND lead_id != '' AND started_at > ifNull(talked, 0) AND {_TEAM}
    AND day > assumeNotNull((SELECT today FROM base_settings)) - 14
ORDER BY started_at DESC, call_id
LIMIT 200
""",
                    "started_at rep team status lead_id call_id",
                    links={"lead_id": _LEAD},
                ).wide(12, 9),
            ],
        ),
        Row(
            "In the time range",
            [
                series(
                    "Calls by hour",
                    "Answered and missed calls by the hour in which they started (UTC).",
                    f"""
SELECT toStartOfHour(started_at, 'UTC') AS time, countIf(status = 'answered') AS answered, count() - answered AS missed
FROM fact_calls
WHERE {in_range()} AND {_TEAM}
GROUP BY time
ORDER BY time
""",
                    "answered missed",
                    style="bars",
                    stacked=True,
                ),
                series(
                    "Answer rate by team and day",
                    "Answered / calls. Dashed: 40 % and 50 %.",
                    f"""
SELECT day, if(team = '', '(none)', team) AS team_name, sum(answered) / nullIf(sum(calls), 0) AS answer_rate
FROM report_calls
WHERE {in_range()} AND {_TEAM}
GROUP BY day, team_name
ORDER BY day, team_name
""",
                    "answer_rate",
                    by="team_name",
                    steps=ANSWERED,
                ),
                series(
                    "Leads advanced by team and day",
                    "Leads that calls advanced to MOFU or BOFU.",
                    f"""
SELECT day, if(team = '', '(none)', team) AS team_name, sum(advanced_mofu) + sum(advanced_bofu) AS converted
FROM report_calls
WHERE {in_range()} AND {_TEAM}
GROUP BY day, team_name
ORDER BY day, team_name
""",
                    "converted",
                    by="team_name",
                    style="bars",
                    stacked=True,
                ),
                table(
                    "Missed calls in a row",
                    "For each rep of the teams chosen, the calls in the time range since the last one that was "
                    "answered.",
                    f"""
SELECT rep_id, any(rep) AS rep, argMax(team, at) AS team, countIf(at > answered_at) AS missed, max(at) AS started_at
FROM (
    SELECT rep_id, rep, team, started_at AS at, maxIf(started_at, answered) OVER (PARTITION BY rep_id) AS answered_at
    FROM fact_calls
    WHERE {in_range()} AND {_TEAM})
GROUP BY rep_id
HAVING missed > 0
ORDER BY missed DESC, rep_id
LIMIT 100
""",
                    "rep_id rep team missed started_at",
                    links={"missed": Link("Calls of this rep", {"rep": "rep_id"})},
                    hidden="rep_id",
                ).wide(12),
            ],
        ),
    ],
)
