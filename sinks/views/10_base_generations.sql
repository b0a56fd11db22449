-- The generation of rolling rows that is shown for each shard: that of its newest manifest whose rows are complete.
--
-- shard: number of the shard
-- epoch: the generation
SELECT shard, max(epoch) AS epoch FROM manifest WHERE ready GROUP BY shard
