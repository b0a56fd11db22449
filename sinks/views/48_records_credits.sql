-- base_revenue, record by record: what each touch is credited of each won deal, by every model, on the day of the close
-- and on the day the lead was created.
--
-- root: the entity whose node counts it
-- opportunity_id: the won deal
-- touch_id: the credited touch, empty for the creation of a lead
-- touch_lead_id: the lead that the touch was recorded for, empty for a deal without known lead
-- lead_id: the counted lead, empty without a known one
-- date_kind: closed (day is the close) or cohort (day is the lead's creation)
-- day: see date_kind
-- model: attribution model
-- channel: of the touch
-- source: of the touch
-- medium: of the touch
-- campaign_id: of the touch, resolved
-- campaign: its name
-- campaign_group: its group
-- given_campaign_id: before aliases
-- lead_magnet: of the lead
-- currency: of the deal
-- rate_day: day of the rate
-- rate: units of the reporting currency, 0 without one
-- rate_since: first day on which this rate is in force
-- credited_amount: share of the amount, in its currency
-- credited_cost: share of the cost, in its currency
-- deals: share of the deal
-- converted_deals: the same, 0 without a rate
-- revenue: share of the amount, reporting currency, unrounded
-- cost: share of the cost, reporting currency, unrounded
-- unconverted: 1 on the first credited touch of a deal without a rate
SELECT
    root, opportunity_id, touch_id, touch_lead_id, lead_id, dated.1 AS date_kind, assumeNotNull(dated.2) AS day,
    credit.model AS model, channel, source, medium, campaign_id, campaign, campaign_group, given_campaign_id,
    lead_magnet, currency, rate_day, factor AS rate, rate_since, credit.revenue AS credited_amount,
    credit.cost AS credited_cost, credit.deals AS deals, if(has_rate, credit.deals, 0) AS converted_deals,
    toDecimal256(credit.revenue, 4) * factor AS revenue, toDecimal256(credit.cost, 4) * factor AS cost,
    if(has_rate, 0, credit.heads) AS unconverted
FROM (
    SELECT
        root, opportunity_id, touch_id, touch_lead_id, lead_id, channel, source, medium,
        records.campaign_id AS campaign_id, records.campaign AS campaign,
        campaigns.campaign_group AS campaign_group, given_campaign_id, lead_magnet, records.currency AS currency,
        rate_day, rate.factor AS factor, rate.since AS rate_since, rate.known AS has_rate,
        arrayJoin(arrayFilter(d -> isNotNull(d.2), [('closed', toNullable(records.day)), ('cohort', cohort_day)]))
            AS dated,
        CAST([
            ('first', deals_first, revenue_first, cost_first, heads_first),
            ('last', deals_last, revenue_last, cost_last, heads_last),
            ('linear', deals_linear, revenue_linear, cost_linear, heads_linear),
            ('position', deals_position, revenue_position, cost_position, heads_position),
            ('time_decay', deals_time_decay, revenue_time_decay, cost_time_decay, heads_time_decay),
            ('w_shaped', deals_w_shaped, revenue_w_shaped, cost_w_shaped, heads_w_shaped)]
            AS Array(Tuple(
                model LowCardinality(String), deals Decimal(38, 6), revenue Decimal(38, 4), cost Decimal(38, 4),
                heads Int64)))
            AS credits
    FROM fact_credits AS records
    LEFT ANY JOIN base_campaigns AS campaigns ON campaigns.campaign_id = records.campaign_id
    ASOF LEFT JOIN base_rates AS rate ON rate.currency = records.currency AND records.rate_day >= rate.since)
ARRAY JOIN credits AS credit
WHERE credit.deals != 0 OR credit.revenue != 0 OR credit.cost != 0 OR credit.heads != 0
SETTINGS join_use_nulls = 0
