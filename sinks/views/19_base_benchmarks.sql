-- Benchmarks of the call report over time. The one in force on a day:
-- `arrayLastOrNull((value, since) -> since <= day, values, sinces)`.
--
-- metric: a column of report_calls
-- sinces: first days in force, ascending
-- values: the benchmarks, in the same order
SELECT metric, arrayMap(b -> b.1, history) AS sinces, arrayMap(b -> b.2, history) AS values
FROM (
    SELECT metric, arraySort(groupArray((valid_from, toFloat64(value)))) AS history
    FROM benchmarks FINAL
    GROUP BY metric)
