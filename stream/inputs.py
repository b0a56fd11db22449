"""Files to import, read one line or row at a time: what each becomes, and what no importing can send."""

import codecs
import csv
import gzip
import io
import json
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, cast

from stream.mapping import MappingError
from stream.rows import RowMapper, UnmappableRow

__all__ = ["MAX_LINE", "STDIN", "InputError", "Item", "Rejection", "Source", "read_csv", "read_jsonl", "readable"]

STDIN = Path("-")
"""Stands for standard input."""

MAX_LINE = 2 << 20
"""Bytes of the longest line that is sent: what the topic of the events takes."""

_SHOWN = 1 << 10
"""Bytes that are kept of what is too large to be kept whole."""

_GZIP = b"\x1f\x8b"
_DELIMITERS = ";\t|,"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class InputError(Exception):
    """A file that cannot be read at all, or no further; the message begins with its name."""


@dataclass(frozen=True)
class Rejection:
    """Why a line or row is not sent. `size` in bytes is that of the whole, if `original` is its beginning."""

    reason: str
    message: str
    original: str | dict[str, str]
    size: int | None = None


@dataclass(frozen=True)
class Item:
    """A line or row: its events as they are sent, its rejections (a payload has parts), or neither: passed over.

    `line` is where it ends, from 1; `position` the byte behind it (in the uncompressed file, 0 for a CSV).
    `first_line` is where it begins. `unreadable` are events that would be sent but are among the rejections.
    """

    first_line: int
    line: int
    position: int
    events: tuple[bytes, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    unreadable: tuple[bytes, ...] = ()


class Source:
    """An open file. `read_bytes` of `size` were read so far; `size` is None where nobody knows."""

    def __init__(self, path: Path, raw: BinaryIO, content: IO[bytes], size: int | None) -> None:
        self.path, self.size = path, size
        self._raw, self.content = raw, content

    @property
    def name(self) -> str:
        """What messages call it."""
        return "standard input" if self.path == STDIN else str(self.path)

    @property
    def read_bytes(self) -> int:
        """Bytes that were read of the file as it lies there."""
        return min(self._raw.tell(), self.size) if self.size is not None else 0

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator["Source"]:
        """Open a file, `-` for standard input; what is gzipped is unpacked. Raises InputError."""
        if path == STDIN:
            piped = cast("io.BufferedReader", sys.stdin.buffer)
            content = gzip.GzipFile(fileobj=piped) if piped.peek(2)[:2] == _GZIP else piped
            yield cls(path, piped, cast("IO[bytes]", content), None)
            return
        try:
            raw = path.open("rb")
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}; give the path of a readable file") from None
        with raw:
            packed = raw.peek(2)[:2] == _GZIP
            content = gzip.GzipFile(fileobj=raw) if packed else raw
            yield cls(path, raw, cast("IO[bytes]", content), path.stat().st_size)


@contextmanager
def readable(source: Source) -> Iterator[None]:
    """Turn what goes wrong while reading into an InputError."""
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{source.name}: is damaged: it does not unpack to its end ({error})") from None
    except OSError as error:
        raise InputError(f"{source.name}: {error.strerror or error}") from None


def read_jsonl(source: Source, line: int = 0, position: int = 0) -> Iterator[Item]:
    """Read a line at a time, from a byte position on, behind line number `line`.

    Every line of at most `MAX_LINE` bytes is one event, or payload, as it stands, whatever is in it; blank ones are
    passed over. Raises InputError for a file that is no UTF-8 text from its first bytes on, and for a damaged one.
    """
    stream = source.content
    with readable(source):
        if position:
            stream.seek(position)
        while text := stream.readline(MAX_LINE + 2):
            line += 1
            position += len(text)
            if line == 1:
                if text[:2] in _UTF16:
                    raise InputError(f"{source.name}: is not UTF-8 but UTF-16, as it seems; convert it to UTF-8")
                if b"\x00" in text[:_SHOWN]:
                    raise InputError(f"{source.name}: is no text, or UTF-16; give a file of UTF-8, one event a line")
                text = text.removeprefix(codecs.BOM_UTF8)
            event = text.rstrip(b"\r\n")
            if len(event) > MAX_LINE:
                size = len(text)
                while not text.endswith(b"\n") and (text := stream.readline(MAX_LINE)):
                    size += len(text)
                position += size - min(size, MAX_LINE + 2)
                message = f"the line has {size} bytes, more than {MAX_LINE}"
                shown = event[:_SHOWN].decode("utf-8", "replace")
                yield Item(line, line, position, rejections=(Rejection("too-large", message, shown, size),))
            elif event.isspace() or not event:
                yield Item(line, line, position)
            else:
                yield Item(line, line, position, (event,))


def read_csv(source: Source, mapper: RowMapper, line: int = 0) -> Iterator[Item]:
    """Read a row at a time, those that end behind line number `line`; the mapping makes events of each.

    Raises InputError for a file that has not the mapping's encoding or columns.
    """
    mapping = mapper.mapping
    _check_encoding(source, mapping.encoding)
    encoding = "utf-8-sig" if codecs.lookup(mapping.encoding).name == "utf-8" else mapping.encoding
    decoded = io.TextIOWrapper(source.content, encoding, newline="")
    lines = _Remembering(decoded)
    reader = csv.reader(lines, delimiter=mapping.delimiter, strict=True)
    csv.field_size_limit(MAX_LINE)
    try:
        with readable(source):
            header = [column.strip() for column in next(reader, [])]
            _check_header(source, header, mapper)
            while True:
                first = reader.line_num + 1
                lines.text = ""
                try:
                    row = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    rejection = Rejection("invalid-csv", f"cannot be read as CSV: {error}", lines.text)
                    yield Item(first, reader.line_num, 0, rejections=(rejection,))
                    continue
                if reader.line_num > line:
                    yield _row_item(mapper, header, row, first, reader.line_num)
    except UnicodeError:
        raise InputError(
            f"{source.name}: is not {mapping.encoding} (near line {reader.line_num + 1}); "
            'say which it is with encoding = "..." in the mapping'
        ) from None
    except csv.Error as error:
        raise InputError(f"{source.name}: its header cannot be read as CSV: {error}") from None
    finally:
        decoded.detach()  # else it closes the file, which is not its own


def _check_encoding(source: Source, encoding: str) -> None:
    peek = getattr(source.content, "peek", None)  # plain, gzipped and standard input all have it
    head: bytes = peek(2)[:2] if peek is not None else b""
    if head in _UTF16 and not codecs.lookup(encoding).name.startswith("utf-16"):
        raise InputError(f'{source.name}: looks like UTF-16; say encoding = "utf-16" in the mapping')


def _check_header(source: Source, header: list[str], mapper: RowMapper) -> None:
    if not any(header):
        raise InputError(f"{source.name}: the file is empty; its first line must name the columns")
    try:
        mapper.check_header(header)
    except MappingError as error:
        hint = ""
        if len(header) == 1 and (found := [each for each in _DELIMITERS if each in header[0]]):
            likely = max(found, key=header[0].count)
            hint = f"; set delimiter = {json.dumps(likely)} in the mapping if that is what stands between them"
        raise InputError(f"{source.name}: {error}{hint}") from None


def _row_item(mapper: RowMapper, header: list[str], row: list[str], first: int, last: int) -> Item:
    if not any(cell.strip() for cell in row):
        return Item(first, last, 0)
    cells = dict(zip(header, row, strict=False))
    if len(row) != len(header):
        message = f"has {len(row)} cells, the header has {len(header)}"
        return Item(first, last, 0, rejections=(Rejection("wrong-cells", message, ",".join(row)),))
    if mapper.skips(cells):
        return Item(first, last, 0)
    try:
        return Item(first, last, 0, tuple(mapper.events(cells)))
    except UnmappableRow as refused:
        return Item(first, last, 0, rejections=(Rejection(refused.reason, str(refused), cells),))


class _Remembering:
    """Lines of text, the beginning of those since `text` was emptied remembered."""

    def __init__(self, lines: io.TextIOWrapper) -> None:
        self._lines = lines
        self.text = ""

    def __iter__(self) -> "_Remembering":
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        if len(self.text) < _SHOWN:
            self.text = (self.text + line)[:_SHOWN]
        return line
