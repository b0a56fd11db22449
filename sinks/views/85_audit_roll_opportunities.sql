-- Where roll_opportunities differs from what the nodes say: one row per key and measure; empty when all is right.
-- The weighted amount of each opportunity is taken as it is stored, its sum is computed anew.
--
-- key: the key of the rolling table, a JSON object
-- measure: its measure; amounts in units of 1e-4 of their currency
-- rolled: what the visible generation says, summed over shards
-- recomputed: what the nodes say
WITH (SELECT currency FROM view_settings FINAL) AS reporting_currency
SELECT
    formatRowNoNewline('JSONEachRow', date_kind, day, owner_id, stage, status, currency, rate_day) AS key,
    difference.1 AS measure, toString(difference.2) AS rolled, toString(difference.3) AS recomputed
FROM (
    SELECT
        date_kind, day, owner_id, stage, status, currency, rate_day,
        sumForEachIf(measures, side = 'rolled') AS rolled_measures,
        sumForEachIf(measures, side = 'recomputed') AS recomputed_measures
    FROM (
        SELECT
            'rolled' AS side, date_kind, day, owner_id, stage, status, currency, rate_day,
            [toInt128(opportunities), amount_units, weighted_units] AS measures
        FROM roll_opportunities FINAL
        WHERE (shard, epoch) IN (SELECT shard, epoch FROM base_generations)
        UNION ALL
        SELECT
            'recomputed', date.1, date.2, o.owner_id, o.stage, o.status, o.currency,
            multiIf(
                o.currency = reporting_currency, toDate(0),
                o.status = 'open', toDate('2149-06-06'),
                assumeNotNull(o.closed_day)),
            [toInt128(1), toInt128(o.amount_units), toInt128(o.weighted_units)]
        FROM (
            SELECT
                o,
                [('created', o.created_day), ('due', ifNull(o.due_date, toDate('2149-06-06')))] AS always,
                if(o.status = 'open', always, arrayPushBack(always, ('closed', assumeNotNull(o.closed_day)))) AS dates
            FROM nodes FINAL
            ARRAY JOIN opportunities AS o
        )
        ARRAY JOIN dates AS date
    )
    GROUP BY date_kind, day, owner_id, stage, status, currency, rate_day
)
ARRAY JOIN arrayFilter(
    d -> d.2 != d.3,
    arrayMap(
        (name, i) -> (name, rolled_measures[i], recomputed_measures[i]),
        ['opportunities', 'amount_units', 'weighted_units'], range(1, 4))) AS difference
