"""Runs worlds of `alert_cases.py` through `promtool test rules`, with the rules rendered as users get them."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from deploy.prometheus.alerts import alerts, groups
from deploy.prometheus.render import write
from tests.deploy.alert_cases import AT, MINUTES, Case, Labels, World, text

THRESHOLDS = Path(__file__).with_name("thresholds.yml")
_ORDER = [group["name"] for group in groups()]
_ALERTS = {alert.name: alert for alert in alerts()}


def rules_in(directory: Path) -> Path:
    """Render the rules with the tests' thresholds; gives the directory of the rule files."""
    shutil.copy(THRESHOLDS, directory / "thresholds.yml")
    write(directory)
    return directory / "rules"


def firing(
    name: str, world: World, expected: list[tuple[str, Labels]], at: int = AT, words: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Make a test of promtool's: in this world exactly these alerts fire at that minute (and say so in these words)."""
    samples = [
        {"labels": _series({"alertname": alert, "alertstate": "firing", **labels}), "value": 1}
        for alert, labels in expected
    ]
    return {
        "name": name,
        "interval": "1m",
        "input_series": [
            {"series": key, "values": value if isinstance(value, str) else f"{value}x{MINUTES}"}
            for key, value in world.items()
            if value is not None
        ],
        "promql_expr_test": [{"expr": 'ALERTS{alertstate="firing"}', "eval_time": f"{at}m", "exp_samples": samples}],
        "alert_rule_test": [words] if words else [],
    }


def says(name: str, case: Case) -> dict[str, Any]:
    """Give what promtool is to expect: the words of the alert, and where they lead."""
    annotations = {
        "summary": case.summary,
        "description": case.description,
        "runbook_url": _ALERTS[name].runbook,
        "page": case.page,
    }
    expected = {"exp_labels": case.labels, "exp_annotations": annotations}
    return {"eval_time": f"{AT}m", "alertname": name, "exp_alerts": [expected]}


def run(directory: Path, tests: list[dict[str, Any]], minutes: int = 3) -> str:
    """Run tests of promtool's in one go; gives what it complains of, '' if nothing.

    `minutes` lie between two evaluations: less than the five for which Prometheus takes a sample as current.
    """
    rules = rules_in(directory)
    document = {
        "rule_files": [str(path) for path in sorted(rules.glob("*.yml"))],
        "evaluation_interval": f"{minutes}m",
        "group_eval_order": _ORDER,
        "tests": tests,
    }
    path = directory / "rules_test.yml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=10_000), "utf-8")
    done = subprocess.run(["promtool", "test", "rules", str(path)], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def _series(labels: Mapping[str, str]) -> str:
    return "ALERTS{" + ",".join(f'{name}="{text(value)}"' for name, value in labels.items()) + "}"
