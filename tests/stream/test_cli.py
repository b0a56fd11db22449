import asyncio
import csv
import importlib
import io
import json
import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from clickhouse_connect.driver.client import Client
from cyclopts import App
from rich.console import Console

from deploy.embedded.datadir import Lock
from sinks.migrate import ViewSettings, migrate
from stream.cli import COMMANDS, main
from stream.log import TP, Log, Outgoing
from stream.settings import Settings
from stream.topics import migrate_topics
from tests.clickhouse import ClickHouseServer
from tests.kafka.broker import KafkaBroker, TansuBroker, free_port

SIXFOLD = [sys.executable, "-c", "import sys; from stream.cli import main; sys.exit(main())"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory, and an environment without settings."""
    for name in [name for name in os.environ if name.startswith("SIXFOLD_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@dataclass
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Answer]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> Answer:
        code = main(arguments)
        out, err = capsys.readouterr()
        # A table's lines are filled up to its width.
        return Answer(code, "".join(f"{line.rstrip()}\n" for line in out.splitlines()), err)

    return run


@pytest.fixture(scope="module")
def migrated(clickhouse_server: ClickHouseServer) -> Iterator[Client]:
    """A database with all tables and views: it takes longer to make than to fill."""
    name = f"cli_{secrets.token_hex(6)}"
    server = clickhouse_server.connect()
    migrate(server, name, ViewSettings(partitions=2))
    client = clickhouse_server.connect(name)
    yield client
    client.close()
    server.command(f"DROP DATABASE {name}")
    server.close()


@pytest.fixture
def crm(migrated: Client, clickhouse_server: ClickHouseServer, monkeypatch: pytest.MonkeyPatch) -> Client:
    """That database, which the settings name, with rolling rows of two campaigns and a third's refund."""
    database = migrated
    for table in ("nodes", "manifest", "claims", "campaigns", "rules", "roll_revenue", "roll_leads"):
        database.command(f"TRUNCATE TABLE {table}")
    at = f"{clickhouse_server.user}:{clickhouse_server.password}@{clickhouse_server.host}:{clickhouse_server.port}"
    monkeypatch.setenv("SIXFOLD_CLICKHOUSE_URL", f"http://{at}/{database.database}")
    database.command("INSERT INTO manifest (shard, epoch, flush, last_event_us) VALUES (0, 1, 3, 1767225600000000)")
    database.command("INSERT INTO claims (shard, epoch, token, worker) VALUES (0, 1, 't', 'worker-a')")
    database.command(
        "INSERT INTO campaigns (shard, campaign_id, name) VALUES (0, 'c1', 'Search ad'), (0, 'c2', 'O''Neil')"
    )
    for day, campaign, units in (
        ("2026-01-05", "c1", 12345678),
        ("2026-02-05", "c1", 9000000),
        ("2026-02-07", "c2", 12345000000),
        ("2026-04-07", "c3", -50000),
    ):
        database.command(
            "INSERT INTO roll_revenue (shard, epoch, date_kind, day, channel, source, medium, campaign_id, lead_magnet,"
            " currency, rate_day, deals_first, revenue_first, deals_linear, revenue_linear, version) VALUES"
            f" (0, 1, 'closed', '{day}', 'cpc', 'google', 'cpc', '{campaign}', '(none)', 'USD', '1970-01-01',"
            f" 1000000, {units}, 500000, {units // 2}, 1)"
        )
    database.command(
        "INSERT INTO roll_leads (shard, epoch, day, channel, source, medium, campaign_id, lead_magnet, leads,"
        " reached_mofu, reached_bofu, customers, version) VALUES"
        " (0, 1, '2026-01-05', 'cpc', 'google', 'cpc', 'c1', '(none)', 1200, 500, 200, 300, 1)"
    )
    return database


@pytest.fixture
def deployment(crm: Client, tansu: TansuBroker, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Topics of their own beside that database."""
    monkeypatch.setenv("SIXFOLD_BROKERS", f"127.0.0.1:{tansu.port}")
    monkeypatch.setenv("SIXFOLD_PREFIX", f"t{secrets.token_hex(4)}.")
    monkeypatch.setenv("SIXFOLD_PARTITIONS", "2")
    crm.command("TRUNCATE TABLE manifest")
    settings = Settings()
    assert len(asyncio.run(migrate_topics(settings))) == 3
    return settings


# Usage


def test_the_version_is_printed(run: Run) -> None:
    answer = run("--version")
    assert answer.code == 0
    assert answer.out.startswith("sixfold 0.")


@pytest.mark.parametrize(
    "command",
    "up worker exporter migrate import send wait report sql status audit settings rules accept-gap reset".split(),  # noqa: SIM905
)
def test_every_command_has_help_with_an_example(command: str, run: Run) -> None:
    answer = run(command, "--help") if command != "rules" else run("rules", "list", "--help")
    assert answer.code == 0
    assert f"sixfold {command}" in answer.out
    assert "Example" in answer.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["reprot"], "report"),
        (["report", "calls", "--by", "decade"], "decade"),
        (["report"], "name a report"),
        (["report", "campaign_revenu"], "did you mean campaign_revenue?"),
        (["report", "calls", "--where", "rap=1"], "no column rap; did you mean rep?"),
        (["report", "calls", "--where", "rep"], "column=value"),
        (["report", "campaign_revenue", "--model", "liner"], "did you mean linear?"),
        (["report", "calls", "--model", "linear"], "no column model"),
        (["report", "calls", "--from", "yesterday"], "YYYY-MM-DD"),
        (["report", "calls", "--to", "2026-13"], "a day, a month or a year"),
        (["report", "calls", "--from", "2026-02", "--to", "2026-01"], "--from 2026-02-01 is after --to 2026-01-31"),
        (["report", "calls", "--from", "2026-02-01", "--to", "2026-01-01"], "is after"),
        (["report", "pipeline", "--from", "2026-02-01"], "has no day"),
        (["report", "pipeline", "--by", "month"], "has no periods"),
        (["report", "calls_month"], "say sixfold report calls --by month"),
        (["report", "calls", "--json", "--csv"], "exclude each other"),
        (["report", "--list", "--json", "--csv"], "exclude each other"),
        (["send"], "--type and --data"),
        (["send", "--type", "crm.deal.won", "--data", "opportunity_id=1"], "has no time"),
        (["send", "--type", "crm.deal.won", "--data", "opportunity_id", "--now"], "name=value"),
        (["send", "no-such-file"], "neither JSON nor a file"),
        (["send", "{"], "no valid JSON"),
        (["accept-gap"], "name one shard, or --all"),
        (["accept-gap", "1", "--all"], "name one shard, or --all"),
        (["sql", " "], "there is no query"),
        (["sql", "--jsno", "SELECT 1"], "--jsno"),
        (["sql", "drop table nodes"], "drop may change what Sixfold keeps; if that is meant, add --write"),
        (["sql", "-- a SELECT\nALTER TABLE people DELETE WHERE 1"], "add --write"),
        (["sql", "WITH 1 AS a INSERT INTO nodes SELECT a"], "WITH may change what Sixfold keeps"),
        (["sql", "SELECT 1 format JSON;"], "leave it out, and give --json or --csv"),
        (["import", "x.jsonl", "--dryrun"], "--dryrun"),
        (["send", "--nwo"], "See sixfold send --help"),
        (["send", "crm.deal.won", "opportunity_id=1"], "sixfold send does not take opportunity_id=1. See"),
        (["dead-letters", "list", "a", "b"], "sixfold dead-letters list does not take a b. See sixfold dead-letters"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(arguments: list[str], words: str, run: Run) -> None:
    answer = run(*arguments)
    assert answer.code == 2
    assert answer.out == ""
    assert words in answer.err
    assert answer.err.count("\n") == 1
    assert answer.err.startswith("sixfold: ")


def test_wrong_settings_are_lines_and_exit_code_2(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIXFOLD_PARTITIONS", "many")
    monkeypatch.setenv("SIXFOLD_CURRENCY", "euro")
    answer = run("settings")
    assert (answer.code, answer.out) == (2, "")
    assert [line.split("=")[0] for line in answer.err.splitlines()] == [
        "sixfold: SIXFOLD_PARTITIONS",
        "sixfold: SIXFOLD_CURRENCY",
    ]


def test_settings_are_shown_with_origin_and_without_secrets(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIXFOLD_CLICKHOUSE_URL", "http://me:hidden-word@h:1/d")
    monkeypatch.setenv("SIXFOLD_GATEWAY_KEY", "hidden-word")
    monkeypatch.setenv("SIXFOLD_TIMEZONE", "UTC")
    table, found = run("settings"), run("settings", "--json")
    assert "hidden-word" not in table.out + table.err + found.out + found.err
    assert "SIXFOLD_TIMEZONE is no setting; did you mean SIXFOLD_TIME_ZONE?" in table.err
    assert found.json["clickhouse_url"] == {"value": "http://me:***@h:1/d", "origin": "environment"}
    assert found.json["time_zone"] == {"value": "UTC", "origin": "default"}
    assert set(found.json) == set(Settings.model_fields)


def test_the_list_of_commands_says_what_each_is_for(run: Run) -> None:
    words = " ".join(run("--help").out.replace("\u2502", " ").split())
    for commands in COMMANDS.values():
        for name, (place, meaning) in commands.items():
            module, _, attribute = place.partition(":")
            command = getattr(importlib.import_module(f"stream.commands.{module}"), attribute)
            own = (command.help if isinstance(command, App) else command.__doc__).strip()
            assert " ".join(own.split()).startswith(meaning.rstrip(".")), name
            assert meaning in words, name
    assert run("sql", "--help").out.count("--write")


def test_a_dotenv_that_is_no_text_is_one_line(run: Run) -> None:
    Path(".env").write_bytes(b"\xff\xfe")
    answer = run("settings")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("sixfold: .env: cannot be read: ")
    assert answer.err.count("\n") == 1


def test_a_command_in_another_folder_than_the_stacks_says_how_to_find_it(run: Run) -> None:
    answer = run("report", "calls")
    assert answer.code == 2
    assert "no .sixfold/sixfold.toml here, and SIXFOLD_CLICKHOUSE_URL is not set" in answer.err
    assert "set SIXFOLD_DATA to its data directory" in answer.err


def test_an_exporter_without_the_user_that_kafka_wants_is_told_at_once(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIXFOLD_KAFKA_SECURITY_PROTOCOL", "SASL_PLAINTEXT")
    answer = run("exporter")
    assert (answer.code, answer.out) == (2, "")
    assert "needs a user: set SIXFOLD_KAFKA_USERNAME" in answer.err


# Services out of reach


@pytest.mark.parametrize("command", [["audit"], ["report", "calls"], ["sql", "SELECT 1"], ["rules", "list"]])
def test_clickhouse_out_of_reach_is_one_line_with_its_address(
    command: list[str], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("SIXFOLD_CLICKHOUSE_URL", f"http://me:hidden-word@127.0.0.1:{port}/crm")
    answer = run(*command)
    assert (answer.code, answer.out) == (2, "")
    assert f"http://me@127.0.0.1:{port}/crm" in answer.err
    assert "refused" in answer.err
    assert answer.err.count("\n") == 1
    assert "hidden-word" not in answer.err


def test_kafka_out_of_reach_is_one_line_with_its_address(
    crm: Client, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    brokers = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("SIXFOLD_BROKERS", brokers)
    event = ["send", "--now", "--type", "crm.lead.deleted", "--data", "lead_id=1"]
    for command in (["status"], ["wait"], ["migrate"], ["accept-gap", "--all"], ["reset", "--yes"], event):
        answer = run(*command)
        assert (answer.code, answer.out) == (2, ""), command
        assert brokers in answer.err
        assert answer.err.count("\n") == 1


def test_a_wrong_password_and_an_unknown_database_are_said(
    crm: Client, clickhouse_server: ClickHouseServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = f"{clickhouse_server.host}:{clickhouse_server.port}"
    monkeypatch.setenv("SIXFOLD_CLICKHOUSE_URL", f"http://sixfold:wrong@{at}/default")
    answer = run("sql", "SELECT 1")
    assert answer.code == 2
    assert "refuses user sixfold" in answer.err
    monkeypatch.setenv("SIXFOLD_CLICKHOUSE_URL", f"http://sixfold:{clickhouse_server.password}@{at}/nowhere")
    answer = run("sql", "SELECT 1")
    assert answer.code == 2
    assert "has no database nowhere" in answer.err


def test_no_stack_trace_and_no_noise_from_a_real_process(elsewhere: Path) -> None:
    env = {**os.environ, "SIXFOLD_CLICKHOUSE_URL": f"http://127.0.0.1:{free_port()}/x"}
    ran = subprocess.run([*SIXFOLD, "report", "calls"], env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert ran.stderr.count("\n") == 1
    env["SIXFOLD_BROKERS"] = f"127.0.0.1:{free_port()}"
    ran = subprocess.run([*SIXFOLD, "migrate"], env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert ran.stderr.count("\n") == 1, ran.stderr


# Reports and queries


def test_a_report_is_a_readable_table_with_bars(crm: Client, run: Run) -> None:
    answer = run("report", "campaign_revenue")
    assert answer.code == 0
    table, _, chart = answer.out.partition("revenue by campaign\n")
    rows = [line.split() for line in table.splitlines() if line.strip().startswith("2026")]
    assert [row[-3:] for row in rows] == [
        ["1,234.57", "1,234.57", "0"],
        ["900.00", "900.00", "0"],
        ["1,234,500.00", "1,234,500.00", "0"],
        ["-5.00", "-5.00", "0"],
    ]
    lines = [line for line in table.splitlines() if line.strip().startswith("2026")]
    ends = {line.index(f" {row[-3]} ") + len(row[-3]) for line, row in zip(lines, rows, strict=True)}
    assert len(ends) == 1, "numbers end at one column"
    bars = chart.splitlines()
    assert [bar.split()[0] for bar in bars[:3]] == ["O'Neil", "Search", "c3"], "greatest first; an id where no name is"
    assert bars[0].count("█") > bars[1].count("█") >= bars[2].count("█") == 0


@pytest.mark.parametrize(
    ("options", "highest"),
    [
        ([], "1,234,500.00"),
        (["--model", "linear"], "617,250.00"),
        (["--model", "all"], None),
        (["--where", "model=first", "model=linear"], None),
        (["--where", "model=linear"], "617,250.00"),
    ],
)
def test_bars_never_add_models_up(options: list[str], highest: str | None, crm: Client, run: Run) -> None:
    _, _, chart = run("report", "campaign_revenue", *options).out.partition("revenue by campaign\n")
    assert (chart.split("\n")[0].split()[-1] if chart else None) == highest


def test_in_a_terminal_of_80_columns_no_figure_is_cut(crm: Client, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.commands.report.stdout", lambda: Console(width=80, force_terminal=True, no_color=True))
    lines = [
        re.sub("\x1b.*?m", "", line) for line in run("report", "campaign_revenue", "--by", "quarter").out.splitlines()
    ]
    assert lines[0] == "report_campaign_revenue by quarter, model first, channel cpc, unconverted 0"
    assert lines[1].split() == ["period_start", "campaign_id", "campaign", "deals", "revenue", "average_deal"]
    assert [line.split()[-2] for line in lines[3:6]] == ["2,134.57", "1,234,500.00", "-5.00"]
    assert lines[6] == "1 column left out (campaign_group): a wider terminal, --csv or --json has it"


def test_a_campaign_without_a_name_is_called_and_found_by_its_id(crm: Client, run: Run) -> None:
    line = next(x for x in run("report", "campaign_revenue").out.splitlines() if x.startswith("2026-04"))
    assert line.split()[2:4] == ["c3", "c3"]
    (row,) = run("report", "campaign_revenue", "--where", "campaign=c3", "--json").json
    assert (row["campaign_id"], row["campaign"]) == ("c3", ""), "programs get what the view has"


@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"], ["--by", "year"]])
def test_a_word_for_a_number_is_refused(form: list[str], crm: Client, run: Run) -> None:
    answer = run("report", "calls", "--where", "calls=5", "calls=abc", *form)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == "sixfold: --where calls takes a number, not abc\n"


def test_a_value_that_does_not_exist_is_answered_with_those_that_do(crm: Client, run: Run) -> None:
    year = ["report", "leads_by_channel", "--by", "year"]
    assert run(*year, "--where", "channel=nope").out.splitlines() == [
        "report_leads_by_channel by year, channel nope: no rows",
        "channel has cpc",
    ]
    assert "channel '': no rows" in run(*year, "--where", "channel=").out
    revenue = ["report", "campaign_revenue", "--where", "campaign=nope"]
    assert run(*revenue).out.splitlines()[1:] == ["campaign has O'Neil, Search ad, c3"]
    assert run(*revenue, "--from", "2026-04").out.splitlines()[1:] == ["campaign has c3"]
    both = run(*revenue[:-1], "campaign=c3", "channel=cpc", "deals=7").out.splitlines()
    assert both[1:] == ["deals has 1"], "the others exist"
    assert run(*revenue, "--from", "2027").out.count("\n") == 1
    many = ", ".join(f"(0, 1, '2026-01-05', 'c{number:02}', 1)" for number in range(11))
    crm.command(f"INSERT INTO roll_leads (shard, epoch, day, channel, leads) VALUES {many}")
    hint = run(*year, "--where", "channel=nope").out.splitlines()[1]
    assert hint == f"channel has {', '.join(f'c{number:02}' for number in range(10))}, ..."


def test_ratios_are_percentages_and_null_is_a_dash(crm: Client, run: Run) -> None:
    line = next(x for x in run("report", "leads_by_channel").out.splitlines() if x.strip().startswith("2026"))
    assert line.split() == ["2026-01-05", "cpc", "1,200", "200", "300", "16.7%", "25.0%", "0", "—", "—", "—"]


def test_the_funnel_is_drawn_by_its_steps(crm: Client, run: Run) -> None:
    steps = run("report", "report_funnel").out.partition("The funnel\n")[2].splitlines()
    assert [(step.split()[0], step.split()[-1]) for step in steps] == [
        ("visitors", "0"),
        ("leads", "1,200"),
        ("mofu", "500"),
        ("bofu", "200"),
        ("customers", "300"),
    ]


def test_json_has_every_digit_and_nothing_else(crm: Client, run: Run) -> None:
    answer = run("report", "report_campaign_revenue", "--by", "quarter", "--json")
    assert answer.err == ""
    assert '"revenue":2134.5678' in answer.out
    assert [(row["period_start"], row["campaign_id"], row["deals"]) for row in answer.json] == [
        ("2026-01-01", "c1", 2),
        ("2026-01-01", "c2", 1),
        ("2026-04-01", "c3", 1),
    ]


def test_csv_has_a_header_even_without_rows(crm: Client, run: Run) -> None:
    rows = list(csv.DictReader(io.StringIO(run("report", "campaign_revenue", "--csv").out)))
    assert [row["revenue"] for row in rows] == ["1234.5678", "900.0000", "1234500.0000", "-5.0000"]
    empty = run("report", "campaign_revenue", "--where", "campaign_id=none of these", "--csv").out
    assert empty.splitlines() == [",".join(rows[0])]


def test_values_are_parameters_never_spliced(crm: Client, run: Run) -> None:
    named = run("report", "campaign_revenue", "--where", "campaign=O'Neil", "--json")
    assert [row["campaign_id"] for row in named.json] == ["c2"]
    assert run("report", "campaign_revenue", "--where", "campaign=' OR 1 = 1 --", "--json").json == []
    both = run("report", "campaign_revenue", "--where", "campaign_id=c1", "campaign_id=c3", "--json")
    assert [row["campaign_id"] for row in both.json] == ["c1", "c1", "c3"]


@pytest.mark.parametrize(
    ("options", "days"),
    [
        (["--from", "2026-02-05"], ["2026-02-05", "2026-02-07", "2026-04-07"]),
        (["--to", "2026-02-05"], ["2026-01-05", "2026-02-05"]),
        (["--by", "month", "--from", "2026-02-28"], ["2026-02-01", "2026-02-01", "2026-04-01"]),
        (["--by", "month", "--from", "2026-03-01", "--to", "2026-04-01"], ["2026-04-01"]),
        (["--by", "year", "--to", "2026-01-01"], ["2026-01-01"] * 3),
        (["--by", "week", "--from", "2026-01-11", "--to", "2026-01-11"], ["2026-01-05"]),
        (["--by", "week", "--from", "2026-01-12", "--to", "2026-01-18"], []),
        (["--from", "2026-02"], ["2026-02-05", "2026-02-07", "2026-04-07"]),
        (["--to", "2026-02"], ["2026-01-05", "2026-02-05", "2026-02-07"]),
        (["--by", "month", "--from", "2026-02", "--to", "2026-02"], ["2026-02-01", "2026-02-01"]),
        (["--from", "2026", "--to", "2026"], ["2026-01-05", "2026-02-05", "2026-02-07", "2026-04-07"]),
        (["--to", "2025"], []),
        (["--limit", "1"], ["2026-01-05"]),
    ],
)
def test_ranges_take_whole_periods(options: list[str], days: list[str], crm: Client, run: Run) -> None:
    rows = run("report", "campaign_revenue", *options, "--json").json
    assert [row.get("day") or row["period_start"] for row in rows] == days


def test_the_model_is_the_settings_one_another_or_all(crm: Client, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def models(*options: str) -> set[str]:
        return {row["model"] for row in run("report", "campaign_revenue", *options, "--json").json}

    assert models() == {"first"}
    assert models("--model", "linear") == {"linear"}
    assert models("--model", "all") == {"first", "linear"}
    assert models("--where", "model=linear") == {"linear"}
    monkeypatch.setenv("SIXFOLD_ATTRIBUTION_MODEL", "linear")
    assert models() == {"linear"}


def test_a_long_table_is_cut_and_says_so(crm: Client, run: Run) -> None:
    crm.command(
        "INSERT INTO roll_leads (shard, epoch, day, channel, source, medium, campaign_id, lead_magnet, leads, version)"
        " SELECT 0, 1, toDate('2025-01-01') + number, 'email', 's', 'm', '(none)', '(none)', 1, 1 FROM numbers(300)"
    )
    cut, whole = run("report", "leads_by_channel"), run("report", "leads_by_channel", "--limit", "0")
    assert cut.out.count("\n2025-") == 200
    assert "--limit 0 for all" in cut.err
    assert whole.out.count("\n2025-") == 300
    assert whole.err == ""
    assert len(run("report", "leads_by_channel", "--json").json) == 301


def test_the_list_says_what_each_column_means(run: Run) -> None:
    listed = run("report", "--list").out
    assert "campaign_revenue" in listed
    assert "base_revenue" not in listed
    names = [line.split()[0] for line in listed.splitlines() if line and not line.startswith(" ")]
    assert names[:7] == [
        *("leads_by_channel", "opportunities", "lead_sources", "campaign_revenue", "calls", "profitability", "funnel")
    ]
    assert names[-1] == "opportunity_list"
    assert names.index("sources") < names.index("fact_leads")
    assert "audit_calls" not in listed
    calls = run("report", "--list", "calls", "--json").json
    assert calls[0]["columns"]["answer_rate"] == "answered / calls"
    assert calls[0]["periods"] is True
    rows = list(csv.DictReader(io.StringIO(run("report", "--list", "calls", "--csv").out)))
    assert {"view": "report_calls", "column": "answer_rate", "meaning": "answered / calls"} in rows


def test_an_unknown_report_is_answered_with_the_reports_first(run: Run) -> None:
    answer = run("report", "nope")
    assert answer.code == 2
    assert "there is no report nope; there are leads_by_channel, opportunities, lead_sources," in answer.err
    assert "audit_" not in answer.err


def test_every_view_that_is_listed_can_be_read(crm: Client, run: Run) -> None:
    for view in run("report", "--list", "--json").json:
        answer = run("report", view["name"], "--limit", "3")
        assert answer.code == 0, (view["name"], answer.err)
        if view["periods"]:
            assert run("report", view["name"], "--by", "quarter", "--from", "2026-01-01", "--csv").code == 0


def test_follow_draws_again_until_ctrl_c(crm: Client, elsewhere: Path) -> None:
    # a shell that runs the tests in the background may have told its children to ignore Ctrl-C
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            [*SIXFOLD, "report", "leads_by_channel", "--follow"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        assert process.stdout is not None
        first = process.stdout.readline()
        crm.command("TRUNCATE TABLE roll_leads")
        for line in process.stdout:  # it looks again by itself
            if "no rows" in line:
                break
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err == ""
    assert "no rows" not in first


def test_sql_prints_tables_json_and_csv(crm: Client, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    query = "SELECT 1.5::Decimal(38, 4) AS money, NULL AS nothing, 'it''s' AS word, [1, 2] AS list"
    assert run("sql", query, "--json").out == '[{"money":1.5000,"nothing":null,"word":"it\'s","list":[1,2]}]\n'
    assert run("sql", query + ";", "--csv").out == 'money,nothing,word,list\n1.5000,,it\'s,"[1,2]"\n'
    assert run("sql", query).out.splitlines()[-2].split() == ["1.50", "—", "it's", "[1,2]"]
    monkeypatch.setattr(sys, "stdin", io.StringIO("SELECT 7 AS seven"))
    assert run("sql", "-", "--json").json == [{"seven": 7}]


def test_sql_changes_something_only_when_told_to(crm: Client, run: Run) -> None:
    assert run("sql", "/* mine */ CREATE TABLE mine (a UInt8) ENGINE = Memory", "--write").out == ""
    answer = run("sql", "INSERT INTO mine VALUES (1), (2)", "--write")
    assert (answer.code, answer.out, answer.err) == (0, "", "done\n")
    for reads in (
        "(SELECT sum(a) AS a FROM mine)",
        " with 3 as a /* so */ select a",
        "-- three\nFROM mine SELECT 3 AS a",
    ):
        assert run("sql", reads, "--json").json[0] == {"a": 3}
    assert run("sql", "DROP TABLE mine").code == 2
    assert run("sql", "EXISTS mine", "--json").json == [{"result": 1}]
    assert run("sql", "DROP TABLE mine", "--write").code == 0


def test_a_table_of_very_many_rows_ends_and_says_so(crm: Client, run: Run) -> None:
    answer = run("sql", "SELECT number FROM numbers(20000)")
    assert answer.out.count("\n") < 10_010
    assert "the first 10,000 of 20,000 rows" in answer.err
    assert run("sql", "SELECT number FROM numbers(20000)", "--csv").out.count("\n") == 20_001


def test_what_cannot_be_written_is_one_line(crm: Client, elsewhere: Path) -> None:
    """In processes, whose output is a full disk, or a terminal that knows ASCII only."""
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run([*SIXFOLD, "settings"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (ran.returncode, ran.stderr.count("\n")) == (2, 1), ran.stderr
    assert "the output cannot be written: No space left on device" in ran.stderr
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ran = subprocess.run([*SIXFOLD, "sql", "SELECT 'Zo\u00eb' AS name"], env=env, capture_output=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert b"Zo?" in ran.stdout
    for form in ("--json", "--csv"):  # what programs read is not for the terminal's sake another
        query = [*SIXFOLD, "sql", form, "SELECT 'Zo\u00eb' AS name"]
        ran = subprocess.run(query, env=env, capture_output=True, check=True)
        assert "Zo\u00eb".encode() in ran.stdout


def test_a_wrong_query_is_one_line(crm: Client, run: Run) -> None:
    answer = run("sql", "SELECT nonsense")
    assert (answer.code, answer.out) == (2, "")
    assert "nonsense" in answer.err
    assert answer.err.count("\n") == 1
    assert "http" not in answer.err
    for query in ("SELECT 1 SELECT 2", "SELECT nonsense FROM report_calls, report_finance"):
        answer = run("sql", query)
        assert answer.code == 2
        assert len(answer.err) < 200, "without all the words that could have come, and without the query"


# The audit


def test_the_audit_shows_each_difference_and_exits_1(crm: Client, run: Run) -> None:
    answer = run("audit", "--json")
    assert answer.code == 1, "rolling rows that no node accounts for"
    assert answer.json["outcome"] == "differences"
    assert {each["audit"] for each in answer.json["differences"]} >= {"audit_roll_leads", "audit_roll_revenue"}
    assert "1200" in run("audit").out
    for table in ("roll_leads", "roll_revenue"):
        crm.command(f"TRUNCATE TABLE {table}")
    assert run("audit", "--json").json == {"outcome": "clean", "differences": [], "busy": []}
    assert "no difference" in run("audit").out
    crm.command("INSERT INTO roll_leads (shard, epoch, day, leads, version) VALUES (0, 1, '2026-01-01', 1, 1)")
    crm.command("TRUNCATE TABLE manifest")
    crm.command("INSERT INTO manifest (shard, epoch, flush) VALUES (0, 1, 0)")
    crm.command("INSERT INTO nodes (shard, entity, version) VALUES (0, 'lead:1', toUInt64(4294967296) + 9)")
    busy = run("audit", "--json")
    assert busy.code == 2
    assert "audit_roll_leads" in busy.json["busy"]


# Topics, sending, waiting


def _end(settings: Settings) -> int:
    async def ends() -> int:
        async with await Log.open(settings.broker_list) as log:
            topics = [TP(settings.events_topic, number) for number in range(settings.partitions)]
            return sum(end for _, end in (await log.bounds(topics)).values())

    return asyncio.run(ends())


def _produce(settings: Settings, topic: str, partition: int, count: int) -> None:
    async def produce() -> None:
        async with await Log.open(settings.broker_list) as log:
            await log.produce([Outgoing(topic, partition, b"k", b"v")] * count)

    asyncio.run(produce())


def _reached(crm: Client, shard: int, events: int, documents: int, flush: int = 1) -> None:
    crm.command(
        "INSERT INTO manifest (shard, epoch, flush, events_position, documents_position, last_event_us) VALUES"
        f" ({shard}, 1, {flush}, {events}, {documents}, 1767225600000000)"
    )


def test_migrate_can_be_repeated_and_checks_partitions(
    deployment: Settings, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = run("migrate", "--json")
    assert again.code == 0
    assert not [line for line in again.json if line.startswith(("created", "applied"))]
    monkeypatch.setenv("SIXFOLD_PARTITIONS", "3")
    refused = run("migrate")
    assert refused.code == 2
    assert "has 2 partitions, the settings say 3" in refused.err


def test_send_completes_checks_and_sends_one_event(deployment: Settings, run: Run, elsewhere: Path) -> None:
    sent = run(
        "send", "--json", "--time", "2026-01-01T00:00:00Z", "--type", "crm.call.logged",
        "--data", "call_id=7", "lead_id=", "talk_seconds=30", "status=answered",
    )  # fmt: skip
    assert sent.code == 0, sent.err
    assert sent.json["source"] == "sixfold/cli"
    assert len(sent.json["id"]) == 36
    assert sent.json["data"] == {"call_id": "7", "lead_id": None, "talk_seconds": 30, "status": "answered"}
    assert _end(deployment) == 1
    rejected = run("send", "--now", "--type", "crm.lead.craeted", "--data", "lead_id=1")
    assert (rejected.code, rejected.out) == (1, "")
    assert "unknown-type" in rejected.err
    assert "did you mean crm.lead.created?" in rejected.err
    (elsewhere / "event.json").write_text(
        '{"id": "e1", "source": "s", "type": "crm.lead.created", "time": "2026-01-01T00:00:00Z",'
        ' "data": {"lead_id": 5, "utm": {"source": "x"}}}'
    )
    again = run("send", "event.json", "--json", "--data", "utm.medium=cpc")
    assert again.json["id"] == "e1"
    assert again.json["data"] == {"lead_id": 5, "utm": {"source": "x", "medium": "cpc"}}
    assert again.err == ""
    assert _end(deployment) == 2, "the rejected one was not sent"


def test_send_names_members_that_nothing_reads(deployment: Settings, run: Run) -> None:
    sent = run("send", "--now", "--type", "crm.lead.created", "--data", "lead_id=1", "stge=MQL", "utm.campagne=x")
    assert sent.code == 0, sent.err
    assert sent.err.splitlines() == [
        "sixfold: data.stge was sent, but nothing reads it; did you mean data.stage?",
        "sixfold: data.utm.campagne was sent, but nothing reads it; did you mean data.utm.campaign?",
    ]
    assert _end(deployment) == 1
    assert "there are lead_id" in run("send", "--now", "--type", "crm.lead.deleted", "--data", "lead_id=1", "xyz=1").err


def test_status_shows_lag_owner_and_freshness(deployment: Settings, crm: Client, run: Run) -> None:
    _produce(deployment, deployment.events_topic, 0, 5)
    _produce(deployment, deployment.documents_topic, 1, 2)
    _reached(crm, 0, 3, 0)
    found = run("status", "--json").json
    assert [(shard["shard"], shard["events_lag"], shard["documents_lag"]) for shard in found["shards"]] == [
        (0, 2, 0),
        (1, 0, 2),
    ]
    assert found["shards"][0]["owner"] == "worker-a"
    assert found["shards"][0]["last_event_time"] == "2026-01-01T00:00:00Z"
    assert (found["events_lag"], found["documents_lag"]) == (2, 2)
    assert "4 records to count" in run("status").out


def test_wait_returns_when_manifests_reach_both_ends(deployment: Settings, crm: Client, run: Run) -> None:
    assert run("wait", "--timeout", "20").code == 0, "nothing was sent"
    _produce(deployment, deployment.events_topic, 0, 5)
    late = run("wait", "--timeout", "0.5")
    assert late.code == 1
    assert "5 records of" in late.err
    _reached(crm, 0, 5, 0)
    assert run("wait", "--timeout", "20").code == 0
    _produce(deployment, deployment.documents_topic, 1, 2)
    assert run("wait", "--timeout", "0.5").code == 1
    _reached(crm, 1, 0, 2)
    assert run("wait", "--timeout", "20").code == 0


def test_wait_does_not_take_the_manifest_of_another_log(
    deployment: Settings, crm: Client, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An embedded broker begins at 0 again, below the positions of the one before."""
    _produce(deployment, deployment.events_topic, 0, 5)
    crm.command("INSERT INTO manifest (shard, epoch, flush, events_position, incarnation) VALUES (0, 1, 1, 99, 'old')")
    monkeypatch.setenv("SIXFOLD_LOG_INCARNATION", "new")
    assert run("wait", "--timeout", "0.5").code == 1
    crm.command("INSERT INTO manifest (shard, epoch, flush, events_position, incarnation) VALUES (0, 2, 1, 5, 'new')")
    assert run("wait", "--timeout", "20").code == 0


def test_wait_looks_only_at_manifests_whose_rows_are_shown(deployment: Settings, crm: Client, run: Run) -> None:
    _produce(deployment, deployment.events_topic, 0, 5)
    crm.command("INSERT INTO manifest (shard, epoch, flush, events_position, ready) VALUES (0, 2, 0, 5, 0)")
    assert run("wait", "--timeout", "0.5").code == 1
    crm.command("INSERT INTO manifest (shard, epoch, flush, events_position, ready) VALUES (0, 2, 1, 5, 1)")
    assert run("wait", "--timeout", "20").code == 0


def test_accept_gap_finds_none_where_the_log_is_whole(deployment: Settings, crm: Client, run: Run) -> None:
    _produce(deployment, deployment.events_topic, 0, 5)
    _reached(crm, 0, 3, 0)
    assert "no gap" in run("accept-gap", "--all").out
    unknown = run("accept-gap", "1")
    assert unknown.code == 2
    assert "no manifest" in unknown.err


def test_accept_gap_moves_the_manifest_to_where_the_log_begins(
    crm: Client, kafka: KafkaBroker, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Apache Kafka, for the embedded broker never drops a record."""
    monkeypatch.setenv("SIXFOLD_BROKERS", kafka.address)
    monkeypatch.setenv("SIXFOLD_PREFIX", f"t{secrets.token_hex(4)}.")
    monkeypatch.setenv("SIXFOLD_PARTITIONS", "2")
    settings = Settings()
    asyncio.run(migrate_topics(settings))
    _produce(settings, settings.events_topic, 1, 9)
    crm.command("TRUNCATE TABLE manifest")
    crm.command(
        "INSERT INTO manifest (shard, epoch, flush, events_position, events_mark_crc, documents_position, rules_hash,"
        " last_event_us) VALUES (1, 4, 7, 3, 99, 0, 'hash', 5), (0, 4, 7, 0, 0, 0, 'hash', 5)"
    )

    async def drop() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=settings.brokers)
        await admin.start()
        await admin.delete_records({TP(settings.events_topic, 1): RecordsToDelete(before_offset=5)})
        await admin.close()

    asyncio.run(drop())
    assert run("accept-gap", "1", "--json").json == [{"shard": 1, "topic": settings.events_topic, "lost": 2}]
    assert crm.query(
        "SELECT shard, epoch, flush, events_position, events_mark_crc, documents_position, rules_hash, last_event_us"
        " FROM manifest FINAL ORDER BY shard"
    ).result_rows == [(0, 4, 7, 0, 0, 0, "hash", 5), (1, 4, 8, 5, 0, 0, "hash", 5)]
    assert "no gap" in run("accept-gap", "--all").out


def test_reset_refuses_while_a_worker_runs(deployment: Settings, run: Run) -> None:
    _produce(deployment, deployment.events_topic, 0, 5)

    async def with_a_member() -> Answer:
        member = AIOKafkaConsumer(
            deployment.events_topic, bootstrap_servers=deployment.brokers, group_id=deployment.group
        )
        async with member:
            return await asyncio.to_thread(run, "reset", "--yes")

    refused = asyncio.run(with_a_member())
    assert refused.code == 2
    assert f"group {deployment.group}: 1" in refused.err
    assert _end(deployment) == 5


def test_reset_empties_the_directory_of_a_stopped_embedded_stack(run: Run, elsewhere: Path) -> None:
    data = elsewhere / ".sixfold"
    for name in ("clickhouse", "journal", "logs"):
        (data / name).mkdir(parents=True)
        (data / name / "file").touch()
    (data / "sixfold.toml").write_text('clickhouse_url = "http://me:secret@127.0.0.1:1/sixfold"\n')
    lock = Lock(data)
    running = run("reset", "--yes")
    assert running.code == 2
    assert "in use by another sixfold up" in running.err
    lock.release()
    assert run("reset", "--yes").code == 0
    assert {path.name for path in data.iterdir()} == {"lock", "logs", "sixfold.toml"}


def test_reset_needs_to_be_confirmed_and_leaves_others_tables(deployment: Settings, crm: Client, run: Run) -> None:
    crm.command("CREATE TABLE mine (x UInt8) ENGINE = MergeTree ORDER BY x")
    crm.command("CREATE VIEW my_view AS SELECT x FROM mine")
    _produce(deployment, deployment.events_topic, 0, 5)
    refused = run("reset")
    assert refused.code == 2
    assert "--yes" in refused.err
    assert _end(deployment) == 5
    done = run("reset", "--yes")
    assert done.code == 0, done.err
    assert _end(deployment) == 0
    assert run("report", "campaign_revenue", "--json").json == []
    tables = crm.query("SELECT name FROM system.tables WHERE database = currentDatabase()").result_columns[0]
    assert {"mine", "my_view", "nodes", "report_calls"} <= set(tables)
    crm.command("DROP VIEW my_view")
    crm.command("DROP TABLE mine")


def test_rules_can_be_listed_and_put_in_force_again(crm: Client, run: Run) -> None:
    own = Settings().rules()
    other = Settings(lookback_days=9).rules()
    for seq, rules in enumerate((own, other), start=1):
        crm.command(
            "INSERT INTO rules (seq, hash, content) SELECT {seq:UInt32}, {hash:String}, {content:String}",
            parameters={"seq": seq, "hash": rules.hash, "content": rules.content},
        )
    listed = run("rules", "list", "--json").json
    assert [(each["hash"], each["in_force"], each["configured"]) for each in listed] == [
        (own.hash, False, True),
        (other.hash, True, False),
    ]
    assert "lookback_days" in run("rules", "list").out
    assert run("rules", "use", "zzzz").code == 2
    assert run("rules", "use", own.hash[:8]).code == 0
    assert run("rules", "list", "--json").json[-1]["hash"] == own.hash
    assert "already" in run("rules", "use", own.hash).out


# Import


def test_import_reports_what_was_sent_and_rejected(deployment: Settings, run: Run, elsewhere: Path) -> None:
    line = {
        "id": "1",
        "source": "s",
        "type": "crm.lead.created",
        "time": "2026-01-01T00:00:00Z",
        "data": {"lead_id": 1},
    }
    (elsewhere / "events.jsonl").write_text(f"{json.dumps(line)}\n\n")
    dry = run("import", "events.jsonl", "--dry-run", "--json")
    assert dry.json["types"] == {"crm.lead.created": 1}
    assert _end(deployment) == 0
    done = run("import", "events.jsonl", "--json")
    assert done.code == 0, done.err
    assert (done.json["sent"], done.json["rejected"]) == (1, 0)
    assert "1 sent, 0 rejected" in run("import", "events.jsonl").out
    assert _end(deployment) == 2
    piped = subprocess.run(
        [*SIXFOLD, "import", "-"], input=json.dumps(line), capture_output=True, text=True, check=True
    )
    assert "1 sent, 0 rejected" in piped.stdout
    assert _end(deployment) == 3
    missing = run("import", "nothing.jsonl")
    assert missing.code == 2
    assert "nothing.jsonl" in missing.err
    assert "--mapping" in run("import", "deals.csv").err
