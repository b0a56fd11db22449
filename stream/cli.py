"""The command line: `sixfold COMMAND`.

Exit codes: 0 done, 1 a negative answer, 2 wrong usage, a service busy or out of reach (one line says which),
130 on Ctrl-C. Results go to stdout, progress and complaints to stderr.
"""

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from cyclopts import App, CycloptsError
from rich.console import Console

from stream.commands.exits import INTERRUPTED, OK, REFUSED, CommandError
from stream.settings import SettingsError

LINE = 2000
"""A complaint is one line, however long; a terminal breaks it as it likes."""

app = App(
    name="sixfold",
    help="CRM change events in, marketing and sales report tables out.\n\n"
    "Begin with `sixfold demo`, or with `sixfold up` and `sixfold import FILE`. Every command has "
    "`--help` with examples; `sixfold settings` shows what is set, and where.",
    version=lambda: f"sixfold {version('sixfold')}",
    help_format="markdown",
    error_console=Console(stderr=True, width=LINE),
    error_formatter=lambda error: f"sixfold: {' '.join(str(error).split())}",
    suppress_keyboard_interrupt=False,
    exit_on_error=False,
    result_action="return_value",
)

# Imported when called for: `sixfold report` does not wait for Faust.
for _name, _function in {
    "up": "embedded:up",
    "demo": "embedded:demo",
    "worker": "worker:worker",
    "exporter": "exporter:exporter",
    "gateway": "gateway:gateway",
    "sources": "sources:sources",
    "page": "page:page",
    "migrate": "migrate:migrate",
    "roles": "roles:roles",
    "kafka": "kafka:kafka",
    "import": "importing:import_files",
    "send": "send:send",
    "wait": "wait:wait",
    "report": "report:report",
    "explain": "explain:explain",
    "history": "history:app",
    "diff": "diff:diff",
    "lead": "lead:lead",
    "sql": "sql:sql",
    "status": "status:status",
    "doctor": "doctor:doctor",
    "audit": "audit:audit",
    "alerts": "alerts:app",
    "settings": "settings:settings",
    "dead-letters": "dead_letters:app",
    "erase": "erase:erase",
    "rules": "rules:app",
    "accept-gap": "accept_gap:accept_gap",
    "reset": "reset:reset",
}.items():
    app.command(f"stream.commands.{_function}", name=_name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit code."""
    from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

    from sinks.client import ClickHouseUnusable, message_of
    from stream.kafka_access_list import NotAllowed
    from stream.log import LogUnreachable, MissingTopic, TopicRefused, WrongPartitions

    try:
        code = app(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
    except CycloptsError:
        return REFUSED  # its line is printed already
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # `| head` has read enough
        return OK
    except SettingsError as error:
        return _refuse(*str(error).splitlines())
    except OperationalError as error:
        return _refuse(f"ClickHouse went away: {message_of(error)}")
    except ClickHouseError as error:
        return _refuse(f"ClickHouse says: {message_of(error)}")
    except (
        CommandError,
        ClickHouseUnusable,
        LogUnreachable,
        MissingTopic,
        NotAllowed,
        TopicRefused,
        WrongPartitions,
    ) as error:
        return _refuse(str(error))
    return code if isinstance(code, int) else OK


def _refuse(*lines: str) -> int:
    for line in lines:
        sys.stderr.write(f"sixfold: {line}\n")
    return REFUSED


if __name__ == "__main__":
    sys.exit(main())
