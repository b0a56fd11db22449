-- What in the data keeps the figures from being better: a row for every check, failing or not. Campaign checks count
-- campaigns, over all time.
--
-- check: what is wrong with those that fail
-- records: how many were looked at
-- failing: how many of them fail; a dead letter that was replayed or dropped does not
-- share: failing / records
-- sample_ids: up to five of those that fail, the least ids: leads, campaigns, stage names, opportunities, calls, spend figures as platform/account/day/campaign/category, dead letters as topic/partition/offset, records to fetch as source/entity/record, nodes
SELECT
    checks.check AS check, results.records AS records, results.failing AS failing,
    results.failing / nullIf(results.records, 0) AS share, results.sample_ids AS sample_ids
FROM (
    SELECT arrayJoin([
        'leads_without_channel_or_utm', 'unknown_campaigns', 'unmapped_stages', 'opportunities_without_lead',
        'opportunities_without_amount', 'opportunities_without_due_date', 'overdue_opportunities',
        'won_deals_without_amount', 'calls_without_lead', 'spend_without_leads', 'leads_of_a_campaign_without_spend',
        'amounts_without_rate', 'dead_letters_of_the_last_24_h', 'records_to_fetch',
        'roots_with_many_documents']) AS check) AS checks
LEFT ANY JOIN (
    SELECT
        records_checked.check AS check, count() AS records, countIf(fails) AS failing,
        groupArraySortedIf(5)(id, fails) AS sample_ids
    FROM records_checked
    GROUP BY records_checked.check) AS results
    ON results.check = checks.check
SETTINGS join_use_nulls = 0
