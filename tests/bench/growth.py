"""What a large state costs on one worker. usage: python -m tests.bench.growth [LEADS] [--json FILE]

Every lead has an opportunity, a call and a recorded touch, so that LEADS (1,000,000) make four times as many entities.
Printed are the memory of a worker that is at rest, the seconds of a clean restart until it is ready, those of a
rebalance when a second worker joins and when it dies, what ClickHouse keeps, and how long every report view takes.
"""

import argparse
import json
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from clickhouse_connect.driver.client import Client
from rich.console import Console
from rich.table import Table

from tests.bench.__main__ import cpu_seconds, deployed, memory_bytes
from tests.integration.deployment import Deployment

LEADS = 1_000_000
DAYS = 365
CHUNK = 20_000
PATIENCE = 7_200.0
_FIRST = datetime(2025, 11, 1, tzinfo=UTC)
_CAMPAIGNS, _REPS = 200, 100
_encode = msgspec.json.Encoder().encode


def events(leads: int) -> Iterator[bytes]:
    """The company's year: a lead, a touch, a call and an opportunity, lead by lead."""
    step = timedelta(days=DAYS) / leads
    for number in range(leads):
        at, lead = _FIRST + step * number, f"{number:08d}"
        campaign, rep = f"campaign-{number % _CAMPAIGNS}", f"rep-{number % _REPS}"
        utm = {"source": "google", "medium": "cpc", "campaign": campaign}
        yield _event("crm.lead.created", at, lead_id=lead, stage="Lead", owner_id=rep, utm=utm)
        yield _event("crm.touch.recorded", at + timedelta(hours=2), lead_id=lead, touch_id="1", utm=utm)
        call = {"call_id": lead, "rep_id": rep, "lead_id": lead, "direction": "outbound", "status": "answered"}
        yield _event("crm.call.logged", at + timedelta(hours=9), talk_seconds=95, **call)
        deal = {"opportunity_id": lead, "lead_id": lead, "amount": "1200.50", "currency": "USD", "owner_id": rep}
        yield _event("crm.opportunity.created", at + timedelta(hours=9), stage="Qualified", **deal)


def _event(kind: str, at: datetime, **data: Any) -> bytes:
    identifier = data.get("call_id") or data.get("opportunity_id") or data["lead_id"]
    return _encode(
        {"id": f"{kind}/{identifier}", "source": "bench", "type": kind, "time": at.isoformat(), "data": data}
    )


def measure(leads: int) -> tuple[dict[str, Any], dict[str, float]]:
    """Figures by name, and seconds by view."""
    with deployed() as deployment:
        return _measure(leads, deployment)


def _measure(leads: int, deployment: Deployment) -> tuple[dict[str, Any], dict[str, float]]:
    client = deployment.client(deployment.name)
    worker = deployment.start()
    _until_ready(deployment, 0)
    empty, cpu, began = memory_bytes(worker.pid, "VmRSS"), cpu_seconds(worker.pid), time.monotonic()
    chunk: list[bytes] = []
    for count, value in enumerate(events(leads), start=1):
        chunk.append(value)
        if len(chunk) == CHUNK:
            deployment.send(chunk)
            chunk.clear()
            while count - deployment.read_so_far() > 10 * CHUNK:  # or the broker's memory is what is measured
                time.sleep(0.2)
    deployment.send(chunk)
    deployment.wait(PATIENCE)
    refused = client.query("SELECT message FROM dead_letters LIMIT 1").result_rows
    assert not refused, refused
    found: dict[str, Any] = {"leads": leads, "entities": 4 * leads}
    found["seconds to count them"] = time.monotonic() - began
    found["CPU us an event"] = (cpu_seconds(worker.pid) - cpu) / (4 * leads) * 1e6
    found["memory of the worker that counted them, MiB"] = memory_bytes(worker.pid, "VmRSS") / (1 << 20)

    worker.send_signal(signal.SIGTERM)
    worker.wait()
    began = time.monotonic()
    worker = deployment.start()
    _until_ready(deployment, 1)
    found["clean restart until ready, s"] = time.monotonic() - began
    found["CPU of it, s"] = cpu_seconds(worker.pid)
    found["peak of it, MiB"] = memory_bytes(worker.pid, "VmHWM") / (1 << 20)
    resting = memory_bytes(worker.pid, "VmRSS")
    found["memory at rest after it, MiB"] = resting / (1 << 20)
    found["bytes for a lead with its 3 entities"] = (resting - empty) / leads

    began = time.monotonic()
    second = deployment.start()
    _until_ready(deployment, 1, 2)
    found["rebalance when a second worker joins, s"] = time.monotonic() - began
    second.kill()
    second.wait()
    began = time.monotonic()
    _until_all(deployment, client)
    timeout = deployment.settings.session_timeout
    found[f"a worker is killed: until the other has all shards, s (session timeout {timeout:g} s)"] = (
        time.monotonic() - began
    )

    for table, size, rows in client.query(
        "SELECT table, sum(bytes_on_disk), sum(rows) FROM system.parts WHERE active AND database = currentDatabase()"
        " GROUP BY table HAVING sum(bytes_on_disk) > 1000000 ORDER BY 2 DESC"
    ).result_rows:
        found[f"table {table}, MiB ({rows:,} rows)"] = size / (1 << 20)
    return found, _views(client)


def _views(client: Client) -> dict[str, float]:
    seconds = {}
    for (view,) in client.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND name LIKE 'report\\_%'"
        " AND name NOT LIKE '%\\_by' ORDER BY name"  # those take parameters; weeks and months are made of them
    ).result_rows:
        began = time.monotonic()
        client.query(f"SELECT * FROM {view} ORDER BY ALL LIMIT 100")
        seconds[view] = time.monotonic() - began
    return seconds


def _ready(port: int) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5) as answer:
            return dict(json.load(answer))
    except urllib.error.HTTPError as error:
        return dict(json.load(error))
    except OSError:
        return {"ready": False}


def _until_ready(deployment: Deployment, *workers: int) -> None:
    end = time.monotonic() + PATIENCE
    while not all(_ready(deployment.metrics_ports[each])["ready"] for each in workers):
        assert time.monotonic() < end, deployment.logs()
        time.sleep(0.05)


def _until_all(deployment: Deployment, client: Client) -> None:
    """Every shard's newest claim is that of the worker that is left, and it is ready."""
    end, left = time.monotonic() + PATIENCE, f"{deployment.name}-worker-1"
    while True:
        held = client.query(
            "SELECT count() FROM (SELECT shard, argMax(worker, epoch) AS owner FROM claims GROUP BY shard)"
            " WHERE owner = {left:String}",
            parameters={"left": left},
        ).result_rows[0][0]
        if held == deployment.partitions and _ready(deployment.metrics_ports[1])["ready"]:
            return
        assert time.monotonic() < end, deployment.logs()
        time.sleep(0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("leads", type=int, nargs="?", default=LEADS)
    parser.add_argument("--json", type=Path, default=Path("bench-growth.json"))
    options = parser.parse_args()
    found, views = measure(options.leads)
    options.json.write_text(json.dumps({"figures": found, "seconds of views": views}, indent=2) + "\n")
    for title, rows in (("a large state on one worker", found), ("SELECT of 100 rows, s", views)):
        table = Table(title=title)
        table.add_column("what")
        table.add_column("", justify="right")
        for name, value in rows.items():
            table.add_row(name, f"{value:,.2f}" if isinstance(value, float) else f"{value:,}")
        Console(width=120).print(table)


if __name__ == "__main__":
    main()
