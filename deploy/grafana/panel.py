"""Panels: what a figure is, from its query to the link to its records.

Each function makes one kind. `columns` are the columns of the result that are shown, in their order; each has the
format of its name (`columns.py`). A test runs every query, and compares.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from deploy.grafana.columns import COLUMNS, DATE, Format, Steps, heading
from deploy.grafana.query import Json, PromQl, Query, Sql

VERSION = "13.2.3"
"""The version of Grafana whose schema the panels keep to."""
RECORDS = "sixfold-records"
"""uid of the dashboard with the records behind the figures."""


@dataclass(frozen=True)
class Link:
    """From a figure to its records.

    `row` says which column of the figure's row chooses a variable there; `keep` names variables of this dashboard that
    go along. A row that stands for a `period` goes with the days of that, every other one with the time range.
    """

    title: str
    row: Mapping[str, str] = field(default_factory=dict)
    keep: Sequence[str] = ()
    period: bool = False
    board: str = RECORDS

    def json(self) -> Json:
        """The data link, values percent-encoded."""
        span = "from=${__data.fields.period_start.numeric}&to=${__data.fields.until.numeric}"
        parts = [span if self.period else "${__url_time_range}"]
        parts += [f"${{{name}:queryparam}}" for name in ("datasource", *self.keep)]
        parts += [f"var-{name}=${{__data.fields.{column}:percentencode}}" for name, column in self.row.items()]
        return {"title": self.title, "url": f"/d/{self.board}?{'&'.join(parts)}", "targetBlank": False}


@dataclass(frozen=True)
class Panel:
    """A panel; the functions below make them."""

    kind: str
    title: str
    description: str
    queries: Sequence[Query]
    columns: Sequence[str] = ()
    over_time: bool = False
    defaults: Json = field(default_factory=dict)
    options: Json = field(default_factory=dict)
    links: Mapping[str, Link] = field(default_factory=dict)
    hidden: Sequence[str] = ()
    width: int = 12
    height: int = 8

    def json(self, number: int, x: int, y: int) -> Json:
        """The panel at a place of the grid of 24 columns."""
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": self.queries[0].datasource,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "pluginVersion": VERSION,
            "targets": [query.target(n, over_time=self.over_time) for n, query in enumerate(self.queries)],
            "fieldConfig": {"defaults": self.defaults, "overrides": [*self._overrides()]},
            "options": self.options,
        }

    def wide(self, width: int, height: int = 0) -> "Panel":
        """The same in another size."""
        return replace(self, width=width, height=height or self.height)

    def _overrides(self) -> list[Json]:
        overrides = []
        for name in self.columns:
            properties = _properties(COLUMNS[name], self.kind)
            # the column along the axis is looked up by its name
            if "displayName" not in self.defaults and name != self.options.get("xField"):
                properties.append({"id": "displayName", "value": heading(name)})
            if name in self.links:
                properties.append({"id": "links", "value": [self.links[name].json()]})
            if name in self.hidden:
                hide = {"legend": True, "tooltip": True, "viz": True}
                properties.append({"id": "custom.hideFrom", "value": hide})
            overrides.append({"matcher": {"id": "byName", "options": name}, "properties": properties})
        return overrides


def stat(
    title: str,
    description: str,
    sql: str,
    columns: str,
    *,
    change: Literal["", "more is good", "less is good"] = "",
    link: Link | None = None,
) -> Panel:
    """Figures of one row, side by side.

    With `change` the query has two rows, the span before and then the time range, and the change is shown too.
    """
    names = columns.split()
    modes = {"": "standard", "more is good": "standard", "less is good": "inverted"}
    return Panel(
        "stat",
        title,
        description,
        [Sql(sql)],
        names,
        defaults={"color": {"mode": "thresholds"}, "noValue": "-", "thresholds": _thresholds(())},
        options={
            "colorMode": "value",
            "graphMode": "none",
            "justifyMode": "auto",
            "orientation": "auto",
            "percentChangeColorMode": modes[change],
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "showPercentChange": bool(change),
            "textMode": "value_and_name" if len(names) > 1 else "value",
            "wideLayout": False,
        },
        links={} if link is None else dict.fromkeys(names, link),
        height=4,
    )


def figure(title: str, description: str, query: PromQl, format_: Format, width: int = 3) -> Panel:
    """One figure of Prometheus, as of the end of the time range."""
    defaults: Json = {
        "color": {"mode": "thresholds"},
        "noValue": "-",
        "thresholds": _thresholds(format_.steps),
        "unit": format_.unit,
    }
    if format_.decimals is not None:
        defaults["decimals"] = format_.decimals
    plain = stat(title, description, "", "")
    return replace(plain, queries=[query], defaults=defaults, width=width)


def list_of(title: str, description: str, query: PromQl) -> Panel:
    """The series of a PromQL expression with their labels, as of the end of the time range."""
    plain = table(title, description, "", "")
    return replace(plain, queries=[query], defaults={**plain.defaults, "unit": "short"})


def table(
    title: str,
    description: str,
    sql: str,
    columns: str,
    *,
    links: Mapping[str, Link] | None = None,
    hidden: str = "",
) -> Panel:
    """Rows as they are; `links` by the column that carries one."""
    return Panel(
        "table",
        title,
        description,
        [Sql(sql)],
        columns.split(),
        defaults={
            "color": {"mode": "thresholds"},
            "custom": {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": True, "inspect": False},
            "noValue": "-",
            "thresholds": _thresholds(()),
        },
        options={"cellHeight": "sm", "enablePagination": True, "frameIndex": 0, "showHeader": True},
        links=links or {},
        hidden=hidden.split(),
        width=24,
    )


def bars(
    title: str,
    description: str,
    sql: str,
    category: str,
    columns: str,
    *,
    stacked: bool = False,
    horizontal: bool = False,
    link: Link | None = None,
) -> Panel:
    """A bar for each row and column, by the texts of the column `category`.

    Columns that are no bar and not the category only serve the link: they come before `columns`, and are hidden.
    """
    names = columns.split()
    needed = [] if link is None else [column for column in link.row.values() if column != category]
    return Panel(
        "barchart",
        title,
        description,
        [Sql(sql)],
        [category, *needed, *names],
        defaults={
            "color": {"mode": "palette-classic"},
            "custom": {"axisPlacement": "auto", "fillOpacity": 80, "gradientMode": "none", "lineWidth": 1},
            "unit": COLUMNS[names[0]].unit,
            "decimals": COLUMNS[names[0]].decimals,
        },
        options={
            "barRadius": 0,
            "barWidth": 0.9,
            "fullHighlight": False,
            "groupWidth": 0.8,
            "legend": _legend(shown=len(names) > 1),
            "orientation": "horizontal" if horizontal else "vertical",
            "showValue": "auto" if len(names) == 1 else "never",
            "stacking": "normal" if stacked else "none",
            "tooltip": {"mode": "multi", "sort": "none"},
            "xField": category,
            "xTickLabelMaxLength": 24,
            "xTickLabelRotation": 0,
        },
        links={} if link is None else dict.fromkeys(names, link),
        hidden=needed,
    )


def picture(title: str, description: str, sql: str, columns: str, *, link: Link | None = None) -> Panel:
    """A bar for each column of a single row, in their order: the funnel."""
    names = columns.split()
    return Panel(
        "bargauge",
        title,
        description,
        [Sql(sql)],
        names,
        defaults={"color": {"mode": "palette-classic"}, "min": 0, "unit": COLUMNS[names[0]].unit, "decimals": 0},
        options={
            "displayMode": "basic",
            "legend": _legend(shown=False),
            "maxVizHeight": 300,
            "minVizHeight": 16,
            "minVizWidth": 8,
            "namePlacement": "left",
            "orientation": "horizontal",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "showUnfilled": False,
            "sizing": "auto",
            "valueMode": "text",
        },
        links={} if link is None else dict.fromkeys(names, link),
    )


def series(
    title: str,
    description: str,
    queries: str | Sequence[PromQl],
    shown: str | Format,
    *,
    by: str = "",
    style: Literal["bars", "line"] = "line",
    stacked: bool = False,
    steps: Steps = (),
) -> Panel:
    """Figures over time.

    SQL names its columns in `shown`, and in `by` the one whose texts make a series each. PromQL has the format given.
    """
    over_sql = isinstance(queries, str)
    names = shown.split() if isinstance(shown, str) else []
    format_ = COLUMNS[names[0]] if isinstance(shown, str) else shown
    custom: Json = {
        "drawStyle": style,
        "fillOpacity": 70 if style == "bars" else 0,
        "lineWidth": 1 if style == "bars" else 2,
        "showPoints": "never" if style == "bars" else "auto",
        "spanNulls": True,
        "stacking": {"group": "A", "mode": "normal" if stacked else "none"},
    }
    defaults: Json = {"color": {"mode": "palette-classic"}, "custom": custom, "unit": format_.unit}
    if format_.decimals is not None:
        defaults["decimals"] = format_.decimals
    if by:
        # "revenue cpc" would be the name of a series of the column revenue
        defaults["displayName"] = f"${{__field.labels.{by}}}"
    if steps:
        defaults["thresholds"] = _thresholds(steps)
        custom["thresholdsStyle"] = {"mode": "dashed"}
    return Panel(
        "timeseries",
        title,
        description,
        [Sql(queries)] if isinstance(queries, str) else queries,
        names,
        over_time=True,
        defaults=defaults,
        options={"legend": _legend(shown=True), "tooltip": {"mode": "multi", "sort": "desc" if over_sql else "none"}},
    )


def _legend(*, shown: bool) -> Json:
    return {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": shown}


def _thresholds(steps: Steps) -> Json:
    """Without steps everything has the colour of plain text."""
    given = steps or ((None, "text"),)
    return {"mode": "absolute", "steps": [{"color": color, "value": value} for value, color in given]}


def _properties(format_: Format, kind: str) -> list[Json]:
    properties: list[Json] = [{"id": "unit", "value": format_.unit}]
    if format_.decimals is not None:
        properties.append({"id": "decimals", "value": format_.decimals})
    if format_.steps and kind in ("stat", "table"):
        properties.append({"id": "thresholds", "value": _thresholds(format_.steps)})
        if kind == "table":
            properties.append({"id": "custom.cellOptions", "value": {"type": "color-text"}})
    if format_ is DATE and kind == "table":
        properties.append({"id": "custom.width", "value": 110})
    return properties
