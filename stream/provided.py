"""Files in a provider's own form: exports, and payloads that were kept, read by the adapters of `schemas.adapters`."""

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from schemas.adapters import (
    FORMATS,
    NOTHING_KNOWN,
    Adapted,
    Adapter,
    ConfigurationError,
    Context,
    Format,
    Refusal,
    Source,
    UnusableTable,
    convert,
    default_source,
    kind_of,
    open_adapter,
    open_table,
    parse_source,
    reference_of,
)
from stream.inputs import MAX_LINE, STDIN, InputError, Item, Rejection, read_jsonl, readable
from stream.inputs import Source as File
from stream.rows import MAX_UNMAPPED

__all__ = ["Provided", "Reader", "choose", "read_payloads"]

_PREAMBLE_ROWS = 20
"""So many rows may stand in front of the header of a report."""
_CHUNK = 2_000
_DELIMITERS = ",;\t"


@dataclass(frozen=True)
class Provided:
    """What files are to be read as. `as_of`: when figures were read at the source, None: when the file changed last."""

    format_name: str
    source: Source
    as_of: str | None = None
    close_gaps: bool = False

    @property
    def format(self) -> Format:
        """The form of the files."""
        return FORMATS[self.format_name]

    def digest(self) -> str:
        """Hash of everything that decides what a file gives."""
        said = [self.format_name, self.source.model_dump(mode="json"), self.as_of, self.close_gaps]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def choose(
    format_name: str, source_file: Path | None, as_of: str | None = None, *, close_gaps: bool = False
) -> Provided:
    """Put together what a command was told. Raises ConfigurationError."""
    if format_name not in FORMATS:
        raise ConfigurationError(
            f"there is no format {format_name}; there are {', '.join(FORMATS)}, and rows with --mapping"
        )
    if as_of is not None:
        try:
            convert.instant_us(as_of)
        except convert.UnreadableError as error:
            raise ConfigurationError(f"--as-of: {error}; 2026-03-02T06:00:00Z is one") from None
    kind = FORMATS[format_name].kind
    if source_file is None:
        return Provided(format_name, default_source(kind), as_of, close_gaps)
    try:
        text = source_file.read_text("utf-8")
    except OSError as error:
        raise ConfigurationError(f"{source_file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{source_file}: is not UTF-8 (byte {error.start})") from None
    source = parse_source(text, str(source_file))
    if kind_of(source) != kind:
        raise ConfigurationError(f"{source_file}: is a source of kind {kind_of(source)}, {format_name} is of {kind}")
    return Provided(format_name, source, as_of, close_gaps)


class Reader:
    """Reads one file. `passed_over` counts by kind, `unmapped` by field and raw value, both as far as it was read."""

    def __init__(self, provided: Provided, file: File) -> None:
        self._provided, self._file = provided, file
        self.passed_over: Counter[str] = Counter()
        self.unmapped: Counter[tuple[str, str]] = Counter()
        as_of = provided.as_of
        if as_of is None and provided.format.restated and file.path != STDIN:
            as_of = datetime.fromtimestamp(file.path.stat().st_mtime, UTC).isoformat()
        self._context = Context(as_of=as_of)

    def items(self, line: int = 0, position: int = 0) -> Iterator[Item]:
        """Read on from where an earlier run got to. Raises InputError."""
        known = reference_of(self._provided.source)
        if known.events:
            yield Item(0, 0, position, tuple(known.events), _rejections(known.refusals))
        shape = self._provided.format.shape
        try:
            with readable(self._file):
                if shape == "table":
                    yield from self._table(line)
                elif shape == "lines":
                    adapter = open_adapter(self._provided.source)
                    yield from read_payloads(self._file, adapter, line, position, self._context, self._seen)
                else:
                    yield from self._document()
        except UnusableTable as verdict:
            raise InputError(f"{self._file.name}: {verdict}") from None

    def _document(self) -> Iterator[Item]:
        adapted = self._seen(open_adapter(self._provided.source).adapt(self._file.content.read(), self._context))
        if adapted.refusals or not adapted.events:
            yield Item(1, 1, 0, rejections=_rejections(adapted.refusals))
        for events in _chunks(adapted.events):
            yield Item(1, 1, 0, events)

    def _table(self, line: int) -> Iterator[Item]:
        peek = getattr(self._file.content, "peek", None)  # plain, gzipped and standard input all have it
        head: bytes = peek(2) if peek is not None else b""
        encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        decoded = io.TextIOWrapper(self._file.content, encoding, newline="")
        csv.field_size_limit(MAX_LINE)
        try:
            yield from self._rows(decoded, line)
        except UnicodeError:
            raise InputError(f"{self._file.name}: is not UTF-8; convert it, or export it as UTF-8") from None
        except csv.Error as error:
            raise InputError(f"{self._file.name}: cannot be read as CSV: {error}") from None
        finally:
            decoded.detach()  # else it closes the file, which is not its own

    def _rows(self, decoded: io.TextIOWrapper, line: int) -> Iterator[Item]:
        preamble: list[str] = []
        for text in decoded:
            preamble.append(text)
            if self._is_header(text) or len(preamble) >= _PREAMBLE_ROWS:
                break
        if not preamble:
            raise InputError(f"{self._file.name}: is empty")
        delimiter = max(_DELIMITERS, key=preamble[-1].count)
        skipped = len(preamble) - 1
        reader = csv.reader(_chained(preamble[-1], decoded), delimiter=delimiter, strict=True)
        header = next(reader, [])
        chosen = self._provided
        table = open_table(
            chosen.format_name, chosen.source, list(dict.fromkeys(header)), self._context, close_gaps=chosen.close_gaps
        )
        for row in reader:
            last = skipped + reader.line_num
            if last <= line:
                continue
            if not any(cell.strip() for cell in row):
                yield Item(last, last, 0)
            elif len(row) != len(header):
                message = f"has {len(row)} cells, the header has {len(header)}"
                yield Item(last, last, 0, rejections=(Rejection("wrong-cells", message, delimiter.join(row)),))
            else:
                cells = dict(zip(reversed(header), reversed(row), strict=True))  # of two of one name the first
                adapted = self._seen(table.row(cells))
                rejections = tuple(Rejection(each.reason, each.message, cells) for each in adapted.refusals)
                yield Item(last, last, 0, tuple(adapted.events), rejections)

    def _is_header(self, text: str) -> bool:
        names = self._provided.format.header
        return not names or any(name in text.casefold() for name in names)

    def _seen(self, adapted: Adapted) -> Adapted:
        self.passed_over += adapted.passed_over
        for key, count in adapted.unmapped.items():
            if key in self.unmapped or len(self.unmapped) < MAX_UNMAPPED:
                self.unmapped[key] += count
        return adapted


def read_payloads(
    file: File,
    adapter: Adapter,
    line: int = 0,
    position: int = 0,
    context: Context = NOTHING_KNOWN,
    seen: Callable[[Adapted], object] = lambda _: None,
) -> Iterator[Item]:
    """Read a payload a line, behind a line and a byte; `seen` is shown what each gave. Raises InputError."""
    for item in read_jsonl(file, line, position):
        if not item.events:
            yield item
            continue
        adapted = adapter.adapt(item.events[0], context)
        seen(adapted)
        rejections = item.rejections + _rejections(adapted.refusals)
        yield Item(item.first_line, item.line, item.position, tuple(adapted.events), rejections)


def _chunks(events: Sequence[bytes]) -> Iterator[tuple[bytes, ...]]:
    """Cut the events of a long document into what is sent together."""
    for start in range(0, len(events), _CHUNK):
        yield tuple(events[start : start + _CHUNK])


def _chained(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _rejections(refusals: Sequence[Refusal]) -> tuple[Rejection, ...]:
    return tuple(Rejection(each.reason, each.message, each.raw.decode("utf-8", "replace")) for each in refusals)
