-- How visitors become leads, and leads customers, stage by stage.
--
-- day: of the lead's creation, or of the visit
-- channel: of lead or spend
-- campaign_id: the campaign
-- campaign: its name
-- visitors: visitors, as posted with spend
-- leads: leads created
-- mofu: those of them that reached MOFU
-- bofu: those of them that reached BOFU
-- customers: those of them that became customers, by a deal won now or by their own stage
-- visitor_to_lead: leads / visitors
-- lead_to_mofu: mofu / leads
-- mofu_to_bofu: bofu / mofu
-- bofu_to_customer: customers / bofu
SELECT
    $day, channel, campaign_id, campaign, visitors, leads, mofu, bofu, customers,
    leads / nullIf(visitors, 0) AS visitor_to_lead,
    mofu / nullIf(leads, 0) AS lead_to_mofu,
    bofu / nullIf(mofu, 0) AS mofu_to_bofu,
    customers / nullIf(bofu, 0) AS bofu_to_customer
FROM (
    SELECT
        $select_day, channel, campaign_id, campaign, sum(m.visitors) AS visitors, sum(m.leads) AS leads,
        sum(m.mofu) AS mofu, sum(m.bofu) AS bofu, sum(m.customers) AS customers
    FROM (
        SELECT day, channel, campaign_id, campaign, 0 AS visitors, leads, mofu, bofu, customers FROM base_leads
        UNION ALL
        SELECT day, channel, campaign_id, campaign, visitors, 0, 0, 0, 0 FROM base_spend) AS m
    GROUP BY $day, channel, campaign_id, campaign
    HAVING visitors != 0 OR leads != 0 OR mofu != 0 OR bofu != 0 OR customers != 0)
