-- The campaigns as they are now.
--
-- campaign_id: its id
-- campaign: its name
-- campaign_group: its group
-- campaign_channel: channel of its spend, empty when it has none
-- aliases: what else it is called: UTM campaigns, its id, its name; lower-cased and trimmed
-- has_budget: whether it has one
-- budget_units: units of 1e-4 of budget_currency
-- budget_currency: currency of the budget; the reporting currency where none was given
SELECT
    campaign_id, name AS campaign, campaign_group, channel AS campaign_channel,
    arrayDistinct(arrayFilter(
        alias -> alias != '',
        arrayMap(text -> lowerUTF8(trimBoth(text, ' \t\r\n\f\v')), arrayConcat([campaign_id, name], campaigns.aliases))))
        AS aliases,
    has_budget, budget_units,
    if(currency = '', assumeNotNull((SELECT currency FROM base_settings)), currency) AS budget_currency
FROM campaigns FINAL
