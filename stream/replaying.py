"""Dead letters sent through again, to the right home; what would be rejected again is not sent."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from clickhouse_connect.driver.client import Client

from schemas import Rejected, decode
from sinks.dead_letters import Place, settle, value_of
from stream.sending import Destination, open_destination
from stream.settings import Settings

BATCH_EVENTS = 500
BATCH_BYTES = 1 << 20


@dataclass
class Replayed:
    """What became of dead letters that were to be sent again."""

    sent: list[Place] = field(default_factory=list)
    rejected: list[tuple[Place, str, str]] = field(default_factory=list)
    """Those not sent, for they would be dead letters again: place, reason, message."""


async def replay(
    client: Client,
    settings: Settings,
    places: Sequence[Place],
    fixed: bytes | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Replayed:
    """Send the bytes of dead letters once more, or `fixed` in the place of the only one's.

    Each is marked as replayed when it is acknowledged, not before: whoever is interrupted sends some again, which
    changes nothing, for an event counts by its id and content. Raises SendingError, LookupError.
    """
    result = Replayed()
    async with open_destination(settings) as destination:
        batch: list[tuple[Place, bytes]] = []
        for place, event in _readable(client, settings, places, fixed, result):
            batch.append((place, event))
            if len(batch) >= BATCH_EVENTS or sum(len(each) for _, each in batch) >= BATCH_BYTES:
                await _send(client, destination, batch, result)
                progress(len(result.sent) + len(result.rejected))
                batch = []
        await _send(client, destination, batch, result)
        progress(len(result.sent) + len(result.rejected))
    return result


def _readable(
    client: Client, settings: Settings, places: Sequence[Place], fixed: bytes | None, result: Replayed
) -> Iterator[tuple[Place, bytes]]:
    max_future_us = round(settings.max_future_hours * 3_600_000_000)
    for place in places:
        value = value_of(client, place) if fixed is None else fixed
        try:
            decode(value, time.time_ns() // 1_000_000, max_future_us)
        except Rejected as rejected:
            result.rejected.append((place, str(rejected.reason), rejected.message))
            continue
        # a line break can only be space between tokens, and events travel as lines
        yield place, value.replace(b"\r", b" ").replace(b"\n", b" ")


async def _send(
    client: Client, destination: Destination, batch: Sequence[tuple[Place, bytes]], result: Replayed
) -> None:
    if not batch:
        return
    refused = set(await destination.send([event for _, event in batch]))
    sent = [place for index, (place, _) in enumerate(batch) if index not in refused]
    result.rejected += [
        (place, "too-large", f"has {len(event)} bytes, more than the destination takes")
        for index, (place, event) in enumerate(batch)
        if index in refused
    ]
    settle(client, sent, "replayed")
    result.sent += sent
