-- Which campaigns the revenue of won deals is due to, by each attribution model.
--
-- day: day of the close
-- model: attribution model
-- campaign_id: the campaign
-- campaign: its name
-- campaign_group: its group
-- channel: channel of the credited touches
-- deals: won deals, in shares
-- revenue: reporting currency
-- average_deal: revenue / deals, of the deals that have a rate
-- unconverted: deals left out of the money for want of a rate
SELECT
    $day, model, campaign_id, campaign, campaign_group, channel, deals, revenue,
    toFloat64(revenue) / nullIf(converted_deals / 1000000, 0) AS average_deal, unconverted
FROM (
    SELECT
        $select_day, model, campaign_id, campaign, campaign_group, channel,
        toDecimal128(sum(base.deals), 6) / 1000000 AS deals, sum(base.converted_deals) AS converted_deals,
        toDecimal128(round(sum(base.revenue), 4), 4) AS revenue, sum(base.unconverted) AS unconverted
    FROM base_revenue AS base
    WHERE date_kind = 'closed'
    GROUP BY $day, model, campaign_id, campaign, campaign_group, channel
    HAVING deals != 0 OR revenue != 0 OR unconverted != 0)
