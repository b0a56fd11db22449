-- The opportunities as of now: who has how many in which stage and status, and what they are worth.
--
-- owner_id: who has the opportunity
-- owner: the owner's name
-- team: the owner's team today
-- stage: the CRM's own name of the stage
-- status: open, won or lost
-- opportunities: count
-- estimated_revenue: amounts, reporting currency
-- weighted_revenue: amounts by probability, reporting currency
-- unconverted: opportunities left out of the money for want of a rate
SELECT
    owner_id, owner, team_today AS team, stage, status, sum(base.opportunities) AS opportunities,
    toDecimal128(round(sum(amount), 4), 4) AS estimated_revenue,
    toDecimal128(round(sum(weighted), 4), 4) AS weighted_revenue,
    sum(base.unconverted) AS unconverted
FROM base_opportunities AS base
WHERE date_kind = 'created'
GROUP BY owner_id, owner, team_today, stage, status
HAVING opportunities != 0
