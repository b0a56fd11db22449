"""Every view against an oracle that was written from the contract alone, over companies of hard corners.

`SIXFOLD_ORACLE_SEEDS=100` tries so many seeds; `make deep` does.
"""

import os
import random
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from clickhouse_connect.driver.client import Client

from sinks.audit import audit
from sinks.migrate import migrate
from tests.clickhouse import ClickHouseServer
from tests.oracle.company import Company, config
from tests.oracle.compare import differences
from tests.oracle.engine import fill, rows_of, settings
from tests.oracle.journeys import Config, Journeys
from tests.oracle.reports import WITH_PERIODS, WITHOUT_PERIODS, Reports, Row
from tests.oracle.state import read

SEEDS = int(os.environ.get("SIXFOLD_ORACLE_SEEDS", "6"))
GRAINS = ("day", "week", "month", "quarter", "year")
SHOWN = 12


def shown(client: Client, select: str) -> list[Row]:
    result = client.query(select)
    names = ["day" if name == "period_start" else name for name in result.column_names]
    return [dict(zip(names, row, strict=True)) for row in result.result_rows]


def today(config: Config) -> date:
    return datetime.now(ZoneInfo(config.time_zone)).date()


def compare_all(client: Client, reports: Reports, grains: tuple[str, ...] = GRAINS) -> list[str]:
    found: list[str] = []
    for name in WITHOUT_PERIODS:
        found += differences(name, shown(client, f"SELECT * FROM {name}"), reports.view(name))
    for name in WITH_PERIODS:
        for grain in grains:
            view = name if grain == "day" else f"{name}_by(grain = '{grain}')"
            found += differences(view, shown(client, f"SELECT * FROM {view}"), reports.view(name, grain))
    return found


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_view_agrees_with_the_oracle(
    clickhouse_server: ClickHouseServer, empty_database: tuple[Client, str], seed: int
) -> None:
    client, name = empty_database
    settings_of = config(seed)
    events = Company(seed).events()
    migrate(client, name, settings(settings_of).view_settings())
    connected = clickhouse_server.connect(name)
    now_ms = int(datetime.now(ZoneInfo("UTC")).timestamp() * 1000)
    fill(connected, rows_of(events, settings_of, now_ms, random.Random(seed)))
    found: list[str] = ["the day changed"]
    while found and found[0] == "the day changed":
        day = today(settings_of)
        reports = Reports(Journeys(read(events), settings_of), day)
        found = compare_all(connected, reports)
        if today(settings_of) != day:
            found = ["the day changed"]
    result: Any = audit(connected)
    connected.close()
    found += [f"audit: {difference}" for difference in result.differences]
    assert not found, "\n".join([f"{len(found)} differences, seed {seed}", *found[:SHOWN]])
