"""Breaks every invariant on purpose and has its tests run. usage: python -m tests.mutations [PART OF A NAME] [--page F]

Each mutation works on a copy of the tracked files. Exit code 1 if a broken rule goes unnoticed. The table goes into the
page given, between its two comments.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from rich.console import Console

from tests.mutations.broken import MUTATIONS, Mutation

ROOT = Path(__file__).parents[2]
BEGIN, END = "<!-- made by make mutations -->", "<!-- end -->"
MINUTES = 15
console = Console(width=150)


def copy(root: Path) -> None:
    """The tracked files, as they are now; what is installed beside them is taken from here."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)


def failing(tests: str, root: Path) -> list[str]:
    """The tests that fail there, by name; stops at the first. A run that ends in any other way is an error."""
    arguments = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--tb=no", *shlex.split(tests)]
    run = subprocess.run(
        arguments,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},  # before the installed package, also in processes it starts
        capture_output=True,
        text=True,
        check=False,
        timeout=MINUTES * 60,
    )
    if run.returncode not in {0, 1}:
        raise RuntimeError(f"pytest {tests} ended with {run.returncode}:\n{run.stdout[-2000:]}{run.stderr[-2000:]}")
    return [line.split(" ")[1] for line in run.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]


def caught_by(mutation: Mutation) -> str:
    """The test that notices, or '' if none does."""
    with tempfile.TemporaryDirectory(prefix="sixfold-mutation-") as folder:
        copy(Path(folder))
        mutation.apply(Path(folder))
        failed = failing(mutation.tests, Path(folder))
        return failed[0] if failed else ""


def check_unbroken(mutations: Sequence[Mutation]) -> None:
    """Raise RuntimeError unless the tests pass on the source as it is: else whatever is broken would seem noticed."""
    with tempfile.TemporaryDirectory(prefix="sixfold-mutation-") as folder:
        copy(Path(folder))
        for tests in dict.fromkeys(each.tests for each in mutations):
            if failed := failing(tests, Path(folder)):
                raise RuntimeError(f"{failed[0]} fails on the unbroken source: mend that first")
            console.print(f"unbroken, {tests}: passes")


def table(caught: dict[Mutation, str]) -> str:
    """What was broken, by invariant, and the test that noticed."""
    lines = ["| broken on purpose | noticed by |", "| --- | --- |"]
    for invariant, mutations in groupby(caught, key=lambda each: each.invariant):
        lines.append(f"| **{invariant}** | |")
        for each in mutations:
            place, _, test = caught[each].partition("::")
            lines.append(f"| {each.what} (`{each.file}`) | `{test.partition('[')[0]}` in `{place}` |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="?", default="")
    parser.add_argument("--page", type=Path)
    options = parser.parse_args()
    chosen = [each for each in MUTATIONS if options.part in f"{each.invariant} {each.what} {each.file}"]
    check_unbroken(chosen)
    caught: dict[Mutation, str] = {}
    for number, mutation in enumerate(chosen, start=1):
        began = time.monotonic()
        caught[mutation] = caught_by(mutation)
        verdict = f"noticed by {caught[mutation]}" if caught[mutation] else "[red]NOT noticed[/red]"
        console.print(f"{number}/{len(chosen)} {mutation.what}: {verdict} ({time.monotonic() - began:.0f} s)")
    if not all(caught.values()):
        return 1
    if options.page:
        before, _, rest = options.page.read_text().partition(BEGIN)
        options.page.write_text(f"{before}{BEGIN}\n{table(caught)}\n{END}{rest.partition(END)[2]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
