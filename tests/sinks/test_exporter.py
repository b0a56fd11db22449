"""The exporter has at most 2,000 series, and none that is not good any more."""

import asyncio
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from sinks.endpoint import Endpoint
from sinks.exporter import MOST_SERIES, NOT_READY, Exporter
from sinks.kpi import QUERIES
from sinks.migrate import ViewSettings, migrate
from stream.exporting import exporting
from stream.settings import Settings
from stream.topics import migrate_topics
from tests.clickhouse import ClickHouseServer, engine
from tests.kafka.broker import TansuBroker, free_port
from tests.sinks.node_rows import call, insert, key, node
from tests.sinks.scraping import Series, exporter_and_log, exporter_of, labelled, refresh, scrape
from tests.sinks.test_views import leads, opportunities, put, revenue, spend

# -- the bound on the series


def crowd(client: Client, *, campaigns: int, reps: int, channels: int, teams: int) -> None:
    """As many members as said, each with figures in every window; budgets, targets, sources and calls for all."""
    days = [str(datetime.now(UTC).date() - timedelta(days=back)) for back in (0, 3, 20)]
    money = {"revenue": 40_0000, "cost": 10_0000}
    ids = [(f"c{n}", f"channel {n % channels}") for n in range(campaigns)]
    put(client, "campaigns", *({"campaign_id": c, "name": f"Campaign {c}", "has_budget": 1, "budget_units": 9_000_0000,
                                "currency": "USD"} for c, _ in ids))  # fmt: skip
    for day in days:
        put(client, "roll_leads", *(leads(day=day, channel=ch, campaign_id=c, leads=3, customers=1) for c, ch in ids))
        put(client, "roll_revenue", *(revenue(day=day, channel=ch, campaign_id=c, amount=money["revenue"],
                                              cost=money["cost"]) for c, ch in ids))  # fmt: skip
        put(client, "roll_spend", *(spend(day=day, channel=ch, campaign_id=c, amount_units=(500 + n) * 10_000)
                                    for n, (c, ch) in enumerate(ids)))  # fmt: skip
    staff = [(f"r{n}", f"Team {n % teams}") for n in range(reps)]
    put(
        client,
        "reps",
        *({"rep_id": r, "name": f"Rep {r}", "teams": [{"since": "1970-01-01", "team": team}]} for r, team in staff),
    )
    for day in days:
        put(client, "roll_calls", *({"day": day, "rep_id": r, "direction": "inbound", "calls": 10 + n, "answered": 5,
                                     "missed": 5 + n, "talk_seconds": 9} for n, (r, _) in enumerate(staff))
        )  # fmt: skip
    put(client, "roll_opportunities", *(opportunities(day=days[0], owner_id=r, date_kind=kind, amount_units=n * 10_000,
                                                      weighted_units=n * 5_000)
                                        for n, (r, _) in enumerate(staff) for kind in ("created", "due")))  # fmt: skip
    month = f"{days[0][:8]}01"
    put(client, "targets", *({"metric": metric, "scope": f"rep/{r}", "month": month, "value": 5 + n}
                             for n, (r, _) in enumerate(staff) for metric in ("revenue", "calls")))  # fmt: skip
    put(client, "targets", *({"metric": metric, "scope": "company", "month": month, "value": 1}
                             for metric in ("revenue", "leads", "calls", "won_deals")))  # fmt: skip
    put(client, "benchmarks", *({"metric": metric, "valid_from": "2020-01-01", "value": 1}
                                for metric in ("answer_rate", "avg_talk_seconds", "advance_rate")))  # fmt: skip
    now = datetime.now(UTC).replace(tzinfo=None)
    moment = (now - timedelta(minutes=5)).isoformat()
    insert(client, "nodes", (node(key("lead", r), calls=[call(f"{r}-{n}", "", moment, rep_id=r) for n in range(2)])
                             for r, _ in staff))  # fmt: skip
    insert(client, "source_minutes", ({"source": f"source {n}", "minute": 1_760_000_000, "last_us": n + 1} for n in
                                      range(100)))  # fmt: skip


def everything(exporter: Exporter) -> Series:
    """All series of the exporter's endpoint, those of the process included."""
    Endpoint(exporter.registry, NOT_READY, exporter.not_ready)
    return scrape(exporter, prefix="")


def test_five_hundred_campaigns_and_three_hundred_reps_are_twenty_and_the_others(database: Client) -> None:
    crowd(database, campaigns=500, reps=300, channels=10, teams=10)
    exporter = exporter_of(database)
    refresh(exporter)
    asyncio.run(exporter.audit())
    found = everything(exporter)
    assert not exporter.not_ready()
    assert 1_000 < len(found) <= MOST_SERIES
    assert found[labelled("exporter_top_members")] == 20
    names = {"campaign": "spend", "rep": "calls", "team": "calls", "channel": "leads"}
    for dimension, measure in names.items():
        figures = {
            dict(labels)["member"]: figure
            for (name, labels), figure in found.items()
            if name == f"sixfold_kpi_{measure}" and {"30d", dimension} <= {value for _, value in labels}
        }
        crowded = dimension in ("campaign", "rep")
        assert len(figures) == (21 if crowded else 10)
        whole = {"campaign": sum(range(500, 1000)) * 3, "channel": 500 * 9}.get(dimension, sum(range(10, 310)) * 3)
        assert sum(figures.values()) == whole
        if crowded:
            rest = figures.pop("(other)")
            assert rest > sum(figures.values()) > 0
            least = {"campaign": 480, "rep": 280}[dimension]
            assert set(figures) == {f"{dimension[0]}{n}" for n in range(least, least + 20)}
    others = {"window": "30d", "dimension": "campaign", "member": "(other)", "name": "(other)"}
    spent = sum(range(500, 980)) * 3
    assert found[labelled("kpi_roas_ratio", **others)] == pytest.approx(480 * 3 * 40 / spent)
    assert found[labelled("kpi_roi_ratio", **others)] == pytest.approx((480 * 3 * 30 - spent) / (480 * 3 * 10 + spent))
    targets = [labels for name, labels in found if name == "sixfold_kpi_target"]
    assert len(targets) == 40
    assert sum(1 for labels in targets if ("scope", "company") in labels) == 4


def test_where_twenty_would_be_too_many_fewer_are_shown(database: Client) -> None:
    crowd(database, campaigns=100, reps=100, channels=70, teams=60)
    exporter = exporter_of(database)
    refresh(exporter)
    asyncio.run(exporter.audit())
    found = everything(exporter)
    assert MOST_SERIES - 150 < len(found) <= MOST_SERIES
    top = found[labelled("exporter_top_members")]
    assert 10 < top < 20
    for dimension, whole in (("campaign", sum(range(500, 600)) * 3), ("channel", sum(range(500, 600)) * 3)):
        figures = [
            figure
            for (name, labels), figure in found.items()
            if name == "sixfold_kpi_spend" and {"30d", dimension} <= {value for _, value in labels}
        ]
        assert len(figures) == top + 1
        assert sum(figures) == pytest.approx(whole)


# -- withdrawing


class Clock:
    """The time, as a test says."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


def write(client: Client, flush: int) -> None:
    """Somebody flushed: a call more, and a manifest."""
    put(client, "manifest", {"shard": 0, "epoch": 1, "flush": flush, "events_position": flush})
    day = str(datetime.now(UTC).date())
    put(client, "roll_calls", {"day": day, "rep_id": "r1", "calls": flush, "answered": 1, "version": flush})


def up(exporter: Exporter) -> dict[str, bool]:
    """Which queries' figures are shown, by their own account."""
    found = scrape(exporter, prefix="sixfold_exporter_query_up")
    return {dict(labels)["query"]: bool(figure) for (_, labels), figure in found.items()}


def shown(exporter: Exporter) -> set[str]:
    """The queries that any KPI series is from."""
    names = {name for name, _ in scrape(exporter)}
    return {query.name for query in QUERIES if names & {metric.name for metric in query.metrics} - SHARED}


SHARED = {f"sixfold_kpi_{name}" for name in ("leads", "customers", "revenue", "spend", "roas_ratio", "cpl", "cpa")}
CALLS_TODAY = labelled("kpi_calls", window="today", dimension="all", member="(all)", name="(all)")
AS_OF_CALLS = labelled("report_as_of_seconds", report="report_calls")
AS_OF_FUNNEL = labelled("report_as_of_seconds", report="report_funnel")


def test_a_query_that_fails_loses_its_figures_and_no_other(database: Client) -> None:
    write(database, 1)
    exporter = exporter_of(database)
    refresh(exporter)
    assert scrape(exporter)[CALLS_TODAY] == 1
    database.command("RENAME TABLE report_calls TO hidden")
    refresh(exporter)  # nobody wrote, so that nothing was asked
    assert scrape(exporter)[CALLS_TODAY] == 1
    write(database, 2)
    refresh(exporter)
    assert {name for name, good in up(exporter).items() if not good} == {"calls"}
    assert "calls" not in shown(exporter)
    assert {"settings", "recent_calls", "quality", "dead_letters", "pipeline"} <= shown(exporter)
    assert exporter.not_ready() == {"stale": "not shown: calls"}
    found = scrape(exporter, prefix="sixfold_")
    assert found[labelled("exporter_query_failures_total", query="calls")] == 1
    assert AS_OF_CALLS not in found
    assert AS_OF_FUNNEL in found
    database.command("RENAME TABLE hidden TO report_calls")
    refresh(exporter)
    assert scrape(exporter)[CALLS_TODAY] == 2
    assert not exporter.not_ready()


def test_figures_that_are_not_found_again_are_withdrawn(database: Client) -> None:
    clock = Clock()
    write(database, 1)
    exporter = exporter_of(database, now=clock, stale=100)
    refresh(exporter)
    clock.now += 99
    assert all(up(exporter).values())
    assert shown(exporter) >= {"calls", "settings"}
    assert scrape(exporter, prefix="sixfold_")[AS_OF_CALLS] == pytest.approx(clock.now - 99)
    clock.now += 2
    assert not scrape(exporter)
    assert not any(up(exporter).values())
    assert set(exporter.not_ready()) == {"stale"}


def test_figures_of_tables_that_stay_behind_kafka_are_withdrawn(database: Client) -> None:
    clock = Clock()
    write(database, 1)
    exporter, log = exporter_and_log(database, now=clock, stale=100)
    log.behind = 1
    refresh(exporter)
    assert not scrape(exporter)  # how old they are is not known
    log.behind = 0
    write(database, 2)
    refresh(exporter)
    caught_up = clock.now
    assert scrape(exporter)[CALLS_TODAY] == 2
    assert all(up(exporter).values())
    log.behind = 1
    for _ in range(3):
        clock.now += 30
        write(database, round(clock.now - caught_up))  # the tables move, and the log ahead of them
        refresh(exporter)
        assert scrape(exporter)[CALLS_TODAY] == round(clock.now - caught_up)
        assert scrape(exporter, prefix="sixfold_report")[AS_OF_CALLS] == pytest.approx(clock.now - 30)
    log.frozen = asyncio.run(log.ends())[0]  # the tables stand still one record before the log's end
    for _ in range(4):
        clock.now += 30
        refresh(exporter)
    assert not scrape(exporter)
    assert set(exporter.not_ready()) == {"stale"}
    write(database, 91)
    refresh(exporter)
    assert scrape(exporter)[CALLS_TODAY] == 91
    assert scrape(exporter, prefix="sixfold_report")[AS_OF_CALLS] == pytest.approx(clock.now)


def test_what_the_audit_found(database: Client) -> None:
    clock = Clock()
    write(database, 1)  # a call that no record knows of
    exporter = exporter_of(database, now=clock, audit_interval=1000, stale=100)
    asyncio.run(exporter.audit())
    found = {
        dict(labels)["audit"]: figure
        for (name, labels), figure in scrape(exporter, prefix="sixfold_audit").items()
        if name == "sixfold_audit_differences"
    }
    assert len(found) == 11
    assert found["audit_roll_calls"] > 0
    assert found["audit_leads"] == 0
    assert scrape(exporter, prefix="sixfold_audit")[labelled("audit_busy")] == 0
    clock.now += 2_101
    assert not scrape(exporter, prefix="sixfold_audit")


def test_without_clickhouse_nothing_is_shown_until_it_is_back(tmp_path: Path, tansu: TansuBroker) -> None:
    port = free_port()
    server = ClickHouseServer("127.0.0.1", port, "sixfold", "password")
    settings = Settings(
        brokers=tansu.address,
        prefix=f"{tmp_path.name}.",
        partitions=1,
        clickhouse_url=f"http://sixfold:password@127.0.0.1:{port}/crm",
        exporter_timeout=8,
        exporter_interval=0.5,
    )

    async def gone(exporter: Exporter) -> None:
        await until(lambda: not scrape(exporter))
        assert not any(up(exporter).values())
        await until(lambda: set(exporter.not_ready()) == {"clickhouse", "stale"})

    async def withdraw() -> None:
        await migrate_topics(settings)
        with engine(port, tmp_path) as process:
            client = await asyncio.to_thread(server.connect)
            await asyncio.to_thread(migrate, client, "crm", ViewSettings(partitions=1))
            await asyncio.to_thread(write, server.connect("crm"), 0)
            async with exporting(settings, 0) as running:
                exporter = running.exporter
                await until(lambda: not exporter.not_ready())
                assert CALLS_TODAY in scrape(exporter)
                process.send_signal(signal.SIGSTOP)  # it is there, and does not answer
                await gone(exporter)
                process.send_signal(signal.SIGCONT)
                await until(lambda: not exporter.not_ready())
                assert CALLS_TODAY in scrape(exporter)
                process.kill()
                await asyncio.to_thread(process.wait)
                await gone(exporter)
                with engine(port, tmp_path):
                    await until(lambda: not exporter.not_ready())
                    assert CALLS_TODAY in scrape(exporter)

    asyncio.run(withdraw())


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(180):
        while not what():  # noqa: ASYNC110 - an exporter tells nobody
            await asyncio.sleep(0.1)
