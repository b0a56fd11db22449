"""The thresholds file: what it may say, what it becomes, and how a fault is told."""

import json
from math import isnan
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from clickhouse_connect.driver.client import Client

from deploy.prometheus.render import threshold_rules
from deploy.prometheus.thresholds import SHIPPED, Thresholds, ThresholdsError, read_thresholds
from stream.cli import main
from tests.clickhouse import ClickHouseServer
from tests.deploy.test_rules import selectors
from tests.sinks.folded import Folder


def read(directory: Path, text: str) -> Thresholds:
    path = directory / "thresholds.yml"
    path.write_text(text, "utf-8")
    return read_thresholds(path)


def rules(thresholds: Thresholds) -> dict[str, Any]:
    (group,) = yaml.safe_load(threshold_rules(thresholds))["groups"]
    return {rule["record"]: rule for rule in group["rules"]}


def value(thresholds: Thresholds, name: str) -> float:
    (found,) = [limit.value for limit in thresholds.limits if limit.name == f"sixfold:threshold:{name}"]
    return found


def test_the_shipped_file_says_everything() -> None:
    thresholds = read_thresholds(SHIPPED)
    assert thresholds.missing == []
    assert (thresholds.runbooks, thresholds.page) == ("", "")


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("calls: {team_answer_rate: {below: 60%}}", "team_answer_rate_below", 0.6),
        ("calls: {team_answer_rate: {below: 0.6}}", "team_answer_rate_below", 0.6),
        ("calls: {team_answer_rate: {below: 12.5 %}}", "team_answer_rate_below", 0.125),
        ("calls: {no_calls: {from: 8:30}}", "no_calls_from", 8.5),
        ("calls: {no_calls: {until: 17:00}}", "no_calls_until", 17),
        ("calls: {no_calls: {days: mon-fri}}", "no_calls_days", 0b0011111),
        ("calls: {no_calls: {days: sun-thu}}", "no_calls_days", 0b1001111),
        ("calls: {no_calls: {days: [mon, sat]}}", "no_calls_days", 0b0100001),
        ("calls: {talk_time: {longest: 2h}}", "talk_time_longest", 7200),
        ("campaigns: {roi: {below: -20%}}", "roi_below", -0.2),
        ("campaigns: {roas: {below: 150%}}", "roas_below", 1.5),
        ("campaigns: {cpa: {above: 49.50}}", "cpa_above", 49.5),
        ("operation: {lag_records: 7}", "lag_records", 7),
    ],
)
def test_values_as_people_write_them(text: str, name: str, expected: float, tmp_path: Path) -> None:
    assert value(read(tmp_path, text), name) == expected


@pytest.mark.parametrize("text", ["calls: {team_answer_rate: off}", "calls: {team_answer_rate: {below: off}}"])
def test_off_is_a_number_that_nothing_is_below(text: str, tmp_path: Path) -> None:
    assert isnan(value(read(tmp_path, text), "team_answer_rate_below"))


def test_what_a_file_leaves_out_has_the_shipped_value(tmp_path: Path) -> None:
    thresholds = read(tmp_path, "campaigns:\n  roas: {below: 3}\n")
    shipped = {limit.name: limit for limit in read_thresholds(SHIPPED).limits}
    changed = [limit for limit in thresholds.limits if not same(limit, shipped[limit.name])]
    assert [limit.name for limit in changed] == ["sixfold:threshold:roas_below"]
    assert "campaigns.roas.min_spend" in thresholds.missing
    assert "calls.no_calls" in thresholds.missing


def same(one: Any, other: Any) -> bool:
    return repr(one) == repr(other)  # NaN is not equal to itself


def test_exceptions_go_before_the_general_value_the_narrowest_first(tmp_path: Path) -> None:
    thresholds = read(
        tmp_path,
        """
calls:
  rep_answer_rate:
    window: 30d
    below: 40%
    teams: {"Key \\"A\\" \\\\ B": {below: 60%}}
    reps: {042: {below: 45%}, K9: off}
""",
    )
    assert rules(thresholds)["sixfold:threshold:rep_answer_rate_below"]["expr"].splitlines() == [
        '0.45 * sixfold:known:calls{dimension="rep",member="042",window="30d"}',
        'or NaN * sixfold:known:calls{dimension="rep",member="K9",window="30d"}',
        'or 0.6 * sixfold:known:calls{dimension="rep",team="Key \\"A\\" \\\\ B",window="30d"}',
        'or 0.4 * sixfold:known:calls{dimension="rep",window="30d"}',
    ]


def test_any_name_may_have_an_exception(tmp_path: Path) -> None:
    names = ["a: b #c", "\N{PARTY POPPER} 'x'", "next\x85line", "\u2028", "tab\there", "{{ $value }}", "\\"]
    text = yaml.safe_dump({"campaigns": {"roas": {"campaigns": {name: {"below": "2"} for name in names}}}})
    expression = rules(read(tmp_path, text))["sixfold:threshold:roas_below"]["expr"]
    found = [selector.matchers.matchers for selector in selectors(promql_parser.parse(expression))]
    assert [each.value for matchers in found for each in matchers if each.name == "member"] == sorted(names)


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        (
            "calls:\n  team_answer_rate:\n    below: 60 percent\n",
            ['3: calls.team_answer_rate.below: "60 percent" must be a share from 0% to 100%, such as 60%'],
        ),
        (
            "calls: {team_answer_rate: {below: 60}}",
            ['1: calls.team_answer_rate.below: "60" must be a share from 0% to 100%, such as 60% or 0.6; or off'],
        ),
        (
            "calls:\n  team_answer_rate:\n    teams:\n      North: {belwo: 60%}\n",
            ["4: calls.team_answer_rate.teams.North.belwo: there is no such key; did you mean below?"],
        ),
        (
            "calls: {team_answer_rate: {teams: {North: {window: 7d}}}}",
            [
                "1: calls.team_answer_rate.teams.North.window: there is no such key; it takes below, min_calls",
            ],
        ),
        (
            "calls: {team_answer_rate: {teams: {North: 60%}}}",
            ['1: calls.team_answer_rate.teams.North: "60%" cannot stand here; it takes entries: below, min_calls'],
        ),
        (
            "calls: {team_answer_rate: {teams: North}}",
            ['1: calls.team_answer_rate.teams: "North" cannot stand here; it takes entries, each with a name'],
        ),
        ("calls: {team_answer_rate: {below: {a: 1}}}", ["1: calls.team_answer_rate.below: must be one value"]),
        ("cals: {}", ["1: cals: there is no such key; did you mean calls?"]),
        (
            "campaigns: {roas: {window: today}}",
            ['1: campaigns.roas.window: "today" must be 7d or 30d'],
        ),
        (
            "campaigns: {cpa: {above: '1,000'}}",
            ['1: campaigns.cpa.above: "1,000" must be an amount of 0 or more without separators and currency'],
        ),
        ("campaigns: {cpa: {above: -5}}", ["1: campaigns.cpa.above"]),
        ("campaigns: {cpa: {above: .nan}}", ["1: campaigns.cpa.above"]),
        ("campaigns: {cpa: {above: 1e400}}", ["1: campaigns.cpa.above"]),
        ("campaigns: {roi: {below: -150%}}", ["1: campaigns.roi.below"]),
        ("campaigns: {roas: {below: -1}}", ["1: campaigns.roas.below"]),
        ("calls: {missed_in_a_row: {calls: 2.5}}", ["1: calls.missed_in_a_row.calls"]),
        ("calls: {missed_in_a_row: {direction: outbound}}", ["1: calls.missed_in_a_row.direction"]),
        ("calls: {no_calls: {from: 9}}", ["1: calls.no_calls.from"]),
        ("calls: {no_calls: {until: 24:30}}", ["1: calls.no_calls.until"]),
        ("calls: {no_calls: {days: mon-fry}}", ["1: calls.no_calls.days"]),
        ("calls: {no_calls: {days: []}}", ["1: calls.no_calls.days"]),
        ("calls: {no_calls: {from: 18:00}}", ["1: calls.no_calls: from must be less than until"]),
        (
            "calls: {talk_time: {reps: {K1: {shortest: 20m}}}}",
            ["1: calls.talk_time.reps.K1: shortest must be less than longest"],
        ),
        ("calls: {talk_time: {shortest: 45}}", ["1: calls.talk_time.shortest"]),
        ("operation: {figures_age: off}", ["1: operation.figures_age: cannot be off"]),
        ("links: {page: reports.example.org}", ["1: links.page: must be an address"]),
        ("links: {page: 'https://x/\"}} {{'}", ["1: links.page: must be an address"]),
        ("- calls", ['1: the file: "calls" cannot stand here; it takes entries: calls, campaigns,']),
        ("calls: {a: {b: {c: {d: {e: {f: {g: 1}}}}}}}", ["1: is nested too deep"]),
        ("a: &a [*a]", ["1: is nested too deep"]),
        ("calls:\n  x: 1\n  x: 2\n", ["3: x stands here twice"]),
        ("calls:\n - {\n", ["3: is not YAML here"]),
        ('a: "\\ud83d"', ["1: half a character"]),
        ('calls: {"\\ud83d": 1}', ["1: half a character"]),
        ("? [a, b]\n: 1\n", ["1: a key must be a word"]),
    ],
)
def test_a_fault_is_one_line_that_names_the_key(
    text: str, faults: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "thresholds.yml"
    with pytest.raises(ThresholdsError) as raised:
        read(tmp_path, text)
    lines = str(raised.value).splitlines()
    assert len(lines) == len(faults)
    for line, fault in zip(lines, faults, strict=True):
        assert line.startswith(f"{path}:{fault}")
    assert main(["alerts", "render", str(tmp_path)]) == 2
    assert capsys.readouterr().err.splitlines() == [f"sixfold: {line}" for line in lines]
    assert not (tmp_path / "rules").exists()


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ThresholdsError) as raised:
        read(tmp_path, "calls:\n  roas: {}\ncampaigns:\n  roas: {below: x, min_spend: y}\n")
    assert len(str(raised.value).splitlines()) == 3


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "thresholds.yml").write_bytes(b"\xff\xfe")
    with pytest.raises(ThresholdsError, match="is no UTF-8 text"):
        read_thresholds(tmp_path / "thresholds.yml")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = tmp_path / "prometheus"
    assert main(["alerts", "render", str(directory), "--check"]) == 1
    assert not directory.exists()
    assert main(["alerts", "render", str(directory)]) == 0
    assert f"wrote {directory / 'rules' / 'thresholds.yml'}" in capsys.readouterr().out
    assert main(["alerts", "render", str(directory), "--check"]) == 0
    assert capsys.readouterr().out == "all rules are current\n"
    (directory / "thresholds.yml").write_text("calls: {}\n")
    assert main(["alerts", "render", str(directory)]) == 0
    assert "says nothing of campaigns.roas: the shipped value holds" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert main(["alerts", "render", str(tmp_path / "file")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["alerts", "list"]) == 0
    assert "SixfoldNoCalls" in capsys.readouterr().out
    assert main(["alerts", "list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"name", "area", "severity", "hold", "expression", "runbook"} == set(found[0])


def test_names_that_the_reports_do_not_know_are_told(
    database: Client,
    clickhouse_server: ClickHouseServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rep = {"rep_id": "N1", "name": "Ida", "team": "North"}
    event = {"id": "1", "source": "crm", "type": "crm.rep.upserted", "time": "2026-03-01T12:00:00Z", "data": rep}
    Folder(database).fold([json.dumps(event).encode()])
    server, name = clickhouse_server, database.command("SELECT currentDatabase()")
    url = f"http://{server.user}:{server.password}@{server.host}:{server.port}/{name}"
    monkeypatch.setenv("SIXFOLD_CLICKHOUSE_URL", url)
    path = tmp_path / "thresholds.yml"
    path.write_text(
        "calls:\n  rep_answer_rate:\n    teams:\n      North: {below: 60%}\n      Nroth: off\n    reps: {N1: off}\n"
        "campaigns: {roas: {campaigns: {spring: off}}}\ndata: {dead_letters: {reasons: {too-large: off}}}\n"
    )
    assert main(["alerts", "render", str(tmp_path), "--names"]) == 1
    told = [
        line for line in capsys.readouterr().err.splitlines() if "says nothing" not in line and "quality" not in line
    ]
    nobody = "the reports know none of"
    assert told == [
        f"sixfold: {path}:5: calls.rep_answer_rate.teams.Nroth: {nobody} teams by this name; did you mean North?",
        f"sixfold: {path}:7: campaigns.roas.campaigns.spring: {nobody} campaigns by this name",
    ]
    path.write_text("calls: {rep_answer_rate: {reps: {N1: off}}}")
    assert main(["alerts", "render", str(tmp_path), "--names"]) == 0
