"""The dead letters in ClickHouse: found, read, marked as settled, deleted.

What each is stands in the view `dead_letter_list`; its bytes in the table `dead_letters`, as they were received.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from clickhouse_connect.driver.client import Client

from sinks.client import bound_lists

Outcome = Literal["replayed", "dropped"]
STATES = ("open", "replayed", "dropped")

_COLUMNS = (
    "topic, partition, offset, received_at, reason, message, source, event_id, event_type, bytes, state, settled_at"
)


@dataclass(frozen=True)
class Place:
    """Where a dead letter was read, and so its name: `topic/partition/offset`.

    Partition -1 counts positions of the embedded stack's journal.
    """

    topic: str
    partition: int
    offset: int

    @classmethod
    def of(cls, text: str) -> "Place":
        """Read `topic/partition/offset`. Raises ValueError."""
        topic, partition, offset = text.rsplit("/", 2)
        if not topic:
            raise ValueError(f"{text!r} has no topic")
        return cls(topic, int(partition), int(offset))

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True)
class DeadLetter:
    """What could not be read, and what became of it.

    `source`, `event_id` and `event_type` are the event's, as far as its bytes tell them. `bytes` is how many there
    are; `settled_at` is None while the state is `open`.
    """

    place: Place
    received_at: datetime
    reason: str
    message: str
    source: str
    event_id: str
    event_type: str
    bytes: int
    state: str
    settled_at: datetime | None

    def as_json(self) -> dict[str, Any]:
        """As the commands print it."""
        return {
            "id": str(self.place),
            "received_at": self.received_at,
            "reason": self.reason,
            "source": self.source,
            "event_id": self.event_id,
            "event_type": self.event_type,
            "message": self.message,
            "bytes": self.bytes,
            "state": self.state,
            "settled_at": self.settled_at,
        }


@dataclass(frozen=True)
class Selection:
    """Which dead letters: those that fit everything that is given.

    `since` and `until` bound the received time, the first inclusive, the second exclusive. `state` '' takes any.
    """

    reasons: Sequence[str] = ()
    sources: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None
    places: Sequence[Place] = ()
    state: str = "open"


def find(client: Client, selection: Selection, limit: int | None = None) -> list[DeadLetter]:
    """The dead letters of a selection, the newest first."""
    conditions, values = _conditions(selection)
    most = f" LIMIT {limit:d}" if limit is not None else ""
    rows = client.query(
        f"SELECT {_COLUMNS} FROM dead_letter_list WHERE {conditions}"  # noqa: S608 - names of ours; values are parameters
        f" ORDER BY received_at DESC, topic, partition, offset DESC{most}",
        parameters=values,
    ).result_rows
    return [_letter(*row) for row in rows]


def _letter(topic: str, partition: int, offset: int, received_at: datetime, *rest: Any) -> DeadLetter:  # noqa: ANN401 - columns
    reason, message, source, event_id, event_type, size, state, settled_at = rest
    return DeadLetter(
        Place(topic, partition, offset),
        received_at.replace(tzinfo=UTC),
        reason,
        message,
        source,
        event_id,
        event_type,
        size,
        state,
        settled_at.replace(tzinfo=UTC) if settled_at else None,
    )


def count(client: Client, selection: Selection) -> int:
    """How many there are of a selection."""
    conditions, values = _conditions(selection)
    query = f"SELECT count() FROM dead_letter_list WHERE {conditions}"  # noqa: S608 - names of ours; values are parameters
    return int(client.query(query, parameters=values).result_rows[0][0])


def value_of(client: Client, place: Place) -> bytes:
    """The original bytes. Raises LookupError where there is no such dead letter (any more)."""
    rows = client.query(
        "SELECT value FROM dead_letters FINAL WHERE topic = {topic:String} AND partition = {partition:Int32}"
        " AND offset = {offset:Int64}",
        parameters=_values(place),
        query_formats={"String": "bytes"},
    ).result_rows
    if not rows:
        raise LookupError(f"there is no dead letter {place}")
    value: bytes = rows[0][0]
    return value


def settle(client: Client, places: Sequence[Place], outcome: Outcome) -> None:
    """Mark dead letters as replayed or dropped; grow-only, so that twice does no harm."""
    if not places:
        return
    at = datetime.fromtimestamp(time.time_ns() // 1_000_000 / 1000, UTC)
    client.insert(
        "dead_letters_settled",
        [[place.topic, place.partition, place.offset, outcome, at] for place in places],
        column_names=["topic", "partition", "offset", "outcome", "settled_at"],
    )


def delete(client: Client, places: Sequence[Place]) -> None:
    """Delete dead letters with their bytes, on disk too once their old parts are gone (`sinks/purge.py`)."""
    for chunk in bound_lists(map(str, places)):
        client.command(
            "ALTER TABLE dead_letters DELETE WHERE concat_ws('/', topic, toString(partition), toString(offset)) IN"
            " %(ids)s SETTINGS mutations_sync = 2",
            parameters={"ids": chunk},
        )


def _values(place: Place) -> dict[str, object]:
    return {"topic": place.topic, "partition": place.partition, "offset": place.offset}


def _conditions(selection: Selection) -> tuple[str, dict[str, object]]:
    conditions = ["true"]
    values: dict[str, object] = {}
    if selection.state:
        conditions.append("state = %(state)s")
        values["state"] = selection.state
    for name, wanted in (("reason", selection.reasons), ("source", selection.sources)):
        if wanted:
            conditions.append(f"toString({name}) IN %({name})s")
            values[name] = list(wanted)
    for name, sign, instant in (("since", ">=", selection.since), ("until", "<", selection.until)):
        if instant is not None:
            conditions.append(f"toUnixTimestamp64Milli(received_at) {sign} %({name})s")
            values[name] = round(instant.timestamp() * 1000)
    if selection.places:
        conditions.append("id IN %(ids)s")
        values["ids"] = [str(place) for place in selection.places]
    return " AND ".join(conditions), values
