"""Every fault that an operator meets, under load: in the end all events are counted, each once.

A docstring is what the table of docs/reliability.md calls the fault. `make chaos` runs them with 200,000 events and
outages of minutes, and writes the table; CI runs them small.
"""

import asyncio
import itertools
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from threading import Barrier, Thread

import pytest
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from sinks.clickhouse import ClickHouseStore
from stream.log import TP
from tests.chaos.proxy import Fault, inserts
from tests.chaos.world import EVENTS, LONG, PATIENCE, World, lasting, load, wanted
from tests.clickhouse import ClickHouseServer
from tests.integration.deployment import assert_tables, expected
from tests.kafka.broker import KafkaBroker

pytestmark = pytest.mark.timeout(1800 if LONG else 600)


@pytest.fixture
def world(kafka: KafkaBroker, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    with World(kafka, tmp_path, **getattr(request, "param", {})) as created:
        yield created
        if created.seen.seconds:
            _tell(request, created)


def _tell(request: pytest.FixtureRequest, world: World) -> None:
    """A row for the table, where one is asked for."""
    if path := os.environ.get("SIXFOLD_CHAOS_REPORT"):
        seen = asdict(world.seen) | {"ready": sorted(world.seen.ready)}
        name = request.node.name.removeprefix("test_")
        with Path(path).open("a") as report:
            report.write(
                json.dumps({"name": name, "fault": request.function.__doc__, "events": EVENTS, "long": LONG, **seen})
                + "\n"
            )


# -- workers


def test_a_worker_is_killed_every_few_seconds(world: World) -> None:
    """SIGKILL of one of three workers every few seconds, another one starting at once"""
    chance = random.Random(1)
    began = time.monotonic()
    world.until_ready(*world.start(3))
    with world.events_coming(seconds=lasting(60)):
        for _ in range(10 if LONG else 2):
            time.sleep(lasting(5))
            world.deployment.workers[chance.choice(world.alive())].kill()
            world.start()
    world.settle(began)
    world.seen.notes.append(f"{len(world.deployment.workers) - 3} kills")


def test_a_worker_stands_still_and_wakes_up(world: World) -> None:
    """SIGSTOP of an owner for longer than the session timeout, then SIGCONT: a zombie"""
    began = time.monotonic()
    first, _ = world.start(2)
    world.until_ready(0, 1)
    with world.events_coming(seconds=lasting(40)):
        world.deployment.workers[first].send_signal(signal.SIGSTOP)
        time.sleep(12)
        world.deployment.workers[first].send_signal(signal.SIGCONT)
    world.settle(began)


def test_workers_join_and_leave(world: World) -> None:
    """A third worker joins under load and leaves again in order, five times (in CI once)"""
    began = time.monotonic()
    world.until_ready(*world.start(2))
    with world.events_coming(seconds=lasting(60)):
        for _ in range(5 if LONG else 1):
            (third,) = world.start()
            world.until_ready(third)
            world.deployment.workers[third].terminate()
            assert world.deployment.workers[third].wait(PATIENCE) == 0, world.deployment.logs()
    world.settle(began)


@pytest.mark.parametrize(
    "world", [{"session_timeout": 10, "heartbeat_interval": 2, "rebalance_timeout": 10}], indirect=True
)
def test_how_long_a_death_is_felt(world: World) -> None:
    """SIGKILL of one of two workers, with the default timeouts: how long its partitions stand still"""
    began = time.monotonic()
    world.until_ready(*world.start(2))
    moved: dict[int, list[float]] = {}
    with world.events_coming(seconds=40 if LONG else 25):
        time.sleep(5)
        killed = time.monotonic()
        world.deployment.workers[0].kill()
        before = world.positions()
        while time.monotonic() < killed + (35 if LONG else 20):
            for shard, position in world.positions().items():
                if position > before.get(shard, 0):
                    before[shard] = position
                    moved.setdefault(shard, [killed]).append(time.monotonic())
            time.sleep(0.1)
    world.settle(began)
    still = [max(later - earlier for earlier, later in itertools.pairwise(times)) for times in moved.values()]
    world.seen.notes.append(
        f"a partition stood still for {max(still):.0f} s at most, {statistics.median(still):.0f} s in the median"
    )


def test_a_worker_is_told_to_stop_while_clickhouse_hangs(world: World) -> None:
    """SIGTERM to a worker whose ClickHouse answers nothing: it ends, and another one goes on later"""
    began = time.monotonic()
    (first,) = world.start()
    world.until_ready(first)
    with world.events_coming():
        world.until(lambda: sum(world.positions().values()) > 0, "something counted")
        world.proxy.fault = Fault(delay=3_600)
        world.until(lambda: world.proxy.faults_met > 0, "a request that hangs")
        world.deployment.workers[first].terminate()
        world.deployment.workers[first].wait(PATIENCE)
        world.proxy.fault = None
        world.proxy.shut()
        world.proxy.open()
        world.start()
    world.settle(began)


def test_two_claim_one_shard_at_the_same_moment(world: World) -> None:
    """Two fresh workers claim one shard at the same moment, a hundred times"""
    began = time.monotonic()
    server = ClickHouseServer("127.0.0.1", world.engine.port, "sixfold", world.engine.password)
    rounds, epochs = 100 if LONG else 20, list[tuple[int, int]]()
    barrier = Barrier(2)

    def claim_again_and_again(worker: int) -> None:
        client = server.connect(world.deployment.name)
        store = ClickHouseStore(client, f"claimer-{worker}")
        for _ in range(rounds):
            barrier.wait()
            epochs.append((worker, asyncio.run(store.claim(77, "rules"))))
        client.close()

    claimers = [Thread(target=claim_again_and_again, args=(worker,)) for worker in (1, 2)]
    for claimer in claimers:
        claimer.start()
    for claimer in claimers:
        claimer.join()
    assert len(epochs) == len({epoch for _, epoch in epochs}) == 2 * rounds
    world.seen.seconds = time.monotonic() - began
    world.seen.notes.append(f"{2 * rounds} claims, each of an epoch of its own")


# -- ClickHouse


def test_clickhouse_is_killed_and_away(world: World) -> None:
    """ClickHouse killed, away for three minutes, and back on its files"""
    began = time.monotonic()
    world.until_ready(*world.start(2))
    with world.events_coming(seconds=lasting(30)):
        world.until(lambda: sum(world.positions().values()) > 0, "something counted")
        world.engine.kill()
        time.sleep(lasting(180))
        world.engine.start()
    world.settle(began)
    assert world.alive() == [0, 1]
    world.note_lines(" failed, try 1", " works again")


FAULTS = {
    "slow": Fault(delay=1.0),
    "too_many_queries": Fault(error=(500, 202, "Too many simultaneous queries (TOO_MANY_SIMULTANEOUS_QUERIES)")),
    "no_right": Fault(hits=inserts, error=(403, 497, "sixfold: Not enough privileges (ACCESS_DENIED)")),
    "cut_in_an_insert": Fault(hits=inserts, cut=True),
    "disk_full": Fault(hits=inserts, error=(500, 243, "Cannot reserve 1.00 MiB, not enough space (NOT_ENOUGH_SPACE)")),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_clickhouse_fails(world: World, kind: str) -> None:
    """ClickHouse answers slowly, with errors that pass and with errors that do not, or breaks off inserts"""
    began = time.monotonic()
    (worker,) = world.start()
    world.until_ready(worker)
    with world.events_coming(seconds=lasting(20)):
        world.until(lambda: sum(world.positions().values()) > 0, "something counted")
        world.proxy.fault = FAULTS[kind]
        world.until(lambda: world.proxy.faults_met > 2, "the fault met three times")
        time.sleep(lasting(30))
        world.proxy.fault = None
    world.settle(began)
    assert world.alive() == [worker]
    if kind != "slow":
        world.note_lines(" failed, try 1")


def test_clickhouse_refuses_connections(world: World) -> None:
    """ClickHouse's port refuses connections for a while"""
    began = time.monotonic()
    (worker,) = world.start()
    world.until_ready(worker)
    with world.events_coming(seconds=lasting(20)):
        world.until(lambda: sum(world.positions().values()) > 0, "something counted")
        world.proxy.shut()
        time.sleep(lasting(30))
        world.proxy.open()
    world.settle(began)
    assert world.alive() == [worker]
    world.note_lines(" failed, try 1")


@pytest.mark.parametrize("workers", ["stopped", "running"])
def test_clickhouse_is_restored_from_an_older_copy(world: World, workers: str) -> None:
    """ClickHouse's files put back from an older copy, with the workers stopped or running"""
    events = load()
    began = time.monotonic()
    (first,) = world.start()
    world.until_ready(first)
    with world.events_coming(events[: EVENTS // 3]):
        pass
    world.deployment.wait(PATIENCE)
    world.engine.back_up("older")
    with world.events_coming(events[EVENTS // 3 : 2 * EVENTS // 3]):
        pass
    world.deployment.wait(PATIENCE)
    if workers == "stopped":
        world.deployment.workers[first].terminate()
        world.deployment.workers[first].wait(PATIENCE)
    world.engine.stop()
    world.engine.restore("older")
    world.engine.start()
    with world.events_coming(events[2 * EVENTS // 3 :]):
        pass
    if workers == "running":  # it ends by itself, as its supervisor would see
        world.until(lambda: not world.alive(), "the worker has noticed")
        assert world.deployment.workers[first].returncode == 1
        world.note_lines("ClickHouse is older than what this worker wrote")
    world.start()
    world.settle(began)


# -- Kafka


@pytest.mark.parametrize("kind", ["restarted", "away"])
def test_kafka_goes_and_comes(world: World, kafka: KafkaBroker, kind: str) -> None:
    """Kafka restarted in order, or killed and away for two minutes"""
    began = time.monotonic()
    world.until_ready(*world.start(2))
    with world.events_coming(seconds=lasting(30)):
        world.until(lambda: sum(world.positions().values()) > 0, "something counted")
        if kind == "restarted":
            kafka.stop()
        else:
            kafka.kill()
            time.sleep(lasting(120))
        kafka.start()
    world.settle(began)


def test_a_leader_rejects_what_is_produced(world: World, kafka: KafkaBroker) -> None:
    """The leaders of crm.documents reject what is produced: larger than the topic takes for a while"""
    began = time.monotonic()
    (worker,) = world.start()
    world.until_ready(worker)
    topic = world.deployment.settings.documents_topic
    asyncio.run(_take_up_to(kafka.address, topic, 100))
    with world.events_coming(seconds=lasting(20)):
        world.until(lambda: "kafka" in world.seen.ready, "not ready for Kafka's sake")
        time.sleep(lasting(30))
        asyncio.run(_take_up_to(kafka.address, topic, 2 << 20))
    world.settle(began)
    world.note_lines(" failed, try 1")


def test_a_topic_has_the_wrong_number_of_partitions(world: World) -> None:
    """A worker whose settings name another number of partitions than the topics have"""
    began = time.monotonic()
    world.deployment.environment({"partitions": 16})
    said = world.deployment.command("worker", code=2)
    assert "has 32 partitions, the settings say 16" in said
    world.seen.lines.append(said.strip()[:160])
    world.deployment.environment({"partitions": 32})
    world.start()
    with world.events_coming():
        pass
    world.settle(began)


def test_retention_takes_records_that_nobody_read(world: World, kafka: KafkaBroker) -> None:
    """Retention drops records under a stopped worker: the gap is told exactly; accept-gap and an import mend it"""
    began = time.monotonic()
    settings = world.deployment.settings
    (first,) = world.start()
    world.until_ready(first)
    with world.events_coming(load()[: EVENTS // 2]):
        pass
    world.deployment.wait(PATIENCE)
    world.deployment.workers[first].terminate()
    world.deployment.workers[first].wait(PATIENCE)
    read = world.positions()
    with world.events_coming(load()[EVENTS // 2 :]):
        pass
    shard = max(read, key=lambda number: read[number])
    lost = 5
    asyncio.run(_drop_before(kafka.address, TP(settings.events_topic, shard), read[shard] + lost))
    (second,) = world.start()
    world.until(lambda: "gap" in world.ready(second)[1], "the worker is not ready for the gap")
    assert f"has lost {lost} records" in world.ready(second)[1]["gap"]
    world.note_lines(f"{lost} records from offset {read[shard]} are gone")
    said = json.loads(world.deployment.command("accept-gap", str(shard), "--json"))
    assert said == [{"shard": shard, "topic": settings.events_topic, "lost": lost}]
    world.until_ready(second)
    events = world.deployment.directory / "again.jsonl"
    events.write_bytes(b"\n".join(event.value for event in load()))
    world.deployment.command("import", str(events), patience=PATIENCE)
    world.settle(began)


def test_rules_change(world: World) -> None:
    """Another time zone, channel table, stage map and look-back, then a restart; old and new rules do not mix"""
    began = time.monotonic()
    (first,) = world.start()
    world.until_ready(first)
    with world.events_coming(load()[: EVENTS // 2]):
        pass
    world.deployment.wait(PATIENCE)
    rules = {
        "time_zone": "Europe/Stockholm",
        "channels": {"email": "letters"},
        "stages": {"Qualified": "bofu"},
        "lookback_days": 10,
    }
    world.deployment.change(**rules)
    (second,) = world.start()
    assert world.deployment.workers[first].wait(PATIENCE) == 1  # a mix is refused: the older rules end
    world.until_ready(second)
    with world.events_coming(load()[EVENTS // 2 :]):
        pass
    world.deployment.wait(PATIENCE)
    fresh = expected((event.value for event in load()), world.deployment.settings.rules())
    assert fresh != wanted()
    assert_tables(world.deployment, fresh)
    assert world.deployment.audit().outcome == "clean"
    world.seen.seconds = time.monotonic() - began
    world.note_lines("sixfold rules use")


# -- load


def test_a_root_with_very_many_children(world: World) -> None:
    """A lead that catches all: 100,000 calls hang on it, and more come every second"""
    began = time.monotonic()
    children = 100_000 if LONG else 3_000
    (worker,) = world.start()
    world.until_ready(worker)
    with world.events_coming():
        pass
    lead = {"type": "crm.lead.created", "time": "2026-10-01T00:00:00Z", "data": {"lead_id": "catch-all"}}
    world.deployment.send([json.dumps({"id": "lead", "source": "chaos", **lead}).encode(), *_calls(range(children))])
    world.deployment.wait(PATIENCE)
    flushes, seconds = _flushes(world, worker)
    for index in range(20 if LONG else 3):
        world.deployment.send(_calls([children + index]))
        time.sleep(1)
    world.deployment.wait(PATIENCE)
    more, longer = _flushes(world, worker)
    took = (longer - seconds) / (more - flushes)
    world.seen.notes.append(f"{took:.1f} s a flush, {more - flushes:.0f} flushes")
    client = world.deployment.client(world.deployment.name)
    total = children + (20 if LONG else 3)
    assert client.query("SELECT count() FROM fact_calls WHERE lead_id = 'catch-all'").result_rows == [(total,)]
    assert world.deployment.audit().outcome == "clean"
    world.seen.seconds = time.monotonic() - began


def _calls(numbers: Sequence[int]) -> list[bytes]:
    return [
        json.dumps(
            {
                "id": f"call-{number}",
                "source": "chaos",
                "type": "crm.call.logged",
                "time": f"2026-11-01T{number % 24:02d}:{number % 60:02d}:00Z",
                "data": {
                    "call_id": f"catch-all-{number}",
                    "lead_id": "catch-all",
                    "rep_id": f"rep-{number % 20}",
                    "status": "answered" if number % 3 else "missed",
                    "talk_seconds": number % 600,
                    "direction": "inbound",
                },
            }
        ).encode()
        for number in numbers
    ]


def _flushes(world: World, worker: int) -> tuple[float, float]:
    """How many flushes there were, and how many seconds they took in all."""
    address = f"http://127.0.0.1:{world.deployment.metrics_ports[worker]}/metrics"
    with urllib.request.urlopen(address, timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return float(values["sixfold_flush_seconds_count"]), float(values["sixfold_flush_seconds_sum"])


# -- the embedded stack


def test_the_embedded_stack_is_killed_whole_in_an_import(tmp_path: Path) -> None:
    """The embedded stack killed whole in the middle of an import, and started again"""
    data, events = tmp_path / "data", tmp_path / "events.jsonl"
    values = [event.value for event in load() if _readable(event.value)]
    events.write_bytes(b"\n".join(values))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SIXFOLD_")}
    environment["SIXFOLD_DATA"] = str(data)
    sixfold = [sys.executable, "-m", "stream.cli"]

    def up() -> subprocess.Popen[str]:
        process = subprocess.Popen([*sixfold, "up", "--json"], env=environment, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["ready"]
        return process

    first = up()
    importing = subprocess.Popen([*sixfold, "import", str(events)], env=environment, stderr=subprocess.DEVNULL)
    time.sleep(lasting(3) / 2)
    first.kill()
    first.wait()
    second = up()
    try:
        importing.wait(PATIENCE)  # it went on by itself where the stack was away, or ends with a clear line
        done = subprocess.run([*sixfold, "import", str(events)], env=environment, timeout=PATIENCE, check=False)
        assert done.returncode == 0
        for command in ("wait", "audit"):
            subprocess.run([*sixfold, command], env=environment, timeout=PATIENCE, check=True)
        shown = json.loads(
            subprocess.run(
                [*sixfold, "sql", "--json", "SELECT sum(leads) AS leads FROM report_leads_by_channel"],
                env=environment,
                timeout=PATIENCE,
                check=True,
                capture_output=True,
            ).stdout
        )
    finally:
        second.terminate()
        second.wait(60)
    assert int(shown[0]["leads"]) == sum(row[0] for row, _ in wanted()["roll_leads"].values())


def _readable(value: bytes) -> bool:
    return b"\n" not in value


async def _take_up_to(address: str, topic: str, size: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        wanted_size = {"max.message.bytes": str(size)}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=wanted_size)])
    finally:
        await admin.close()


async def _drop_before(address: str, partition: TP, offset: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        await admin.delete_records({partition: RecordsToDelete(before_offset=offset)})
    finally:
        await admin.close()
