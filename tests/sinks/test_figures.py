"""The reports as data: what they say of the views is what the views are, and records add up to figures."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from deploy.embedded.company import lines
from sinks.figures import FAMILIES, REPORTS, Counted, Figures
from sinks.migrate import migrate
from sinks.views import load_views
from stream.settings import Settings
from tests.clickhouse import ClickHouseServer
from tests.told import Told

END = datetime(2026, 3, 31, 18, tzinfo=UTC)
VIEWS = {view.name: view for view in load_views()}


@pytest.fixture(scope="module")
def company(clickhouse_server: ClickHouseServer) -> Iterator[Client]:
    """An invented company's quarter, in a currency of its own so that money is converted."""
    name = "figures"
    root = clickhouse_server.connect()
    settings = Settings(currency="EUR", attribution_model="linear")
    migrate(root, name, settings.view_settings())
    client = clickhouse_server.connect(name)
    Told(client, rules=settings.rules()).tell(lines(11, END, 7_000))
    yield client
    client.close()
    root.command(f"DROP DATABASE {name}")
    root.close()


@pytest.mark.parametrize("figures", REPORTS.values(), ids=lambda each: getattr(each, "report", None) or each.name)
def test_every_column_of_the_view_is_accounted_for(figures: Figures) -> None:
    days = {figures.day} if figures.day else set()
    labels = [name for names in figures.labels.values() for name in names]
    described = [*figures.keys, *labels, *figures.measures, *figures.ratios, *figures.shares, *figures.single]
    assert len(described) == len(set(described))
    assert {*described, *days} == {column.name for column in VIEWS[figures.view].columns}


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda each: getattr(each, "report", None) or each.name)
def test_every_family_has_the_columns_it_names(family: Any) -> None:
    columns = {column.name for column in VIEWS[family.view].columns}
    assert {"record", "entity", *family.days, *family.keys, *family.amounts} <= columns


@pytest.mark.parametrize(
    ("figures", "measure"),
    [
        pytest.param(figures, measure, id=f"{figures.report}-{measure}")
        for figures in REPORTS.values()
        for measure, counted in figures.measures.items()
        if counted
    ],
)
def test_the_records_of_a_measure_add_up_to_its_figures(company: Client, figures: Figures, measure: str) -> None:
    keys = [key for key in (figures.day, *figures.keys) if key and key != "model"]
    model = " AND r.model = 'linear'" if figures.has_model else ""
    reported = {
        tuple(row[:-1]): Decimal(row[-1])
        for row in company.query(
            f"SELECT {', '.join([*keys, ''])} sum(toDecimal128(r.{measure}, 6)) AS total FROM {figures.view} AS r "
            f"WHERE 1{model} GROUP BY {', '.join(keys)} HAVING total != 0"
            if keys
            else f"SELECT sum(toDecimal128(r.{measure}, 6)) FROM {figures.view} AS r"
        ).result_rows
    }
    counted: dict[tuple[Any, ...], Decimal] = {}
    for each in figures.measures[measure]:
        for row in company.query(_records(figures, each, keys)).result_rows:
            counted[tuple(row[:-1])] = counted.get(tuple(row[:-1]), Decimal(0)) + Decimal(row[-1])
    # the views round a row to 0.0001, that of accounts every record
    near = Decimal("0.0001") if figures.report != "key_accounts" else Decimal("0.1")
    for key in reported.keys() | counted.keys():
        assert abs(reported.get(key, Decimal(0)) - counted.get(key, Decimal(0))) <= near, key
    if measure != "unconverted" and (figures.report, measure) != ("opportunities_closed", "open"):
        assert reported, "nothing to compare"


def _records(figures: Figures, each: Counted, keys: list[str]) -> str:
    amount = each.amount.replace("$model", "linear")
    columns = [each.day if key == figures.day else each.keys.get(key, key) for key in keys]
    dated = f" AND isNotNull({each.day})" if each.day and figures.day == "day" else ""
    select = ", ".join([*(f"{column} AS {key}_" for key, column in zip(keys, columns, strict=True)), ""])
    group = f" GROUP BY {', '.join(f'{key}_' for key in keys)}" if keys else ""
    return (
        f"SELECT {select} sum(toDecimal128({amount}, 6)) AS total FROM {FAMILIES[each.family].view} "
        f"WHERE {each.where}{dated}{group} HAVING total != 0"
    )
