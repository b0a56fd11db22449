"""When a segment of the journal may go: once everything in it stands in ClickHouse.

The broker keeps its records in memory alone, so until then the journal is the only safe copy. After a
segment was sealed and delivered, all its records lie before the ends of `crm.events`. When the manifests have
reached these ends every record has been read, and those that were keyed wrongly have been forwarded, to ends
that are read after that; when the manifests have reached the second ends, these are folded at their homes
too. What still moves as a document when the broker dies is announced again by the worker, which sees that the
log is another one.
"""

from collections.abc import Mapping
from dataclasses import dataclass

Ends = Mapping[int, int]
"""By partition of `crm.events`: the offset after the last record."""

_ROUNDS = 2


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a shard is, by its newest manifest: this position, in the log of this incarnation."""

    incarnation: str
    events_position: int


@dataclass(frozen=True, slots=True)
class Watch:
    """What the manifests must reach before a segment may go: the ends of each round so far."""

    rounds: tuple[Ends, ...] = ()
    covered: bool = False


def follow(watch: Watch, manifests: Mapping[int, Reached], ends: Ends, incarnation: str) -> Watch:
    """The next state of a sealed, delivered segment.

    `ends` must have been read after `manifests`, and both after the segment's last record was acknowledged by
    the broker of this `incarnation`; of another incarnation begin with a new `Watch`.
    """
    if watch.covered:
        return watch
    if watch.rounds and not _reached(watch.rounds[-1], manifests, incarnation):
        return watch
    if len(watch.rounds) == _ROUNDS:
        return Watch(watch.rounds, covered=True)
    return Watch((*watch.rounds, dict(ends)))


def _reached(target: Ends, manifests: Mapping[int, Reached], incarnation: str) -> bool:
    return all(
        (manifest := manifests.get(partition)) is not None
        and manifest.incarnation == incarnation
        and manifest.events_position >= end
        for partition, end in target.items()
    )
