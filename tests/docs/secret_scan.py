"""Look for secrets in tree and history: `python -m tests.docs.secret_scan`; 1 when there is one without a known reason.

detect-secrets looks through the tree (reasons in `known_secrets.toml`), gitleaks through the tree and every commit
behind it (reasons in `.gitleaks.toml`). They know different forms of secrets.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
KNOWN = ROOT / "tests" / "docs" / "known_secrets.toml"
LEFT_OUT = ("requirements.lock", "package-lock.json", ".schema.json", "/vendor/", "/node_modules/")
"""Digests, and files of others that have digests beside them."""


def tree() -> list[str]:
    """The files of the repository, and those that may be added to it."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = sorted(set(listed.stdout.splitlines()))
    return [name for name in names if (ROOT / name).is_file() and not any(part in f"/{name}" for part in LEFT_OUT)]


def find(folder: Path, names: Iterable[str]) -> dict[str, dict[str, list[int]]]:
    """File -> kind of finding -> lines. Nothing is sent anywhere to see whether it is one."""
    scan = [str(Path(sys.executable).parent / "detect-secrets"), "scan", "--no-verify", *names]
    found = subprocess.run(scan, cwd=folder, capture_output=True, text=True, check=True)
    results: dict[str, dict[str, list[int]]] = {}
    for name, findings in json.loads(found.stdout)["results"].items():
        for finding in findings:
            results.setdefault(name, {}).setdefault(finding["type"], []).append(finding["line_number"])
    return results


def leaks(folder: Path, *, history: bool) -> list[str]:
    """What gitleaks finds in a folder's files, or in the commits of its repository; a line each, without the secret."""
    tool = ROOT / ".cache" / "checkers" / "gitleaks"
    if not tool.is_file():
        raise FileNotFoundError(f"{tool} is missing: make checkers")
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        where = ["git", "--log-opts=HEAD"] if history else ["dir"]
        options = ["--config", ROOT / ".gitleaks.toml", "--redact", "--no-banner", "--report-path", report.name]
        ran = subprocess.run([tool, *where, *options, folder], capture_output=True, text=True, check=False)
        if ran.returncode not in (0, 1):
            raise RuntimeError(f"gitleaks: {ran.stderr}")
        found = json.loads(Path(report.name).read_text("utf-8") or "null")
    if found is None:
        raise RuntimeError(f"gitleaks wrote no report: {ran.stderr}")
    return [
        f"{Path(each['File']).relative_to(folder) if not history else each['File']}:{each['StartLine']}: "
        f"{each['RuleID']} ({each['Commit'][:12] or 'tree'}): take it out, or give the reason in .gitleaks.toml"
        for each in found
    ]


def leaked() -> list[str]:
    """What gitleaks finds in the tree and in the commits that led to it."""
    with tempfile.TemporaryDirectory() as copied:
        for name in tree():
            target = Path(copied) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
        return leaks(Path(copied), history=False) + leaks(ROOT, history=True)


def unknown() -> list[str]:
    """One line for each finding without a reason, and for each reason that nothing needs."""
    known = tomllib.loads(KNOWN.read_text("utf-8"))
    results = find(ROOT, tree())
    lines = [
        f"{name}:{','.join(map(str, numbers))}: {kind}: take it out, or give the reason in {KNOWN.name}"
        for name, kinds in results.items()
        for kind, numbers in kinds.items()
        if kind not in known.get(name, {})
    ]
    stale = [(name, kind) for name, kinds in known.items() for kind in kinds if kind not in results.get(name, {})]
    return lines + [f"{KNOWN.name}: {name}: {kind}: found no more, take it out" for name, kind in stale]


if __name__ == "__main__":
    complaints = unknown() + leaked()
    sys.stdout.write("".join(f"{line}\n" for line in complaints) or "no secrets found\n")
    sys.exit(bool(complaints))
