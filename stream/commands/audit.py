"""`sixfold audit`."""

from rich.text import Text

from stream.commands.exits import NEGATIVE, OK, REFUSED
from stream.commands.output import AsJson, Rows, stderr, stdout, table_of, write_json
from stream.settings import Settings

_CODES = {"clean": OK, "differences": NEGATIVE, "busy": REFUSED}


def audit(*, as_json: AsJson = False) -> int:
    """Compute every figure anew from the records, by SQL alone, and show each difference.

    Exit code 0: all is equal; 1: there are differences; 2: the tables moved all the while, try again.

    Examples: `sixfold audit`, `sixfold wait && sixfold audit --json`

    Parameters
    ----------
    as_json
        Print JSON: {"outcome", "differences": [..], "busy": [..]}.

    """
    from sinks.audit import audit as run
    from sinks.audit import audits
    from sinks.client import connect

    client = connect(Settings())
    with stderr().status("comparing the tables with the records"):
        result = run(client)
    if as_json:
        differences = [difference._asdict() for difference in result.differences]
        write_json({"outcome": result.outcome, "differences": differences, "busy": result.busy})
        return _CODES[result.outcome]
    if result.differences:
        columns = ["audit", "key", "measure", "rolled", "recomputed"]
        stdout().print(table_of(Rows(columns, ["String"] * len(columns), result.differences)))
    if result.busy:
        stderr().print(Text(f"sixfold: busy, the tables moved all the while: {', '.join(result.busy)}; try again"))
    else:
        count = len(result.differences)
        found = f"{count} difference{'s' if count != 1 else ''}" if count else "no difference"
        stdout().print(Text(f"{len(audits())} audits, {found}"))
    return _CODES[result.outcome]
