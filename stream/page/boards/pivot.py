"""Any measure by any one dimension and period, from `report_long`."""

from datetime import date
from typing import Any

from sinks.views import period_start
from stream.figures import REPORTS
from stream.page import tables
from stream.page.asked import Asked
from stream.page.filters import Filters
from stream.page.format import kind_of_measure, plain
from stream.page.periods import Span
from stream.page.reading import Rows
from stream.page.summary import Choice
from stream.page.tables import Cell

MOST_MEMBERS = 60
MOST_PERIODS = 60


async def pivot(asked: Asked) -> dict[str, Any]:
    """Any measure by any one dimension and period, from `report_long`."""
    reports = {name: figures for name, figures in REPORTS.items() if figures.has_periods and name != "expenses"}
    report = asked.word("report", tuple(reports), "lead_sources")
    figures = reports[report]
    labels = [label for names in figures.labels.values() for label in names]
    dimensions = ("(all)", *(key for key in (*figures.keys, *labels) if key != "model"))
    usual = next((label for label in labels), dimensions[-1] if len(dimensions) == 1 else dimensions[1])
    dimension = asked.word("by", dimensions, usual)
    metric = asked.word("measure", figures.measures, figures.measures[0])
    choice = asked.choice(report)
    found = await asked.reader.query(
        f"""SELECT member, period_start, sum(r.value) AS value FROM (
            SELECT *, {period_start(repr(choice.grain))} FROM report_long
            WHERE report = {{report:String}} AND dimension = {{dimension:String}} AND metric = {{metric:String}}
            AND day >= {{start:Date}} AND day <= {{end:Date}}) AS r
        GROUP BY member, period_start""",  # noqa: S608 - an expression of ours
        {
            "report": report,
            "dimension": dimension,
            "metric": metric,
            "start": choice.span.start,
            "end": choice.span.end,
        },
    )
    return {
        "title": "Pivot",
        "question": "Any measure by any one dimension, over time.",
        "keys": (),
        "choice": choice,
        "reports": reports,
        "report": report,
        "dimensions": dimensions,
        "dimension": dimension,
        "metrics": figures.measures,
        "metric": metric,
        **_crossed(asked, choice, found, report, dimension, metric),
    }


def _crossed(asked: Asked, choice: Choice, found: Rows, report: str, dimension: str, metric: str) -> dict[str, Any]:
    figures = REPORTS[report]
    meaning = next(column.meaning for column in asked.views[figures.view].columns if column.name == metric)
    kind = kind_of_measure(metric, meaning)
    values = {(row["member"], row["period_start"]): row["value"] for row in found.rows}
    periods = sorted({row["period_start"] for row in found.rows})[-MOST_PERIODS:]
    sums: dict[str, Any] = {}
    for row in found.rows:
        if row["period_start"] in periods:
            sums[row["member"]] = sums.get(row["member"], 0) + row["value"]
    members = sorted(sums, key=lambda member: (-sums[member], member))
    digits = asked.format.digits(values.values())

    def cell(value: Any, span: Span, member: str | None) -> Cell:  # noqa: ANN401 - a Decimal or 0
        href = ""
        if value and (dimension in figures.keys or dimension == "(all)" or member is None):
            where = {dimension: (member,)} if member is not None and dimension != "(all)" else {}
            href = tables.record_url(figures, metric, Filters(), span, where)
        text = asked.format.value(kind, value, digits) if value else "–"
        return Cell(text, plain(value), href, f"{member}.{span.start}.{span.end}", muted=not value)

    def spans(start: date) -> Span:
        return Span(max(start, choice.span.start), min(asked.state.calendar.end(start, choice.grain), choice.span.end))

    rows = []
    for member in members[:MOST_MEMBERS]:
        cells = [cell(values.get((member, start), 0), spans(start), member) for start in periods]
        rows.append((member or "(none)", cells, cell(sums[member], choice.span, member)))
    totals = [cell(sum(values.get((member, start), 0) for member in members), spans(start), None) for start in periods]
    return {
        "periods": [asked.state.calendar.short(start, choice.grain) for start in periods],
        "rows": rows,
        "totals": totals if len(members) > 1 else [],
        "total": cell(sum(sums.values()), choice.span, None),
        "more": max(len(members) - MOST_MEMBERS, 0),
    }
