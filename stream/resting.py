"""Nodes at rest in memory, compressed: most of what a worker keeps; and the rows of a flush until they are written.

States of one kind resemble each other: field names, sources, campaigns. With some of them as LZ4's dictionary, the
500 bytes of a lead become 235, the 250 of an opportunity 104, for 1 to 2 us when a node is put down and half of one
when it is taken up again. All of this is of one process only: what is written to ClickHouse and Kafka is the state
itself.

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
#: states begin with the head of a MessagePack array, above the first; what is compressed begins with its dictionary's
#: number, and the second if the node contributes nothing
_STATE, _IDLE = 0x80, 0x40

#: bytes of rows that are compressed together
PIECE_BYTES = 64 << 10

_compress, _decompress = lz4.block.compress, lz4.block.decompress


class Dictionaries:
    """What the shards of one worker compress with: for each kind the dictionary that was made last."""

    def __init__(self) -> None:
        self._made: list[bytes] = []
        self._newest: dict[str, tuple[bytes, bytes, bytes]] = {}
        self._seen: dict[str, int] = {}
        self._samples: dict[str, deque[bytes]] = {}

    def pack(self, entity: str, state: bytes, *, idle: bool) -> bytes:
        """The state as it is kept; with `idle` marked as of a node that contributes nothing, if it can be."""
        kind = kind_of(entity)
        seen = self._seen[kind] = self._seen.get(kind, 0) + 1
        if not seen % EVERY and seen <= LAST_MADE_AT:
            self._learn(kind, state, seen)
        newest = self._newest.get(kind)
        if newest is None:
            return state
        number, idle_number, dictionary = newest
        compressed: bytes = _compress(state, dict=dictionary)
        return (idle_number if idle else number) + compressed

    def unpack(self, packed: bytes) -> bytes:
        """The state that was packed."""
        number = packed[0]
        if number >= _STATE:
            return packed
        state: bytes = _decompress(packed[1:], dict=self._made[number & ~_IDLE])
        return state

    def _learn(self, kind: str, state: bytes, seen: int) -> None:
        samples = self._samples.setdefault(kind, deque(maxlen=SAMPLES))
        samples.append(state[:DICTIONARY_BYTES])  # that of a root with very many documents is large
        if seen in MADE_AT:
            dictionary = b"".join(samples)[-DICTIONARY_BYTES:]
            number = len(self._made)
            self._newest[kind] = bytes([number]), bytes([number | _IDLE]), dictionary
            self._made.append(dictionary)


class Nodes:
    """The states of a shard's nodes, by entity."""

    def __init__(self, dictionaries: Dictionaries) -> None:
        self._packed: dict[str, bytes] = {}
        self._pack, self._unpack = dictionaries.pack, dictionaries.unpack

    def get(self, entity: str) -> bytes | None:
        """A node's state, or None."""
        packed = self._packed.get(entity)
        return None if packed is None else self._unpack(packed)

    def __getitem__(self, entity: str) -> bytes:
        return self._unpack(self._packed[entity])

    def put(self, entity: str, state: bytes, *, idle: bool = False) -> None:
        """Put a node down; `idle` says that it contributes nothing."""
        self._packed[entity] = self._pack(entity, state, idle=idle)

    def idle(self, entity: str) -> bool:
        """Whether a node is known to contribute nothing, as those that belong to another one do."""
        packed = self._packed.get(entity)
        return packed is not None and packed[0] < _STATE and packed[0] >= _IDLE

    def __contains__(self, entity: str) -> bool:
        return entity in self._packed

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)

    def items(self) -> Iterator[tuple[str, bytes]]:
        """Entities with their states."""
        for entity, packed in self._packed.items():
            yield entity, self._unpack(packed)


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
