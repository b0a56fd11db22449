-- The settings that views read, one row, and today in the reporting time zone.
--
-- currency: the reporting currency
-- pivot_currency: the currency that rates may go across
-- fiscal_year_start: month 1..12
-- attribution_model: model of the views without a column `model`
-- time_zone: IANA name of the reporting time zone
-- platform_channels: platform -> channel of spend that has no channel of its own or of its campaign
-- today: the local day now
SELECT
    currency, pivot_currency, fiscal_year_start, attribution_model, time_zone, platform_channels,
    -- the zone must be a constant and valid even where nothing is read: while a view is made, on an empty table
    toDate(now(), assumeNotNull(ifNull(nullIf(
        (SELECT argMax(time_zone, version) FROM view_settings), ''), 'UTC'))) AS today
FROM (
    -- an aggregate has a row on an empty table too
    SELECT
        argMax(currency, version) AS currency, argMax(pivot_currency, version) AS pivot_currency,
        greatest(argMax(fiscal_year_start, version), 1) AS fiscal_year_start,
        argMax(attribution_model, version) AS attribution_model, argMax(time_zone, version) AS time_zone,
        argMax(platform_channels, version) AS platform_channels
    FROM view_settings)
