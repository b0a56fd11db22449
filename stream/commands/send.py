"""`sixfold send`."""

import asyncio
import difflib
import json
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import msgspec
from cyclopts import Parameter
from rich.text import Text

from schemas import EVENT_TYPES, FIELD_KINDS, Rejected, decode
from schemas.events import Members
from schemas.fields import member_group
from stream.commands.arguments import OR_STDIN
from stream.commands.exits import NEGATIVE, OK, CommandError
from stream.commands.output import AsJson, stderr, stdout, write_json
from stream.settings import Settings

SOURCE = "sixfold/cli"
TIMEOUT_SECONDS = 30
_encoder = msgspec.json.Encoder(decimal_format="number")


def send(
    event: Annotated[str | None, OR_STDIN] = None,
    /,
    *,
    event_type: Annotated[str | None, Parameter(name="--type")] = None,
    data: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,
    event_time: Annotated[str | None, Parameter(name="--time")] = None,
    now: Annotated[bool, Parameter(negative="")] = False,
    event_id: Annotated[str | None, Parameter(name="--id")] = None,
    source: str | None = None,
    as_json: AsJson = False,
) -> int:
    """Send one event. It is checked first; exit code 1: it would be rejected, and was not sent.

    Members that nothing reads are sent, and named.

    Examples: `sixfold send --now --type crm.lead.created --data lead_id=1 utm.source=google utm.medium=cpc`,
    `sixfold send event.json`, `echo '{..}' | sixfold send -`

    Parameters
    ----------
    event
        The event as JSON, or the name of a file with it, or `-` for standard input.
    event_type
        Its type, such as crm.deal.won, where no JSON is given.
    data
        Members of its data, `name=value`; `name=` clears the member.
    event_time
        When it happened at the source, such as 2026-03-01T12:00:00Z.
    now
        It happened now.
    event_id
        Its id; a random one if left out.
    source
        Its source; `sixfold/cli` if left out.
    as_json
        Print the event that was sent as JSON.

    """
    document: dict[str, Any] = _document(event) if event is not None else {"type": event_type or _missing_type()}
    given = {"type": event_type, "time": event_time, "id": event_id, "source": source}
    document |= {name: value for name, value in given.items() if value is not None}
    if now:
        if event_time is not None:
            raise CommandError("--time and --now exclude each other")
        document["time"] = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    if "time" not in document:
        raise CommandError("the event has no time: say when it happened with --time, or that it is --now")
    members = document.setdefault("data", {})
    for entry in data or ():
        _set(members, entry)
    document = {"specversion": "1.0", "id": str(uuid4()), "source": SOURCE} | document
    encoded = _encoder.encode(document)
    try:
        decode(encoded, time.time_ns() // 1_000_000)
    except Rejected as rejected:
        hint = _near_type(str(document.get("type")))
        stderr().print(Text(f"sixfold: not sent, {rejected}{hint}"))
        return NEGATIVE
    asyncio.run(_send(Settings(), encoded))
    for warning in _unread(document["data"], EVENT_TYPES[document["type"]].data):
        stderr().print(Text(f"sixfold: {warning}"))
    if as_json:
        write_json(document)
    else:
        stdout().print(Text(f"sent {document['type']} {document['id']}"))
    return OK


async def _send(settings: Settings, event: bytes) -> None:
    from stream.sending import SendingError, open_destination

    address = settings.gateway_url or settings.brokers
    name = "gateway_url" if settings.gateway_url else "brokers"
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS), open_destination(settings) as destination:
            if await destination.send([event]):
                raise CommandError(f"{address} finds the event too large")
    except TimeoutError:
        origin = settings.origins()[name]
        raise CommandError(
            f"{address} does not answer within {TIMEOUT_SECONDS} s: start it (sixfold up), or correct "
            f"SIXFOLD_{name.upper()} ({origin})"
        ) from None
    except SendingError as error:
        raise CommandError(str(error)) from None


def _document(event: str) -> dict[str, Any]:
    text = sys.stdin.read() if event == "-" else event
    if event != "-" and not event.lstrip().startswith("{"):
        try:
            text = Path(event).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{event} is neither JSON nor a file that can be read: {error}") from None
    try:
        document = json.loads(text, parse_float=Decimal)
    except json.JSONDecodeError as error:
        raise CommandError(f"the event is no valid JSON: {error}") from None
    if not isinstance(document, dict) or not isinstance(document.get("data", {}), dict):
        raise CommandError("the event must be a JSON object, and so must its data")
    return document


def _missing_type() -> str:
    raise CommandError("there is no event: give it as JSON, or its --type and --data")


def _unread(members: Mapping[str, object], model: type[Members], prefix: str = "data.") -> Iterator[str]:
    """A line for every member that the contract lets pass and nobody reads: a slip of the pen, most often."""
    for name, value in members.items():
        if name not in model.model_fields:
            near = difflib.get_close_matches(name, model.model_fields, n=1)
            hint = f"did you mean {prefix}{near[0]}?" if near else f"there are {', '.join(model.model_fields)}"
            yield f"{prefix}{name} was sent, but nothing reads it; {hint}"
        elif isinstance(value, dict) and (group := member_group(model, name)):
            yield from _unread(value, group, f"{prefix}{name}.")


def _near_type(name: str) -> str:
    near = [] if name in EVENT_TYPES else difflib.get_close_matches(name, EVENT_TYPES, n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def _set(members: dict[str, Any], entry: str) -> None:
    """Write `name=value` or `group.name=value` into the data, as what the member takes."""
    name, equals, value = entry.partition("=")
    if not name or not equals:
        raise CommandError(f"--data takes name=value, not {entry}")
    group, dot, member = name.partition(".")
    field = {"utm": f"utm_{member}", "click_id": member}.get(group, name) if dot else name
    target = members
    if dot:
        target = members.setdefault(group, {})
    target[member if dot else name] = _typed(FIELD_KINDS.get(field, ""), value)


def _typed(kind: str, value: str) -> object:
    if value == "":
        return None
    if kind == "list":
        return [part.strip() for part in value.split(",")]
    if kind in ("bool", "int"):
        try:
            return json.loads(value)
        except json.JSONDecodeError:
            return value  # rejected with its reason
    return value
