-- Won deals credited to touches, a row per attribution model: the visible generation of roll_revenue, campaigns
-- resolved, money converted. A report picks date_kind and model, and sums.
--
-- date_kind: closed (day is the close) or cohort (day is the lead's creation)
-- day: see date_kind
-- model: attribution model
-- channel: of the touch
-- source: of the touch
-- medium: of the touch
-- campaign_id: of the touch, resolved
-- campaign: its name
-- campaign_group: its group
-- lead_magnet: of the lead
-- deals: units of 1e-6
-- converted_deals: those of them that have a rate, units of 1e-6
-- revenue: reporting currency, unrounded
-- cost: reporting currency, unrounded
-- unconverted: deals without a rate whose first credited touch is of this row
SELECT
    date_kind, day, credit.model AS model, channel, source, medium,
    if(found.campaign_id = '', given, found.campaign_id) AS campaign_id, found.campaign AS campaign,
    found.campaign_group AS campaign_group, lead_magnet,
    credit.deals AS deals, if(has_rate, credit.deals, 0) AS converted_deals,
    toDecimal256(credit.revenue, 4) / 10000 * factor AS revenue,
    toDecimal256(credit.cost, 4) / 10000 * factor AS cost,
    if(has_rate, 0, credit.heads) AS unconverted
FROM (
    SELECT
        date_kind, day, channel, source, medium, lead_magnet, roll.campaign_id AS given,
        arraySort(c -> (c.campaign_id != given, c.campaign_id), keys.candidates)[1] AS found,
        rate.factor AS factor, rate.known AS has_rate,
        CAST([
            ('first', deals_first, revenue_first, cost_first, heads_first),
            ('last', deals_last, revenue_last, cost_last, heads_last),
            ('linear', deals_linear, revenue_linear, cost_linear, heads_linear),
            ('position', deals_position, revenue_position, cost_position, heads_position),
            ('time_decay', deals_time_decay, revenue_time_decay, cost_time_decay, heads_time_decay),
            ('w_shaped', deals_w_shaped, revenue_w_shaped, cost_w_shaped, heads_w_shaped)]
            AS Array(Tuple(model LowCardinality(String), deals Int64, revenue Int128, cost Int128, heads Int64)))
            AS credits
    FROM roll_revenue AS roll FINAL
    LEFT ANY JOIN base_campaign_keys AS keys
        ON keys.key = lowerUTF8(trimBoth(roll.campaign_id, ' \t\r\n\f\v'))
    ASOF LEFT JOIN base_rates AS rate ON rate.currency = roll.currency AND roll.rate_day >= rate.since
    WHERE (shard, epoch) IN (SELECT shard, epoch FROM base_generations))
ARRAY JOIN credits AS credit
WHERE credit.deals != 0 OR credit.revenue != 0 OR credit.cost != 0 OR credit.heads != 0
SETTINGS join_use_nulls = 0
