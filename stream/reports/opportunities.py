"""`roll_opportunities`: opportunities by the day they were created, are due, and closed."""

from collections.abc import Iterator

from stream.calendar import LAST_DAY
from stream.journey import Journey
from stream.reports.table import Contribution, Table


def contribute(journey: Journey) -> Iterator[Contribution]:
    """Each opportunity counts as created and as due; those that are won or lost also as closed.

    Without a due date it is due on the day that stands for none.
    """
    for each in journey.opportunities:
        rest = (each.owner_id, each.stage, each.status, each.currency, each.rate_day)
        measures = (1, each.amount_units, each.weighted_units)
        yield ("created", each.created_day, *rest), measures, None
        yield ("due", each.due_date or LAST_DAY, *rest), measures, None
        if each.closed_day is not None:
            yield ("closed", each.closed_day, *rest), measures, None


TABLE = Table(
    name="roll_opportunities",
    key=("date_kind", "day", "owner_id", "stage", "status", "currency", "rate_day"),
    measures=("opportunities", "amount_units", "weighted_units"),
    big=frozenset({"amount_units", "weighted_units"}),
    contribute=contribute,
)
