"""The gateway with all that belongs to it: `serving` over any sink, `running` over Kafka (`sixfold gateway`)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import NamedTuple

from sinks import endpoint
from stream.gateway import metrics
from stream.gateway.endpoints import endpoints_of
from stream.gateway.limits import Bounds
from stream.gateway.rotation import read_secrets, watch
from stream.gateway.service import Service, Status
from stream.gateway.serving import GatewayError, announce, listening, log_the_start, url_of
from stream.gateway.sink import STALLED_SECONDS, KafkaSink, Sink
from stream.settings import Settings
from stream.sources import read_sources
from stream.starting import await_log, await_rights
from stream.topics import check_events_topic

__all__ = ["Gateway", "GatewayError", "running", "serving"]

JOURNAL_SECONDS = 30.0
"""How long the embedded stack's own broker may take; a loaded machine is slow, and nobody's patience is shorter."""

_CLOSE_SECONDS = 5.0


class Gateway(NamedTuple):
    """A gateway that serves: `paths` are those that take something in, `away` is why it cannot yet, or ''."""

    url: str
    port: int
    paths: list[str]
    away: str = ""


class Running(NamedTuple):
    """A gateway over Kafka; `work` ends only with an error."""

    gateway: Gateway
    work: "asyncio.Task[None]"


@asynccontextmanager
async def serving(
    settings: Settings,
    sink: Sink,
    port: int,
    *,
    own_key: str = "",
    metrics_port: int = 0,
    status: Status | None = None,
    seal: Callable[[], Awaitable[None]] | None = None,
    bounds: Bounds | None = None,
) -> AsyncIterator[Gateway]:
    """Serve over a sink inside the block, with metrics where `metrics_port` is one.

    `own_key` is taken beside the keys of the settings. Raises `GatewayError`, `EndpointError`, `ConfigurationError`,
    `SettingsError`.
    """
    sources = read_sources(settings)
    secrets = read_secrets(settings, sources)
    endpoints = endpoints_of(sources, secrets.webhooks)
    keys = [each for each in (own_key, *secrets.keys) if each]
    if not (keys or endpoints):
        raise GatewayError(
            "nothing to serve: set SIXFOLD_GATEWAY_KEY for /events, or SIXFOLD_SOURCES and SIXFOLD_WEBHOOK_SECRETS for "
            "webhooks (docs/gateway.md)"
        )
    bounds = bounds or Bounds.of(settings, JOURNAL_SECONDS)
    host = settings.gateway_host
    service = Service(
        sink,
        endpoints,
        keys,
        settings.gateway_public_url or url_of(host, port),
        bounds,
        status or (lambda: {"ready": not sink.reasons(), "reasons": dict(sink.reasons())}),
        proxies=settings.gateway_proxies,
        seal=seal,
    )
    setting = "SIXFOLD_HTTP_PORT" if own_key else "SIXFOLD_GATEWAY_PORT"
    async with AsyncExitStack() as opening:
        found = await opening.enter_async_context(listening(service, bounds, host, port, setting))
        service.public_url = settings.gateway_public_url or found.url
        log_the_start(settings, sources, list(endpoints))
        opening.push_async_callback(_end, asyncio.create_task(announce(sources, sink), name="announce"))
        watching = asyncio.create_task(watch(service, settings, sources, secrets, own_key), name="secrets")
        opening.push_async_callback(_end, watching)
        if metrics_port:
            probe = endpoint.Endpoint(service.metrics.registry, metrics.NOT_READY, sink.reasons)
            await probe.start(settings.metrics_host, metrics_port, "SIXFOLD_METRICS_PORT")
            opening.push_async_callback(probe.stop)
        paths = sorted(each.path for each in endpoints.values()) + (["/events"] if keys else [])
        yield Gateway(found.url, found.port, paths, "; ".join(sink.reasons().values()))


@asynccontextmanager
async def running(settings: Settings, port: int, bounds: Bounds | None = None) -> AsyncIterator[Running]:
    """Serve over Kafka inside the block; while Kafka is away at the start, everything is answered 503.

    Raises what `serving` raises, `LogUnreachable`, `MissingTopic`, `WrongPartitions`; where Kafka came late, `work`
    ends with these.
    """
    opened, sink, tried = AsyncExitStack(), KafkaSink(settings.events_topic, settings.partitions), asyncio.Event()
    work = asyncio.create_task(_work(opened, settings, sink, tried), name="gateway")
    try:
        try:
            await _until_tried(work, tried)
            bounds = bounds or Bounds.of(settings, STALLED_SECONDS + 1)
            async with serving(settings, sink, port, metrics_port=settings.metrics_port, bounds=bounds) as gateway:
                yield Running(gateway, work)
        finally:
            await _end(work)
    finally:
        with suppress(TimeoutError):  # Kafka may be away, and nothing that was answered waits for it
            await asyncio.wait_for(opened.aclose(), _CLOSE_SECONDS)


async def _work(opened: AsyncExitStack, settings: Settings, sink: KafkaSink, tried: asyncio.Event) -> None:
    """Connect, however long that takes, then send; `tried` is set once Kafka is there, or known to be away."""

    def away(reason: str) -> None:
        if reason:
            sink.away(reason)
            tried.set()

    log = await opened.enter_async_context(await_log(settings, away))
    await await_rights(settings, log, "gateway", away)
    await check_events_topic(settings, log)
    sink.connect(log)
    tried.set()
    await sink.run()


async def _until_tried(work: "asyncio.Task[None]", tried: asyncio.Event) -> None:
    """What is wrong is raised before anything is served; what is away is waited for meanwhile."""
    trying = asyncio.create_task(tried.wait())
    try:
        await asyncio.wait([work, trying], return_when=asyncio.FIRST_COMPLETED)
    finally:
        trying.cancel()
    if work.done():
        work.result()


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait([task], timeout=_CLOSE_SECONDS)
