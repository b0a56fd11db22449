"""What the rules are made of: declared metrics, current files, words and links for people."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest

from deploy.prometheus.alerts import alerts, groups
from deploy.prometheus.render import write
from sinks import endpoint, exporter, metrics
from sinks.kpi import QUERIES
from sinks.metric import Metric
from tests.deploy.alert_cases import CASES, FURTHER, World, healthy
from tests.deploy.promtool import THRESHOLDS

HERE = Path(__file__).parents[2] / "deploy" / "prometheus"
OF_PROMETHEUS = {"up": {"job", "instance"}}
OF_SCRAPING = {"job", "instance"}
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}


def declared() -> dict[str, set[str]]:
    """Labels of every series that Sixfold declares, by name."""
    found: dict[str, set[str]] = {}
    everything: list[Metric] = [*endpoint.DECLARED, *metrics.DECLARED, *exporter.DECLARED]
    for metric in [*everything, *(metric for query in QUERIES for metric in query.metrics)]:
        for suffix in SUFFIXES[metric.kind]:
            found[metric.name + suffix] = {*metric.labels, *OF_SCRAPING, *(["le"] if suffix == "_bucket" else [])}
    return found


DECLARED = declared()
RULES: list[dict[str, Any]] = [rule for group in groups() for rule in group["rules"]]
RECORDED = {rule["record"] for rule in RULES if "record" in rule}
ALERTING = [rule for rule in RULES if "alert" in rule]


def selectors(node: Any) -> Iterator[Any]:
    """Every vector selector of an expression."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for name in ("expr", "lhs", "rhs", "vector_selector", "param"):
        inner = getattr(node, name, None)
        if inner is not None:
            yield from selectors(inner)
    for inner in getattr(node, "args", None) or ():
        yield from selectors(inner)


def in_templates(rule: dict[str, Any]) -> Iterator[str]:
    """Queries in the annotations of an alert, with a word for each label that is put into them."""
    for text in rule["annotations"].values():
        asked = [*re.finditer(r'(?:query|printf) ("(?:[^"\\]|\\.)*")(?: [$\w.]+)*(?P<piped> \| query)?', text)]
        queries = [match for match in asked if match["piped"] or match[0].startswith("query")]
        assert len(queries) == len(re.findall(r"(?<![.\w])query\b", text)), text
        yield from (match[1][1:-1].replace("%q", '"x"') for match in queries)


def expressions() -> list[tuple[str, str]]:
    found = [(rule.get("alert") or rule["record"], rule["expr"]) for rule in RULES]
    return [*found, *((rule["alert"], query) for rule in ALERTING for query in in_templates(rule))]


@pytest.mark.parametrize(("rule", "expression"), expressions())
def test_every_metric_and_label_is_declared(rule: str, expression: str) -> None:
    for selector in selectors(promql_parser.parse(expression)):
        assert selector.name in DECLARED or selector.name in OF_PROMETHEUS or selector.name in RECORDED, rule
        labels = {matcher.name for matcher in selector.matchers.matchers}
        if selector.name in DECLARED:
            assert labels <= DECLARED[selector.name], rule
        for matcher in selector.matchers.matchers:
            if matcher.op == promql_parser.MatchOp.Equal:
                exists(selector.name, matcher.name, matcher.value)


def exists(metric: str, label: str, value: str) -> None:
    """Check a label's value against what the exporter can give, where that is a closed set."""
    kpis = [kpi for query in QUERIES for kpi in query.kpis if kpi.metric.name == metric]
    if label == "dimension" and kpis:
        assert value in {dimension for kpi in kpis for dimension in kpi.slices}, f"{metric}: no dimension {value}"
    if label == "report":
        read = {view for query in QUERIES for view in query.views}
        assert value in read, f"no figure comes from {value}"


def test_every_recorded_series_is_used() -> None:
    used = {selector.name for _, text in expressions() for selector in selectors(promql_parser.parse(text))}
    assert used >= RECORDED


def test_the_cases_are_of_the_metrics_that_there_are() -> None:
    worlds: list[World] = [healthy(), *(world for world, _ in FURTHER.values())]
    worlds += [case.fires for case in CASES.values()]
    series = {key for world in worlds for key in world}
    for key in series:
        (selector,) = selectors(promql_parser.parse(key))
        labels = {matcher.name for matcher in selector.matchers.matchers}
        if selector.name in OF_PROMETHEUS:
            continue
        own = DECLARED[selector.name] - OF_SCRAPING
        assert own <= labels <= DECLARED[selector.name], key


def test_every_alert_can_be_routed_and_says_what_to_do() -> None:
    names = [rule["alert"] for rule in ALERTING]
    assert len(set(names)) == len(names)
    for rule in ALERTING:
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert rule["labels"]["area"] in ("marketing", "sales", "data", "operation")
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url", "page"}
        assert re.fullmatch(r"docs/runbooks/[a-z-]+\.md", rule["annotations"]["runbook_url"])
        assert rule["annotations"]["page"].startswith("/")


def test_the_committed_files_are_current() -> None:
    _, changed = write(HERE, check=True)
    assert changed == [], "run make alerts"


def test_rendering_twice_changes_nothing_and_keeps_what_people_edit(tmp_path: Path) -> None:
    directory = tmp_path / "prometheus"
    _, first = write(directory)
    assert {path.relative_to(directory).as_posix() for path in first} == {
        "thresholds.yml",
        "prometheus.yml",
        "alertmanager.yml",
        *(f"rules/{path.name}" for path in (HERE / "rules").glob("*.yml")),
    }
    assert write(directory)[1] == []
    (directory / "alertmanager.yml").write_text("mine")
    shutil.copy(THRESHOLDS, directory / "thresholds.yml")
    assert [path.name for path in write(directory, check=True)[1]] == ["thresholds.yml"]
    assert [path.name for path in write(directory)[1]] == ["thresholds.yml"]
    assert write(directory, check=True)[1] == []
    assert (directory / "alertmanager.yml").read_text() == "mine"


def test_links_lead_to_the_addresses_of_the_thresholds_file(tmp_path: Path) -> None:
    (tmp_path / "thresholds.yml").write_text(
        "links: {runbooks: https://git.example.org/docs/runbooks/, page: https://reports.example.org}"
    )
    write(tmp_path)
    text = "".join(path.read_text() for path in (tmp_path / "rules").glob("*.yml"))
    assert text.count("runbook_url: https://git.example.org/docs/runbooks/") == len(ALERTING)
    assert text.count("page: https://reports.example.org/") == len(ALERTING)
    assert "page: /" not in text
    assert len(alerts()) == len(ALERTING)
