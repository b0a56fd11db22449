"""Metrics as they are declared: their names, their reference, and the one histogram of our own."""

import re
from pathlib import Path

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from schemas import EVENT_TYPES, Reason
from sinks import endpoint, exporter, metrics
from sinks.kpi import QUERIES
from sinks.metrics import WorkerMetrics
from sinks.metrics_docs import FILE, render

DOCS = Path(__file__).parents[2] / "docs"
DECLARED = [
    *endpoint.DECLARED,
    *metrics.DECLARED,
    *exporter.DECLARED,
    *dict.fromkeys(metric for query in QUERIES for metric in query.metrics),
]


def test_the_committed_reference_is_up_to_date() -> None:
    assert (DOCS / FILE).read_text(encoding="utf-8") == render(), "docs/metrics.md is old: make docs-metrics"


def test_every_declared_metric_is_in_the_reference() -> None:
    page = render()
    for module in (endpoint, metrics, exporter):
        declared = {value for value in vars(module).values() if type(value).__name__ == "Metric"}
        assert declared == set(module.DECLARED), module.__name__
    for metric in DECLARED:
        assert f"| `{metric.name}` |" in page, metric.name


def test_names_keep_to_the_conventions() -> None:
    assert len({metric.name for metric in DECLARED}) == len(DECLARED)
    for metric in DECLARED:
        assert re.fullmatch(r"sixfold(_[a-z0-9]+)+", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert not metric.name.endswith(("_count", "_sum", "_bucket")), metric.name
        assert metric.meaning, metric.name
        assert bool(metric.buckets) == (metric.kind == "histogram"), metric.name
        assert all(re.fullmatch(r"[a-z_]+", label) for label in metric.labels)


def scrape(worker: WorkerMetrics) -> dict[tuple[str, str], float]:
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(generate_latest(worker.registry).decode())
        for sample in family.samples
    }


def test_freshness_is_a_histogram_of_every_events_age() -> None:
    worker = WorkerMetrics()
    now = 1_790_000_000.0
    ages = (0.0, 0.25, 0.26, 0.9, 1.0, 59.9, 60.0, 86_400.0, 90_000.0, -5.0)
    for part in (ages[:4], ages[4:]):
        worker.folded("crm.lead.created", [round((now - age) * 1e6) for age in part], now)
    found = scrape(worker)
    for bound in (0.25, 0.5, 1, 30, 60, 3600, 86_400):
        assert found["sixfold_freshness_seconds_bucket", f"{float(bound)}"] == sum(age <= bound for age in ages), bound
    assert found["sixfold_freshness_seconds_bucket", "+Inf"] == len(ages)
    assert found["sixfold_freshness_seconds_count", ""] == len(ages)
    # an event that is still to come is as fresh as can be; the sum of a histogram may not fall
    assert abs(found["sixfold_freshness_seconds_sum", ""] - sum(age for age in ages if age > 0)) < 1e-3
    assert found["sixfold_events_total", "folded,crm.lead.created"] == len(ages)


def test_what_may_happen_is_there_before_it_does() -> None:
    found = scrape(WorkerMetrics())
    for name in EVENT_TYPES:
        assert found["sixfold_events_total", f"folded,{name}"] == 0
    for reason in Reason:
        assert found["sixfold_dead_letters_total", str(reason)] == 0
    for operation in metrics.OPERATIONS:
        assert found["sixfold_retries_total", operation] == 0
    assert not [name for name, _ in found if name.endswith("_created")]
