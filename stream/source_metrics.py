"""What a process that reads Kafka sources counts, in a registry of its own."""

from collections.abc import Callable, Iterator, Mapping

from aiokafka import TopicPartition
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from sinks.metric import Metric, new_registry

RECORDS = Metric(
    "sixfold_sources_records_total",
    "counter",
    "records of Kafka sources that are done, by outcome: adapted, refused (all or a part of it is a dead letter), "
    "passed_over (means nothing to the reports), tombstone",
    ("source", "outcome"),
)
EVENTS = Metric("sixfold_sources_events_total", "counter", "events that Kafka has acknowledged", ("source",))
RETRIES = Metric("sixfold_sources_retries_total", "counter", "batches sent once more, for Kafka did not take them")
IN_FLIGHT = Metric("sixfold_sources_in_flight_records", "gauge", "records read whose events are not yet acknowledged")
LAG = Metric(
    "sixfold_sources_lag_records",
    "gauge",
    "records in the log whose events are not yet acknowledged, by partition that this process has",
    ("topic", "partition"),
)
LOST = Metric(
    "sixfold_sources_lost_records_total",
    "counter",
    "records that Kafka deleted before they were read: retention was faster",
    ("source", "topic"),
)
DECLARED = (RECORDS, EVENTS, RETRIES, IN_FLIGHT, LAG, LOST)
NOT_READY = ("kafka", "starting")
"""What may keep such a process from being ready."""

OUTCOMES = ("adapted", "refused", "passed_over", "tombstone")


class SourceMetrics:
    """Counters of one process; `topics` (to the source's name) are known at once, so that the first is an increase."""

    def __init__(self, topics: Mapping[str, str]) -> None:
        registry = self.registry = new_registry()
        self.records = RECORDS.counter(registry)
        self.events = EVENTS.counter(registry)
        self.retries = RETRIES.counter(registry)
        self.lost = LOST.counter(registry)
        for topic, source in topics.items():
            self.lost.labels(source, topic)
            self.events.labels(source)
            for outcome in OUTCOMES:
                self.records.labels(source, outcome)

    def show(self, in_flight: Callable[[], int], lag: Callable[[], Mapping[TopicPartition, int]]) -> None:
        """Ask for these at every scrape."""
        self.registry.register(_Gauges(in_flight, lag))


class _Gauges(Collector):
    def __init__(self, in_flight: Callable[[], int], lag: Callable[[], Mapping[TopicPartition, int]]) -> None:
        self._in_flight, self._lag = in_flight, lag

    def collect(self) -> Iterator[Family]:
        yield IN_FLIGHT.family([((), self._in_flight())])
        yield LAG.family(((tp.topic, str(tp.partition)), records) for tp, records in sorted(self._lag().items()))

    def describe(self) -> list[Family]:
        return []  # nothing is asked for before the process runs
