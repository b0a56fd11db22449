-- What was spent, on what and where.
--
-- day: the spend's date
-- category: media or another
-- platform: where it was spent
-- spend: reporting currency
-- unconverted: figures left out of the money for want of a rate
SELECT
    $select_day, category, platform, toDecimal128(round(sum(amount), 4), 4) AS spend,
    sum(base.unconverted) AS unconverted
FROM base_spend AS base
GROUP BY $day, category, platform
HAVING spend != 0 OR unconverted != 0
