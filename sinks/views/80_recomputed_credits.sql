-- Who is credited with each won deal, computed anew for the audit from touches and deals alone: the order of the
-- touches, the look-back, the weights of the six models, and amounts shared by largest remainder.
--
-- shard: shard of the node
-- entity: the node
-- opportunity_id: the won deal
-- touch_id: the credited touch, '' for a deal without known lead
-- touch_lead_id: the lead that the touch was recorded for
-- own: 1 for a creation touch
-- lead_id: the counted lead, '' without a known one
-- day: local day of the close
-- cohort_day: local day of the lead's creation, NULL without a known lead
-- channel: of the touch
-- source: of the touch
-- medium: of the touch
-- campaign_id: of the touch, before aliases; the deal's own without a known lead
-- lead_magnet: of the lead
-- currency: of the amounts
-- rate_day: day of the rate: the close; 1970-01-01 in the reporting currency
-- model: attribution model
-- deals: share of the deal, units of 1e-6
-- revenue: share of the amount, units of 1e-4
-- cost: share of the cost, units of 1e-4
-- heads: 1 on the first touch with a weight
WITH
    (SELECT currency FROM view_settings FINAL) AS reporting_currency,
    (SELECT toInt64(lookback_days) * 86400000000 FROM view_settings FINAL) AS lookback_us,
    'Tuple(at_us Int64, own UInt8, lead_id String, touch_id String, channel String, source String, medium String,
     campaign_id String)' AS credited
SELECT
    shard, entity, deal.opportunity_id AS opportunity_id, touch.touch_id AS touch_id, touch.lead_id AS touch_lead_id,
    touch.own AS own, lead.lead_id AS lead_id, assumeNotNull(deal.closed_day) AS day,
    if(known, lead.day, NULL) AS cohort_day, touch.channel AS channel, touch.source AS source,
    touch.medium AS medium, touch.campaign_id AS campaign_id,
    if(known, lead.lead_magnet, '(unattributed)') AS lead_magnet, deal.currency AS currency,
    if(deal.currency = reporting_currency, toDate(0), assumeNotNull(deal.closed_day)) AS rate_day,
    model, credit_deals AS deals, credit_revenue AS revenue, credit_cost AS cost, position = head AS heads
FROM (
    -- what the cut left over goes, one unit each, to the largest remainders
    SELECT
        shard, entity, deal, lead, known, touches, positions, model,
        arrayFirstIndex(weight -> weight > 0, weights) AS head,
        arrayMap(
            (total, cuts, ranks) ->
                arrayMap((cut, rank) -> sign(total) * (cut + (rank <= abs(total) - arraySum(cuts))), cuts, ranks),
            totals,
            arrayMap(
                total -> arrayMap(weight -> intDiv(abs(total) * weight, arraySum(weights)), weights), totals),
            arrayMap(
                total -> arraySort(
                    (position, place) -> place, positions,
                    arraySort(
                        (position, weight) -> (-(abs(total) * weight % arraySum(weights)), position),
                        positions, weights)),
                totals)) AS credits
    FROM (
        SELECT
            shard, entity, deal, lead, known, touches, positions, named_weights.1 AS model,
            named_weights.2 AS weights,
            [toInt128(1000000), toInt128(deal.amount_units), toInt128(deal.cost_units)] AS totals
        FROM (
            SELECT
                shard, entity, deal, lead, known, touches,
                arrayEnumerate(touches) AS positions,
                length(touches) AS touched,
                -- the first touch, the lead's own, the last at or before the opportunity's creation
                arrayMap(position -> greatest(position, 1), [
                    1,
                    arrayFirstIndex(t -> t.own = 1 AND t.lead_id = lead.lead_id, touches),
                    arrayLastIndex(t -> t.at_us <= deal.created_us, touches)]) AS milestones,
                touched - length(arrayDistinct(milestones)) AS others,
                [
                    ('first', arrayMap(p -> toInt128(p = 1), positions)),
                    ('last', arrayMap(p -> toInt128(p = touched), positions)),
                    ('linear', arrayMap(p -> toInt128(1), positions)),
                    ('position', arrayMap(
                        p -> toInt128(multiIf(touched <= 2, 1, p IN (1, touched), 40 * (touched - 2), 20)), positions)),
                    ('time_decay', arrayMap(
                        t -> toInt128(roundBankers(
                            1000000000 * exp2(-((touches[-1].at_us - t.at_us) / 1000000) / 604800))), touches)),
                    ('w_shaped', arrayMap(
                        p -> toInt128(if(
                            has(milestones, p), 30 * countEqual(milestones, p) * greatest(others, 1), 10)), positions))
                ] AS models
            FROM (
                SELECT
                    shard, entity, deal,
                    arrayFirst(l -> l.lead_id = deal.lead_id, leads) AS lead,
                    lead.lead_id != '' AS known,
                    arrayFilter(
                        t -> t.at_us <= assumeNotNull(deal.closed_us)
                            AND (lookback_us = 0 OR t.at_us >= assumeNotNull(deal.closed_us) - lookback_us),
                        journey) AS recent,
                    multiIf(
                        NOT known,
                        [CAST(
                            (deal.closed_us, 0, '', '', '(unattributed)', '(unattributed)', '(unattributed)',
                             if(deal.campaign_id = '', '(unattributed)', deal.campaign_id)),
                            credited)],
                        notEmpty(recent), recent,
                        arrayFilter(t -> t.own = 1 AND t.lead_id = lead.lead_id, journey)) AS touches
                FROM (
                    SELECT
                        shard, entity, leads, opportunities,
                        arraySort(
                            t -> (t.at_us, 1 - t.own, if(t.own = 1, t.lead_id, ''), t.touch_id, t.lead_id),
                            arrayMap(
                                t -> CAST(
                                    (t.at_us, t.own, t.lead_id, t.touch_id, t.channel, t.source, t.medium, t.campaign_id),
                                    credited),
                                nodes.touches)) AS journey
                    FROM nodes FINAL
                    WHERE has(opportunities.status, 'won')
                )
                ARRAY JOIN arrayFilter(o -> o.status = 'won', opportunities) AS deal
            )
        )
        ARRAY JOIN models AS named_weights
    )
)
ARRAY JOIN
    touches AS touch, positions AS position, credits[1] AS credit_deals, credits[2] AS credit_revenue,
    credits[3] AS credit_cost
