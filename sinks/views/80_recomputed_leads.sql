-- What every counted lead has reached, and when, computed anew for the audit: from the stages that its group ever
-- had, the opportunities attached to it and its won deals. Nothing that the stream derived is read, except which
-- records belong to the lead.
--
-- shard: shard of the node
-- entity: the node
-- lead_id: the counted lead
-- day: local day of its creation
-- channel: as stored
-- source: as stored
-- medium: as stored
-- campaign_id: as stored, before aliases
-- lead_magnet: as stored
-- reached: rank of the highest stage reached: 0 tofu, 1 mofu, 2 bofu, 3 customer
-- mofu_us: when it rose to mofu or above, microseconds since 1970 in UTC; NULL: not yet
-- bofu_us: the same of bofu
-- customer_us: the same of customer
-- converting_us: from its creation to the first close of its deals that are won now, microseconds; NULL: none is
SELECT
    shard, entity, lead.lead_id AS lead_id, lead.day AS day, lead.channel AS channel, lead.source AS source,
    lead.medium AS medium, lead.campaign_id AS campaign_id, lead.lead_magnet AS lead_magnet,
    arrayMax(arrayPushBack(rises.2, 0)) AS reached,
    arrayReduce('minOrNull', arrayFilter((at_us, rank) -> rank >= 1, rises.1, rises.2)) AS mofu_us,
    arrayReduce('minOrNull', arrayFilter((at_us, rank) -> rank >= 2, rises.1, rises.2)) AS bofu_us,
    arrayReduce('minOrNull', arrayFilter((at_us, rank) -> rank >= 3, rises.1, rises.2)) AS customer_us,
    arrayReduce('minOrNull', closes) - lead.created_us AS converting_us
FROM (
    SELECT
        shard, entity, lead,
        arrayFilter(o -> o.lead_id = lead.lead_id, opportunities) AS attached,
        arrayMap(o -> assumeNotNull(o.closed_us), arrayFilter(o -> o.status = 'won', attached)) AS closes,
        arrayConcat(
            arrayMap(s -> (s.at_us, toUInt8(indexOf(['mofu', 'bofu', 'customer'], s.funnel_stage))), lead.stages),
            arrayMap(o -> (o.created_us, toUInt8(2)), attached),
            arrayMap(closed_us -> (closed_us, toUInt8(3)), closes)) AS rises
    FROM nodes FINAL
    ARRAY JOIN leads AS lead
)
