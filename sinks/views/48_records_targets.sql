-- The targets, record by record.
--
-- root: the target
-- month: first day of the month
-- metric: leads, revenue, won_deals or calls
-- scope: company, team/NAME, rep/ID or campaign/ID
-- target: what was set
SELECT
    concat('target:', metric, '/', encodeURLComponent(scope), '/', substring(toString(month), 1, 7)) AS root, month,
    metric, scope, toDecimal128(targets.value, 6) AS target
FROM targets FINAL
