-- Leads by the day of their creation: the visible generation of roll_leads, campaigns resolved. A report sums.
--
-- day: day of creation
-- channel: of the lead
-- source: of the lead
-- medium: of the lead
-- campaign_id: resolved
-- campaign: its name
-- campaign_group: its group
-- lead_magnet: of the lead
-- leads: count
-- mofu: leads that reached MOFU
-- bofu: leads that reached BOFU
-- customers: leads that became customers, by a deal won now or by their own stage
-- converted: customers whose first deal won now closed at or after their creation
-- seconds_to_convert: sum over the converted
-- hours_to_convert: whole hours -> how many of the converted
SELECT
    day, channel, source, medium,
    if(found.campaign_id = '', given, found.campaign_id) AS campaign_id, found.campaign AS campaign,
    found.campaign_group AS campaign_group, lead_magnet,
    leads, mofu, bofu, customers, converted, seconds_to_convert, hours_to_convert
FROM (
    SELECT
        day, channel, source, medium, lead_magnet, roll.campaign_id AS given,
        arraySort(c -> (c.campaign_id != given, c.campaign_id), keys.candidates)[1] AS found,
        leads, reached_mofu AS mofu, reached_bofu AS bofu, customers, converted, seconds_to_convert, hours_to_convert
    FROM roll_leads AS roll FINAL
    LEFT ANY JOIN base_campaign_keys AS keys
        ON keys.key = lowerUTF8(trimBoth(roll.campaign_id, ' \t\r\n\f\v'))
    WHERE (shard, epoch) IN (SELECT shard, epoch FROM base_generations))
SETTINGS join_use_nulls = 0
