"""What the shipped rules and samples are made into for servers that run on this machine."""

import shutil
import subprocess
from pathlib import Path

import yaml

from deploy.prometheus.render import RULES
from deploy.prometheus.servers import quick_rules, sample_config

TARGETS = {
    "sixfold-worker": ["127.0.0.1:1", "127.0.0.1:2"],
    "sixfold-exporter": ["127.0.0.1:3"],
    "sixfold-gateway": ["127.0.0.1:4"],
}


def rules(directory: Path) -> dict[str, dict[str, object]]:
    """Every alert of a directory, with how often it is looked at."""
    groups = [group for path in sorted(directory.glob("*.yml")) for group in yaml.safe_load(path.read_text())["groups"]]
    found = [rule | {"every": group["interval"]} for group in groups for rule in group["rules"]]
    return {rule["alert"]: rule for rule in found if "alert" in rule}


def test_rules_wait_the_share_that_is_asked_for(tmp_path: Path) -> None:
    quick_rules(tmp_path, "5s", 0.1)
    shipped, found = rules(RULES), rules(tmp_path / "rules")
    assert found.keys() == shipped.keys()
    low = found["SixfoldTeamAnswerRateLow"]
    assert (low["every"], low["for"], low["keep_firing_for"]) == ("5s", "90s", "90s")
    assert found["SixfoldDown"]["for"] == "30s"
    assert found["SixfoldForecastBelowTarget"]["for"] == "360s"
    assert "for" not in found["SixfoldGap"]
    assert {name: rule["expr"] for name, rule in found.items()} == {
        name: rule["expr"] for name, rule in shipped.items()
    }


def test_without_a_share_they_wait_a_second_and_keep_nothing_firing(tmp_path: Path) -> None:
    quick_rules(tmp_path)
    low = rules(tmp_path / "rules")["SixfoldTeamAnswerRateLow"]
    assert (low["every"], low["for"]) == ("1s", "1s")
    assert "keep_firing_for" not in low


def test_the_sample_with_addresses_is_a_configuration(tmp_path: Path) -> None:
    path = tmp_path / "prometheus.yml"
    path.write_text(sample_config(TARGETS, "127.0.0.1:9093", "5s"))
    jobs = {job["job_name"]: job["static_configs"] for job in yaml.safe_load(path.read_text())["scrape_configs"]}
    assert jobs == {name: [{"targets": addresses}] for name, addresses in TARGETS.items()}
    quick_rules(tmp_path, "5s", 0.1)
    promtool = shutil.which("promtool")
    assert promtool, "promtool is missing: make prometheus"
    subprocess.run([promtool, "check", "config", str(path)], check=True, capture_output=True, text=True)
