-- Which channels the revenue of won deals is due to, by each attribution model.
--
-- day: day of the close
-- model: attribution model
-- channel: channel of the credited touches
-- deals: won deals, in shares
-- revenue: reporting currency
-- revenue_share: revenue / revenue of all channels of that model and day or period
-- unconverted: deals left out of the money for want of a rate
SELECT
    $day, model, channel, deals, revenue,
    toFloat64(revenue) / nullIf(toFloat64(sum(revenue) OVER (PARTITION BY $day, model)), 0) AS revenue_share,
    unconverted
FROM (
    SELECT
        $select_day, model, channel, toDecimal128(sum(deals), 6) / 1000000 AS deals,
        toDecimal128(round(sum(base.revenue), 4), 4) AS revenue, sum(unconverted) AS unconverted
    FROM base_revenue AS base
    WHERE date_kind = 'closed'
    GROUP BY $day, model, channel
    HAVING deals != 0 OR revenue != 0 OR unconverted != 0)
