"""A metric, said once: by this declaration the code counts, and docs/metrics.md is written (`sinks/metrics_docs.py`).

Names follow Prometheus' conventions: prefix `sixfold_`, base units, `_total` for counters. Labels are bounded.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family

Sample = tuple[tuple[str, ...], float]
"""The values of the labels in their order, and the figure."""

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Buckets for how long a piece of work takes."""

FRESHNESS = (0.25, 0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 86400)
"""Buckets for how old something is, from fresh to a day."""

SIZES = (1, 10, 50, 100, 500, 1_000, 5_000, 10_000, 20_000, 50_000, 100_000)
"""Buckets for how many there are of something."""


@dataclass(frozen=True)
class Metric:
    """The declaration of a metric. `meaning` is the line of help; `buckets` are a histogram's upper bounds."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    def counter(self, registry: CollectorRegistry) -> Counter:
        """A counter to be increased."""
        return Counter(self.name, self.meaning, self.labels, registry=registry)

    def histogram(self, registry: CollectorRegistry) -> Histogram:
        """A histogram that takes one observation after the other."""
        return Histogram(self.name, self.meaning, self.labels, buckets=self.buckets, registry=registry)

    def family(self, samples: Iterable[Sample]) -> Family:
        """What a scrape finds of a gauge or counter whose figures are known elsewhere."""
        make = CounterMetricFamily if self.kind == "counter" else GaugeMetricFamily
        family = make(self.name, self.meaning, labels=self.labels)
        for values, figure in samples:
            family.add_metric(values, figure)
        return family


def new_registry() -> CollectorRegistry:
    """A registry of its own, so that several of a kind can live in one process."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # untyped there; a second series a counter, not needed
    return CollectorRegistry()
