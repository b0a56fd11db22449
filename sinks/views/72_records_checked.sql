-- What report_quality looks at, record by record.
--
-- check: the check
-- what: lead, campaign, stage, opportunity, call, spend, dead_letter, source_record or node
-- id: its id; a spend figure as platform/account/day/campaign/category, a dead letter as topic/partition/offset, a source's record as source/entity/record
-- root: the entity whose node holds it, empty for what no node holds
-- fails: 1 if it fails
SELECT
    'leads_without_channel_or_utm' AS check, 'lead' AS what, lead_id AS id, root,
    trimBoth(given_channel, ' \t\r\n\f\v') = '' AND NOT has_utm AS fails
FROM fact_leads
UNION ALL
SELECT
    'unknown_campaigns', 'campaign', campaign_id, '',
    campaign_id NOT IN (SELECT campaign_id FROM base_campaigns)
FROM (
    SELECT campaign_id FROM fact_leads
    UNION DISTINCT SELECT campaign_id FROM fact_touches
    UNION DISTINCT SELECT campaign_id FROM fact_opportunities
    UNION DISTINCT SELECT campaign_id FROM fact_spend)
WHERE campaign_id NOT IN ('', '(none)')
UNION ALL
SELECT 'unmapped_stages', 'stage', stage, '', max(unmapped)
FROM (
    SELECT s.stage AS stage, NOT s.mapped AS unmapped FROM fact_leads ARRAY JOIN stages AS s
    UNION ALL
    SELECT stage, NOT stage_mapped FROM fact_opportunities)
WHERE stage != '(none)'
GROUP BY stage
UNION ALL
SELECT 'opportunities_without_lead', 'opportunity', opportunity_id, root, lead_id = '' FROM fact_opportunities
UNION ALL
SELECT 'opportunities_without_amount', 'opportunity', opportunity_id, root, NOT has_amount FROM fact_opportunities
UNION ALL
SELECT 'opportunities_without_due_date', 'opportunity', opportunity_id, root, isNull(due_date) FROM fact_opportunities
UNION ALL
SELECT 'overdue_opportunities', 'opportunity', opportunity_id, root, overdue FROM fact_opportunities
WHERE status = 'open'
UNION ALL
SELECT 'won_deals_without_amount', 'opportunity', opportunity_id, root, NOT has_amount FROM fact_opportunities
WHERE status = 'won'
UNION ALL
SELECT 'calls_without_lead', 'call', call_id, root, lead_id = '' FROM fact_calls
UNION ALL
SELECT DISTINCT
    'spend_without_leads', 'campaign', campaign_id, '', campaign_id NOT IN (SELECT campaign_id FROM fact_leads)
FROM fact_spend
WHERE amount != 0 AND campaign_id != '(none)'
UNION ALL
SELECT DISTINCT
    'leads_of_a_campaign_without_spend', 'campaign', campaign_id, '',
    campaign_id NOT IN (SELECT campaign_id FROM fact_spend WHERE amount != 0)
FROM fact_leads
WHERE campaign_id != '(none)'
UNION ALL
SELECT 'amounts_without_rate', amounts.what, amounts.id, amounts.root, NOT rate.known
FROM (
    SELECT 'opportunity' AS what, opportunity_id AS id, root, currency, rate_day FROM fact_opportunities
    UNION ALL
    SELECT
        'spend', concat_ws('/', platform, account_id, toString(day), campaign_id, category), root, currency, day
    FROM fact_spend) AS amounts
ASOF LEFT JOIN base_rates AS rate ON rate.currency = amounts.currency AND amounts.rate_day >= rate.since
UNION ALL
SELECT
    'dead_letters_of_the_last_24_h', 'dead_letter', id, '',
    state = 'open' AND received_at >= now64(3) - INTERVAL 24 HOUR
FROM dead_letter_list
UNION ALL
SELECT 'records_to_fetch', 'source_record', concat_ws('/', system, entity, record), '', toBool(open) FROM source_gaps FINAL
UNION ALL
SELECT 'roots_with_many_documents', 'node', entity, entity, documents > 10000
FROM (
    SELECT
        entity,
        length(leads) + arraySum(l -> length(l.merged_ids), leads) + length(opportunities) + length(calls)
            + countEqual(nodes.touches.own, 0) + length(spend) AS documents
    FROM nodes FINAL)
WHERE documents > 0
SETTINGS join_use_nulls = 0
