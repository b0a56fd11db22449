"""The variables of dashboards: data sources, grain, and what the figures are narrowed to.

The value of a choice has its backslashes doubled, since it is pasted into a SQL text whose quotes Grafana escapes,
but not its backslashes; the text beside it is as the CRM has it.
"""

from collections.abc import Sequence

from deploy.grafana.query import CLICKHOUSE, PROMETHEUS, Json, in_range
from stream.settings import MODELS

GRAINS = ("day", "week", "month", "quarter", "year")

_ALL = {"text": ["All"], "value": ["$__all"]}
_HIDDEN = 2
_WHEN_THE_RANGE_CHANGES = 2
_WHEN_OPENED = 1


def data_source(name: str, label: str, plugin: str, usual: str) -> Json:
    """A choice of the data sources of one plugin; `usual` is the uid that is provisioned."""
    return {
        "name": name,
        "label": label,
        "description": f"The {label} with Sixfold's figures",
        "type": "datasource",
        "query": plugin,
        "current": {"text": usual, "value": usual},
        "includeAll": False,
        "multi": False,
        "options": [],
        "refresh": _WHEN_OPENED,
        "hide": 0,
    }


CLICKHOUSE_SOURCE = data_source("datasource", "ClickHouse", CLICKHOUSE, "sixfold-clickhouse")
PROMETHEUS_SOURCE = data_source("prometheus", "Prometheus", PROMETHEUS, "sixfold-prometheus")


def _list(name: str, label: str, description: str, values: Sequence[str], usual: str) -> Json:
    return {
        "name": name,
        "label": label,
        "description": description,
        "type": "custom",
        "query": ",".join(values),
        "current": {"text": usual, "value": usual},
        "options": [{"selected": value == usual, "text": value, "value": value} for value in values],
        "includeAll": False,
        "multi": False,
        "allowCustomValue": False,
        "hide": 0,
    }


def grain(usual: str = "week") -> Json:
    """The length of the periods."""
    return _list(
        "grain", "By", "Length of a period. Those with a day in the time range are shown whole.", GRAINS, usual
    )


MODEL = _list("model", "Model", "Which touches a deal's revenue is credited to", MODELS, "first")


def _from_views(name: str, label: str, description: str, sql: str, **more: object) -> Json:
    return {
        "name": name,
        "label": label,
        "description": description,
        "type": "query",
        "datasource": {"type": CLICKHOUSE, "uid": "${datasource}"},
        "query": sql,
        "current": _ALL,
        "options": [],
        "refresh": _WHEN_THE_RANGE_CHANGES,
        "sort": 5,
        "includeAll": True,
        "multi": True,
        "allowCustomValue": True,
        "hide": 0,
        **more,
    }


def _choices(value: str, text: str, rows: str) -> str:
    """The plugin takes the first column for the value, the second for the text."""
    return (
        f"SELECT DISTINCT replaceAll({value}, '\\\\', '\\\\\\\\') AS value, {text} AS text\n"
        f"FROM {rows} ORDER BY text LIMIT 5000"
    )


_SOURCES_IN_RANGE = f"report_lead_sources WHERE {in_range()}"

CHANNEL = _from_views(
    "channel",
    "Channel",
    "Channels with leads, revenue or spend in the time range",
    _choices("channel", "channel", _SOURCES_IN_RANGE),
)
SOURCE = _from_views(
    "source",
    "Source",
    "Sources with leads, revenue or spend in the time range",
    _choices("source", "source", _SOURCES_IN_RANGE),
)
CAMPAIGN = _from_views(
    "campaign",
    "Campaign",
    "Campaigns with leads, revenue or spend in the time range",
    _choices("campaign_id", "if(campaign = '', campaign_id, campaign)", _SOURCES_IN_RANGE),
)
TEAM = _from_views(
    "team",
    "Team",
    "Every team that a rep is or was in, and (none)",
    _choices(
        "team",
        "if(team = '', '(none)', team)",
        "(SELECT '' AS team UNION ALL SELECT arrayJoin(teams).team AS team FROM base_reps)",
    ),
)
REP = _from_views(
    "rep",
    "Rep or owner",
    "Who called, or has the opportunity",
    _choices(
        "rep_id",
        "if(rep = '', rep_id, rep)",
        "(SELECT '(unassigned)' AS rep_id, '' AS rep UNION ALL SELECT rep_id, rep FROM base_reps)",
    ),
)
CURRENCY = _from_views(
    "currency",
    "Currency",
    "The reporting currency",
    "SELECT currency FROM base_settings",
    current={"text": "USD", "value": "USD"},
    refresh=_WHEN_OPENED,
    includeAll=False,
    multi=False,
    hide=_HIDDEN,
)


def typed(name: str, label: str, description: str) -> Json:
    """A text that is typed in, or comes with a link; empty: no matter."""
    return {
        "name": name,
        "label": label,
        "description": description,
        "type": "textbox",
        "query": "",
        "current": {"text": "", "value": ""},
        "options": [{"selected": True, "text": "", "value": ""}],
        "hide": 0,
    }


def label_values(name: str, metric: str, condition: str = "") -> Json:
    """The values of a Prometheus label, the variable's namesake."""
    selector = f"{metric}{{{condition}}}" if condition else metric
    return {
        "name": name,
        "label": name.capitalize(),
        "description": f"Prometheus' label {name} of Sixfold's processes",
        "type": "query",
        "datasource": {"type": PROMETHEUS, "uid": "${prometheus}"},
        "query": {"qryType": 1, "query": f"label_values({selector}, {name})", "refId": name},
        "current": _ALL,
        "options": [],
        "refresh": _WHEN_THE_RANGE_CHANGES,
        "sort": 1,
        "includeAll": True,
        "multi": True,
        "hide": 0,
    }
