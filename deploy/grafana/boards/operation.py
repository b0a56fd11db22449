"""For operation: is everything up, how fresh are the figures, what piles up, and why."""

from deploy.grafana.columns import ANY_IS_BAD, LATE, Format
from deploy.grafana.dashboard import Dashboard, Row, alert_annotation
from deploy.grafana.panel import Panel, figure, list_of, series, table
from deploy.grafana.query import PromQl
from deploy.grafana.variables import CLICKHOUSE_SOURCE, PROMETHEUS_SOURCE, label_values

FIRING = 'ALERTS{alertname=~"Sixfold.*", alertstate="firing"}'
"""Alerts have the labels of what they are about, which may be no process: they go without job and instance."""

DOWN = 'count(up{job=~"sixfold-.+"} == 0) or vector(0)'
"""What is down may be in no list of jobs and instances."""

_PROCESS = 'job=~"$job", instance=~"$instance"'
_PER_SECOND = Format("cps", 1)
_BYTES = Format("bytes", 0)
_BYTES_PER_SECOND = Format("Bps", 0)
_SECONDS = Format("s", 2)
_NUMBER = Format("locale", 0)
_SHARE = Format("percentunit", 1)


def _of(metric: str, *more: str) -> str:
    return f"{metric}{{{', '.join((_PROCESS, *more))}}}"


def _rate(counter: str, by: str) -> PromQl:
    """What is counted in a second, by a label."""
    return PromQl(f"sum by ({by}) (rate({_of(counter)}[$__rate_interval]))", f"{{{{{by}}}}}")


def _quantile(level: float, histogram: str, by: str = "", legend: str = "") -> PromQl:
    """A quantile of a histogram, by a label if one is given."""
    kept = f"le, {by}" if by else "le"
    buckets = f"sum by ({kept}) (rate({_of(f'{histogram}_bucket')}[$__rate_interval]))"
    return PromQl(f"histogram_quantile({level}, {buckets})", legend or (f"{{{{{by}}}}}" if by else f"{level:.0%}"))


def _quantiles(title: str, description: str, histogram: str, format_: Format = _SECONDS) -> Panel:
    """Median, 95th and 99th percentile."""
    return series(title, description, [_quantile(level, histogram) for level in (0.5, 0.95, 0.99)], format_)


_WELL = [
    figure(
        "Processes that are not ready",
        "Of all that Prometheus reaches: ready is claimed, loaded, sinks reachable, lag under the bound.",
        PromQl(f"count({_of('sixfold_ready')} == 0) or vector(0)"),
        Format("locale", 0, ((None, "green"), (1, "red"))),
    ),
    figure(
        "Targets down",
        "Targets of jobs named sixfold-... that Prometheus cannot scrape, whatever is chosen above.",
        PromQl(DOWN),
        Format("locale", 0, ((None, "green"), (1, "red"))),
    ),
    figure(
        "Freshness, 99 %",
        "From the time of an event to its being visible in ClickHouse: 99 of 100 events of the last minutes are as "
        "quick. Late events count with their lateness.",
        _quantile(0.99, "sixfold_freshness_seconds"),
        Format("s", 1, LATE),
    ),
    figure(
        "Lag",
        "Records in the log that the tables do not hold yet, both topics.",
        PromQl(f"sum({_of('sixfold_lag_records')})"),
        Format("locale", 0, ((None, "green"), (10_000, "orange"), (100_000, "red"))),
    ),
    figure(
        "Records lost by the log",
        "A shard with a gap waits: see `sixfold accept-gap`, and import the period again.",
        PromQl(f"sum({_of('sixfold_gap_records')})"),
        Format("locale", 0, ((None, "green"), (1, "red"))),
    ),
    figure(
        "Dead letters of 24 h",
        "Records that could not be read; their reasons are below.",
        PromQl(f"sum({_of('sixfold_kpi_dead_letters')})"),
        Format("locale", 0, ANY_IS_BAD),
    ),
    figure(
        "Audit differences",
        "Between the rolling tables and SQL over the records, as of the last audit.",
        PromQl(f"sum({_of('sixfold_audit_differences')})"),
        Format("locale", 0, ((None, "green"), (1, "red"))),
    ),
    figure(
        "Exporter queries that fail",
        "Figures of these queries are withdrawn, not repeated.",
        PromQl(f"count({_of('sixfold_exporter_query_up')} == 0) or vector(0)"),
        Format("locale", 0, ((None, "green"), (1, "red"))),
    ),
    list_of(
        "Alerts that fire",
        "All of Sixfold's alerts that fire now, of processes and of figures; each links to its runbook in "
        "Alertmanager.",
        PromQl(FIRING),
    ).wide(12, 7),
    list_of(
        "Why processes are not ready",
        "The reasons that hold now: unassigned, loading, gap, kafka, clickhouse, lag, stale.",
        PromQl(f"{_of('sixfold_not_ready_reason')} == 1"),
    ).wide(12, 7),
]

_FLOW = [
    series(
        "Events by outcome",
        "Folded (visible in ClickHouse), forwarded to their home shard, or rejected as dead letters, a second.",
        [_rate("sixfold_events_total", "outcome")],
        _PER_SECOND,
        style="bars",
        stacked=True,
    ),
    series(
        "Events by type",
        "Events a second by their type.",
        [_rate("sixfold_events_total", "type")],
        _PER_SECOND,
        style="bars",
        stacked=True,
    ),
    _quantiles(
        "Freshness",
        "From the time of an event to its being visible in ClickHouse: median, 95 and 99 %.",
        "sixfold_freshness_seconds",
    ),
    series(
        "Lag by topic",
        "Records in the log that the tables do not hold yet.",
        [PromQl(f"sum by (topic) ({_of('sixfold_lag_records')})", "{{topic}}")],
        _NUMBER,
    ),
    series(
        "Dead letters by reason",
        "Rejected records in each interval.",
        [PromQl(f"sum by (reason) (increase({_of('sixfold_dead_letters_total')}[$__rate_interval]))", "{{reason}}")],
        _NUMBER,
        style="bars",
        stacked=True,
    ),
    series(
        "Records read and produced",
        "Records a second: read and durable; produced to each topic.",
        [
            PromQl(f"sum by (topic) (rate({_of('sixfold_records_total')}[$__rate_interval]))", "read {{topic}}"),
            PromQl(
                f"sum by (topic) (rate({_of('sixfold_produced_records_total')}[$__rate_interval]))",
                "produced {{topic}}",
            ),
        ],
        _PER_SECOND,
    ),
]

_WRITING = [
    _quantiles("Flush", "A whole flush, retries included: median, 95 and 99 %.", "sixfold_flush_seconds"),
    series(
        "Inserts by table, 95 %",
        "One insert into ClickHouse; 95 of 100 are as quick.",
        [_quantile(0.95, "sixfold_insert_seconds", "table")],
        _SECONDS,
    ),
    series(
        "Rows written by table",
        "Rows inserted a second.",
        [_rate("sixfold_written_rows_total", "table")],
        _PER_SECOND,
    ),
    series(
        "Bytes written by table",
        "Bytes inserted a second, before compression.",
        [_rate("sixfold_written_bytes_total", "table")],
        _BYTES_PER_SECOND,
    ),
    _quantiles("From delivery to acknowledgement", "Of a batch: median, 95 and 99 %.", "sixfold_batch_ack_seconds"),
    series(
        "Folding a flush, and records of a batch",
        "Seconds to fold what a flush holds (95 %), and how many records a batch has (median).",
        [
            _quantile(0.95, "sixfold_fold_seconds", legend="folding, 95 %"),
            _quantile(0.5, "sixfold_batch_records", legend="records, median"),
        ],
        Format("short", 2),
    ),
    series(
        "Failed tries by operation",
        "Tries that failed and were followed by another, in each interval.",
        [PromQl(f"sum by (operation) (increase({_of('sixfold_retries_total')}[$__rate_interval]))", "{{operation}}")],
        _NUMBER,
        style="bars",
        stacked=True,
    ),
    series(
        "Held back",
        "Share of the time in which nothing was fetched for want of room.",
        [PromQl(f"rate({_of('sixfold_backpressure_seconds_total')}[$__rate_interval])", "{{instance}}")],
        _SHARE,
    ),
]

_STATE = [
    series(
        "Shards",
        "Assigned by Kafka, and loaded: the two are the same when all is well.",
        [PromQl(f"sum by (state) ({_of('sixfold_shards')})", "{{state}}")],
        _NUMBER,
    ),
    series(
        "Rebalances and takeovers",
        "In each interval: assignments by Kafka, and shards claimed and loaded.",
        [
            PromQl(f"sum(increase({_of('sixfold_rebalances_total')}[$__rate_interval]))", "rebalances"),
            PromQl(f"sum(increase({_of('sixfold_claims_total')}[$__rate_interval]))", "shards taken over"),
        ],
        _NUMBER,
        style="bars",
    ),
    series(
        "Nodes",
        "Nodes in memory, and those with something to fold.",
        [
            PromQl(_of("sixfold_nodes"), "{{instance}}"),
            PromQl(_of("sixfold_dirty_nodes"), "{{instance}}, to be folded"),
        ],
        _NUMBER,
    ),
    series(
        "In flight",
        "Records delivered and not acknowledged.",
        [PromQl(_of("sixfold_inflight_records"), "{{instance}}")],
        _NUMBER,
    ),
    series(
        "Oldest batch in flight",
        "Age of the oldest batch that is not acknowledged.",
        [PromQl(_of("sixfold_oldest_inflight_seconds"), "{{instance}}")],
        Format("s", 1, LATE),
        steps=LATE,
    ),
    series(
        "Lost across rebalances",
        "In each interval: records fetched and read again by another, and late acknowledgements. Both are harmless, "
        "but many of them mean that the group is restless.",
        [
            PromQl(
                f"sum(increase({_of('sixfold_undelivered_records_total')}[$__rate_interval]))", "records read again"
            ),
            PromQl(f"sum(increase({_of('sixfold_stale_acks_total')}[$__rate_interval]))", "late acknowledgements"),
        ],
        _NUMBER,
        style="bars",
    ),
]

_EXPORTER = [
    series(
        "Age of the figures by report",
        "The figures hold everything that was in Kafka that long ago.",
        [PromQl(f"time() - {_of('sixfold_report_as_of_seconds')}", "{{report}}")],
        Format("s", 0),
        steps=((None, "green"), (900, "red")),
    ),
    series(
        "Duration of the exporter's queries",
        "Of the last run of each.",
        [PromQl(_of("sixfold_exporter_query_duration_seconds"), "{{query}}")],
        _SECONDS,
    ),
    series(
        "Failed queries",
        "Runs that failed in each interval.",
        [
            PromQl(
                f"sum by (query) (increase({_of('sixfold_exporter_query_failures_total')}[$__rate_interval]))",
                "{{query}}",
            )
        ],
        _NUMBER,
        style="bars",
    ),
    series(
        "Audit differences by audit",
        "By audit, as of the last one.",
        [PromQl(f"{_of('sixfold_audit_differences')} > 0", "{{audit}}")],
        _NUMBER,
    ),
    series(
        "CPU",
        "Cores in use, by each process.",
        [PromQl(f"rate({_of('process_cpu_seconds_total')}[$__rate_interval])", "{{job}} {{instance}}")],
        Format("short", 2),
    ),
    series(
        "Memory",
        "Resident memory of each process.",
        [PromQl(_of("process_resident_memory_bytes"), "{{job}} {{instance}}")],
        _BYTES,
    ),
]

_TABLES = [
    table(
        "Freshness by shard",
        "The newest figures of each shard: the latest event in them, and when they were written.",
        """
SELECT toString(shard) AS shard, last_event_time, written_at, lag_seconds
FROM report_freshness
ORDER BY toUInt16(shard)
""",
        "shard last_event_time written_at lag_seconds",
    ).wide(12, 9),
    table(
        "Data quality",
        "Every check, over all time: how many records fail, of how many, and the first few of them.",
        """
SELECT check, failing, records, share, arrayStringConcat(sample_ids, ', ') AS sample_ids
FROM report_quality
ORDER BY failing = 0, share DESC, check
""",
        "check failing records share sample_ids",
    ).wide(12, 9),
    table(
        "Sources",
        "What each source sent last. A source is quiet when nothing has come for more than ten of its usual gaps, "
        "which are the median time between two minutes with events.",
        """
SELECT source, last_event_time, usual_gap_seconds, quiet
FROM report_sources
ORDER BY quiet DESC, source
LIMIT 500
""",
        "source last_event_time usual_gap_seconds quiet",
    ).wide(8, 9),
    table(
        "Dead letters",
        "The latest 200 of the time range, without their contents, and what became of them: open, replayed or dropped. "
        "`sixfold dead-letters` shows and settles them.",
        """
SELECT received_at, id, reason, message, source, event_type, state
FROM dead_letter_list
WHERE received_at BETWEEN ($__fromTime) AND ($__toTime)
ORDER BY received_at DESC, id
LIMIT 200
""",
        "received_at id reason message source event_type state",
    ).wide(16, 9),
]

BOARD = Dashboard(
    uid="sixfold-operation",
    title="Operation",
    description="Is everything up, how fresh are the figures, what piles up, and why. From Prometheus; the tables at "
    "the end are from ClickHouse.",
    variables=[
        PROMETHEUS_SOURCE,
        CLICKHOUSE_SOURCE,
        label_values("job", "sixfold_build_info"),
        label_values("instance", "sixfold_build_info", 'job=~"$job"'),
    ],
    annotations=[alert_annotation("Alerts", FIRING)],
    span="now-3h",
    refresh="30s",
    tags=["operation"],
    rows=[
        Row("Is all well?", _WELL),
        Row("Events", _FLOW),
        Row("Writing", _WRITING),
        Row("Shards and memory", _STATE),
        Row("Exporter, audit, processes", _EXPORTER),
        Row("Tables", _TABLES),
    ],
)
