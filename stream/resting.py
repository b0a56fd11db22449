"""Nodes at rest in memory, compressed: most of what a worker keeps; and the rows of a flush until they are written.

Nodes of one kind resemble each other: field names, sources, campaigns. With some of them as LZ4's dictionary, the 590
bytes of a lead with the 230 of what it contributes become 360, the 310 of an opportunity 130, for some microseconds
when a node is put down and half as many when it is taken up again. What a node contributes is kept with it, since to
work it out again costs more than that. All of this is of one process only: what is written to ClickHouse and Kafka is
the state itself.

The rows of a large flush wait until the last one is made. They are compressed piece by piece, to a third.
"""

from collections import deque
from collections.abc import Iterable, Iterator

import lz4.block

from stream.flow import kind_of

#: after so many states of a kind a dictionary is made of some of them, and made anew
MADE_AT = frozenset({1_000, 30_000, 500_000})
LAST_MADE_AT = max(MADE_AT)
#: every so many states one is a sample, the latest ones make the dictionary; its size in bytes
EVERY, SAMPLES, DICTIONARY_BYTES = 25, 40, 2_048
#: what is kept begins with the number of its dictionary (0: it is not compressed) and one of these, if it contributes
#: nothing or that is not known; else the length of what it contributes follows
_NOTHING, _UNKNOWN = 0x40, 0x80
_NUMBER, _LENGTH_BYTES = 0x3F, 4

#: bytes of rows that are compressed together
PIECE_BYTES = 64 << 10

_compress, _decompress = lz4.block.compress, lz4.block.decompress


#: a node's state, and what it contributes, packed: no bytes for nothing, None if that is not known
Kept = tuple[bytes, bytes | None]


class Dictionaries:
    """What the shards of one worker compress with: for each kind the dictionary that was made last."""

    def __init__(self) -> None:
        self._made: list[bytes] = [b""]
        self._newest: dict[str, tuple[int, bytes]] = {}
        self._seen: dict[str, int] = {}
        self._samples: dict[str, deque[bytes]] = {}

    def pack(self, entity: str, state: bytes, contributed: bytes | None) -> bytes:
        """A node as it is kept."""
        kind = kind_of(entity)
        number, dictionary = self._newest.get(kind, (0, b""))
        if contributed:
            text = state + contributed
            head = bytes((number,)) + len(contributed).to_bytes(_LENGTH_BYTES)
        else:
            text = state
            head = bytes((number | (_UNKNOWN if contributed is None else _NOTHING),))
        seen = self._seen[kind] = self._seen.get(kind, 0) + 1
        if not seen % EVERY and seen <= LAST_MADE_AT:
            self._learn(kind, text, seen)
        body: bytes = _compress(text, dict=dictionary) if number else text
        return head + body

    def unpack(self, packed: bytes) -> Kept:
        """The node that was packed."""
        head = packed[0]
        length = 0 if head > _NUMBER else int.from_bytes(packed[1 : 1 + _LENGTH_BYTES])
        body = packed[1 + _LENGTH_BYTES if length else 1 :]
        number = head & _NUMBER
        text: bytes = _decompress(body, dict=self._made[number]) if number else body
        if length:
            return text[:-length], text[-length:]
        return text, None if head & _UNKNOWN else b""

    def _learn(self, kind: str, text: bytes, seen: int) -> None:
        samples = self._samples.setdefault(kind, deque(maxlen=SAMPLES))
        samples.append(text[-DICTIONARY_BYTES:])  # that of a root with very many documents is large
        if seen in MADE_AT:
            self._newest[kind] = len(self._made), b"".join(samples)[-DICTIONARY_BYTES:]
            self._made.append(self._newest[kind][1])


class Nodes:
    """The states of a shard's nodes, by entity, each with what it contributes, where that is known."""

    def __init__(self, dictionaries: Dictionaries) -> None:
        self._packed: dict[str, bytes] = {}
        self._pack, self._unpack = dictionaries.pack, dictionaries.unpack

    def take_up(self, entity: str) -> Kept | None:
        """A node's state and what it contributes, or None."""
        packed = self._packed.get(entity)
        return None if packed is None else self._unpack(packed)

    def __getitem__(self, entity: str) -> bytes:
        """A node's state."""
        return self._unpack(self._packed[entity])[0]

    def put(self, entity: str, state: bytes, contributed: bytes | None = None) -> None:
        """Put a node down."""
        self._packed[entity] = self._pack(entity, state, contributed)

    def __contains__(self, entity: str) -> bool:
        return entity in self._packed

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)

    def items(self) -> Iterator[tuple[str, bytes]]:
        """Entities with their states."""
        for entity, packed in self._packed.items():
            yield entity, self._unpack(packed)[0]


class Piece:
    """Lines of JSON, compressed. `bytes` and `len` are of their text, without the end of the last line."""

    __slots__ = ("_packed", "_size", "count")

    def __init__(self, lines: list[bytes]) -> None:
        text = b"\n".join(lines)
        self._packed: bytes = _compress(text)
        self._size = len(text)
        self.count = len(lines)

    def __len__(self) -> int:
        return self._size

    def __bytes__(self) -> bytes:
        text: bytes = _decompress(self._packed)
        return text


#: one row or several: `bytes` gives their text
Line = bytes | Piece


class Lines:
    """Rows of one table until they are taken, in their order. What makes no whole piece is not worth compressing."""

    def __init__(self) -> None:
        self._pieces: list[Line] = []
        self._loose: list[bytes] = []
        self._loose_bytes = self._rows = 0

    def append(self, line: bytes) -> None:
        """Add a row."""
        self._loose.append(line)
        self._loose_bytes += len(line)
        self._rows += 1
        if self._loose_bytes >= PIECE_BYTES:
            self._pieces.append(Piece(self._loose))
            self._loose, self._loose_bytes = [], 0

    def take(self) -> list[Line]:
        """All rows so far; they are no longer here."""
        taken = [*self._pieces, *self._loose]
        self._pieces, self._loose = [], []
        self._loose_bytes = self._rows = 0
        return taken

    def __len__(self) -> int:
        """How many rows there are."""
        return self._rows


def rows_in(lines: Iterable[Line]) -> int:
    """How many rows lines hold."""
    return sum(line.count if isinstance(line, Piece) else 1 for line in lines)
