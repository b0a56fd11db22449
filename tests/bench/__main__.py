"""What the worker costs, from Kafka to the last manifest.

usage: python -m tests.bench [EVENTS ...] [--quarters] [--repeat TIMES] [--json FILE]

For each size: an empty deployment, a worker that is ready, then the events. Measured are the worker's CPU seconds from
there to the last manifest (and from where half of the events stood in the tables: does an event cost more, the more
came before it?), how often it wrote a node and how long the tables stood still, its peak memory, the nodes it keeps,
and the yardsticks of `loop.py` over the same topic.

More events are those of a larger company in one quarter; with `--quarters` those of more quarters of one company.

A shared machine is at times half as fast as a minute before. With `--repeat` the sizes are measured several times, from
the smallest to the largest and back; printed are the means (of memory and standstill the greatest), and below the table
how the cost of an event grows with the size: the worker's, the batch's, and the worker's in units of the batch's.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import fmean, geometric_mean
from typing import Any, NamedTuple
from urllib.request import urlopen

import msgspec
from rich.console import Console
from rich.table import Table

from deploy.embedded.company import events, lines
from stream.settings import Settings
from tests.clickhouse import ClickHouseServer
from tests.integration.deployment import Deployment
from tests.kafka.broker import TansuBroker

END = datetime(2026, 11, 24, tzinfo=UTC)
SIZES = (100_000, 300_000, 1_000_000)
SEND = 50_000
QUARTER = 100_000
"""Events of each quarter of one company."""
IDS = frozenset({"lead_id", "opportunity_id", "call_id", "touch_id"})
"""Members that another quarter has other values of."""
FLUSH_SECONDS = Settings.model_fields["flush_seconds"].default
"""As it is shipped; tests flush more often."""
GREATEST = frozenset({"events", "nodes", "longest_between_flushes_seconds", "peak_mib", "bytes_per_node"})
"""Of these figures the greatest of several runs counts (the numbers are the same in all), of all others the mean."""
GROWING = {
    "cpu_us_per_event": "the worker",
    "batch_cpu_us_per_event": "the batch",
    "batch_ratio": "the worker in units of the batch",
}
"""Of these figures it is printed how they grow with the size."""
Result = dict[str, Any]
TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def clickhouse(directory: Path) -> Iterator[ClickHouseServer]:
    """The embedded engine on a free port."""
    with subprocess.Popen(
        [sys.executable, "-m", "deploy.embedded.clickhouse", "--port", "0", "--data", str(directory)],
        env={**os.environ, "SIXFOLD_CLICKHOUSE_PASSWORD": "bench"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            yield ClickHouseServer(ready["host"], ready["port"], ready["user"], "bench")
        finally:
            process.terminate()


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_bytes(pid: int, what: str) -> int:
    """`VmRSS` (now) or `VmHWM` (peak) of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(what):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"no {what} of {pid}")


@contextmanager
def deployed() -> Iterator[Deployment]:
    """An empty deployment on a broker and an engine of its own."""
    with tempfile.TemporaryDirectory(prefix="sixfold-bench-") as folder:
        directory = Path(folder)
        for name in ("broker", "clickhouse"):
            (directory / name).mkdir()
        with (
            TansuBroker(directory / "broker") as broker,
            clickhouse(directory / "clickhouse") as server,
            Deployment(broker, server, directory / "deployment", flush_seconds=FLUSH_SECONDS) as deployment,
        ):
            yield deployment


class Flush(NamedTuple):
    """Events that stand in the tables, the worker's CPU seconds so far, and when that was."""

    events: int
    cpu: float
    at: float


@contextmanager
def course(deployment: Deployment, pid: int) -> Iterator[list[Flush]]:
    """Where the worker is from now on, at every flush."""
    flushes = [Flush(0, cpu_seconds(pid), time.monotonic())]
    done = threading.Event()

    def watch() -> None:
        client = deployment.client(deployment.name)
        while not done.wait(0.1):
            rows = client.query(
                "SELECT sum(position) FROM (SELECT max(events_position) AS position FROM manifest GROUP BY shard)"
            ).result_rows
            if rows[0][0] > flushes[-1].events:
                flushes.append(Flush(rows[0][0], cpu_seconds(pid), time.monotonic()))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield flushes
    finally:
        done.set()
        watching.join()


def cpu_at(flushes: list[Flush], count: int) -> float:
    """CPU seconds when so many events stood in the tables, on the line between two flushes."""
    for before, after in pairwise(flushes):
        if after.events >= count:
            return before.cpu + (after.cpu - before.cpu) * (count - before.events) / (after.events - before.events)
    raise RuntimeError(f"the last flush seen has {flushes[-1].events} events, not {count}")


def nodes_written(deployment: Deployment) -> int:
    """How many nodes the worker wrote, each as often as it was written."""
    with urlopen(f"http://127.0.0.1:{deployment.metrics_ports[-1]}/metrics", timeout=60) as answer:
        for line in answer.read().decode().splitlines():
            name, _, value = line.partition(" ")
            if name == "sixfold_flush_nodes_sum":
                return int(float(value))
    raise RuntimeError("the worker's metrics have no sixfold_flush_nodes_sum")


def quarters(count: int) -> Iterator[bytes]:
    """So many quarters of one company, one after the other, each with leads, deals and calls of its own."""
    encode = msgspec.json.Encoder().encode
    for number in range(count):
        for event in events(number, END - timedelta(days=92) * (count - 1 - number), QUARTER):
            data = dict(event["data"])
            data |= {name: f"{number}-{data[name]}" for name in IDS & data.keys() if data[name]}
            if "merged_ids" in data:
                data["merged_ids"] = [f"{number}-{each}" for each in data["merged_ids"]]
            yield encode({**event, "id": f"{number}-{event['id']}", "data": data})


def measure(size: int, values: Iterator[bytes]) -> Result:
    with deployed() as deployment:
        worker = deployment.start()
        while len(deployment.client(deployment.name).query("SELECT shard FROM base_generations").result_rows) < 8:
            time.sleep(0.2)
        cpu, memory = cpu_seconds(worker.pid), memory_bytes(worker.pid, "VmRSS")
        with course(deployment, worker.pid) as flushes:
            began, chunk = time.monotonic(), []
            for value in values:
                chunk.append(value)
                if len(chunk) == SEND:
                    deployment.send(chunk)
                    chunk.clear()
            deployment.send(chunk)
            sent = time.monotonic()
            deployment.wait(3_600)
            done, end = time.monotonic(), cpu_seconds(worker.pid)
        half = size // 2
        flushes.append(Flush(size, end, done))
        second_half = end - cpu_at(flushes, half)
        cpu = end - cpu
        peak = memory_bytes(worker.pid, "VmHWM")
        rows = deployment.client(deployment.name).query("SELECT count() FROM nodes FINAL").result_rows
        nodes = int(rows[0][0])
        yardsticks = subprocess.run(
            [
                sys.executable,
                "-m",
                "tests.bench.loop",
                deployment.settings.brokers,
                deployment.settings.events_topic,
                str(size),
            ],
            capture_output=True,
            text=True,
            check=True,
            timeout=1_200,
        )
        in_memory = json.loads(yardsticks.stdout)
        cost = cpu / size * 1e6
        return {
            "events": size,
            "cpu_us_per_event": cost,
            "second_half_cpu_us_per_event": second_half / (size - half) * 1e6,
            "loop_cpu_us_per_event": in_memory["loop"],
            "ratio": cost / in_memory["loop"],
            "batch_cpu_us_per_event": in_memory["batch"],
            "batch_ratio": cost / in_memory["batch"],
            "events_per_cpu_second": size / cpu,
            "nodes_written_per_event": nodes_written(deployment) / size,
            "longest_between_flushes_seconds": max(after.at - before.at for before, after in pairwise(flushes)),
            "seconds_sending": sent - began,
            "seconds_after_the_last": done - sent,
            "nodes": nodes,
            "peak_mib": peak / (1 << 20),
            "bytes_per_node": (peak - memory) / nodes,
        }


def together(runs: Sequence[Result]) -> Result:
    """Several results of one size as one."""
    return {name: (max if name in GREATEST else fmean)(run[name] for run in runs) for name in runs[0]}


def growth(runs: Sequence[Mapping[int, Result]]) -> Iterator[str]:
    """How many times the figures of the smallest size those of the larger ones are, in lines to print."""
    smallest, *larger = sorted(runs[0])
    for size in larger:
        for name, what in GROWING.items():
            times = sorted(run[size][name] / run[smallest][name] for run in runs)
            spread = f" ({times[0]:.2f} to {times[-1]:.2f} in {len(times)} runs)" if len(times) > 1 else ""
            yield f"{what}: an event of {size:,} costs {geometric_mean(times):.2f} times one of {smallest:,}{spread}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("events", type=int, nargs="*", default=SIZES)
    parser.add_argument("--quarters", action="store_true", help=f"of one company, {QUARTER:,} events each")
    parser.add_argument("--repeat", type=int, default=1, metavar="TIMES", help="measure all sizes so many times")
    parser.add_argument("--json", type=Path, default=Path("bench-worker.json"))
    options = parser.parse_args()
    if options.quarters and any(size % QUARTER for size in options.events):
        parser.error(f"--quarters have {QUARTER:,} events each")
    if options.repeat < 1:
        parser.error("--repeat is at least 1")
    sizes = sorted(set(options.events))
    runs: list[dict[int, Result]] = []
    for number in range(options.repeat):
        run: dict[int, Result] = {}
        for size in reversed(sizes) if number % 2 else sizes:
            values = quarters(size // QUARTER) if options.quarters else lines(5, END, size)
            run[size] = measure(size, values)
            cost, batch = run[size]["cpu_us_per_event"], run[size]["batch_ratio"]
            note = f"{number + 1} of {options.repeat}: {size:,} events, {cost:.1f} us each, {batch:.2f} times the batch"
            print(note, file=sys.stderr, flush=True)
        runs.append(run)
    results = [together([run[size] for run in runs]) for size in sizes]
    options.json.write_text(json.dumps(results, indent=2) + "\n")
    table = Table(title="the worker, from Kafka to the last manifest")
    for column in results[0]:
        table.add_column(column.replace("_", " "), justify="right")
    for result in results:
        table.add_row(*(f"{value:,.2f}" if isinstance(value, float) else f"{value:,}" for value in result.values()))
    console = Console(width=200)
    console.print(table)
    for line in growth(runs):
        console.print(line)


if __name__ == "__main__":
    main()
