-- What each campaign earns after the cost of its deals and its spend, each on its own day.
--
-- day: of the lead's creation, the deal's close (revenue, won_deals, cost) or the spend
-- campaign_id: the campaign
-- campaign: its name
-- campaign_group: its group
-- revenue: of deals closed that day, default model, reporting currency
-- cohort_revenue: of leads created that day, default model, reporting currency
-- leads: leads created
-- opportunities: those of them that reached BOFU
-- won_deals: deals closed that day, default model, in shares
-- spend: of all categories, reporting currency
-- cost: of the deals closed that day, reporting currency
-- gross_margin: revenue - cost, reporting currency
-- gross_margin_ratio: gross_margin / revenue
-- contribution: revenue - cost - spend, reporting currency
-- contribution_ratio: contribution / revenue
-- roi: contribution / (cost + spend)
-- roas: revenue / spend
-- cpl: spend / leads
-- cpa: spend / customers among the leads created that day
-- budget: of the campaign, reporting currency, on its first day here
-- unconverted: deals closed that day and spend figures left out of the money for want of a rate
SELECT
    $day, campaign_id, campaign, campaign_group,
    toDecimal128(round(sums.revenue, 4), 4) AS revenue,
    toDecimal128(round(sums.cohort_revenue, 4), 4) AS cohort_revenue,
    leads, opportunities, toDecimal128(sums.won_deals, 6) / 1000000 AS won_deals,
    toDecimal128(round(sums.spend, 4), 4) AS spend,
    toDecimal128(round(sums.cost, 4), 4) AS cost,
    toDecimal128(round(sums.revenue - sums.cost, 4), 4) AS gross_margin,
    toFloat64(gross_margin) / nullIf(toFloat64(revenue), 0) AS gross_margin_ratio,
    toDecimal128(round(sums.revenue - sums.cost - sums.spend, 4), 4) AS contribution,
    toFloat64(contribution) / nullIf(toFloat64(revenue), 0) AS contribution_ratio,
    toFloat64(contribution) / nullIf(toFloat64(cost + spend), 0) AS roi,
    toFloat64(revenue) / nullIf(toFloat64(spend), 0) AS roas,
    toFloat64(spend) / nullIf(leads, 0) AS cpl,
    toFloat64(spend) / nullIf(sums.customers, 0) AS cpa,
    toDecimal128(round(sums.budget, 4), 4) AS budget,
    unconverted
FROM (
    SELECT
        $select_day, campaign_id, campaign, campaign_group, sum(base.revenue) AS revenue,
        sum(base.cohort_revenue) AS cohort_revenue, sum(base.leads) AS leads,
        sum(base.opportunities) AS opportunities, sum(base.won_deals) AS won_deals, sum(base.spend) AS spend,
        sum(base.cost) AS cost, sum(base.customers) AS customers, sum(base.budget) AS budget,
        sum(base.unconverted) AS unconverted
    FROM base_profitability AS base
    GROUP BY $day, campaign_id, campaign, campaign_group) AS sums
