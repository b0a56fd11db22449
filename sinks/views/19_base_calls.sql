-- Calls by the day they started: the visible generation of roll_calls, names and teams joined.
--
-- day: day of the start
-- rep_id: who called
-- rep: the name
-- team: the rep's team on that day
-- direction: inbound, outbound or (none)
-- calls: count
-- answered: count
-- missed: calls that were not answered
-- talk_seconds: sum over answered calls
-- talk: whole talk seconds -> how many answered calls
-- advanced_mofu: leads advanced to MOFU
-- advanced_bofu: leads advanced to BOFU
SELECT
    day, rep_id, reps.rep AS rep, arrayLast(t -> t.since <= day, reps.teams).team AS team, direction,
    calls, answered, missed, talk_seconds, talk, advanced_mofu, advanced_bofu
FROM roll_calls AS roll FINAL
LEFT ANY JOIN base_reps AS reps ON reps.rep_id = roll.rep_id
WHERE (shard, epoch) IN (SELECT shard, epoch FROM base_generations)
SETTINGS join_use_nulls = 0
