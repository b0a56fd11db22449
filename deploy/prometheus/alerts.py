"""The alerts there are, as the rule files say."""

from typing import Any, NamedTuple

import yaml

from deploy.prometheus.render import RULES

__all__ = ["Alert", "alerts", "groups"]


class Alert(NamedTuple):
    """One alerting rule. `hold`: how long its expression must hold before it fires, as in the file."""

    name: str
    area: str
    severity: str
    hold: str
    expression: str
    runbook: str


def groups() -> list[dict[str, Any]]:
    """Read the groups of all rule files, as Prometheus' rule files have them."""
    return [
        group for path in sorted(RULES.glob("*.yml")) for group in yaml.safe_load(path.read_text("utf-8"))["groups"]
    ]


def alerts() -> list[Alert]:
    """Give every alert, in the order of the files."""
    return [
        Alert(
            rule["alert"],
            rule["labels"]["area"],
            rule["labels"]["severity"],
            str(rule.get("for", "0s")),
            rule["expr"].strip(),
            rule["annotations"]["runbook_url"],
        )
        for group in groups()
        for rule in group["rules"]
        if "alert" in rule
    ]
