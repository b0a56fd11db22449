-- base_opportunities, record by record: every opportunity once in `created`, once in `due`, and once in `closed` when it
-- is won or lost.
--
-- root: the entity whose node counts it
-- opportunity_id: the opportunity
-- lead_id: the counted lead that it belongs to, empty without a known one
-- date_kind: created, due or closed
-- day: see date_kind; 2149-06-06 for no due date
-- owner_id: who has it
-- owner: the name
-- team: the owner's team on that day; of `due`, today
-- team_today: the owner's team on the local day now
-- account_id: its own account, else its lead's, else (none)
-- account: name of it, empty where unknown
-- key_account: 1 for a key account
-- stage: verbatim
-- status: open, won or lost
-- currency: of the amount
-- rate_day: day of the rate
-- rate: units of the reporting currency, 0 without one
-- rate_since: first day on which this rate is in force
-- given_amount: the amount in its currency
-- opportunities: always 1
-- amount: reporting currency, unrounded
-- weighted: amount by probability, reporting currency, unrounded
-- unconverted: 1 without a rate
SELECT
    root, opportunity_id, lead_id, dated.1 AS date_kind, assumeNotNull(dated.2) AS day, owner_id, owner,
    dated.3 AS team, team_today, account_id, account, key_account, stage, status, currency, rate_day, factor AS rate, rate_since,
    given_amount, 1 AS opportunities, toDecimal256(given_amount, 4) * factor AS amount,
    toDecimal256(weighted_amount, 4) * factor AS weighted, NOT has_rate AS unconverted
FROM (
    SELECT
        root, opportunity_id, lead_id, owner_id, owner, records.team AS team_today, account_id, accounts.name AS account,
        accounts.key_account AS key_account, stage, status,
        records.currency AS currency, rate_day, rate.factor AS factor, rate.since AS rate_since,
        rate.known AS has_rate, records.amount AS given_amount, weighted_amount,
        arrayFilter(d -> isNotNull(d.2), [
            ('created', toNullable(created_day), created_team),
            ('due', ifNull(due_date, toDate('2149-06-06')), records.team),
            ('closed', closed_day, closed_team)]) AS dates
    FROM fact_opportunities AS records
    LEFT ANY JOIN (SELECT account_id AS id, name, key_account FROM accounts FINAL) AS accounts
        ON accounts.id = records.account_id
    ASOF LEFT JOIN base_rates AS rate ON rate.currency = records.currency AND records.rate_day >= rate.since)
ARRAY JOIN dates AS dated
SETTINGS join_use_nulls = 0
