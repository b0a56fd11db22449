-- The spend figures, one row per platform, account, day, campaign, UTM and category.
--
-- platform: where it was spent
-- account_id: the platform's account, empty where absent
-- day: the spend's date
-- campaign_id: resolved
-- campaign: name of the campaign, empty where unknown
-- given_campaign_id: the campaign before aliases: as given, else the UTM campaign, else (none)
-- category: media or another
-- channel: its own, else its campaign's, else its platform's, else other
-- source: as posted, else its platform's
-- medium: as posted, else its platform's
-- given_channel: the channel as posted, else empty
-- utm_source: raw
-- utm_medium: raw
-- utm_campaign: raw
-- utm_term: raw
-- utm_content: raw
-- currency: of the amount
-- amount: in its currency
-- impressions: count
-- clicks: count
-- visitors: count
-- root: the entity whose node counts it, and holds the documents that it is read from
SELECT
    s.platform AS platform, s.account_id AS account_id, s.day AS day,
    if(found.campaign_id = '', s.campaign_id, found.campaign_id) AS campaign_id, found.campaign AS campaign,
    s.campaign_id AS given_campaign_id, s.category AS category,
    multiIf(
        s.channel != '', s.channel,
        found.campaign_channel != '', found.campaign_channel,
        platform_channel != '', platform_channel,
        'other') AS channel,
    s.source AS source, s.medium AS medium, s.given_channel AS given_channel, s.utm_source AS utm_source,
    s.utm_medium AS utm_medium, s.utm_campaign AS utm_campaign, s.utm_term AS utm_term,
    s.utm_content AS utm_content, s.currency AS currency, toDecimal128(s.amount_units, 4) / 10000 AS amount,
    s.impressions AS impressions, s.clicks AS clicks, s.visitors AS visitors, root
FROM (
    SELECT
        root, s, (SELECT platform_channels FROM base_settings)[s.platform] AS platform_channel,
        arraySort(c -> (c.campaign_id != s.campaign_id, c.campaign_id), keys.candidates)[1] AS found
    FROM (SELECT entity AS root, s FROM nodes FINAL ARRAY JOIN spend AS s) AS records
    LEFT ANY JOIN base_campaign_keys AS keys ON keys.key = lowerUTF8(trimBoth(s.campaign_id, ' \t\r\n\f\v')))
SETTINGS join_use_nulls = 0
