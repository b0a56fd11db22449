"""Every view against an oracle that was written from the contract alone, over companies of hard corners."""

import random
from collections import Counter
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from clickhouse_connect.driver.client import Client

from sinks.audit import audit
from sinks.migrate import migrate
from tests.clickhouse import ClickHouseServer
from tests.oracle.company import Company, config
from tests.oracle.compare import differences
from tests.oracle.corners import CORNERS, corners
from tests.oracle.engine import fill, rows_of, settings
from tests.oracle.facts import FACTS
from tests.oracle.journeys import Config, Journeys
from tests.oracle.reports import WITH_PERIODS, WITHOUT_PERIODS, Reports, Row
from tests.oracle.state import read

SEEDS = 4
GRAINS = ("day", "week", "month", "quarter", "year")
SHOWN = 12
#: nodes are the implementation's; where a dead letter lies depends on the batches
QUALITY = """
    SELECT * REPLACE (if(check LIKE 'dead_letters%', arrayMap(id -> '', sample_ids), sample_ids) AS sample_ids)
    FROM report_quality
    WHERE check NOT IN ('roots_with_many_documents', 'records_to_fetch')"""


def shown(client: Client, select: str) -> list[Row]:
    result = client.query(select)
    names = ["day" if name == "period_start" else name for name in result.column_names]
    return [dict(zip(names, row, strict=True)) for row in result.result_rows]


def today(rules: Config) -> date:
    return datetime.now(ZoneInfo(rules.time_zone)).date()


def compare_all(client: Client, reports: Reports, grains: tuple[str, ...]) -> list[str]:
    """The differences of all fact and report views; those with periods by each of the grains."""
    found: list[str] = []
    for name, records in FACTS.items():
        wanted = records(reports)
        found += differences(name, shown(client, f"SELECT {', '.join(wanted[0])} FROM {name}"), wanted)
    for name in WITHOUT_PERIODS:
        found += differences(
            name, shown(client, QUALITY if name == "report_quality" else f"SELECT * FROM {name}"), reports.view(name)
        )
    for name in WITH_PERIODS:
        # it reads ten of the others: one of the grains is enough
        for grain in grains[:1] if name == "report_long" else grains:
            view = name if grain == "day" else f"{name}_by(grain = '{grain}')"
            found += differences(view, shown(client, f"SELECT * FROM {view}"), reports.view(name, grain))
    return found


def test_the_companies_have_every_hard_corner() -> None:
    found: Counter[str] = Counter()
    for seed in range(SEEDS):
        company = Journeys(read(Company(seed).events()), config(seed))
        found.update(corners(Reports(company, today(company.config))))
    assert not [corner for corner in CORNERS if not found[corner]]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_view_agrees_with_the_oracle(
    clickhouse_server: ClickHouseServer, empty_database: tuple[Client, str], seed: int
) -> None:
    check(clickhouse_server, empty_database, seed, (GRAINS[1 + seed % 4], "day"))


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(SEEDS, 100))
def test_every_view_agrees_with_the_oracle_over_many_companies(
    clickhouse_server: ClickHouseServer, empty_database: tuple[Client, str], seed: int
) -> None:
    check(clickhouse_server, empty_database, seed, (GRAINS[seed % 5], *GRAINS), size=40 + seed)


def check(
    server: ClickHouseServer, empty_database: tuple[Client, str], seed: int, grains: tuple[str, ...], size: int = 40
) -> None:
    """Put a company through the product and through the oracle, and compare; the audit must find nothing either."""
    client, name = empty_database
    rules = config(seed)
    events = Company(seed, size).events()
    migrate(client, name, settings(rules).view_settings())
    connected = server.connect(name)
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    fill(connected, rows_of(events, rules, now_ms, random.Random(seed)))
    while True:
        day = today(rules)
        found = compare_all(connected, Reports(Journeys(read(events), rules), day), grains)
        if day == today(rules):  # else the views were read on two days
            break
    found += [f"audit: {difference}" for difference in audit(connected).differences]
    connected.close()
    assert not found, "\n".join([f"{len(found)} differences, seed {seed}", *found[:SHOWN]])
