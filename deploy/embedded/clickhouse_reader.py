"""What the read-only user may run: the engine's parser names every function, this module judges the names.

The engine's `readonly` setting is not enough: at 1 it drops the SETTINGS of views without a word (a view's
`join_use_nulls` with them, so numbers change), at 2 it lets table functions read files and call other hosts.
So a reader's connection stands at 2, which stops writes, DDL and raising the setting, and the statement's
syntax tree is searched for whatever reaches out of the database.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from deploy.embedded.clickhouse_engine import Connection, EngineError, Kind

KEYWORDS = frozenset({"SELECT", "WITH", "FROM", "SHOW", "DESCRIBE", "DESC", "EXISTS", "EXPLAIN", ""})
"""First words of a reader's statements; empty for one that begins with a bracket."""

_HARMLESS_TABLE_FUNCTIONS = frozenset(
    {
        "format", "generaterandom", "generateseries", "generate_series", "null", "numbers", "numbers_mt",
        "primes", "sqlstandardvalues", "values", "view", "zeros", "zeros_mt",
    }
)  # fmt: skip
_REACHING_FUNCTIONS = frozenset({"catboostevaluate", "file", "hascolumnintable"})
_FUNCTION = re.compile(r"^ *Function (.+?)(?: \(alias [^\n]*)?(?: \(children \d+\))?$", re.MULTILINE)
# Formats that read a schema or a template from a file, and the settings that say which
_SCHEMA = re.compile(r"format_schema|format_template|\b(?:Template|Protobuf\w*|CapnProto)\b", re.IGNORECASE)


class ReaderGuard:
    """Decides on statements of the read-only user; asks the engine once what table functions it has."""

    def __init__(self, connection: Connection) -> None:
        listed = connection.run("SELECT lower(name) FROM system.table_functions", "TabSeparated", {})
        table_functions = frozenset(listed.body.decode().split())
        self._refused = (table_functions - _HARMLESS_TABLE_FUNCTIONS) | _REACHING_FUNCTIONS

    def check(
        self,
        connection: Connection,
        keyword: str,
        statement: str,
        format_name: str,
        params: Mapping[str, str],
    ) -> None:
        """Raise `EngineError` 164 unless the statement only reads tables and views.

        Names are judged as the engine reads them, quoted or escaped as they may be, and wherever they stand:
        in subqueries, under DESCRIBE and EXPLAIN.
        """
        if keyword not in KEYWORDS or connection.kind(statement) is not Kind.READ:
            raise _refusal("it may SELECT, SHOW, DESCRIBE, EXISTS and EXPLAIN, and not INTO OUTFILE")
        tree = connection.run(f"EXPLAIN AST {statement}", "TabSeparatedRaw", params).body.decode()
        for name in _FUNCTION.findall(tree):
            if name.lower() in self._refused:
                raise _refusal(f"the function {name} reaches beyond the database")
        if _SCHEMA.search(connection.formatted(statement)) or _SCHEMA.search(format_name):
            raise _refusal("formats with a schema or template file are not served")


def check_setting(name: str) -> None:
    """Raise `EngineError` 164 for a setting by which a reader could reach files."""
    if _SCHEMA.search(name) or name in {"readonly", "allow_ddl"}:
        raise _refusal(f"the setting {name} is not its to change")


def _refusal(reason: str) -> EngineError:
    return EngineError.new(164, "READONLY", f"Cannot execute query in readonly mode: this user is read-only, {reason}.")
