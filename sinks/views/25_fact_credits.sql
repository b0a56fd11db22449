-- Who is credited with each won deal: one row per deal and touch, with what every attribution model gives it. A deal
-- without a known lead has one row, without a touch.
--
-- opportunity_id: the won deal
-- touch_id: the credited touch, empty for the creation of a lead
-- touch_lead_id: the lead that the touch was recorded for, empty for a deal without known lead
-- own: 1 for the creation of a lead
-- lead_id: the counted lead, empty without a known one
-- day: local day of the close
-- cohort_day: local day of the lead's creation, NULL without a known lead
-- channel: of the touch, or (unattributed)
-- source: of the touch, or (unattributed)
-- medium: of the touch, or (unattributed)
-- campaign_id: of the touch, resolved; without a known lead the deal's own, or (unattributed)
-- campaign: name of the campaign, empty where unknown
-- given_campaign_id: the campaign before aliases
-- lead_magnet: of the lead, or (unattributed)
-- currency: of revenue and cost
-- rate_day: day of their rate: the close; 1970-01-01 if none is needed
-- deals_first: share of the deal
-- revenue_first: share of its amount, in its currency
-- cost_first: share of its cost, in its currency
-- heads_first: 1 on the first touch that has a weight
-- deals_last: share of the deal
-- revenue_last: share of its amount, in its currency
-- cost_last: share of its cost, in its currency
-- heads_last: 1 on the first touch that has a weight
-- deals_linear: share of the deal
-- revenue_linear: share of its amount, in its currency
-- cost_linear: share of its cost, in its currency
-- heads_linear: 1 on the first touch that has a weight
-- deals_position: share of the deal
-- revenue_position: share of its amount, in its currency
-- cost_position: share of its cost, in its currency
-- heads_position: 1 on the first touch that has a weight
-- deals_time_decay: share of the deal
-- revenue_time_decay: share of its amount, in its currency
-- cost_time_decay: share of its cost, in its currency
-- heads_time_decay: 1 on the first touch that has a weight
-- deals_w_shaped: share of the deal
-- revenue_w_shaped: share of its amount, in its currency
-- cost_w_shaped: share of its cost, in its currency
-- heads_w_shaped: 1 on the first touch that has a weight
-- root: the entity whose node counts it, and holds the documents that it is read from
SELECT
    c.opportunity_id AS opportunity_id, c.touch_id AS touch_id, c.touch_lead_id AS touch_lead_id, c.own AS own,
    c.lead_id AS lead_id, c.day AS day, c.cohort_day AS cohort_day, c.channel AS channel, c.source AS source,
    c.medium AS medium, if(found.campaign_id = '', c.campaign_id, found.campaign_id) AS campaign_id,
    found.campaign AS campaign, c.campaign_id AS given_campaign_id, c.lead_magnet AS lead_magnet,
    c.currency AS currency, c.rate_day AS rate_day,
    toDecimal128(c.deals_first, 6) / 1000000 AS deals_first,
    toDecimal128(c.revenue_first, 4) / 10000 AS revenue_first,
    toDecimal128(c.cost_first, 4) / 10000 AS cost_first, c.heads_first AS heads_first,
    toDecimal128(c.deals_last, 6) / 1000000 AS deals_last,
    toDecimal128(c.revenue_last, 4) / 10000 AS revenue_last,
    toDecimal128(c.cost_last, 4) / 10000 AS cost_last, c.heads_last AS heads_last,
    toDecimal128(c.deals_linear, 6) / 1000000 AS deals_linear,
    toDecimal128(c.revenue_linear, 4) / 10000 AS revenue_linear,
    toDecimal128(c.cost_linear, 4) / 10000 AS cost_linear, c.heads_linear AS heads_linear,
    toDecimal128(c.deals_position, 6) / 1000000 AS deals_position,
    toDecimal128(c.revenue_position, 4) / 10000 AS revenue_position,
    toDecimal128(c.cost_position, 4) / 10000 AS cost_position, c.heads_position AS heads_position,
    toDecimal128(c.deals_time_decay, 6) / 1000000 AS deals_time_decay,
    toDecimal128(c.revenue_time_decay, 4) / 10000 AS revenue_time_decay,
    toDecimal128(c.cost_time_decay, 4) / 10000 AS cost_time_decay, c.heads_time_decay AS heads_time_decay,
    toDecimal128(c.deals_w_shaped, 6) / 1000000 AS deals_w_shaped,
    toDecimal128(c.revenue_w_shaped, 4) / 10000 AS revenue_w_shaped,
    toDecimal128(c.cost_w_shaped, 4) / 10000 AS cost_w_shaped, c.heads_w_shaped AS heads_w_shaped, root
FROM (
    SELECT root, c, arraySort(k -> (k.campaign_id != c.campaign_id, k.campaign_id), keys.candidates)[1] AS found
    FROM (SELECT entity AS root, c FROM nodes FINAL ARRAY JOIN credits AS c) AS records
    LEFT ANY JOIN base_campaign_keys AS keys ON keys.key = lowerUTF8(trimBoth(c.campaign_id, ' \t\r\n\f\v')))
SETTINGS join_use_nulls = 0
