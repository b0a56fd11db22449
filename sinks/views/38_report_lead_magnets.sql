-- Which lead magnets bring leads that become customers, and what those leads have brought since.
--
-- day: day of the lead's creation
-- lead_magnet: what the lead came for
-- channel: channel of the lead; of cohort_revenue, of the credited touch
-- source: source of the lead; of cohort_revenue, of the credited touch
-- leads: leads created
-- opportunities: those of them that reached BOFU
-- customers: those of them that became customers, by a deal won now or by their own stage
-- cohort_revenue: of leads created that day, default model, reporting currency
-- conversion_rate: customers / leads
-- unconverted: deals of leads created that day left out of the money for want of a rate
SELECT
    $day, lead_magnet, channel, source, leads, opportunities, customers, cohort_revenue,
    customers / nullIf(leads, 0) AS conversion_rate, unconverted
FROM (
    SELECT
        $select_day, lead_magnet, channel, source, sum(m.leads) AS leads, sum(m.opportunities) AS opportunities,
        sum(m.customers) AS customers, toDecimal128(round(sum(m.cohort_revenue), 4), 4) AS cohort_revenue,
        sum(m.unconverted) AS unconverted
    FROM (
        SELECT
            day, lead_magnet, channel, source, leads, bofu AS opportunities, customers, 0 AS cohort_revenue,
            0 AS unconverted
        FROM base_leads
        UNION ALL
        SELECT day, lead_magnet, channel, source, 0, 0, 0, revenue, unconverted
        FROM base_revenue
        WHERE date_kind = 'cohort' AND model = (SELECT attribution_model FROM base_settings)) AS m
    GROUP BY $day, lead_magnet, channel, source
    HAVING leads != 0 OR opportunities != 0 OR customers != 0 OR cohort_revenue != 0 OR unconverted != 0)
