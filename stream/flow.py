"""Documents flow to the root they belong to.

A node holds its own document and those that reached it. When a document in it grows, the node sends it to every value
that any of its own link fields ever had, winning or not; to a new one it sends all that it holds. A node counts
exactly the documents whose root, found by following parents among the documents it holds, is the node itself. Late
links, merges, chains and cycles need no other rule.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

import msgspec

from schemas import entity_key
from stream.fold import HISTORIES, Change, Document, Fields, Key, join, join_change

#: link field of each kind, in the order of precedence, with the kind it leads to
LINKS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "call": (("lead_id", "lead"), ("opportunity_id", "opportunity")),
    "opportunity": (("lead_id", "lead"),),
    "lead": (("merged_into", "lead"),),
}

_encode = msgspec.msgpack.Encoder().encode
_decode_document: Callable[[bytes], Document] = msgspec.msgpack.Decoder(Document).decode


def kind_of(entity: str) -> str:
    """`lead` of `lead:42`."""
    return entity[: entity.index(":")]


def id_of(entity: str) -> str:
    """The identifier of a lead, opportunity or call, as the CRM gave it."""
    return _plain(entity[entity.index(":") + 1 :])


def _plain(part: str) -> str:
    return unquote(part) if "%" in part else part


def touch_ids(entity: str) -> tuple[str, str]:
    """(lead id, touch id) of a touch."""
    lead, touch = entity[6:].split("/")
    return _plain(lead), _plain(touch)


class Stored(msgspec.Struct, array_like=True, gc=False):
    """A node at rest: its own document, where it sends, and the documents of others as the bytes they came in."""

    own: Document
    to: list[str]
    others: dict[str, bytes]


_decode_stored: Callable[[bytes], Stored] = msgspec.msgpack.Decoder(Stored).decode


_NOWHERE: frozenset[str] = frozenset()


class Node:
    """A node in hand. `grown` names the entities whose documents grew since it was taken up."""

    __slots__ = ("_decoded", "_known_to", "_others", "entity", "grown", "own", "to")

    def __init__(self, entity: str, state: bytes | None = None) -> None:
        self.entity = entity
        self.grown: set[str] = set()
        if state is None:
            self.own = Document()
            self.to: set[str] = set()
            self._others: dict[str, bytes] = {}
        else:
            stored = _decode_stored(state)
            self.own = stored.own
            self.to = set(stored.to)
            self._others = stored.others
        self._known_to = frozenset(self.to) if self.to else _NOWHERE
        self._decoded: dict[str, Document] = {}

    def encode(self) -> bytes:
        """The node at rest; `Node(entity, bytes)` takes it up again."""
        for entity in self.grown:
            document = self._decoded.get(entity)
            if document is not None:
                self._others[entity] = _encode(document)
        return _encode(Stored(self.own, sorted(self.to), self._others))

    # -- reading

    def fold(self, change: Change) -> bool:
        """Fold a change whose home this node is; True if anything grew, a place to send to included."""
        linked = False
        if change.entity != self.entity:  # a touch: it lives with its lead
            grew = join_change(self._other(change.entity), change)
        else:
            linked = self._link(change.fields)
            grew = join_change(self.own, change)
        if grew:
            self.grown.add(change.entity)
        return grew or linked

    def receive(self, entity: str, encoded: bytes) -> bool:
        """Join a document that another node sent (or this one, around a cycle); True if anything grew."""
        linked = False
        if entity == self.entity:
            document = _decode_document(encoded)
            for _, fields in document.writes:
                linked = self._link(fields) or linked
            grew = join(self.own, document)
        elif entity not in self._others and entity not in self._decoded:
            self._others[entity] = encoded
            grew = True
        elif entity not in self._decoded and self._others[entity] == encoded:
            grew = False
        else:
            grew = join(self._other(entity), _decode_document(encoded))
        if grew:
            self.grown.add(entity)
        return grew or linked

    def _other(self, entity: str) -> Document:
        document = self._decoded.get(entity)
        if document is None:
            encoded = self._others.get(entity)
            document = Document() if encoded is None else _decode_document(encoded)
            self._decoded[entity] = document
        return document

    def _link(self, fields: Fields) -> bool:
        """Remember every value a link field had in what was read, winning or not; True if one is new."""
        before = len(self.to)
        for name, kind in LINKS.get(kind_of(self.entity), ()):
            value = fields.get(name)
            if value is not None:
                self.to.add(entity_key(kind, value))
        self.to.discard(self.entity)
        return len(self.to) > before

    @property
    def changed(self) -> bool:
        """Whether anything grew since the node was taken up."""
        return bool(self.grown) or len(self.to) > len(self._known_to)

    # -- sending

    def sends(self) -> Iterator[tuple[str, str, bytes]]:
        """(to, entity, document) of what grew, to every place ever linked; all of it to the new places."""
        for to in sorted(self.to):
            if to in self._known_to:
                for entity in sorted(self.grown):
                    yield to, entity, self._bytes(entity)
            else:
                yield from self._all_to(to)
        yield from self._erasure_marks()

    def announce(self) -> Iterator[tuple[str, str, bytes]]:
        """All it holds, to all places once more: for a documents topic that was lost."""
        for to in sorted(self.to):
            yield from self._all_to(to)
        if self.own.erased:
            mark = _encode(Document(erased=True))
            for lead in sorted(self._leads(self.entities())):
                yield lead, lead, mark

    def _all_to(self, to: str) -> Iterator[tuple[str, str, bytes]]:
        for entity in self.entities():
            yield to, entity, self._bytes(entity)

    def _erasure_marks(self) -> Iterator[tuple[str, str, bytes]]:
        """Erasing covers every lead that a chain of merges, winning or not, connects: pass it on both ways."""
        if not self.own.erased:
            return
        newly = self.entity in self.grown
        near = self.entities() if newly else self.grown
        mark = _encode(Document(erased=True))
        for lead in sorted(self._leads(near)):
            yield lead, lead, mark

    def _leads(self, entities: Iterable[str]) -> set[str]:
        leads = {entity for entity in entities if kind_of(entity) == "lead"}
        leads |= {entity for entity in self.to if kind_of(entity) == "lead"}
        return leads - {self.entity}

    def _bytes(self, entity: str) -> bytes:
        if entity == self.entity:
            return _encode(self.own)
        document = self._decoded.get(entity) if entity in self.grown else None
        return self._others[entity] if document is None else _encode(document)

    # -- counting

    def entities(self) -> list[str]:
        """Every entity of which the node holds something."""
        held = sorted(self._others.keys() | self._decoded.keys())
        return held if self.own.empty else [self.entity, *held]

    def counted(self) -> dict[str, Document]:
        """The documents whose root is this node."""
        above = parent(self.entity, self.own)
        if above is not None and (self._look(above) is None or root(self.entity, self._look) != self.entity):
            return {}
        found = {} if self.own.empty else {self.entity: self.own}
        lead = self.entity.startswith("lead:")
        own_id, touches = id_of(self.entity), f"touch:{self.entity[5:]}/"
        for entity in sorted(self._others.keys() | self._decoded.keys()):
            document = self._other(entity)
            # most name this lead, and so belong here without a detour
            named = lead and (entity.startswith(touches) or document.lead(document.values()) == own_id)
            if named or root(entity, self._look) == self.entity:
                found[entity] = document
        return found

    def _look(self, entity: str) -> Document | None:
        if entity == self.entity:
            return self.own
        if entity in self._decoded or entity in self._others:
            return self._other(entity)
        return None


def parent(entity: str, document: Document) -> str | None:
    """Where an entity belongs now.

    A call belongs to its lead, else its opportunity; an opportunity to its lead; a lead to the one it was merged into;
    a touch to its lead.
    """
    kind = kind_of(entity)
    if kind == "touch":
        return "lead:" + entity[6 : entity.index("/")]
    links = LINKS.get(kind)
    if links is None:
        return None
    values = document.values()
    for name, target in links:
        value = document.lead(values) if name == "lead_id" else values.get(name)
        if value is not None:
            return entity_key(target, value)
    return None


def root(entity: str, look: Callable[[str], Document | None]) -> str:
    """Follow parents to the end; a cycle's root is its smallest id, compared by bytes."""
    path = [entity]
    while True:
        document = look(path[-1])
        if document is None and not path[-1].startswith("touch:"):
            return path[-1]
        above = parent(path[-1], document or Document())
        if above is None:
            return path[-1]
        if above in path:
            return min(path[path.index(above) :], key=id_of)
        path.append(above)


def pieces(encoded: bytes, size: int) -> Iterator[bytes]:
    """Cut a document's bytes into documents of about `size` bytes, which join to it again in any order.

    One that fits comes as it is. A piece is larger only where a single value is: at most the size of an event.
    """
    if len(encoded) <= size:
        yield encoded
        return
    whole = _decode_document(encoded)
    piece, filled = Document(first=whole.first, erased=whole.erased), 0
    for key, name, value in _values(whole):
        more = len(_encode((key, name, value)))
        if filled and filled + more > size:
            yield _encode(piece)
            piece, filled = Document(), 0
        if not piece.writes or piece.writes[-1][0] != key:
            piece.writes.append((key, {}))
        fields = piece.writes[-1][1]
        fields[name] = [*fields.get(name, ()), value] if name in HISTORIES else value
        filled += more
    yield _encode(piece)


def _values(document: Document) -> Iterator[tuple[Key, str, Any]]:
    """Every value that a document holds; of a history each by itself."""
    for key, fields in document.writes:
        for name, value in fields.items():
            for each in value if name in HISTORIES else (value,):
                yield key, name, each
