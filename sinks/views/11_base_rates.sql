-- What one unit of a currency is in the reporting currency, from a day on until the currency's next row. To be joined
-- by ASOF on the day; no row means no rate. The reporting currency itself is 1 for ever.
--
-- currency: the currency
-- since: first day in force
-- factor: units of the reporting currency, to 28 places
-- known: always 1, so that a LEFT JOIN can tell a missing rate
SELECT currency, toDate('1970-01-01') AS since, toDecimal256(1, 28) AS factor, 1 AS known FROM base_settings
UNION ALL
-- Most views join this one, some several times, and of a query over few rows most is its planning. So this reads the
-- rates once and goes across the pivot in arrays; joins of both legs would read them a dozen times.
SELECT currency, rate.1, rate.2, 1
FROM (
    SELECT
        currency, direct, arrayMin(direct.1) AS first_direct,
        -- both legs by day, 0 where a day has none: then the one before is in force
        arraySort(step -> step.1, arrayConcat(
            arrayMap((day, factor) -> (day, factor, toDecimal256(0, 28)), to_pivot.1, to_pivot.2),
            arrayMap((day, factor) -> (day, toDecimal256(0, 28), factor), from_pivot.1, from_pivot.2))) AS steps,
        arrayMap(day -> toInt32(day), steps.1) AS days,
        arrayMap(
            (day, number, next, leg, other) -> (day, number != next ? leg : 0, other),
            steps.1, days, arrayShiftLeft(days, 1, -1),
            arrayFill(leg -> leg != 0, steps.2), arrayFill(leg -> leg != 0, steps.3)) AS legs
    FROM (
        SELECT
            currency, direct, to_pivot,
            groupArrayArrayIf(direct, is_pivot) OVER () AS from_pivot
        FROM (
            SELECT
                source AS currency, source = any(pivot) AS is_pivot,
                groupArrayIf((date, factor), target = reporting) AS direct,
                groupArrayIf((date, factor), target = pivot AND source != reporting) AS to_pivot
            FROM (
                -- on one day the direct pair goes before the inverse
                SELECT leg.1 AS source, leg.2 AS target, date, argMin(leg.3, leg.4) AS factor
                FROM rates FINAL
                ARRAY JOIN [
                    (base, quote, toDecimal256(rate, 28), 0),
                    (quote, base, toDecimal256(1, 28) / rate, 1)] AS leg
                WHERE source != target
                GROUP BY source, target, date) AS pairs
            CROSS JOIN (SELECT currency AS reporting, pivot_currency AS pivot FROM base_settings) AS settings
            GROUP BY source)))
ARRAY JOIN arrayConcat(direct, arrayMap(
    leg -> (leg.1, CAST(leg.2 * leg.3 AS Decimal(76, 28))),
    -- the pivot serves only until there is a pair of its own
    arrayFilter(leg -> leg.2 != 0 AND leg.3 != 0 AND (empty(direct) OR leg.1 < first_direct), legs))) AS rate
