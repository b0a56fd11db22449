-- What in the data keeps the figures from being better: a row for every check, failing or not. Campaign checks count
-- campaigns, over all time.
--
-- check: what is wrong with those that fail
-- records: how many were looked at
-- failing: how many of them fail
-- share: failing / records
-- sample_ids: up to five of those that fail, the least ids: leads, campaigns, stage names, opportunities, calls, spend figures as platform/account/day/campaign/category, dead letters as topic/partition/offset, records to fetch as source/entity/record, nodes
SELECT
    check, results.records AS records, results.failing AS failing,
    results.failing / nullIf(results.records, 0) AS share, results.sample_ids AS sample_ids
FROM (
    SELECT 'leads_without_channel_or_utm' AS check, count() AS records,
        countIf(given_channel = '' AND NOT has_utm AS fails) AS failing,
        groupArraySortedIf(5)(lead_id, fails) AS sample_ids
    FROM fact_leads
    UNION ALL
    SELECT 'unknown_campaigns', count(), countIf(fails), groupArraySortedIf(5)(campaign_id, fails)
    FROM (
        SELECT campaign_id, campaign_id NOT IN (SELECT campaign_id FROM base_campaigns) AS fails
        FROM (
            SELECT campaign_id FROM fact_leads
            UNION DISTINCT SELECT campaign_id FROM fact_touches
            UNION DISTINCT SELECT campaign_id FROM fact_opportunities
            UNION DISTINCT SELECT campaign_id FROM fact_spend)
        WHERE campaign_id NOT IN ('', '(none)'))
    UNION ALL
    SELECT 'unmapped_stages', count(), countIf(fails), groupArraySortedIf(5)(stage, fails)
    FROM (
        SELECT stage, max(unmapped) AS fails
        FROM (
            SELECT s.stage AS stage, NOT s.mapped AS unmapped FROM fact_leads ARRAY JOIN stages AS s
            UNION ALL
            SELECT stage, NOT stage_mapped FROM fact_opportunities)
        WHERE stage != '(none)'
        GROUP BY stage)
    UNION ALL
    SELECT 'opportunities_without_lead', count(), countIf(lead_id = ''),
        groupArraySortedIf(5)(opportunity_id, lead_id = '')
    FROM fact_opportunities
    UNION ALL
    SELECT 'opportunities_without_amount', count(), countIf(NOT has_amount),
        groupArraySortedIf(5)(opportunity_id, NOT has_amount)
    FROM fact_opportunities
    UNION ALL
    SELECT 'opportunities_without_due_date', count(), countIf(isNull(due_date)),
        groupArraySortedIf(5)(opportunity_id, isNull(due_date))
    FROM fact_opportunities
    UNION ALL
    SELECT 'overdue_opportunities', count(), countIf(overdue), groupArraySortedIf(5)(opportunity_id, overdue)
    FROM fact_opportunities
    WHERE status = 'open'
    UNION ALL
    SELECT 'won_deals_without_amount', count(), countIf(NOT has_amount),
        groupArraySortedIf(5)(opportunity_id, NOT has_amount)
    FROM fact_opportunities
    WHERE status = 'won'
    UNION ALL
    SELECT 'calls_without_lead', count(), countIf(lead_id = ''), groupArraySortedIf(5)(call_id, lead_id = '')
    FROM fact_calls
    UNION ALL
    SELECT 'spend_without_leads', count(), countIf(fails), groupArraySortedIf(5)(campaign_id, fails)
    FROM (
        SELECT DISTINCT campaign_id, campaign_id NOT IN (SELECT campaign_id FROM fact_leads) AS fails
        FROM fact_spend
        WHERE amount != 0 AND campaign_id != '(none)')
    UNION ALL
    SELECT 'leads_of_a_campaign_without_spend', count(), countIf(fails), groupArraySortedIf(5)(campaign_id, fails)
    FROM (
        SELECT
            DISTINCT campaign_id,
            campaign_id NOT IN (SELECT campaign_id FROM fact_spend WHERE amount != 0) AS fails
        FROM fact_leads
        WHERE campaign_id != '(none)')
    UNION ALL
    SELECT 'amounts_without_rate', count(), countIf(fails), groupArraySortedIf(5)(id, fails)
    FROM (
        SELECT amounts.id AS id, NOT rate.known AS fails
        FROM (
            SELECT opportunity_id AS id, currency, rate_day FROM fact_opportunities
            UNION ALL
            SELECT concat_ws('/', platform, account_id, toString(day), campaign_id, category), currency, day
            FROM fact_spend) AS amounts
        ASOF LEFT JOIN base_rates AS rate ON rate.currency = amounts.currency AND amounts.rate_day >= rate.since)
    UNION ALL
    SELECT 'dead_letters_of_the_last_24_h', count(), countIf(fails), groupArraySortedIf(5)(id, fails)
    FROM (
        SELECT
            concat_ws('/', topic, toString(partition), toString(offset)) AS id,
            received_at >= now64(3) - INTERVAL 24 HOUR AS fails
        FROM dead_letters FINAL)
    UNION ALL
    SELECT 'records_to_fetch', count(), countIf(open),
        groupArraySortedIf(5)(concat_ws('/', system, entity, record), open)
    FROM source_gaps FINAL
    UNION ALL
    SELECT 'roots_with_many_documents', count(), countIf(documents > 10000),
        groupArraySortedIf(5)(entity, documents > 10000)
    FROM (
        SELECT
            entity,
            length(leads) + arraySum(l -> length(l.merged_ids), leads) + length(opportunities) + length(calls)
                + countEqual(nodes.touches.own, 0) + length(spend) AS documents
        FROM nodes FINAL)
    WHERE documents > 0) AS results
SETTINGS join_use_nulls = 0
