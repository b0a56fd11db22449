-- Where roll_leads differs from what the nodes say: one row per key and measure; empty when all is right.
--
-- key: the key of the rolling table, a JSON object
-- measure: its measure; hours_to_convert[N]: leads that took N whole hours to convert
-- rolled: what the visible generation says, summed over shards
-- recomputed: what the nodes say
SELECT
    formatRowNoNewline('JSONEachRow', day, channel, source, medium, campaign_id, lead_magnet) AS key,
    difference.1 AS measure, toString(difference.2) AS rolled, toString(difference.3) AS recomputed
FROM (
    SELECT
        day, channel, source, medium, campaign_id, lead_magnet,
        sumForEachIf(measures, side = 'rolled') AS rolled_measures,
        sumForEachIf(measures, side = 'recomputed') AS recomputed_measures,
        sumMapIf(hours, side = 'rolled') AS rolled_hours,
        sumMapIf(hours, side = 'recomputed') AS recomputed_hours
    FROM (
        SELECT
            'rolled' AS side, day, channel, source, medium, campaign_id, lead_magnet,
            [leads, reached_mofu, reached_bofu, customers, converted, seconds_to_convert] AS measures,
            hours_to_convert AS hours
        FROM roll_leads FINAL
        WHERE (shard, epoch) IN (SELECT shard, epoch FROM base_generations)
        UNION ALL
        SELECT
            'recomputed', day, channel, source, medium, campaign_id, lead_magnet,
            [1, reached >= 1, reached >= 2, reached >= 3, converted, if(converted, intDiv(taken_us, 1000000), 0)],
            if(converted, map(toUInt32(intDiv(taken_us, 3600000000)), toInt64(1)), map())
        FROM (SELECT *, ifNull(converting_us, -1) AS taken_us, taken_us >= 0 AS converted FROM recomputed_leads)
    )
    GROUP BY day, channel, source, medium, campaign_id, lead_magnet
)
ARRAY JOIN arrayFilter(
    d -> d.2 != d.3,
    arrayConcat(
        arrayMap(
            (name, i) -> (name, rolled_measures[i], recomputed_measures[i]),
            ['leads', 'reached_mofu', 'reached_bofu', 'customers', 'converted', 'seconds_to_convert'],
            range(1, 7)),
        arrayMap(
            hour -> (concat('hours_to_convert[', toString(hour), ']'), rolled_hours[hour], recomputed_hours[hour]),
            arrayDistinct(arrayConcat(mapKeys(rolled_hours), mapKeys(recomputed_hours)))))) AS difference
