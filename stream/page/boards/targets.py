"""How far every target has been met."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from stream.page.asked import Asked
from stream.page.filters import Filters
from stream.page.format import name_of, plain
from stream.page.tables import Cell

_METRICS = ("leads", "revenue", "won_deals", "calls")


async def targets(asked: Asked) -> dict[str, Any]:
    """How far every target of the period's months has been met."""
    choice = asked.choice("finance")
    metric = asked.word("show", ("all", *_METRICS), "all")
    first = choice.span.start.replace(day=1)
    found = await asked.reader.query(
        "SELECT * FROM report_targets WHERE month >= {first:Date} AND month <= {last:Date} "
        "AND (metric = {metric:String} OR {metric:String} = 'all') "
        "ORDER BY month DESC, scope != 'company', scope, metric",
        {"first": first, "last": choice.span.end, "metric": metric},
    )
    teams = {f"team/{team}" for team in asked.filters.where.get("team", ())}
    return {
        "title": "Targets",
        "question": asked.views["report_targets"].title,
        "keys": ("team",),
        "choice": choice,
        "metric": metric,
        "metrics": ("all", *_METRICS),
        "months": _by_month(asked, [row for row in found.rows if not teams or row["scope"] in teams]),
    }


def _by_month(asked: Asked, rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    months: dict[date, list[dict[str, Any]]] = {}
    for row in rows:
        kind = "money" if row["metric"] == "revenue" else "count"
        digits = asked.format.digits([row["target"], row["actual"]])
        key = f"{row['month']}/{row['scope']}/{row['metric']}"
        share = row["attainment"]
        months.setdefault(row["month"], []).append(
            {
                "scope": _scope_text(row["scope"]),
                "metric": name_of(row["metric"]),
                "target": asked.format.value(kind, row["target"], digits),
                "actual": Cell(
                    asked.format.value(kind, row["actual"], digits),
                    plain(row["actual"]),
                    _target_url(row) if row["actual"] else "",
                    key,
                ),
                "attainment": asked.format.value("percent", share),
                "width": round(min(max(share or 0, 0), 1) * 100, 1),
                "reached": share is not None and share >= 1,
            }
        )
    return [(asked.state.calendar.label(month, "month"), found) for month, found in months.items()]


def _target_url(row: Mapping[str, Any]) -> str:
    where = {name: (str(row[name]),) for name in ("month", "metric", "scope")}
    return Filters(where=where).url("/records/targets/actual")


def _scope_text(scope: str) -> str:
    kind, _, name = scope.partition("/")
    return f"{kind.capitalize()} {name}" if name else "Company"
