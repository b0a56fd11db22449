"""Processes that are started before their Kafka or ClickHouse: live, not ready, and at work once they are there."""

import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stream.log import Log, Outgoing
from stream.refused import TYPE
from stream.settings import Settings
from stream.starting import RETRY_SECONDS
from stream.topics import migrate_topics
from tests.clickhouse import ClickHouseServer, engine
from tests.kafka.broker import KafkaBroker, free_port
from tests.stream.gateway.serving import records

PATIENCE = 180.0
PASSWORD = "password"
"""That of an engine of a test's own."""


@pytest.fixture
def absent(tmp_path: Path) -> Iterator[KafkaBroker]:
    """A broker that has the topics and is stopped."""
    (tmp_path / "kafka").mkdir()
    broker = KafkaBroker(tmp_path / "kafka")
    broker.start()
    asyncio.run(_make_topics(broker))
    broker.stop()
    yield broker
    broker.stop()


async def _make_topics(broker: KafkaBroker) -> None:
    await migrate_topics(Settings(brokers=broker.address, partitions=4))
    async with await Log.open((broker.address,)) as log:
        await log.create_topics({"segment": 1})
        await log.produce([Outgoing("segment", 0, None, b"no json")])


@contextmanager
def process(command: str, directory: Path, **own: object) -> Iterator["subprocess.Popen[bytes]"]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("SIXFOLD_")}
    given = {f"SIXFOLD_{name.upper()}": str(value) for name, value in own.items()}
    with (
        (directory / "log").open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-m", "stream.cli", command], env=plain | given, cwd=directory, stdout=log, stderr=log
        ) as started,
    ):
        try:
            yield started
        finally:
            if started.poll() is None:
                started.kill()


def ask(port: int, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any, Any]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - our own address
            return answer.status, json.loads(answer.read()), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read()), error.headers
    except OSError:
        return 0, {}, {}


def until(done: Callable[[], bool], started: "subprocess.Popen[bytes]", directory: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not done():
        said = (directory / "log").read_text()
        assert started.poll() is None, said
        assert time.monotonic() < deadline, said
        time.sleep(0.1)


def wait_for_kafka(
    started: "subprocess.Popen[bytes]", broker: KafkaBroker, port: int, directory: Path, path: str = "/ready"
) -> None:
    """Live, not ready for want of Kafka, and one line that says so."""
    until(lambda: "kafka" in ask(port, path)[1].get("reasons", {}), started, directory)
    status, answer, _ = ask(port, path)
    assert status == 503
    assert f"no Kafka broker answers at {broker.address}" in answer["reasons"]["kafka"]
    assert ask(port, "/live")[0] == 200
    lines = [line for line in (directory / "log").read_text().splitlines() if broker.address in line]
    assert len(lines) == 1, lines


def test_the_gateway_answers_503_until_kafka_is_there(absent: KafkaBroker, tmp_path: Path) -> None:
    port, metrics = free_port(), free_port()
    own = {
        "brokers": absent.address,
        "partitions": 4,
        "gateway_key": "key",
        "gateway_port": port,
        "metrics_port": metrics,
        "data": tmp_path / "data",
    }
    event = b'{"specversion": "1.0", "id": "1", "source": "s", "type": "crm.lead.created", '
    event += b'"time": "2026-03-01T12:00:00Z", "data": {"lead_id": "1"}}'
    headers = {"Authorization": "Bearer key", "Content-Type": "application/x-ndjson"}
    with process("gateway", tmp_path, **own) as started:
        wait_for_kafka(started, absent, metrics, tmp_path)
        wait_for_kafka(started, absent, port, tmp_path)
        status, answer, said = ask(port, "/events", event, **headers)
        assert status == 503
        assert int(said["Retry-After"]) > 0
        assert absent.address in answer["error"]
        absent.start()
        until(lambda: ask(metrics, "/ready")[0] == 200, started, tmp_path)
        assert ask(port, "/events", event, **headers)[:2] == (200, {"accepted": 1})
        started.send_signal(signal.SIGTERM)
        assert started.wait(PATIENCE) == 0


def test_sources_read_once_kafka_is_there(absent: KafkaBroker, tmp_path: Path) -> None:
    (tmp_path / "segment.toml").write_text('kind = "segment"\nsource = "s"\n[kafka]\ntopics = ["segment"]\n')
    metrics = free_port()
    own = {"brokers": absent.address, "partitions": 4, "metrics_port": metrics, "data": tmp_path / "data"}
    own["sources"] = tmp_path / "segment.toml"
    with process("sources", tmp_path, **own) as started:
        wait_for_kafka(started, absent, metrics, tmp_path)
        absent.start()
        until(lambda: ask(metrics, "/ready")[0] == 200, started, tmp_path)
        assert asyncio.run(_first_event(absent))["type"] == TYPE
        started.send_signal(signal.SIGTERM)
        assert started.wait(PATIENCE) == 0


async def _first_event(broker: KafkaBroker) -> dict[str, Any]:
    return (await records(Settings(brokers=broker.address), 1))[0]


def test_a_worker_begins_once_kafka_is_there(
    absent: KafkaBroker, tmp_path: Path, clickhouse_server: ClickHouseServer
) -> None:
    server, metrics, name = clickhouse_server, free_port(), f"starting_{secrets.token_hex(4)}"
    url = f"http://{server.user}:{server.password}@{server.host}:{server.port}/{name}"
    own = {"brokers": absent.address, "partitions": 4, "metrics_port": metrics, "data": tmp_path / "data"}
    with process("worker", tmp_path, clickhouse_url=url, **own) as started:
        wait_for_kafka(started, absent, metrics, tmp_path)
        absent.start()
        until(lambda: ask(metrics, "/ready")[0] == 200, started, tmp_path)
        started.send_signal(signal.SIGTERM)
        assert started.wait(PATIENCE) == 0


def test_a_worker_begins_once_clickhouse_is_there(kafka: KafkaBroker, tmp_path: Path) -> None:
    port, metrics, name = free_port(), free_port(), f"starting-{secrets.token_hex(4)}"
    own = {
        "brokers": kafka.address,
        "partitions": 2,
        "topic_prefix": name,
        "group": name,
        "clickhouse_url": f"http://sixfold:{PASSWORD}@127.0.0.1:{port}/crm",
        "metrics_port": metrics,
        "data": tmp_path / "data",
    }
    (tmp_path / "clickhouse").mkdir()
    with process("worker", tmp_path, **own) as started:
        until(lambda: "clickhouse" in ask(metrics, "/ready")[1].get("reasons", {}), started, tmp_path)
        status, answer, _ = ask(metrics, "/ready")
        assert status == 503
        assert f"no ClickHouse at http://sixfold@127.0.0.1:{port}/crm: the connection is refused" in str(answer)
        assert ask(metrics, "/live")[0] == 200
        time.sleep(3 * RETRY_SECONDS)  # several tries, one line
        assert len((tmp_path / "log").read_text().split("no ClickHouse at")) == 2
        with engine(port, tmp_path / "clickhouse"):
            until(lambda: ask(metrics, "/ready")[0] == 200, started, tmp_path)
            started.send_signal(signal.SIGTERM)
            assert started.wait(PATIENCE) == 0


def test_a_worker_that_waits_for_clickhouse_ends_in_order(tmp_path: Path) -> None:
    port = free_port()
    own = {"clickhouse_url": f"http://sixfold:{PASSWORD}@127.0.0.1:{port}/crm", "data": tmp_path / "data"}
    with process("worker", tmp_path, **own) as started:
        until(lambda: f"127.0.0.1:{port}/crm: the connection is refused" in read_log(tmp_path), started, tmp_path)
        started.send_signal(signal.SIGTERM)
        assert started.wait(PATIENCE) == 0


def test_the_exporter_is_there_before_kafka_and_clickhouse(tmp_path: Path) -> None:
    port, brokers, clickhouse = free_port(), free_port(), free_port()
    own = {
        "brokers": f"127.0.0.1:{brokers}",
        "clickhouse_url": f"http://sixfold:{PASSWORD}@127.0.0.1:{clickhouse}/crm",
        "exporter_port": port,
        "data": tmp_path / "data",
    }
    with process("exporter", tmp_path, **own) as started:
        until(lambda: {"kafka", "clickhouse"} <= ask(port, "/ready")[1].get("reasons", {}).keys(), started, tmp_path)
        assert ask(port, "/live")[0] == 200
        assert f"127.0.0.1:{clickhouse}/crm: the connection is refused" in read_log(tmp_path)
        started.send_signal(signal.SIGTERM)
        assert started.wait(PATIENCE) == 0


@pytest.mark.parametrize("command", ["worker", "exporter"])
def test_a_clickhouse_that_refuses_us_is_not_waited_for(
    command: str, tmp_path: Path, clickhouse_server: ClickHouseServer
) -> None:
    server = clickhouse_server
    url = f"http://{server.user}:{PASSWORD}@{server.host}:{server.port}/crm"  # that of another
    own = {"clickhouse_url": url, "data": tmp_path / "data"}
    with process(command, tmp_path, **own) as started:
        assert started.wait(PATIENCE) == 2
    (line,) = read_log(tmp_path).splitlines()
    assert f"refuses user {server.user}: correct user and password in SIXFOLD_CLICKHOUSE_URL" in line


def read_log(directory: Path) -> str:
    return (directory / "log").read_text()


def own_settings(tmp_path: Path, server: ClickHouseServer, brokers: str) -> dict[str, Any]:
    """Enough for each of the three to start; the database is one that nobody else has."""
    (tmp_path / "segment.toml").write_text('kind = "segment"\nsource = "s"\n[kafka]\ntopics = ["segment"]\n')
    database = f"starting_{secrets.token_hex(4)}"
    return {
        "brokers": brokers,
        "gateway_key": "key",
        "gateway_port": 0,
        "sources": tmp_path / "segment.toml",
        "clickhouse_url": f"http://{server.user}:{server.password}@{server.host}:{server.port}/{database}",
        "data": tmp_path / "data",
    }


@pytest.mark.parametrize("command", ["gateway", "sources", "worker"])
def test_one_that_waits_ends_in_order(command: str, tmp_path: Path, clickhouse_server: ClickHouseServer) -> None:
    address = f"127.0.0.1:{free_port()}"
    own = own_settings(tmp_path, clickhouse_server, address)
    with process(command, tmp_path, **own) as started:
        until(lambda: f"no Kafka broker answers at {address}" in (tmp_path / "log").read_text(), started, tmp_path)
        started.send_signal(signal.SIGTERM)
        assert started.wait(PATIENCE) == 0


@pytest.mark.parametrize("command", ["gateway", "sources", "worker"])
@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"kafka_password": "wrong"}, "refuses user sixfold: correct SIXFOLD_KAFKA_USERNAME"),
        ({"kafka_sasl_mechanism": "none"}, "SIXFOLD_KAFKA_SASL_MECHANISM=NONE (environment)"),
    ],
)
def test_what_waiting_does_not_mend_is_an_error_at_once(
    command: str,
    setting: dict[str, str],
    told: str,
    kafka: KafkaBroker,
    tmp_path: Path,
    clickhouse_server: ClickHouseServer,
) -> None:
    own = {
        # one is away: the other one decides
        **own_settings(tmp_path, clickhouse_server, f"127.0.0.1:{free_port()},{kafka.secure_address}"),
        "kafka_security_protocol": "SASL_SSL",
        "kafka_username": kafka.user,
        "kafka_password": kafka.password,
        "kafka_ca_file": kafka.ca_file,
        **setting,
    }
    with process(command, tmp_path, **own) as started:
        assert started.wait(PATIENCE) == 2
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert told in line
