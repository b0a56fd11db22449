"""`sixfold sql`."""

import re
import sys
from typing import Annotated

from cyclopts import Parameter

from stream.commands.arguments import OR_STDIN
from stream.commands.exits import CommandError
from stream.commands.output import AsCsv, AsJson, Rows, stderr, stdout, table_of, write_csv, write_records
from stream.settings import Settings

#: what a statement that only reads begins with, after comments and brackets
_READS = re.compile(
    r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*(?:SELECT|WITH|FROM|SHOW|DESC|DESCRIBE|EXISTS|EXPLAIN)\b",
    re.IGNORECASE | re.DOTALL,
)
#: some versions of ClickHouse take an insert behind WITH, too
_INSERTS = re.compile(r"\bINSERT\s+INTO\b", re.IGNORECASE)
_FORMAT = re.compile(r"\bFORMAT\s+\w+\s*$", re.IGNORECASE)
TABLE_ROWS = 10_000
"""As many rows a table has at most: it is laid out as a whole."""


def sql(
    query: Annotated[str, OR_STDIN],
    /,
    *,
    write: Annotated[bool, Parameter(negative="")] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> int:
    """Run a query in the database of the settings.

    Examples: `sixfold sql "SELECT * FROM report_calls LIMIT 3"`, `sixfold sql - --csv < query.sql`

    Parameters
    ----------
    query
        The query; `-` reads it from standard input.
    write
        Let it change or delete something: without this, only statements that read are run.
    as_json
        Print a JSON array of objects.
    as_csv
        Print CSV with a header.

    """
    from sinks.client import connect

    text = (sys.stdin.read() if query == "-" else query).strip().rstrip(";").rstrip()
    if not text:
        raise CommandError('there is no query; give one, such as sixfold sql "SELECT 1"')
    begins = _READS.match(text)
    if begins and not (begins[0].upper().endswith("WITH") and _INSERTS.search(text)):
        if _FORMAT.search(text):
            raise CommandError("the query ends with FORMAT; leave it out, and give --json or --csv instead")
        result = connect(Settings()).query(text)
        found = Rows(result.column_names, [kind.name for kind in result.column_types], result.result_rows)
        show(found, as_json=as_json, as_csv=as_csv)
    elif write:
        connect(Settings()).command(text)
        sys.stderr.write("done\n")
    else:
        word = text.split(maxsplit=1)[0]
        raise CommandError(f"{word} may change what Sixfold keeps; if that is meant, add --write")
    return 0


def show(found: Rows, *, as_json: bool, as_csv: bool, title: str = "") -> None:
    """Print a result in the form asked for."""
    if as_json and as_csv:
        raise CommandError("--json and --csv exclude each other")
    if as_json:
        write_records(found)
    elif as_csv:
        write_csv(found)
    else:
        shown = found._replace(rows=found.rows[:TABLE_ROWS])
        stdout().print(table_of(shown, title, elsewhere="a wider terminal, --csv or --json"))
        if len(found.rows) > TABLE_ROWS:
            stderr().print(f"the first {TABLE_ROWS:,} of {len(found.rows):,} rows; --json and --csv have all")
