"""Both endpoints are in order for Prometheus' own linter. Needs promtool (Debian: the package prometheus)."""

import asyncio
import subprocess

from clickhouse_connect.driver.client import Client

from schemas import EVENT_TYPES, Reason
from sinks import metrics
from sinks.endpoint import Endpoint
from sinks.exporter import NOT_READY
from sinks.metric import Metric
from sinks.metrics import WorkerMetrics, WorkerState
from tests.sinks.scraping import exporter_of, parse, refresh
from tests.sinks.test_endpoint import get
from tests.sinks.test_exporter import crowd


def scraped(endpoint: Endpoint) -> bytes:
    async def serve() -> bytes:
        port = await endpoint.start("127.0.0.1", 0, "SIXFOLD_METRICS_PORT")
        try:
            return (await asyncio.to_thread(get, port, "/metrics"))[2]
        finally:
            await endpoint.stop()

    return asyncio.run(serve())


def check(exposition: bytes) -> None:
    done = subprocess.run(["promtool", "check", "metrics"], input=exposition, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def all_of_a_worker() -> bytes:
    worker = WorkerMetrics()
    partition = ("events", 3)
    state = WorkerState(2, {3: 7}, {partition: 5}, {partition: 9}, 1, 2, 3, 4, 5, 6.5, 7.5, 8, 9, 1_790_000_000.0)
    worker.show(lambda: state)
    worker.batch(10)
    worker.batch_ack_seconds.observe(1)
    worker.inserted("nodes", 10, 1000, 0.1)
    worker.produced("documents", 3, 300)
    worker.flushed(10, 0.2)
    for kind in EVENT_TYPES:
        worker.folded(kind, [1, 2], 3.0)
        worker.forwarded(kind, 1)
    worker.dead_letters(Reason.INVALID_JSON, 2)
    worker.records("events", 10)
    worker.retry("flush")
    worker.taken_over(0.5)
    return scraped(Endpoint(worker.registry, metrics.NOT_READY, lambda: {"lag": "too much"}))


def test_promtool_finds_nothing_in_a_workers_metrics() -> None:
    exposition = all_of_a_worker()
    names = {name for name, _ in parse(exposition.decode())}
    for metric in metrics.DECLARED:
        assert {metric.name, f"{metric.name}_bucket"} & names, metric.name
    check(exposition)


def test_promtool_finds_nothing_in_the_exporters_metrics(database: Client) -> None:
    crowd(database, campaigns=30, reps=30, channels=5, teams=5)
    exporter = exporter_of(database)
    refresh(exporter)
    asyncio.run(exporter.audit())
    exposition = scraped(Endpoint(exporter.registry, NOT_READY, exporter.not_ready))
    assert len(parse(exposition.decode(), "sixfold_kpi_")) > 1000
    check(exposition)


def test_promtool_would_find_something() -> None:
    worker = WorkerMetrics()
    worker.registry.register(_Wrong())  # type: ignore[arg-type]  # what a registry asks for
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=scraped(Endpoint(worker.registry, (), dict)),
        capture_output=True,
        check=False,
    )
    assert done.returncode != 0
    assert b"sixfold_wrong_milliseconds" in done.stderr


class _Wrong:
    def collect(self) -> list[object]:
        return [Metric("sixfold_wrong_milliseconds", "gauge", "").family([((), 1)])]
