-- Which calls advanced their lead, computed anew for the audit: a call that says so, for exactly the stage that it
-- names; else the last answered call that says nothing within the window before the lead rose to the stage, unless
-- a call within that window says this stage itself.
--
-- shard: shard of the node
-- entity: the node
-- call_id: the call
-- day: local day of its start
-- rep_id: as stored
-- direction: as stored
-- answered: 1 if answered
-- talk_seconds: as stored
-- advanced_mofu: how often it advanced its lead to MOFU, 0 or 1
-- advanced_bofu: the same of BOFU
WITH (SELECT toInt64(call_credit_hours) * 3600000000 FROM view_settings FINAL) AS window_us
SELECT
    shard, entity, call.call_id AS call_id, call.day AS day, call.rep_id AS rep_id, call.direction AS direction,
    call.status = 'answered' AS answered, call.talk_seconds AS talk_seconds,
    (call.advanced_stage = 'mofu') + (call.call_id = credited_mofu) AS advanced_mofu,
    (call.advanced_stage = 'bofu') + (call.call_id = credited_bofu) AS advanced_bofu
FROM (
    SELECT
        shard, entity, calls,
        arrayFilter(c -> c.started_us <= mofu_us AND mofu_us <= c.started_us + window_us, of_lead) AS near_mofu,
        arrayFilter(c -> c.started_us <= bofu_us AND bofu_us <= c.started_us + window_us, of_lead) AS near_bofu,
        -- '' is no call's id
        if(
            arrayExists(c -> c.advanced_stage = 'mofu', near_mofu), '',
            arrayFilter(c -> c.status = 'answered' AND c.advanced_to = '', near_mofu)[-1].call_id) AS credited_mofu,
        if(
            arrayExists(c -> c.advanced_stage = 'bofu', near_bofu), '',
            arrayFilter(c -> c.status = 'answered' AND c.advanced_to = '', near_bofu)[-1].call_id) AS credited_bofu
    FROM (
        SELECT
            shard, entity, calls,
            arraySort(
                c -> (c.started_us, c.call_id),
                arrayFilter(c -> c.lead_id != '' AND c.lead_id = reached.lead_id, calls)) AS of_lead,
            reached.mofu_us AS mofu_us, reached.bofu_us AS bofu_us
        FROM (SELECT shard, entity, calls FROM nodes FINAL WHERE notEmpty(calls)) AS node
        LEFT JOIN recomputed_leads AS reached USING (shard, entity)
    )
)
ARRAY JOIN calls AS call
SETTINGS join_use_nulls = 1
