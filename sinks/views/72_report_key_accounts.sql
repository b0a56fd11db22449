-- Which accounts have opportunities, and what they are worth: every account with one, key account or not.
--
-- account_id: the opportunity's own account, else its lead's, else (none)
-- account: its name, empty where unknown
-- key_account: 1 for a key account
-- opportunities: count
-- open: open ones
-- won: won ones
-- lost: lost ones
-- estimated_revenue: amount of the open ones, reporting currency
-- won_revenue: amount of the won ones, reporting currency
-- win_rate: won / (won + lost)
-- unconverted: open and won ones without a rate, left out of the money
SELECT
    account_id, account, key_account, count() AS opportunities, countIf(status = 'open') AS open,
    countIf(status = 'won') AS won, countIf(status = 'lost') AS lost,
    sumIf(amount_converted, status = 'open') AS estimated_revenue,
    sumIf(amount_converted, status = 'won') AS won_revenue, won / nullIf(won + lost, 0) AS win_rate,
    countIf(unconverted AND status != 'lost') AS unconverted
FROM (
    SELECT account_id, account, key_account, status, estimated_revenue AS amount_converted, unconverted
    FROM opportunity_list)
GROUP BY account_id, account, key_account
