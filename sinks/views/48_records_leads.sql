-- base_leads, record by record: what each counted lead adds to the reports.
--
-- root: the entity whose node counts it
-- lead_id: the lead
-- day: day of creation
-- channel: of the lead
-- source: of the lead
-- medium: of the lead
-- campaign_id: resolved
-- campaign: its name
-- campaign_group: its group
-- given_campaign_id: before aliases
-- lead_magnet: of the lead
-- reached_stage: the highest funnel stage that the group has reached
-- leads: always 1
-- mofu: 1 if it reached MOFU
-- bofu: 1 if it reached BOFU
-- customers: 1 with a deal won now
-- converted: 1 for a customer whose time to convert is not negative
-- seconds_to_convert: that time, else 0
-- owner_id: who has it
-- team: the owner's team on that day
SELECT
    root, lead_id, day, channel, source, medium, records.campaign_id AS campaign_id, records.campaign AS campaign,
    campaigns.campaign_group AS campaign_group, given_campaign_id, lead_magnet, reached_stage, 1 AS leads,
    reached_stage != 'tofu' AS mofu, reached_stage IN ('bofu', 'customer') AS bofu,
    reached_stage = 'customer' AS customers, isNotNull(records.seconds_to_convert) AS converted,
    ifNull(records.seconds_to_convert, 0) AS seconds_to_convert, owner_id, team
FROM fact_leads AS records
LEFT ANY JOIN base_campaigns AS campaigns ON campaigns.campaign_id = records.campaign_id
SETTINGS join_use_nulls = 0
