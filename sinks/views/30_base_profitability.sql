-- What campaigns brought and cost, day by day: leads by creation, revenue by close, spend by date; money unrounded. The
-- budget stands on the first day of a campaign only, so that it can be summed over any period.
--
-- day: see title
-- campaign_id: resolved
-- campaign: its name
-- campaign_group: its group
-- revenue: of deals closed that day, default model
-- cohort_revenue: of leads created that day, default model
-- leads: created that day
-- opportunities: those of them that reached BOFU
-- customers: those of them that became customers, by a deal won now or by their own stage
-- won_deals: closed that day, default model, units of 1e-6
-- spend: of all categories
-- cost: of the deals closed that day
-- budget: of the campaign, by the rate of its first day, 0 on all other days and without a rate
-- unconverted: deals closed that day and spend figures without a rate
SELECT
    day, campaign_id, campaign, campaign_group, revenue, cohort_revenue, leads, opportunities, customers, won_deals, spend,
    cost, if(is_first_day, toDecimal256(budget_units, 4) / 10000 * rate.factor, 0) AS budget, unconverted
FROM (
    SELECT
        sums.*, day = min(day) OVER (PARTITION BY campaign_id) AS is_first_day,
        budgets.budget_units AS budget_units, budgets.budget_currency AS budget_currency
    FROM (
        SELECT
            day, campaign_id, campaign, campaign_group, sum(m.revenue) AS revenue,
            sum(m.cohort_revenue) AS cohort_revenue,
            sum(m.leads) AS leads, sum(m.opportunities) AS opportunities, sum(m.customers) AS customers,
            sum(m.won_deals) AS won_deals, sum(m.spend) AS spend, sum(m.cost) AS cost, sum(m.unconverted) AS unconverted
        FROM (
            SELECT
                day, campaign_id, campaign, campaign_group, 0 AS revenue, 0 AS cohort_revenue, leads,
                bofu AS opportunities, customers, 0 AS won_deals, 0 AS spend, 0 AS cost, 0 AS unconverted
            FROM base_leads
            UNION ALL
            SELECT
                day, campaign_id, campaign, campaign_group, if(date_kind = 'closed', revenue, 0),
                if(date_kind = 'cohort', revenue, 0), 0, 0, 0, if(date_kind = 'closed', deals, 0), 0,
                if(date_kind = 'closed', cost, 0), if(date_kind = 'closed', unconverted, 0)
            FROM base_revenue
            WHERE model = (SELECT attribution_model FROM base_settings)
            UNION ALL
            SELECT day, campaign_id, campaign, campaign_group, 0, 0, 0, 0, 0, 0, amount, 0, unconverted
            FROM base_spend) AS m
        GROUP BY day, campaign_id, campaign, campaign_group
        HAVING revenue != 0 OR cohort_revenue != 0 OR leads != 0 OR opportunities != 0 OR won_deals != 0
            OR spend != 0 OR cost != 0 OR unconverted != 0) AS sums
    LEFT ANY JOIN (SELECT * FROM base_campaigns WHERE has_budget) AS budgets USING (campaign_id)) AS sums
ASOF LEFT JOIN base_rates AS rate ON rate.currency = sums.budget_currency AND sums.day >= rate.since
SETTINGS join_use_nulls = 0
