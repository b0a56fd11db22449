"""`sixfold import`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from stream.commands.arguments import OR_STDIN
from stream.commands.exits import CommandError
from stream.commands.output import AsJson, stderr, stdout, write_json
from stream.settings import Settings

if TYPE_CHECKING:
    from stream.importing import ImportResult
    from stream.importing import Progress as Position


def import_files(
    files: Annotated[list[Path], OR_STDIN],
    /,
    *,
    mapping: Path | None = None,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    restart: Annotated[bool, Parameter(negative="")] = False,
    rejected: Path | None = None,
    first: int = 5,
    as_json: AsJson = False,
) -> int:
    """Send files: JSONL of events as they are, CSV by a mapping that says what its columns mean.

    Importing anything twice does no harm; an import that was interrupted goes on where it was. Exit code 1:
    something was rejected (and everything else sent).

    Examples: `sixfold import events.jsonl`, `zcat e.gz | sixfold import -`,
    `sixfold import deals.csv --mapping deals.toml --dry-run`

    Parameters
    ----------
    files
        The files; `-` is standard input, `.gz` is unpacked.
    mapping
        TOML or YAML: which column is which member of which event.
    dry_run
        Send nothing: show what would come out.
    restart
        Begin at the beginning, even where an earlier import of the file was interrupted.
    rejected
        Where rejected lines go, with their reasons; by default a file for each in the data directory.
    first
        How many events a dry run shows.
    as_json
        Print the result as JSON.

    """
    from stream.importing import import_files as run
    from stream.inputs import InputError
    from stream.mapping import MappingError
    from stream.sending import SendingError

    with _bars() as progress:
        try:
            result = run(
                files,
                Settings(),
                mapping,
                dry_run=dry_run,
                restart=restart,
                rejected=rejected,
                first=first,
                progress=progress,
            )
        except (InputError, MappingError, SendingError) as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}") from None
    if as_json:
        _write_json(result, dry_run)
    else:
        _write(result, dry_run)
    return result.exit_code


class _Bars:
    """One bar a file, on stderr."""

    def __init__(self, shown: Progress) -> None:
        self._shown, self._tasks = shown, dict[Path, TaskID]()

    def __call__(self, position: "Position") -> None:
        if position.path not in self._tasks:
            self._tasks[position.path] = self._shown.add_task(str(position.path), counts="")
        self._shown.update(
            self._tasks[position.path],
            total=position.size,
            completed=position.read_bytes,
            counts=f"{position.sent:,} sent, {position.rejected:,} rejected",
        )


@contextmanager
def _bars() -> Iterator[_Bars]:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[counts]}"),
    )
    with Progress(*columns, console=stderr()) as shown:
        yield _Bars(shown)


def _write(result: "ImportResult", dry_run: bool) -> None:
    out = stdout()
    for event in result.preview:
        out.print(Text(event.decode("utf-8", "replace")))
    for event_type, count in sorted(result.types.items()):
        out.print(Text(f"{event_type}: {count:,}"))
    for file in result.files:
        resumed = f", went on after line {file.resumed_at:,}" if file.resumed_at else ""
        verb = "would be sent" if dry_run else "sent"
        out.print(
            Text(
                f"{file.path}: {file.sent:,} {verb}, {file.rejected:,} rejected, "
                f"{file.passed_over:,} passed over{resumed}"
            )
        )
        if file.rejected_file:
            out.print(Text(f"  rejected: {file.rejected_file}"))
    for reason, count in result.reasons.most_common():
        out.print(Text(f"  {reason}: {count:,}"))
    for (column, value), count in result.unmapped.most_common(20):
        out.print(Text(f"  column {column}: {value!r} is not in the mapping's map ({count:,} times)"))


def _write_json(result: "ImportResult", dry_run: bool) -> None:
    write_json(
        {
            "dry_run": dry_run,
            "sent": result.sent,
            "rejected": result.rejected,
            "passed_over": result.passed_over,
            "files": [
                {
                    "path": str(file.path),
                    "sent": file.sent,
                    "rejected": file.rejected,
                    "passed_over": file.passed_over,
                    "resumed_at": file.resumed_at,
                    "rejected_file": str(file.rejected_file) if file.rejected_file else None,
                }
                for file in result.files
            ],
            "reasons": dict(result.reasons),
            "types": dict(result.types),
            "unmapped": [
                {"column": column, "value": value, "count": count} for (column, value), count in result.unmapped.items()
            ],
            "preview": [event.decode("utf-8", "replace") for event in result.preview],
        }
    )
