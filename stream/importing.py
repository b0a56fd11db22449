"""Importing files: every line or row is sent, or stands in the rejected file with its reason.

How far a file got is remembered beside the data, so that a run that was killed goes on where the last
acknowledgement was; what is sent twice all the same does no harm, for the events are the same to the byte.
A file that was imported to its end is forgotten: importing it again sends all of it again.
"""

import asyncio
import contextlib
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import msgspec

from schemas import Rejected, decode
from stream.inputs import STDIN, InputError, Item, Rejection, Source, read_csv, read_jsonl
from stream.mapped_rows import MappedRows
from stream.mapping import Mapping, MappingError, read_mapping
from stream.provided import Provided, Reader, read_payloads
from stream.quality import Quality
from stream.rows import RowMapper
from stream.sending import Destination, open_destination
from stream.settings import Settings

__all__ = ["FileResult", "ImportResult", "Progress", "import_files"]

BATCH_EVENTS = 2_000
BATCH_BYTES = 1 << 20
_HEAD_BYTES = 64 << 10


@dataclass
class FileResult:
    """What became of one file: counts of events sent, of lines or rows rejected, and of those passed over.

    The counts take in what an earlier, interrupted run did; `resumed_at` is the line after which this one
    went on, 0 if it began at the beginning. `rejected_file` is None as long as nothing was rejected.
    """

    path: Path
    sent: int = 0
    rejected: int = 0
    passed_over: int = 0
    resumed_at: int = 0
    rejected_file: Path | None = None


@dataclass
class ImportResult:
    """What became of all files; of a dry run also how the events look."""

    files: list[FileResult] = field(default_factory=list)
    preview: list[bytes] = field(default_factory=list)
    """The first events (dry run)."""
    types: Counter[str] = field(default_factory=Counter)
    """Events by type (dry run); those that the worker would reject count under their reason below."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Rejected lines and rows by reason."""
    unmapped: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Values that no map and no lookup of the mapping or the source file knew, by column."""
    kinds_passed_over: Counter[str] = field(default_factory=Counter)
    """Parts of a provider's payloads that mean nothing to the reports, by kind."""
    quality: Quality | None = None
    """What the reports could not use as it is (dry run)."""

    @property
    def sent(self) -> int:
        """Events that were sent, or would be."""
        return sum(each.sent for each in self.files)

    @property
    def rejected(self) -> int:
        """Lines and rows that were rejected."""
        return sum(each.rejected for each in self.files)

    @property
    def passed_over(self) -> int:
        """Blank lines, and rows that the mapping skips."""
        return sum(each.passed_over for each in self.files)

    @property
    def exit_code(self) -> int:
        """What a command ends with: 1 if anything was rejected."""
        return 1 if self.rejected else 0


@dataclass(frozen=True)
class Progress:
    """How far the import of a file is; `size` in bytes is None where nobody knows it."""

    path: Path
    read_bytes: int
    size: int | None
    sent: int
    rejected: int


def import_files(
    paths: Sequence[Path],
    settings: Settings,
    mapping: Path | None = None,
    *,
    provided: Provided | None = None,
    json_rows: bool = False,
    dry_run: bool = False,
    restart: bool = False,
    rejected: Path | None = None,
    first: int = 5,
    progress: Callable[[Progress], None] | None = None,
) -> ImportResult:
    """Send JSONL files, or with a mapping CSV files, in turn; `-` is standard input, .gz files are unpacked.

    `provided`: they are in a provider's own form. `json_rows`: what is mapped are JSON objects, one a line, as
    Debezium and Kafka Connect write rows of tables. `rejected` takes what is rejected of all files; without it each
    has a file of its own in the data directory. `restart` forgets how far an earlier run got. `dry_run` sends and
    writes nothing, keeps the `first` events and looks at each as the worker would. Raises InputError, MappingError
    or SendingError, and OSError where the data directory cannot be written; all but the last can be shown as they are.
    """
    rules = read_mapping(mapping) if mapping is not None else None
    for path in paths:
        _check(path, rules, provided)
        if rejected is not None and rejected.resolve() == path.resolve():
            raise InputError(f"{path}: cannot take what is rejected, for it is what is imported")
    run = _Run(settings, rules, mapping, provided, json_rows, rejected, progress or (lambda _: None), restart)
    if dry_run:
        return run.preview(paths, first)
    return asyncio.run(run.send(paths))


def _check(path: Path, mapping: Mapping | None, provided: Provided | None) -> None:
    if mapping is None and provided is None and path.name.lower().removesuffix(".gz").endswith((".csv", ".tsv")):
        raise InputError(
            f"{path}: is a CSV file: say with --format whose export it is, or with --mapping how rows become events"
        )
    if path == STDIN:
        return
    if path.is_dir():
        raise InputError(f"{path}: is a directory; name the files in it")
    with Source.open(path):
        pass


@dataclass
class _State:
    """How far a file got, and which file it was."""

    identity: list[str | int]
    line: int = 0
    position: int = 0
    sent: int = 0
    rejected: int = 0
    passed_over: int = 0


@dataclass
class _Batch:
    """Events that are sent together, and how far the file is once they are acknowledged."""

    events: list[bytes] = field(default_factory=list)
    origins: list[Item] = field(default_factory=list)
    rejections: list[tuple[int, Rejection]] = field(default_factory=list)
    passed_over: int = 0
    size: int = 0
    line: int = 0
    position: int = 0

    def add(self, item: Item) -> None:
        self.line, self.position = item.line, item.position
        self.rejections += [(item.first_line, rejection) for rejection in item.rejections]
        if not item.events and not item.rejections:
            self.passed_over += 1
        for event in item.events:
            self.events.append(event)
            self.origins.append(item)
            self.size += len(event)


def _batches(items: Iterable[Item]) -> Iterator[_Batch]:
    batch = _Batch()
    for item in items:
        size = sum(map(len, item.events))
        if batch.events and (batch.size + size > BATCH_BYTES or len(batch.events) >= BATCH_EVENTS):
            yield batch
            batch = _Batch()
        batch.add(item)
        if len(batch.rejections) + batch.passed_over >= BATCH_EVENTS:  # much ado about nothing to send
            yield batch
            batch = _Batch()
    if batch.line or batch.events:
        yield batch


class _Run:
    """One call of `import_files`."""

    def __init__(
        self,
        settings: Settings,
        mapping: Mapping | None,
        mapping_path: Path | None,
        provided: Provided | None,
        json_rows: bool,
        rejected: Path | None,
        progress: Callable[[Progress], None],
        restart: bool,
    ) -> None:
        self._settings, self._mapping, self._mapping_path, self._provided = settings, mapping, mapping_path, provided
        self._json_rows = json_rows
        self._rejected, self._progress, self._restart = rejected, progress, restart
        self._folder = settings.data / "imports"
        self._result = ImportResult()

    def preview(self, paths: Sequence[Path], first: int) -> ImportResult:
        result = self._result
        result.quality = Quality(self._settings.rules())
        for path in paths:
            file = FileResult(path)
            result.files.append(file)
            with Source.open(path) as source:
                mapper, items = self._items(source, _State([]))
                for item in items:
                    file.sent += len(item.events)
                    file.rejected += len(item.rejections)
                    file.passed_over += not item.events and not item.rejections
                    result.reasons.update(rejection.reason for rejection in item.rejections)
                    for event in item.events:
                        if len(result.preview) < first:
                            result.preview.append(event)
                        self._judge(event, result.quality)
                self._count_unmapped(mapper)
        return result

    def _judge(self, event: bytes, quality: Quality) -> None:
        try:
            read = decode(event, None)
        except Rejected as rejected:
            self._result.reasons[str(rejected.reason)] += 1
        else:
            self._result.types[read.type] += 1
            quality.look(read)

    async def send(self, paths: Sequence[Path]) -> ImportResult:
        self._folder.mkdir(parents=True, exist_ok=True)
        async with open_destination(self._settings) as destination:
            for path in paths:
                with Source.open(path) as source:
                    await self._send_file(source, destination)
        return self._result

    async def _send_file(self, source: Source, destination: Destination) -> None:
        path = source.path
        state, remembered = self._recall(path)
        rejected = _RejectedFile(self._rejected or remembered.with_suffix(".rejected.jsonl"))
        rejected.forget(source.name, state.line)
        file = FileResult(path, state.sent, state.rejected, state.passed_over, state.line)
        self._result.files.append(file)
        mapper, items = self._items(source, state)

        async def deliver(batch: _Batch, read_bytes: int) -> None:
            refused = await destination.send(batch.events) if batch.events else []
            for index in refused:
                event, item = batch.events[index], batch.origins[index]
                message = f"has {len(event)} bytes, more than the destination takes"
                shown = event[:1024].decode("utf-8", "replace")
                batch.rejections.append((item.first_line, Rejection("too-large", message, shown, len(event))))
            rejected.add(source.name, batch.rejections)
            self._result.reasons.update(rejection.reason for _, rejection in batch.rejections)
            state.line, state.position = batch.line, batch.position
            state.sent += len(batch.events) - len(refused)
            state.rejected += len(batch.rejections)
            state.passed_over += batch.passed_over
            file.sent, file.rejected, file.passed_over = state.sent, state.rejected, state.passed_over
            file.rejected_file = rejected.path if state.rejected else None
            if path != STDIN:
                _write(remembered, state)
            self._progress(Progress(path, read_bytes, source.size, state.sent, state.rejected))

        under_way: asyncio.Task[None] | None = None
        try:
            for batch in _batches(items):  # the next batch is read while the last one travels
                if under_way is not None:
                    await under_way
                under_way = asyncio.create_task(deliver(batch, source.read_bytes))
                await asyncio.sleep(0)
        finally:
            if under_way is not None:
                await under_way
        self._count_unmapped(mapper)
        remembered.unlink(missing_ok=True)

    def _items(self, source: Source, state: _State) -> tuple[RowMapper | Reader | None, Iterator[Item]]:
        if self._provided is not None:
            reader = Reader(self._provided, source)
            return reader, reader.items(state.line, state.position)
        if self._mapping is None or self._mapping_path is None:
            return None, read_jsonl(source, state.line, state.position)
        folders = [self._mapping_path.parent]
        if source.path != STDIN:
            folders.append(source.path.parent)
        try:
            mapper = RowMapper(self._mapping, folders)
        except MappingError as error:
            raise MappingError(f"{self._mapping_path}: {error}") from None
        if self._json_rows:
            return mapper, read_payloads(source, MappedRows(mapper), state.line, state.position)
        return mapper, read_csv(source, mapper, state.line)

    def _count_unmapped(self, mapper: RowMapper | Reader | None) -> None:
        if mapper is not None:
            self._result.unmapped.update(mapper.unmapped)
        if isinstance(mapper, Reader):
            self._result.kinds_passed_over.update(mapper.passed_over)

    def _recall(self, path: Path) -> tuple[_State, Path]:
        """Find how far this very file got on its way to this destination, and where that is remembered."""
        target = self._settings.gateway_url or self._settings.brokers
        way = [
            str(path.resolve()),
            target,
            self._settings.prefix,
            self._mapping.digest() if self._mapping else self._provided.digest() if self._provided else "",
        ]
        key = hashlib.sha256(json.dumps(way).encode()).hexdigest()[:16]
        name = "stdin" if path == STDIN else path.name
        remembered = self._folder / f"{name}-{key}.json"
        fresh = _State([] if path == STDIN else _identity(path))
        if self._restart or path == STDIN:
            return fresh, remembered
        try:
            found = _State(**json.loads(remembered.read_bytes()))
        except (OSError, ValueError, TypeError):  # none, or of another version: importing again is harmless
            return fresh, remembered
        return (found if found.identity == fresh.identity else fresh), remembered


def _identity(path: Path) -> list[str | int]:
    """Tell a file from another of the same name: its size, its last change, its beginning."""
    found = path.stat()
    with path.open("rb") as stream:
        head = hashlib.sha256(stream.read(_HEAD_BYTES)).hexdigest()
    return [found.st_size, found.st_mtime_ns, head]


def _write(path: Path, state: _State) -> None:
    """Replace the file in one step, so that a kill leaves the old state or the new one."""
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(asdict(state)), "utf-8")
    beside.replace(path)


class _Place(msgspec.Struct):
    """The part of a rejected line's entry that says where it was."""

    line: int


class _RejectedFile:
    """JSONL of what was rejected: file, line, reason, message, original, and size where that is cut."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def forget(self, file: str, line: int) -> None:
        """Drop what an earlier run wrote about this file behind a line: it is about to be judged again."""
        with contextlib.suppress(FileNotFoundError):
            begins = msgspec.json.encode({"file": file})[:-1] + b","
            kept = []
            for entry in self.path.read_bytes().splitlines(keepends=True):
                if entry.startswith(begins) and (
                    not entry.endswith(b"\n") or msgspec.json.decode(entry, type=_Place).line > line
                ):
                    continue  # or cut off by a kill
                kept.append(entry)
            if kept:
                self.path.write_bytes(b"".join(kept))
            else:
                self.path.unlink()

    def add(self, file: str, rejections: Sequence[tuple[int, Rejection]]) -> None:
        """Append, and have it written when this returns."""
        if not rejections:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as stream:
            for line, rejection in rejections:
                entry: dict[str, object] = {
                    "file": file,
                    "line": line,
                    "reason": rejection.reason,
                    "message": rejection.message,
                    "original": rejection.original,
                }
                if rejection.size is not None:
                    entry["size"] = rejection.size
                stream.write(msgspec.json.encode(entry) + b"\n")
