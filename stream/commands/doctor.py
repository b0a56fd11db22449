"""`sixfold doctor`."""

import asyncio
from collections import Counter
from dataclasses import asdict

from rich.text import Text

from stream.commands.exits import NEGATIVE, OK
from stream.commands.output import AsJson, stdout, write_json
from stream.settings import Settings

_STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red", "unknown": "magenta"}


def doctor(*, as_json: AsJson = False) -> int:
    """Look at brokers, ClickHouse, tables, files and figures, and say what to do. Changes nothing.

    One line for each check: ok, warning, problem, or unknown where it could not be checked. Exit code 1: there is a
    problem.

    Examples: `sixfold doctor`, `sixfold doctor --json`

    Parameters
    ----------
    as_json
        Print JSON: {"problems", "warnings", "unknown", "checks": [{"check", "state", "found", "action"}]}.

    """
    from stream.commands.settings import warn_of_unknown_variables
    from stream.doctor.examination import examine

    warn_of_unknown_variables()
    findings = asyncio.run(examine(Settings()))
    count = Counter(finding.state for finding in findings)
    if as_json:
        sums = {"problems": count["problem"], "warnings": count["warning"], "unknown": count["unknown"]}
        write_json({**sums, "checks": [asdict(finding) for finding in findings]})
    else:
        width = max(len(finding.check) for finding in findings)
        for finding in findings:
            line = Text(f"{finding.state:<8}", style=_STYLES[finding.state])
            line.append(f" {finding.check:<{width}}  {finding.found}", style="default not bold")
            if finding.action:
                line.append(f" -> {finding.action}", style="cyan not bold")
            stdout().print(line, soft_wrap=True)
        stdout().print(
            Text(
                f"{len(findings)} checks: {count['ok']} ok, {count['warning']} warnings, {count['problem']} problems,"
                f" {count['unknown']} unknown"
            )
        )
    return NEGATIVE if count["problem"] else OK
