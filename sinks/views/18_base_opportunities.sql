-- Opportunities by date_kind: the visible generation of roll_opportunities, owners' names and teams joined, money
-- converted. Every opportunity is once in `created`, once in `due`, and once in `closed` when it is won or lost.
--
-- date_kind: created, due or closed
-- day: see date_kind; 2149-06-06 for no due date
-- owner_id: who has it
-- owner: the name
-- team: the owner's team on that day
-- team_today: the owner's team on the local day now
-- stage: verbatim
-- status: open, won or lost
-- opportunities: count
-- amount: reporting currency, unrounded
-- weighted: amount by probability, reporting currency, unrounded
-- unconverted: opportunities without a rate
SELECT
    date_kind, day, owner_id, reps.rep AS owner, arrayLast(t -> t.since <= day, reps.teams).team AS team,
    reps.team_today AS team_today, stage, status, opportunities,
    toDecimal256(amount_units, 4) / 10000 * rate.factor AS amount,
    toDecimal256(weighted_units, 4) / 10000 * rate.factor AS weighted,
    if(rate.known, 0, opportunities) AS unconverted
FROM roll_opportunities AS roll FINAL
LEFT ANY JOIN base_reps AS reps ON reps.rep_id = roll.owner_id
ASOF LEFT JOIN base_rates AS rate ON rate.currency = roll.currency AND roll.rate_day >= rate.since
WHERE (shard, epoch) IN (SELECT shard, epoch FROM base_generations)
SETTINGS join_use_nulls = 0
