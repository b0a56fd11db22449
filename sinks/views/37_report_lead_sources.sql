-- Where leads and revenue come from, beside what was spent there: each on its own day.
--
-- day: of the lead's creation, the deal's close (revenue) or the spend
-- channel: of lead, touch or spend
-- source: of lead, touch or spend
-- medium: of lead, touch or spend
-- campaign_id: the campaign
-- campaign: its name
-- leads: leads created
-- opportunities: those of them that reached BOFU
-- customers: those of them that became customers, by a deal won now or by their own stage
-- revenue: of deals closed that day, default model, reporting currency
-- cohort_revenue: of leads created that day, default model, reporting currency
-- spend: for media, reporting currency
-- visitors: visitors, as posted with spend
-- clicks: clicks, as posted with spend
-- impressions: impressions, as posted with spend
-- cpl: spend / leads
-- cpa: spend / customers
-- roas: revenue / spend
-- cohort_roas: cohort_revenue / spend
-- visitor_conversion: customers / visitors
-- ctr: clicks / impressions
-- cpc: spend / clicks
-- unconverted: deals closed that day and media figures left out of the money for want of a rate
SELECT
    $day, channel, source, medium, campaign_id, campaign, leads, opportunities, customers, revenue, cohort_revenue,
    spend, visitors, clicks, impressions,
    toFloat64(spend) / nullIf(leads, 0) AS cpl,
    toFloat64(spend) / nullIf(customers, 0) AS cpa,
    toFloat64(revenue) / nullIf(toFloat64(spend), 0) AS roas,
    toFloat64(cohort_revenue) / nullIf(toFloat64(spend), 0) AS cohort_roas,
    customers / nullIf(visitors, 0) AS visitor_conversion,
    clicks / nullIf(impressions, 0) AS ctr,
    toFloat64(spend) / nullIf(clicks, 0) AS cpc,
    unconverted
FROM (
    SELECT
        $select_day, channel, source, medium, campaign_id, campaign,
        sum(m.leads) AS leads, sum(m.opportunities) AS opportunities, sum(m.customers) AS customers,
        toDecimal128(round(sum(m.revenue), 4), 4) AS revenue,
        toDecimal128(round(sum(m.cohort_revenue), 4), 4) AS cohort_revenue,
        toDecimal128(round(sum(m.spend), 4), 4) AS spend,
        sum(m.visitors) AS visitors, sum(m.clicks) AS clicks, sum(m.impressions) AS impressions,
        sum(m.unconverted) AS unconverted
    FROM (
        SELECT
            day, channel, source, medium, campaign_id, campaign, leads, bofu AS opportunities, customers,
            0 AS revenue, 0 AS cohort_revenue, 0 AS spend, 0 AS visitors, 0 AS clicks, 0 AS impressions,
            0 AS unconverted
        FROM base_leads
        UNION ALL
        SELECT
            day, channel, source, medium, campaign_id, campaign, 0, 0, 0, if(date_kind = 'closed', revenue, 0),
            if(date_kind = 'cohort', revenue, 0), 0, 0, 0, 0, if(date_kind = 'closed', unconverted, 0)
        FROM base_revenue
        WHERE model = (SELECT attribution_model FROM base_settings)
        UNION ALL
        SELECT
            day, channel, source, medium, campaign_id, campaign, 0, 0, 0, 0, 0, if(category = 'media', amount, 0),
            visitors, clicks, impressions, if(category = 'media', unconverted, 0)
        FROM base_spend) AS m
    GROUP BY $day, channel, source, medium, campaign_id, campaign
    HAVING leads != 0 OR opportunities != 0 OR customers != 0 OR revenue != 0 OR cohort_revenue != 0 OR spend != 0
        OR visitors != 0 OR clicks != 0 OR impressions != 0 OR unconverted != 0)
