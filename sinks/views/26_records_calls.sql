-- The calls as the call report counts them: one row each, with its keys and measures.
--
-- record: the call
-- entity: its key, call:ID
-- day: local day of its start
-- rep_id: who called
-- rep: the name, empty where unknown
-- team: the rep's team on that day
-- direction: inbound, outbound or (none)
-- status: answered, missed, busy, failed, voicemail, or empty
-- lead_id: the counted lead that it belongs to, empty without a known one
-- started_at: its start
-- calls: 1
-- answered: 1 if answered
-- missed: 1 if not
-- talk_seconds: if answered, else 0
-- advanced_mofu: 1 if it advanced its lead to MOFU
-- advanced_bofu: 1 if it advanced its lead to BOFU
SELECT
    call_id AS record, concat('call:', encodeURLComponent(call_id)) AS entity, day, rep_id, rep, team, direction, status,
    lead_id, started_at, toUInt8(1) AS calls, fact_calls.answered AS answered, NOT fact_calls.answered AS missed,
    if(fact_calls.answered, fact_calls.talk_seconds, 0) AS talk_seconds, advanced_mofu, advanced_bofu
FROM fact_calls
