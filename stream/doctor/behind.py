"""Between the log and the tables: what is left to count, and what can be counted no more."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from clickhouse_connect.driver.client import Client

from stream.doctor.finding import Finding, fine, problem, warning
from stream.log import Log
from stream.settings import Settings
from stream.wait import documents_behind, events_behind, gaps_of, read_ends, read_standings


async def lag(name: str, settings: Settings, log: Log, client: Client) -> Finding:
    """The tables keep up: as `sixfold status` counts it, against SIXFOLD_READY_LAG."""
    ends = await read_ends(log, settings)
    standings = await asyncio.to_thread(read_standings, client)
    events = sum(events_behind(ends, standings, settings.log_incarnation).values())
    documents = sum(documents_behind(ends, standings, settings.log_incarnation).values())
    found = f"{events + documents:,} records to count (events {events:,}, documents {documents:,})"
    if events + documents > settings.ready_lag:
        return warning(name, found, "see `sixfold status`: are enough workers running, do they log errors?")
    return fine(name, found)


async def gaps(name: str, settings: Settings, log: Log, client: Client) -> Finding:
    """No record that is still to be counted is gone from the log."""
    ends = await read_ends(log, settings)
    standings = await asyncio.to_thread(lambda: read_standings(client, shown=False))
    lost = {
        number: sum(count for _, count in found.values())
        for number, standing in standings.items()
        if settings.log_incarnation in ("", standing.incarnation) and (found := gaps_of(ends, standing))
    }
    if lost:
        shards = ", ".join(map(str, sorted(lost)))
        return problem(
            name,
            f"{sum(lost.values()):,} records are gone from Kafka before they were counted, in shards {shards}",
            "restore them, or run `sixfold accept-gap` and import again what they held",
        )
    return fine(name, "none")


CHECKS: Mapping[str, Callable[[str, Settings, Log, Client], Awaitable[Finding]]] = {"lag": lag, "gaps": gaps}
