"""The KPI exporter: the figures of the views as gauges for Prometheus, for one instance of it.

Every interval it looks how far the tables are and runs the queries (`sinks/kpi.py`) one after the other in a thread.
Figures are shown only while they are good: those of a query that failed, that did not succeed for too long, or whose
tables are too far behind Kafka are withdrawn, so that no rule sees an old figure as a new one. At most 2,000 series.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from sinks.audit import audit, audits
from sinks.client import ClickHouseUnusable, message_of
from sinks.kpi import QUERIES, TOP, Query, Result
from sinks.metric import Metric, Sample, new_registry
from sinks.views import load_views
from stream.as_of import AsOf
from stream.wait import Ends, Standing, read_standings

logger = logging.getLogger(__name__)
T = TypeVar("T")

NOT_READY = ("clickhouse", "kafka", "stale")
"""What may keep the exporter from being ready."""

MOST_SERIES = 2_000
_OTHERS = 150
"""Series of the endpoint beside those of the KPI, at most."""
_ENDS_SECONDS = 20.0
_FIRST_AUDIT = 60.0

AS_OF = Metric(
    "sixfold_report_as_of_seconds",
    "gauge",
    "Unix time: the figures shown of this report hold all that was in Kafka by then",
    ("report",),
)
QUERY_UP = Metric(
    "sixfold_exporter_query_up", "gauge", "1: its figures are shown; 0: failed or stale, withdrawn", ("query",)
)
DURATION = Metric("sixfold_exporter_query_duration_seconds", "gauge", "duration of the query's last run", ("query",))
FAILURES = Metric("sixfold_exporter_query_failures_total", "counter", "runs of the query that failed", ("query",))
LAST_SUCCESS = Metric(
    "sixfold_exporter_last_success_timestamp_seconds",
    "gauge",
    "when the query's figures were last found, or found unchanged",
    ("query",),
)
TOP_MEMBERS = Metric(
    "sixfold_exporter_top_members", "gauge", "members of a dimension that are shown by themselves, at most"
)
DIFFERENCES = Metric(
    "sixfold_audit_differences", "gauge", "differences that the last audit found, at most 1000 each", ("audit",)
)
AUDIT_BUSY = Metric("sixfold_audit_busy", "gauge", "audits that met no quiet moment in the last run")
AUDIT_SUCCESS = Metric("sixfold_audit_last_success_timestamp_seconds", "gauge", "when the last audit ended")
AUDIT_DURATION = Metric("sixfold_audit_duration_seconds", "gauge", "duration of the last audit")

DECLARED = (
    AS_OF,
    QUERY_UP,
    DURATION,
    FAILURES,
    LAST_SUCCESS,
    TOP_MEMBERS,
    DIFFERENCES,
    AUDIT_BUSY,
    AUDIT_SUCCESS,
    AUDIT_DURATION,
)

_Standing = tuple[object, ...]
"""What the figures depend on beside the clock: manifests, view settings and the day."""


@dataclass
class _Run:
    """What is known of a query. Times are Unix times; `standing` is what its figures were found under."""

    result: Result | None = None
    success: float | None = None
    as_of: float | None = None
    standing: _Standing | None = None
    began: float = 0.0
    duration: float | None = None
    failures: int = 0


@dataclass(frozen=True)
class _Audit:
    differences: Mapping[str, int]
    busy: int
    ended: float
    duration: float


class Exporter:
    """Looks at the reports again and again; `registry` has what it found.

    `connect` gives a client of the database, and is called again after a failure; `connect_audit` one for an audit,
    whose queries take longer. `ends` says where the log ends and which incarnation it is. `stale` is the age above
    which figures are withdrawn, `audit_interval` 0 stands for no audits; all in seconds. `now` is the Unix time.
    """

    def __init__(
        self,
        connect: Callable[[], Client],
        ends: Callable[[], Awaitable[tuple[Ends, str]]],
        *,
        connect_audit: Callable[[], Client] | None = None,
        interval: float = 30.0,
        stale: float = 600.0,
        audit_interval: float = 21_600.0,
        queries: Sequence[Query] = QUERIES,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._connect = connect
        self._connect_audit = connect_audit or connect
        self._ends = ends
        self._interval = interval
        self._stale = stale
        self._audit_interval = audit_interval
        self._queries = queries
        self._now = now
        self._runs = {query.name: _Run() for query in queries}
        self._as_of = AsOf()
        self._client: Client | None = None
        self._failing: dict[str, str] = {}
        self._audit: _Audit | None = None
        self._reports = [view.name for view in load_views() if view.name.startswith("report_")]
        # the audit takes its time, and the queries need not wait for it
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="exporter")
        self.registry = new_registry()
        self.registry.register(_Figures(self))

    async def run(self) -> None:
        """Refresh every interval, and audit every `audit_interval`, until cancelled."""
        tasks = [_every(self._interval, self.refresh)]
        if self._audit_interval:
            tasks.append(_every(self._audit_interval, self.audit, first=min(self._audit_interval, _FIRST_AUDIT)))
        try:
            await asyncio.gather(*tasks)
        finally:
            self._threads.shutdown(wait=False, cancel_futures=True)

    # -- looking

    async def refresh(self) -> None:
        """Look how far the tables are, and run what is due. What fails is shown, and tried again the next time."""
        began = self._now()
        try:
            ends, incarnation = await asyncio.wait_for(self._ends(), _ENDS_SECONDS)
        except Exception as error:  # noqa: BLE001 - whatever it is, Kafka does not tell where it ends
            self._failed("kafka", str(error) or "it does not answer in time")
        else:
            self._failing.pop("kafka", None)
            self._as_of.note(began, ends, incarnation)
        try:
            standing = await self._in_thread(self._look)
            for query in self._queries:
                await self._refresh(query, standing)
        except (ClickHouseError, ClickHouseUnusable) as error:
            self._failed("clickhouse", message_of(error))
            self._client = None
            for run in self._runs.values():
                run.result = None
            return
        self._failing.pop("clickhouse", None)

    def _look(self) -> _Standing:
        if self._client is None:
            self._client = self._connect()
        standings: dict[int, Standing] = read_standings(self._client)
        self._as_of.reach(standings)
        settings = self._client.query("SELECT * FROM base_settings").result_rows
        manifests = tuple((shard, found.epoch, found.flush) for shard, found in sorted(standings.items()))
        return (manifests, str(settings))

    async def _refresh(self, query: Query, standing: _Standing) -> None:
        run, now, as_of = self._runs[query.name], self._now(), self._as_of.at
        if run.result and not query.clocked and run.standing == standing:
            run.success, run.as_of = now, as_of  # nobody wrote: it would find the same
            return
        if self._good(run) and now - run.began < min(query.seconds, self._stale / 2):
            return
        run.began = now
        began = time.perf_counter()
        try:
            run.result = await self._in_thread(lambda: self._read(query))
        except Exception as error:
            run.duration = time.perf_counter() - began
            run.result = None
            run.failures += 1
            logger.warning("query %s failed: %s", query.name, message_of(error))
            if isinstance(error, OperationalError):  # it does not answer: no other query need wait for that
                raise
            return
        run.duration = time.perf_counter() - began
        run.success, run.as_of, run.standing = self._now(), as_of, standing

    def _read(self, query: Query) -> Result:
        assert self._client is not None  # noqa: S101 - `_look` was there before
        return query.read(list(self._client.query(query.sql).named_results()))

    async def audit(self) -> None:
        """Compare every figure with the records, on a connection of its own."""
        began = time.perf_counter()
        try:
            found = await self._in_thread(lambda: audit(self._connect_audit()))
        except (ClickHouseError, ClickHouseUnusable) as error:
            logger.warning("the audit failed: %s", message_of(error))
            return
        differences = dict.fromkeys(audits(), 0)
        for name in found.busy:
            del differences[name]
        for difference in found.differences:
            differences[difference.audit] = differences.get(difference.audit, 0) + 1
        if found.differences:
            logger.error("the audit found %d differences: run sixfold audit", len(found.differences))
        self._audit = _Audit(differences, len(found.busy), self._now(), time.perf_counter() - began)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _failed(self, service: str, message: str) -> None:
        if service not in self._failing:
            logger.warning("%s cannot be asked: %s", service, message)
        self._failing[service] = message[:200]

    # -- showing

    def not_ready(self) -> dict[str, str]:
        """Why it is not ready (codes of `NOT_READY`, each with a line); nothing when all figures are shown."""
        reasons = dict(self._failing)
        withdrawn = [name for name, run in self._runs.items() if not self._good(run)]
        if withdrawn:
            reasons["stale"] = f"not shown: {', '.join(withdrawn)}"
        return reasons

    def _good(self, run: _Run) -> bool:
        """Whether a query's figures may be shown."""
        # the as-of is from before the last success, so that it is the older of the two
        return run.result is not None and run.as_of is not None and self._now() - run.as_of <= self._stale

    def families(self) -> Iterator[Family]:
        """What a scrape finds."""
        good = {name: run for name, run in self._runs.items() if self._good(run)}
        runs = self._runs
        yield from self._kpis([run.result for run in good.values() if run.result])
        yield AS_OF.family(self._as_ofs(good))
        yield QUERY_UP.family(((name,), name in good) for name in runs)
        yield DURATION.family(((name,), run.duration) for name, run in runs.items() if run.duration is not None)
        yield FAILURES.family(((name,), run.failures) for name, run in runs.items())
        yield LAST_SUCCESS.family(((name,), run.success) for name, run in runs.items() if run.success is not None)
        if self._audit and self._now() - self._audit.ended <= 2 * self._audit_interval + self._stale:
            yield DIFFERENCES.family(((name,), count) for name, count in self._audit.differences.items())
            yield AUDIT_BUSY.family([((), self._audit.busy)])
            yield AUDIT_SUCCESS.family([((), self._audit.ended)])
            yield AUDIT_DURATION.family([((), self._audit.duration)])

    def _kpis(self, results: Sequence[Result]) -> Iterator[Family]:
        """The KPI gauges, of as many members as the bound on the series allows."""
        now = datetime.fromtimestamp(self._now(), UTC)
        for top in range(TOP, 0, -1):
            families: dict[Metric, list[Sample]] = {}
            for result in results:
                for metric, sample in result(top, now):
                    families.setdefault(metric, []).append(sample)
            if sum(map(len, families.values())) <= MOST_SERIES - _OTHERS:
                break
        for metric, samples in families.items():
            yield metric.family(samples)
        yield TOP_MEMBERS.family([((), top)])

    def _as_ofs(self, good: Mapping[str, _Run]) -> Iterator[Sample]:
        """Of a report that is shown here the as-of of its figures; of others that of the tables."""
        for report in self._reports:
            readers = [query.name for query in self._queries if report in query.views]
            found = [good[name].as_of if name in good else None for name in readers] or [self._as_of.at]
            known = [at for at in found if at is not None]
            if len(known) == len(found):
                yield (report,), min(known)


async def _every(seconds: float, work: Callable[[], Awaitable[None]], first: float = 0.0) -> None:
    """Work again and again, `seconds` from start to start, the first time after `first`."""
    await asyncio.sleep(first)
    while True:
        began = time.monotonic()
        await work()
        await asyncio.sleep(max(0.0, seconds - (time.monotonic() - began)))


class _Figures(Collector):
    """The exporter's figures as metrics."""

    def __init__(self, exporter: Exporter) -> None:
        self._exporter = exporter

    def collect(self) -> Iterator[Family]:
        return self._exporter.families()

    def describe(self) -> list[Family]:
        return []  # nothing is known before the first look
