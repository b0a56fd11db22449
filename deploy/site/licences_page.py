"""The licences of what Sixfold is built of, `docs/licences.md`, from the metadata of the locked packages."""

import re
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FILE = "licences.md"
LOCK = Path(__file__).parents[2] / "requirements.lock"
_STRONG = re.compile(r"\b(A?GPL|LGPL|General Public)", re.IGNORECASE)
_WEAK = re.compile(r"\b(MPL|Mozilla|EPL|CDDL)", re.IGNORECASE)
_LONGEST = 60

DECLARED = {
    "promql-parser": "MIT",
}
"""Of packages whose metadata name none: what their licence file says."""

_INTRODUCTION = """\
# Licences

Written by `make docs-pages` from the metadata of the packages that `requirements.lock` pins, as far as they belong on
this platform. Sixfold itself is under Apache-2.0. Not listed: what is installed beside it (Kafka, ClickHouse,
Prometheus, Chromium), and the two files in `stream/page/static/vendor`, which have their licences beside them.

"In" says how a package comes along: `base` with `pip install sixfold`, `embedded` with that extra, `tools` only for
development, tests and this site. Copyleft is marked: *weak* binds changes to the package's own files, *strong* more.

| package | in | licence | copyleft |
| --- | --- | --- | --- |"""


def render() -> str:
    """The whole page. Raises RuntimeError for a locked package that is not installed or names no licence."""
    groups = {"base": closure(""), "embedded": closure("embedded")}
    rows = []
    for name in sorted(closure("embedded") | closure("dev") | closure("docs")):
        group = next((group for group, names in groups.items() if name in names), "tools")
        licence = licence_of(name)
        rows.append(f"| {name} | {group} | {licence} | {copyleft(licence)} |")
    return "\n".join((_INTRODUCTION, *rows)) + "\n"


def closure(extra: str) -> set[str]:
    """Everything that Sixfold needs on this platform with an extra ('' for none), by canonical name."""
    found: set[str] = set()
    waiting = [("sixfold", extra)]
    seen = set()
    while waiting:
        name, wanted = waiting.pop()
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        found.add(name)
        for line in _installed(name).requires or ():
            need = Requirement(line)
            if need.marker is None or need.marker.evaluate({"extra": wanted}):
                waiting += [(canonicalize_name(need.name), each) for each in ("", *need.extras)]
    return found - {"sixfold"}


def licence_of(name: str) -> str:
    """The licence as the package declares it: the expression, else the classifiers, else the short text."""
    if name in DECLARED:
        return DECLARED[name]
    metadata = _installed(name).metadata
    found = next(filter(None, _declared(metadata.get_all("License-Expression"), metadata.get_all("Classifier"))), "")
    text = (metadata.get_all("License") or [""])[0].strip()
    if not found and text and "\n" not in text and len(text) <= _LONGEST and text != "UNKNOWN":
        found = text
    if not found:
        raise RuntimeError(f"{name} names no licence: read its licence file, and add it to DECLARED in {__file__}")
    return found


def _declared(expression: list[str] | None, classifiers: list[str] | None) -> Iterator[str]:
    yield (expression or [""])[0]
    named = [each.rpartition(" :: ")[2] for each in classifiers or () if each.startswith("License ::")]
    yield " and ".join(each for each in named if each not in ("OSI Approved", "DFSG approved"))


def copyleft(licence: str) -> str:
    """`strong`, `weak`, or nothing."""
    if _STRONG.search(licence):
        return "strong"
    return "weak" if _WEAK.search(licence) else ""


def _installed(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError:
        raise RuntimeError(f"{name} is not installed: make .venv/.installed") from None
