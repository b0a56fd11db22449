-- The leads as the reports count them: one row each, with the keys of the reports, and 1 or 0 for every measure.
--
-- record: the lead that stands for its group
-- entity: its key, lead:ID
-- day: local day of its creation
-- channel: of the lead
-- source: of the lead
-- medium: of the lead
-- campaign_id: resolved
-- campaign: its name, empty where unknown
-- lead_magnet: of the lead
-- owner_id: who has it
-- owner: the name, empty where unknown
-- team: the owner's team on that day
-- stage: its own stage now, verbatim
-- reached_stage: the highest funnel stage that it has reached
-- created_at: its creation
-- leads: 1
-- mofu: 1 if it reached MOFU
-- bofu: 1 if it reached BOFU
-- customers: 1 if it is a customer
-- converted: 1 if it is a customer with a known time to convert
SELECT
    lead_id AS record, concat('lead:', encodeURLComponent(lead_id)) AS entity, day, channel, source, medium,
    campaign_id, campaign, lead_magnet, owner_id, owner, team, stage, reached_stage, created_at,
    toUInt8(1) AS leads, reached_stage IN ('mofu', 'bofu', 'customer') AS mofu,
    reached_stage IN ('bofu', 'customer') AS bofu, reached_stage = 'customer' AS customers,
    isNotNull(seconds_to_convert) AS converted
FROM fact_leads
