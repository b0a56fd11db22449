"""`sixfold erase`."""

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number
from rich.text import Text

from stream.commands.exits import NEGATIVE, OK, CommandError
from stream.commands.output import AsJson, stderr, stdout, write_json
from stream.settings import Settings

if TYPE_CHECKING:
    from stream.erasing import Receipt

PREFIX = "lead:"
SHOWN_ENTITIES = 20


def erase(
    lead: str | None = None,
    /,
    *,
    pending: Annotated[bool, Parameter(negative="")] = False,
    yes: Annotated[bool, Parameter(negative="")] = False,
    timeout: Annotated[float, Parameter(validator=Number(gt=0))] = 600,
    as_json: AsJson = False,
) -> int:
    """Erase a person: name, address, company, contacts and subjects, for good, and everywhere Sixfold can reach.

    All leads that merges ever connected with it are erased with it. The figures stay as they are. The receipt says what
    was removed where, and what is out of reach, with how long it is kept there. Exit code 1: something is left that
    will go later; the receipt says what to do.

    Examples: `sixfold erase lead:42`, `sixfold erase lead:42 --yes --json > receipt.json`, `sixfold erase --pending`

    Parameters
    ----------
    lead
        `lead:` and the id as the CRM gives it.
    pending
        Purge what is left of everybody whose erasure came through the stream. The worker does so, too, every
        SIXFOLD_PURGE_SECONDS.
    yes
        Do it. Without it you are asked to type the lead's id.
    timeout
        Seconds after which to stop waiting and say what is left.
    as_json
        Print the receipt as JSON: {"lead_id", "complete", "entities", "removed", "left", "outside"}.

    """
    if (lead is None) == (not pending):
        raise CommandError("say whom to erase, such as lead:42, or --pending")
    lead_id = None
    if lead is not None:
        lead_id = lead.removeprefix(PREFIX)
        if not lead.startswith(PREFIX) or not 0 < len(lead_id) <= 256:
            raise CommandError(f"say lead:ID, with the id as the CRM gives it, not {lead}")
        _confirm(lead_id, yes=yes)
    receipt = asyncio.run(_erase(Settings(), lead_id, timeout))
    if as_json:
        write_json(receipt.as_json())
    else:
        _write(receipt)
    return OK if receipt.complete else NEGATIVE


async def _erase(settings: Settings, lead_id: str | None, timeout: float) -> "Receipt":  # noqa: ASYNC109 - a person's, with its own message
    from sinks.client import connect
    from stream.erasing import erase as run
    from stream.erasing import erase_pending
    from stream.kafka_access import open_log
    from stream.sending import SendingError

    client = connect(settings)
    async with open_log(settings) as log:
        with stderr().status("erasing") as status:
            try:
                if lead_id is None:
                    return await erase_pending(settings, client, log, timeout, status.update)
                return await run(settings, client, log, lead_id, timeout, status.update)
            except SendingError as error:
                raise CommandError(str(error)) from None


def _confirm(lead_id: str, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandError(f"this erases lead {lead_id} for good: confirm with --yes")
    sys.stderr.write(f"This erases the personal data of lead {lead_id} for good.\nType its id to go on: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != lead_id:
        raise CommandError("not confirmed, nothing was erased")


def _write(receipt: "Receipt") -> None:
    out = stdout()
    whom = f"lead {receipt.lead_id}" if receipt.lead_id is not None else "everybody erased so far"
    at = receipt.at.isoformat(sep=" ", timespec="seconds")
    out.print(Text(f"Erased {whom}, {at}" + (f", event {receipt.event_id}" if receipt.event_id else "")))
    if not receipt.known:
        out.print(Text("Nothing was ever said of this lead; what comes later is erased, too"))
    shown = ", ".join(receipt.entities[:SHOWN_ENTITIES])
    more = len(receipt.entities) - SHOWN_ENTITIES
    out.print(Text(f"Covers {shown}" + (f" and {more:,} more" if more > 0 else "")))
    out.print(Text("Removed"))
    for gone in receipt.removed:
        out.print(Text(f"  {gone.count:,} {gone.what}: {gone.where}"))
    if receipt.left:
        out.print(Text("Left"))
        for left in receipt.left:
            out.print(Text(f"  {left}"))
    out.print(Text("Out of Sixfold's reach"))
    for each in receipt.outside:
        out.print(Text(f"  {each.where}: {each.keeps}, until {each.until}"))
