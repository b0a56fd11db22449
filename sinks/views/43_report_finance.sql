-- What came in, what it cost, and what the open opportunities due that day may bring.
--
-- day: of the close, the spend, or the due date
-- revenue: of deals closed that day, reporting currency
-- cost: of those deals, reporting currency
-- spend_media: spend for media, reporting currency
-- spend_other: spend of all other categories, reporting currency
-- gross_margin: revenue - cost, reporting currency
-- operating_result: revenue - cost - all spend, reporting currency: EBIT as far as expenses were posted
-- forecast_revenue: amounts by probability of open opportunities due that day, reporting currency
-- unconverted: deals, spend figures and open opportunities due left out of the money for want of a rate
SELECT
    $day,
    toDecimal128(round(sums.revenue, 4), 4) AS revenue,
    toDecimal128(round(sums.cost, 4), 4) AS cost,
    toDecimal128(round(sums.spend_media, 4), 4) AS spend_media,
    toDecimal128(round(sums.spend_other, 4), 4) AS spend_other,
    toDecimal128(round(sums.revenue - sums.cost, 4), 4) AS gross_margin,
    toDecimal128(round(sums.revenue - sums.cost - sums.spend_media - sums.spend_other, 4), 4) AS operating_result,
    toDecimal128(round(sums.forecast_revenue, 4), 4) AS forecast_revenue,
    unconverted
FROM (
    SELECT
        $select_day, sum(m.revenue) AS revenue, sum(m.cost) AS cost, sum(m.spend_media) AS spend_media,
        sum(m.spend_other) AS spend_other, sum(m.forecast_revenue) AS forecast_revenue,
        sum(m.unconverted) AS unconverted
    FROM (
        SELECT day, revenue, cost, 0 AS spend_media, 0 AS spend_other, 0 AS forecast_revenue, unconverted
        FROM base_revenue
        WHERE date_kind = 'closed' AND model = (SELECT attribution_model FROM base_settings)
        UNION ALL
        SELECT day, 0, 0, if(category = 'media', amount, 0), if(category = 'media', 0, amount), 0, unconverted
        FROM base_spend
        UNION ALL
        SELECT day, 0, 0, 0, 0, weighted, unconverted
        FROM base_opportunities
        WHERE date_kind = 'due' AND status = 'open' AND day != toDate('2149-06-06')) AS m
    GROUP BY $day
    HAVING revenue != 0 OR cost != 0 OR spend_media != 0 OR spend_other != 0 OR forecast_revenue != 0
        OR unconverted != 0) AS sums
