"""The whole machine on one page.

Events and documents come in batches through one Faust agent; each belongs to a shard, which folds it; what changed is
flushed to Kafka and ClickHouse in one order (`stream/shard.py`) and acknowledged last. A shard is taken over from its
manifest when Kafka assigns its partitions (`stream/claim.py`), and read from there.
"""

import asyncio
import ctypes
import gc
import logging
import os
import sys
from contextlib import AsyncExitStack, suppress

import faust

from sinks.clickhouse import ClickHouseStore, RulesConflictError
from sinks.client import ClickHouseUnusable, connect
from sinks.endpoint import Endpoint, EndpointError
from sinks.metrics import NOT_READY, WorkerMetrics
from stream import transport
from stream.commands.migrate import check_tables, check_topics, migrate_tables
from stream.commands.output import log_to_stderr
from stream.kafka_access import faust_credentials
from stream.log import Log, LogUnreachable
from stream.settings import Settings
from stream.shard import Topics
from stream.starting import Stopped, await_clickhouse, await_log, await_rights, unless_stopped
from stream.topics import migrate_topics
from stream.worker import Worker

logger = logging.getLogger(__name__)


def build(
    settings: Settings, log: Log, store: ClickHouseStore, metrics: WorkerMetrics | None = None
) -> tuple[faust.App, Worker]:
    """The Faust application of a worker, and the worker behind its agent."""
    topics = Topics(settings.events_topic, settings.documents_topic, settings.dead_letters_topic)
    app = transport.make_app(
        settings.group,
        settings.broker_list,
        settings.data / "workers" / settings.worker_name,
        session_timeout=settings.session_timeout,
        heartbeat_interval=settings.heartbeat_interval,
        rebalance_timeout=settings.rebalance_timeout,
        broker_credentials=faust_credentials(settings),
    )
    worker = Worker(
        settings.rules(),
        settings.partitions,
        log,
        store,
        topics=topics,
        delivery=lambda: transport.consumer_of(app),
        crash=app.crash,
        incarnation=settings.log_incarnation,
        max_future_us=round(settings.max_future_hours * 3_600_000_000),
        flush_seconds=settings.flush_seconds,
        flush_records=settings.flush_records,
        max_inflight=settings.max_inflight,
        max_dirty=settings.max_dirty,
        ready_lag=settings.ready_lag,
        metrics=metrics,
        purge_seconds=settings.purge_seconds,
    )
    channel = transport.install(
        app,
        topics.events,
        topics.documents,
        on_assigned=worker.assigned,
        on_revoked=worker.revoked,
        max_inflight=worker.room,
        instance=settings.worker_name if settings.static_membership else None,
        stock=settings.transport == "stock",
    )

    @app.agent(channel)
    async def fold(batches: faust.StreamT[transport.Batch]) -> None:
        async for batch in batches:
            try:
                await worker.read(batch)
            except Exception as error:
                logger.exception("this batch cannot be folded: %s", batch.tp)
                await app.crash(error)

    return app, worker


async def main(settings: Settings) -> int:
    """Run a worker until it is told to stop; gives the exit code."""
    metrics, starting = WorkerMetrics(), {"unassigned": "the worker is starting"}
    working: list[Worker] = []
    endpoint = Endpoint(metrics.registry, NOT_READY, lambda: working[0].not_ready() if working else starting)
    async with AsyncExitStack() as opened:
        if settings.metrics_port:
            await endpoint.start(settings.metrics_host, settings.metrics_port, "SIXFOLD_METRICS_PORT")
            opened.push_async_callback(endpoint.stop)
            logger.info("metrics: http://%s:%d/metrics", settings.metrics_host, settings.metrics_port)

        def away(reason: str, service: str = "kafka") -> None:
            starting.pop(service, None)
            starting.update({service: reason} if reason else {})

        try:
            await unless_stopped(await_clickhouse(settings, lambda reason: away(reason, "clickhouse")))
            await _refuse_old_rules(settings)
            await asyncio.to_thread(migrate_tables if settings.migrate_at_start else check_tables, settings)
            log = await unless_stopped(opened.enter_async_context(await_log(settings, away)))
            if settings.migrate_at_start:
                await migrate_topics(settings)
            await unless_stopped(await_rights(settings, log, "worker", away))
        except Stopped:
            return 0
        if not settings.migrate_at_start:
            await check_topics(settings)
        client = connect(settings, receive_seconds=settings.clickhouse_timeout, wait_end_of_query=1)
        store = ClickHouseStore(client, settings.worker_name, metrics.inserted)
        app, worker = build(settings, log, store, metrics)
        working.append(worker)
        worker.start()
        try:
            return await transport.serve(app)
        finally:
            await worker.stop()


def _return_memory() -> None:
    """Have large bodies leave the process when they are freed, where the C library is glibc.

    Those of inserts and fetches are made in one thread and freed in another: in arenas of the threads, or among small
    blocks of the heap, they would stay resident: a quarter of the worker's peak.
    """
    arena_max, mmap_threshold = -8, -3  # M_ARENA_MAX, M_MMAP_THRESHOLD of malloc.h
    with suppress(AttributeError, OSError):
        libc = ctypes.CDLL(None)
        libc.mallopt(arena_max, 1)
        libc.mallopt(mmap_threshold, 1 << 18)


async def _refuse_old_rules(settings: Settings) -> None:
    """Under rules that others came after, not even the views' settings may be written."""
    client = connect(settings, database="default")
    try:
        found = client.query(
            "SELECT count() FROM system.tables WHERE name = 'rules' AND database = {database:String}",
            parameters={"database": settings.clickhouse.database},
        )
        if not found.result_rows[0][0]:
            return
    finally:
        client.close()
    rules, store = settings.rules(), ClickHouseStore(connect(settings), settings.worker_name)
    await store.use_rules(rules.hash, rules.content)


def run(settings: Settings) -> int:
    """`sixfold worker`: 0 after an orderly stop, 1 after a crash, 2 when a service or a setting is not usable."""
    log_to_stderr(settings.log_level, aiokafka="ERROR", urllib3="CRITICAL", clickhouse_connect="CRITICAL")
    # almost nothing here is cyclic: look less often than a flush puts down what it had in hand, several objects for
    # each of its records
    gc.set_threshold(max(500_000, 4 * settings.flush_records), 10, 10)
    _return_memory()
    try:
        with asyncio.Runner() as runner:
            code = runner.run(main(settings))
            # A thread whose ClickHouse hangs would be waited for as long as it hangs; what counts is durable.
            logging.shutdown()
            os._exit(code)
    except (ClickHouseUnusable, EndpointError, LogUnreachable, RulesConflictError) as error:
        print(f"sixfold: {error}", file=sys.stderr)  # noqa: T201 - the one line that a user reads
        return 2
