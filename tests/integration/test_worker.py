"""The running worker against real brokers and the real engine: whatever happens, the tables are those of the batch."""

import asyncio
import itertools
import json
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from deploy.embedded.company import records
from schemas import Reason, decode
from stream.rules import Rules
from tests.clickhouse import ClickHouseServer
from tests.integration.deployment import PATIENCE_SECONDS, Broker, Deployment, assert_right

END = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture(params=["tansu", "kafka"])
def broker(request: pytest.FixtureRequest) -> Broker:
    found: Broker = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def deployment(broker: Broker, clickhouse_server: ClickHouseServer, tmp_path: Path) -> Iterator[Deployment]:
    with Deployment(broker, clickhouse_server, tmp_path) as deployed:
        yield deployed


def test_three_kills_among_a_hundred_thousand_events(deployment: Deployment) -> None:
    load = list(records(7, END, 100_000, duplicates=0.05, late=0.05, wrong_keys=0.05))
    values = [record.value for record in load]
    deployment.send(values, [record.key.encode() if record.key else None for record in load])
    for quarter in (1, 2, 3):
        worker = deployment.start()
        deployment.wait_until_read(quarter * len(values) // 4)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    last = deployment.start()
    deployment.wait()
    assert_right(deployment, values)
    last.send_signal(signal.SIGTERM)
    assert last.wait(60) == 0, deployment.logs()


@pytest.mark.parametrize("broker", ["tansu"], indirect=True)
def test_two_workers_share_and_survive_a_kill_and_a_zombie(deployment: Deployment) -> None:
    values = [record.value for record in records(8, END, 30_000)]
    first, second = deployment.start(), deployment.start()
    deployment.send(values[:10_000])
    deployment.wait()
    first.send_signal(signal.SIGSTOP)  # it owns shards, and will wake up when another has long had them
    deployment.send(values[10_000:20_000])
    deployment.wait()
    first.send_signal(signal.SIGCONT)
    deployment.send(values[20_000:25_000])
    time.sleep(1)
    second.send_signal(signal.SIGKILL)
    deployment.send(values[25_000:])
    deployment.wait()
    assert_right(deployment, values)


def _bad() -> Iterator[tuple[bytes, Reason]]:
    """Malformed events of every reason in turn, each unlike the others."""
    for number in itertools.count():
        event = {
            "id": f"bad-{number}",
            "source": "test",
            "type": "crm.lead.created",
            "time": "2026-11-01T00:00:00Z",
            "data": {"lead_id": f"bad-{number}"},
        }
        spend = {
            "platform": "meta",
            "date": "2026-11-01",
            "amount": "1.23456",
            "currency": "USD",
            "category": str(number),
        }
        yield b"{" + str(number).encode(), Reason.INVALID_JSON
        yield b"\xff\xfe" + str(number).encode(), Reason.INVALID_JSON
        yield json.dumps({**event, "time": "yesterday"}).encode(), Reason.INVALID_ENVELOPE
        yield json.dumps({**event, "time": "1969-12-31T23:59:59Z"}).encode(), Reason.INVALID_ENVELOPE
        yield json.dumps([event]).encode(), Reason.INVALID_ENVELOPE
        yield json.dumps({**event, "type": "crm.lead.seen"}).encode(), Reason.UNKNOWN_TYPE
        yield json.dumps({**event, "data": {"name": "nobody"}}).encode(), Reason.MISSING_MEMBER
        yield json.dumps({**event, "data": {"lead_id": ""}}).encode(), Reason.INVALID_MEMBER
        yield json.dumps({**event, "type": "crm.spend.posted", "data": spend}).encode(), Reason.INVALID_MEMBER
        yield json.dumps({**event, "time": "2147-01-01T00:00:00Z"}).encode(), Reason.TIME_IN_FUTURE
        if number % 10 == 0:
            large = {**event["data"], "lead_magnet": "x" * (1 << 20)}  # type: ignore[dict-item]  # a dict it is
            yield json.dumps({**event, "data": large}).encode(), Reason.TOO_LARGE


def test_bad_events_are_dead_letters_and_nothing_else_is_lost(deployment: Deployment) -> None:
    good = [record.value for record in records(9, END, 5_000, golden=False)]
    bad = list(itertools.islice(_bad(), 1_000))
    mixed: list[bytes] = []
    for index, value in enumerate(good):
        mixed.append(value)
        if index < len(bad):
            mixed.append(bad[index][0])
    deployment.start()
    deployment.send(mixed)
    deployment.wait()
    rows = (
        deployment.client(deployment.name)
        .query("SELECT value, reason FROM dead_letters FINAL", query_formats={"String": "bytes"})
        .result_rows
    )
    found = sorted((bytes(value), bytes(reason).decode()) for value, reason in rows)
    assert found == sorted((value, str(reason)) for value, reason in bad)
    assert {reason for _, reason in bad} == set(Reason)
    assert_right(deployment, good)


@pytest.mark.parametrize("broker", ["tansu"], indirect=True)
def test_other_rules_count_history_anew(deployment: Deployment) -> None:
    values = [record.value for record in records(10, END, 5_000, golden=False)]
    deployment.send(values)
    worker = deployment.start()
    deployment.wait()
    worker.terminate()
    assert worker.wait(60) == 0, deployment.logs()
    rules = {
        "time_zone": "Europe/Stockholm",
        "lookback_days": 10,
        "stages": {"Qualified": "bofu"},
        "channels": {"email": "letters"},
        "currency": "EUR",
    }
    deployment.change(**rules)
    worker = deployment.start()
    deployment.send(values[:1])  # the manifest must move for `wait` to see the new worker
    deployment.wait()
    assert_right(deployment, values, deployment.settings.rules())
    assert deployment.settings.rules() != Rules()


@pytest.mark.parametrize("broker", ["tansu"], indirect=True)
def test_two_configurations_do_not_take_turns(deployment: Deployment) -> None:
    values = [record.value for record in records(11, END, 3_000, golden=False)]
    deployment.send(values)
    running = deployment.start()
    deployment.wait()
    deployment.change(time_zone="Europe/Stockholm")
    deployment.start()
    # the newer rules are in force; the running worker meets them when it has to share, and may not go on
    assert running.wait(PATIENCE_SECONDS) != 0
    stockholm = deployment.settings.rules()
    deployment.change()
    assert deployment.start().wait(PATIENCE_SECONDS) != 0  # nor may it come back
    assert "sixfold rules use" in deployment.logs()
    deployment.change(time_zone="Europe/Stockholm")
    deployment.send(values[:1])
    deployment.wait()
    assert_right(deployment, values, stockholm)


@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
@pytest.mark.parametrize("topic", ["events", "documents"])
def test_a_topic_that_was_made_anew_is_noticed(deployment: Deployment, topic: str) -> None:
    before = [record.value for record in records(13, END, 3_000, golden=False)]
    after = [record.value for record in records(14, END, 6_000, golden=False)]
    worker = deployment.start()
    deployment.send(before)
    deployment.wait()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(60) == 0, deployment.logs()
    name = deployment.settings.events_topic if topic == "events" else deployment.settings.documents_topic
    asyncio.run(_delete_topic(deployment.broker.address, name))
    deployment.command("migrate")
    deployment.send(after)  # more than before: the old positions lie within the new log
    deployment.start()
    deployment.wait()
    assert f"{name}[" in deployment.logs()
    assert_right(deployment, [*before, *after])


async def _delete_topic(address: str, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        await admin.delete_topics([name])
        while name in await admin.list_topics():  # noqa: ASYNC110 - the broker tells nobody
            await asyncio.sleep(0.1)
    finally:
        await admin.close()


@pytest.mark.parametrize("broker", ["tansu"], indirect=True)
def test_the_golden_figures_over_http(deployment: Deployment) -> None:
    values = [record.value for record in records(15, END, 12_000)]
    deployment.start()
    deployment.send(values)
    deployment.wait()
    assert_right(deployment, values)
    client = deployment.client(deployment.name)
    golden = "WHERE campaign_id IN ('instagram-influencer', 'search-ad')"
    # both campaigns lie within one calendar year of the quarter: the ratios are those that the view states
    stated = client.query(
        "SELECT campaign_id, leads, won_deals, revenue, spend, roas, roi, cpa"
        f" FROM report_profitability_by(grain = 'year') {golden} ORDER BY campaign_id"
    ).result_rows
    assert [tuple(row) for row in stated] == [
        ("instagram-influencer", 1000, 100, 40_000, 50_000, 0.8, -0.2, 500.0),
        ("search-ad", 1000, 1000, 400_000, 50_000, 8.0, 7.0, 50.0),
    ]
    bought = client.query(
        "SELECT campaign_id, sum(customers) / sum(leads), sum(customers) / sum(visitors)"
        f" FROM report_lead_sources {golden} GROUP BY campaign_id ORDER BY campaign_id"
    ).result_rows
    assert bought[0][1] == 0.1
    assert bought[1][2] == 0.01
    latest: dict[str, int] = {}
    for event in (decode(value, None) for value in values):
        latest[event.source] = max(event.time, latest.get(event.source, 0))
    heard = client.query("SELECT source, toUnixTimestamp64Micro(last_event_time) FROM report_sources").result_rows
    assert dict(heard) == latest
