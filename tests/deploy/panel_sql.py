"""What becomes of a panel's SQL on its way to ClickHouse, as Grafana and its ClickHouse plugin (4.20) do it.

Three steps, oddities included, since these are what breaks queries:

1. In the browser the plugin replaces `$__conditionalAll(condition, $variable)`: by `1=1` where all values are chosen.
   It counts brackets and knows no quotes.
2. Grafana replaces variables. A list without a format is quoted but not escaped; `singlequote` escapes quotes, and
   leaves backslashes alone.
3. On the server the plugin replaces its macros. The brackets with a macro's arguments are the first ones after its
   name, however far away they stand, unless one is closed before; all that is between is replaced as well. A macro
   without arguments that would swallow something so is an error here.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

ALL = "$__all"
Value = str | list[str]

_CONDITIONAL = "$__conditionalAll("
_VARIABLE = re.compile(r"\$(\w+)|\[\[(\w+?)(?::(\w+))?\]\]|\$\{(\w+)(?:\.[^:}]+)?(?::([^}]+))?\}")


@dataclass(frozen=True)
class Range:
    """The time range of a dashboard."""

    start: datetime
    end: datetime


def expand(sql: str, variables: Mapping[str, Value], span: Range) -> str:
    """The SQL that ClickHouse gets. Raises ValueError for a variable that is not there and a macro used wrongly."""
    return _macros(_variables(_conditions(sql, variables), variables), span)


def _conditions(sql: str, variables: Mapping[str, Value]) -> str:
    while (start := sql.rfind(_CONDITIONAL)) != -1:
        arguments = _arguments(sql[start + len(_CONDITIONAL) - 1 :])
        if len(arguments) != 2:
            raise ValueError(f"$__conditionalAll takes a condition and a variable, not {arguments}")
        name = re.search(r"\$\{?(\w+)", arguments[1])
        if name is None or name[1] not in variables:
            raise ValueError(f"$__conditionalAll: {arguments[1]} is no variable of the dashboard")
        chosen = variables[name[1]]
        condition = "1=1" if chosen in ("", ALL, [ALL]) else arguments[0]
        sql = sql.replace(f"{_CONDITIONAL}{arguments[0]},{arguments[1]})", condition, 1)
    return sql


def _arguments(text: str) -> list[str]:
    found, depth, last = [], 0, 1
    for at, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 1:
            found.append(text[last:at])
            last = at + 1
        if depth == 0:
            return [*found, text[last:at]]
    raise ValueError(f"brackets are not closed: {text[:60]}")


def _variables(sql: str, variables: Mapping[str, Value]) -> str:
    def one(match: re.Match[str]) -> str:
        name = match[1] or match[2] or match[4]
        if name.startswith("__"):
            return match[0]  # a macro of the plugin: Grafana knows no such variable
        if name not in variables:
            raise ValueError(f"{match[0]} is no variable of the dashboard")
        return _formatted(variables[name], match[3] or match[5])

    return _VARIABLE.sub(one, sql)


def _formatted(value: Value, how: str | None) -> str:
    if how is None:  # the plugin's own
        return "'" + "','".join(value) + "'" if isinstance(value, list) else value
    values = value if isinstance(value, list) else [value]
    if how == "singlequote":
        return ",".join("'" + each.replace("'", "\\'") + "'" for each in values)
    if how == "raw":
        return ",".join(values)
    raise ValueError(f"format {how} is not known here: add it")


def _macros(sql: str, span: Range) -> str:
    day, second, milli = _day, _second, _milli

    def between(kind: Callable[[datetime], str]) -> Callable[[str], str]:
        return lambda column: f"{column} >= {kind(span.start)} AND {column} <= {kind(span.end)}"

    macros: dict[str, tuple[int, Callable[..., str]]] = {
        "fromTime": (0, lambda: second(span.start)),
        "toTime": (0, lambda: second(span.end)),
        "fromTime_ms": (0, lambda: milli(span.start)),
        "toTime_ms": (0, lambda: milli(span.end)),
        "timeFilter": (1, between(second)),
        "timeFilter_ms": (1, between(milli)),
        "dateFilter": (1, between(day)),
    }
    for name, (count, replacement) in macros.items():
        for found, inside in _matches(sql, name):
            given = [each.strip() for each in inside.split(",")]
            if count == 0:
                if inside:
                    raise ValueError(f"$__{name} would swallow the text up to {inside!r}: put it into brackets")
                given = []
            if len(given) != count or (count and not given[0]):
                raise ValueError(f"$__{name} takes {count} arguments, not {inside!r}")
            sql = sql.replace(found, replacement(*given))
    if left := re.search(r"\$__\w+", sql):
        raise ValueError(f"{left[0]} is no macro that is known here")
    return sql


def _matches(sql: str, name: str) -> list[tuple[str, str]]:
    """What is replaced for each use of a macro, and what the plugin takes for its arguments."""
    found = []
    for use in re.finditer(rf"\$__{name}\b", sql):
        text = sql[use.start() :]
        depth = start = end = 0
        for at, character in enumerate(text):
            if depth == 0 and end:
                break
            if character == "(":
                depth += 1
                start = start or at + 1
            elif character == ")":
                if depth == 0:
                    break
                depth -= 1
                end = at + 1
        found.append((text[:end], text[start : end - 1]) if end else (use[0], ""))
    return found


def _day(time: datetime) -> str:
    return f"toDate('{time:%Y-%m-%d}')"


def _second(time: datetime) -> str:
    return f"toDateTime({int(time.timestamp())})"


def _milli(time: datetime) -> str:
    return f"fromUnixTimestamp64Milli({int(time.timestamp() * 1000)})"
