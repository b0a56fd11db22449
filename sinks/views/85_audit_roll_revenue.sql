-- Where roll_revenue differs from credits computed anew: one row per key and measure; empty when all is right.
--
-- key: the key of the rolling table, a JSON object
-- measure: its measure, with its attribution model
-- rolled: what the visible generation says, summed over shards
-- recomputed: what touches and deals say
SELECT
    formatRowNoNewline(
        'JSONEachRow', date_kind, day, channel, source, medium, campaign_id, lead_magnet, currency, rate_day) AS key,
    concat(difference.1, '_', model) AS measure, toString(difference.2) AS rolled,
    toString(difference.3) AS recomputed
FROM (
    SELECT
        date_kind, day, channel, source, medium, campaign_id, lead_magnet, currency, rate_day, model,
        sumForEachIf(measures, side = 'rolled') AS rolled_measures,
        sumForEachIf(measures, side = 'recomputed') AS recomputed_measures
    FROM (
        SELECT
            'rolled' AS side, date_kind, day, channel, source, medium, campaign_id, lead_magnet, currency, rate_day,
            credit.1 AS model, credit.2 AS measures
        FROM roll_revenue FINAL
        ARRAY JOIN [
            ('first', [toInt128(deals_first), revenue_first, cost_first, heads_first]),
            ('last', [toInt128(deals_last), revenue_last, cost_last, heads_last]),
            ('linear', [toInt128(deals_linear), revenue_linear, cost_linear, heads_linear]),
            ('position', [toInt128(deals_position), revenue_position, cost_position, heads_position]),
            ('time_decay', [toInt128(deals_time_decay), revenue_time_decay, cost_time_decay, heads_time_decay]),
            ('w_shaped', [toInt128(deals_w_shaped), revenue_w_shaped, cost_w_shaped, heads_w_shaped])] AS credit
        WHERE (shard, epoch) IN (SELECT shard, epoch FROM base_generations)
        UNION ALL
        SELECT
            'recomputed', date.1, assumeNotNull(date.2), channel, source, medium, campaign_id, lead_magnet, currency, rate_day,
            model, [toInt128(deals), revenue, cost, heads]
        FROM (
            -- the function, as an ARRAY JOIN clause over the view's own is an error in the engine (its names meet)
            SELECT
                *,
                arrayJoin(arrayFilter(
                    d -> isNotNull(d.2), [('closed', toNullable(day)), ('cohort', cohort_day)])) AS date
            FROM recomputed_credits
        )
    )
    GROUP BY date_kind, day, channel, source, medium, campaign_id, lead_magnet, currency, rate_day, model
)
ARRAY JOIN arrayFilter(
    d -> d.2 != d.3,
    arrayMap(
        (name, i) -> (name, rolled_measures[i], recomputed_measures[i]),
        ['deals', 'revenue', 'cost', 'heads'], range(1, 5))) AS difference
