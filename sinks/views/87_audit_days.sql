-- Where a stored day is not the local day, in the reporting time zone, of its instant: one row per record and day;
-- empty when all is right.
--
-- key: the record, a JSON object
-- measure: the column
-- rolled: the stored day, or NULL
-- recomputed: the day of the instant, or NULL
WITH (SELECT time_zone FROM view_settings FINAL) AS time_zone
SELECT
    formatRowNoNewline('JSONEachRow', kind, id) AS key, measure, ifNull(toString(stored), 'NULL') AS rolled,
    ifNull(toString(anew), 'NULL') AS recomputed
FROM (
    SELECT
        kind, id, measure, stored,
        toDate(formatDateTime(fromUnixTimestamp64Micro(at_us), '%F', assumeNotNull(time_zone))) AS anew
    FROM (
        SELECT 'lead' AS kind, l.lead_id AS id, 'day' AS measure, toNullable(l.day) AS stored,
            toNullable(l.created_us) AS at_us
        FROM nodes FINAL
        ARRAY JOIN leads AS l
        UNION ALL
        SELECT 'touch', concat(t.lead_id, '/', t.touch_id), 'day', t.day, t.at_us
        FROM nodes FINAL
        ARRAY JOIN touches AS t
        UNION ALL
        SELECT 'call', c.call_id, 'day', c.day, c.started_us
        FROM nodes FINAL
        ARRAY JOIN calls AS c
        UNION ALL
        SELECT 'opportunity', o.opportunity_id, 'created_day', o.created_day, o.created_us
        FROM nodes FINAL
        ARRAY JOIN opportunities AS o
        UNION ALL
        SELECT 'opportunity', o.opportunity_id, 'closed_day', o.closed_day, o.closed_us
        FROM nodes FINAL
        ARRAY JOIN opportunities AS o
    )
)
WHERE stored IS DISTINCT FROM anew
