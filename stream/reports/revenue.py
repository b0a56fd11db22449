"""`roll_revenue`: the deals won now, shared among their touches by every model, by close and by cohort."""

from collections.abc import Iterator

from stream.journey import Journey
from stream.records import MODELS
from stream.reports.table import Contribution, Table


def contribute(journey: Journey) -> Iterator[Contribution]:
    """Each credit on the day its deal closed, and on the day its lead was created.

    A deal without a known lead has no cohort. Both carry the rate day of the close.
    """
    for credit in journey.credits:
        rest = (
            credit.channel,
            credit.source,
            credit.medium,
            credit.campaign_id,
            credit.lead_magnet,
            credit.currency,
            credit.rate_day,
        )
        measures = credit.measures()
        yield ("closed", credit.day, *rest), measures, None
        if credit.cohort_day is not None:
            yield ("cohort", credit.cohort_day, *rest), measures, None


TABLE = Table(
    name="roll_revenue",
    key=(
        "date_kind",
        "day",
        "channel",
        "source",
        "medium",
        "campaign_id",
        "lead_magnet",
        "currency",
        "rate_day",
    ),
    measures=tuple(f"{measure}_{model}" for model in MODELS for measure in ("deals", "revenue", "cost", "heads")),
    big=frozenset(f"{measure}_{model}" for model in MODELS for measure in ("revenue", "cost")),
    contribute=contribute,
)
