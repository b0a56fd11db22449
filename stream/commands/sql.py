"""`sixfold sql`."""

import sys
from typing import Annotated

from stream.commands.arguments import OR_STDIN
from stream.commands.exits import CommandError
from stream.commands.output import AsCsv, AsJson, Rows, stdout, table_of, write_csv, write_records
from stream.settings import Settings


def sql(query: Annotated[str, OR_STDIN], /, *, as_json: AsJson = False, as_csv: AsCsv = False) -> int:
    """Run a query in the database of the settings.

    Examples: `sixfold sql "SELECT * FROM report_calls LIMIT 3"`, `sixfold sql - --csv < query.sql`

    Parameters
    ----------
    query
        The query; `-` reads it from standard input.
    as_json
        Print a JSON array of objects.
    as_csv
        Print CSV with a header.

    """
    from sinks.client import connect

    text = sys.stdin.read() if query == "-" else query
    if not text.strip():
        raise CommandError('there is no query; give one, such as sixfold sql "SELECT 1"')
    result = connect(Settings()).query(text.strip().rstrip(";"))
    found = Rows(result.column_names, [kind.name for kind in result.column_types], result.result_rows)
    write(found, as_json=as_json, as_csv=as_csv)
    return 0


def write(found: Rows, *, as_json: bool, as_csv: bool, title: str = "") -> None:
    """Print a result in the form asked for."""
    if as_json and as_csv:
        raise CommandError("--json and --csv exclude each other")
    if as_json:
        write_records(found)
    elif as_csv:
        write_csv(found)
    else:
        stdout().print(table_of(found, title, elsewhere="a wider terminal, --csv or --json"))
