-- How many calls reps make, how they go, and how many leads they advance, beside the benchmarks.
--
-- day: day on which the call started
-- rep_id: who called
-- rep: the name
-- team: the rep's team on that day
-- direction: inbound, outbound or (none)
-- calls: count
-- answered: answered calls
-- missed: calls that were not answered
-- answer_rate: answered / calls
-- talk_seconds: seconds talked in answered calls
-- avg_talk_seconds: talk_seconds / answered
-- p50_talk_seconds: median seconds of answered calls
-- p90_talk_seconds: 90th percentile of the seconds of answered calls
-- advanced_mofu: leads that calls advanced to MOFU
-- advanced_bofu: leads that calls advanced to BOFU
-- advance_rate: (advanced_mofu + advanced_bofu) / answered
-- benchmark_answer_rate: benchmark in force on that day, or on the period's last
-- benchmark_avg_talk_seconds: benchmark in force on that day, or on the period's last
-- benchmark_advance_rate: benchmark in force on that day, or on the period's last
WITH
    arrayCumSum(mapValues(sums.talk)) AS reached,
    (SELECT groupArray((metric, sinces, values)) FROM base_benchmarks) AS benchmarks,
    arrayFirst(b -> b.1 = 'answer_rate', benchmarks) AS answer_rates,
    arrayFirst(b -> b.1 = 'avg_talk_seconds', benchmarks) AS averages,
    arrayFirst(b -> b.1 = 'advance_rate', benchmarks) AS advance_rates
SELECT
    $day, rep_id, rep, team, direction, calls, answered, missed,
    answered / nullIf(calls, 0) AS answer_rate,
    talk_seconds,
    talk_seconds / nullIf(answered, 0) AS avg_talk_seconds,
    arrayFirstOrNull((second, n) -> n * 100 >= reached[-1] * 50, mapKeys(talk), reached) AS p50_talk_seconds,
    arrayFirstOrNull((second, n) -> n * 100 >= reached[-1] * 90, mapKeys(talk), reached) AS p90_talk_seconds,
    advanced_mofu, advanced_bofu,
    (advanced_mofu + advanced_bofu) / nullIf(answered, 0) AS advance_rate,
    arrayLastOrNull((value, since) -> since <= last_day, answer_rates.3, answer_rates.2) AS benchmark_answer_rate,
    arrayLastOrNull((value, since) -> since <= last_day, averages.3, averages.2) AS benchmark_avg_talk_seconds,
    arrayLastOrNull((value, since) -> since <= last_day, advance_rates.3, advance_rates.2) AS benchmark_advance_rate
FROM (
    SELECT
        $select_day, $last_day AS last_day, rep_id, rep, team, direction,
        sum(base.calls) AS calls, sum(base.answered) AS answered, sum(base.missed) AS missed,
        sum(base.talk_seconds) AS talk_seconds, mapSort(sumMap(base.talk)) AS talk,
        sum(base.advanced_mofu) AS advanced_mofu, sum(base.advanced_bofu) AS advanced_bofu
    FROM base_calls AS base
    GROUP BY $day, rep_id, rep, team, direction
    HAVING calls != 0 OR advanced_mofu != 0 OR advanced_bofu != 0) AS sums
