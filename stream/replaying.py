"""Dead letters sent through again, to the right home; what would be rejected again is not sent.

A payload that an adapter refused goes through the adapter of its source again, as the source file is now.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from clickhouse_connect.driver.client import Client

from schemas import Reason, Rejected, decode
from sinks.dead_letters import Place, settle, value_of
from stream.refused import RefusedPayload, read_refused
from stream.sending import Destination, open_destination
from stream.settings import Settings
from stream.sources import NamedSource, read_sources

BATCH_EVENTS = 500
BATCH_BYTES = 1 << 20
UNKNOWN_SOURCE = "unknown-source"
"""Why a payload is not run through an adapter again: its source has none any more."""


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
    changes nothing, for an event counts by its id and content. Raises SendingError, LookupError, and
    ConfigurationError where a payload needs the source files and they cannot be read.
    """
    result = Replayed()
    async with open_destination(settings) as destination:
        batch: list[tuple[Place, Sequence[bytes]]] = []
        for place, events in _readable(client, settings, places, fixed, result):
            batch.append((place, events))
            if (
                sum(len(each) for _, each in batch) >= BATCH_EVENTS
                or sum(len(event) for _, each in batch for event in each) >= BATCH_BYTES
            ):
                await _send(client, destination, batch, result)
                progress(len(result.sent) + len(result.rejected))
                batch = []
        await _send(client, destination, batch, result)
        progress(len(result.sent) + len(result.rejected))
    return result


def _readable(
    client: Client, settings: Settings, places: Sequence[Place], fixed: bytes | None, result: Replayed
) -> Iterator[tuple[Place, Sequence[bytes]]]:
    max_future_us = round(settings.max_future_hours * 3_600_000_000)
    sources: Mapping[str, NamedSource] | None = None
    for place in places:
        value = value_of(client, place)
        if refused := read_refused(value):
            if sources is None:
                sources = {source.name: source for source in read_sources(settings)}
            try:
                yield place, _adapted(refused, fixed, sources)
            except _StillRefusedError as still:
                result.rejected.append((place, still.reason, still.message))
            continue
        value = value if fixed is None else fixed
        try:
            decode(value, time.time_ns() // 1_000_000, max_future_us)
        except Rejected as rejected:
            result.rejected.append((place, str(rejected.reason), rejected.message))
            continue
        # a line break can only be space between tokens, and events travel as lines
        yield place, [value.replace(b"\r", b" ").replace(b"\n", b" ")]


class _StillRefusedError(Exception):
    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason, self.message = reason, message


def _adapted(refused: RefusedPayload, fixed: bytes | None, sources: Mapping[str, NamedSource]) -> Sequence[bytes]:
    """The events of a payload, by its source's adapter."""
    source = sources.get(refused.source)
    if source is None:
        known = f"those are {', '.join(sources)}" if sources else "it names none"
        raise _StillRefusedError(
            UNKNOWN_SOURCE, f"no source file of SIXFOLD_SOURCES is called {refused.source}.toml: {known}"
        )
    if refused.cut_from and fixed is None:
        raise _StillRefusedError(
            Reason.TOO_LARGE,
            f"only the first {len(refused.payload)} of the payload's {refused.cut_from} bytes are kept: give it whole "
            "with --from",
        )
    adapted = source.open().adapt(refused.payload if fixed is None else fixed, refused.context)
    for refusal in adapted.refusals:
        raise _StillRefusedError(refusal.reason, refusal.message)
    if not adapted.events:
        raise _StillRefusedError(refused.reason, "the adapter now passes over it: drop it, if that is right")
    return adapted.events


async def _send(
    client: Client, destination: Destination, batch: Sequence[tuple[Place, Sequence[bytes]]], result: Replayed
) -> None:
    events = [event for _, each in batch for event in each]
    refused = set(await destination.send(events)) if events else set()
    sent, start = [], 0
    for place, each in batch:
        too_large = [event for index, event in enumerate(each, start) if index in refused]
        start += len(each)
        if too_large:
            problem = f"has {len(too_large[0])} bytes, more than the destination takes"
            result.rejected.append((place, Reason.TOO_LARGE, problem))
        else:
            sent.append(place)
    settle(client, sent, "replayed")
    result.sent += sent
