"""`sixfold status`."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.text import Text

from stream.commands.exits import OK
from stream.commands.output import AsJson, Rows, stdout, table_of, write_json
from stream.settings import Settings

_TYPES = {
    "shard": "UInt16",
    "owner": "String",
    "epoch": "UInt32",
    "flush": "UInt32",
    "events_position": "Int64",
    "events_lag": "Int64",
    "documents_position": "Int64",
    "documents_lag": "Int64",
    "last_event_time": "DateTime",
    "written_at": "DateTime",
}


def status(*, as_json: AsJson = False) -> int:
    """Show each shard: its owner, how far it is, and how much of the log is left to count.

    A lag is the number of records that are in the topic and not yet in the tables.

    Examples: `sixfold status`, `sixfold status --json`

    Parameters
    ----------
    as_json
        Print JSON: {"shards": [..], "events_lag", "documents_lag", "newest_event_time", "newest_write",
        "gateway_url"}.

    """
    settings = Settings()
    shards = asyncio.run(_read(settings))
    written = [shard["written_at"] for shard in shards if shard["written_at"] is not None]
    events = [shard["last_event_time"] for shard in shards if shard["last_event_time"] is not None]
    summary = {
        "events_lag": sum(shard["events_lag"] for shard in shards),
        "documents_lag": sum(shard["documents_lag"] for shard in shards),
        "newest_event_time": max(events, default=None),
        "newest_write": max(written, default=None),
        "gateway_url": settings.gateway_url,
    }
    if as_json:
        write_json({"shards": shards, **summary})
        return OK
    rows = [list(shard.values()) for shard in shards]
    stdout().print(table_of(Rows(list(_TYPES), list(_TYPES.values()), rows)))
    lag = summary["events_lag"] + summary["documents_lag"]
    newest = summary["newest_write"]
    last = "nothing was written yet" if newest is None else f"last written {_ago(newest)} ago"
    stdout().print(Text(f"{len(shards)} shards, {lag:,} records to count, {last}"))
    if settings.gateway_url is not None:
        stdout().print(Text(f"events and webhooks go to {settings.gateway_url} ({settings.gateway_url}/docs)"))
    return OK


async def _read(settings: Settings) -> list[dict[str, Any]]:
    from sinks.client import connect
    from stream.kafka_access import open_log
    from stream.wait import documents_behind, events_behind, read_ends, read_standings

    client = connect(settings)
    async with open_log(settings) as log:
        ends = await read_ends(log, settings)
    standings = read_standings(client)
    events = events_behind(ends, standings, settings.log_incarnation)
    documents = documents_behind(ends, standings, settings.log_incarnation)
    shards = []
    for number in sorted({*ends.events, *standings}):
        found = standings.get(number)
        values = (
            number,
            found.owner if found else "",
            found.epoch if found else None,
            found.flush if found else None,
            found.events_position if found else None,
            events.get(number, 0),
            found.documents_position if found else None,
            documents.get(number, 0),
            _instant(found.last_event_us) if found else None,
            found.written_at.replace(tzinfo=UTC) if found else None,
        )
        shards.append(dict(zip(_TYPES, values, strict=True)))
    return shards


def _instant(us: int) -> datetime | None:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=us) if us else None


def _ago(then: datetime) -> str:
    seconds = max(0.0, (datetime.now(UTC) - then).total_seconds())
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
