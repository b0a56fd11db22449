"""The command line: `sixfold COMMAND`.

Exit codes: 0 done, 1 a negative answer, 2 wrong usage, a service busy or out of reach (one line says which),
130 on Ctrl-C. Results go to stdout, progress and complaints to stderr.
"""

import errno
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from io import TextIOWrapper

from cyclopts import App, CycloptsError, Group, UnusedCliTokensError
from rich.console import Console

from stream.commands.exits import INTERRUPTED, OK, REFUSED
from stream.faults import Fault

LINE = 2000
"""A complaint is one line, however long; a terminal breaks it as it likes."""

_UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}

#: group -> command -> where it is, and its meaning in the list of `sixfold --help`
COMMANDS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "Begin": {
        "demo": (
            "embedded:demo",
            "Start everything, tell an invented company's quarter, and print its six reports and the funnel.",
        ),
        "up": (
            "embedded:up",
            "Run all of Sixfold on this machine: Kafka broker, ClickHouse, gateway, worker and web page, until Ctrl-C.",
        ),
        "import": (
            "importing:import_files",
            "Send files: JSONL of events, exports of a CRM or an ad platform, any CSV by a mapping of its columns.",
        ),
        "send": ("send:send", "Send one event."),
        "wait": ("wait:wait", "Return when everything that was sent until now stands in the reports."),
        "settings": ("settings:settings", "Show every setting, its value and where it comes from."),
    },
    "Figures": {
        "report": ("report:report", "Print a report, or any other view."),
        "explain": (
            "explain:explain",
            "Open a figure: the records that make it up, and for each field who said so and when.",
        ),
        "lead": (
            "lead:lead",
            "Show one person's whole journey: touches, stages, calls, deals, credits by model, merged leads, in order.",
        ),
        "history": ("history:app", "Snapshots of what the reports said"),
        "diff": (
            "diff:diff",
            "Show which figures of a report moved since a snapshot, and which late or corrected records moved them.",
        ),
        "audit": ("audit:audit", "Compute every figure anew from the records, by SQL alone, and show each difference."),
        "sql": ("sql:sql", "Run a query in the database of the settings."),
    },
    "Processes": {
        "worker": (
            "worker:worker",
            "Run the worker against the Kafka and ClickHouse of the settings, until Ctrl-C or SIGTERM.",
        ),
        "gateway": (
            "gateway:gateway",
            "Take webhooks and events in over HTTP and put them into Kafka, until Ctrl-C or SIGTERM.",
        ),
        "sources": (
            "sources:sources",
            "Read Kafka topics that others write, and make events of their records, until Ctrl-C or SIGTERM.",
        ),
        "exporter": (
            "exporter:exporter",
            "Serve the figures of the reports as metrics for Prometheus, until Ctrl-C or SIGTERM.",
        ),
        "page": ("page:page", "Serve the reports as a web page, until Ctrl-C or SIGTERM."),
    },
    "Operation": {
        "status": (
            "status:status",
            "Show each shard: its owner, how far it is, and how much of the log is left to count.",
        ),
        "doctor": ("doctor:doctor", "Look at brokers, ClickHouse, tables, files and figures, and say what to do."),
        "dead-letters": (
            "dead_letters:app",
            "Events that could not be read: what is wrong with them, their bytes, and sending them through again.",
        ),
        "erase": (
            "erase:erase",
            "Erase a person: name, address, company, contacts and subjects, for good",
        ),
        "alerts": ("alerts:app", "The rules by which Prometheus raises alerts, and the thresholds in them"),
        "rules": ("rules:app", "The rules under which history was counted: zone, stages, channels, look-back."),
        "migrate": (
            "migrate:migrate",
            "Create or check topics and tables, and make views that are not as they should be.",
        ),
        "roles": (
            "roles:roles",
            "Print ClickHouse's roles for admin, writer, readers as SQL, for the database and cluster of the settings.",
        ),
        "kafka": (
            "kafka:kafka",
            "Print what each process must be allowed to do, as kafka-acls commands, or topics and user as Strimzi",
        ),
        "accept-gap": (
            "accept_gap:accept_gap",
            "Let a shard go on although Kafka has dropped records that it had not read.",
        ),
        "reset": ("reset:reset", "Delete everything: Sixfold's tables, views and topics."),
    },
}


def _misused(error: CycloptsError) -> str:
    """The line for words that are no command or do not belong to it: what is wrong, and where its usage stands."""
    command = " ".join(("sixfold", *(error.command_chain or ())))
    if isinstance(error, UnusedCliTokensError):
        said = f"{command} does not take {' '.join(error.unused_tokens or ())}."
    else:
        said = " ".join(str(error).split())
    return f"sixfold: {said} See {command} --help"


def command_line(*, listing: bool = False) -> App:
    """Give the command line. Commands are imported when called for: `sixfold report` does not wait for Faust.

    With `listing` each has its meaning in the list of commands, which stands in the place of its own help.
    """
    made = App(
        name="sixfold",
        help="CRM change events in, marketing and sales report tables out.\n\n"
        "Begin with `sixfold demo`, or with `sixfold up` and `sixfold import FILE`. Every command has "
        "`--help` with examples; `sixfold settings` shows what is set, and where.",
        version=lambda: f"sixfold {version('sixfold')}",
        help_format="markdown",
        error_console=Console(stderr=True, width=LINE),
        error_formatter=_misused,
        suppress_keyboard_interrupt=False,
        exit_on_error=False,
        result_action="return_value",
    )
    for title, commands in COMMANDS.items():
        group = Group.create_ordered(title) if listing else None
        for name, (place, meaning) in commands.items():
            made.command(f"stream.commands.{place}", name=name, help=meaning if listing else None, group=group)
    return made


app = command_line()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a character shows another
    try:
        code = _called(words)(words)
        sys.stdout.flush()
    except CycloptsError:
        return REFUSED  # its line is printed already
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `| head` has read enough
        _drop_output()
        return OK
    except OSError as error:
        if error.filename is None and error.errno in _UNWRITABLE:
            _drop_output()
            return _refuse(f"the output cannot be written: {error.strerror}; make room, or send it elsewhere")
        return _refuse(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except Fault as fault:
        return _refuse(*str(fault).splitlines())
    except Exception as error:
        if (said := _said_by_clickhouse(error)) is None:
            raise
        return _refuse(said)
    return code if isinstance(code, int) else OK


def _called(words: Sequence[str]) -> App:
    """Who is not told a command gets the list of them."""
    return command_line(listing=True) if not words or words[0] in {"--help", "-h"} else app


def _said_by_clickhouse(error: Exception) -> str | None:
    """What ClickHouse or its driver says; None of another error. The driver is loaded only by who speaks with it."""
    if not type(error).__module__.startswith("clickhouse_connect."):
        return None
    from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

    from sinks.client import message_of

    if isinstance(error, OperationalError):
        return f"ClickHouse went away: {message_of(error)}"
    return f"ClickHouse says: {message_of(error)}" if isinstance(error, ClickHouseError) else None


def _drop_output() -> None:
    """What is still to be written cannot be; it is not tried again at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _refuse(*lines: str) -> int:
    for line in lines:
        sys.stderr.write(f"sixfold: {line}\n")
    return REFUSED


if __name__ == "__main__":
    sys.exit(main())
