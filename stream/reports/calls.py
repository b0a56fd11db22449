"""`roll_calls`: calls by rep and direction, how many were answered, how long they took, whom they advanced."""

from collections.abc import Iterator

from stream.journey import Journey
from stream.reports.table import Contribution, Table


def contribute(journey: Journey) -> Iterator[Contribution]:
    """Each call on the day it started. Every call that is not answered is missed; only answered ones have talk time."""
    for call in journey.calls:
        answered = call.status == "answered"
        talk = call.talk_seconds if answered else 0
        yield (
            (call.day, call.rep_id, call.direction),
            (1, int(answered), int(not answered), talk, call.advanced_mofu, call.advanced_bofu),
            talk if answered else None,
        )


TABLE = Table(
    name="roll_calls",
    key=("day", "rep_id", "direction"),
    measures=("calls", "answered", "missed", "talk_seconds", "advanced_mofu", "advanced_bofu"),
    sparse="talk",
    contribute=contribute,
)
