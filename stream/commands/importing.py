"""`sixfold import`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from stream.commands.arguments import OR_STDIN
from stream.commands.exits import INTERRUPTED, CommandError
from stream.commands.output import AsJson, printable, stderr, stdout, write_json
from stream.settings import Settings

ROWS = "rows"

if TYPE_CHECKING:
    from stream.importing import ImportResult
    from stream.importing import Progress as Position
    from stream.quality import Quality


def import_files(
    files: Annotated[list[Path], OR_STDIN],
    /,
    *,
    mapping: Path | None = None,
    format_name: Annotated[str | None, Parameter(name="--format")] = None,
    source: Path | None = None,
    as_of: str | None = None,
    close_gaps: Annotated[bool, Parameter(negative="")] = False,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    restart: Annotated[bool, Parameter(negative="")] = False,
    rejected: Path | None = None,
    send_rejected: Annotated[bool, Parameter(negative="")] = False,
    first: int = 5,
    as_json: AsJson = False,
) -> int:
    """Send files: JSONL of events, exports of a CRM or an ad platform, any CSV by a mapping of its columns.

    Every event is read as the worker will before it is sent; what cannot be read is rejected, and stands in a file with
    its reason. Importing anything twice does no harm; an import that was interrupted goes on where it was. Exit code 1:
    something was rejected (and everything else sent).

    Examples: `sixfold import events.jsonl`, `zcat e.gz | sixfold import -`,
    `sixfold import deals.csv --mapping deals.toml --dry-run`,
    `sixfold import --format hubspot-csv --source hubspot.toml contacts.csv deals.csv`,
    `unzip -p eurofxref-hist.zip | sixfold import --format ecb-csv -`

    Formats: hubspot-csv, salesforce-csv, pipedrive-csv, google-ads-csv, meta-csv, ecb-csv, ecb-xml; payloads that
    were kept, one a line: hubspot, salesforce, pipedrive, twilio, telephony, google-ads, meta, segment, snowplow;
    rows: rows of tables as Debezium or Kafka Connect write them, one JSON object a line, by a mapping.

    Parameters
    ----------
    files
        The files; `-` is standard input, `.gz` is unpacked.
    mapping
        TOML or YAML: which column is which member of which event.
    format_name
        Whose file it is, as above.
    source
        TOML: the account, and how its fields, stages and people are called (deploy/examples/sources).
    as_of
        When the figures were read at the source, such as 2026-03-02T06:00:00Z, where the file does not say; for
        spend the default is the file's last change.
    close_gaps
        The rows are whole records: what was to be fetched of them is fetched now (hubspot-csv, salesforce-csv).
    dry_run
        Send nothing: show what would come out, and what the reports could not use of it.
    restart
        Begin at the beginning, even where an earlier import of the file was interrupted.
    rejected
        Where rejected lines go, with their reasons; by default a file for each in the data directory.
    send_rejected
        Send events that are rejected all the same, so that they become dead letters, too.
    first
        How many events a dry run shows.
    as_json
        Print the result as JSON.

    """
    from schemas.adapters import ConfigurationError
    from stream.importing import Interrupted
    from stream.importing import import_files as run
    from stream.inputs import InputError
    from stream.mapping import MappingError
    from stream.provided import choose
    from stream.sending import SendingError

    json_rows = format_name == ROWS
    if json_rows:
        if mapping is None:
            raise CommandError(f"--format {ROWS} needs --mapping: which member of a row is which member of an event")
        format_name = None
    elif format_name is not None and mapping is not None:
        raise CommandError("--format and --mapping exclude each other")
    if send_rejected and dry_run:
        raise CommandError("--send-rejected and --dry-run exclude each other: a dry run sends nothing")
    if format_name is None and (source is not None or as_of is not None or close_gaps):
        raise CommandError("--source, --as-of and --close-gaps belong to --format: say whose file it is")
    try:
        with _bars() as progress:
            try:
                provided = None if format_name is None else choose(format_name, source, as_of, close_gaps=close_gaps)
                result = run(
                    files,
                    Settings(),
                    mapping,
                    provided=provided,
                    json_rows=json_rows,
                    dry_run=dry_run,
                    restart=restart,
                    rejected=rejected,
                    send_rejected=send_rejected,
                    first=first,
                    progress=progress,
                )
            except (ConfigurationError, InputError, MappingError, SendingError) as error:
                raise CommandError(str(error)) from None
            except OSError as error:
                raise CommandError(f"{error.filename}: {error.strerror}") from None
    except Interrupted as interrupted:  # told below the bars, not between them
        stderr().print(Text(f"sixfold: {interrupted}"))
        return INTERRUPTED
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
        out.print(Text(printable(event) if out.is_terminal else event.decode("utf-8", "replace")))
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
        out.print(Text(f"  column {column}: {value!r} is not mapped ({count:,} times)"))
    for kind, count in result.kinds_passed_over.most_common(20):
        out.print(Text(f"  means nothing to the reports: {kind} ({count:,} times)"))
    if result.quality is not None:
        _write_quality(result.quality, result.reasons)


def _write_quality(quality: "Quality", reasons: Mapping[str, int]) -> None:
    out = stdout()
    for stage, count in quality.stages.most_common(20):
        out.print(Text(f"  stage {stage!r} is not in SIXFOLD_STAGES: a lead in it counts as tofu ({count:,} events)"))
    for stage, count in quality.stages_without_probability().most_common(20):
        out.print(
            Text(
                f"  stage {stage!r} is not in SIXFOLD_STAGE_PROBABILITY: an open opportunity in it weighs nothing "
                f"({count:,} of them)"
            )
        )
    for medium, count in quality.mediums.most_common(20):
        out.print(Text(f"  medium {medium!r} is not in SIXFOLD_CHANNELS: its channel is other ({count:,} events)"))
    if count := quality.amounts_without_currency():
        out.print(Text(f"  amounts without a currency, taken to be in the reporting one: {count:,}"))
    if reasons.get("invalid-date"):
        out.print(Text(f"  dates that do not parse: {reasons['invalid-date']:,}"))
    if quality.records_to_fetch:
        out.print(Text(f"  records to fetch at the source: {quality.records_to_fetch:,}"))


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
            "kinds_passed_over": dict(result.kinds_passed_over),
            "quality": _quality(result),
            "preview": [event.decode("utf-8", "replace") for event in result.preview],
        }
    )


def _quality(result: "ImportResult") -> dict[str, object] | None:
    quality = result.quality
    if quality is None:
        return None
    return {
        "unmapped_stages": [{"value": value, "count": count} for value, count in quality.stages.most_common()],
        "unmapped_mediums": [{"value": value, "count": count} for value, count in quality.mediums.most_common()],
        "stages_without_probability": [
            {"value": value, "count": count} for value, count in quality.stages_without_probability().most_common()
        ],
        "amounts_without_currency": quality.amounts_without_currency(),
        "invalid_dates": result.reasons.get("invalid-date", 0),
        "records_to_fetch": quality.records_to_fetch,
    }
