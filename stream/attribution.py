"""Six models of attribution, in integers, so that every implementation agrees (reports: "Attribution")."""

from collections.abc import Sequence

from stream.records import Credit, Lead, Opportunity, Touch
from stream.rules import Rules

#: a whole deal, in units of 1e-6
DEAL = 1_000_000
UNATTRIBUTED = "(unattributed)"
_WEEK_SECONDS = 604_800


def share(total: int, weights: Sequence[int]) -> list[int]:
    """Cut `total` by weight into whole units; what is left goes to the largest remainders, ties to the earlier.

    The parts add up to `total` exactly; a negative total mirrors the positive one.
    """
    if not total:
        return [0] * len(weights)
    whole, size = sum(weights), abs(total)
    parts = [size * weight // whole for weight in weights]
    left = size - sum(parts)
    if left:
        rests = [size * weight % whole for weight in weights]
        for index in sorted(range(len(rests)), key=rests.__getitem__, reverse=True)[:left]:
            parts[index] += 1
    return [-part for part in parts] if total < 0 else parts


def weights(touches: Sequence[Touch], lead_id: str, created_us: int) -> tuple[list[int], ...]:
    """The weights of a deal's touches in each of MODELS; `created_us` is the opportunity's creation."""
    count = len(touches)
    first = [1] + [0] * (count - 1)
    last = [0] * (count - 1) + [1]
    linear = [1] * count
    return (
        first,
        last,
        linear,
        _position(count),
        _time_decay(touches),
        _w_shaped(touches, lead_id, created_us),
    )


def _position(count: int) -> list[int]:
    if count <= 2:
        return [1] * count
    rest = count - 2
    return [40 * rest, *([20] * rest), 40 * rest]


def _time_decay(touches: Sequence[Touch]) -> list[int]:
    last_us = touches[-1].at_us
    return [round(1e9 * 2.0 ** (-((last_us - touch.at_us) / 1e6) / _WEEK_SECONDS)) for touch in touches]


def _w_shaped(touches: Sequence[Touch], lead_id: str, created_us: int) -> list[int]:
    own = created = 0
    for index, touch in enumerate(touches):
        if touch.own and touch.lead_id == lead_id:
            own = index
        if touch.at_us <= created_us:
            created = index
    milestones = [0] * len(touches)
    for index in (0, own, created):
        milestones[index] += 30
    rest = milestones.count(0)
    return [each * rest or 10 for each in milestones] if rest else milestones


def credits(  # noqa: A001 - the field's word; the builtin is the interpreter's copyright notice
    lead: Lead | None, touches: Sequence[Touch], opportunities: Sequence[Opportunity], rules: Rules
) -> list[Credit]:
    """The credits of every deal that is won now, of one root. `touches` are in order."""
    found: list[Credit] = []
    for deal in opportunities:
        if deal.status == "won" and deal.closed_us is not None and deal.closed_day is not None:
            if lead is None:
                found.append(_unattributed(deal, deal.closed_day))
            else:
                found += _credits(lead, touches, deal, deal.closed_us, deal.closed_day, rules)
    return found


def _unattributed(deal: Opportunity, day: str) -> Credit:
    return Credit(
        deal.opportunity_id,
        "",
        "",
        0,
        "",
        day,
        None,
        UNATTRIBUTED,
        UNATTRIBUTED,
        UNATTRIBUTED,
        deal.campaign_id or UNATTRIBUTED,
        UNATTRIBUTED,
        deal.currency,
        deal.rate_day,
        *(DEAL, deal.amount_units, deal.cost_units, 1) * 6,
    )


def _credits(
    lead: Lead, touches: Sequence[Touch], deal: Opportunity, closed_us: int, day: str, rules: Rules
) -> list[Credit]:
    since = closed_us - rules.lookback_us if rules.lookback_us else 0
    counted = [touch for touch in touches if since <= touch.at_us <= closed_us]
    if not counted:
        counted = [touch for touch in touches if touch.own and touch.lead_id == lead.lead_id]
    if len(counted) == 1:
        measures = [[DEAL, deal.amount_units, deal.cost_units, 1] * 6]
    else:
        measures = [[] for _ in counted]
        for model in weights(counted, lead.lead_id, deal.created_us):
            head = next(index for index, weight in enumerate(model) if weight)
            parts = zip(
                share(DEAL, model),
                share(deal.amount_units, model),
                share(deal.cost_units, model),
                strict=True,
            )
            for index, (deals, revenue, cost) in enumerate(parts):
                measures[index] += (deals, revenue, cost, int(index == head))
    return [
        Credit(
            deal.opportunity_id,
            touch.touch_id,
            touch.lead_id,
            touch.own,
            lead.lead_id,
            day,
            lead.day,
            touch.channel,
            touch.source,
            touch.medium,
            touch.campaign_id,
            lead.lead_magnet,
            deal.currency,
            deal.rate_day,
            *values,
        )
        for touch, values in zip(counted, measures, strict=True)
    ]
