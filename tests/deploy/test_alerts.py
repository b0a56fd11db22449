"""The rules for Prometheus and the configuration of Alertmanager, by their own tools."""

import subprocess
from pathlib import Path

import pytest

from deploy.prometheus.alerts import alerts
from tests.deploy import promtool
from tests.deploy.alert_cases import CASES, FURTHER, healthy
from tests.deploy.promtool import firing, says, silent

HERE = Path("deploy/prometheus")
NAMES = [alert.name for alert in alerts()]
UNGUARDED = {"SixfoldDeadLetters", "SixfoldEventsRejected"}
"""They count what was rejected, which no age of the figures makes less true."""


def passes(directory: Path, *tests: dict[str, object]) -> None:
    complaint = promtool.run(directory, list(tests))
    assert not complaint, complaint


def test_every_alert_has_a_case() -> None:
    assert sorted(CASES) == sorted(NAMES)


def test_nothing_fires_while_all_is_well(tmp_path: Path) -> None:
    passes(tmp_path, *(firing(f"healthy at {at}m", healthy(), [], at) for at in (3, 30, 75, 99)))


@pytest.mark.parametrize("name", NAMES)
def test_an_alert(name: str, tmp_path: Path) -> None:
    case, well = CASES[name], healthy()
    fires = {**well, **case.fires}
    expected = [(name, case.labels), *case.also.items()]
    tests = [
        firing("it fires, and nothing else", fires, expected, case.at),
        firing("just under the threshold", {**well, **case.under}, [], case.at),
        says(name, case),
    ]
    if case.volume is not None:
        tests.append(firing("too little to say so", {**well, **case.volume}, [], case.at))
    if case.labels["area"] != "operation":
        withdrawn = {key: f"{_text(value)}x3 stale" if _figure(key) and value is not None else value for key, value in fires.items()}
        tests.append(silent("the figures are withdrawn", withdrawn, name, case.at))
        if name not in UNGUARDED:
            # they stand as they were, and are not of now
            old = {key: 0 if key.startswith("sixfold_report_as_of") else value for key, value in fires.items()}
            tests.append(silent("the figures are stale", old, name, case.at))
    else:
        gone = {key: None if key.startswith("sixfold") or key in case.fires else value for key, value in fires.items()}
        tests.append(firing("there are no metrics", gone, _absent(gone), case.at))
    passes(tmp_path, *tests)


def _figure(series: str) -> bool:
    return series.startswith(("sixfold_kpi_", "sixfold_events_total"))


def _text(value: object) -> str:
    return str(value).partition("x")[0]


def _absent(world: dict[str, object]) -> list[tuple[str, dict[str, str]]]:
    """Tell what fires when a job is not there at all."""
    labels = {"severity": "critical", "area": "operation"}
    jobs = ("sixfold-worker", "sixfold-exporter")
    there = {job for job in jobs for key, value in world.items() if key.startswith(f'up{{job="{job}"') and value}
    return [("SixfoldDown", {"job": job, **labels}) for job in jobs if job not in there]


@pytest.mark.parametrize("what", list(FURTHER))
def test_further(what: str, tmp_path: Path) -> None:
    world, expected = FURTHER[what]
    passes(tmp_path, firing(what, {**healthy(), **world}, expected))


def tool(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_tools_accept_the_files() -> None:
    tool("promtool", "check", "rules", "--lint=all", *map(str, sorted((HERE / "rules").glob("*.yml"))))
    tool("promtool", "check", "config", str(HERE / "prometheus.yml"))
    tool("amtool", "check-config", str(HERE / "alertmanager.yml"))
