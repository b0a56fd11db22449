-- Where what a lead has reached, as the nodes hold it (fact_leads), differs from its stages, opportunities and deals:
-- one row per lead and measure; empty when all is right.
--
-- key: the lead, a JSON object
-- measure: reached_stage, or the instant of a rise (microseconds since 1970 in UTC, NULL: not yet)
-- rolled: what the nodes hold
-- recomputed: what stages, opportunities and deals say
SELECT
    formatRowNoNewline('JSONEachRow', lead_id) AS key, difference.1 AS measure, difference.2 AS rolled,
    difference.3 AS recomputed
FROM (
    SELECT shard, entity, l.lead_id AS lead_id, l AS lead
    FROM nodes FINAL
    ARRAY JOIN leads AS l
) AS held
INNER JOIN recomputed_leads AS anew USING (shard, entity, lead_id)
ARRAY JOIN arrayFilter(
    d -> d.2 != d.3,
    [
        ('reached_stage', lead.reached_stage, ['tofu', 'mofu', 'bofu', 'customer'][anew.reached + 1]),
        ('mofu_us', ifNull(toString(lead.mofu_us), 'NULL'), ifNull(toString(anew.mofu_us), 'NULL')),
        ('bofu_us', ifNull(toString(lead.bofu_us), 'NULL'), ifNull(toString(anew.bofu_us), 'NULL')),
        ('customer_us', ifNull(toString(lead.customer_us), 'NULL'), ifNull(toString(anew.customer_us), 'NULL'))
    ]) AS difference
