"""Report 5: how many calls reps make, how they go, and how many leads they advance, beside the benchmarks."""

from deploy.grafana.columns import ANSWERED
from deploy.grafana.dashboard import Dashboard, Row
from deploy.grafana.panel import Link, bars, series, stat, table
from deploy.grafana.query import chosen, in_range, period_in_range
from deploy.grafana.variables import CLICKHOUSE_SOURCE, REP, TEAM, grain

_CHOSEN = f"{chosen('team')} AND {chosen('rep', 'rep_id')}"
_SUMS = """sum(calls) AS calls, sum(answered) AS answered, sum(missed) AS missed,
    sum(advanced_mofu) AS advanced_mofu, sum(advanced_bofu) AS advanced_bofu,
    answered / nullIf(calls, 0) AS answer_rate, sum(talk_seconds) / nullIf(answered, 0) AS avg_talk_seconds,
    (advanced_mofu + advanced_bofu) / nullIf(answered, 0) AS advance_rate"""
_BENCHMARKS = """argMax(benchmark_answer_rate, day) AS benchmark_answer_rate,
    argMax(benchmark_avg_talk_seconds, day) AS benchmark_avg_talk_seconds,
    argMax(benchmark_advance_rate, day) AS benchmark_advance_rate"""
_IN_RANGE = f"FROM report_calls\nWHERE {in_range()} AND {_CHOSEN}"
_BY = f"FROM report_calls_by(grain = ${{grain:singlequote}})\nWHERE {period_in_range()} AND {_CHOSEN}"

BOARD = Dashboard(
    uid="sixfold-calls",
    title="5 Calls",
    description="How many calls reps make, how they go, and how many leads they advance, beside the benchmarks in "
    "force. Every call that is not answered counts as missed; the average talk time is that of answered calls.",
    variables=[CLICKHOUSE_SOURCE, grain(), TEAM, REP],
    rows=[
        Row(
            "In the time range",
            [
                stat(
                    "Calls",
                    "A call advances a lead when it says so, or when the lead rises to MOFU or BOFU soon after it was "
                    "answered. The advance rate is advanced leads / answered calls.",
                    f"SELECT {_SUMS}\n{_IN_RANGE}",
                    "calls answered missed advanced_mofu advanced_bofu answer_rate avg_talk_seconds advance_rate",
                    link=Link("Calls", keep=["team", "rep"]),
                ).wide(14),
                stat(
                    "Benchmarks",
                    "Those in force on the last day with calls in the time range; none where none was posted.",
                    f"SELECT {_BENCHMARKS}\n{_IN_RANGE}",
                    "benchmark_answer_rate benchmark_avg_talk_seconds benchmark_advance_rate",
                ).wide(10),
                table(
                    "Reps",
                    "Over the time range, by rep and the rep's team on the day of the call.",
                    f"""
SELECT rep_id, any(rep) AS rep, team, {_SUMS}
{_IN_RANGE}
GROUP BY rep_id, team
ORDER BY calls DESC, rep_id, team
LIMIT 1000
""",
                    "rep_id rep team calls answered missed advanced_mofu advanced_bofu answer_rate avg_talk_seconds "
                    "advance_rate",
                    links={"calls": Link("Calls of this rep", {"rep": "rep_id", "team": "team"})},
                    hidden="rep_id",
                ).wide(14, 10),
                bars(
                    "Answered and missed by team",
                    "Over the time range, by the rep's team on the day of the call.",
                    f"""
SELECT if(team = '', '(none)', team) AS team_name, sum(answered) AS answered, sum(missed) AS missed
{_IN_RANGE}
GROUP BY team_name
ORDER BY answered DESC, team_name
""",
                    "team_name",
                    "answered missed",
                    stacked=True,
                ).wide(10, 10),
            ],
        ),
        Row(
            "By ${grain}",
            [
                series(
                    "Answered and missed calls",
                    "By the period in which they started.",
                    f"""
SELECT period_start, sum(answered) AS answered, sum(missed) AS missed
{_BY}
GROUP BY period_start
ORDER BY period_start
""",
                    "answered missed",
                    style="bars",
                    stacked=True,
                ),
                series(
                    "Answer rate and its benchmark",
                    "Answered / calls, and the benchmark in force on the period's last day.",
                    f"""
SELECT period_start, sum(answered) / nullIf(sum(calls), 0) AS answer_rate,
    any(benchmark_answer_rate) AS benchmark_answer_rate
{_BY}
GROUP BY period_start
ORDER BY period_start
""",
                    "answer_rate benchmark_answer_rate",
                    steps=ANSWERED,
                ),
                series(
                    "Average talk time by team",
                    "Seconds talked / answered calls.",
                    f"""
SELECT period_start, if(team = '', '(none)', team) AS team_name,
    sum(talk_seconds) / nullIf(sum(answered), 0) AS avg_talk_seconds
{_BY}
GROUP BY period_start, team_name
ORDER BY period_start, team_name
""",
                    "avg_talk_seconds",
                    by="team_name",
                ),
                series(
                    "Advance rate by team",
                    "Leads advanced to MOFU or BOFU / answered calls.",
                    f"""
SELECT period_start, if(team = '', '(none)', team) AS team_name,
    (sum(advanced_mofu) + sum(advanced_bofu)) / nullIf(sum(answered), 0) AS advance_rate
{_BY}
GROUP BY period_start, team_name
ORDER BY period_start, team_name
""",
                    "advance_rate",
                    by="team_name",
                ),
                table(
                    "Reps and periods",
                    "The report, period by period: median and 90th percentile of the talk time are exact for each row.",
                    f"""
SELECT period_start, period_start + INTERVAL 1 ${{grain:raw}} - 1 AS until, rep_id, rep, team, direction, calls,
    answered, missed, answer_rate, benchmark_answer_rate, avg_talk_seconds, p50_talk_seconds, p90_talk_seconds,
    benchmark_avg_talk_seconds, advance_rate, benchmark_advance_rate
{_BY}
ORDER BY period_start DESC, calls DESC, rep_id, team, direction
LIMIT 1000
""",
                    "period_start until rep_id rep team direction calls answered missed answer_rate "
                    "benchmark_answer_rate avg_talk_seconds p50_talk_seconds p90_talk_seconds "
                    "benchmark_avg_talk_seconds advance_rate benchmark_advance_rate",
                    links={
                        "calls": Link("Calls of this rep and period", {"rep": "rep_id", "team": "team"}, period=True)
                    },
                    hidden="rep_id",
                ).wide(24, 10),
            ],
        ),
    ],
)
