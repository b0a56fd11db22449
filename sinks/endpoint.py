"""An HTTP endpoint for Prometheus and for probes: `/metrics`, `/live` and `/ready`.

Each process has its own, with a registry of its own: several workers on one host listen on a port each. `/live` says
that the event loop turns; `/ready` is 503 with the reasons in its body while there are any, and the same reasons are
metrics, so that Prometheus can alert on them.
"""

import errno
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version

from aiohttp import web
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from sinks.metric import Metric

BUILD_INFO = Metric("sixfold_build_info", "gauge", "1; which version runs", ("version", "python"))
READY = Metric("sixfold_ready", "gauge", "what /ready answers: 1 ready, 0 not")
NOT_READY = Metric("sixfold_not_ready_reason", "gauge", "1 while this keeps the process from being ready", ("reason",))
DECLARED = (BUILD_INFO, READY, NOT_READY)

Reasons = Mapping[str, str]
"""What keeps a process from being ready: a code of the few that it may have, and a line for people."""

_STOP_SECONDS = 1.0


class EndpointError(Exception):
    """The port cannot be listened on: one line with the setting."""


class Endpoint:
    """The service over a registry; `reasons` gives why the process is not ready, nothing when it is.

    `codes` are all the reasons there may be. The metrics of the process itself (CPU, memory) are added.
    """

    def __init__(self, registry: CollectorRegistry, codes: Sequence[str], reasons: Callable[[], Reasons]) -> None:
        self._registry = registry
        self._reasons = reasons
        registry.register(_Health(codes, reasons))
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/live", self._live)
        app.router.add_get("/ready", self._ready)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_STOP_SECONDS)

    async def start(self, host: str, port: int, setting: str) -> int:
        """Listen; gives the port, which is any free one for 0. Raises `EndpointError` that names `setting`."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
            raise EndpointError(
                f"port {port} on {host} for metrics {why}: set {setting} to another, each process has its own"
            ) from None
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Answer what is under way, and close."""
        await self._runner.cleanup()

    async def _metrics(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        response = web.Response(body=encode(self._registry), headers={"Content-Type": content_type})
        response.enable_compression()
        return response

    async def _live(self, _request: web.Request) -> web.Response:
        return web.json_response({"live": True})

    async def _ready(self, _request: web.Request) -> web.Response:
        reasons = dict(self._reasons())
        return web.json_response({"ready": not reasons, "reasons": reasons}, status=503 if reasons else 200)


class _Health(Collector):
    """Version and readiness as metrics."""

    def __init__(self, codes: Sequence[str], reasons: Callable[[], Reasons]) -> None:
        self._codes, self._reasons = codes, reasons

    def collect(self) -> Iterator[Family]:
        reasons = self._reasons()
        yield BUILD_INFO.family([((version("sixfold"), platform.python_version()), 1)])
        yield READY.family([((), not reasons)])
        yield NOT_READY.family(((code,), code in reasons) for code in self._codes)

    def describe(self) -> list[Family]:
        return []  # nothing is asked for before the process runs
