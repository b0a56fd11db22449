"""Taking a shard over: claim it, load it, find out where to read on, and bring its rolling rows into the new epoch.

The manifest is the truth. Its rules, its marks and what lies above it in the tables say whether the rolling rows of
the generation before can be copied, or the nodes must be counted anew.

An owner of other rules that claimed since then, and is only paused, may yet write what nodes count under its rules, in
rows above those of the generation before. So its claim alone has all nodes counted and written anew.

A new owner's first write is a manifest that is not ready: the positions it starts from, under its epoch. Without it,
an owner that dies while it loads would leave rows above those of the owner before; were that one only paused, its late
manifest would move the position past records whose nodes nobody kept.
"""

import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Protocol

import msgspec

from stream.log import TP, Mark
from stream.resting import Dictionaries
from stream.rules import Rules
from stream.shard import Position, Shard, Sink, Topics, flush
from stream.shard import Producer as _Producer

logger = logging.getLogger(__name__)

#: nodes rewritten under other rules go out in pieces of this many
REWRITE_ROWS = 20_000


class Manifest(msgspec.Struct, frozen=True):
    """The newest manifest of an epoch (see the table)."""

    shard: int
    epoch: int
    flush: int
    events_position: int
    events_mark_ms: int
    events_mark_crc: int
    documents_position: int
    documents_mark_ms: int
    documents_mark_crc: int
    incarnation: str
    rules_hash: str
    source_epoch: int
    source_flush: int
    last_event_us: int
    as_of_ms: int
    ready: int


class LoadedNode(msgspec.Struct, frozen=True, gc=False):
    """A node as it was stored."""

    entity: str
    version: int
    state: bytes


class LoadedRow(msgspec.Struct, frozen=True, gc=False):
    """A rolling row as it was stored."""

    table: str
    key: tuple[str, ...]
    measures: list[int]
    sparse: dict[int, int]
    version: int


class Store(Sink, Protocol):
    """The state store."""

    async def claim(self, shard: int, rules_hash: str) -> int:
        """Claim a shard under these rules: an epoch above every one before it that nobody else holds."""

    async def claimed_under(self, shard: int, above: int, below: int) -> set[str]:
        """The hashes of the rules under which epochs between these two were claimed."""

    async def manifests(self, shard: int) -> list[Manifest]:
        """The newest manifest of each epoch, ascending by epoch."""

    def nodes(self, shard: int) -> AsyncIterator[Sequence[LoadedNode]]:
        """All nodes of a shard, in blocks."""

    def rolling(self, shard: int, epoch: int) -> AsyncIterator[Sequence[LoadedRow]]:
        """The rolling rows of one generation that are not deleted, in blocks."""

    async def rolling_version(self, shard: int, epoch: int) -> int:
        """The greatest version of a generation's rolling rows, deleted ones included; 0 without any."""

    async def copy_generation(self, shard: int, source: int, epoch: int) -> None:
        """Copy a generation's rows into another epoch, within the store."""


class Log(_Producer, Protocol):
    """The log, as far as taking over needs it."""

    async def bounds(self, partitions: Sequence[TP]) -> dict[TP, tuple[int, int]]:
        """First offset and offset after the last."""

    async def record_before(self, partition: TP, offset: int) -> Mark | None:
        """The mark of the record before an offset."""


class GapError(Exception):
    """The log begins after the manifest's position: records are gone that were never read."""

    def __init__(self, topic: str, partition: int, position: int, begin: int) -> None:
        self.topic, self.partition, self.missing = topic, partition, begin - position
        super().__init__(
            f"{topic}[{partition}]: {begin - position} records from offset {position} are gone, the log begins at "
            f"{begin}. Restore them, or run `sixfold accept-gap {partition}` and import again what they held "
            "(importing more than that does no harm)"
        )


async def take_over(
    number: int,
    partitions: int,
    rules: Rules,
    log: Log,
    store: Store,
    *,
    topics: Topics,
    incarnation: str = "",
    max_future_us: int = 86_400_000_000,
    dictionaries: Dictionaries | None = None,
    process: str = "",
) -> Shard:
    """Claim and load a shard, and write its first manifest. Its `positions` say where to read on.

    Raises `GapError` before anything is claimed.
    """
    found = await store.manifests(number)
    if found:
        await _check_gap(found[-1], log, topics, incarnation)
    epoch = await store.claim(number, rules.hash)
    manifests = await store.manifests(number)
    newest = manifests[-1] if manifests else None
    shard = Shard(
        number,
        partitions,
        rules,
        epoch=epoch,
        topics=topics,
        max_future_us=max_future_us,
        incarnation=incarnation,
        dictionaries=dictionaries,
        process=process,
    )
    lost_documents = await _find_positions(shard, newest, log)
    if newest is not None:
        shard.source = (newest.epoch, newest.flush)
        shard.last_event_us, shard.as_of_ms = newest.last_event_us, newest.as_of_ms
    await store.insert({"manifest": [_not_ready(shard, newest)]})
    await _load(shard, manifests, store)
    if lost_documents and shard.nodes:
        logger.info("shard %d: the documents topic is another one, every node announces itself again", number)
        shard.announce()
    await flush(shard.take(), log, store)
    shard.written = shard.flush_number
    return shard


def _not_ready(shard: Shard, newest: Manifest | None) -> bytes:
    """What this epoch starts from, word for word the manifest before: whoever comes next starts from there, too."""
    if newest is None:
        return msgspec.json.encode({**msgspec.json.decode(shard.manifest()), "rules_hash": "", "ready": 0})
    started = msgspec.structs.replace(
        newest, epoch=shard.epoch, flush=0, source_epoch=newest.epoch, source_flush=newest.flush, ready=0
    )
    return msgspec.json.encode(started)


async def _load(shard: Shard, manifests: Sequence[Manifest], store: Store) -> None:
    """Read the nodes, and copy the rolling rows of the last ready generation or count the nodes anew."""
    limits = _limits(manifests)
    above: list[str] = []
    async for block in store.nodes(shard.number):
        for node in block:
            shard.nodes.put(node.entity, node.state)
            if node.version & 0xFFFFFFFF > limits.get(node.version >> 32, -1):
                above.append(node.entity)
    ready = {manifest.epoch for manifest in manifests if manifest.ready}
    source = max(limits.keys() & ready, default=0)
    since = await store.claimed_under(shard.number, source, shard.epoch)
    same_rules = bool(manifests) and {manifests[-1].rules_hash, *since} == {shard.rules.hash}
    clean = same_rules and source > 0 and not above
    if clean and await _copy(shard, source, (source << 32) + limits[source], store):
        return
    if shard.nodes:
        why = "it was not left clean" if same_rules else "under other rules"
        logger.info("shard %d: counting %d nodes anew (%s)", shard.number, len(shard.nodes), why)
        await _count_anew(shard, above if same_rules else shard.nodes, store)


async def _copy(shard: Shard, source: int, limit: int, store: Store) -> bool:
    """Copy and load a generation; False if it holds more than its manifest says, which is the version `limit`.

    An owner that was only paused may wake up at any time and write into it, also while it is copied. What such an
    owner counted is read again: with its rows it would count twice.
    """
    if await store.rolling_version(shard.number, source) > limit:
        return False
    await store.copy_generation(shard.number, source, shard.epoch)
    async for rows in store.rolling(shard.number, shard.epoch):
        for row in rows:
            shard.rolling.restore(row.table, row.key, row.measures, row.sparse)
    if await store.rolling_version(shard.number, source) <= limit:
        return True
    shard.rolling.clear()
    return False


def _limits(manifests: Sequence[Manifest]) -> dict[int, int]:
    """For each epoch in the line of the newest manifest, the last flush that its successor built upon.

    A row above it was written by an owner that had lost its claim, or by one that died before its manifest.
    """
    by_epoch = {manifest.epoch: manifest for manifest in manifests}
    limits: dict[int, int] = {}
    if not manifests:
        return limits
    epoch, flush_number = manifests[-1].epoch, manifests[-1].flush
    while epoch:
        limits[epoch] = flush_number
        manifest = by_epoch.get(epoch)
        epoch, flush_number = (manifest.source_epoch, manifest.source_flush) if manifest else (0, 0)
    return limits


async def _count_anew(shard: Shard, rewritten: Iterable[str], store: Store) -> None:
    """Fold all nodes into rolling rows.

    Under other rules every node's records change, too; a node above the manifest is written again, so that the next
    owner finds all of them within the line.
    """
    again = set(rewritten)
    for entity in shard.nodes:
        shard.refold(entity, rewrite=entity in again)
        if shard.node_rows >= REWRITE_ROWS:
            await store.insert({"nodes": shard.take_node_rows()})


def _topics(shard: Shard, manifest: Manifest) -> dict[str, Position]:
    return {
        shard.topics.events: Position(
            manifest.events_position, Mark(manifest.events_mark_ms, manifest.events_mark_crc)
        ),
        shard.topics.documents: Position(
            manifest.documents_position, Mark(manifest.documents_mark_ms, manifest.documents_mark_crc)
        ),
    }


async def _check_gap(manifest: Manifest, log: Log, topics: Topics, incarnation: str) -> None:
    if manifest.incarnation != incarnation:
        return  # another log: it is read from its start
    for topic, position in (
        (topics.events, manifest.events_position),
        (topics.documents, manifest.documents_position),
    ):
        tp = TP(topic, manifest.shard)
        begin, end = (await log.bounds([tp]))[tp]
        if position < begin and position <= end:
            raise GapError(topic, manifest.shard, position, begin)


async def _find_positions(shard: Shard, manifest: Manifest | None, log: Log) -> bool:
    """Set where the shard reads on; True if the documents topic is another one than the manifest's."""
    known = _topics(shard, manifest) if manifest else {}
    lost_documents = False
    for topic in (shard.topics.events, shard.topics.documents):
        tp = TP(topic, shard.number)
        begin, end = (await log.bounds([tp]))[tp]
        position = known.get(topic)
        if position is None:
            shard.positions[topic] = Position(begin)
            continue
        same = manifest is not None and manifest.incarnation == shard.incarnation and position.offset <= end
        if same and begin < position.offset and position.mark != Mark(0, 0):
            same = await log.record_before(tp, position.offset) == position.mark
        if same:
            shard.positions[topic] = position
            continue
        logger.warning("%s[%d] is another log than the manifest's: it is read from its start", topic, shard.number)
        shard.positions[topic] = Position(begin)
        lost_documents = lost_documents or topic == shard.topics.documents
    return lost_documents
