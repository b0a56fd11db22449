"""The rules for Prometheus, by promtool: each alert fires, and only when it should."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from deploy.prometheus.alerts import alerts
from tests.deploy import promtool
from tests.deploy.alert_cases import AT, CASES, FURTHER, REPORTS, Values, healthy, series
from tests.deploy.promtool import firing, says

HERE = Path(__file__).parents[2] / "deploy" / "prometheus"
NAMES = [alert.name for alert in alerts()]
BUSINESS = [name for name in NAMES if name in CASES and CASES[name].labels["area"] != "operation"]
UNGUARDED = {"SixfoldDeadLetters", "SixfoldEventsRejected"}
"""They count what was rejected, which no age of the figures makes less true."""
STALE = ("SixfoldFiguresStale", CASES["SixfoldFiguresStale"].labels)


def passes(directory: Path, *tests: dict[str, Any], minutes: int = 3) -> None:
    complaint = promtool.run(directory, list(tests), minutes)
    assert not complaint, complaint


def test_every_alert_has_a_case() -> None:
    assert sorted(CASES) == sorted(NAMES)
    unlimited = {name for name in NAMES if name in BUSINESS and CASES[name].volume is None}
    # how much of a budget is used, and how many letters are dead, are volumes themselves
    assert unlimited == {"SixfoldBudgetNearlyUsedUp", "SixfoldDeadLetters"}


def test_nothing_fires_while_all_is_well(tmp_path: Path) -> None:
    passes(tmp_path, *(firing(f"healthy at {at}m", healthy(), [], at) for at in (3, 48, 99)))


@pytest.mark.parametrize("name", NAMES)
def test_an_alert(name: str, tmp_path: Path) -> None:
    case, well = CASES[name], healthy()
    tests = [
        firing("it fires, and nothing else", {**well, **case.fires}, [(name, case.labels)], words=says(name, case)),
        firing("just under the threshold", {**well, **case.under}, []),
    ]
    if case.volume is not None:
        tests.append(firing("too little to say so", {**well, **case.volume}, []))
    passes(tmp_path, *tests)


def test_figures_that_are_stale_or_withdrawn_raise_nothing(tmp_path: Path) -> None:
    all_at_once: dict[str, Values | None] = healthy()
    for name in BUSINESS:
        all_at_once |= CASES[name].fires
    expected = {name: (name, CASES[name].labels) for name in BUSINESS}
    as_of = {series("sixfold_report_as_of_seconds", report=report): "0+60x100" for report in REPORTS}
    passes(
        tmp_path,
        firing("all of them fire", all_at_once, list(expected.values())),
        firing(
            "the figures stand as they were, and are not of now",
            {**all_at_once, **dict.fromkeys(as_of, 0)},
            [STALE, *(expected[name] for name in UNGUARDED)],
        ),
        firing(
            "the exporter withdraws them before they have held long enough",
            {
                key: f"{str(value).partition('x')[0]}x1 stale _x98"
                if _is_a_figure(key) and value is not None
                else value
                for key, value in all_at_once.items()
            },
            [],
        ),
        firing(
            "there are no figures at all",
            {key: None if _is_a_figure(key) else value for key, value in all_at_once.items()},
            [],
        ),
    )


def _is_a_figure(key: str) -> bool:
    return key.startswith(("sixfold_kpi_", "sixfold_events_total", "sixfold_dead_letters_total"))


def test_without_any_metric_only_the_absence_is_told(tmp_path: Path) -> None:
    labels = {"severity": "critical", "area": "operation"}
    jobs = ("sixfold-worker", "sixfold-exporter")
    passes(tmp_path, firing("nothing is scraped", {}, [("SixfoldDown", {"job": job, **labels}) for job in jobs]))


@pytest.mark.parametrize("what", list(FURTHER))
def test_further(what: str, tmp_path: Path) -> None:
    world, expected = FURTHER[what]
    passes(tmp_path, firing(what, {**healthy(), **world}, expected))


@pytest.mark.parametrize(
    ("name", "minutes"),
    [("SixfoldTeamAnswerRateLow", 15), ("SixfoldMissedCallsInARow", 1), ("SixfoldLagHigh", 10), ("SixfoldDown", 5)],
)
def test_an_alert_waits_for_its_time(name: str, minutes: int, tmp_path: Path) -> None:
    well, case = healthy(), CASES[name]
    late = {key: f"{well[key]}x{AT - minutes} {value}x60" for key, value in case.fires.items()}
    passes(
        tmp_path,
        firing("a minute too short", {**well, **late}, []),
        firing("long enough", {**well, **late}, [(name, case.labels)], AT + 1),
        minutes=1,
    )


def tool(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_accepts_the_files() -> None:
    tool("promtool", "check", "rules", "--lint=all", *map(str, sorted((HERE / "rules").glob("*.yml"))))
    tool("promtool", "check", "config", str(HERE / "prometheus.yml"))
