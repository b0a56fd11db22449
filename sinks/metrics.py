"""What a worker tells about its own work: counted at its edges, by batch, flush and insert, never by event.

Counters and histograms are counted up by the worker and its store; gauges are read from the worker's state when
somebody scrapes.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from schemas import EVENT_TYPES, REASONS, AnyReason
from sinks.metric import FRESHNESS, SECONDS, SIZES, Metric, Sample, new_registry

INSERTS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0)
"""Few buckets: there is a histogram for each table."""

UNREADABLE = "(unreadable)"
"""The type of an event that could not be read."""

TOPICS = ("events", "documents", "dead_letters")
OPERATIONS = ("flush", "claims", "rules", "takeover", "old_generations", "log_ends")
NOT_READY = ("unassigned", "loading", "gap", "kafka", "clickhouse", "lag")
"""What may keep a worker from being ready."""

EVENTS = Metric(
    "sixfold_events_total",
    "counter",
    "events: folded (visible in ClickHouse), forwarded to their home shard, or dead letters",
    ("type", "outcome"),
)
DEAD_LETTERS = Metric("sixfold_dead_letters_total", "counter", "records that could not be read", ("reason",))
RECORDS = Metric("sixfold_records_total", "counter", "records read whose effects are durable", ("topic",))
FRESHNESS_SECONDS = Metric(
    "sixfold_freshness_seconds", "histogram", "from an event's time to being visible in ClickHouse", (), FRESHNESS
)
BATCH_RECORDS = Metric("sixfold_batch_records", "histogram", "records of a batch", (), SIZES)
BATCH_ACK_SECONDS = Metric(
    "sixfold_batch_ack_seconds", "histogram", "from a batch's delivery to its acknowledgement", (), SECONDS
)
FOLD_SECONDS = Metric("sixfold_fold_seconds", "histogram", "folding what a flush holds", (), SECONDS)
FLUSH_SECONDS = Metric("sixfold_flush_seconds", "histogram", "a whole flush, its retries included", (), SECONDS)
FLUSH_NODES = Metric("sixfold_flush_nodes", "histogram", "nodes that a flush wrote", (), SIZES)
INSERT_SECONDS = Metric("sixfold_insert_seconds", "histogram", "one insert into ClickHouse", ("table",), INSERTS)
WRITTEN_ROWS = Metric("sixfold_written_rows_total", "counter", "rows inserted into ClickHouse", ("table",))
WRITTEN_BYTES = Metric(
    "sixfold_written_bytes_total", "counter", "bytes inserted into ClickHouse, before compression", ("table",)
)
PRODUCED_RECORDS = Metric("sixfold_produced_records_total", "counter", "records produced to Kafka", ("topic",))
PRODUCED_BYTES = Metric("sixfold_produced_bytes_total", "counter", "bytes of their values", ("topic",))
RETRIES = Metric(
    "sixfold_retries_total", "counter", "tries that failed outside and were followed by another", ("operation",)
)
REBALANCES = Metric("sixfold_rebalances_total", "counter", "assignments of partitions by Kafka")
CLAIMS = Metric("sixfold_claims_total", "counter", "shards claimed and loaded")
TAKEOVER_SECONDS = Metric("sixfold_takeover_seconds", "histogram", "claiming and loading a shard", (), SECONDS)

SHARDS = Metric("sixfold_shards", "gauge", "shards of this worker: assigned by Kafka, and ready", ("state",))
SHARD_EPOCH = Metric("sixfold_shard_epoch", "gauge", "epoch under which the shard is owned", ("shard",))
LAG = Metric(
    "sixfold_lag_records",
    "gauge",
    "records in the log that the tables do not hold yet; shards that are loaded",
    ("topic", "partition"),
)
GAP = Metric(
    "sixfold_gap_records",
    "gauge",
    "records that the log lost before they were read: the shard waits for `sixfold accept-gap`",
    ("topic", "partition"),
)
NODES = Metric("sixfold_nodes", "gauge", "nodes in memory")
DIRTY_NODES = Metric("sixfold_dirty_nodes", "gauge", "nodes with something to fold")
ROLLING_ROWS = Metric("sixfold_rolling_rows", "gauge", "rolling rows in memory")
DIRTY_ROLLING_ROWS = Metric("sixfold_dirty_rolling_rows", "gauge", "rolling rows changed and not yet written")
INFLIGHT = Metric("sixfold_inflight_records", "gauge", "records delivered and not acknowledged")
OLDEST_INFLIGHT = Metric(
    "sixfold_oldest_inflight_seconds", "gauge", "age of the oldest batch that is not acknowledged; 0 without one"
)
BACKPRESSURE = Metric(
    "sixfold_backpressure_seconds_total", "counter", "time in which nothing was fetched for want of room"
)
UNDELIVERED = Metric(
    "sixfold_undelivered_records_total", "counter", "records fetched across a rebalance, to be read again"
)
STALE_ACKS = Metric(
    "sixfold_stale_acks_total", "counter", "acknowledgements of batches that were no longer this worker's"
)
LAST_FLUSH = Metric("sixfold_last_flush_timestamp_seconds", "gauge", "when a flush last ended")

DECLARED = (
    EVENTS,
    DEAD_LETTERS,
    RECORDS,
    FRESHNESS_SECONDS,
    LAG,
    GAP,
    BATCH_RECORDS,
    FOLD_SECONDS,
    BATCH_ACK_SECONDS,
    FLUSH_SECONDS,
    FLUSH_NODES,
    LAST_FLUSH,
    INSERT_SECONDS,
    WRITTEN_ROWS,
    WRITTEN_BYTES,
    PRODUCED_RECORDS,
    PRODUCED_BYTES,
    NODES,
    DIRTY_NODES,
    ROLLING_ROWS,
    DIRTY_ROLLING_ROWS,
    RETRIES,
    REBALANCES,
    CLAIMS,
    TAKEOVER_SECONDS,
    SHARDS,
    SHARD_EPOCH,
    INFLIGHT,
    OLDEST_INFLIGHT,
    BACKPRESSURE,
    UNDELIVERED,
    STALE_ACKS,
)

Partition = tuple[str, int]
"""(role of the topic: events or documents, number)"""


@dataclass
class WorkerState:
    """A worker as it is now. `epochs` has the shards that are loaded."""

    assigned: int = 0
    epochs: Mapping[int, int] = field(default_factory=dict)
    lag: Mapping[Partition, int] = field(default_factory=dict)
    gaps: Mapping[Partition, int] = field(default_factory=dict)
    nodes: int = 0
    dirty_nodes: int = 0
    rolling_rows: int = 0
    dirty_rolling_rows: int = 0
    inflight_records: int = 0
    oldest_inflight_seconds: float = 0.0
    backpressure_seconds: float = 0.0
    undelivered_records: int = 0
    stale_acks: int = 0
    last_flush: float | None = None
    """Unix time."""


class WorkerMetrics:
    """Counters and histograms of one worker, in a registry of their own."""

    def __init__(self) -> None:
        registry = self.registry = new_registry()
        self._events = EVENTS.counter(registry)
        self._dead_letters = DEAD_LETTERS.counter(registry)
        self._records = RECORDS.counter(registry)
        self._batch_records = BATCH_RECORDS.histogram(registry)
        self.fold_seconds = FOLD_SECONDS.histogram(registry)
        self.batch_ack_seconds = BATCH_ACK_SECONDS.histogram(registry)
        self._flush_seconds = FLUSH_SECONDS.histogram(registry)
        self._flush_nodes = FLUSH_NODES.histogram(registry)
        self._insert_seconds = INSERT_SECONDS.histogram(registry)
        self._written_rows = WRITTEN_ROWS.counter(registry)
        self._written_bytes = WRITTEN_BYTES.counter(registry)
        self._produced_records = PRODUCED_RECORDS.counter(registry)
        self._produced_bytes = PRODUCED_BYTES.counter(registry)
        self._retries = RETRIES.counter(registry)
        self.rebalances = REBALANCES.counter(registry)
        self._claims = CLAIMS.counter(registry)
        self._takeover_seconds = TAKEOVER_SECONDS.histogram(registry)
        self._freshness = _Freshness()
        registry.register(self._freshness)
        # known before they happen, so that the first one is an increase
        for name in EVENT_TYPES:
            self._events.labels(name, "folded")
        for reason in REASONS:
            self._dead_letters.labels(reason)
        for operation in OPERATIONS:
            self._retries.labels(operation)
        for topic in TOPICS:
            self._produced_records.labels(topic)
            self._produced_bytes.labels(topic)
        for topic in TOPICS[:2]:
            self._records.labels(topic)

    def show(self, state: Callable[[], WorkerState]) -> None:
        """Ask for the worker's state at every scrape."""
        self.registry.register(_Gauges(state))

    def batch(self, records: int) -> None:
        """A batch was read."""
        self._batch_records.observe(records)

    def inserted(self, table: str, rows: int, size: int, seconds: float) -> None:
        """Rows of so many bytes were written to a table."""
        self._insert_seconds.labels(table).observe(seconds)
        self._written_rows.labels(table).inc(rows)
        self._written_bytes.labels(table).inc(size)

    def produced(self, topic: str, records: int, size: int) -> None:
        """Records were produced to a topic, named by its role."""
        self._produced_records.labels(topic).inc(records)
        self._produced_bytes.labels(topic).inc(size)

    def flushed(self, nodes: int, seconds: float) -> None:
        """A flush ended."""
        self._flush_nodes.observe(nodes)
        self._flush_seconds.observe(seconds)

    def folded(self, kind: str, times_us: Sequence[int], now: float) -> None:
        """Events of a type became visible at `now` (Unix time); `times_us` are their own times."""
        self._events.labels(kind, "folded").inc(len(times_us))
        self._freshness.observe(times_us, round(now * 1e6))

    def forwarded(self, kind: str, events: int) -> None:
        """Events of a type were sent to their home shard."""
        self._events.labels(kind, "forwarded").inc(events)

    def dead_letters(self, reason: AnyReason, events: int) -> None:
        """Records could not be read."""
        self._events.labels(UNREADABLE, "dead_letter").inc(events)
        self._dead_letters.labels(str(reason)).inc(events)

    def records(self, topic: str, records: int) -> None:
        """Records of a topic were read, and what they changed is durable."""
        self._records.labels(topic).inc(records)

    def retry(self, operation: str) -> None:
        """A try failed, and another will follow."""
        self._retries.labels(operation).inc()

    def taken_over(self, seconds: float) -> None:
        """A shard was claimed and loaded."""
        self._claims.inc()
        self._takeover_seconds.observe(seconds)


class _Freshness(Collector):
    """A histogram that takes many observations at once: one for each event, at little more than sorting them."""

    def __init__(self) -> None:
        self._counts = [0] * (len(FRESHNESS) + 1)
        self._sum = 0.0

    def observe(self, times_us: Iterable[int], now_us: int) -> None:
        """Count the ages of times (us since 1970); one that is still to come has the age 0."""
        ascending = sorted(times_us)
        count = len(ascending)
        for index, bound in enumerate(FRESHNESS):
            self._counts[index] += count - bisect_left(ascending, now_us - round(bound * 1e6))
        self._counts[-1] += count
        past = ascending[: bisect_right(ascending, now_us)]
        self._sum += (len(past) * now_us - sum(past)) / 1e6

    def collect(self) -> Iterator[Family]:
        bounds = [*map(floatToGoString, FRESHNESS), "+Inf"]
        family = HistogramMetricFamily(FRESHNESS_SECONDS.name, FRESHNESS_SECONDS.meaning)
        family.add_metric([], list(zip(bounds, map(float, self._counts), strict=True)), self._sum)
        yield family


class _Gauges(Collector):
    """The worker's state as metrics."""

    def __init__(self, state: Callable[[], WorkerState]) -> None:
        self._state = state

    def collect(self) -> Iterator[Family]:
        state = self._state()
        yield SHARDS.family([(("assigned",), state.assigned), (("ready",), len(state.epochs))])
        yield SHARD_EPOCH.family(((str(shard),), epoch) for shard, epoch in sorted(state.epochs.items()))
        yield LAG.family(_by_partition(state.lag))
        yield GAP.family(_by_partition(state.gaps))
        for metric, figure in (
            (NODES, state.nodes),
            (DIRTY_NODES, state.dirty_nodes),
            (ROLLING_ROWS, state.rolling_rows),
            (DIRTY_ROLLING_ROWS, state.dirty_rolling_rows),
            (INFLIGHT, state.inflight_records),
            (OLDEST_INFLIGHT, state.oldest_inflight_seconds),
            (BACKPRESSURE, state.backpressure_seconds),
            (UNDELIVERED, state.undelivered_records),
            (STALE_ACKS, state.stale_acks),
        ):
            yield metric.family([((), figure)])
        yield LAST_FLUSH.family([((), state.last_flush)] if state.last_flush else [])

    def describe(self) -> list[Family]:
        return []  # the worker is not asked before it runs


def _by_partition(figures: Mapping[Partition, int]) -> Iterator[Sample]:
    for (topic, number), figure in sorted(figures.items()):
        yield (topic, str(number)), figure
