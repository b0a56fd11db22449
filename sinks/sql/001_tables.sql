-- The tables. Forward-only: a change is a new file. Views are not here: they are made anew by every migrate
-- (sinks/views/).
--
-- Units: money is an integer of 1e-4 (`*_units`), shares of a deal an integer of 1e-6 (`deals_*`), an instant an
-- integer of microseconds since 1970 in UTC (`*_us`); views turn them into Decimal and DateTime64.
-- `version` is epoch * 2^32 + flush. The shard is in every sorting key: a key's rows live in one shard for ever.
-- A Date of 2149-06-06 stands for "none" (due dates) and "the latest" (rate days); real dates end with 2148.

-- One row an entity: its state, and beside it what this entity counts as a root (the records of the fact views).
CREATE TABLE IF NOT EXISTS nodes (
    shard UInt16,
    entity String,
    version UInt64,
    state String CODEC(ZSTD(3)),
    leads Array(Tuple(
        lead_id String, merged_ids Array(String), created_us Int64, day Date,
        channel String, source String, medium String, campaign_id String, lead_magnet String,
        -- raw own stage, its funnel stage, and the funnel stage reached by the whole group
        stage String, funnel_stage String, reached_stage String,
        -- when the group's reached stage rose to each (NULL: not yet)
        mofu_us Nullable(Int64), bofu_us Nullable(Int64), customer_us Nullable(Int64),
        -- every stage the group's own stage fields ever had: when, raw, mapped
        stages Array(Tuple(at_us Int64, stage String, funnel_stage String, mapped UInt8)),
        given_channel String, utm_source String, utm_medium String, utm_campaign String, utm_term String,
        utm_content String, gclid String, msclkid String, fbclid String, referrer String,
        has_utm UInt8, has_origin UInt8, owner_id String, account_id String)),
    opportunities Array(Tuple(
        opportunity_id String,
        -- given_lead_id: the link as the CRM gave it; lead_id: the counted lead it leads to, '' without a known one
        lead_id String, given_lead_id String, account_id String, contact_id String,
        amount_units Int64, has_amount UInt8, currency String, cost_units Int64, probability_units Nullable(Int32),
        weighted_units Int64, stage String, stage_mapped UInt8, status String, due_date Nullable(Date),
        created_us Int64, created_day Date, closed_us Nullable(Int64), closed_day Nullable(Date),
        owner_id String, campaign_id String, rate_day Date)),
    calls Array(Tuple(
        call_id String, rep_id String, lead_id String, given_lead_id String, opportunity_id String,
        direction String, status String, started_us Int64, day Date, talk_seconds UInt32,
        -- advanced_to is raw, '' when the call does not say; funnel stage '' likewise
        advanced_to String, advanced_stage String, advanced_mofu Int32, advanced_bofu Int32)),
    touches Array(Tuple(
        -- lead_id: the lead that the touch was recorded for (its counted lead is the row's); own: creation touch
        touch_id String, lead_id String, own UInt8, counted_lead_id String, at_us Int64, day Date,
        channel String, source String, medium String, campaign_id String,
        given_channel String, utm_source String, utm_medium String, utm_campaign String, utm_term String,
        utm_content String, gclid String, msclkid String, fbclid String, referrer String, has_utm UInt8)),
    credits Array(Tuple(
        -- one per won deal and touch with a weight in some model; touch '' and lead '' for a deal without known lead
        opportunity_id String, touch_id String, touch_lead_id String, own UInt8, lead_id String,
        day Date, cohort_day Nullable(Date),
        channel String, source String, medium String, campaign_id String, lead_magnet String,
        currency String, rate_day Date,
        deals_first Int64, revenue_first Int64, cost_first Int64, heads_first UInt8,
        deals_last Int64, revenue_last Int64, cost_last Int64, heads_last UInt8,
        deals_linear Int64, revenue_linear Int64, cost_linear Int64, heads_linear UInt8,
        deals_position Int64, revenue_position Int64, cost_position Int64, heads_position UInt8,
        deals_time_decay Int64, revenue_time_decay Int64, cost_time_decay Int64, heads_time_decay UInt8,
        deals_w_shaped Int64, revenue_w_shaped Int64, cost_w_shaped Int64, heads_w_shaped UInt8)),
    spend Array(Tuple(
        platform String, account_id String, day Date, given_campaign_id String, campaign_id String, category String,
        -- channel '' is resolved when read: of the campaign, else of the platform, else other
        channel String, source String, medium String, given_channel String,
        utm_source String, utm_medium String, utm_campaign String, utm_term String, utm_content String,
        currency String, amount_units Int64, impressions Int64, clicks Int64, visitors Int64))
) ENGINE = ReplacingMergeTree(version) ORDER BY (shard, entity);

-- Rolling tables: this shard's total for the key, absolute, of one generation (epoch).
CREATE TABLE IF NOT EXISTS roll_leads (
    shard UInt16, epoch UInt32,
    day Date, channel LowCardinality(String), source LowCardinality(String), medium LowCardinality(String),
    campaign_id String, lead_magnet LowCardinality(String),
    leads Int64, reached_mofu Int64, reached_bofu Int64, customers Int64, converted Int64,
    seconds_to_convert Int64, hours_to_convert Map(UInt32, Int64),
    version UInt64, is_deleted UInt8
) ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY (shard, epoch, day, channel, source, medium, campaign_id, lead_magnet);

CREATE TABLE IF NOT EXISTS roll_opportunities (
    shard UInt16, epoch UInt32,
    -- created: all; closed: won and lost ones by day closed; due: all by due date (2149-06-06: without one)
    date_kind LowCardinality(String), day Date, owner_id String, stage LowCardinality(String),
    status LowCardinality(String), currency LowCardinality(String), rate_day Date,
    opportunities Int64, amount_units Int128, weighted_units Int128,
    version UInt64, is_deleted UInt8
) ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY (shard, epoch, date_kind, day, owner_id, stage, status, currency, rate_day);

CREATE TABLE IF NOT EXISTS roll_revenue (
    shard UInt16, epoch UInt32,
    -- closed: by day of the close; cohort: by day on which the lead was created
    date_kind LowCardinality(String), day Date, channel LowCardinality(String), source LowCardinality(String),
    medium LowCardinality(String), campaign_id String, lead_magnet LowCardinality(String),
    currency LowCardinality(String), rate_day Date,
    -- heads: deals whose first credited touch is of this row (what `unconverted` counts when there is no rate)
    deals_first Int64, revenue_first Int128, cost_first Int128, heads_first Int64,
    deals_last Int64, revenue_last Int128, cost_last Int128, heads_last Int64,
    deals_linear Int64, revenue_linear Int128, cost_linear Int128, heads_linear Int64,
    deals_position Int64, revenue_position Int128, cost_position Int128, heads_position Int64,
    deals_time_decay Int64, revenue_time_decay Int128, cost_time_decay Int128, heads_time_decay Int64,
    deals_w_shaped Int64, revenue_w_shaped Int128, cost_w_shaped Int128, heads_w_shaped Int64,
    version UInt64, is_deleted UInt8
) ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY (shard, epoch, date_kind, day, channel, source, medium, campaign_id, lead_magnet, currency, rate_day);

CREATE TABLE IF NOT EXISTS roll_calls (
    shard UInt16, epoch UInt32,
    day Date, rep_id String, direction LowCardinality(String),
    -- talk: answered calls by whole talk seconds
    calls Int64, answered Int64, missed Int64, talk_seconds Int64, advanced_mofu Int64, advanced_bofu Int64,
    talk Map(UInt32, Int64),
    version UInt64, is_deleted UInt8
) ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY (shard, epoch, day, rep_id, direction);

CREATE TABLE IF NOT EXISTS roll_spend (
    shard UInt16, epoch UInt32,
    -- channel '' is resolved when read: of the campaign, else of the platform, else other
    day Date, platform LowCardinality(String), channel LowCardinality(String), source LowCardinality(String),
    medium LowCardinality(String), campaign_id String, category LowCardinality(String),
    currency LowCardinality(String),
    figures Int64, amount_units Int128, impressions Int64, clicks Int64, visitors Int64,
    version UInt64, is_deleted UInt8
) ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY (shard, epoch, day, platform, channel, source, medium, campaign_id, category, currency);

-- Reference entities, joined when read.
CREATE TABLE IF NOT EXISTS campaigns (
    shard UInt16, campaign_id String, name String, campaign_group String, channel String, aliases Array(String),
    has_budget UInt8, budget_units Int64, currency String, version UInt64
) ENGINE = ReplacingMergeTree(version) ORDER BY (shard, campaign_id);

-- teams: in force from that day on; 1970-01-01: from the beginning of time
CREATE TABLE IF NOT EXISTS reps (
    shard UInt16, rep_id String, name String, teams Array(Tuple(since Date, team String)), version UInt64
) ENGINE = ReplacingMergeTree(version) ORDER BY (shard, rep_id);

CREATE TABLE IF NOT EXISTS accounts (
    shard UInt16, account_id String, name String, key_account UInt8, version UInt64
) ENGINE = ReplacingMergeTree(version) ORDER BY (shard, account_id);

-- 1 base = rate quote
CREATE TABLE IF NOT EXISTS rates (
    shard UInt16, base String, quote String, date Date, rate Decimal(38, 18), version UInt64
) ENGINE = ReplacingMergeTree(version) ORDER BY (shard, base, quote, date);

CREATE TABLE IF NOT EXISTS benchmarks (
    shard UInt16, metric String, valid_from Date, value Decimal(38, 18), label String, version UInt64
) ENGINE = ReplacingMergeTree(version) ORDER BY (shard, metric, valid_from);

CREATE TABLE IF NOT EXISTS targets (
    shard UInt16, metric String, scope String, month Date, value Decimal(38, 18), version UInt64
) ENGINE = ReplacingMergeTree(version) ORDER BY (shard, metric, scope, month);

-- Personal data, and nowhere else. Grow-only; the view people_latest takes the greatest of each field.
CREATE TABLE IF NOT EXISTS people (
    entity String, field LowCardinality(String), time DateTime64(6, 'UTC'), sequence Int64, source String, id String,
    value String
) ENGINE = ReplacingMergeTree ORDER BY (entity, field, time, sequence, source, id, value);

CREATE TABLE IF NOT EXISTS erased (
    entity String
) ENGINE = ReplacingMergeTree ORDER BY entity;

CREATE TABLE IF NOT EXISTS dead_letters (
    topic String, partition Int32, offset Int64, received_at DateTime64(3, 'UTC'), reason LowCardinality(String),
    message String, value_base64 String EPHEMERAL, value String DEFAULT base64Decode(value_base64)
) ENGINE = ReplacingMergeTree ORDER BY (topic, partition, offset);

-- From which source events came, by the minute of their own time, and the greatest time in it. Grow-only.
CREATE TABLE IF NOT EXISTS source_minutes (
    source String, minute DateTime64(0, 'UTC'), last_us SimpleAggregateFunction(max, Int64)
) ENGINE = AggregatingMergeTree ORDER BY (source, minute);

-- Who owns a shard, and how far it is. `source_*`: the manifest that this epoch was loaded from.
CREATE TABLE IF NOT EXISTS claims (
    shard UInt16, epoch UInt32, token String, worker String, claimed_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
) ENGINE = MergeTree ORDER BY (shard, epoch, token);

CREATE TABLE IF NOT EXISTS manifest (
    shard UInt16, epoch UInt32, flush UInt32,
    events_position Int64, events_mark_ms Int64, events_mark_crc UInt32,
    documents_position Int64, documents_mark_ms Int64, documents_mark_crc UInt32,
    incarnation String, rules_hash String, source_epoch UInt32, source_flush UInt32,
    -- last_event_us: greatest event time read; 0 before the first event. as_of: newest record timestamp read.
    -- ready: 0 until the epoch's rolling rows are there (views show the newest ready epoch of a shard)
    last_event_us Int64, as_of_ms Int64, ready UInt8 DEFAULT 1,
    written_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
) ENGINE = ReplacingMergeTree(flush) ORDER BY (shard, epoch);

CREATE TABLE IF NOT EXISTS rules (
    seq UInt32, hash String, content String, added_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
) ENGINE = ReplacingMergeTree ORDER BY (seq, hash);

-- What only views need: one row, replaced by every migrate.
CREATE TABLE IF NOT EXISTS view_settings (
    one UInt8, currency String, pivot_currency String, fiscal_year_start UInt8, attribution_model String,
    time_zone String, platform_channels Map(String, String), lookback_days UInt32, call_credit_hours UInt32,
    partitions UInt16, version UInt64
) ENGINE = ReplacingMergeTree(version) ORDER BY one;
