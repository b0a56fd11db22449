-- The counted leads, one row per group of merged leads.
--
-- lead_id: the lead that stands for its group
-- merged_ids: the other leads of the group
-- created_at: its creation
-- day: local day of its creation
-- channel: where it came from
-- source: where it came from
-- medium: where it came from
-- campaign_id: resolved
-- campaign: name of the campaign, empty where unknown
-- given_campaign_id: the campaign before aliases: as given, else the UTM campaign, else (none)
-- lead_magnet: what it was won with
-- stage: its own stage now, verbatim
-- funnel_stage: its own stage now, mapped: tofu, mofu, bofu or customer
-- reached_stage: the highest funnel stage that the group has reached
-- mofu_at: when the group rose to MOFU or above, NULL: not yet
-- bofu_at: when it rose to BOFU or above, NULL: not yet
-- customer_at: when it became a customer, NULL: not yet
-- stages: every stage the group was ever in: at, stage (verbatim), funnel_stage, mapped (0: an unmapped name)
-- converted_at: the first close of its deals that are won now, NULL: none
-- seconds_to_convert: whole seconds from creation to that close, NULL: none, or closed before the creation
-- given_channel: the channel as given, else empty
-- utm_source: raw
-- utm_medium: raw
-- utm_campaign: raw
-- utm_term: raw
-- utm_content: raw
-- gclid: raw
-- msclkid: raw
-- fbclid: raw
-- referrer: its host
-- has_utm: 1 if any UTM was given
-- has_origin: 1 if the lead itself says where it came from
-- owner_id: who has it
-- owner: the name, empty where unknown
-- team: the owner's team on the day of the creation
-- account_id: its account, empty without one
-- root: the entity whose node counts it, and holds the documents that it is read from
SELECT
    l.lead_id AS lead_id, l.merged_ids AS merged_ids, fromUnixTimestamp64Micro(l.created_us, 'UTC') AS created_at,
    l.day AS day, l.channel AS channel, l.source AS source, l.medium AS medium,
    if(found.campaign_id = '', l.campaign_id, found.campaign_id) AS campaign_id, found.campaign AS campaign,
    l.campaign_id AS given_campaign_id, l.lead_magnet AS lead_magnet, l.stage AS stage,
    l.funnel_stage AS funnel_stage, l.reached_stage AS reached_stage,
    fromUnixTimestamp64Micro(l.mofu_us, 'UTC') AS mofu_at, fromUnixTimestamp64Micro(l.bofu_us, 'UTC') AS bofu_at,
    fromUnixTimestamp64Micro(l.customer_us, 'UTC') AS customer_at,
    CAST(
        arrayMap(s -> (fromUnixTimestamp64Micro(s.at_us, 'UTC'), s.stage, s.funnel_stage, s.mapped), l.stages),
        'Array(Tuple(at DateTime64(6, \'UTC\'), stage String, funnel_stage String, mapped UInt8))') AS stages,
    fromUnixTimestamp64Micro(first_close_us, 'UTC') AS converted_at,
    if(first_close_us >= l.created_us, intDiv(first_close_us - l.created_us, 1000000), NULL) AS seconds_to_convert,
    l.given_channel AS given_channel, l.utm_source AS utm_source, l.utm_medium AS utm_medium,
    l.utm_campaign AS utm_campaign, l.utm_term AS utm_term, l.utm_content AS utm_content, l.gclid AS gclid,
    l.msclkid AS msclkid, l.fbclid AS fbclid, l.referrer AS referrer, l.has_utm AS has_utm,
    l.has_origin AS has_origin, l.owner_id AS owner_id, reps.rep AS owner,
    arrayLast(t -> t.since <= l.day, reps.teams).team AS team, l.account_id AS account_id,
    leads.root AS root
FROM (
    SELECT
        root, l, l.owner_id AS owner_id,
        arrayReduce('minOrNull', arrayMap(
            o -> assumeNotNull(o.closed_us),
            arrayFilter(o -> o.status = 'won' AND o.lead_id = l.lead_id, opportunities))) AS first_close_us,
        arraySort(c -> (c.campaign_id != l.campaign_id, c.campaign_id), keys.candidates)[1] AS found
    FROM (SELECT entity AS root, l, opportunities FROM nodes FINAL ARRAY JOIN leads AS l) AS records
    LEFT ANY JOIN base_campaign_keys AS keys ON keys.key = lowerUTF8(trimBoth(l.campaign_id, ' \t\r\n\f\v'))) AS leads
LEFT ANY JOIN base_reps AS reps ON reps.rep_id = leads.owner_id
SETTINGS join_use_nulls = 0
