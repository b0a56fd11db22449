-- The credits of won deals as the reports count them: one row per deal and touch, with the keys of the reports, and what
-- each attribution model gives the touch, money converted.
--
-- record: deal, lead and touch: OPPORTUNITY/LEAD/TOUCH, percent-encoded; the touch is empty for the creation of a lead
-- entity: key of the deal, opportunity:ID
-- opportunity_id: the deal
-- touch_id: the credited touch, empty for the creation of a lead
-- lead_id: the counted lead, empty without a known one
-- day: local day of the close
-- cohort_day: local day of the lead's creation, NULL without a known lead
-- channel: of the touch, or (unattributed)
-- source: of the touch, or (unattributed)
-- medium: of the touch, or (unattributed)
-- campaign_id: of the touch, resolved; without a known lead the deal's own, or (unattributed)
-- campaign: its name, empty where unknown
-- lead_magnet: of the lead, or (unattributed)
-- currency: of the deal
-- deals_first: share of the deal, by model first
-- revenue_first: share of its amount, reporting currency
-- cost_first: share of its cost, reporting currency
-- unconverted_first: 1 on the first touch with a weight, if there is no rate
-- deals_last: share of the deal, by model last
-- revenue_last: share of its amount, reporting currency
-- cost_last: share of its cost, reporting currency
-- unconverted_last: 1 on the first touch with a weight, if there is no rate
-- deals_linear: share of the deal, by model linear
-- revenue_linear: share of its amount, reporting currency
-- cost_linear: share of its cost, reporting currency
-- unconverted_linear: 1 on the first touch with a weight, if there is no rate
-- deals_position: share of the deal, by model position
-- revenue_position: share of its amount, reporting currency
-- cost_position: share of its cost, reporting currency
-- unconverted_position: 1 on the first touch with a weight, if there is no rate
-- deals_time_decay: share of the deal, by model time_decay
-- revenue_time_decay: share of its amount, reporting currency
-- cost_time_decay: share of its cost, reporting currency
-- unconverted_time_decay: 1 on the first touch with a weight, if there is no rate
-- deals_w_shaped: share of the deal, by model w_shaped
-- revenue_w_shaped: share of its amount, reporting currency
-- cost_w_shaped: share of its cost, reporting currency
-- unconverted_w_shaped: 1 on the first touch with a weight, if there is no rate
SELECT
    concat_ws('/', encodeURLComponent(opportunity_id), encodeURLComponent(touch_lead_id), encodeURLComponent(touch_id))
        AS record,
    concat('opportunity:', encodeURLComponent(opportunity_id)) AS entity, opportunity_id, touch_id, lead_id, day,
    cohort_day, channel, source, medium, campaign_id, campaign, lead_magnet, facts.currency AS currency,
    facts.deals_first AS deals_first,
    toDecimal128(round(toDecimal256(facts.revenue_first, 4) * rate.factor, 6), 6) AS revenue_first,
    toDecimal128(round(toDecimal256(facts.cost_first, 4) * rate.factor, 6), 6) AS cost_first,
    facts.heads_first AND NOT rate.known AS unconverted_first,
    facts.deals_last AS deals_last,
    toDecimal128(round(toDecimal256(facts.revenue_last, 4) * rate.factor, 6), 6) AS revenue_last,
    toDecimal128(round(toDecimal256(facts.cost_last, 4) * rate.factor, 6), 6) AS cost_last,
    facts.heads_last AND NOT rate.known AS unconverted_last,
    facts.deals_linear AS deals_linear,
    toDecimal128(round(toDecimal256(facts.revenue_linear, 4) * rate.factor, 6), 6) AS revenue_linear,
    toDecimal128(round(toDecimal256(facts.cost_linear, 4) * rate.factor, 6), 6) AS cost_linear,
    facts.heads_linear AND NOT rate.known AS unconverted_linear,
    facts.deals_position AS deals_position,
    toDecimal128(round(toDecimal256(facts.revenue_position, 4) * rate.factor, 6), 6) AS revenue_position,
    toDecimal128(round(toDecimal256(facts.cost_position, 4) * rate.factor, 6), 6) AS cost_position,
    facts.heads_position AND NOT rate.known AS unconverted_position,
    facts.deals_time_decay AS deals_time_decay,
    toDecimal128(round(toDecimal256(facts.revenue_time_decay, 4) * rate.factor, 6), 6) AS revenue_time_decay,
    toDecimal128(round(toDecimal256(facts.cost_time_decay, 4) * rate.factor, 6), 6) AS cost_time_decay,
    facts.heads_time_decay AND NOT rate.known AS unconverted_time_decay,
    facts.deals_w_shaped AS deals_w_shaped,
    toDecimal128(round(toDecimal256(facts.revenue_w_shaped, 4) * rate.factor, 6), 6) AS revenue_w_shaped,
    toDecimal128(round(toDecimal256(facts.cost_w_shaped, 4) * rate.factor, 6), 6) AS cost_w_shaped,
    facts.heads_w_shaped AND NOT rate.known AS unconverted_w_shaped
FROM fact_credits AS facts
ASOF LEFT JOIN base_rates AS rate ON rate.currency = facts.currency AND facts.rate_day >= rate.since
SETTINGS join_use_nulls = 0
