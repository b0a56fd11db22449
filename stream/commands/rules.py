"""`sixfold rules`."""

import json
from datetime import UTC
from typing import Any

from cyclopts import App
from rich.text import Text

from stream.commands.exits import OK, CommandError
from stream.commands.output import AsJson, Rows, stdout, table_of, write_json
from stream.settings import Settings

app = App(
    name="rules",
    help="The rules under which history was counted: zone, stages, channels, look-back. A worker whose rules are "
    "there but are not the last ones refuses to start, so that two configurations cannot take turns.",
)


@app.command(name="list")
def list_rules(*, as_json: AsJson = False) -> int:
    """Show all rules there were, the newest last, and which of them this configuration has.

    Example: `sixfold rules list`

    Parameters
    ----------
    as_json
        Print a JSON array, each with its content.

    """
    from sinks.client import connect

    settings = Settings()
    own = settings.rules().hash
    found = [
        {
            "seq": seq,
            "hash": name,
            "added_at": added_at.replace(tzinfo=UTC),
            "in_force": False,
            "configured": name == own,
            "content": json.loads(content),
        }
        for seq, name, content, added_at in _read(connect(settings))
    ]
    if found:
        found[-1]["in_force"] = True
    if as_json:
        write_json(found)
        return OK
    columns = ["seq", "hash", "added_at", "in force", "configured here", "differs from the one before in"]
    rows = []
    before: dict[str, Any] = {}
    for each in found:
        changed = [name for name, value in each["content"].items() if before and before.get(name) != value]
        marks = ["yes" if each[mark] else "" for mark in ("in_force", "configured")]
        rows.append([each["seq"], each["hash"], each["added_at"], *marks, ", ".join(changed)])
        before = each["content"]
    stdout().print(table_of(Rows(columns, ["UInt32", *["String"] * 5], rows)))
    return OK


@app.command(name="use")
def use_rules(name: str, /) -> int:
    """Put earlier rules in force again: workers with this configuration may start, all others may not.

    The next start of a worker counts all history under them.

    Example: `sixfold rules use 4f1c2a9be0d37a55`

    Parameters
    ----------
    name
        The hash, or its beginning, as `sixfold rules list` shows it.

    """
    from sinks.client import connect

    client = connect(Settings())
    rows = _read(client)
    fitting = {hash_: content for _, hash_, content, _ in rows if hash_.startswith(name)}
    if len(fitting) != 1:
        problem = "several rules begin" if fitting else "no rules begin"
        raise CommandError(f"{problem} with {name}; sixfold rules list shows them all")
    ((chosen, content),) = fitting.items()
    if rows[-1][1] == chosen:
        stdout().print(Text(f"rules {chosen} are in force already"))
        return OK
    client.command(
        "INSERT INTO rules SELECT {seq:UInt32}, {hash:String}, {content:String}, now64(3, 'UTC')",
        parameters={"seq": rows[-1][0] + 1, "hash": chosen, "content": content},
    )
    stdout().print(Text(f"rules {chosen} are in force; restart the workers with this configuration"))
    return OK


def _read(client: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401 - the client is imported when it is called for
    rows = client.query("SELECT seq, hash, content, added_at FROM rules FINAL ORDER BY seq, hash").result_rows
    return [tuple(row) for row in rows]
