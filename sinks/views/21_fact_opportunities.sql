-- The opportunities; a deal is one that is won or lost.
--
-- opportunity_id: its id
-- lead_id: the counted lead that it belongs to, empty without a known one
-- given_lead_id: the lead as given, else empty
-- contact_id: as given, else empty
-- account_id: its own account, else its lead's, else (none)
-- given_account_id: its own account as given, else empty
-- amount: in its currency, 0 where absent
-- has_amount: 1 if an amount was given
-- currency: of amount, weighted_amount and cost
-- weighted_amount: amount by probability
-- cost: in its currency, 0 where absent
-- probability: as given, 0..1, NULL where absent
-- rate_day: day of the rate of its money: the close; 2149-06-06 (the latest) if open; 1970-01-01 if none is needed
-- stage: verbatim
-- stage_mapped: 0 for a name that no stage is mapped from
-- status: open, won or lost
-- due_date: NULL without one
-- due_month: first day of its month, NULL without a due date
-- overdue: 1 if open and due before today
-- created_at: its creation
-- created_day: local day of it
-- closed_at: its close, NULL if open
-- closed_day: local day of it, NULL if open
-- owner_id: who has it
-- owner: the name, empty where unknown
-- team: the owner's team today
-- created_team: the owner's team on created_day
-- closed_team: the owner's team on closed_day, empty if open
-- campaign_id: its own campaign, resolved, empty without one; credits of deals with a lead go by touches
-- campaign: name of it, empty where unknown
-- given_campaign_id: its own campaign before aliases, else empty
-- root: the entity whose node counts it, and holds the documents that it is read from
SELECT
    o.opportunity_id AS opportunity_id, o.lead_id AS lead_id, o.given_lead_id AS given_lead_id,
    o.contact_id AS contact_id,
    multiIf(o.account_id != '', o.account_id, lead_account_id != '', lead_account_id, '(none)') AS account_id,
    o.account_id AS given_account_id, toDecimal128(o.amount_units, 4) / 10000 AS amount,
    o.has_amount AS has_amount, o.currency AS currency, toDecimal128(o.weighted_units, 4) / 10000 AS weighted_amount,
    toDecimal128(o.cost_units, 4) / 10000 AS cost, o.probability_units / 10000 AS probability,
    o.rate_day AS rate_day, o.stage AS stage, o.stage_mapped AS stage_mapped, o.status AS status,
    o.due_date AS due_date, toStartOfMonth(o.due_date) AS due_month,
    o.status = 'open' AND ifNull(o.due_date < assumeNotNull((SELECT today FROM base_settings)), false) AS overdue,
    fromUnixTimestamp64Micro(o.created_us, 'UTC') AS created_at, o.created_day AS created_day,
    fromUnixTimestamp64Micro(o.closed_us, 'UTC') AS closed_at, o.closed_day AS closed_day,
    o.owner_id AS owner_id, reps.rep AS owner, reps.team_today AS team,
    arrayLast(t -> t.since <= o.created_day, reps.teams).team AS created_team,
    arrayLast(t -> ifNull(t.since <= o.closed_day, false), reps.teams).team AS closed_team,
    if(found.campaign_id = '', o.campaign_id, found.campaign_id) AS campaign_id, found.campaign AS campaign,
    o.campaign_id AS given_campaign_id, opportunities.root AS root
FROM (
    SELECT
        root, o, o.owner_id AS owner_id, lead_account_id,
        arraySort(c -> (c.campaign_id != o.campaign_id, c.campaign_id), keys.candidates)[1] AS found
    FROM (
        SELECT entity AS root, o, arrayFirst(l -> l.lead_id = o.lead_id, leads).account_id AS lead_account_id
        FROM nodes FINAL
        ARRAY JOIN opportunities AS o) AS records
    LEFT ANY JOIN base_campaign_keys AS keys
        ON keys.key = lowerUTF8(trimBoth(o.campaign_id, ' \t\r\n\f\v'))) AS opportunities
LEFT ANY JOIN base_reps AS reps ON reps.rep_id = opportunities.owner_id
SETTINGS join_use_nulls = 0
