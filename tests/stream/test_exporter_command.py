"""`sixfold exporter` as a process."""

import asyncio
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clickhouse_connect.driver.client import Client

from stream.settings import Settings
from stream.topics import migrate_topics
from tests.clickhouse import ClickHouseServer
from tests.kafka.broker import TansuBroker, free_port

PATIENCE_SECONDS = 120


@contextmanager
def exporter(environment: dict[str, str], *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SIXFOLD_")}
    with subprocess.Popen(
        [sys.executable, "-m", "stream.cli", "exporter", *arguments],
        env={**clean, **environment},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_it_serves_the_figures_until_it_is_told_to_stop(
    database: Client, clickhouse_server: ClickHouseServer, tansu: TansuBroker, tmp_path: Path
) -> None:
    at = f"sixfold:{clickhouse_server.password}@{clickhouse_server.host}:{clickhouse_server.port}"
    environment = {
        "SIXFOLD_CLICKHOUSE_URL": f"http://{at}/{database.database}",
        "SIXFOLD_BROKERS": tansu.address,
        "SIXFOLD_PREFIX": f"{tmp_path.name}.",
        "SIXFOLD_PARTITIONS": "1",
        "SIXFOLD_EXPORTER_INTERVAL": "0.5",
    }
    names = {name.removeprefix("SIXFOLD_").lower(): value for name, value in environment.items()}
    asyncio.run(migrate_topics(Settings(**names)))
    with exporter(environment, "--port", "0") as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line.startswith("sixfold: metrics at http://127.0.0.1:"), line + process.stderr.read()
        port = int(line.rpartition("/metrics")[0].rpartition(":")[2])
        assert get(port, "/live")[0] == 200
        end = time.monotonic() + PATIENCE_SECONDS
        while get(port, "/ready")[0] != 200:
            assert time.monotonic() < end, get(port, "/ready")
            time.sleep(0.2)
        series = 'sixfold_kpi_calls{dimension="all",member="(all)",name="(all)",window="7d"} 0.0'
        assert series in get(port, "/metrics")[1].splitlines()
        with exporter(environment, "--port", str(port)) as second:
            _, complaint = second.communicate(timeout=PATIENCE_SECONDS)
            assert second.returncode == 2
            assert complaint.count("\n") == 1
            assert f"port {port} on 127.0.0.1 for metrics is taken: set SIXFOLD_EXPORTER_PORT" in complaint
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        assert (process.returncode, out, err) == (0, "", "")


def test_without_kafka_nothing_is_shown_and_ready_says_why(
    database: Client, clickhouse_server: ClickHouseServer, tmp_path: Path
) -> None:
    at = f"sixfold:{clickhouse_server.password}@{clickhouse_server.host}:{clickhouse_server.port}"
    brokers = f"127.0.0.1:{free_port()}"
    environment = {
        "SIXFOLD_CLICKHOUSE_URL": f"http://{at}/{database.database}",
        "SIXFOLD_BROKERS": brokers,
        "SIXFOLD_EXPORTER_INTERVAL": "0.5",
    }
    with exporter(environment, "--port", "0") as process:
        assert process.stderr is not None
        port = int(process.stderr.readline().rpartition("/metrics")[0].rpartition(":")[2])
        end = time.monotonic() + PATIENCE_SECONDS
        while "kafka" not in (found := json.loads(get(port, "/ready")[1])["reasons"]):
            assert time.monotonic() < end, found
            time.sleep(0.2)
        assert brokers in found["kafka"]
        assert "\nsixfold_kpi" not in get(port, "/metrics")[1]
