"""`roll_leads`: leads by the day they were created, how far they came, and how long it took."""

from collections.abc import Iterator

from stream.journey import Journey
from stream.reports.table import Contribution, Table
from stream.stages import BOFU, CUSTOMER, FUNNEL, MOFU

_SECOND_US = 1_000_000
_HOUR_US = 3_600_000_000


def contribute(journey: Journey) -> Iterator[Contribution]:
    """One row for the counted lead.

    It converts when the first of its deals that are won now closes; a close before its creation leaves it a customer
    and is no conversion time.
    """
    lead = journey.lead
    if lead is None:
        return
    reached = FUNNEL.index(lead.reached_stage)
    closes = [deal.closed_us for deal in journey.opportunities if deal.status == "won" and deal.closed_us is not None]
    took = min(closes) - lead.created_us if closes else -1
    converted = took >= 0
    yield (
        (lead.day, lead.channel, lead.source, lead.medium, lead.campaign_id, lead.lead_magnet),
        (
            1,
            int(reached >= MOFU),
            int(reached >= BOFU),
            int(reached >= CUSTOMER),
            int(converted),
            took // _SECOND_US if converted else 0,
        ),
        took // _HOUR_US if converted else None,
    )


TABLE = Table(
    name="roll_leads",
    key=("day", "channel", "source", "medium", "campaign_id", "lead_magnet"),
    measures=("leads", "reached_mofu", "reached_bofu", "customers", "converted", "seconds_to_convert"),
    sparse="hours_to_convert",
    contribute=contribute,
)
