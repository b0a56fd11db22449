-- The touches: recorded ones, and the creation of every lead.
--
-- touch_id: its id, empty for a creation
-- lead_id: the lead that it was recorded for, or whose creation it is
-- own: 1 for a creation
-- counted_lead_id: the counted lead that it belongs to, empty without a known one
-- at: when
-- day: local day of it
-- channel: of the touch
-- source: of the touch
-- medium: of the touch
-- campaign_id: resolved
-- campaign: name of the campaign, empty where unknown
-- given_campaign_id: the campaign before aliases: as given, else the UTM campaign, else (none)
-- given_channel: the channel as given, else empty
-- utm_source: raw
-- utm_medium: raw
-- utm_campaign: raw
-- utm_term: raw
-- utm_content: raw
-- gclid: raw
-- msclkid: raw
-- fbclid: raw
-- referrer: its host
-- has_utm: 1 if any UTM was given
-- root: the entity whose node counts it, and holds the documents that it is read from
SELECT
    t.touch_id AS touch_id, t.lead_id AS lead_id, t.own AS own, t.counted_lead_id AS counted_lead_id,
    fromUnixTimestamp64Micro(t.at_us, 'UTC') AS at, t.day AS day, t.channel AS channel, t.source AS source,
    t.medium AS medium, if(found.campaign_id = '', t.campaign_id, found.campaign_id) AS campaign_id,
    found.campaign AS campaign, t.campaign_id AS given_campaign_id, t.given_channel AS given_channel,
    t.utm_source AS utm_source, t.utm_medium AS utm_medium, t.utm_campaign AS utm_campaign, t.utm_term AS utm_term,
    t.utm_content AS utm_content, t.gclid AS gclid, t.msclkid AS msclkid, t.fbclid AS fbclid,
    t.referrer AS referrer, t.has_utm AS has_utm, root
FROM (
    SELECT root, t, arraySort(c -> (c.campaign_id != t.campaign_id, c.campaign_id), keys.candidates)[1] AS found
    FROM (SELECT entity AS root, t FROM nodes FINAL ARRAY JOIN touches AS t) AS records
    LEFT ANY JOIN base_campaign_keys AS keys ON keys.key = lowerUTF8(trimBoth(t.campaign_id, ' \t\r\n\f\v')))
SETTINGS join_use_nulls = 0
