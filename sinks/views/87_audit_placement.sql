-- Nodes that are not on the shard of their id: one row each; empty when all is right. Touches are part of the node of
-- their lead.
--
-- key: the node, a JSON object
-- measure: shard
-- rolled: the shard that wrote it
-- recomputed: the shard of its id, Kafka's default partitioning over the number of partitions
WITH
    -- while a view is being made a scalar is 0
    greatest((SELECT partitions FROM view_settings FINAL), 1) AS shards
SELECT
    formatRowNoNewline('JSONEachRow', entity) AS key, 'shard' AS measure, toString(shard) AS rolled,
    toString(kafkaMurmurHash(entity) % assumeNotNull(shards)) AS recomputed
FROM nodes FINAL
WHERE rolled != recomputed
