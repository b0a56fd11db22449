"""The production shape on this machine, under load, with one worker killed: `make production`.

usage: python -m tests.production [--seconds 900] [--rate N] [--json FILE] [--page docs/production.md]
       [--keep DIR]

It starts what docs/production.md describes (`shape.py`), sends a company's events at a steady rate (`load.py`), kills a
worker at a third of the time and starts it again a minute later, and then holds everything against what must be: exit
code 0, or 1 with one line for each check that failed. `--page` writes the table into a page.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from deploy.prometheus.servers import ServerError
from tests.kafka.broker import BrokerError
from tests.production.checks import Check, judge
from tests.production.company import Company
from tests.production.report import COLUMNS, enter, rows
from tests.production.resources import still_there
from tests.production.run import Run
from tests.production.shape import ShapeError, shape

STORIES = 1_200
AUDITS = 3
"""How often the exporter audits during the run."""
_MARGIN = timedelta(minutes=10)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.production", description=__doc__)
    parser.add_argument("--seconds", type=float, default=900, help="of load (at least 60)")
    parser.add_argument("--rate", type=float, default=200, help="events a second")
    parser.add_argument("--json", type=Path, default=Path("production.json"))
    parser.add_argument("--keep", type=Path, help="an empty directory for data and logs, which stay")
    parser.add_argument("--page", type=Path, help="a page whose table is made from the figures")
    given = parser.parse_args(argv)
    if given.seconds < 60 or given.rate <= 0:
        parser.error("--seconds: at least 60; --rate: more than 0")
    console = Console(width=160, stderr=True)
    try:
        found, checks = asyncio.run(_interruptible(given, console))
    except (ShapeError, ServerError, BrokerError) as error:
        sys.stderr.write(f"production: {error}\n")
        return 2
    except asyncio.CancelledError:
        sys.stderr.write("production: interrupted, everything was stopped\n")
        return 130
    given.json.write_text(json.dumps(found, indent=2) + "\n")
    table = Table(title=f"{found['events']:,} events in {found['seconds']:.0f} s")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "process" else "right")
    for row in rows(found):
        table.add_row(*row)
    out = Console(width=120)
    out.print(table)
    failed = [check for check in checks if not check.holds]
    for check in checks:
        if check.holds:
            out.print(Text(f"ok      {check.name}: {check.found}"), soft_wrap=True)
    for check in failed:
        out.print(Text(f"FAILED  {check.name}: {check.found}"), soft_wrap=True)
    out.print(Text(f"{len(checks)} checks, {len(failed)} failed; figures: {given.json}"))
    if given.page and not failed:
        given.page.write_text(enter(given.page.read_text("utf-8"), found), "utf-8")
    return 1 if failed else 0


async def _interruptible(given: argparse.Namespace, console: Console) -> tuple[dict[str, Any], list[Check]]:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await _run(given, console)


async def _run(given: argparse.Namespace, console: Console) -> tuple[dict[str, Any], list[Check]]:
    began = time.monotonic()

    def say(line: str) -> None:
        console.print(Text(f"{time.monotonic() - began:6.1f} s  {line}"), soft_wrap=True)

    await _not_over_midnight(timedelta(seconds=given.seconds) + _MARGIN, say)
    load_before = os.getloadavg()
    company = Company()
    history = company.history(STORIES)
    with ExitStack() as opening:
        folder = given.keep or opening.enter_context(tempfile.TemporaryDirectory(prefix="sixfold-production-"))
        async with shape(Path(folder), history, given.seconds / AUDITS, say) as running:
            run = Run(running, given.seconds, given.rate, STORIES, say)
            found = await run.through()
            ended = await run.end()
    found |= {
        "made_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "cores": os.cpu_count(),
        "load_average_before": load_before,
        "load_average_after": os.getloadavg(),
        "exit_codes": ended,
        "left": still_there(running.ever),
    }
    checks = judge(found)
    found["checks"] = [check._asdict() for check in checks]
    return found, checks


async def _not_over_midnight(length: timedelta, say: Any) -> None:
    """Figures of today begin anew at midnight, and so would what is expected of them: start after it."""
    now = datetime.now(UTC)
    later = now + length
    if later.date() != now.date():
        midnight = later.replace(hour=0, minute=0, second=0, microsecond=0)
        say(f"waiting for {midnight:%H:%M} UTC: the run must lie within one day")
        await asyncio.sleep((midnight - now).total_seconds() + 1)


if __name__ == "__main__":
    sys.exit(main())
