-- What became of dead letters: a row each time one was sent again (outcome `replayed`) or set aside (`dropped`).
-- Grow-only; a dead letter without a row is open.
CREATE TABLE IF NOT EXISTS dead_letters_settled (
    topic String, partition Int32, offset Int64, outcome LowCardinality(String),
    settled_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
) ENGINE = ReplacingMergeTree ORDER BY (topic, partition, offset, outcome, settled_at);
