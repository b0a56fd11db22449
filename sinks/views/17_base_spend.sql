-- Spend figures by their date: the visible generation of roll_spend, campaigns and channels resolved, money converted.
--
-- day: the spend's date
-- platform: where it was spent
-- channel: its own, else its campaign's, else its platform's, else other
-- source: as posted, else its platform's
-- medium: as posted, else its platform's
-- campaign_id: resolved
-- campaign: its name
-- campaign_group: its group
-- category: media or another
-- figures: count
-- amount: reporting currency, unrounded
-- impressions: count
-- clicks: count
-- visitors: count
-- unconverted: figures without a rate
SELECT
    day, platform,
    multiIf(
        given_channel != '', given_channel,
        found.campaign_channel != '', found.campaign_channel,
        platform_channel != '', platform_channel,
        'other') AS channel,
    source, medium,
    if(found.campaign_id = '', given, found.campaign_id) AS campaign_id, found.campaign AS campaign,
    found.campaign_group AS campaign_group, category,
    figures, amount, impressions, clicks, visitors, unconverted
FROM (
    SELECT
        day, platform, toString(channel) AS given_channel, source, medium, category, roll.campaign_id AS given,
        arraySort(c -> (c.campaign_id != given, c.campaign_id), keys.candidates)[1] AS found,
        (SELECT platform_channels FROM base_settings)[toString(platform)] AS platform_channel,
        figures, toDecimal256(amount_units, 4) / 10000 * rate.factor AS amount, impressions, clicks, visitors,
        if(rate.known, 0, figures) AS unconverted
    FROM roll_spend AS roll FINAL
    LEFT ANY JOIN base_campaign_keys AS keys
        ON keys.key = lowerUTF8(trimBoth(roll.campaign_id, ' \t\r\n\f\v'))
    ASOF LEFT JOIN base_rates AS rate ON rate.currency = roll.currency AND roll.day >= rate.since
    WHERE (shard, epoch) IN (SELECT shard, epoch FROM base_generations))
SETTINGS join_use_nulls = 0
