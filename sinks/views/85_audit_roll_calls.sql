-- Where roll_calls differs from what the nodes say: one row per key and measure; empty when all is right.
--
-- key: the key of the rolling table, a JSON object
-- measure: its measure; talk[N]: answered calls of N talk seconds
-- rolled: what the visible generation says, summed over shards
-- recomputed: what the nodes say
SELECT
    formatRowNoNewline('JSONEachRow', day, rep_id, direction) AS key,
    difference.1 AS measure, toString(difference.2) AS rolled, toString(difference.3) AS recomputed
FROM (
    SELECT
        day, rep_id, direction,
        sumForEachIf(measures, side = 'rolled') AS rolled_measures,
        sumForEachIf(measures, side = 'recomputed') AS recomputed_measures,
        sumMapIf(talk, side = 'rolled') AS rolled_talk,
        sumMapIf(talk, side = 'recomputed') AS recomputed_talk
    FROM (
        SELECT
            'rolled' AS side, day, rep_id, direction,
            [calls, answered, missed, talk_seconds, advanced_mofu, advanced_bofu] AS measures, talk
        FROM roll_calls FINAL
        WHERE (shard, epoch) IN (SELECT shard, epoch FROM base_generations)
        UNION ALL
        SELECT
            'recomputed', day, rep_id, direction,
            [1, answered, NOT answered, if(answered, talk_seconds, 0), advanced_mofu, advanced_bofu],
            if(answered, map(talk_seconds, toInt64(1)), map())
        FROM recomputed_calls
    )
    GROUP BY day, rep_id, direction
)
ARRAY JOIN arrayFilter(
    d -> d.2 != d.3,
    arrayConcat(
        arrayMap(
            (name, i) -> (name, rolled_measures[i], recomputed_measures[i]),
            ['calls', 'answered', 'missed', 'talk_seconds', 'advanced_mofu', 'advanced_bofu'], range(1, 7)),
        arrayMap(
            seconds -> (concat('talk[', toString(seconds), ']'), rolled_talk[seconds], recomputed_talk[seconds]),
            arrayDistinct(arrayConcat(mapKeys(rolled_talk), mapKeys(recomputed_talk)))))) AS difference
