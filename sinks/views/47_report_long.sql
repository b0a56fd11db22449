-- Every measure of the reports that can be added up, one a row: for pivot tables of any tool. Rows of one report and
-- dimension add up to its total; never add rows of several dimensions.
--
-- report: name of the view without report_
-- day: as in that view
-- dimension: a column of that view, or (all)
-- member: its value, or (all)
-- metric: a column of that view
-- value: its sum; views by model: of the default model
SELECT report, $day, pair.1 AS dimension, pair.2 AS member, measure.1 AS metric, sum(measure.2) AS value
FROM (
    SELECT
        'leads_by_channel' AS report, $day,
        [
            ('(all)', '(all)'), ('channel', toString(channel))] AS pairs,
        [
            ('leads', toDecimal128(leads, 6)), ('opportunities', toDecimal128(opportunities, 6)),
            ('customers', toDecimal128(customers, 6)), ('converted', toDecimal128(converted, 6))] AS measures
    FROM report_leads_by_channel$by
    UNION ALL
    SELECT
        'channel_attribution' AS report, $day,
        [
            ('(all)', '(all)'), ('channel', toString(channel))] AS pairs,
        [
            ('deals', toDecimal128(deals, 6)), ('revenue', toDecimal128(revenue, 6)),
            ('unconverted', toDecimal128(unconverted, 6))] AS measures
    FROM report_channel_attribution$by
    WHERE model = (SELECT attribution_model FROM base_settings)
    UNION ALL
    SELECT
        'opportunities' AS report, $day,
        [
            ('(all)', '(all)'), ('owner_id', toString(owner_id)), ('owner', toString(owner)),
            ('team', toString(team))] AS pairs,
        [
            ('opportunities', toDecimal128(opportunities, 6)),
            ('estimated_revenue', toDecimal128(estimated_revenue, 6)),
            ('weighted_revenue', toDecimal128(weighted_revenue, 6)), ('open', toDecimal128(open, 6)),
            ('won', toDecimal128(won, 6)), ('lost', toDecimal128(lost, 6)),
            ('won_revenue', toDecimal128(won_revenue, 6)), ('lost_revenue', toDecimal128(lost_revenue, 6)),
            ('unconverted', toDecimal128(unconverted, 6))] AS measures
    FROM report_opportunities$by
    UNION ALL
    SELECT
        'opportunities_closed' AS report, $day,
        [
            ('(all)', '(all)'), ('owner_id', toString(owner_id)), ('owner', toString(owner)),
            ('team', toString(team))] AS pairs,
        [
            ('opportunities', toDecimal128(opportunities, 6)),
            ('estimated_revenue', toDecimal128(estimated_revenue, 6)),
            ('weighted_revenue', toDecimal128(weighted_revenue, 6)), ('open', toDecimal128(open, 6)),
            ('won', toDecimal128(won, 6)), ('lost', toDecimal128(lost, 6)),
            ('won_revenue', toDecimal128(won_revenue, 6)), ('lost_revenue', toDecimal128(lost_revenue, 6)),
            ('unconverted', toDecimal128(unconverted, 6))] AS measures
    FROM report_opportunities_closed$by
    UNION ALL
    SELECT
        'lead_sources' AS report, $day,
        [
            ('(all)', '(all)'), ('channel', toString(channel)), ('source', toString(source)),
            ('medium', toString(medium)), ('campaign_id', toString(campaign_id)),
            ('campaign', toString(campaign))] AS pairs,
        [
            ('leads', toDecimal128(leads, 6)), ('opportunities', toDecimal128(opportunities, 6)),
            ('customers', toDecimal128(customers, 6)), ('revenue', toDecimal128(revenue, 6)),
            ('cohort_revenue', toDecimal128(cohort_revenue, 6)), ('spend', toDecimal128(spend, 6)),
            ('visitors', toDecimal128(visitors, 6)), ('clicks', toDecimal128(clicks, 6)),
            ('impressions', toDecimal128(impressions, 6)), ('unconverted', toDecimal128(unconverted, 6))] AS measures
    FROM report_lead_sources$by
    UNION ALL
    SELECT
        'lead_magnets' AS report, $day,
        [
            ('(all)', '(all)'), ('lead_magnet', toString(lead_magnet)), ('channel', toString(channel)),
            ('source', toString(source))] AS pairs,
        [
            ('leads', toDecimal128(leads, 6)), ('opportunities', toDecimal128(opportunities, 6)),
            ('customers', toDecimal128(customers, 6)), ('cohort_revenue', toDecimal128(cohort_revenue, 6)),
            ('unconverted', toDecimal128(unconverted, 6))] AS measures
    FROM report_lead_magnets$by
    UNION ALL
    SELECT
        'campaign_revenue' AS report, $day,
        [
            ('(all)', '(all)'), ('campaign_id', toString(campaign_id)), ('campaign', toString(campaign)),
            ('campaign_group', toString(campaign_group)), ('channel', toString(channel))] AS pairs,
        [
            ('deals', toDecimal128(deals, 6)), ('revenue', toDecimal128(revenue, 6)),
            ('unconverted', toDecimal128(unconverted, 6))] AS measures
    FROM report_campaign_revenue$by
    WHERE model = (SELECT attribution_model FROM base_settings)
    UNION ALL
    SELECT
        'calls' AS report, $day,
        [
            ('(all)', '(all)'), ('rep_id', toString(rep_id)), ('rep', toString(rep)),
            ('team', toString(team)), ('direction', toString(direction))] AS pairs,
        [
            ('calls', toDecimal128(calls, 6)), ('answered', toDecimal128(answered, 6)),
            ('missed', toDecimal128(missed, 6)), ('talk_seconds', toDecimal128(talk_seconds, 6)),
            ('advanced_mofu', toDecimal128(advanced_mofu, 6)),
            ('advanced_bofu', toDecimal128(advanced_bofu, 6))] AS measures
    FROM report_calls$by
    UNION ALL
    SELECT
        'profitability' AS report, $day,
        [
            ('(all)', '(all)'), ('campaign_id', toString(campaign_id)), ('campaign', toString(campaign)),
            ('campaign_group', toString(campaign_group))] AS pairs,
        [
            ('revenue', toDecimal128(revenue, 6)), ('cohort_revenue', toDecimal128(cohort_revenue, 6)),
            ('leads', toDecimal128(leads, 6)), ('opportunities', toDecimal128(opportunities, 6)),
            ('won_deals', toDecimal128(won_deals, 6)), ('spend', toDecimal128(spend, 6)),
            ('cost', toDecimal128(cost, 6)), ('gross_margin', toDecimal128(gross_margin, 6)),
            ('contribution', toDecimal128(contribution, 6)), ('budget', toDecimal128(budget, 6)),
            ('unconverted', toDecimal128(unconverted, 6))] AS measures
    FROM report_profitability$by
    UNION ALL
    SELECT
        'funnel' AS report, $day,
        [
            ('(all)', '(all)'), ('channel', toString(channel)), ('campaign_id', toString(campaign_id)),
            ('campaign', toString(campaign))] AS pairs,
        [
            ('visitors', toDecimal128(visitors, 6)), ('leads', toDecimal128(leads, 6)),
            ('mofu', toDecimal128(mofu, 6)), ('bofu', toDecimal128(bofu, 6)),
            ('customers', toDecimal128(customers, 6))] AS measures
    FROM report_funnel$by)
ARRAY JOIN pairs AS pair
ARRAY JOIN measures AS measure
WHERE measure.2 != 0
GROUP BY report, $day, dimension, member, metric
HAVING value != 0
