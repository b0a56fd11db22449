"""`sixfold alerts`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from rich.text import Text

from stream.commands.exits import NEGATIVE, OK, REFUSED, CommandError
from stream.commands.output import AsJson, Rows, stderr, stdout, table_of, write_json
from stream.settings import Settings

if TYPE_CHECKING:
    from deploy.prometheus.thresholds import Thresholds

app = App(
    name="alerts",
    help="The rules by which Prometheus raises alerts, and the thresholds in them, which are yours to edit.",
)


@app.command
def render(
    directory: Path,
    /,
    *,
    check: Annotated[bool, Parameter(negative="")] = False,
    names: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Write the rules for Prometheus, with the thresholds of DIRECTORY/thresholds.yml in them.

    The first time it puts the thresholds there, and samples of prometheus.yml and alertmanager.yml; it never replaces
    these three. Edit thresholds.yml, run it again, and let Prometheus reload. A wrong value is refused with a line
    that names its key, and nothing is written.

    Examples: `sixfold alerts render /etc/prometheus/sixfold`, `sixfold alerts render prometheus --check`,
    `sixfold alerts render prometheus --names`

    Parameters
    ----------
    directory
        Where the files are, or are to be.
    check
        Write nothing; exit code 1 when a file is missing or not what the thresholds make it.
    names
        Ask ClickHouse whether the teams, reps, campaigns, ... with exceptions are there; exit code 1 when one is not.

    """
    from deploy.prometheus.render import write
    from deploy.prometheus.thresholds import ThresholdsError

    try:
        thresholds, changed = write(directory, check=check)
    except ThresholdsError as error:
        for line in str(error).splitlines():
            stderr().print(Text(f"sixfold: {line}"))
        return REFUSED
    except OSError as error:
        raise CommandError(f"{error.filename or directory}: {error.strerror}; name a directory to write to") from None
    for key in thresholds.missing:
        stderr().print(Text(f"sixfold: {directory / 'thresholds.yml'} says nothing of {key}: the shipped value holds"))
    for path in changed:
        stdout().print(Text(f"{'not current: ' if check else 'wrote '}{path}"))
    if not changed:
        stdout().print(Text("all rules are current"))
    unknown = list(_unknown(thresholds)) if names else []
    for line in unknown:
        stderr().print(Text(f"sixfold: {line}"))
    return NEGATIVE if unknown or (check and changed) else OK


@app.command
def operator(directory: Path | None = None, /) -> int:
    """Print the rules as a PrometheusRule, for the Prometheus Operator on Kubernetes.

    With the thresholds of DIRECTORY/thresholds.yml in them, where `sixfold alerts render DIRECTORY` has put it, or the
    shipped ones. A wrong value is refused with a line that names its key, and nothing is printed.

    Examples: `sixfold alerts operator`, `sixfold alerts operator alerts > prometheus-rule.yaml`

    Parameters
    ----------
    directory
        Where thresholds.yml is.

    """
    from deploy.prometheus.operator import prometheus_rule
    from deploy.prometheus.thresholds import SHIPPED, ThresholdsError, read_thresholds

    path = SHIPPED if directory is None else directory / SHIPPED.name
    if not path.is_file():
        raise CommandError(f"{path}: there is no such file; `sixfold alerts render {directory}` puts one there")
    try:
        text = prometheus_rule(read_thresholds(path))
    except ThresholdsError as error:
        for line in str(error).splitlines():
            stderr().print(Text(f"sixfold: {line}"))
        return REFUSED
    sys.stdout.write(text)
    return OK


def _unknown(thresholds: "Thresholds") -> Iterator[str]:
    from deploy.prometheus.names import unknown_names
    from sinks.client import connect

    with connect(Settings()) as client:
        yield from unknown_names(client, thresholds)


@app.command(name="list")
def list_alerts(*, as_json: AsJson = False) -> int:
    """Show every alert there is: whom it is for, how urgent it is, how long it must hold, what to do.

    Examples: `sixfold alerts list`, `sixfold alerts list --json`

    Parameters
    ----------
    as_json
        Print a JSON array, each with its expression.

    """
    from deploy.prometheus.alerts import alerts

    found = alerts()
    if as_json:
        write_json([alert._asdict() for alert in found])
        return OK
    rows = [[alert.name, alert.area, alert.severity, alert.hold, alert.runbook] for alert in found]
    stdout().print(table_of(Rows(["alert", "area", "severity", "for", "runbook"], ["String"] * 5, rows)))
    return OK


@app.command
def demo() -> int:
    """Show the way of an alert on this machine: events, figures, rule, message; with the time it took.

    Starts the embedded stack in a directory of its own, Prometheus and Alertmanager with the shipped rules (only the
    waiting is cut to a second), and a receiver. A team's answer rate drops and a campaign's ROI collapses. Exit code
    0: both messages arrived; 1: one did not. Needs Debian's prometheus and prometheus-alertmanager.

    Example: `sixfold alerts demo`
    """
    from deploy.prometheus.demo import run
    from stream.commands.embedded import need_the_extra

    need_the_extra()
    return run()
