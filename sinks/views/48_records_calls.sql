-- base_calls, record by record.
--
-- root: the entity whose node counts it
-- call_id: the call
-- lead_id: the counted lead that it belongs to, empty without a known one
-- opportunity_id: as given, else empty
-- day: day of the start
-- rep_id: who called
-- rep: the name
-- team: the rep's team on that day
-- direction: inbound, outbound or (none)
-- campaign_id: of its lead, resolved
-- calls: always 1
-- answered: 1 if answered
-- missed: 1 if not
-- talk_seconds: of an answered call, else 0
-- advanced_mofu: 1 if it advanced its lead to MOFU
-- advanced_bofu: 1 if it advanced its lead to BOFU
SELECT
    root, call_id, lead_id, opportunity_id, day, rep_id, rep, team, direction, campaign_id, 1 AS calls, answered,
    NOT answered AS missed, if(answered, records.talk_seconds, 0) AS talk_seconds, advanced_mofu, advanced_bofu
FROM fact_calls AS records
