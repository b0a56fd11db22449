"""A report whose bars would show nothing is a table all the same."""

import pytest
from clickhouse_connect.driver.client import Client

from stream.cli import main
from tests.clickhouse import ClickHouseServer
from tests.sinks.folded import Folder

SPEND = (
    b'{"id": "1", "source": "t", "type": "crm.spend.posted", "time": "2026-03-01T12:00:00Z", "data": '
    b'{"platform": "meta", "date": "2026-03-01", "amount": 100, "currency": "USD", "campaign_id": "c"}}'
)


def test_spend_without_revenue_has_no_bars(
    database: Client,
    clickhouse_server: ClickHouseServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Folder(database).fold([SPEND])
    server, name = clickhouse_server, database.command("SELECT currentDatabase()")
    url = f"http://{server.user}:{server.password}@{server.host}:{server.port}/{name}"
    monkeypatch.setenv("SIXFOLD_CLICKHOUSE_URL", url)
    assert main(["report", "profitability"]) == 0
    out = capsys.readouterr().out
    assert "100.00" in out
    assert "revenue by" not in out
