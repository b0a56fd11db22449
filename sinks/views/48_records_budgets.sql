-- The budgets in report_profitability, record by record: each campaign's, on the first day that it has a row there.
--
-- root: the campaign
-- day: that day
-- campaign_id: the campaign
-- campaign: its name
-- campaign_group: its group
-- currency: of the budget
-- rate_day: day of the rate
-- rate: units of the reporting currency
-- rate_since: first day on which this rate is in force
-- given_amount: the budget in its currency
-- budget: reporting currency, unrounded
SELECT
    concat('campaign:', encodeURLComponent(sums.campaign_id)) AS root, day, sums.campaign_id AS campaign_id,
    sums.campaign AS campaign, sums.campaign_group AS campaign_group, sums.currency AS currency,
    day AS rate_day, rate.factor AS rate, rate.since AS rate_since, given_amount, budget
FROM (
    SELECT
        records.day AS day, records.campaign_id AS campaign_id, records.campaign AS campaign,
        records.campaign_group AS campaign_group, records.budget AS budget, campaigns.budget_currency AS currency,
        toDecimal128(campaigns.budget_units, 4) / 10000 AS given_amount
    FROM (SELECT * FROM base_profitability WHERE budget != 0) AS records
    INNER JOIN base_campaigns AS campaigns ON campaigns.campaign_id = records.campaign_id) AS sums
ASOF LEFT JOIN base_rates AS rate ON rate.currency = sums.currency AND sums.day >= rate.since
SETTINGS join_use_nulls = 0
