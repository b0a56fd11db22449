-- What opportunities were generated, by whom, what they are worth, and how they ended.
--
-- day: day of the opportunity's creation
-- owner_id: who has the opportunity
-- owner: the owner's name
-- team: the owner's team on that day
-- opportunities: count
-- estimated_revenue: amounts whatever the status, reporting currency
-- weighted_revenue: amounts by probability, reporting currency
-- open: open ones
-- won: won ones
-- lost: lost ones
-- won_revenue: amounts of won ones, reporting currency
-- lost_revenue: amounts of lost ones, reporting currency
-- win_rate: won / (won + lost)
-- win_rate_by_amount: won_revenue / (won_revenue + lost_revenue)
-- unconverted: opportunities left out of the money for want of a rate
SELECT
    $day, owner_id, owner, team, opportunities, estimated_revenue, weighted_revenue, open, won, lost,
    won_revenue, lost_revenue,
    won / nullIf(won + lost, 0) AS win_rate,
    toFloat64(won_revenue) / nullIf(toFloat64(won_revenue + lost_revenue), 0) AS win_rate_by_amount,
    unconverted
FROM (
    SELECT
        $select_day, owner_id, owner, team, sum(base.opportunities) AS opportunities,
        toDecimal128(round(sum(amount), 4), 4) AS estimated_revenue,
        toDecimal128(round(sum(weighted), 4), 4) AS weighted_revenue,
        sumIf(base.opportunities, status = 'open') AS open,
        sumIf(base.opportunities, status = 'won') AS won,
        sumIf(base.opportunities, status = 'lost') AS lost,
        toDecimal128(round(sumIf(amount, status = 'won'), 4), 4) AS won_revenue,
        toDecimal128(round(sumIf(amount, status = 'lost'), 4), 4) AS lost_revenue,
        sum(unconverted) AS unconverted
    FROM base_opportunities AS base
    WHERE date_kind = 'created'
    GROUP BY $day, owner_id, owner, team
    HAVING opportunities != 0)
