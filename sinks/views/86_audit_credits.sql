-- Where the credits that the nodes hold (what fact_credits shows) differ from credits computed anew: one row per
-- deal, touch, model and measure; empty when all is right.
--
-- key: deal, touch and what the credit is filed under, a JSON object
-- measure: its measure, with its attribution model; deals in units of 1e-6, revenue and cost of 1e-4
-- rolled: what the nodes hold
-- recomputed: what touches and deals say
SELECT
    formatRowNoNewline(
        'JSONEachRow', opportunity_id, touch_id, touch_lead_id, own, lead_id, day, cohort_day, channel, source, medium,
        campaign_id, lead_magnet, currency, rate_day) AS key,
    concat(difference.1, '_', model) AS measure, toString(difference.2) AS rolled,
    toString(difference.3) AS recomputed
FROM (
    SELECT
        opportunity_id, touch_id, touch_lead_id, own, lead_id, day, cohort_day, channel, source, medium, campaign_id,
        lead_magnet, currency, rate_day, model,
        sumForEachIf(measures, side = 'rolled') AS rolled_measures,
        sumForEachIf(measures, side = 'recomputed') AS recomputed_measures
    FROM (
        SELECT
            'rolled' AS side, c.opportunity_id AS opportunity_id, c.touch_id AS touch_id,
            c.touch_lead_id AS touch_lead_id, c.own AS own, c.lead_id AS lead_id, c.day AS day,
            c.cohort_day AS cohort_day, c.channel AS channel, c.source AS source, c.medium AS medium,
            c.campaign_id AS campaign_id, c.lead_magnet AS lead_magnet, c.currency AS currency,
            c.rate_day AS rate_day, credit.1 AS model, credit.2 AS measures
        FROM (SELECT arrayJoin(credits) AS c FROM nodes FINAL)
        ARRAY JOIN [
            ('first', [toInt128(c.deals_first), c.revenue_first, c.cost_first, c.heads_first]),
            ('last', [toInt128(c.deals_last), c.revenue_last, c.cost_last, c.heads_last]),
            ('linear', [toInt128(c.deals_linear), c.revenue_linear, c.cost_linear, c.heads_linear]),
            ('position', [toInt128(c.deals_position), c.revenue_position, c.cost_position, c.heads_position]),
            ('time_decay', [
                toInt128(c.deals_time_decay), c.revenue_time_decay, c.cost_time_decay, c.heads_time_decay]),
            ('w_shaped', [toInt128(c.deals_w_shaped), c.revenue_w_shaped, c.cost_w_shaped, c.heads_w_shaped])
        ] AS credit
        UNION ALL
        SELECT
            'recomputed', opportunity_id, touch_id, touch_lead_id, own, lead_id, day, cohort_day, channel, source,
            medium, campaign_id, lead_magnet, currency, rate_day, model, [toInt128(deals), revenue, cost, heads]
        FROM recomputed_credits
    )
    GROUP BY
        opportunity_id, touch_id, touch_lead_id, own, lead_id, day, cohort_day, channel, source, medium, campaign_id,
        lead_magnet, currency, rate_day, model
)
ARRAY JOIN arrayFilter(
    d -> d.2 != d.3,
    arrayMap(
        (name, i) -> (name, rolled_measures[i], recomputed_measures[i]),
        ['deals', 'revenue', 'cost', 'heads'], range(1, 5))) AS difference
