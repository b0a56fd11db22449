-- How far every target has been met.
--
-- month: first day of the month
-- metric: leads, revenue, won_deals or calls
-- scope: company, team/NAME, rep/ID or campaign/ID
-- target: what was set; revenue in the reporting currency
-- actual: what there is: leads by creation, calls by start, revenue and won deals by close
-- attainment: actual / target
SELECT
    targets.month AS month, targets.metric AS metric, targets.scope AS scope, toDecimal128(targets.value, 6) AS target,
    toDecimal128(round(actuals.value, 6), 6) AS actual, toFloat64(actual) / nullIf(toFloat64(target), 0) AS attainment
FROM (SELECT month, metric, scope, value FROM targets FINAL) AS targets
LEFT ANY JOIN (
    SELECT month, metric, scope, sum(value) AS value
    FROM (
        SELECT
            toStartOfMonth(day) AS month, 'leads' AS metric,
            arrayJoin(['company', concat('campaign/', campaign_id), concat('rep/', owner_id), concat('team/', team)])
                AS scope,
            toDecimal256(1, 32) AS value
        FROM fact_leads
        UNION ALL
        SELECT
            toStartOfMonth(day), 'calls',
            arrayJoin(['company', concat('campaign/', campaign_id), concat('rep/', rep_id), concat('team/', team)]),
            toDecimal256(1, 32)
        FROM fact_calls
        UNION ALL
        -- owners have whole deals, campaigns the credits of the default model
        SELECT
            toStartOfMonth(day), measure.1,
            arrayJoin(['company', concat('rep/', owner_id), concat('team/', team)]), measure.2
        FROM base_opportunities
        ARRAY JOIN [('revenue', amount), ('won_deals', toDecimal256(opportunities, 32))] AS measure
        WHERE date_kind = 'closed' AND status = 'won'
        UNION ALL
        SELECT toStartOfMonth(day), measure.1, concat('campaign/', campaign_id), measure.2
        FROM base_revenue
        ARRAY JOIN [('revenue', revenue), ('won_deals', toDecimal256(deals, 32) / 1000000)] AS measure
        WHERE date_kind = 'closed' AND model = (SELECT attribution_model FROM base_settings))
    GROUP BY month, metric, scope) AS actuals
    ON actuals.month = targets.month AND actuals.metric = targets.metric AND actuals.scope = targets.scope
SETTINGS join_use_nulls = 0
