-- base_spend, record by record.
--
-- root: the figure, whose node counts it
-- day: the spend's date
-- platform: where it was spent
-- account_id: the platform's account, empty where absent
-- channel: its own, else its campaign's, else its platform's, else other
-- given_channel: its own, else empty
-- source: as posted, else its platform's
-- medium: as posted, else its platform's
-- campaign_id: resolved
-- campaign: its name
-- campaign_group: its group
-- given_campaign_id: before aliases
-- category: media or another
-- currency: of the amount
-- rate_day: day of the rate: the spend's date
-- rate: units of the reporting currency, 0 without one
-- rate_since: first day on which this rate is in force
-- given_amount: the amount in its currency
-- figures: always 1
-- amount: reporting currency, unrounded
-- impressions: count
-- clicks: count
-- visitors: count
-- unconverted: 1 without a rate
SELECT
    root, records.day AS day, platform, account_id, channel, given_channel, source, medium,
    records.campaign_id AS campaign_id, records.campaign AS campaign, campaigns.campaign_group AS campaign_group,
    given_campaign_id, category, records.currency AS currency, records.day AS rate_day, rate.factor AS rate,
    rate.since AS rate_since, records.amount AS given_amount, 1 AS figures,
    toDecimal256(records.amount, 4) * rate.factor AS amount, impressions, clicks, visitors,
    NOT rate.known AS unconverted
FROM fact_spend AS records
LEFT ANY JOIN base_campaigns AS campaigns ON campaigns.campaign_id = records.campaign_id
ASOF LEFT JOIN base_rates AS rate ON rate.currency = records.currency AND records.day >= rate.since
SETTINGS join_use_nulls = 0
