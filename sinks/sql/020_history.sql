-- What the reports said, and what they were made of, at each snapshot (`sixfold history`). Only what differs from the
-- snapshot before is written: the state at a snapshot is each key's last row up to then. Rows of a snapshot that is
-- not in history_snapshots count for nothing: it was cut short.
CREATE TABLE IF NOT EXISTS history_snapshots (
    taken_at DateTime64(3, 'UTC'), day Date, seconds Float64, rows UInt64, records UInt64,
    currency String, model String, rules_hash String, last_event_time Nullable(DateTime64(6, 'UTC')),
    -- moved: manifests moved while it was taken; pruned: its state is gone, what later ones need of it is kept
    moved UInt8, pruned UInt8 DEFAULT 0
) ENGINE = ReplacingMergeTree(pruned) ORDER BY taken_at;

-- place: keys of the report as JSON; day: 1970-01-01 for a report of now
CREATE TABLE IF NOT EXISTS history_rows (
    report LowCardinality(String), day Date, place String, taken_at DateTime64(3, 'UTC'), gone UInt8,
    measures Map(LowCardinality(String), Decimal(38, 6))
) ENGINE = MergeTree ORDER BY (report, day, place, taken_at);

-- content: what places the record in reports, and what is counted of it, money in the reporting currency
CREATE TABLE IF NOT EXISTS history_records (
    kind LowCardinality(String), record String, taken_at DateTime64(3, 'UTC'), gone UInt8, root String,
    content Map(LowCardinality(String), String)
) ENGINE = MergeTree ORDER BY (kind, record, taken_at);
