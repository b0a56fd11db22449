"""The reference of the metrics, docs/metrics.md, from their declarations: `python -m sinks.metrics_docs docs`."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from sinks import endpoint, exporter, metrics
from sinks.kpi import MOST_TARGETS, QUERIES, RATIO_WINDOWS, TOP, WINDOWS, Query
from sinks.metric import Metric
from stream import source_metrics as sources
from stream.gateway import metrics as gateway

FILE = "metrics.md"

_INTRODUCTION = """\
# Metrics

Written by `make docs-metrics` from the declarations in `sinks/`. How to scrape them: [prometheus.md](prometheus.md).

Units stand in the names; money is in the reporting currency, which `sixfold_kpi_currency_info` names. A ratio of 0.25
is 25 %. What is not known has no series: a ratio whose denominator is 0, a figure that could not be read or is stale.
"""
_KPI = f"""\
## Figures of the reports

The exporter's gauges, from the views that BI tools read. Each query's figures are withdrawn together.

- `window`: {", ".join(f"`{window}`" for window in WINDOWS)}: local days of the reporting time zone. `today`; `7d` and
  `30d` end today; `mtd` is this month so far.
- `dimension` and `member`: `all` has the member `(all)`. The others have the {TOP} greatest members, and `(other)` for
  the rest, in brackets because `other` is a channel. Members are ranked by their figures of the last 30 days:
  campaigns by spend, channels by leads, reps and teams by calls; pipeline and forecast rank teams by amount.
- `name`: a campaign's or rep's name, its id where the name is not known; else the member.
- `scope` of targets: `company`, `team/NAME`, `rep/ID` or `campaign/ID`; at most {MOST_TARGETS}.

The exporter never has more than {exporter.MOST_SERIES:,} series: where {TOP} members would make more, fewer are shown
(`{exporter.TOP_MEMBERS.name}`).
"""


def render() -> str:
    """The whole page."""
    return "\n".join(_page())


def _page() -> Iterator[str]:
    yield _INTRODUCTION
    yield "## Every process\n"
    yield _table(endpoint.DECLARED)
    yield "`process_*` and `python_*` are those of the Python client library.\n"
    reasons = {
        "a worker": metrics.NOT_READY,
        "the exporter": exporter.NOT_READY,
        "the gateway": gateway.NOT_READY,
        "the reader of Kafka sources": sources.NOT_READY,
    }
    yield f"Reasons of {'; of '.join(f'{who}: {_names(codes)}' for who, codes in reasons.items())}.\n"
    yield "## Worker\n"
    yield _table(metrics.DECLARED)
    yield "## Gateway\n"
    yield _table(gateway.DECLARED)
    yield "## Kafka sources\n"
    yield _table(sources.DECLARED)
    yield "## Exporter\n"
    yield _table(exporter.DECLARED)
    yield f"`query` is one of {_names(query.name for query in QUERIES)}.\n"
    yield _KPI
    for query in QUERIES:
        yield from _query(query)


def _query(query: Query) -> Iterator[str]:
    views = _names(query.views)
    clock = f", at most every {query.seconds:g} s" if query.seconds else ""
    yield f"### {query.name}\n\nFrom {views}{clock}.\n"
    rows = [
        (f"`{metric.name}`", _labels(metric), ", ".join(_dimensions(query, metric)), metric.meaning)
        for metric in query.metrics
    ]
    yield _rows(("name", "labels", "dimensions", "meaning"), rows)


def _dimensions(query: Query, metric: Metric) -> Iterator[str]:
    for kpi in query.kpis:
        if kpi.metric is metric:
            for dimension, slices in kpi.slices.items():
                yield f"{dimension} ({', '.join(slices)})" if tuple(slices) == RATIO_WINDOWS else dimension


def _table(declared: Sequence[Metric]) -> str:
    rows = [(f"`{metric.name}`", metric.kind, _labels(metric), metric.meaning) for metric in declared]
    return _rows(("name", "type", "labels", "meaning"), rows)


def _rows(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines) + "\n"


def _labels(metric: Metric) -> str:
    return _names(metric.labels)


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def main() -> int:
    """Write it into the directory named on the command line."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m sinks.metrics_docs DIRECTORY\n")
        return 2
    (Path(sys.argv[1]) / FILE).write_text(render(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
