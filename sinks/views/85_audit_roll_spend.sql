-- Where roll_spend differs from what the nodes say: one row per key and measure; empty when all is right.
--
-- key: the key of the rolling table, a JSON object
-- measure: its measure; amounts in units of 1e-4 of their currency
-- rolled: what the visible generation says, summed over shards
-- recomputed: what the nodes say
SELECT
    formatRowNoNewline(
        'JSONEachRow', day, platform, channel, source, medium, campaign_id, category, currency) AS key,
    difference.1 AS measure, toString(difference.2) AS rolled, toString(difference.3) AS recomputed
FROM (
    SELECT
        day, platform, channel, source, medium, campaign_id, category, currency,
        sumForEachIf(measures, side = 'rolled') AS rolled_measures,
        sumForEachIf(measures, side = 'recomputed') AS recomputed_measures
    FROM (
        SELECT
            'rolled' AS side, day, platform, channel, source, medium, campaign_id, category, currency,
            [toInt128(figures), amount_units, impressions, clicks, visitors] AS measures
        FROM roll_spend FINAL
        WHERE (shard, epoch) IN (SELECT shard, epoch FROM base_generations)
        UNION ALL
        SELECT
            'recomputed', s.day, s.platform, s.channel, s.source, s.medium, s.campaign_id, s.category, s.currency,
            [toInt128(1), s.amount_units, s.impressions, s.clicks, s.visitors]
        FROM nodes FINAL
        ARRAY JOIN spend AS s
    )
    GROUP BY day, platform, channel, source, medium, campaign_id, category, currency
)
ARRAY JOIN arrayFilter(
    d -> d.2 != d.3,
    arrayMap(
        (name, i) -> (name, rolled_measures[i], recomputed_measures[i]),
        ['figures', 'amount_units', 'impressions', 'clicks', 'visitors'], range(1, 6))) AS difference
