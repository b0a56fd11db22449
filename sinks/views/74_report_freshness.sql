-- How fresh the figures are that are shown: the newest manifest of each shard whose rolling rows are complete.
--
-- shard: the shard
-- last_event_time: the latest event that its figures contain, NULL before the first
-- written_at: when its figures were written last
-- lag_seconds: from that event to the writing, NULL before the first event
SELECT
    shard, fromUnixTimestamp64Micro(nullIf(newest.1, 0), 'UTC') AS last_event_time, newest.2 AS written_at,
    (toUnixTimestamp64Milli(written_at) * 1000 - nullIf(newest.1, 0)) / 1000000 AS lag_seconds
FROM (
    SELECT shard, argMax((last_event_us, manifest.written_at), (epoch, flush)) AS newest
    FROM manifest
    WHERE ready
    GROUP BY shard)
