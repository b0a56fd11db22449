"""Importing files: every line or row is sent, or stands in the rejected file with its reason.

Each event is read by the contract's own decoder before it is sent, as the worker will, at the time of now, which its
record will carry. So what would become a dead letter is told here and kept back, unless it is asked for all the same.

How far a file got is remembered beside the data, so that a run that was killed goes on where the last
acknowledgement was; what is sent twice all the same does no harm, for the events are the same to the byte.
A file that was imported to its end is forgotten: importing it again sends all of it again.
"""

import asyncio
import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import msgspec

from schemas import Event, Reason, Rejected, decode
from stream.inputs import STDIN, InputError, Item, Rejection, Source, read_csv, read_jsonl
from stream.mapped_rows import MappedRows
from stream.mapping import Mapping, MappingError, read_mapping
from stream.provided import Provided, Reader, read_payloads
from stream.quality import Quality
from stream.rows import RowMapper
from stream.sending import Destination, open_destination
from stream.settings import Settings

__all__ = ["FileResult", "ImportResult", "Interrupted", "Progress", "import_files"]

BATCH_EVENTS = 2_000
BATCH_BYTES = 1 << 20
_HEAD_BYTES = 64 << 10
_SHOWN = 1 << 10
"""Bytes that are kept of what is too large to be kept whole."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C: the message says how far it got."""


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
    """Events by type (dry run)."""
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
    send_rejected: bool = False,
    first: int = 5,
    progress: Callable[[Progress], None] | None = None,
) -> ImportResult:
    """Send JSONL files, or with a mapping CSV files, in turn; `-` is standard input, .gz files are unpacked.

    `provided`: they are in a provider's own form. `json_rows`: what is mapped are JSON objects, one a line, as
    Debezium and Kafka Connect write rows of tables. `rejected` takes what is rejected of all files; without it each
    has a file of its own in the data directory. `send_rejected` sends the events that are rejected, too, so that they
    become dead letters. `restart` forgets how far an earlier run got. `dry_run` sends and writes nothing, keeps the
    `first` events and says what the reports could not use. Raises InputError, MappingError or SendingError,
    Interrupted on Ctrl-C, and OSError where the data directory cannot be written; all but the last can be shown as
    they are.
    """
    rules = read_mapping(mapping) if mapping is not None else None
    for path in paths:
        _check(path, rules, provided, json_rows=json_rows)
        if rejected is not None and rejected.resolve() == path.resolve():
            raise InputError(f"{path}: cannot take what is rejected, for it is what is imported")
    run = _Run(settings, rules, mapping, provided, json_rows, rejected, progress or (lambda _: None), restart)
    if dry_run:
        try:
            return run.preview(paths, first)
        except KeyboardInterrupt:
            raise Interrupted("interrupted; nothing was sent") from None
    if rejected is not None:
        _check_writable(rejected)
    try:
        return asyncio.run(run.send(paths, send_rejected=send_rejected))
    except KeyboardInterrupt:
        raise Interrupted(run.how_far()) from None


def _check(path: Path, mapping: Mapping | None, provided: Provided | None, *, json_rows: bool) -> None:
    if path.name.lower().removesuffix(".gz").endswith((".csv", ".tsv")):
        if json_rows:
            raise InputError(
                f"{path}: is a CSV file, and --format rows reads JSON, one object a line: leave --format out, for a "
                "CSV --mapping is enough"
            )
        if mapping is None and provided is None:
            raise InputError(
                f"{path}: is a CSV file: say with --format whose export it is, or with --mapping how rows become events"
            )
    if path == STDIN:
        return
    if path.is_dir():
        raise InputError(f"{path}: is a directory; name the files in it")
    with Source.open(path):
        pass


def _check_writable(rejected: Path) -> None:
    """Refuse at once what would only fail when something is rejected, in the middle of an import."""
    try:
        rejected.parent.mkdir(parents=True, exist_ok=True)
        there = rejected.exists()
        with rejected.open("ab"):
            pass
        if not there:
            rejected.unlink()
    except OSError as error:
        raise InputError(
            f"{rejected}: {error.strerror}; give --rejected the path of a file that can be written"
        ) from None


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
    unreadable: list[bytes] = field(default_factory=list)
    rejections: list[tuple[int, Rejection]] = field(default_factory=list)
    passed_over: int = 0
    size: int = 0
    line: int = 0
    position: int = 0

    def __len__(self) -> int:
        return len(self.events) + len(self.rejections) + self.passed_over

    def add(self, item: Item) -> None:
        self.line, self.position = item.line, item.position
        self.rejections += [(item.first_line, rejection) for rejection in item.rejections]
        if not item.events and not item.rejections:
            self.passed_over += 1
        self.events += item.events
        self.origins += [item] * len(item.events)
        self.unreadable += item.unreadable
        self.size += _size(item)


def _size(item: Item) -> int:
    return sum(map(len, item.events)) + sum(map(len, item.unreadable))


def _batches(items: Iterable[Item]) -> Iterator[_Batch]:
    batch = _Batch()
    for item in items:
        if len(batch) and (batch.size + _size(item) > BATCH_BYTES or len(batch) >= BATCH_EVENTS):
            yield batch
            batch = _Batch()
        batch.add(item)
    if len(batch):
        yield batch


class _Judge:
    """Looks at every event as the worker will, once it is a record of this time."""

    def __init__(self, settings: Settings, seen: Callable[[Event], None] = lambda _: None) -> None:
        self._max_future_us = round(settings.max_future_hours * 3_600_000_000)
        self._seen = seen

    def items(self, items: Iterable[Item]) -> Iterator[Item]:
        """Give the items, with those of their events that cannot be read rejected; the others are `seen`."""
        for item in items:
            events, unreadable, rejections = [], [], []
            for event in item.events:
                try:
                    read = decode(event, time.time_ns() // 1_000_000, self._max_future_us)
                except Rejected as rejected:
                    unreadable.append(event)
                    rejections.append(_rejection(event, rejected))
                else:
                    events.append(event)
                    self._seen(read)
            if unreadable:
                item = replace(
                    item,
                    events=tuple(events),
                    rejections=(*item.rejections, *rejections),
                    unreadable=tuple(unreadable),
                )
            yield item


def _rejection(event: bytes, rejected: Rejected) -> Rejection:
    too_large = rejected.reason is Reason.TOO_LARGE
    original = (event[:_SHOWN] if too_large else event).decode("utf-8", "replace")
    return Rejection(str(rejected.reason), rejected.message, original, len(event) if too_large else None)


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
        self._under_way = ""

    def how_far(self) -> str:
        """Say after which line an interrupted run goes on."""
        return self._under_way or "interrupted before anything was sent; run the same command again"

    def preview(self, paths: Sequence[Path], first: int) -> ImportResult:
        result = self._result
        quality = result.quality = Quality(self._settings.rules())

        def look(event: Event) -> None:
            result.types[event.type] += 1
            quality.look(event)

        judge = _Judge(self._settings, look)
        for path in paths:
            file = FileResult(path)
            result.files.append(file)
            with Source.open(path) as source:
                mapper, items = self._items(source, _State([]))
                for item in judge.items(items):
                    file.sent += len(item.events)
                    file.rejected += len(item.rejections)
                    file.passed_over += not item.events and not item.rejections
                    result.reasons.update(rejection.reason for rejection in item.rejections)
                    result.preview += item.events[: max(0, first - len(result.preview))]
                self._count_unmapped(mapper)
        return result

    async def send(self, paths: Sequence[Path], *, send_rejected: bool) -> ImportResult:
        self._folder.mkdir(parents=True, exist_ok=True)
        async with open_destination(self._settings) as destination:
            for path in paths:
                with Source.open(path) as source:
                    await self._send_file(source, destination, send_rejected=send_rejected)
        return self._result

    async def _send_file(self, source: Source, destination: Destination, *, send_rejected: bool) -> None:
        path = source.path
        state, remembered = self._recall(path)
        rejected = _RejectedFile(self._rejected or remembered.with_suffix(".rejected.jsonl"))
        rejected.forget(source.name, state.line)
        file = FileResult(path, state.sent, state.rejected, state.passed_over, state.line)
        self._result.files.append(file)
        mapper, items = self._items(source, state)
        self._tell_how_far(source, state)

        async def deliver(batch: _Batch, read_bytes: int) -> None:
            refused = await destination.send(batch.events) if batch.events else []
            for index in refused:
                event, item = batch.events[index], batch.origins[index]
                message = f"has {len(event)} bytes, more than the destination takes"
                shown = event[:_SHOWN].decode("utf-8", "replace")
                batch.rejections.append((item.first_line, Rejection("too-large", message, shown, len(event))))
            if send_rejected and batch.unreadable:
                await destination.send(batch.unreadable)
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
            self._tell_how_far(source, state)
            self._progress(Progress(path, read_bytes, source.size, state.sent, state.rejected))

        under_way: asyncio.Task[None] | None = None
        try:
            for batch in _batches(
                _Judge(self._settings).items(items)
            ):  # the next batch is read while the last one travels
                if under_way is not None:
                    await under_way
                under_way = asyncio.create_task(deliver(batch, source.read_bytes))
                await asyncio.sleep(0)
        finally:
            if under_way is not None:
                await under_way
        self._count_unmapped(mapper)
        remembered.unlink(missing_ok=True)

    def _tell_how_far(self, source: Source, state: _State) -> None:
        again = "run the same command again to go on"
        if source.path == STDIN:
            again = "run the same command again: it begins at the beginning, and what is sent twice does no harm"
        self._under_way = f"{source.name}: interrupted after line {state.line:,}; {again}"

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
        if self.path.is_file():  # not where it is /dev/null, or a pipe
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
