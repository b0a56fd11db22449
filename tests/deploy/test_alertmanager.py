"""Who is told: routes by amtool, inhibition by an Alertmanager that runs."""

import asyncio
import re
import subprocess
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from deploy.prometheus.alerts import alerts
from deploy.prometheus.servers import alertmanager, alertmanager_config
from tests.deploy.alert_cases import CASES, Labels
from tests.deploy.test_alert_loop import alerts_of

CONFIG = Path(__file__).parents[2] / "deploy" / "prometheus" / "alertmanager.yml"
RECEIVERS = {"marketing": "marketing", "sales": "sales", "data": "data", "operation": "operation"}


def route(**labels: str) -> str:
    pairs = [f"{name}={value}" for name, value in labels.items()]
    done = subprocess.run(
        ["amtool", "config", "routes", "test", f"--config.file={CONFIG}", *pairs],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_amtool_accepts_the_file() -> None:
    done = subprocess.run(["amtool", "check-config", str(CONFIG)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert.name)
def test_every_alert_has_its_readers(alert: Any) -> None:
    labels = {name: re.sub(r"[^\w/-]", "_", value) for name, value in CASES[alert.name].labels.items()}
    assert route(alertname=alert.name, **labels) == RECEIVERS[alert.area]


def test_a_team_with_a_channel_of_its_own() -> None:
    assert route(area="sales", team="North", alertname="SixfoldNoCalls") == "sales"
    assert route(area="sales", team='"Key accounts"', alertname="SixfoldNoCalls") == "sales-key-accounts"
    assert route(area="sales", team='"Key accounts"') == "sales-key-accounts"
    assert route(alertname="SomebodyElses") == "operation"


def test_the_rules_name_alerts_that_there_are() -> None:
    names = {alert.name for alert in alerts()}
    named = set(re.findall(r"Sixfold\w+", CONFIG.read_text()))
    assert named <= names | {"Sixfold"}


def test_no_secret_and_only_this_machine() -> None:
    for receiver in yaml.safe_load(CONFIG.read_text())["receivers"]:
        assert [set(receiver) - {"name"}] == [{"webhook_configs"}]
        for hook in receiver["webhook_configs"]:
            assert hook["url"].startswith("http://127.0.0.1:")


BUSINESS = ["SixfoldTeamAnswerRateLow", "SixfoldCampaignCpaHigh", "SixfoldSourceQuiet"]


@pytest.mark.parametrize(
    ("firing", "silenced"),
    [
        (["SixfoldFiguresStale", "SixfoldFreshnessSlow", "SixfoldLagHigh", *BUSINESS], [1, 2, 3, 4, 5]),
        (["SixfoldGap", "SixfoldFiguresStale", "SixfoldNotReady", *BUSINESS], [1, 2, 3, 4, 5]),
        (["SixfoldNotReady", "SixfoldFiguresStale", "SixfoldFreshnessSlow", "SixfoldLagHigh", *BUSINESS], range(1, 7)),
        (["SixfoldDown", "SixfoldLagHigh"], [1]),
        # these say nothing of the figures that are shown
        (["SixfoldFreshnessSlow", "SixfoldLagHigh", "SixfoldExporterStale", "SixfoldAuditOld", *BUSINESS], []),
        (["SixfoldAuditDifferences", *BUSINESS], []),
        (["SixfoldEventsRejected", "SixfoldDeadLetters"], [1]),
        (["SixfoldCampaignRoiLow", "SixfoldCampaignRoasLow"], [1]),
        (["SixfoldBudgetNearlyUsedUp", "SixfoldBudgetUsedEarly"], [1]),
        (["SixfoldRepAnswerRateLow", "SixfoldRepAnswerRateBelowBenchmark"], []),  # of two reps
    ],
    ids=lambda value: value[0] if isinstance(value, list) and value and isinstance(value[0], str) else "",
)
def test_one_cause_is_one_message(firing: list[str], silenced: list[int], tmp_path: Path) -> None:
    found = asyncio.run(statuses(tmp_path, [{"alertname": name, **CASES[name].labels} for name in firing]))
    assert found == {name: "suppressed" if place in silenced else "active" for place, name in enumerate(firing)}


def test_a_benchmark_goes_with_the_threshold_of_the_same_member(tmp_path: Path) -> None:
    for kind in ("Team", "Rep"):
        low, benchmark = f"Sixfold{kind}AnswerRateLow", f"Sixfold{kind}AnswerRateBelowBenchmark"
        labels = CASES[low].labels
        pair = [{**labels, "alertname": low}, {**labels, "alertname": benchmark, "window": "30d"}]
        directory = tmp_path / kind
        directory.mkdir()
        assert asyncio.run(statuses(directory, pair)) == {low: "active", benchmark: "suppressed"}


async def statuses(directory: Path, labelled: list[Labels]) -> dict[str, str]:
    """What Alertmanager makes of alerts that fire together: active or suppressed, by name."""
    async with (
        alertmanager(directory, alertmanager_config("http://127.0.0.1:9")) as address,
        aiohttp.ClientSession() as session,
    ):
        async with session.post(
            f"http://{address}/api/v2/alerts", json=[{"labels": each} for each in labelled]
        ) as sent:
            assert sent.status == 200, await sent.text()
        # Inhibition takes alerts in beside the API: what counts is a status that stays.
        last: dict[str, str] = {}
        since = asyncio.get_running_loop().time()
        async with asyncio.timeout(60):
            while True:
                found = {each["labels"]["alertname"]: each["status"]["state"] for each in await alerts_of(address)}
                now = asyncio.get_running_loop().time()
                if found != last or len(found) < len(labelled) or "unprocessed" in found.values():
                    last, since = found, now
                elif now - since >= 2:
                    return found
                await asyncio.sleep(0.1)
