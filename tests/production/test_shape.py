"""The production shape, small: everything as processes, a minute and a half of load, a worker killed."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.production.report import BEGIN, END, enter, rows
from tests.production.resources import still_there, tree

PROJECT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(1_200)


def production(*arguments: str) -> "subprocess.Popen[str]":
    """Run the script as `make production` does."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.production", *arguments],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_killed_worker_costs_no_event_and_raises_one_alert(tmp_path: Path) -> None:
    figures = tmp_path / "production.json"
    with production("--seconds", "90", "--rate", "100", "--json", str(figures)) as process:
        printed, _ = process.communicate()
    assert process.returncode == 0, printed
    found = json.loads(figures.read_text())
    assert {each["name"] for each in found["checks"] if not each["holds"]} == set()
    assert found["reports"]["leads"] == found["expected"]["leads"] > 2_000
    assert "SixfoldDown" in {alert["alertname"] for alert in found["alerts"]["fired"]}
    assert found["freshness"]["probes"] >= 5
    named = {"kafka", "clickhouse", "worker-1", "worker-2", "gateway", "exporter", "page", "prometheus", "alertmanager"}
    assert named <= {row[0] for row in rows(found)}
    page = enter(f"before\n{BEGIN}of another run\n{END}\nafter\n", found)
    assert "| worker-1 |" in page
    assert page.startswith("before\n")
    assert page.endswith(f"{END}\nafter\n")
    assert "of another run" not in page


def test_interrupted_while_it_starts_it_leaves_no_process(tmp_path: Path) -> None:
    with production("--seconds", "60", "--json", str(tmp_path / "production.json")) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "two workers" in line:
                break
        started = tree(process.pid)[1:]
        assert len(started) >= 2, "".join(lines)
        process.send_signal(signal.SIGINT)
        said = process.stdout.read()
    assert process.returncode == 130, said
    assert "interrupted" in said
    assert not still_there(started)
