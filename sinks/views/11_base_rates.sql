-- What one unit of a currency is in the reporting currency, from a day on until the currency's next row. To be joined
-- by ASOF on the day; no row means no rate. The reporting currency itself is 1 for ever.
--
-- currency: the currency
-- since: first day in force
-- factor: units of the reporting currency, to 28 places
-- known: always 1, so that a LEFT JOIN can tell a missing rate
WITH
    legs AS (
        -- on one day the direct pair goes before the inverse
        SELECT source, target, date, argMin(factor, inverse) AS factor
        FROM (
            SELECT base AS source, quote AS target, date, toDecimal256(rate, 28) AS factor, 0 AS inverse
            FROM rates FINAL
            UNION ALL
            SELECT quote AS source, base AS target, date, toDecimal256(1, 28) / rate AS factor, 1 AS inverse
            FROM rates FINAL)
        WHERE source != target
        GROUP BY source, target, date),
    direct AS (
        SELECT source AS currency, date, factor FROM legs
        WHERE target = assumeNotNull((SELECT currency FROM base_settings))),
    to_pivot AS (
        SELECT source AS currency, target AS pivot, date, factor FROM legs
        WHERE target = assumeNotNull((SELECT pivot_currency FROM base_settings))
            AND source != assumeNotNull((SELECT currency FROM base_settings))),
    from_pivot AS (
        SELECT currency AS pivot, date, factor FROM direct
        WHERE currency = assumeNotNull((SELECT pivot_currency FROM base_settings))),
    across AS (
        -- a new row where either leg changes
        SELECT a.currency AS currency, a.date AS date, a.factor * b.factor AS factor
        FROM to_pivot AS a ASOF JOIN from_pivot AS b ON a.pivot = b.pivot AND a.date >= b.date
        UNION ALL
        SELECT b.currency AS currency, b.date AS date, a.factor * b.factor AS factor
        FROM (
            SELECT currencies.currency AS currency, from_pivot.date AS date, from_pivot.factor AS factor
            FROM from_pivot CROSS JOIN (SELECT DISTINCT currency FROM to_pivot) AS currencies) AS b
        ASOF JOIN to_pivot AS a ON a.currency = b.currency AND b.date >= a.date),
    first_direct AS (SELECT currency, min(date) AS date, 1 AS known FROM direct GROUP BY currency)
SELECT currency, toDate('1970-01-01') AS since, toDecimal256(1, 28) AS factor, 1 AS known FROM base_settings
UNION ALL
SELECT currency, date, factor, 1 FROM direct
UNION ALL
-- the pivot serves only until there is a pair of its own
SELECT across.currency, across.date, CAST(any(across.factor) AS Decimal(76, 28)), 1
FROM across LEFT ANY JOIN first_direct ON first_direct.currency = across.currency
WHERE first_direct.known = 0 OR across.date < first_direct.date
GROUP BY across.currency, across.date
SETTINGS join_use_nulls = 0
