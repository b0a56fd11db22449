"""What running workers tell about themselves, held against what was sent and what stands in the tables."""

import asyncio
import http.client
import json
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from deploy.embedded.company import Record, records
from schemas import EVENT_TYPES, Reason, decode, homes
from stream.log import TP
from stream.reports import TABLES
from tests.clickhouse import ClickHouseServer, engine
from tests.integration.deployment import PATIENCE_SECONDS, Deployment, assert_right
from tests.kafka.broker import KafkaBroker, TansuBroker, free_port
from tests.sinks.scraping import Series, labelled, parse

T = TypeVar("T")
PARTITIONS = 8


def get(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def scrape(port: int) -> Series:
    status, body = get(port, "/metrics")
    assert status == 200
    return parse(body.decode(), "sixfold_")


def reasons(port: int) -> set[str]:
    """Why the worker is not ready; `down` when nobody answers."""
    try:
        status, body = get(port, "/ready")
    except OSError:
        return {"down"}
    answer = json.loads(body)
    assert (status == 200) == answer["ready"] == (not answer["reasons"])
    return set(answer["reasons"])


def eventually(what: Callable[[], T], wanted: Callable[[T], bool], deployment: Deployment) -> T:
    """What it gives once it is as wanted."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not wanted(found := what()):
        assert time.monotonic() < end, f"{found}\n{deployment.logs()}"
        time.sleep(0.2)
    return found


def until_ready(port: int, deployment: Deployment) -> None:
    eventually(lambda: reasons(port), lambda found: not found, deployment)


def series(found: Series, name: str) -> dict[tuple[str, ...], float]:
    """The samples of a metric by the values of its labels."""
    return {tuple(value for _, value in labels): figure for (n, labels), figure in found.items() if n == name}


def total(found: Series, name: str) -> float:
    return sum(series(found, name).values())


def start(deployment: Deployment, **settings: Any) -> tuple[Any, int]:
    """One more worker, and the port of its metrics."""
    deployment.environment(settings)
    worker = deployment.start()
    return worker, deployment.metrics_ports[-1]


def expected_of(sent: Sequence[Record]) -> tuple[Counter[str], Counter[str]]:
    """How often an event of each type is folded, and how often it is forwarded first."""
    folded: Counter[str] = Counter()
    forwarded: Counter[str] = Counter()
    for record in sent:
        event = decode(record.value, None)
        # a merge is one write a merged lead: each goes to its home by itself, unless the record has its key
        there = [home for home in dict.fromkeys(homes(event)) if home != record.key]
        here = record.key in homes(event)
        folded[event.type] += len(there) + here
        forwarded[event.type] += not here
    return folded, forwarded


def test_every_event_is_counted_once_by_what_became_of_it(
    tansu: TansuBroker, clickhouse_server: ClickHouseServer, tmp_path: Path
) -> None:
    began = time.time()
    sent = list(records(31, datetime.now(UTC), 4_000, wrong_keys=0.2, late=0.1, duplicates=0.1, golden=False))
    bad = [f"bad {number}".encode() for number in range(70)]
    with Deployment(tansu, clickhouse_server, tmp_path, PARTITIONS) as deployment:
        worker, port = start(deployment)
        until_ready(port, deployment)
        assert total(scrape(port), "sixfold_events_total") == 0
        deployment.send([r.value for r in sent], [r.key.encode() if r.key else None for r in sent])
        deployment.send(bad)
        deployment.wait()
        found = eventually(
            lambda: scrape(port),
            lambda found: (
                total(found, "sixfold_lag_records") == 0
                and total(found, "sixfold_dirty_nodes") == 0
                and total(found, "sixfold_inflight_records") == 0
            ),
            deployment,
        )
        client = deployment.client(deployment.name)

        folded, forwarded = expected_of(sent)
        assert sum(forwarded.values()) > 100
        outcomes = series(found, "sixfold_events_total")  # labels by name: outcome, type
        assert {kind: outcomes[("folded", kind)] for kind in EVENT_TYPES} == {k: folded[k] for k in EVENT_TYPES}
        assert {kind: count for kind, count in forwarded.items() if count} == {
            kind: count for (outcome, kind), count in outcomes.items() if outcome == "forwarded"
        }
        assert outcomes["dead_letter", "(unreadable)"] == len(bad)
        letters = series(found, "sixfold_dead_letters_total")
        assert {reason for (reason,), count in letters.items() if count} == {str(Reason.INVALID_JSON)}
        assert letters[(str(Reason.INVALID_JSON),)] == len(bad)

        # every folded event has its age in the histogram; the youngest was made before it was read
        ages = series(found, "sixfold_freshness_seconds_bucket")
        assert found[labelled("freshness_seconds_count")] == sum(folded.values())
        times = sorted(decode(record.value, None).time / 1e6 for record in sent)
        day_old = sum(1 for at in times if at < began - 86_400)
        assert 0 < ages["86400.0",] <= sum(folded.values()) - day_old
        assert found[labelled("freshness_seconds_sum")] > sum(began - at for at in times)

        produced = series(found, "sixfold_produced_records_total")
        assert produced["dead_letters",] == len(bad)
        parts = sum(folded.values()) - len(sent) + sum(forwarded.values())
        assert produced["events",] == parts
        read = series(found, "sixfold_records_total")
        assert read["events",] == len(sent) + len(bad) + produced["events",]
        assert read["documents",] == produced["documents",] > 0
        assert found[labelled("batch_records_sum")] == read["events",] + read["documents",]
        assert found[labelled("batch_records_count")] == found[labelled("batch_ack_seconds_count")]
        assert found[labelled("fold_seconds_count")] == found[labelled("flush_seconds_count")]

        rows = series(found, "sixfold_written_rows_total")
        assert rows["nodes",] == found[labelled("flush_nodes_sum")]
        assert rows["dead_letters",] == len(bad)
        assert rows["claims",] == PARTITIONS
        ((nodes,),) = client.query("SELECT uniqExact(entity) FROM nodes").result_rows
        assert found[labelled("nodes")] == nodes
        rolling = 0
        for table in TABLES:
            ((count,),) = client.query(f"SELECT count() FROM {table.name} FINAL WHERE is_deleted = 0").result_rows
            rolling += count
        assert found[labelled("rolling_rows")] == rolling
        assert found[labelled("dirty_rolling_rows")] == 0
        for table, size in series(found, "sixfold_written_bytes_total").items():
            assert size > 20 * rows[table]
        assert series(found, "sixfold_insert_seconds_count").keys() == rows.keys()

        epochs = client.query("SELECT toString(shard), max(epoch) FROM claims GROUP BY shard").result_rows
        assert series(found, "sixfold_shard_epoch") == {(shard,): epoch for shard, epoch in epochs}
        assert series(found, "sixfold_shards") == {("assigned",): PARTITIONS, ("ready",): PARTITIONS}
        assert found[labelled("claims_total")] == found[labelled("takeover_seconds_count")] == PARTITIONS
        assert found[labelled("rebalances_total")] == 1
        assert len(series(found, "sixfold_lag_records")) == 2 * PARTITIONS
        assert not series(found, "sixfold_gap_records")
        assert began < found[labelled("last_flush_timestamp_seconds")] <= time.time()
        assert total(found, "sixfold_retries_total") == 0

        # another one takes its part; each tells of its own
        _, other = start(deployment)
        eventually(
            lambda: [series(scrape(p), "sixfold_shards") for p in (port, other)] if not reasons(other) else [],
            lambda states: states == [{("assigned",): PARTITIONS / 2, ("ready",): PARTITIONS / 2}] * 2,
            deployment,
        )
        assert get(port, "/live")[0] == get(other, "/live")[0] == 200
        before = [total(scrape(p), "sixfold_events_total") for p in (port, other)]
        assert before[1] == 0
        more = [record.value for record in records(32, datetime.now(UTC), 2_000, golden=False)]
        deployment.send(more)
        deployment.wait()
        both = eventually(
            lambda: [scrape(p) for p in (port, other)],
            lambda found: all(total(each, "sixfold_lag_records") == 0 for each in found),
            deployment,
        )
        mine = [total(each, "sixfold_events_total") for each in both]
        folded, _ = expected_of([Record(decode(value, None).home, value) for value in more])
        assert sum(mine) - sum(before) == sum(folded.values())
        assert mine[0] > before[0]
        assert mine[1] > 0
        assert (
            sum(total(each, "sixfold_nodes") for each in both)
            == client.query("SELECT uniqExact(entity) FROM nodes").result_rows[0][0]
        )

        # its port is its own
        refused = deployment.start(metrics_port=port)
        assert refused.wait(PATIENCE_SECONDS) == 2
        assert f"port {port} on 127.0.0.1 for metrics is taken: set SIXFOLD_METRICS_PORT" in deployment.logs()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0, deployment.logs()


def test_not_ready_while_a_service_is_away_or_the_lag_is_great(tmp_path: Path) -> None:
    for name in ("broker", "engine", "deployment"):
        (tmp_path / name).mkdir()
    engine_port = free_port()
    server = ClickHouseServer("127.0.0.1", engine_port, "sixfold", "password")
    values = [record.value for record in records(33, datetime.now(UTC), 2_000, golden=False)]
    with TansuBroker(tmp_path / "broker") as broker, engine(engine_port, tmp_path / "engine") as running:
        deployment = Deployment(broker, server, tmp_path / "deployment", PARTITIONS)
        deployment.command("migrate")
        worker, port = start(deployment, ready_lag=500)
        try:
            until_ready(port, deployment)
            running.kill()
            running.wait()
            eventually(lambda: reasons(port), lambda found: found == {"clickhouse"}, deployment)
            assert total(scrape(port), "sixfold_retries_total") > 0
            deployment.send(values)  # they are read, and cannot be written
            found = eventually(lambda: reasons(port), lambda found: "lag" in found, deployment)
            assert found == {"clickhouse", "lag"}
            state = scrape(port)
            assert total(state, "sixfold_lag_records") >= len(values)
            assert state[labelled("dirty_nodes")] + state[labelled("oldest_inflight_seconds")] > 0
            assert state[labelled("ready")] == 0
            assert series(state, "sixfold_not_ready_reason")["lag",] == 1
            assert total(state, "sixfold_events_total") == 0  # nothing is visible
            assert get(port, "/live")[0] == 200
            with engine(engine_port, tmp_path / "engine"):
                until_ready(port, deployment)
                eventually(lambda: total(scrape(port), "sixfold_lag_records"), lambda lag: lag == 0, deployment)
                assert total(scrape(port), "sixfold_events_total") >= len(values)
                broker.kill()
                eventually(lambda: reasons(port), lambda found: "kafka" in found, deployment)
        finally:
            worker.kill()
            worker.wait()


def test_a_gap_is_told_until_it_is_accepted(
    kafka: KafkaBroker, clickhouse_server: ClickHouseServer, tmp_path: Path
) -> None:
    values = [record.value for record in records(34, datetime.now(UTC), 2_000, golden=False)]
    with Deployment(kafka, clickhouse_server, tmp_path, 2) as deployment:
        worker, port = start(deployment)
        deployment.send(values[:1_000])
        deployment.wait()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0
        deployment.send(values[1_000:])
        position = deployment.client(deployment.name).query(
            "SELECT argMax(events_position, (epoch, flush)) FROM manifest WHERE shard = 1"
        ).result_rows[0][0]  # fmt: skip
        topic = deployment.settings.events_topic
        asyncio.run(_delete_before(kafka.address, TP(topic, 1), position + 17))
        worker, port = start(deployment)
        eventually(lambda: reasons(port), lambda found: found == {"gap", "loading"}, deployment)
        # the other shard need not wait for it
        shards = {("assigned",): 2, ("ready",): 1}
        eventually(lambda: series(scrape(port), "sixfold_shards"), lambda found: found == shards, deployment)
        assert series(scrape(port), "sixfold_gap_records") == {("1", "events"): 17}
        deployment.command("accept-gap", "1")
        until_ready(port, deployment)
        assert not series(scrape(port), "sixfold_gap_records")


async def _delete_before(address: str, partition: TP, offset: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        await admin.delete_records({partition: RecordsToDelete(offset)})
    finally:
        await admin.close()


def test_a_static_member_comes_back_to_its_shards_and_nobody_else_notices(
    kafka: KafkaBroker, clickhouse_server: ClickHouseServer, tmp_path: Path
) -> None:
    load = [record.value for record in records(33, datetime.now(UTC), 6_000, golden=False)]
    with Deployment(kafka, clickhouse_server, tmp_path) as deployment:
        deployment.change(static_membership=True, session_timeout=30)
        one, other = free_port(), free_port()
        leaving = deployment.start(one, "leaving")
        deployment.start(other, "staying")
        half = {("assigned",): 4, ("ready",): 4}
        for port in (one, other):
            until_ready(port, deployment)
        for port in (one, other):  # the first to be ready had them all until the second one joined
            eventually(
                lambda port=port: series(scrape(port), "sixfold_shards"), lambda found: found == half, deployment
            )
        for how, part in ((signal.SIGTERM, load[:3_000]), (signal.SIGKILL, load[3_000:])):
            deployment.send(part)
            leaving.send_signal(how)
            leaving.wait()
            leaving = deployment.start(one, "leaving")
            deployment.wait()
            until_ready(one, deployment)
            assert [series(scrape(port), "sixfold_shards") for port in (one, other)] == [half, half]
        assert scrape(other)[labelled("rebalances_total")] <= 2  # those of the beginning
        assert_right(deployment, load)
