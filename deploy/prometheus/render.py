"""From thresholds and the shipped rules to the directory that Prometheus reads.

`rules/*.yml` of this package are written by hand and used as they are, but for the address before their links;
`rules/thresholds.yml` is made from the thresholds file: a recorded series for each threshold, one element for each
team, rep, campaign, ... that it applies to, so that rules and dashboards compare like with like.
"""

import json
import re
from collections.abc import Iterator, Mapping
from math import isnan
from pathlib import Path

from deploy.prometheus.thresholds import SHIPPED, Limit, Thresholds, ThresholdsError, read_thresholds

__all__ = ["RULES", "SAMPLES", "rendered", "threshold_rules", "write"]

HERE = Path(__file__).parent
RULES = HERE / "rules"
SAMPLES = ("prometheus.yml", "alertmanager.yml")
"""Configurations to begin with; what stands in a directory is never replaced."""
MADE = "thresholds.yml"

_HEAD = "# Made from ../thresholds.yml by `sixfold alerts render`: edit that file.\n"
_RUNBOOK = re.compile(r"(?<=runbook_url: )docs/runbooks(?=/)")
_PAGE = re.compile(r"(?<=page: )(?=/)")


def threshold_rules(thresholds: Thresholds) -> str:
    """Write the recording rules of all thresholds, as a file of Prometheus."""
    lines = [_HEAD + "groups:", "  - name: sixfold-thresholds", "    interval: 30s", "    rules:"]
    for limit in thresholds.limits:
        lines.append(f"      - record: {limit.name}")
        terms = list(_terms(limit))
        if len(terms) == 1:
            lines.append(f"        expr: {terms[0]}")
        else:
            lines.append("        expr: |")
            lines += [f"          {'or ' if number else ''}{term}" for number, term in enumerate(terms)]
        if limit.labels:
            pairs = ", ".join(f"{name}: {_quoted(value)}" for name, value in limit.labels.items())
            lines.append(f"        labels: {{{pairs}}}")
    return "\n".join(lines) + "\n"


def _terms(limit: Limit) -> Iterator[str]:
    if not limit.known:
        yield f"vector({_text(limit.value)})"
        return
    for labels, value in limit.exceptions:
        yield f"{_text(value)} * {limit.known}{_matchers({**limit.where, **labels})}"
    yield f"{_text(limit.value)} * {limit.known}{_matchers(limit.where)}"


def _matchers(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f"{name}={_quoted(value)}" for name, value in sorted(labels.items())) + "}"


def _quoted(text: str) -> str:
    """Quote a text as both PromQL and YAML read it; what cannot be printed is escaped."""
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(each if each.isprintable() else f"\\U{ord(each):08x}" for each in quoted)


def _text(value: float) -> str:
    return "NaN" if isnan(value) else repr(value).removesuffix(".0")


def rendered(thresholds: Thresholds) -> dict[str, str]:
    """Give the text of every rule file by its name."""
    files = {}
    for path in sorted(RULES.glob("*.yml")):
        if path.name == MADE:
            continue
        text = path.read_text("utf-8")
        if thresholds.runbooks:
            text = _RUNBOOK.sub(lambda _: thresholds.runbooks, text)
        if thresholds.page:
            text = _PAGE.sub(lambda _: thresholds.page, text)
        files[path.name] = text
    return {**files, MADE: threshold_rules(thresholds)}


def write(directory: Path, *, check: bool = False) -> tuple[Thresholds, list[Path]]:
    """Render into a directory; gives the thresholds and the files that changed (with `check`: that would).

    A directory without thresholds gets the shipped ones, and samples of both configurations where they are missing.
    Raises ThresholdsError, OSError.
    """
    own = directory / SHIPPED.name
    thresholds = read_thresholds(own if own.exists() else SHIPPED)
    if directory.resolve() == HERE and (thresholds.runbooks or thresholds.page):
        raise ThresholdsError(
            f"{own}: links must be empty in the project's own directory: its rules are what others are made from; "
            "render into another directory"
        )
    wanted = {directory / "rules" / name: text for name, text in rendered(thresholds).items()}
    for name in (SHIPPED.name, *SAMPLES):
        if not (directory / name).exists():
            wanted[directory / name] = (HERE / name).read_text("utf-8")
    changed = [path for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text]
    if not check:
        (directory / "rules").mkdir(parents=True, exist_ok=True)
        for path in changed:
            path.write_text(wanted[path], "utf-8")
    return thresholds, changed
