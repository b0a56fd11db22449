-- Where the advances of a call, as the nodes hold them (fact_calls), differ from what calls, stages, opportunities and
-- deals say: one row per call and measure; empty when all is right.
--
-- key: the call, a JSON object
-- measure: advanced_mofu or advanced_bofu
-- rolled: what the nodes hold
-- recomputed: what the rules give
SELECT
    formatRowNoNewline('JSONEachRow', call_id) AS key, difference.1 AS measure, toString(difference.2) AS rolled,
    toString(difference.3) AS recomputed
FROM (
    SELECT
        call_id, sumForEachIf(measures, side = 'rolled') AS rolled_measures,
        sumForEachIf(measures, side = 'recomputed') AS recomputed_measures
    FROM (
        SELECT 'rolled' AS side, c.call_id AS call_id, [toInt64(c.advanced_mofu), c.advanced_bofu] AS measures
        FROM nodes FINAL
        ARRAY JOIN calls AS c
        UNION ALL
        SELECT 'recomputed', call_id, [advanced_mofu, advanced_bofu]
        FROM recomputed_calls
    )
    GROUP BY call_id
)
ARRAY JOIN arrayFilter(
    d -> d.2 != d.3,
    arrayMap(
        (name, i) -> (name, rolled_measures[i], recomputed_measures[i]),
        ['advanced_mofu', 'advanced_bofu'], range(1, 3))) AS difference
