-- What the open opportunities may bring, by the month in which they are due, and which of them are past due.
--
-- due_month: first day of the month they are due in, NULL without a due date
-- owner_id: who has the opportunity
-- owner: the owner's name
-- team: the owner's team today
-- overdue: 1 when due before today
-- open: open opportunities
-- estimated_revenue: amounts, reporting currency
-- weighted_revenue: amounts by probability, reporting currency
-- unconverted: opportunities left out of the money for want of a rate
SELECT
    -- 2149-06-06 stands for no due date
    if(day = toDate('2149-06-06'), NULL, toStartOfMonth(day)) AS due_month, owner_id, owner, team_today AS team,
    day < assumeNotNull((SELECT today FROM base_settings)) AS overdue, sum(opportunities) AS open,
    toDecimal128(round(sum(amount), 4), 4) AS estimated_revenue,
    toDecimal128(round(sum(weighted), 4), 4) AS weighted_revenue,
    sum(base.unconverted) AS unconverted
FROM base_opportunities AS base
WHERE date_kind = 'due' AND status = 'open'
GROUP BY due_month, owner_id, owner, team_today, overdue
HAVING open != 0
