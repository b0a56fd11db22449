"""The runbooks: one for each alert, and what they tell people to run does run."""

import json
import re
import secrets
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from deploy.embedded.company import events
from deploy.prometheus.alerts import alerts
from deploy.prometheus.sections import SECTIONS
from sinks.migrate import ViewSettings, migrate
from stream.cli import app, main
from tests.clickhouse import ClickHouseServer
from tests.sinks.folded import Folder

PAGES = sorted((Path(__file__).parents[2] / "docs" / "runbooks").glob("*.md"))
TEXTS = {path.name: path.read_text("utf-8") for path in PAGES}
SQL = [(name, sql) for name, text in TEXTS.items() for sql in re.findall(r"```sql\n(.*?)\n```", text, re.DOTALL)]
COMMANDS = sorted(
    {
        command
        for text in TEXTS.values()
        for command in [*re.findall(r"^    (sixfold .*)$", text, re.MULTILINE), *re.findall(r"`(sixfold [^`]+)`", text)]
    }
)
ALERTS_PAGE = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text("utf-8")
KEYS = {f"{area}.{section}" for area, sections in SECTIONS.items() for section in sections}

INVALID = b'{"id": "x", "source": "test", "type": "crm.lead.created", "time": "2026-03-01T12:00:00Z", "data": {}}'


def test_every_alert_has_a_page_and_every_page_an_alert() -> None:
    assert [alert.runbook for alert in sorted(alerts(), key=lambda alert: alert.runbook)] == [
        f"docs/runbooks/{path.name}" for path in PAGES
    ]


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert.name)
def test_a_page_says_what_why_where_to_look_and_what_to_do(alert: Any) -> None:
    text = TEXTS[Path(alert.runbook).name]
    head = f"`{alert.name}` · {alert.area} · {alert.severity}"
    title, _, line, _, *rest = text.splitlines()
    assert title.startswith("# ")
    assert line.partition(" · threshold ")[0] == head
    parts = ("**What it means.** ", "**Why it matters.** ", "## Look", "## Do")
    assert [part for part in parts if re.search(f"^{re.escape(part)}", "\n".join(rest), re.MULTILINE)] == list(parts)
    assert len(text.splitlines()) < 80  # short enough to be read at night


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert.name)
def test_a_page_names_the_thresholds_of_its_alert(alert: Any) -> None:
    line = TEXTS[Path(alert.runbook).name].splitlines()[2]
    named = set(re.findall(r"`(\w+\.\w+)`", line))
    assert named <= KEYS
    used = set(re.findall(r"sixfold:threshold:(\w+)", alert.expression))
    sections = {section for key in named for section in [key.partition(".")[2]]}
    assert {name for name in used if not any(name == s or name.startswith(f"{s}_") for s in sections)} == set()
    assert bool(used) == bool(named)


def test_the_table_of_alerts_is_current() -> None:
    rows = re.findall(r"^\| \[(\w+)\]\(([^)]+)\) \| (\w+) \| (\w+) \| (\w+) \| (.*) \|$", ALERTS_PAGE, re.MULTILINE)
    assert [row[:5] for row in rows] == [
        (alert.name, alert.runbook.removeprefix("docs/"), alert.area, alert.severity, alert.hold) for alert in alerts()
    ]
    for _, page, _, _, _, threshold in rows:
        assert re.findall(r"`\w+\.\w+`", TEXTS[Path(page).name].splitlines()[2]) == ([threshold] if threshold else [])


def test_links_between_pages_lead_somewhere() -> None:
    for name, text in TEXTS.items():
        for link in re.findall(r"\]\(([^)]+)\)", text):
            assert link in TEXTS, f"{name}: {link}"


MAY_FIND_NOTHING = re.compile(r"day = today\(\)|given_campaign_id, utm_source|FROM audit_")
"""A quarter of few events may have no call yet today, and has no leads astray and no differences."""


@pytest.fixture(scope="module")
def demo(clickhouse_server: ClickHouseServer) -> Iterator[Client]:
    """A database with a quarter of the demo's company, ending now, a target, and an event that nobody can read."""
    name = f"runbooks_{secrets.token_hex(6)}"
    with clickhouse_server.connect() as client:
        migrate(client, name, ViewSettings(partitions=1))
        with clickhouse_server.connect(name) as connected:
            now = datetime.now(UTC)
            folder = Folder(connected)
            folder.fold([json.dumps(event).encode() for event in events(3, now, 6000, golden=False)])
            # of chance there may be none in the last days
            won = {"opportunity_id": "of-nobody", "amount": "120.50", "currency": "USD"}
            sold = {"id": "w", "source": "test", "type": "crm.deal.won", "time": now.isoformat(), "data": won}
            missed = {"call_id": "missed", "rep_id": "N1", "direction": "inbound", "status": "missed"}
            rang = {"id": "m", "source": "test", "type": "crm.call.logged", "time": now.isoformat(), "data": missed}
            target = {"metric": "revenue", "month": f"{now:%Y-%m}", "value": 90000}
            posted = {"id": "t", "source": "test", "type": "crm.target.posted", "time": now.isoformat(), "data": target}
            folder.fold([*(json.dumps(each).encode() for each in (sold, rang, posted)), INVALID])
            yield connected
        client.command(f"DROP DATABASE {name}")


@pytest.mark.parametrize(("page", "sql"), SQL, ids=[f"{page}-{number}" for number, (page, _) in enumerate(SQL)])
def test_the_sql_finds_what_it_is_about_in_the_demo(page: str, sql: str, demo: Client) -> None:
    found = demo.query(sql).result_rows
    assert found or MAY_FIND_NOTHING.search(sql), f"{page} finds nothing"


def test_there_is_something_to_look_at_on_every_page() -> None:
    assert {page for page, _ in SQL} == set(TEXTS)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_exist(command: str) -> None:
    app.parse_args(shlex.split(command)[1:], exit_on_error=False, print_error=False)


@pytest.mark.parametrize(
    "command", [command for command in COMMANDS if command.startswith(("sixfold report", "sixfold explain"))]
)
def test_the_figures_can_be_printed_and_opened(
    command: str, demo: Client, clickhouse_server: ClickHouseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, name = clickhouse_server, demo.command("SELECT currentDatabase()")
    url = f"http://{server.user}:{server.password}@{server.host}:{server.port}/{name}"
    monkeypatch.setenv("SIXFOLD_CLICKHOUSE_URL", url)
    assert main(shlex.split(command)[1:]) == 0
