"""The journal: what was taken in stands on disk before anyone is told so, for the embedded broker forgets.

A directory of segments, files that only grow. Each record is a frame:

    marker 8 | length 4 | CRC-32 4 | position 8 | timestamp ms 8 | key length 4 (-1: no key) | key | value

`length` counts what follows the CRC; the CRC covers the length and that. The marker is random, another one in
each segment, and stands in the file's name, `POSITION-MARKER.segment`, beside the first position. So after
damage the next frame can be found again, and nobody can smuggle one in inside an event, for no sender knows
the marker.

Positions count up over all segments and restarts; some may be skipped after damage or a failed write, none is
given twice. A start opens a new segment and never appends to an old one.
"""

import logging
import mmap
import os
import re
import secrets
import struct
import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

SEGMENT_BYTES = 64 << 20
SEGMENT_SECONDS = 300.0

_HEAD = struct.Struct(">8sII")
_BODY = struct.Struct(">Qqi")
_LENGTH = struct.Struct(">I")
_NAME = re.compile(r"([0-9]{20})-([0-9a-f]{16})\.segment")
_SMALLEST = _HEAD.size + _BODY.size

log = logging.getLogger(__name__)


class JournalFullError(Exception):
    """The journal could not be written; nothing of the call counts as taken in."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One record: its place in the journal, when it was first taken in, and what goes to Kafka."""

    position: int
    timestamp_ms: int
    key: bytes | None
    value: bytes


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes `[start, stop)` of a segment that hold no whole record; `tail` says that none follows them."""

    start: int
    stop: int
    tail: bool


@dataclass(frozen=True, slots=True)
class Segment:
    """A file of the journal; `first` is the least position that may stand in it."""

    path: Path
    first: int
    marker: bytes

    @classmethod
    def at(cls, path: Path) -> Self | None:
        """The segment of this path; None when the name is no segment's."""
        found = _NAME.fullmatch(path.name)
        return cls(path, int(found[1]), bytes.fromhex(found[2])) if found else None


def encode(marker: bytes, entry: Entry) -> bytes:
    """The frame of one record."""
    key = entry.key
    body = b"".join(
        (
            _BODY.pack(entry.position, entry.timestamp_ms, -1 if key is None else len(key)),
            key or b"",
            entry.value,
        )
    )
    crc = zlib.crc32(body, zlib.crc32(_LENGTH.pack(len(body))))
    return _HEAD.pack(marker, len(body), crc) + body


def scan(data: bytes | mmap.mmap, marker: bytes) -> Iterator[Entry | Damage]:
    """All whole records of a segment's bytes in their order, and the damage between and after them."""
    at, good = 0, 0
    size = len(data)
    while at < size:
        found = _frame(data, at, marker)
        if found is None:
            following = data.find(marker, at + 1)
            at = size if following < 0 else following
            continue
        entry, stop = found
        if good < at:
            yield Damage(good, at, tail=False)
        yield entry
        at = good = stop
    if good < size:
        yield Damage(good, size, tail=True)


def _frame(data: bytes | mmap.mmap, at: int, marker: bytes) -> tuple[Entry, int] | None:
    """The record whose frame begins at `at` and where that ends; None when no whole one does."""
    if len(data) - at < _SMALLEST:
        return None
    found, length, crc = _HEAD.unpack_from(data, at)
    start, stop = at + _HEAD.size, at + _HEAD.size + length
    if found != marker or length < _BODY.size or stop > len(data):
        return None
    body = data[start:stop]
    if zlib.crc32(body, zlib.crc32(_LENGTH.pack(length))) != crc:
        return None
    position, timestamp_ms, key_length = _BODY.unpack_from(body)
    value_at = _BODY.size + max(key_length, 0)
    key = None if key_length < 0 else body[_BODY.size : value_at]
    return Entry(position, timestamp_ms, key, body[value_at:]), stop


class Journal:
    """The journal of one data directory. One process at a time (the stack's lock sees to it); methods block.

    They may be called from any thread.
    """

    def __init__(
        self, directory: Path, *, segment_bytes: int = SEGMENT_BYTES, segment_seconds: float = SEGMENT_SECONDS
    ) -> None:
        """Open the journal, make the directory if there is none, and cut unfinished tails.

        Damage in the middle of a segment is logged with its file and bytes, and left as it is.
        """
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._segment_seconds = segment_seconds
        self._writing = threading.Lock()
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._sealed = sorted(
            filter(None, map(Segment.at, directory.iterdir())),
            key=lambda segment: (segment.first, segment.path),
        )
        self._file = -1
        self._next = 1
        for number, segment in enumerate(self._sealed, 1):
            last = number == len(self._sealed)
            self._next = max(self._next, segment.first, self._check(segment, last=last))
        self._create()  # before the empty ones go: a name may be all that keeps the positions
        for segment in list(self._sealed):
            if not segment.path.stat().st_size:
                self._remove(segment)

    @property
    def segments(self) -> tuple[Segment, ...]:
        """All files, oldest first; the last one is written to, the others are sealed.

        The positions in a sealed segment are smaller than the next one's `first`.
        """
        with self._writing:
            return (*self._sealed, self._active)

    @property
    def next_position(self) -> int:
        """The position that the next record gets; all smaller ones are taken or skipped."""
        with self._writing:
            return self._next

    def append(self, records: Sequence[tuple[bytes | None, bytes]], timestamp_ms: int) -> list[Entry]:
        """Write (key, value) records and return once they are safe on disk: one fsync for all of them.

        Raises `JournalFullError` when they are not (disk full, input/output error): then none of them is
        retained and none may be acknowledged.
        """
        with self._writing:
            try:
                if self._suspect or self._size >= self._segment_bytes:
                    self._roll()
                first = self._next
                entries = [Entry(first + n, timestamp_ms, *record) for n, record in enumerate(records)]
                # Taken even if the write fails: some of these frames may be on disk for ever.
                self._next += len(entries)
                frames = b"".join(encode(self._active.marker, entry) for entry in entries)
                _write_all(self._file, frames)
                os.fdatasync(self._file)
            except OSError as error:
                self._take_back()
                raise JournalFullError(
                    f"{self._active.path}: cannot be written: {error.strerror}; nothing of this was "
                    "accepted. Make room in the data directory, then send it again"
                ) from error
            self._size += len(frames)
            return entries

    def seal(self, *, force: bool = False) -> None:
        """Close the current segment if it holds records and is old enough (`force`: however young)."""
        with self._writing:
            if self._size and (force or time.monotonic() - self._opened >= self._segment_seconds):
                self._roll()

    def entries(self) -> Iterator[Entry]:
        """All retained records, oldest first."""
        for segment in self.segments:
            for found in read(segment):
                if isinstance(found, Entry):
                    yield found

    def drop(self, segment: Segment) -> None:
        """Delete a sealed segment; everything in it must be safe elsewhere."""
        with self._writing:
            self._remove(segment)

    def close(self) -> None:
        """Close the file; what was appended is on disk already."""
        with self._writing:
            os.close(self._file)
            self._file = -1  # a late append must not reach a file that has got the same number

    def _check(self, segment: Segment, *, last: bool) -> int:
        """Look through one old segment; gives a position above all that may have been given in it."""
        following = segment.first
        for found in read(segment):
            if isinstance(found, Entry):
                following = max(following, found.position + 1)
                continue
            # Records may have stood there; their positions are not given again.
            following += (found.stop - found.start) // _SMALLEST
            if last and found.tail:  # where the process was killed while it wrote: never acknowledged
                log.warning("%s: cut %d bytes of an unfinished record", segment.path, found.stop - found.start)
                with segment.path.open("r+b") as file:
                    file.truncate(found.start)
                    os.fsync(file.fileno())
            else:
                log.error(
                    "%s: bytes %d to %d are damaged and skipped; the records around them are intact. "
                    "Send again what was accepted at that time (sending twice does no harm)",
                    segment.path,
                    found.start,
                    found.stop,
                )
        return following

    def _create(self) -> None:
        marker = secrets.token_bytes(8)
        path = self._directory / f"{self._next:020d}-{marker.hex()}.segment"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        file = os.open(path, flags, 0o600)
        try:
            _sync_directory(self._directory)
        except OSError:
            os.close(file)
            raise
        self._file, self._active = file, Segment(path, self._next, marker)
        self._size = 0
        self._suspect = False
        self._opened = time.monotonic()

    def _roll(self) -> None:
        sealed, file = self._active, self._file
        self._create()
        os.close(file)
        self._sealed.append(sealed)

    def _take_back(self) -> None:
        """Cut off what a failed append left. The next one begins another segment.

        After a failed fsync nobody knows what of a file is on disk, so it is not written again.
        """
        self._suspect = True
        try:
            os.ftruncate(self._file, self._size)
            os.fsync(self._file)
        except OSError as error:
            log.error("%s: cannot be cut back: %s", self._active.path, error.strerror)  # noqa: TRY400 - no trace

    def _remove(self, segment: Segment) -> None:
        self._sealed.remove(segment)
        segment.path.unlink()
        _sync_directory(self._directory)


def read(segment: Segment) -> Iterator[Entry | Damage]:
    """All whole records of a segment and its damage; see `scan`."""
    with segment.path.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:  # an empty file cannot be mapped
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield from scan(data, segment.marker)


def _write_all(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def batches(entries: Iterable[Entry], most_bytes: int) -> Iterator[list[Entry]]:
    """The same entries in lists whose values have about `most_bytes` together."""
    batch: list[Entry] = []
    size = 0
    for entry in entries:
        batch.append(entry)
        size += len(entry.value)
        if size >= most_bytes:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
