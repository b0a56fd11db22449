"""The endpoint of a process: metrics in the format that is asked for, and probes with reasons."""

import asyncio
import gzip
import http.client
import json
from collections.abc import Awaitable, Callable

import pytest
from prometheus_client import CollectorRegistry

from sinks.endpoint import Endpoint, EndpointError
from sinks.metric import Metric

THINGS = Metric("sixfold_things_total", "counter", "things", ("kind",))


def get(port: int, path: str, **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def serving(reasons: dict[str, str], work: Callable[[int], None]) -> None:
    async def serve() -> None:
        registry = CollectorRegistry()
        THINGS.counter(registry).labels('a "b"\\\n').inc(3)
        endpoint = Endpoint(registry, ("loading", "gap"), lambda: reasons)
        port = await endpoint.start("127.0.0.1", 0, "SIXFOLD_X")
        try:
            await asyncio.to_thread(work, port)
        finally:
            await endpoint.stop()

    asyncio.run(serve())


def test_metrics_in_both_formats_and_compressed() -> None:
    def ask(port: int) -> None:
        status, headers, body = get(port, "/metrics")
        assert status == 200
        assert headers["Content-Type"].startswith("text/plain; version=")
        lines = body.decode().splitlines()
        assert 'sixfold_things_total{kind="a \\"b\\"\\\\\\n"} 3.0' in lines
        assert "sixfold_ready 1.0" in lines
        assert 'sixfold_not_ready_reason{reason="gap"} 0.0' in lines
        assert any(line.startswith("process_cpu_seconds_total ") for line in lines)
        assert any(line.startswith('sixfold_build_info{python="3.') for line in lines)
        status, headers, body = get(port, "/metrics", Accept="application/openmetrics-text; version=1.0.0")
        assert headers["Content-Type"].startswith("application/openmetrics-text")
        assert body.endswith(b"# EOF\n")
        status, headers, body = get(port, "/metrics", Accept_Encoding="gzip")
        assert headers["Content-Encoding"] == "gzip"
        assert b"sixfold_things_total" in gzip.decompress(body)

    serving({}, ask)


def test_ready_says_why_not() -> None:
    def ask(port: int) -> None:
        assert get(port, "/live")[0] == 200
        status, _, body = get(port, "/ready")
        assert (status, json.loads(body)) == (503, {"ready": False, "reasons": {"loading": "2 of 8 shards"}})
        lines = get(port, "/metrics")[2].decode().splitlines()
        assert "sixfold_ready 0.0" in lines
        assert 'sixfold_not_ready_reason{reason="loading"} 1.0' in lines
        assert get(port, "/")[0] == 404

    serving({"loading": "2 of 8 shards"}, ask)
    serving({}, check_ready)


def check_ready(port: int) -> None:
    status, _, body = get(port, "/ready")
    assert (status, json.loads(body)) == (200, {"ready": True, "reasons": {}})


def test_a_port_that_is_taken_is_named_with_its_setting() -> None:
    def start(port: int) -> Awaitable[int]:
        return Endpoint(CollectorRegistry(), (), dict).start("127.0.0.1", port, "SIXFOLD_METRICS_PORT")

    def ask(port: int) -> None:
        with pytest.raises(EndpointError, match=f"port {port} on 127.0.0.1 .* is taken: set SIXFOLD_METRICS_PORT"):
            asyncio.run(start(port))  # type: ignore[arg-type]  # a coroutine it is

    serving({}, ask)
