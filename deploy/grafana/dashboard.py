"""A dashboard: rows of panels on Grafana's grid of 24 columns, variables, links to the others, annotations."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from deploy.grafana.panel import Panel
from deploy.grafana.query import CLICKHOUSE, CLICKHOUSE_VERSION, PROMETHEUS, Json, in_range

SCHEMA_VERSION = 42
"""The last one of this form of dashboards."""
GRID = 24
TAG = "sixfold"

_OTHERS: Json = {
    "type": "dashboards",
    "title": "Sixfold",
    "tooltip": "The other dashboards of Sixfold",
    "icon": "external link",
    "tags": [TAG],
    "asDropdown": True,
    "includeVars": True,
    "keepTime": True,
    "targetBlank": False,
}


@dataclass(frozen=True)
class Row:
    """A heading and the panels below it, from left to right, broken into lines where they do not fit."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Dashboard:
    """What Grafana is to show. The uid is the address of a dashboard: it never changes."""

    uid: str
    title: str
    description: str
    variables: Sequence[Json]
    rows: Sequence[Row]
    annotations: Sequence[Json] = ()
    span: str = "now-90d"
    refresh: str = "1m"
    tags: Sequence[str] = field(default=())

    def json(self) -> Json:
        """The dashboard as Grafana reads it."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": [TAG, *self.tags],
            "schemaVersion": SCHEMA_VERSION,
            "editable": False,
            # a date of the views is midnight UTC to Grafana: in another zone it would be shown a day off
            "timezone": "utc",
            "weekStart": "monday",
            "graphTooltip": 1,
            "refresh": self.refresh,
            "time": {"from": self.span, "to": "now"},
            "timepicker": {},
            "links": [_OTHERS],
            "annotations": {"list": list(self.annotations)},
            "templating": {"list": list(self.variables)},
            "panels": self._panels(),
        }

    def _panels(self) -> list[Json]:
        placed: list[Json] = []
        y = 0
        for row in self.rows:
            grid = {"x": 0, "y": y, "w": GRID, "h": 1}
            heading = {"id": len(placed) + 1, "type": "row", "title": row.title, "collapsed": False, "panels": []}
            placed.append({**heading, "gridPos": grid})
            y += 1
            x = line = 0
            for panel in row.panels:
                if x + panel.width > GRID:
                    x, y, line = 0, y + line, 0
                placed.append(panel.json(len(placed) + 1, x, y))
                x, line = x + panel.width, max(line, panel.height)
            y += line
        return placed


def annotation(name: str, color: str, sql: str, *, enabled: bool = True) -> Json:
    """Marks on the time axis: rows with `time`, `title`, `text` and `tags`."""
    source = {"type": CLICKHOUSE, "uid": "${datasource}"}
    return {
        "name": name,
        "datasource": source,
        "enable": enabled,
        "hide": False,
        "iconColor": color,
        "target": {
            # of Grafana's own annotations; the schema asks for them
            "limit": 100,
            "matchAny": False,
            "tags": [],
            "type": "tags",
            "refId": "Anno",
            "datasource": source,
            "pluginVersion": CLICKHOUSE_VERSION,
            "editorType": "sql",
            "queryType": "table",
            "format": 1,
            "rawSql": sql,
        },
    }


def alert_annotation(name: str, expression: str) -> Json:
    """Marks where this PromQL has a value."""
    source = {"type": PROMETHEUS, "uid": "${prometheus}"}
    return {
        "name": name,
        "datasource": source,
        "enable": True,
        "hide": False,
        "iconColor": "red",
        "expr": expression,
        "step": "60s",
        "titleFormat": "{{alertname}}",
        "textFormat": "{{severity}}",
        "tagKeys": "severity",
        "target": {
            "limit": 100,
            "matchAny": False,
            "tags": [],
            "type": "tags",
            "refId": "Anno",
            "datasource": source,
            "expr": expression,
            "legendFormat": "{{alertname}}",
            "range": True,
            "instant": False,
            "interval": "60s",
        },
    }


def _spend(where: str) -> str:
    return f"""
SELECT
    toDateTime(day, 'UTC') AS time,
    concat(campaign_name, ': spending begins') AS title,
    concat(toString(toDecimal64(spent, 2)), ' ', (SELECT currency FROM base_settings), ' on that day') AS text,
    'spend' AS tags
FROM (
    SELECT
        day, if(campaign = '', campaign_id, campaign) AS campaign_name, sum(spend) AS spent,
        lagInFrame(toNullable(day)) OVER (
            PARTITION BY campaign_id, campaign_name ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS before
    FROM report_lead_sources
    WHERE spend > 0{where}
    GROUP BY day, campaign_id, campaign_name)
WHERE (before IS NULL OR day - before > 7) AND {in_range()}
ORDER BY time
""".strip()  # noqa: S608 - constants


def spend_annotation(where: str = "") -> Json:
    """Where a campaign begins to spend on media, or does so again after a week without; `where` narrows it."""
    return annotation("Spend", "blue", _spend(f" AND {where}" if where else ""))


_OTHER_SPEND = f"""
SELECT
    toDateTime(day, 'UTC') AS time,
    concat(category, ', ', platform) AS title,
    concat(toString(toDecimal64(spend, 2)), ' ', (SELECT currency FROM base_settings)) AS text,
    'expense' AS tags
FROM report_expenses
WHERE category != 'media' AND {in_range()}
ORDER BY time, title
""".strip()  # noqa: S608 - constants

EXPENSES = annotation("Other expenses", "purple", _OTHER_SPEND, enabled=False)
"""What was spent on other things than media, each on its day."""

_MERGES = f"""
SELECT
    toDateTime(day, 'UTC') AS time,
    concat(toString(count()), ' leads of this day were merged') AS title,
    concat(
        arrayStringConcat(
            arrayMap(m -> concat(m.1, ' into ', m.2), groupArraySorted(5)((lead_id, counted_lead_id))), ', '),
        if(count() > 5, ', ...', '')) AS text,
    'merge' AS tags
FROM fact_touches
WHERE own AND lead_id != counted_lead_id AND counted_lead_id != '' AND {in_range()}
GROUP BY day
ORDER BY time
""".strip()  # noqa: S608 - constants

MERGES = annotation("Merges", "yellow", _MERGES)
"""Where leads were created that no longer count, as they were merged into others.

No view holds the time of the merge itself: what stands at this day is the creation of the lead that was merged, the
day whose count went down by it.
"""
