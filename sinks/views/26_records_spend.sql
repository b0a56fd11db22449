-- The spend figures as the reports count them: one row each, with the keys of the reports, money converted.
--
-- record: its key without the word spend
-- entity: its key, spend:PLATFORM/ACCOUNT/DATE/CAMPAIGN/UTM/CATEGORY
-- day: the spend's date
-- platform: where it was spent
-- channel: its own, else its campaign's, else its platform's, else other
-- source: as posted, else its platform's
-- medium: as posted, else its platform's
-- campaign_id: resolved
-- campaign: its name, empty where unknown
-- category: media or another
-- amount: in its currency
-- currency: of the amount
-- figures: 1
-- spend: the amount, reporting currency
-- impressions: count
-- clicks: count
-- visitors: count
-- unconverted: 1 if there is no rate for its currency
SELECT
    substring(root, 7) AS record, root AS entity, day, platform, channel, source, medium, campaign_id, campaign, category,
    amount, facts.currency AS currency, toUInt8(1) AS figures,
    toDecimal128(round(toDecimal256(amount, 4) * rate.factor, 6), 6) AS spend, impressions, clicks, visitors,
    NOT rate.known AS unconverted
FROM fact_spend AS facts
ASOF LEFT JOIN base_rates AS rate ON rate.currency = facts.currency AND facts.day >= rate.since
SETTINGS join_use_nulls = 0
