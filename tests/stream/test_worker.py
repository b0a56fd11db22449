"""A worker's account of why it is not ready, without Faust around it."""

import asyncio
from pathlib import Path

from sinks.clickhouse import ClickHouseStore
from stream.log import TP, Log
from stream.rules import Rules
from stream.shard import Topics
from stream.transport import Consumer
from stream.worker import Worker
from tests.clickhouse import ClickHouseServer, engine
from tests.kafka.broker import TansuBroker, free_port


def test_a_failure_that_nobody_waits_for_any_more_is_forgotten(tansu: TansuBroker, tmp_path: Path) -> None:
    port = free_port()
    with engine(port, tmp_path):
        client = ClickHouseServer("127.0.0.1", port, "sixfold", "password").connect()

    def no_consumer() -> Consumer:
        raise AssertionError("nothing is delivered here")

    async def crash(error: BaseException) -> None:
        raise error

    async def lose_the_shards_while_loading() -> None:
        async with await Log.open([tansu.address]) as log:
            store = ClickHouseStore(client, "worker")
            worker = Worker(Rules(), 1, log, store, topics=Topics(), delivery=no_consumer, crash=crash)
            assert set(worker.not_ready()) == {"unassigned"}
            partitions = frozenset({TP("crm.events", 0), TP("crm.documents", 0)})
            await worker.assigned(1, partitions)
            async with asyncio.timeout(60):
                while "clickhouse" not in worker.not_ready():  # noqa: ASYNC110 - a worker tells nobody
                    await asyncio.sleep(0.05)
            assert set(worker.not_ready()) == {"clickhouse", "loading"}
            await worker.revoked(partitions)
            await asyncio.sleep(0.1)
            assert set(worker.not_ready()) == {"unassigned"}
            await worker.stop()

    asyncio.run(lose_the_shards_while_loading())
