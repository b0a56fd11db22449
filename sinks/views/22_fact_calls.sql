-- The calls.
--
-- call_id: its id
-- rep_id: who called
-- rep: the name, empty where unknown
-- team: the rep's team on the day of the call
-- direction: inbound, outbound or (none)
-- status: answered, missed, busy, failed, voicemail, or empty
-- answered: 1 if answered; every other call counts as missed
-- started_at: its start
-- day: local day of it
-- talk_seconds: as given; the reports count those of answered calls
-- lead_id: the counted lead that it belongs to, empty without a known one
-- given_lead_id: the lead as given, else empty
-- opportunity_id: the opportunity as given, else empty
-- campaign_id: of its lead, resolved; (none) without a known lead
-- campaign: name of it, empty where unknown
-- advanced_to: the stage that the call says it led to, verbatim; empty if it does not say
-- advanced_stage: the same, mapped
-- advanced_mofu: 1 if it advanced its lead to MOFU
-- advanced_bofu: 1 if it advanced its lead to BOFU
-- root: the entity whose node counts it, and holds the documents that it is read from
SELECT
    c.call_id AS call_id, c.rep_id AS rep_id, reps.rep AS rep,
    arrayLast(t -> t.since <= c.day, reps.teams).team AS team, c.direction AS direction, c.status AS status,
    c.status = 'answered' AS answered, fromUnixTimestamp64Micro(c.started_us, 'UTC') AS started_at, c.day AS day,
    c.talk_seconds AS talk_seconds, c.lead_id AS lead_id, c.given_lead_id AS given_lead_id,
    c.opportunity_id AS opportunity_id,
    if(found.campaign_id = '', given_campaign_id, found.campaign_id) AS campaign_id, found.campaign AS campaign,
    c.advanced_to AS advanced_to, c.advanced_stage AS advanced_stage, c.advanced_mofu AS advanced_mofu,
    c.advanced_bofu AS advanced_bofu, calls.root AS root
FROM (
    SELECT
        root, c, c.rep_id AS rep_id, given_campaign_id,
        arraySort(k -> (k.campaign_id != given_campaign_id, k.campaign_id), keys.candidates)[1] AS found
    FROM (
        SELECT
            entity AS root, c, arrayFirst(l -> l.lead_id = c.lead_id, leads).campaign_id AS lead_campaign_id,
            if(lead_campaign_id = '', '(none)', lead_campaign_id) AS given_campaign_id
        FROM nodes FINAL
        ARRAY JOIN calls AS c) AS records
    LEFT ANY JOIN base_campaign_keys AS keys
        ON keys.key = lowerUTF8(trimBoth(given_campaign_id, ' \t\r\n\f\v'))) AS calls
LEFT ANY JOIN base_reps AS reps ON reps.rep_id = calls.rep_id
SETTINGS join_use_nulls = 0
