-- The campaigns as they are now.
--
-- campaign_id: its id
-- campaign: its name
-- campaign_group: its group
-- campaign_channel: channel of its spend, empty when it has none
-- aliases: what else it is called: UTM campaigns, its id, its name; lower-cased and trimmed, never (none)
-- has_budget: whether it has one
-- budget_units: units of 1e-4 of budget_currency
-- budget_currency: currency of the budget; the reporting currency where none was given
WITH
    -- UTM campaigns are trimmed of all white space, campaign ids of ASCII's: a name answers to both
    arrayConcat([campaign_id, name], campaigns.aliases) AS names,
    '[\\p{Z}\\t-\\r\\x1c-\\x1f\\x{85}]+' AS space
SELECT
    campaign_id, name AS campaign, campaign_group, channel AS campaign_channel,
    arrayDistinct(arrayFilter(
        alias -> alias NOT IN ('', '(none)'),
        arrayMap(text -> lowerUTF8(text), arrayConcat(
            arrayMap(text -> trimBoth(text, ' \t\r\n\f\v'), names),
            arrayMap(text -> replaceRegexpAll(text, concat('^', space, '|', space, '$'), ''), names)))))
        AS aliases,
    has_budget, budget_units,
    if(currency = '', assumeNotNull((SELECT currency FROM base_settings)), currency) AS budget_currency
FROM campaigns FINAL
