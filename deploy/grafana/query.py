"""The queries of panels: SQL for Grafana's ClickHouse plugin, PromQL for Prometheus.

What is written `$__name` the plugin's server replaces, `$__conditionalAll` its browser side, `$name` and
`${name:format}` Grafana itself. Two traps are avoided here, once:

- The server takes the first pair of brackets after a macro's name for its arguments, however far away it stands, and
  replaces all up to there. `$__fromTime` and `$__toTime` therefore stand last or first within brackets of their own.
- A list of values comes without any escaping unless its format is given: `singlequote` escapes quotes. Backslashes are
  left alone by every format, so that the variables hold values with doubled ones (`variables.py`).
"""

from dataclasses import dataclass
from typing import Any, Protocol

CLICKHOUSE = "grafana-clickhouse-datasource"
CLICKHOUSE_VERSION = "4.20.0"
PROMETHEUS = "prometheus"

Json = dict[str, Any]

FIRST_DAY = "toDate($__fromTime, 'UTC')"
"""First day of the dashboard's time range. Its days are dates, and dates are shown as midnight UTC."""
LAST_DAY = "toDate($__toTime, 'UTC')"
"""Last day of the dashboard's time range."""


def in_range(day: str = "day") -> str:
    """Condition: this date lies in the dashboard's time range."""
    return f"{day} BETWEEN {FIRST_DAY} AND {LAST_DAY}"


def period_in_range() -> str:
    """Condition on `period_start`: the period has a day in the time range.

    Such a period is shown whole, since its ratios are those of the period.
    """
    return f"period_start > {FIRST_DAY} - INTERVAL 1 ${{grain:raw}} AND period_start <= {LAST_DAY}"


def chosen(variable: str, column: str = "") -> str:
    """Condition: the column (the variable's namesake, unless another is given) has a value that is chosen."""
    return f"$__conditionalAll({column or variable} IN (${{{variable}:singlequote}}), ${variable})"


class Query(Protocol):
    """What fills a panel."""

    @property
    def datasource(self) -> Json:
        """The reference to the data source: by a variable of the dashboard."""

    def target(self, number: int, *, over_time: bool) -> Json:
        """The query as a panel has it; `number` counts those of the panel from 0."""


@dataclass(frozen=True)
class Sql:
    """A SELECT. Over time its first column is a time, in ascending order, and its texts name the series."""

    text: str

    @property
    def datasource(self) -> Json:
        """ClickHouse, as chosen on the dashboard."""
        return {"type": CLICKHOUSE, "uid": "${datasource}"}

    def target(self, number: int, *, over_time: bool) -> Json:
        """The plugin's query; `format` 0 is a time series, 1 a table."""
        return {
            "refId": _letter(number),
            "datasource": self.datasource,
            "pluginVersion": CLICKHOUSE_VERSION,
            "editorType": "sql",
            "queryType": "timeseries" if over_time else "table",
            "format": 0 if over_time else 1,
            "rawSql": self.text,
        }


@dataclass(frozen=True)
class PromQl:
    """A PromQL expression; `legend` names its series, such as `{{job}}`."""

    expression: str
    legend: str = "__auto"

    @property
    def datasource(self) -> Json:
        """Prometheus, as chosen on the dashboard."""
        return {"type": PROMETHEUS, "uid": "${prometheus}"}

    def target(self, number: int, *, over_time: bool) -> Json:
        """Prometheus' query: over the time range, or at its end."""
        return {
            "refId": _letter(number),
            "datasource": self.datasource,
            "editorMode": "code",
            "expr": self.expression,
            "legendFormat": self.legend,
            "range": over_time,
            "instant": not over_time,
            "format": "time_series" if over_time else "table",
        }


def _letter(number: int) -> str:
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[number]
