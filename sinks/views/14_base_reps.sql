-- The reps, who are the owners too, as they are now. The team on a day:
-- `arrayLast(t -> t.since <= day, teams).team`, empty where there is none.
--
-- rep_id: the id
-- rep: the name
-- teams: since (Date), team; by day
-- team_today: the team on the local day now
SELECT
    rep_id, name AS rep, arraySort(reps.teams) AS teams,
    arrayLast(t -> t.since <= assumeNotNull((SELECT today FROM base_settings)), arraySort(reps.teams)).team AS team_today
FROM reps FINAL
