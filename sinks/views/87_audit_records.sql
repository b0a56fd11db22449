-- Records that more than one node counts: one row each; empty when all is right.
--
-- key: the record, a JSON object
-- measure: counted
-- rolled: how often it is counted
-- recomputed: 1
SELECT
    formatRowNoNewline('JSONEachRow', kind, id) AS key, 'counted' AS measure, toString(count()) AS rolled,
    '1' AS recomputed
FROM (
    SELECT 'lead' AS kind, [arrayJoin(arrayPushFront(l.merged_ids, l.lead_id))] AS id
    FROM nodes FINAL
    ARRAY JOIN leads AS l
    UNION ALL
    SELECT 'opportunity', [o.opportunity_id]
    FROM nodes FINAL
    ARRAY JOIN opportunities AS o
    UNION ALL
    SELECT 'call', [c.call_id]
    FROM nodes FINAL
    ARRAY JOIN calls AS c
    UNION ALL
    SELECT if(t.own, 'creation touch', 'touch'), [t.lead_id, t.touch_id]
    FROM nodes FINAL
    ARRAY JOIN touches AS t
    UNION ALL
    SELECT
        'spend', [
            s.platform, s.account_id, toString(s.day), s.given_campaign_id, s.utm_source, s.utm_medium,
            s.utm_campaign, s.utm_term, s.utm_content, s.category]
    FROM nodes FINAL
    ARRAY JOIN spend AS s
)
GROUP BY kind, id
HAVING count() > 1
