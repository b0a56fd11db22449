-- The opportunities as the reports count them: one row each, with the keys of the reports, money converted.
--
-- record: the opportunity
-- entity: its key, opportunity:ID
-- lead_id: the counted lead that it belongs to, empty without a known one
-- owner_id: who has it
-- owner: the name, empty where unknown
-- team: the owner's team today
-- created_team: the owner's team on created_day
-- closed_team: the owner's team on closed_day, empty if open
-- account_id: its own account, else its lead's, else (none)
-- stage: verbatim
-- status: open, won or lost
-- created_day: local day of its creation
-- closed_day: local day of its close, NULL if open
-- due_date: NULL without one
-- due_month: first day of its month, NULL without a due date
-- overdue: 1 if open and due before today
-- amount: in its currency
-- currency: of the amount
-- opportunities: 1
-- open: 1 if open
-- won: 1 if won
-- lost: 1 if lost
-- estimated_revenue: the amount, reporting currency
-- weighted_revenue: the amount by probability, reporting currency
-- won_revenue: the amount if won, reporting currency
-- lost_revenue: the amount if lost, reporting currency
-- unconverted: 1 if there is no rate for its currency
SELECT
    opportunity_id AS record, concat('opportunity:', encodeURLComponent(opportunity_id)) AS entity, lead_id,
    owner_id, owner, team, created_team, closed_team, account_id, stage, status, created_day, closed_day, due_date,
    due_month, overdue, amount, facts.currency AS currency,
    toUInt8(1) AS opportunities, status = 'open' AS open, status = 'won' AS won, status = 'lost' AS lost,
    toDecimal128(round(toDecimal256(amount, 4) * rate.factor, 6), 6) AS estimated_revenue,
    toDecimal128(round(toDecimal256(weighted_amount, 4) * rate.factor, 6), 6) AS weighted_revenue,
    if(status = 'won', estimated_revenue, 0) AS won_revenue,
    if(status = 'lost', estimated_revenue, 0) AS lost_revenue, NOT rate.known AS unconverted
FROM fact_opportunities AS facts
ASOF LEFT JOIN base_rates AS rate ON rate.currency = facts.currency AND facts.rate_day >= rate.since
SETTINGS join_use_nulls = 0
