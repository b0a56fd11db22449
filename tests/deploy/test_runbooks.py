"""The runbooks: one for each alert, and what they tell people to run does run."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from deploy.prometheus.alerts import alerts
from deploy.prometheus.thresholds import SECTIONS
from stream.cli import app, main
from tests.clickhouse import ClickHouseServer

PAGES = sorted(Path("docs/runbooks").glob("*.md"))
TEXTS = {path.name: path.read_text("utf-8") for path in PAGES}
SQL = [(name, sql) for name, text in TEXTS.items() for sql in re.findall(r"```sql\n(.*?)\n```", text, re.DOTALL)]
COMMANDS = sorted(
    {
        command
        for text in TEXTS.values()
        for command in [*re.findall(r"^    (sixfold .*)$", text, re.MULTILINE), *re.findall(r"`(sixfold [^`]+)`", text)]
    }
)
KEYS = {f"{area}.{section}" for area, sections in SECTIONS.items() for section in sections}


def test_every_alert_has_a_page_and_every_page_an_alert() -> None:
    assert [alert.runbook for alert in sorted(alerts(), key=lambda alert: alert.runbook)] == [
        path.as_posix() for path in PAGES
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


def test_links_between_pages_lead_somewhere() -> None:
    for name, text in TEXTS.items():
        for link in re.findall(r"\]\(([^)]+)\)", text):
            assert link in TEXTS, f"{name}: {link}"


@pytest.mark.parametrize(("page", "sql"), SQL, ids=[f"{page}-{number}" for number, (page, _) in enumerate(SQL)])
def test_the_sql_runs_on_the_views(page: str, sql: str, database: Client) -> None:
    result = database.query(sql)
    assert result.column_names


def test_there_is_something_to_look_at_on_every_page() -> None:
    assert {page for page, _ in SQL} == set(TEXTS)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_exist(command: str) -> None:
    app.parse_args(shlex.split(command)[1:], exit_on_error=False, print_error=False)


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("sixfold report")])
def test_the_reports_can_be_printed(
    command: str, database: Client, clickhouse_server: ClickHouseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, name = clickhouse_server, database.command("SELECT currentDatabase()")
    url = f"http://{server.user}:{server.password}@{server.host}:{server.port}/{name}"
    monkeypatch.setenv("SIXFOLD_CLICKHOUSE_URL", url)
    assert main(shlex.split(command)[1:]) == 0
