"""Erasing a person: the event, the purge that follows it, and a receipt of what went and what is out of reach.

That a lead is erased travels through the stream like everything else and reaches each lead that merges ever connected
with it. Its personal values then go from the disk: rows, the parts they stood in, dead letters that name it, segments
of the embedded stack's journal, lines that imports rejected. What others keep is named, and how long they keep it.
"""

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
from clickhouse_connect.driver.client import Client

from schemas import entity_key
from sinks.erasure import (
    ErasedIds,
    Standing,
    detached_parts,
    erased_entities,
    purge,
    standing,
    wait_for_old_parts,
)
from stream.flow import kind_of
from stream.log import Log
from stream.provenance import Documents
from stream.sending import open_destination
from stream.settings import FILE, Settings
from stream.wait import wait_until_counted

SOURCE = "sixfold/cli"
PAUSE_SECONDS = 0.5
_ERASED_LINE = "erased"
_DAY_MS = 86_400_000
_CELLS = re.compile(r"[,;\t|]")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Removed:
    """What is gone: where, of what, how many."""

    where: str
    what: str
    count: int


@dataclass(frozen=True)
class Outside:
    """Where Sixfold cannot delete: what may still lie there, and until when."""

    where: str
    keeps: str
    until: str


@dataclass
class Receipt:
    """What an erasure did. `left` is what should be gone and is not yet, each with what to do."""

    lead_id: str | None
    event_id: str | None
    at: datetime
    known: bool = True
    entities: Sequence[str] = ()
    removed: list[Removed] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    outside: list[Outside] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether all that Sixfold can remove is removed."""
        return not self.left

    def as_json(self) -> dict[str, Any]:
        """As the command prints it."""
        return {
            "lead_id": self.lead_id,
            "event": {"source": SOURCE, "id": self.event_id} if self.event_id else None,
            "at": self.at,
            "known": self.known,
            "complete": self.complete,
            "entities": list(self.entities),
            "removed": [{"where": each.where, "what": each.what, "count": each.count} for each in self.removed],
            "left": self.left,
            "outside": [{"where": each.where, "keeps": each.keeps, "until": each.until} for each in self.outside],
        }


async def erase(settings: Settings, client: Client, log: Log, lead_id: str, seconds: float, say: Say) -> Receipt:
    """Erase a lead, and all that count as the same person; `seconds` bound all waiting together.

    Raises SendingError, MissingTopic; errors of the client.
    """
    deadline = time.monotonic() + seconds
    lead = entity_key("lead", lead_id)
    before = connected(Documents(client, settings.partitions), lead)
    receipt = Receipt(lead_id, str(uuid4()), datetime.now(UTC), known=bool(before), entities=before or [lead])
    held = _held(settings, client, receipt.entities)
    say("sending crm.lead.erased")
    await _send(settings, receipt)
    say("waiting until it is counted")
    try:
        async with asyncio.timeout(deadline - time.monotonic()):
            await wait_until_counted(log, client, settings, lambda *_: None)
            await _wait_until_erased(settings, client, lead, receipt)
    except TimeoutError:
        receipt.left.append(
            f"crm.lead.erased {receipt.event_id} is sent and not counted after {seconds:g} s: see sixfold status, "
            "then run sixfold erase --pending"
        )
    await _purge(settings, client, log, receipt, held, deadline, say)
    return receipt


async def erase_pending(settings: Settings, client: Client, log: Log, seconds: float, say: Say) -> Receipt:
    """Purge what is left of everybody who was erased, by whatever event."""
    deadline = time.monotonic() + seconds
    receipt = Receipt(None, None, datetime.now(UTC), entities=erased_entities(client))
    await _purge(settings, client, log, receipt, _held(settings, client, receipt.entities), deadline, say)
    return receipt


def connected(documents: Documents, lead: str) -> list[str]:
    """The leads that any chain of merges ever read connects with one, and the opportunities ever linked to these.

    Empty where nothing was ever said of the lead.
    """
    found: set[str] = set()
    open_leads = {lead}
    while open_leads:
        documents.fetch(open_leads)
        found |= open_leads
        reached: set[str] = set()
        for each in open_leads:
            if node := documents.node(each):
                reached.update((*node.entities(), *node.to))
        found |= {entity for entity in reached if kind_of(entity) == "opportunity"}
        open_leads = {entity for entity in reached if kind_of(entity) == "lead"} - found
    return sorted(found) if documents.node(lead) else []


@dataclass(frozen=True)
class _Held:
    """What there was before anything was done: a worker may be faster with the purge."""

    tables: Standing
    segments: Sequence[Path]


def _held(settings: Settings, client: Client, entities: Sequence[str]) -> _Held:
    return _Held(standing(client, entities), _segments(settings, ErasedIds(entities)))


async def _send(settings: Settings, receipt: Receipt) -> None:
    event = {
        "specversion": "1.0",
        "id": receipt.event_id,
        "source": SOURCE,
        "type": "crm.lead.erased",
        "time": receipt.at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "data": {"lead_id": receipt.lead_id},
    }
    async with open_destination(settings) as destination:
        await destination.send([json.dumps(event).encode()])


async def _wait_until_erased(settings: Settings, client: Client, lead: str, receipt: Receipt) -> None:
    """The mark passes from lead to lead: wait until it has reached all that are connected."""
    while True:
        documents = Documents(client, settings.partitions)
        receipt.entities = await asyncio.to_thread(connected, documents, lead) or [lead]
        marked = set(await asyncio.to_thread(erased_entities, client))
        if marked.issuperset(receipt.entities):
            return
        await asyncio.sleep(PAUSE_SECONDS)


async def _purge(
    settings: Settings, client: Client, log: Log, receipt: Receipt, held: _Held, deadline: float, say: Say
) -> None:
    entities, ids = receipt.entities, ErasedIds(receipt.entities)
    say("purging tables")
    found = await asyncio.to_thread(purge, client, entities)
    still = await asyncio.to_thread(standing, client, entities)
    if still:
        receipt.left.append(f"{still} arrived while it was purged: run sixfold erase --pending")
    database = f"ClickHouse {settings.clickhouse.database}"
    people = max(held.tables.people, found.people)
    letters = {*held.tables.dead_letters, *found.dead_letters}
    receipt.removed.append(Removed(f"{database}.people", "rows", people - still.people))
    receipt.removed.append(Removed(f"{database}.dead_letters", "dead letters", len(letters - set(still.dead_letters))))
    lines = await asyncio.to_thread(_blank_rejected, settings.data / "imports", ids)
    receipt.removed.append(Removed(str(settings.data / "imports"), "rejected lines", lines))
    if _embedded(settings):
        say("waiting for the journal to drop what the tables cover")
        segments = await _wait_for_segments(settings, ids, deadline)
        gone = {path for path in held.segments if path not in segments}
        receipt.removed.append(Removed(str(settings.data / "journal"), "segments", len(gone)))
        receipt.left += [
            f"{path}: goes when it is closed (after {_segment_seconds():g} s) and the tables cover it; sixfold status "
            "says how far they are"
            for path in segments
        ]
    say("waiting for ClickHouse to remove the old parts")
    parts = await asyncio.to_thread(wait_for_old_parts, client, max(deadline - time.monotonic(), 1.0))
    receipt.left += [
        f"{database}: the old part {part} is still on the disk; ClickHouse removes it soon" for part in parts
    ]
    receipt.left += [
        f"{database}: part {part} is detached, and may hold anybody: attach it and erase again, or drop it"
        for part in await asyncio.to_thread(detached_parts, client)
    ]
    receipt.outside += await _outside(settings, log, receipt.at)


# -- the data directory


def _embedded(settings: Settings) -> bool:
    return settings.origins()["clickhouse_url"] == str(settings.data / FILE)


def _segments(settings: Settings, ids: ErasedIds) -> list[Path]:
    if not _embedded(settings):
        return []
    from deploy.embedded.traces import segments_naming

    return segments_naming(settings.data, ids)


def _segment_seconds() -> float:
    from deploy.embedded.journal import SEGMENT_SECONDS

    return SEGMENT_SECONDS


async def _wait_for_segments(settings: Settings, ids: ErasedIds, deadline: float) -> list[Path]:
    """Close the current segment if it names one of the ids, and wait until none does."""
    from deploy.embedded.traces import seal

    found = await asyncio.to_thread(_segments, settings, ids)
    if found:
        await seal(settings)
    while found and time.monotonic() < deadline:
        await asyncio.sleep(PAUSE_SECONDS)
        # what comes in for the person from now on is another matter: it leaves with its own segment
        found = [path for path in found if path.exists()]
    return found


def _blank_rejected(folder: Path, ids: ErasedIds) -> int:
    """Overwrite, in the files of what imports rejected, the lines that name one of the ids; gives how many.

    In place, at their length: an import that runs may append to the file all the while.
    """
    count = 0
    for path in sorted(folder.glob("*.rejected.jsonl")):
        with path.open("r+b") as file:
            at = 0
            for line in file.read().splitlines(keepends=True):
                if line.endswith(b"\n") and _names(line, ids):
                    file.seek(at)
                    file.write(_blank(line))
                    count += 1
                at += len(line)
    return count


def _names(line: bytes, ids: ErasedIds) -> bool:
    """Whether what was rejected names an id: as JSON, as a cell of a row, or where the entry cannot be read."""
    try:
        original = msgspec.json.decode(line)["original"]
    except (msgspec.DecodeError, KeyError, TypeError):
        return ids.named_in(line)
    if not isinstance(original, str):
        return ids.named_in(msgspec.json.encode(original))
    return ids.named_in(original.encode()) or any(cell.strip(' "\r\n') in ids.all for cell in _CELLS.split(original))


def _blank(line: bytes) -> bytes:
    """An entry of the same length that still says where the line was."""
    try:
        entry = msgspec.json.decode(line)
        kept = msgspec.json.encode({"file": entry["file"], "line": entry["line"], "reason": _ERASED_LINE})
    except (msgspec.DecodeError, KeyError, TypeError):
        kept = b""
    return (kept if len(kept) < len(line) else b"").ljust(len(line) - 1) + b"\n"


# -- out of reach


async def _outside(settings: Settings, log: Log, at: datetime) -> Iterable[Outside]:
    found = []
    if _embedded(settings):
        found.append(
            Outside(
                f"topics of the embedded broker at {settings.brokers}",
                "the events, and dead letters, in memory",
                "sixfold up ends; what the journal has dropped does not come back",
            )
        )
    else:
        for topic, keeps in (
            (settings.events_topic, "the events that named the person"),
            (settings.dead_letters_topic, "dead letters"),
        ):
            found.append(
                Outside(f"topic {topic} at {settings.brokers}", keeps, _retention(await log.configs(topic), at))
            )
    found += [
        Outside("backups and replicas", "copies of ClickHouse, Kafka and the data directory", "they are deleted"),
        Outside(
            "logs of other programs",
            "whatever Kafka, ClickHouse and proxies log; Sixfold's own hold no personal values",
            "they are rotated away",
        ),
        Outside("the sources", "the CRM itself, and files that were imported", "they are corrected there"),
        Outside(
            "dead letters without the person's id",
            "events so broken that they name no id",
            "they are dropped: sixfold dead-letters list",
        ),
    ]
    return found


def _retention(configs: dict[str, str], at: datetime) -> str:
    """Until when a topic keeps what was sent before the erasure, in words."""
    if "compact" in configs.get("cleanup.policy", ""):
        return "a later record of the same key replaces it: the topic is compacted"
    milliseconds = int(configs.get("retention.ms", "") or -2)
    if milliseconds == -2:
        return "unknown: the broker does not tell the topic's retention.ms"
    if milliseconds < 0:
        return "for ever: retention.ms is -1; set it, and Kafka deletes older records"
    last = at + timedelta(milliseconds=milliseconds)
    days = milliseconds / _DAY_MS
    return (
        f"{last:%Y-%m-%d %H:%M} UTC, and until their segment is closed: retention.ms is {milliseconds} ({days:g} days)"
    )
