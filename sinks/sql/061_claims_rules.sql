-- Under which rules a shard was claimed: whoever claimed under other ones may be only paused, and write yet.
ALTER TABLE claims ADD COLUMN IF NOT EXISTS rules_hash String;
