"""`sixfold up` as processes: one tree, killed, stopped and started again, with nothing lost and nothing left."""

import asyncio
import http.client
import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer

from deploy.embedded.datadir import Ports, StackError
from deploy.embedded.stack import Stack
from sinks.client import connect
from stream.settings import Settings

UP = """
import sys
from pathlib import Path
from deploy.embedded.up import Options, run
sys.exit(run(Options(data=Path(sys.argv[1]), kafka_port=int(sys.argv[2]), workers=int(sys.argv[3]), json=True)))
"""
PATIENCE = 120.0
ALL_LEADS = "/report/leads_by_channel?period=all"

LEAD = {
    "specversion": "1.0",
    "id": "1",
    "source": "test",
    "type": "crm.lead.created",
    "time": "2026-03-01T12:00:00Z",
    "data": {"lead_id": "42"},
}


def up(data: Path, kafka_port: int = 0, workers: int = 1) -> "subprocess.Popen[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SIXFOLD_")}
    return subprocess.Popen(
        [sys.executable, "-c", UP, str(data), str(kafka_port), str(workers)],
        cwd=data.parent,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def running(data: Path) -> Iterator[tuple["subprocess.Popen[str]", dict[str, Any]]]:
    process = up(data)
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        assert line, process.stderr.read()
        yield process, json.loads(line)
    finally:
        process.kill()
        process.communicate()


def eventually(what: Callable[[], object]) -> None:
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < PATIENCE, "it did not happen"
        time.sleep(0.1)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def settings_of(data: Path) -> Settings:
    return Settings(data=data, **tomllib.loads((data / "sixfold.toml").read_text()))


def ask(address: str, path: str, body: bytes | None = None, key: str = "") -> tuple[int, Any]:
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
    headers = {"Content-Type": "application/x-ndjson", "Authorization": f"Bearer {key}"}
    try:
        connection.request("GET" if body is None else "POST", path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def post(settings: Settings, body: bytes, key: str | None = None) -> tuple[int, dict[str, Any]]:
    assert settings.gateway_key is not None
    assert settings.gateway_url is not None
    key = key or settings.gateway_key.get_secret_value()
    status, answer = ask(settings.gateway_url, "/events", body, key)
    return status, json.loads(answer)


def query(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    with connect(settings) as client:
        return [tuple(row) for row in client.query(sql).result_rows]


def test_a_tree_that_is_killed_comes_back_with_its_data_and_one_that_is_stopped_leaves_nothing(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    with running(data) as (process, first):
        assert set(first["pids"]) == {"broker", "clickhouse", "worker-1"}
        assert (data / "sixfold.toml").stat().st_mode & 0o777 == 0o600
        secret = tomllib.loads((data / "sixfold.toml").read_text())["gateway_key"]
        assert secret not in json.dumps(first)
        status, answer = ask(first["gateway_url"], "/ready")
        assert (status, json.loads(answer)["ready"]) == (200, True)
        status, answer = ask(first["page_url"], "/report/leads_by_channel")
        assert status == 200
        assert b"No event has been counted yet" in answer
        addresses = tomllib.loads((data / "sixfold.toml").read_text())
        assert "sixfold_reader:" in addresses["clickhouse_reader_url"]
        assert set(first["metrics"]) == {"worker-1", "exporter", "gateway"}
        for process_name, address in first["metrics"].items():
            eventually(lambda address=address: ask(address, "/ready")[0] == 200)
            status, answer = ask(address, "/metrics")
            assert status == 200
            kind = {"exporter": b"sixfold_kpi_calls", "gateway": b"sixfold_gateway_"}.get(
                process_name, b"sixfold_events"
            )
            assert b"\n" + kind in answer
        targets = json.loads(Path(first["prometheus_targets"]).read_text())
        assert {target["labels"]["process"]: target["targets"] for target in targets} == {
            name: [address] for name, address in first["metrics"].items()
        }
        assert {target["labels"]["job"] for target in targets} == {
            "sixfold-worker",
            "sixfold-exporter",
            "sixfold-gateway",
        }

        second = up(data)
        _, complaint = second.communicate(timeout=PATIENCE)
        assert second.returncode == 2
        assert f"process {process.pid}" in complaint
        assert len(complaint.splitlines()) == 1

        port = int(first["brokers"].rpartition(":")[2])
        taken = up(tmp_path / "other", kafka_port=port)
        _, complaint = taken.communicate(timeout=PATIENCE)
        assert taken.returncode == 2
        assert f"port {port} is taken" in complaint
        assert "--kafka-port" in complaint
        assert len(complaint.splitlines()) == 1

        settings = settings_of(data)
        assert post(settings, b"{}", key="wrong")[0] == 401
        status, refused = post(settings, b"{}\n" + b"x" * ((2 << 20) + 1))
        assert (status, refused["line"]) == (413, 2)
        status, taken_in = post(settings, json.dumps(LEAD).encode() + b"\r\n\nnot json\n")
        assert (status, taken_in) == (200, {"accepted": 2, "positions": [1, 2]})
        process.kill()
        eventually(lambda: not any(alive(pid) for pid in first["pids"].values()))

    segments = [path for path in (data / "journal").iterdir() if path.stat().st_size]
    assert segments
    with running(data) as (process, again):
        assert again["brokers"] == first["brokers"]  # what was connected finds it again
        assert again["page_url"] == first["page_url"]
        assert again["metrics"] == first["metrics"]
        settings = settings_of(data)
        eventually(lambda: query(settings, "SELECT 1 FROM nodes FINAL WHERE entity = 'lead:42'"))
        eventually(lambda: b'<data value="1" data-k="total.leads">' in ask(again["page_url"], ALL_LEADS)[1])
        eventually(
            lambda: (
                query(settings, "SELECT reason, value FROM dead_letters")
                and all(
                    row == ("invalid-json", "not json")
                    for row in query(settings, "SELECT reason, value FROM dead_letters")
                )
            )
        )
        eventually(lambda: not any(path.exists() for path in segments))  # covered, so dropped
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
        assert not any(alive(pid) for pid in again["pids"].values())


async def read_all(settings: Settings, count: int) -> list[tuple[bytes, bytes, int, str]]:
    """Key, value, timestamp and journal position of the first `count` events."""
    consumer = AIOKafkaConsumer(settings.events_topic, bootstrap_servers=settings.brokers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(PATIENCE):
            found = [await consumer.getone() for _ in range(count)]
    finally:
        await consumer.stop()
    return sorted(
        (record.key, record.value, record.timestamp, dict(record.headers)["sixfold-journal"].decode())
        for record in found
    )


def test_services_that_die_come_back_and_the_broker_gets_its_records_again(tmp_path: Path) -> None:
    asyncio.run(kill_services(tmp_path / "data"))


async def kill_services(data: Path) -> None:
    lines: list[str] = []
    async with Stack(data, workers=0, say=lines.append) as stack:
        first = stack.settings
        event = json.dumps(LEAD).encode()
        assert (await asyncio.to_thread(post, first, event))[0] == 200
        sent = await read_all(first, 1)
        assert sent[0][:2] == (b"lead:42", event)
        assert sent[0][3] == "1"

        pids = stack.pids()
        os.kill(pids["broker"], signal.SIGKILL)
        os.kill(pids["clickhouse"], signal.SIGKILL)
        await asyncio.to_thread(eventually, lambda: stack.ready and len(stack.pids().items() - pids.items()) == 2)
        assert {line.partition(" was killed")[0] for line in lines if "killed" in line} == {
            "the Kafka broker",
            "ClickHouse",
        }
        again = stack.settings
        assert again.log_incarnation != first.log_incarnation
        assert settings_of(data).log_incarnation == again.log_incarnation
        assert await read_all(again, 1) == sent
        assert (await asyncio.to_thread(post, again, event))[1]["positions"] == [2, 2]
        await asyncio.to_thread(eventually, lambda: served(again))
        tables = "SELECT name FROM system.tables WHERE database = currentDatabase() AND name = 'nodes'"
        assert await asyncio.to_thread(query, again, tables) == [("nodes",)]


def served(settings: Settings) -> bool:
    try:
        return ask(f"127.0.0.1:{settings.clickhouse.port}", "/ping")[0] == 200
    except OSError:
        return False


def test_a_failed_start_leaves_nothing(tmp_path: Path) -> None:
    asyncio.run(fail_to_start(tmp_path))


async def fail_to_start(data: Path) -> None:
    (data / "clickhouse").write_text("not a directory")
    with pytest.raises(StackError, match="ClickHouse did not start"):
        async with Stack(data, Ports(), workers=0):
            pass
    (data / "clickhouse").unlink()
    async with Stack(data, workers=0) as stack:  # the lock is free, so no child lives that holds it
        assert stack.ready
