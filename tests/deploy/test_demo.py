"""`deploy.embedded.demo` as a person runs it: a process over the whole stack."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sinks.client import connect
from stream.settings import Settings

RUN = """
import sys
from datetime import datetime
from pathlib import Path
from deploy.embedded.demo import Options, run
data, once, seed = sys.argv[1:]
sys.exit(run(Options(data=Path(data), events=7_000, seed=int(seed), once=once == "once")))
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "data"


def demo(data: Path, once: str, seed: int = 3) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SIXFOLD_")}
    command = [sys.executable, "-c", RUN, str(data), once, str(seed)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def going_on(data: Path) -> Iterator[subprocess.Popen[str]]:
    process = demo(data, "live")
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_the_known_figures_and_the_audit_hold(data: Path) -> None:
    process = demo(data, "once")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    lines = [" ".join(line.split()) for line in out.splitlines()]
    for line in (
        "Instagram influencer post ROAS 0.8 0.8 ok",
        "Instagram influencer post ROI -20 % -20 % ok",
        "Instagram influencer post CPA 500 500 ok",
        "Instagram influencer post share of leads that bought 10 % 10 % ok",
        "Search ad ROAS 8 8 ok",
        "Search ad ROI 700 % 700 % ok",
        "Search ad CPA 50 50 ok",
        "Search ad share of visitors that bought 1 % 1 % ok",
        "the two by revenue first Search ad Search ad ok",
    ):
        assert line in lines
    assert "WRONG" not in out
    assert "no difference" in out
    for title in ("1. Campaign leads", "2. Opp", "3. Lead source", "4. Camp", "5. Calls", "6. Profit", "7. The funnel"):
        assert title in out
    assert "first report after" in err
    assert "\n\nTwo campaigns whose figures are known\n" in out
    assert "(other)" not in out, "what has no name is called as in the reports"
    for title, following in (("4. Campaigns by revenue", "5. Calls"), ("6. Profitability", "7. The funnel")):
        table, _, chart = out.partition(title)[2].partition(following)[0].partition("revenue by campaign\n")
        rows = [line for line in table.splitlines() if line.startswith("20")]
        assert any(row.split()[1] == "(none)" for row in rows)
        assert not any(row[len("period_start  ")] == " " for row in rows)
        assert any(line.startswith("(none) ") for line in chart.splitlines())


def test_another_quarter_on_the_same_directory_is_refused(data: Path) -> None:
    process = demo(data, "once", seed=4)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "holds the quarter of --events 7000 --seed 3" in err


def test_it_goes_on_with_new_events_until_it_is_told_to_stop(data: Path, going_on: subprocess.Popen[str]) -> None:
    assert going_on.stderr is not None
    for line in iter(going_on.stderr.readline, ""):
        if "going on" in line:
            break
    client = connect(Settings(data=data))
    # FINAL: what a merge of parts has yet to drop would hide what is new
    before = client.query("SELECT count() FROM nodes FINAL").result_rows[0][0]
    assert before > 0
    while client.query("SELECT count() FROM nodes FINAL").result_rows[0][0] <= before:
        assert going_on.poll() is None
        time.sleep(0.5)
    client.close()
    going_on.send_signal(signal.SIGINT)
    going_on.communicate(timeout=60)
    assert going_on.returncode == 0
