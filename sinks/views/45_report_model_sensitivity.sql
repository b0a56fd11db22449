-- Whether the choice of the attribution model decides on a campaign: its revenue by each, beside what was spent on it.
--
-- month: first day of the month, of the close or the spend
-- campaign_id: the campaign
-- campaign: its name
-- revenue_first: by model first, reporting currency
-- revenue_last: by model last, reporting currency
-- revenue_linear: by model linear, reporting currency
-- revenue_position: by model position, reporting currency
-- revenue_time_decay: by model time_decay, reporting currency
-- revenue_w_shaped: by model w_shaped, reporting currency
-- spend: for media, reporting currency
-- roas_min: least revenue / spend of the six models
-- roas_max: greatest revenue / spend of the six models
-- decision_depends: 1 when the spend pays by some models only: roas_min < 1 <= roas_max
-- unconverted: deals by the default model and media figures left out of the money for want of a rate
WITH
    -- least and greatest of the ratios, not of the revenues: spend that was refunded is negative
    arrayMap(
        revenue -> toFloat64(revenue) / toFloat64(spend),
        [revenue_first, revenue_last, revenue_linear, revenue_position, revenue_time_decay, revenue_w_shaped]) AS roas
SELECT
    month, campaign_id, campaign,
    revenue_first, revenue_last, revenue_linear, revenue_position, revenue_time_decay, revenue_w_shaped, spend,
    if(spend = 0, NULL, arrayMin(roas)) AS roas_min,
    if(spend = 0, NULL, arrayMax(roas)) AS roas_max,
    ifNull(roas_min < 1 AND roas_max >= 1, 0) AS decision_depends,
    unconverted
FROM (
    SELECT
        toStartOfMonth(day) AS month, campaign_id, campaign,
        toDecimal128(round(sumIf(m.revenue, model = 'first'), 4), 4) AS revenue_first,
        toDecimal128(round(sumIf(m.revenue, model = 'last'), 4), 4) AS revenue_last,
        toDecimal128(round(sumIf(m.revenue, model = 'linear'), 4), 4) AS revenue_linear,
        toDecimal128(round(sumIf(m.revenue, model = 'position'), 4), 4) AS revenue_position,
        toDecimal128(round(sumIf(m.revenue, model = 'time_decay'), 4), 4) AS revenue_time_decay,
        toDecimal128(round(sumIf(m.revenue, model = 'w_shaped'), 4), 4) AS revenue_w_shaped,
        toDecimal128(round(sum(m.spend), 4), 4) AS spend,
        sum(m.unconverted) AS unconverted
    FROM (
        SELECT
            day, campaign_id, campaign, model, revenue, 0 AS spend,
            if(model = (SELECT attribution_model FROM base_settings), unconverted, 0) AS unconverted
        FROM base_revenue
        WHERE date_kind = 'closed'
        UNION ALL
        SELECT day, campaign_id, campaign, '', 0, amount, unconverted FROM base_spend WHERE category = 'media') AS m
    GROUP BY month, campaign_id, campaign
    HAVING revenue_first != 0 OR revenue_last != 0 OR revenue_linear != 0 OR revenue_position != 0
        OR revenue_time_decay != 0 OR revenue_w_shaped != 0 OR spend != 0 OR unconverted != 0)
