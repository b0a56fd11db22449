"""The product over a list of events: its shards in memory, its tables and views in the real engine."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Any

from clickhouse_connect.driver.client import Client

from schemas import Rejected, decode, homes
from sinks.clickhouse import ClickHouseStore
from stream import shard
from stream.log import home_partition
from stream.resting import Line
from stream.settings import Settings
from tests.oracle.journeys import Config
from tests.property.simulation import TOPICS, Fuse, MemoryLog, run

SHARDS = 3
MISPLACED = 0.1


class Rows:
    """Keeps the JSON lines of every table, as a sink."""

    def __init__(self) -> None:
        self.lines: dict[str, list[Line]] = {}

    async def insert(self, rows: Mapping[str, Sequence[Line]]) -> None:
        for table, lines in rows.items():
            self.lines.setdefault(table, []).extend(lines)


def settings(config: Config) -> Settings:
    """The product's settings for a configuration."""
    return Settings(
        time_zone=config.time_zone,
        currency=config.currency,
        pivot_currency=config.pivot_currency,
        fiscal_year_start=config.fiscal_year_start,
        attribution_model=config.attribution_model,
        lookback_days=config.lookback_days,
        call_credit_hours=config.call_credit_hours,
        stages=dict(config.stages),
        stage_probability=dict(config.stage_probability),
        channels=dict(config.channels),
        search_engines=config.search_engines,
        social_networks=config.social_networks,
        platforms={name: dict(origin) for name, origin in config.platforms.items()},
        own_domains=config.own_domains,
        partitions=SHARDS,
    )


def rows_of(events: Sequence[bytes], config: Config, now_ms: int, rng: random.Random) -> dict[str, list[Line]]:
    """What flushes insert, by table, when shards have read all events in the order given, in batches of any size."""
    log, sink = MemoryLog(Fuse()), Rows()
    for value in events:
        try:
            event = decode(value, None)
            key = rng.choice(homes(event) or [event.home]).encode()
        except Rejected:
            key = b"anywhere"
        # producers need not find the right partition
        partition = rng.randrange(SHARDS) if rng.random() < MISPLACED else home_partition(key, SHARDS)
        log.append(TOPICS.events, partition, key, value, now_ms)
    rules = settings(config).rules()
    workers = [shard.Shard(number, SHARDS, rules, topics=TOPICS) for number in range(SHARDS)]
    moved = True
    while moved:
        moved = False
        for worker in workers:
            for topic in (TOPICS.events, TOPICS.documents):
                records: list[Any] = log.records.get((topic, worker.number), [])
                start = worker.positions[topic].offset
                worker.read(topic, records[start : start + rng.choice((7, 60, 500))])
            if worker.moved:
                moved = True
                run(shard.flush(worker.take(), log, sink))
    return sink.lines


def fill(client: Client, rows: Mapping[str, Sequence[Line]]) -> None:
    """Insert the rows into a migrated database, as the worker's store does."""
    asyncio.run(ClickHouseStore(client, "oracle").insert(rows))
