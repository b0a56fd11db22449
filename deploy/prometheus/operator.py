"""The rules as the Prometheus Operator takes them: one PrometheusRule with the groups of every rule file."""

from typing import Any

import yaml

from deploy.prometheus.render import rendered
from deploy.prometheus.thresholds import Thresholds

_HEAD = "# Made from the rules in deploy/prometheus by `sixfold alerts operator`: edit thresholds.yml there.\n"


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks, and no anchors: people read it."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML calls it so
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def prometheus_rule(thresholds: Thresholds) -> str:
    """Write the resource, of no namespace; its groups are those of `sixfold alerts render`, in the same order."""
    groups: list[Any] = []
    for text in rendered(thresholds).values():
        groups += yaml.safe_load(text)["groups"]
    resource = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {
            "name": "sixfold",
            "labels": {"app.kubernetes.io/name": "sixfold", "app.kubernetes.io/component": "monitoring"},
        },
        "spec": {"groups": groups},
    }
    return _HEAD + yaml.dump(resource, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
