"""`roll_spend`: spend figures, each replaced whole by a later one of the same key."""

from collections.abc import Iterator

from stream.journey import Journey
from stream.reports.table import Contribution, Table


def contribute(journey: Journey) -> Iterator[Contribution]:
    """The one figure of a spend entity, on its own date."""
    for figure in journey.spend:
        yield (
            (
                figure.day,
                figure.platform,
                figure.channel,
                figure.source,
                figure.medium,
                figure.campaign_id,
                figure.category,
                figure.currency,
            ),
            (1, figure.amount_units, figure.impressions, figure.clicks, figure.visitors),
            None,
        )


TABLE = Table(
    name="roll_spend",
    key=("day", "platform", "channel", "source", "medium", "campaign_id", "category", "currency"),
    measures=("figures", "amount_units", "impressions", "clicks", "visitors"),
    big=frozenset({"amount_units"}),
    contribute=contribute,
)
