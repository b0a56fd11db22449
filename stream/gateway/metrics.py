"""What the gateway tells about itself. Labels are kinds, names of source files and event types: all bounded."""

from collections.abc import Callable, Iterator, Mapping
from typing import get_args

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from sinks.metric import SECONDS, Metric, new_registry
from stream.gateway.signatures import Fault

REQUESTS = Metric(
    "sixfold_gateway_requests_total",
    "counter",
    "requests by endpoint (kind of source, events, other) and outcome",
    ("endpoint", "outcome"),
)
REQUEST_SECONDS = Metric(
    "sixfold_gateway_request_seconds",
    "histogram",
    "from a request's headers to its answer, the acknowledgement included",
    ("endpoint",),
    SECONDS,
)
BODY_BYTES = Metric("sixfold_gateway_body_bytes_total", "counter", "bytes of bodies, unpacked", ("endpoint",))
SIGNATURES = Metric(
    "sixfold_gateway_refused_signatures_total",
    "counter",
    "requests whose signature was missing, wrong, old or replayed, by source",
    ("source", "fault"),
)
PAYLOADS = Metric(
    "sixfold_gateway_refused_payloads_total",
    "counter",
    "parts of payloads that an adapter refused and that were kept as dead letters, by source",
    ("source",),
)
PASSED_OVER = Metric(
    "sixfold_gateway_passed_over_total", "counter", "parts that mean nothing to the reports, by source", ("source",)
)
EVENTS = Metric("sixfold_gateway_events_total", "counter", "events accepted, by type", ("type",))
IN_FLIGHT = Metric("sixfold_gateway_in_flight_bytes", "gauge", "bytes read and not yet safe", ("endpoint",))
CONNECTIONS = Metric("sixfold_gateway_connections", "gauge", "connections that are open")
LAST_ACCEPTED = Metric(
    "sixfold_gateway_last_accepted_timestamp_seconds", "gauge", "when a source last had something accepted", ("source",)
)
SECRET_RELOADS = Metric(
    "sixfold_gateway_secret_reloads_total",
    "counter",
    "secrets and keys that were taken from files that changed while the gateway ran",
)
SECRETS_UNREADABLE = Metric(
    "sixfold_gateway_secrets_unreadable",
    "gauge",
    "1 while a file with secrets cannot be read; those that were in force before stay so",
)
RESTART_NEEDED = Metric(
    "sixfold_gateway_restart_needed", "gauge", "1 while source files say something else than at the start"
)
DECLARED = (
    REQUESTS,
    REQUEST_SECONDS,
    BODY_BYTES,
    SIGNATURES,
    PAYLOADS,
    PASSED_OVER,
    EVENTS,
    IN_FLIGHT,
    CONNECTIONS,
    LAST_ACCEPTED,
    SECRET_RELOADS,
    SECRETS_UNREADABLE,
    RESTART_NEEDED,
)
NOT_READY = ("kafka",)
"""What may keep a gateway from being ready."""

OUTCOMES: Mapping[int, str] = {
    200: "accepted",
    400: "unreadable",
    401: "stranger",
    404: "not_found",
    405: "not_found",
    408: "too_slow",
    413: "too_large",
    415: "unreadable",
    429: "too_many",
    500: "failed",
    503: "unavailable",
}


class GatewayMetrics:
    """Counters of one gateway, in a registry of their own."""

    def __init__(self) -> None:
        registry = self.registry = new_registry()
        self.requests = REQUESTS.counter(registry)
        self.seconds = REQUEST_SECONDS.histogram(registry)
        self.body_bytes = BODY_BYTES.counter(registry)
        self.signatures = SIGNATURES.counter(registry)
        self.payloads = PAYLOADS.counter(registry)
        self.passed_over = PASSED_OVER.counter(registry)
        self.events = EVENTS.counter(registry)
        self.secret_reloads = SECRET_RELOADS.counter(registry)
        self.secrets_unreadable = self.restart_needed = False
        self.last_accepted: dict[str, float] = {}

    def expect(self, endpoints: Mapping[str, str]) -> None:
        """Know sources (name -> kind) before anything happens, so that the first one is an increase."""
        for name, kind in endpoints.items():
            self.requests.labels(kind, "accepted")
            self.payloads.labels(name)
            for fault in get_args(Fault):
                self.signatures.labels(name, fault)

    def answered(self, endpoint: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self.requests.labels(endpoint, OUTCOMES.get(status, "failed" if status >= 500 else "refused")).inc()
        self.seconds.labels(endpoint).observe(seconds)

    def show(self, in_flight: Callable[[], Mapping[str, int]], connections: Callable[[], int]) -> None:
        """Ask for these at every scrape."""
        self.registry.register(_Gauges(self, in_flight, connections))


class _Gauges(Collector):
    def __init__(
        self, metrics: GatewayMetrics, in_flight: Callable[[], Mapping[str, int]], connections: Callable[[], int]
    ) -> None:
        self._metrics, self._in_flight, self._connections = metrics, in_flight, connections

    def collect(self) -> Iterator[Family]:
        yield IN_FLIGHT.family(((name,), figure) for name, figure in self._in_flight().items())
        yield CONNECTIONS.family([((), self._connections())])
        yield LAST_ACCEPTED.family(((name,), at) for name, at in sorted(self._metrics.last_accepted.items()))
        yield SECRETS_UNREADABLE.family([((), self._metrics.secrets_unreadable)])
        yield RESTART_NEEDED.family([((), self._metrics.restart_needed)])

    def describe(self) -> list[Family]:
        return []  # nothing is asked for before the gateway runs
