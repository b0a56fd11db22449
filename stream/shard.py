"""A shard: the nodes of one partition number, and the order in which its effects become durable.

A shard takes in the records of its two partitions, by the node that each is for, as the bytes they are. When a flush is
due, `fold_together` folds them, each node once; what changed a shard `take`s as effects, and `flush` makes these
durable in the one order that loses nothing:

    produce and await the acks -> reference rows, erased, people, dead letters -> nodes -> rolling rows
    -> manifest -> ack

What follows from a node's growth goes before the node: after a crash in between the re-read changes nothing, so
nothing would be sent or written any more. The manifest
is what a later owner resumes from; Kafka's committed offsets only serve lag tools.

Documents always go through Kafka. Where the shard that they are for is part of the same flush, it is also handed them
at once: a lead is then written once for its own events and for those of its calls and opportunities, and they show
without a second way through Kafka. The records that bring the same documents later carry a token, by which the shard
knows them; one that was not handed them, or was loaded anew since, knows no such token and takes them in.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, cast

import msgspec

from schemas import AnyReason, Event, Reason, Rejected, decode, entity_key, instant_text
from stream.flow import Node, kind_of, pieces
from stream.fold import Change, Fields, changes
from stream.journey import Journey
from stream.log import Mark, Outgoing, home_partition, mark_of
from stream.records import Call, Credit, Lead, Opportunity, Spend, Touch
from stream.reference import reference_row
from stream.refused import read_refused
from stream.resting import Dictionaries, Kept, Line, Lines, Nodes
from stream.rolling import Contributions, Rolling, account, contributions_of, journeys_of
from stream.rules import Rules

#: one record of the documents topic holds many documents, up to about this size
DOCUMENTS_BYTES = 1 << 20
#: the position of a record in the embedded stack's journal: the identity of its dead letter
JOURNAL_HEADER = "sixfold-journal"
JOURNAL_PARTITION = -1
#: on a record of documents: names the flush of the shard that sent them
FLUSH_HEADER = "sixfold-flush"
#: of so many flushes a shard knows that it was handed their documents; it takes in again what it knows no more
TOKENS = 4_096
#: nodes are folded in the order in which documents go from one to another, but for those between leads
RANKS = range(3)
#: so many nodes take each step of a fold together. One after the other took a third more CPU, 250 together a sixth:
#: supposedly the processor's own caches hold the code of a step, and what so many nodes are made of
TOGETHER = 25
#: (entity, document): a document that another node sent, as it was sent
Encoded = tuple[str, bytes]
#: (to, entity, document)
Sent = tuple[str, str, bytes]
_MINUTE_US = 60_000_000
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - in UTC, and printed without its offset

_json = msgspec.json.Encoder().encode
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[Sent]).decode
_unpack_contributions: Callable[[bytes], Contributions] = msgspec.msgpack.Decoder(Contributions).decode


class Record(Protocol):
    """What the shard reads of a Kafka record."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class Waiting(msgspec.Struct, gc=False):
    """A record of an event until it is folded: of many it is to need little memory.

    Its key is the node's name that it waits under; `key` has it where it is not the text of one.
    """

    offset: int
    timestamp: int
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    key: bytes | None


class Position(msgspec.Struct, frozen=True):
    """How far a topic's partition was read: the next offset, and the mark of the record before it (zeros: none)."""

    offset: int = 0
    mark: Mark = Mark(0, 0)


class NodeRow(msgspec.Struct, omit_defaults=True):
    """A row of the table `nodes`."""

    shard: int
    entity: str
    version: int
    state: bytes
    leads: list[Lead] = []
    opportunities: list[Opportunity] = []
    calls: list[Call] = []
    touches: list[Touch] = []
    credits: list[Credit] = []
    spend: list[Spend] = []


class PersonalRow(msgspec.Struct, gc=False):
    """A row of the table `people`."""

    entity: str
    field: str
    value: str
    time: str
    sequence: int
    source: str
    id: str


@dataclass
class Tally:
    """What became of the events read: times of the folded ones by type (us), numbers of the others."""

    folded: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    forwarded: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    rejected: dict[AnyReason, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, other: "Tally") -> None:
        """Count another shard's events in."""
        for kind, times in other.folded.items():
            self.folded[kind] += times
        for kind, count in other.forwarded.items():
            self.forwarded[kind] += count
        for reason, count in other.rejected.items():
            self.rejected[reason] += count


@dataclass
class Effects:
    """What a flush makes durable. Rows are JSON lines by table; the tally is for those who watch."""

    outgoing: list[Outgoing] = field(default_factory=list)
    rows: dict[str, list[bytes]] = field(default_factory=dict)
    nodes: dict[str, list[Line]] = field(default_factory=dict)
    rolling: dict[str, list[bytes]] = field(default_factory=dict)
    manifests: list[bytes] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)

    def add(self, other: "Effects") -> None:
        """Take in the effects of another shard: one insert a table serves all shards of a flush."""
        self.outgoing += other.outgoing
        self.manifests += other.manifests
        self.tally.add(other.tally)
        for mine, theirs in ((self.rows, other.rows), (self.rolling, other.rolling)):
            for table, lines in theirs.items():
                mine.setdefault(table, []).extend(lines)
        for table, rows in other.nodes.items():
            self.nodes.setdefault(table, []).extend(rows)


class Producer(Protocol):
    """Where records are produced."""

    async def produce(self, records: Sequence[Outgoing]) -> None:
        """Send all and return when all are acknowledged."""


class Sink(Protocol):
    """Where rows are written."""

    async def insert(self, rows: Mapping[str, Sequence[Line]]) -> None:
        """Write JSON lines to several tables and return when all are durable."""


async def flush(effects: Effects, log: Producer, sink: Sink) -> None:
    """Make effects durable in their order.

    Whatever fails may be done again from the start, with the same effects. The caller acknowledges the batches when
    this has returned, and only then.
    """
    if effects.outgoing:
        await log.produce(effects.outgoing)
    await sink.insert(effects.rows)
    await sink.insert(effects.nodes)
    await sink.insert(effects.rolling)
    await sink.insert({"manifest": effects.manifests})


@dataclass(frozen=True)
class Topics:
    """The topics of one deployment."""

    events: str = "crm.events"
    documents: str = "crm.documents"
    dead_letters: str = "crm.dead-letters"


class Shard:
    """Everything that belongs to one partition number, in memory. It does no I/O and reads no clock.

    `epoch` is the claim under which it writes; `nodes` are at rest as bytes (compressed with `dictionaries`, which
    shards may share). `process` is a name that no other process ever has.
    """

    def __init__(
        self,
        number: int,
        partitions: int,
        rules: Rules,
        *,
        epoch: int = 1,
        topics: Topics | None = None,
        max_future_us: int = 86_400_000_000,
        incarnation: str = "",
        dictionaries: Dictionaries | None = None,
        process: str = "",
    ) -> None:
        self.number = number
        self.partitions = partitions
        self.rules = rules
        self.epoch = epoch
        self.topics = topics or Topics()
        self.incarnation = incarnation
        self.flush_number = 0
        #: the last flush that is known to be durable
        self.written = 0
        self.source = (0, 0)
        self.positions = {self.topics.events: Position(), self.topics.documents: Position()}
        self.nodes = Nodes(dictionaries or Dictionaries())
        self.rolling = Rolling()
        self.last_event_us = 0
        self.as_of_ms = 0
        #: how far the flush goes that has begun, or began last
        self.reached = dict(self.positions)
        #: whether anything was read for the next flush, and whether the one that has begun has something to write
        self.moved = False
        self.stirred = False
        self._max_future_us = max_future_us
        # what was read and not folded, by node: events under the name that their key gives, whether it is right or not
        self._waiting: dict[str, list[Waiting | Encoded]] = defaultdict(list)
        self._folding: tuple[dict[str, list[Waiting | Encoded]], ...] = tuple(defaultdict(list) for _ in RANKS)
        self._latest_ms = 0
        self._begun = False
        self._process = process
        self._tokens: dict[bytes, None] = {}
        self._outgoing: list[Outgoing] = []
        # documents by the partition they go to: those that may be handed over, those that were, and the others
        self._fresh: dict[int, list[Sent]] = {}
        self._handed: dict[int, list[Sent]] = {}
        self._sends: dict[int, list[Sent]] = {}
        self._rows: dict[str, list[bytes]] = {}
        self._node_rows = Lines()
        self._tally = Tally()
        # (source, minute since 1970) -> the greatest event time in it
        self._heard: dict[tuple[str, int], int] = {}

    @property
    def dirty(self) -> int:
        """How many nodes have something to fold."""
        return len(self._waiting) + sum(map(len, self._folding))

    # -- reading

    def read(self, topic: str, records: Sequence[Record]) -> None:
        """Take in records of one of the shard's two partitions, in their order, for the next flush that begins."""
        if not records:
            return
        if topic == self.topics.events:
            for record in records:
                key = record.key
                name = _named(key)
                self._waiting[name].append(
                    Waiting(record.offset, record.timestamp, record.value, record.headers, None if name else key)
                )
        else:
            for record in records:
                self._documents(record)
        last = records[-1]
        self.positions[topic] = Position(last.offset + 1, mark_of(last))
        self._latest_ms = max(self._latest_ms, last.timestamp or 0)
        self.moved = True

    def _documents(self, record: Record) -> None:
        if any(name == FLUSH_HEADER and token in self._tokens for name, token in record.headers or ()):
            return
        try:
            documents = _unpack(record.value or b"")
        except msgspec.DecodeError as error:
            # nobody but the workers writes this topic; whatever else does must not stop them
            message = f"not a record of documents ({error}): only workers may write to {record.topic}"
            self._dead_letter(record.topic, record, record.key, Reason.INVALID_ENVELOPE, message)
            return
        for to, entity, document in documents:
            self._waiting[to].append((entity, document))

    # -- folding

    def begin(self) -> None:
        """Begin a flush: it holds what was read so far. What is read from here on is of the next one."""
        if not self._begun:
            self.flush_number += 1
            self._begun = True
        for entity, waiting in self._waiting.items():
            folding = self._folding[_rank(entity)]
            if folding.setdefault(entity, waiting) is not waiting:
                folding[entity] += waiting
        self._waiting.clear()
        self.reached = dict(self.positions)
        self.as_of_ms = max(self.as_of_ms, self._latest_ms)
        self.stirred, self.moved = self.stirred or self.moved, False

    def fold(self, rank: int, most: int) -> bool:
        """Fold what waits for at most so many nodes of a rank in the flush that has begun; True when there are more."""
        folding = self._folding[rank]
        left = min(most, len(folding))
        while left:
            together = min(left, TOGETHER)
            self._fold_few(rank, [folding.popitem() for _ in range(together)])
            left -= together
        return bool(folding)

    def _fold_few(self, rank: int, waiting: Sequence[tuple[str, list[Waiting | Encoded]]]) -> None:
        """Fold nodes of a rank: each step is taken for all of them before the next one."""
        events = [self._read(entity, each) for entity, each in waiting]
        said = [[change for event in each for change in changes(event)] for each in events]
        kept = [self.nodes.take_up(entity) for entity, _ in waiting]
        taken_up = [Node(entity, each and each[0]) for (entity, _), each in zip(waiting, kept, strict=True)]
        for node, each in zip(taken_up, said, strict=True):
            for change in each:
                node.fold(change)
        for node, (_, documents) in zip(taken_up, waiting, strict=True):
            for document in documents:
                if type(document) is tuple:
                    node.receive(*document)
        for each in said:
            for change in each:
                if change.personal:
                    self._personal(change, change.personal)
        changed = [(node, each) for node, each in zip(taken_up, kept, strict=True) if node.changed]
        for node, _ in changed:
            if not node.to and not node.own.erased:
                continue
            for sent in node.sends():
                to = sent[0]
                sends = self._fresh if _rank(to) > rank else self._sends
                sends.setdefault(home_partition(to, self.partitions), []).append(sent)
        self._count([node for node, _ in changed], [self._contributed(node.entity, each) for node, each in changed])

    def hand_over(self, shards: Mapping[int, "Shard"]) -> None:
        """Hand the documents that are for nodes of a rank to come to those of these shards that have them."""
        for partition, documents in self._fresh.items():
            if shard := shards.get(partition):
                shard.hear(documents, self._token)
                self._handed.setdefault(partition, []).extend(documents)
            else:
                self._sends.setdefault(partition, []).extend(documents)
        self._fresh.clear()

    def hear(self, documents: Iterable[Sent], token: bytes) -> None:
        """Take in documents of another shard's flush `token`, for the flush that has begun, before Kafka brings them.

        They must be produced before anything of this flush is written, as all that goes out.
        """
        for to, entity, document in documents:
            self._folding[_rank(to)][to].append((entity, document))
        self._tokens[token] = None
        if len(self._tokens) > TOKENS:
            del self._tokens[next(iter(self._tokens))]
        self.stirred = True

    @property
    def _token(self) -> bytes:
        """Names the flush that has begun, and no other of any process."""
        return f"{self._process}/{self.number}/{self.epoch}/{self.flush_number}".encode()

    def _read(self, entity: str, waiting: Iterable[Waiting | Encoded]) -> list[Event]:
        """The events that wait for a node; what turns out to be for another one, or for none, goes there instead."""
        records = [each for each in waiting if type(each) is Waiting]
        if not records:
            return []
        home = entity in self.nodes or home_partition(entity, self.partitions) == self.number
        return [event for record in records if (event := self._event(record, entity, home=home))]

    def _event(self, record: Waiting, name: str, *, home: bool) -> Event | None:
        """Read an event that waits under a name; None if it is for another node, to which it goes, or can be for none.

        `home` says whether a node of that name is of this shard.
        """
        value = record.value or b""
        try:
            event = decode(value, record.timestamp, self._max_future_us)
        except Rejected as rejected:
            key = name.encode() if name else record.key
            if refused := read_refused(value):
                self._dead_letter(self.topics.events, record, key, refused.reason, refused.message, refused.source)
            else:
                self._dead_letter(self.topics.events, record, key, rejected.reason, rejected.message)
            return None
        here = name if home else ""
        if event.type == "crm.lead.merged":
            mine = self._own_part(event, record, here)
        else:
            mine = event.home == here
            if not mine:
                self._forward(record, event.home, value)
        if not mine:
            self._tally.forwarded[event.type] += 1
            return None
        time = event.time
        self._tally.folded[event.type].append(time)
        self.last_event_us = max(self.last_event_us, time)
        heard = event.source, time // _MINUTE_US
        if time >= self._heard.get(heard, 0):
            self._heard[heard] = time
        return event

    def _own_part(self, event: Event, record: Waiting, here: str) -> bool:
        """A merge is one write for each merged lead: the parts of other leads go to these. False if all went."""
        merged_ids = dict.fromkeys(cast("list[str]", event.data["merged_ids"]))
        stays: list[str] = []
        for merged_id in merged_ids:
            home = entity_key("lead", merged_id)
            if home == here:
                stays.append(merged_id)
                continue
            # from what was read, not from the record: that may hold numbers of any size where nobody reads them
            part = {
                "specversion": "1.0",
                "id": event.id,
                "source": event.source,
                "type": event.type,
                "time": instant_text(event.time),
                "sequence": event.sequence,
                "data": {"lead_id": event.data["lead_id"], "merged_ids": [merged_id]},
            }
            self._forward(record, home, _json(part))
        event.data["merged_ids"] = stays
        return bool(stays) or not merged_ids

    def _forward(self, record: Waiting, home: str, value: bytes) -> None:
        """Producers need not find the right partition: send the event there, with its first timestamp."""
        partition = home_partition(home, self.partitions)
        self._outgoing.append(
            Outgoing(self.topics.events, partition, home.encode(), value, record.timestamp, record.headers)
        )

    def _personal(self, change: Change, personal: Fields) -> None:
        time, sequence, source, identifier = change.key
        at = _timestamp(time)
        rows = self._rows.setdefault("people", [])
        for name, value in personal.items():
            rows.append(_json(PersonalRow(change.entity, name, value or "", at, sequence, source, identifier)))

    def _dead_letter(
        self,
        topic: str,
        record: Record | Waiting,
        key: bytes | None,
        reason: AnyReason,
        message: str,
        source: str = "",
    ) -> None:
        """`source` is that of a refused payload; of an event its bytes tell it."""
        partition, offset = self.number, record.offset
        for name, header in record.headers or ():
            if name == JOURNAL_HEADER:
                partition, offset = JOURNAL_PARTITION, int(header)
        facts: dict[str, Any] = {
            "topic": topic,
            "partition": partition,
            "offset": offset,
            "received_at": _timestamp((record.timestamp or 0) * 1000)[:23],
            "reason": str(reason),
            "message": message,
        }
        headers = [(name, str(fact).encode()) for name, fact in facts.items()]
        if source:
            headers.append(("source", source.encode()))
        self._outgoing.append(Outgoing(self.topics.dead_letters, 0, key, record.value, record.timestamp, headers))
        self._tally.rejected[reason] += 1
        self._row("dead_letters", {**facts, "value_base64": record.value or b""})

    def _row(self, table: str, row: dict[str, Any]) -> None:
        self._rows.setdefault(table, []).append(_json(row))

    # -- writing

    def take(self) -> Effects:
        """What the flush holds that has begun (or begins here), all of it folded."""
        if not self._begun:
            self.begin()
        for rank in RANKS:
            self.fold(rank, len(self._folding[rank]))
        self.hand_over({})
        for (source, minute), last_us in self._heard.items():
            self._row("source_minutes", {"source": source, "minute": minute * 60, "last_us": last_us})
        self._heard.clear()
        effects = Effects(
            [*self._outgoing, *self._records(self._sends), *self._records(self._handed, self._token)],
            self._rows,
            {"nodes": self._node_rows.take()},
            self.rolling.take(self.number, self.epoch, self._version),
            [self.manifest()],
            self._tally,
        )
        self._outgoing, self._sends, self._handed = [], {}, {}
        self._rows, self._tally = {}, Tally()
        self._begun = self.stirred = False
        return effects

    @property
    def _version(self) -> int:
        """Of the rows of the flush that has begun."""
        return (self.epoch << 32) + self.flush_number

    def _count(self, nodes: Sequence[Node], before: Sequence[bytes]) -> None:
        """Work out what nodes that changed count now, put them down, and write their rows.

        `before` is what each contributed until now, packed.
        """
        counted = [(node.entity, node.counted()) for node in nodes]
        journeys = journeys_of(counted, self.rules)
        contributed = contributions_of(journeys)
        after = [_packed(new) for new in contributed]
        for old, packed, new in zip(before, after, contributed, strict=True):
            if old != packed:
                self.rolling.replace(_unpack_contributions(old) if old else {}, new)
        states = [node.encode() for node in nodes]
        for node, state, packed in zip(nodes, states, after, strict=True):
            self.nodes.put(node.entity, state, packed)
        version = self._version
        for node, state, journey in zip(nodes, states, journeys, strict=True):
            self._node_row(node.entity, version, state, journey)
        for node in nodes:
            if reference := reference_row(kind_of(node.entity), node.entity, node.own):
                table, values = reference
                self._row(table, {"shard": self.number, "version": version, **values})
            if node.own.erased:
                covered = [node.entity, *(each for each in node.entities() if kind_of(each) == "opportunity")]
                for entity in covered:
                    self._row("erased", {"entity": entity})

    def _contributed(self, entity: str, kept: Kept | None) -> bytes:
        """What a node contributed until now, packed; one that was loaded is counted once more."""
        if kept is None:
            return b""
        state, contributed = kept
        if contributed is None:
            return _packed(account(entity, Node(entity, state).counted(), self.rules)[1])
        return contributed

    def _node_row(self, entity: str, version: int, state: bytes, journey: Journey) -> None:
        row = NodeRow(
            self.number,
            entity,
            version,
            state,
            [journey.lead] if journey.lead else [],
            journey.opportunities,
            journey.calls,
            journey.touches,
            journey.credits,
            journey.spend,
        )
        self._node_rows.append(_json(row))

    def _records(self, sends: Mapping[int, Sequence[Sent]], token: bytes | None = None) -> Iterator[Outgoing]:
        headers = [(FLUSH_HEADER, token)] if token else []
        for partition, documents in sends.items():
            size = 0
            chunk: list[Sent] = []
            for to, entity, document in documents:
                for piece in pieces(document, DOCUMENTS_BYTES):
                    if chunk and size + len(piece) > DOCUMENTS_BYTES:
                        yield Outgoing(self.topics.documents, partition, None, _pack(chunk), headers=headers)
                        size, chunk = 0, []
                    chunk.append((to, entity, piece))
                    size += len(piece) + len(to) + len(entity)
            yield Outgoing(self.topics.documents, partition, None, _pack(chunk), headers=headers)

    def manifest(self) -> bytes:
        """The row that says how far this shard is, under its epoch and flush."""
        reached = self.reached if self._begun else self.positions
        events, documents = reached[self.topics.events], reached[self.topics.documents]
        row = {
            "shard": self.number,
            "epoch": self.epoch,
            "flush": self.flush_number,
            "events_position": events.offset,
            "events_mark_ms": events.mark.timestamp_ms,
            "events_mark_crc": events.mark.crc32,
            "documents_position": documents.offset,
            "documents_mark_ms": documents.mark.timestamp_ms,
            "documents_mark_crc": documents.mark.crc32,
            "incarnation": self.incarnation,
            "rules_hash": self.rules.hash,
            "source_epoch": self.source[0],
            "source_flush": self.source[1],
            "last_event_us": self.last_event_us,
            "as_of_ms": self.as_of_ms,
            "ready": 1,
        }
        return _json(row)

    # -- loading

    def take_node_rows(self) -> list[Line]:
        """The rows that `refold` wrote again so far, when they are too many to wait for the first flush."""
        return self._node_rows.take()

    @property
    def node_rows(self) -> int:
        """How many rows of nodes wait for the next flush."""
        return len(self._node_rows)

    def refold(self, entity: str, *, rewrite: bool) -> None:
        """Count a loaded node into the rolling rows again; with `rewrite` its row is written again, too."""
        state = self.nodes[entity]
        node = Node(entity, state)
        journey, new = account(entity, node.counted(), self.rules)
        self.rolling.replace({}, new)
        if rewrite:
            version = (self.epoch << 32) + self.flush_number + 1
            self._node_row(entity, version, state, journey)

    def announce(self) -> None:
        """Have every node send all it holds once more: the documents topic was lost."""
        sends: dict[int, list[Sent]] = {}
        for entity, state in self.nodes.items():
            for sent in Node(entity, state).announce():
                sends.setdefault(home_partition(sent[0], self.partitions), []).append(sent)
        self._outgoing += self._records(sends)


def fold_together(shards: Mapping[int, Shard], most: int) -> Iterator[None]:
    """Fold the flush that has begun in all of these shards, at most so many nodes between two turns for others."""
    for rank in RANKS:
        for shard in shards.values():
            while shard.fold(rank, most):
                yield
            shard.hand_over(shards)
            yield


def _rank(entity: str) -> int:
    """The rank of a node; names that a wrong key gives may be any."""
    return 0 if entity.startswith("call:") else 1 if entity.startswith("opportunity:") else 2


def _named(key: bytes | None) -> str:
    """The node that a record's key names; '' for none."""
    try:
        return key.decode() if key else ""
    except UnicodeDecodeError:
        return ""


def _packed(contributions: Contributions) -> bytes:
    """Contributions as they are remembered and compared, none as no bytes."""
    return _pack(contributions) if contributions else b""


def _timestamp(instant_us: int) -> str:
    """An instant as ClickHouse reads it: `2026-03-01 12:00:00.000000`."""
    seconds, us = divmod(instant_us, 1_000_000)
    return f"{(_EPOCH + timedelta(seconds=seconds)).isoformat(' ')}.{us:06d}"
