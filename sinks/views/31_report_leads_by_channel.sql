-- Which channels bring leads, how many of them become opportunities and customers, and how long that takes.
--
-- day: day of the lead's creation
-- channel: channel of the lead
-- leads: leads created
-- opportunities: those of them that reached BOFU
-- customers: those of them that became customers, by a deal won now or by their own stage
-- opportunity_rate: opportunities / leads
-- conversion_rate: customers / leads
-- converted: those of them whose first deal won now closed at or after their creation
-- avg_days_to_convert: days from creation to the close of the first deal won now, average over the converted
-- p50_days_to_convert: the same in days of whole hours, median
-- p90_days_to_convert: the same in days of whole hours, 90th percentile
WITH arrayCumSum(mapValues(sums.hours)) AS reached
SELECT
    $day, channel, leads, opportunities, customers,
    opportunities / nullIf(leads, 0) AS opportunity_rate,
    customers / nullIf(leads, 0) AS conversion_rate,
    converted,
    seconds / 86400 / nullIf(converted, 0) AS avg_days_to_convert,
    arrayFirstOrNull((hour, n) -> n * 100 >= reached[-1] * 50, mapKeys(hours), reached) / 24 AS p50_days_to_convert,
    arrayFirstOrNull((hour, n) -> n * 100 >= reached[-1] * 90, mapKeys(hours), reached) / 24 AS p90_days_to_convert
FROM (
    SELECT
        $select_day, channel, sum(leads) AS leads, sum(bofu) AS opportunities, sum(customers) AS customers,
        sum(converted) AS converted, sum(seconds_to_convert) AS seconds, mapSort(sumMap(hours_to_convert)) AS hours
    FROM base_leads
    GROUP BY $day, channel
    HAVING leads != 0 OR opportunities != 0 OR customers != 0 OR converted != 0) AS sums
