-- What each source sent last, and whether it has gone quiet: for longer than ten of its usual gaps.
--
-- source: the source as its events name it
-- last_event_time: the latest event of it
-- usual_gap_seconds: median time between two minutes with events of it, over the 28 days before its last one; NULL with fewer than two such minutes
-- quiet: 1 when nothing has come for more than ten usual gaps, 0 where the usual gap is not known
SELECT
    source, fromUnixTimestamp64Micro(latest_us, 'UTC') AS last_event_time,
    if(empty(gaps), NULL, toUInt64(arrayReduce('quantileExactLow', gaps))) AS usual_gap_seconds,
    toUInt8(ifNull(toUnixTimestamp64Micro(now64(6)) - latest_us > 10 * 1000000 * usual_gap_seconds, 0)) AS quiet
FROM (
    SELECT
        source, any(latest.latest_us) AS latest_us,
        -- the first difference is that of a minute to itself
        arrayPopFront(arrayDifference(arraySort(groupUniqArray(toUnixTimestamp64Second(minute))))) AS gaps
    FROM source_minutes
    INNER JOIN (SELECT source, max(last_us) AS latest_us FROM source_minutes GROUP BY source) AS latest USING (source)
    WHERE toUnixTimestamp64Second(minute) >= intDiv(latest.latest_us, 1000000) - 28 * 86400
    GROUP BY source)
