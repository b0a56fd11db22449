-- Records of a source that must be fetched because their change did not come through (crm.gap.posted).
-- open: 1 until they were fetched; since_us: when that was last said, in microseconds since 1970.
CREATE TABLE IF NOT EXISTS source_gaps (
    shard UInt16, system String, entity String, record String, open UInt8, change String, since_us Int64, version UInt64
) ENGINE = ReplacingMergeTree(version) ORDER BY (shard, system, entity, record);
