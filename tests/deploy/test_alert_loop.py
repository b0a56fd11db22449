"""From an event to the message: the stack, Prometheus, Alertmanager and a receiver, all real and running."""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from deploy.prometheus.demo import CAMPAIGN, Loop, alert_loop, calls, not_at_midnight, spend
from deploy.prometheus.servers import ServerError, alertmanager, alertmanager_config, prometheus, prometheus_config
from stream.cli import main
from tests.deploy.test_rules import RECORDED


def test_a_drop_and_a_collapse_are_told_to_those_whom_they_concern(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(drop_and_collapse(tmp_path, capsys))


async def drop_and_collapse(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await not_at_midnight()
    async with alert_loop(directory) as loop:
        await loop.begin(*agreed(datetime.now(UTC)))
        # everything that an alert needs is there, so that it is the figures that keep it from firing
        await loop.until('sixfold:figure:calls{member="North"} >= sixfold:threshold:team_answer_rate_min_calls')
        await loop.until(f'sixfold:figure:spend{{member="{CAMPAIGN}"}} >= sixfold:threshold:roi_min_spend')
        await all_series(loop)
        assert [each for each in loop.receiver.arrived if each.receiver != "operation"] == []

        sent = await loop.send(calls(datetime.now(UTC), "bad", 60, "missed"))
        dropped = await loop.receiver.first("SixfoldTeamAnswerRateLow")
        assert dropped.receiver == "sales"
        assert dropped.labels["team"] == "North"
        assert dropped.annotations["summary"] == "Team North answers 46.15% of its calls"
        after_drop = dropped.at - sent

        sent = await loop.send([spend(datetime.now(UTC), 50_000)])
        collapsed = await loop.receiver.first("SixfoldCampaignRoiLow")
        assert collapsed.receiver == "marketing"
        assert collapsed.labels["member"] == CAMPAIGN
        assert collapsed.annotations["summary"] == "ROI of Instagram influencer post is -20%"
        assert "on a spend of 50000 USD" in collapsed.annotations["description"]
        after_collapse = collapsed.at - sent

        # ROAS is below its threshold as well, and the message on ROI stands for both
        await until_inhibited(loop, "SixfoldCampaignRoasLow", "SixfoldCampaignRoiLow")
        assert "SixfoldCampaignRoasLow" not in {each.labels["alertname"] for each in loop.receiver.arrived}

        # back to what it was: the message is taken back
        now = datetime.now(UTC)
        await loop.send([*calls(now, "again", 60, "answered"), spend(now, 10_000)])
        assert (await loop.receiver.first("SixfoldTeamAnswerRateLow", "resolved")).receiver == "sales"
        assert (await loop.receiver.first("SixfoldCampaignRoiLow", "resolved")).receiver == "marketing"
        told = {each.labels["alertname"] for each in loop.receiver.arrived if each.receiver != "operation"}
        assert told == {"SixfoldTeamAnswerRateLow", "SixfoldCampaignRoiLow", "SixfoldCampaignCpaHigh"}
    with capsys.disabled():
        print(f"\nfrom event to message: answer rate {after_drop:.1f} s, ROI {after_collapse:.1f} s")


def agreed(now: datetime) -> list[dict[str, Any]]:
    """A target, a budget and a benchmark, none of which is missed."""
    told = {
        "target.posted": {"metric": "revenue", "month": f"{now:%Y-%m}", "value": 40_000},
        "campaign.upserted": {"campaign_id": CAMPAIGN, "budget": 100_000, "currency": "USD"},
        "benchmark.posted": {"metric": "answer_rate", "value": 0.4, "valid_from": "2026-01-01"},
    }
    return [
        {"id": kind, "source": "test", "type": f"crm.{kind}", "time": now.isoformat(), "data": data}
        for kind, data in told.items()
    ]


async def all_series(loop: Loop) -> None:
    """Wait until every recorded series has a value: the exporter and the worker give all that the rules read."""
    for name in sorted(RECORDED):
        await loop.until(name)


async def alerts_of(address: str) -> list[dict[str, Any]]:
    async with aiohttp.ClientSession() as session, session.get(f"http://{address}/api/v2/alerts") as answer:
        found: list[dict[str, Any]] = await answer.json()
        return found


async def until_inhibited(loop: Loop, alert: str, by: str) -> None:
    async with asyncio.timeout(120):
        while True:
            found = await alerts_of(loop.alertmanager)
            prints = {each["fingerprint"]: each["labels"]["alertname"] for each in found}
            inhibited = {
                each["labels"]["alertname"]: {prints.get(other) for other in each["status"]["inhibitedBy"]}
                for each in found
            }
            if by in inhibited.get(alert, ()):
                return
            await asyncio.sleep(0.2)


def test_a_server_that_is_missing_or_broken_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def start_broken() -> None:
        async with alertmanager(tmp_path, "route: {receiver: nobody}"):
            pass

    async def start_without_rules() -> None:
        (tmp_path / "rules").mkdir()
        (tmp_path / "rules" / "wrong.yml").write_text("groups: 3")
        async with prometheus(tmp_path, lambda: prometheus_config(tmp_path / "targets.json", "127.0.0.1:1")):
            pass

    with pytest.raises(ServerError, match=r"alertmanager did not start: .*nobody"):
        asyncio.run(start_broken())
    with pytest.raises(ServerError, match="prometheus did not start: "):
        asyncio.run(start_without_rules())
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["alerts", "demo"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        "sixfold: alertmanager is not installed; install it: apt-get install prometheus prometheus-alertmanager "
        "(make prometheus)"
    )


def test_what_was_started_is_gone(tmp_path: Path) -> None:
    async def start() -> str:
        async with alertmanager(tmp_path, alertmanager_config("http://127.0.0.1:9")) as address:
            return address

    address = asyncio.run(start())
    processes = [path for path in Path("/proc").iterdir() if path.name.isdigit()]
    commands = [command(path) for path in processes if int(path.name) != os.getpid()]
    assert not any(f"--web.listen-address={address}".encode() in each for each in commands)


def command(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""
