"""`sixfold dead-letters`."""

import asyncio
import base64
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from clickhouse_connect.driver.client import Client
from cyclopts import App, Parameter
from cyclopts.validators import Number
from rich.text import Text

from schemas import PayloadReason, Reason
from stream.commands.exits import NEGATIVE, OK, CommandError
from stream.commands.output import AsJson, Rows, printable, stderr, stdout, table_of, write_json
from stream.settings import Settings

if TYPE_CHECKING:
    from sinks.dead_letters import Place, Selection

SHOWN = 200
"""In a table, unless --limit says otherwise."""

app = App(
    name="dead-letters",
    help="Events that could not be read: what is wrong with them, their bytes, and sending them through again. "
    "They are named topic/partition/offset (of the embedded stack's journal with partition -1).",
)

AnyReason = Reason | PayloadReason
Reasons = Annotated[list[AnyReason] | None, Parameter(name="--reason", consume_multiple=True, negative="")]
Sources = Annotated[list[str] | None, Parameter(name="--source", consume_multiple=True, negative="")]
State = Literal["open", "replayed", "dropped", "all"]
_Flag = Parameter(negative="")


@app.command(name="list")
def list_letters(
    *,
    reason: Reasons = None,
    source: Sources = None,
    since: datetime | None = None,
    until: datetime | None = None,
    state: State = "open",
    limit: Annotated[int | None, Parameter(validator=Number(gte=0))] = None,
    as_json: AsJson = False,
) -> int:
    """Show the dead letters that are open, the newest first.

    Examples: `sixfold dead-letters list`, `sixfold dead-letters list --reason invalid-member --source hubspot/62515`,
    `sixfold dead-letters list --since 2026-03-01 --state all --json`

    Parameters
    ----------
    reason
        Only those rejected for it; several may be given.
    source
        Only those of this source, as far as their bytes tell it.
    since
        Only those received then or later; UTC unless it says otherwise.
    until
        Only those received before.
    state
        `open`, `replayed`, `dropped` or `all`.
    limit
        The most to print; 0 for all. A table has 200 unless told.
    as_json
        Print a JSON array.

    """
    from sinks.client import connect
    from sinks.dead_letters import count, find

    client = connect(Settings())
    selection = _selection((), reason, source, since, until, "" if state == "all" else state)
    most = SHOWN if limit is None and not as_json else limit or None
    found = find(client, selection, most)
    if as_json:
        write_json([letter.as_json() for letter in found])
        return OK
    if not found:
        stdout().print(Text("no dead letters" if state == "all" else f"no dead letters are {state}"))
        return OK
    columns = ["id", "received at", "reason", "source", "event", "type", "bytes", "state", "what is wrong"]
    rows = [
        [
            *(str(letter.place), letter.received_at, letter.reason, letter.source, letter.event_id),
            *(letter.event_type, letter.bytes, letter.state, letter.message),
        ]
        for letter in found
    ]
    kinds = ["String"] * 6 + ["UInt64"] + ["String"] * 2
    stdout().print(table_of(Rows(columns, kinds, rows)))
    if len(found) == most and (total := count(client, selection)) > most:
        stderr().print(Text(f"sixfold: the first {most} of {total:,}; --limit N for more, --limit 0 for all"))
    return OK


@app.command
def show(letter: str, /, *, as_json: AsJson = False) -> int:
    """Print the bytes of a dead letter as they were received, ready to be corrected in a file.

    Of what an adapter refused it prints the payload, as its source sent it. What was wrong goes to stderr. On a
    terminal control characters are shown escaped.

    Examples: `sixfold dead-letters show crm.events/3/1207 > event.json`,
    `sixfold dead-letters show crm.events/3/1207 --json`

    Parameters
    ----------
    letter
        Its name, as `list` prints it.
    as_json
        Print JSON: what `list --json` has, and `value` (null unless it is UTF-8 text), and `value_base64`.

    """
    from sinks.client import connect
    from sinks.dead_letters import Selection, find, value_of
    from stream.refused import read_refused

    client = connect(Settings())
    place = _place(letter)
    found = find(client, Selection(places=[place], state=""))
    if not found:
        raise CommandError(f"there is no dead letter {place}; sixfold dead-letters list shows them")
    value = value_of(client, place)
    if refused := read_refused(value):
        value = refused.payload
    try:
        text: str | None = value.decode()
    except UnicodeDecodeError:
        text = None
    if as_json:
        write_json({**found[0].as_json(), "value": text, "value_base64": base64.b64encode(value).decode()})
        return OK
    stderr().print(Text(f"{place}: {found[0].reason}: {found[0].message} ({found[0].state})"))
    if sys.stdout.isatty():
        sys.stdout.write(printable(value) + "\n")
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(value)
        sys.stdout.buffer.flush()
    return OK


@app.command
def replay(
    letters: list[str] | None = None,
    /,
    *,
    file: Annotated[Path | None, Parameter(name="--from", allow_leading_hyphen=True)] = None,
    reason: Reasons = None,
    source: Sources = None,
    since: datetime | None = None,
    until: datetime | None = None,
    all_open: Annotated[bool, Parameter(name="--all", negative="")] = False,
    as_json: AsJson = False,
) -> int:
    """Send dead letters through again: as they are, where what was wrong is mended, or one of them corrected in a file.

    A payload that an adapter refused goes through the adapter again, with the source files of SIXFOLD_SOURCES as they
    are now; what comes out is sent.

    What would be rejected again is not sent and stays open (exit code 1). What was sent is marked as replayed, and
    counts once, however often it is sent: its id and content decide. `sixfold wait` returns when it is counted.

    Examples: `sixfold dead-letters replay crm.events/3/1207 --from event.json`,
    `sixfold dead-letters replay --reason unknown-type`, `sixfold dead-letters replay --all`

    Parameters
    ----------
    letters
        Names as `list` prints them; these are sent even if they are not open any more.
    file
        A file with the corrected event, or payload, for a single dead letter; `-` is standard input.
    reason
        All open ones rejected for it; several may be given.
    source
        All open ones of this source, as far as their bytes tell it.
    since
        All open ones received then or later; UTC unless it says otherwise.
    until
        All open ones received before.
    all_open
        All open ones.
    as_json
        Print JSON: {"sent": [id], "rejected": [{"id", "reason", "message"}]}.

    """
    from schemas.adapters import ConfigurationError
    from sinks.client import connect
    from stream.replaying import replay as run
    from stream.sending import SendingError

    settings = Settings()
    client = connect(settings)
    places = _chosen(client, letters or (), _selection((), reason, source, since, until, "open"), all_open=all_open)
    if file is not None and len(letters or ()) != 1:
        raise CommandError("--from holds one event: name the dead letter that it corrects")
    fixed = _read(file) if file is not None else None
    try:
        with stderr().status(f"sending {len(places):,}") as status:
            result = asyncio.run(
                run(client, settings, places, fixed, lambda done: status.update(f"sent {done:,} of {len(places):,}"))
            )
    except (ConfigurationError, SendingError, LookupError) as error:
        raise CommandError(str(error)) from None
    if as_json:
        rejected = [{"id": str(place), "reason": why, "message": what} for place, why, what in result.rejected]
        write_json({"sent": [str(place) for place in result.sent], "rejected": rejected})
    else:
        for place, why, what in result.rejected:
            stderr().print(Text(f"sixfold: {place} not sent, {why}: {what}"))
        stdout().print(Text(f"{len(result.sent):,} sent, {len(result.rejected):,} would be rejected again"))
    return NEGATIVE if result.rejected else OK


@app.command
def drop(
    letters: list[str] | None = None,
    /,
    *,
    reason: Reasons = None,
    source: Sources = None,
    since: datetime | None = None,
    until: datetime | None = None,
    all_open: Annotated[bool, Parameter(name="--all", negative="")] = False,
    purge: Annotated[bool, _Flag] = False,
    as_json: AsJson = False,
) -> int:
    """Set dead letters aside that nobody will mend: they are listed no more, and fail no check of data quality.

    Their bytes stay, so that `show` and `replay` still find them by name, unless they are purged.

    Examples: `sixfold dead-letters drop crm.events/3/1207`,
    `sixfold dead-letters drop --source test --until 2026-03-01 --purge`

    Parameters
    ----------
    letters
        Names as `list` prints them.
    reason
        All open ones rejected for it; several may be given.
    source
        All open ones of this source, as far as their bytes tell it.
    since
        All open ones received then or later; UTC unless it says otherwise.
    until
        All open ones received before.
    all_open
        All open ones.
    purge
        Delete them with their bytes, for good. The topic of dead letters keeps its copy as long as Kafka does.
    as_json
        Print JSON: {"dropped": [id]}.

    """
    from sinks.client import connect
    from sinks.dead_letters import delete, settle

    client = connect(Settings())
    places = _chosen(client, letters or (), _selection((), reason, source, since, until, "open"), all_open=all_open)
    settle(client, places, "dropped")
    if purge:
        delete(client, places)
    if as_json:
        write_json({"dropped": [str(place) for place in places]})
    else:
        stdout().print(Text(f"{len(places):,} dropped"))
    return OK


def _selection(
    places: Sequence["Place"],
    reason: Sequence[AnyReason] | None,
    source: Sequence[str] | None,
    since: datetime | None,
    until: datetime | None,
    state: str,
) -> "Selection":
    from sinks.dead_letters import Selection

    since, until = (each if each is None or each.tzinfo else each.replace(tzinfo=UTC) for each in (since, until))
    return Selection([str(each) for each in reason or ()], source or (), since, until, places, state)


def _chosen(client: Client, letters: Sequence[str], selection: "Selection", *, all_open: bool) -> list["Place"]:
    """The dead letters that were named, or those of the selection, oldest first."""
    from sinks.dead_letters import Selection, find

    filtered = bool(selection.reasons or selection.sources or selection.since or selection.until)
    if letters and (filtered or all_open):
        raise CommandError("name dead letters, or choose them with options; not both")
    if not letters:
        if not (filtered or all_open):
            raise CommandError(
                "say which: by name, with --reason, --source, --since or --until, or --all that are open"
            )
        return [letter.place for letter in reversed(find(client, selection))]
    places = [_place(each) for each in letters]
    known = {letter.place for letter in find(client, Selection(places=places, state=""))}
    for place in places:
        if place not in known:
            raise CommandError(f"there is no dead letter {place}; sixfold dead-letters list shows them")
    return places


def _place(text: str) -> "Place":
    from sinks.dead_letters import Place

    try:
        return Place.of(text)
    except ValueError:
        raise CommandError(f"a dead letter is named topic/partition/offset, not {text}") from None


def _read(file: Path) -> bytes:
    if str(file) == "-":
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}; give the file with the corrected event") from None
