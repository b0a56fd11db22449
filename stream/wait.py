"""How far the tables are behind the log, and waiting until nothing is left between them."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from clickhouse_connect.driver.client import Client

from stream.kafka_access_list import Access, require
from stream.log import TP, Log
from stream.settings import Settings
from stream.topics import partitions_of

PAUSE_SECONDS = 0.2


class Standing(NamedTuple):
    """The newest manifest of a shard, and its owner. `last_event_us` is 0 before the first event."""

    shard: int
    epoch: int
    flush: int
    events_position: int
    documents_position: int
    incarnation: str
    last_event_us: int
    written_at: datetime
    owner: str


class Bounds(NamedTuple):
    """First offset of a partition, and the offset after its last."""

    begin: int
    end: int


@dataclass(frozen=True)
class Ends:
    """Bounds of both topics, by partition (which is the shard's number)."""

    events: Mapping[int, Bounds]
    documents: Mapping[int, Bounds]


def read_standings(client: Client, *, shown: bool = True) -> dict[int, Standing]:
    """Read the newest manifest of every shard that has one: by default the one whose rows the views show.

    With `shown` off it may be one of an owner that is still loading.
    """
    ready = "ready" if shown else "true"
    rows = client.query(
        f"""SELECT m.shard, m.epoch, m.flush, m.events_position, m.documents_position, m.incarnation,
            m.last_event_us, m.written_at, c.worker
        FROM (
            SELECT * FROM manifest FINAL
            WHERE (shard, epoch) IN (SELECT shard, max(epoch) FROM manifest WHERE {ready} GROUP BY shard)
        ) AS m
        LEFT JOIN (SELECT shard, argMax(worker, (epoch, claimed_at)) AS worker FROM claims GROUP BY shard) AS c
            ON c.shard = m.shard
        ORDER BY m.shard"""  # noqa: S608 - constants
    ).result_rows
    return {row[0]: Standing(*row) for row in rows}


async def read_ends(log: Log, settings: Settings) -> Ends:
    """Read the bounds of both topics. Raises `MissingTopic`, `NotAllowed`."""
    events, documents = settings.events_topic, settings.documents_topic
    await require(settings, log, *(Access("topic", topic, ("Describe",)) for topic in (events, documents)))
    partitions = []
    for topic in (events, documents):
        partitions += [TP(topic, number) for number in range(await partitions_of(settings, log, topic))]
    bounds = await log.bounds(partitions)
    return Ends(
        {tp.partition: Bounds(*bounds[tp]) for tp in partitions if tp.topic == events},
        {tp.partition: Bounds(*bounds[tp]) for tp in partitions if tp.topic == documents},
    )


def events_behind(ends: Ends, standings: Mapping[int, Standing], incarnation: str) -> dict[int, int]:
    """Count the records of `crm.events` that each shard has yet to count; shards without any are left out.

    A manifest of another incarnation speaks of another log, and counts as none; '' takes any.
    """
    return _behind(
        ends.events, {n: s.events_position for n, s in standings.items() if incarnation in ("", s.incarnation)}
    )


def documents_behind(ends: Ends, standings: Mapping[int, Standing], incarnation: str) -> dict[int, int]:
    """Do the same for `crm.documents`."""
    return _behind(
        ends.documents,
        {n: s.documents_position for n, s in standings.items() if incarnation in ("", s.incarnation)},
    )


def gaps_of(ends: Ends, standing: Standing) -> dict[str, tuple[int, int]]:
    """Find the topics, `events` and `documents`, of which records are gone: where the log begins, and how many."""
    found = {}
    for kind, bounds, position in (
        ("events", ends.events.get(standing.shard), standing.events_position),
        ("documents", ends.documents.get(standing.shard), standing.documents_position),
    ):
        # A position behind the end is that of another log, which is read from its start without being asked.
        if bounds is not None and position < bounds.begin and position <= bounds.end:
            found[kind] = (bounds.begin, bounds.begin - position)
    return found


def _behind(bounds: Mapping[int, Bounds], positions: Mapping[int, int]) -> dict[int, int]:
    lags = {n: bound.end - max(positions.get(n, 0), bound.begin) for n, bound in bounds.items()}
    return {n: lag for n, lag in lags.items() if lag > 0}


async def wait_until_counted(
    log: Log, client: Client, settings: Settings, progress: Callable[[str, Mapping[int, int]], None]
) -> None:
    """Return when all that stood in the log at the call is in the tables.

    The manifests must reach the end of the events as read now, then that of the documents as read then; what they
    sent on meanwhile made one of the ends grow, and then both are waited for again. `progress` is told which
    topic is waited for and how many records each shard is behind. Raises `MissingTopic`.
    """
    incarnation = settings.log_incarnation
    ends = await read_ends(log, settings)
    while True:
        while behind := events_behind(ends, await asyncio.to_thread(read_standings, client), incarnation):
            progress(settings.events_topic, behind)
            await asyncio.sleep(PAUSE_SECONDS)
        ends = Ends(ends.events, (await read_ends(log, settings)).documents)
        while behind := documents_behind(ends, await asyncio.to_thread(read_standings, client), incarnation):
            progress(settings.documents_topic, behind)
            await asyncio.sleep(PAUSE_SECONDS)
        now = await read_ends(log, settings)
        if all(now.events[n].end == bound.end for n, bound in ends.events.items()) and all(
            now.documents[n].end == bound.end for n, bound in ends.documents.items()
        ):
            return
        ends = now
