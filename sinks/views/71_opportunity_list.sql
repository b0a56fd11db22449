-- Every opportunity as a record to look at, with the people and the team of today.
--
-- opportunity_id: its id
-- subject: what it is about, empty where unknown or erased
-- contact_id: as given, else empty
-- contact: name of the contact, empty where unknown or erased
-- lead_id: the counted lead that it belongs to, empty without a known one
-- owner_id: who has it
-- owner: the name, empty where unknown
-- team: the owner's team today
-- account_id: its own account, else its lead's, else (none)
-- account: name of it, empty where unknown
-- key_account: 1 for a key account
-- stage: verbatim
-- status: open, won or lost
-- due_date: NULL without one
-- overdue: 1 if open and due before today
-- age_days: days from its creation to its close, or to today if open
-- amount: in its currency, 0 where absent
-- currency: of the amount
-- estimated_revenue: the amount in the reporting currency, 0 without a rate
-- probability: as given, 0..1, NULL where absent
-- created_at: its creation
-- closed_at: its close, NULL if open
-- unconverted: 1 if there is no rate for its currency
SELECT
    opportunity_id, subject, contact_id, contact, lead_id, owner_id, owner, team, account_id,
    accounts.name AS account, accounts.key_account AS key_account, stage, status, due_date, overdue,
    toInt32(ifNull(closed_day, assumeNotNull((SELECT today FROM base_settings))) - created_day) AS age_days, amount,
    opportunities.currency AS currency, toDecimal128(round(toDecimal256(amount, 4) * factor, 4), 4) AS estimated_revenue,
    probability, created_at, closed_at, NOT has_rate AS unconverted
FROM (
    SELECT records.*, rate.factor AS factor, rate.known AS has_rate
    FROM fact_opportunities AS records
    ASOF LEFT JOIN base_rates AS rate
        ON rate.currency = records.currency AND records.rate_day >= rate.since) AS opportunities
LEFT ANY JOIN (
    SELECT entity, anyIf(value, field = 'subject') AS subject, anyIf(value, field = 'contact') AS contact
    FROM people_latest
    WHERE startsWith(entity, 'opportunity:')
    GROUP BY entity) AS people
    ON people.entity = concat('opportunity:', encodeURLComponent(opportunities.opportunity_id))
LEFT ANY JOIN (SELECT account_id AS id, name, key_account FROM accounts FINAL) AS accounts
    ON accounts.id = opportunities.account_id
SETTINGS join_use_nulls = 0
