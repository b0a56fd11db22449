"""The pages that are no report of the usual form: each reads its views and gives what its template shows."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import quote

from aiohttp import web

from schemas import entity_key
from sinks.views import View, period_start
from stream import history
from stream.commands.diff import changes_text
from stream.commands.diff import name_of as name_of_cause
from stream.explain import documents_of
from stream.figures import REPORTS
from stream.page import tables
from stream.page.catalog import title_of
from stream.page.filters import BadRequest, Filters
from stream.page.format import kind_of_measure, name_of, plain
from stream.page.periods import Span
from stream.page.reading import Reader, Rows, State
from stream.page.records import NAMES
from stream.page.summary import Choice, conditions_of
from stream.page.tables import Cell, Shown
from stream.settings import MODELS

LIST_ROWS = 100
MOST_CSV_ROWS = 100_000
MOST_MEMBERS = 60
MOST_PERIODS = 60
CHANGES = 100


@dataclass(frozen=True)
class Asked:
    """A request with what every page needs."""

    request: web.Request
    reader: Reader
    state: State
    filters: Filters
    shown: Shown
    views: Mapping[str, View]

    def choice_of(self, report: str) -> Choice:
        """The usual choices, as for a report."""
        return Choice.of(REPORTS[report], self.filters, self.state)

    def word(self, name: str, allowed: Sequence[str], usual: str) -> str:
        """A choice of one's own page. Raises `BadRequest`."""
        value = self.request.query.get(name, "") or usual
        if value not in allowed:
            raise BadRequest(f"there is no {name} {value}; there are {', '.join(allowed)}")
        return value


def record_link(kind: str, *parts: str) -> str:
    """Where a record is shown."""
    return f"/record?entity={quote(entity_key(kind, *parts), safe='')}"


# -- models side by side


async def models(asked: Asked) -> dict[str, Any]:
    """Revenue by all attribution models, by campaign or by channel, and whether the model decides."""
    by = asked.word("by", ("campaign_id", "channel"), "campaign_id")
    report = "campaign_revenue" if by == "campaign_id" else "channel_attribution"
    choice = asked.choice_of("campaign_revenue")
    conditions, values = conditions_of(asked.filters.only(REPORTS[report].keys))
    conditions.append("day >= {start:Date} AND day <= {end:Date}")
    values |= {"start": choice.span.start, "end": choice.span.end}
    where = " AND ".join(conditions)
    label = "any(campaign)" if by == "campaign_id" else "''"
    revenue, spend = await asyncio.gather(
        asked.reader.query(
            f"SELECT {by} AS place, {label} AS label, model, sum(r.revenue) AS revenue FROM report_{report} AS r "  # noqa: S608 - names of ours
            f"WHERE {where} GROUP BY place, model",
            values,
        ),
        asked.reader.query(
            f"SELECT {by} AS place, {label} AS label, sum(r.spend) AS spend FROM report_lead_sources AS r "  # noqa: S608 - names of ours
            f"WHERE {where} GROUP BY place HAVING spend != 0",
            values,
        ),
    )
    rows: dict[str, dict[str, Any]] = {}
    for row in (*revenue.rows, *spend.rows):
        place = rows.setdefault(row["place"], {"label": row["label"] or row["place"], "spend": 0, "revenue": {}})
        if "model" in row:
            place["revenue"][row["model"]] = row["revenue"]
        else:
            place["spend"] = row["spend"]
    most = max((float(value) for row in rows.values() for value in row["revenue"].values()), default=0) or 1
    ordered = sorted(rows.items(), key=lambda item: (-max(item[1]["revenue"].values(), default=0), item[0]))
    digits = asked.shown.format.digits(value for row in rows.values() for value in row["revenue"].values())
    return {
        "title": "Model comparison",
        "question": "What each attribution model credits, and where the choice decides whether the spend paid.",
        "keys": ("channel", "campaign_id") if by == "campaign_id" else ("channel",),
        "choice": choice,
        "by": by,
        "rows": [_model_row(asked, choice, report, by, place, row, most, digits) for place, row in ordered],
    }


def _model_row(
    asked: Asked, choice: Choice, report: str, by: str, place: str, row: Mapping[str, Any], most: float, digits: int
) -> dict[str, Any]:
    cells = []
    where = {**asked.filters.only(REPORTS[report].keys), by: (place,)}
    for model in MODELS:
        value = row["revenue"].get(model, 0)
        filters = Filters(model=model)
        href = tables.record_url(REPORTS[report], "revenue", filters, choice.span, where) if value else ""
        text = asked.shown.format.money(value, digits)
        cell = Cell(text, plain(value), href, f"{place}.{model}", muted=not value)
        cells.append((cell, round(max(float(value), 0) / most * 100, 2)))
    spend = float(row["spend"])
    roas = [float(row["revenue"].get(model, 0)) / spend for model in MODELS] if spend else []
    least, greatest = (min(roas), max(roas)) if roas else (None, None)
    return {
        "label": row["label"],
        "muted": row["label"].startswith("("),
        "cells": cells,
        "spend": asked.shown.format.money(row["spend"], digits) if spend else "–",
        "least": asked.shown.format.value("times", least),
        "greatest": asked.shown.format.value("times", greatest),
        "depends": least is not None and greatest is not None and least < 1 <= greatest,
    }


# -- targets

_METRICS = ("leads", "revenue", "won_deals", "calls")


async def targets(asked: Asked) -> dict[str, Any]:
    """How far every target of the period's months has been met."""
    choice = asked.choice_of("finance")
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
        digits = asked.shown.format.digits([row["target"], row["actual"]])
        key = f"{row['month']}/{row['scope']}/{row['metric']}"
        share = row["attainment"]
        months.setdefault(row["month"], []).append(
            {
                "scope": _scope_text(row["scope"]),
                "metric": name_of(row["metric"]),
                "target": asked.shown.format.value(kind, row["target"], digits),
                "actual": Cell(
                    asked.shown.format.value(kind, row["actual"], digits),
                    plain(row["actual"]),
                    _target_url(row) if row["actual"] else "",
                    key,
                ),
                "attainment": asked.shown.format.value("percent", share),
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


# -- the opportunity list

_STATUSES = ("open", "won", "lost", "all")
_LIST_COLUMNS = (
    "opportunity_id", "subject", "contact", "account", "owner", "team", "stage", "status", "due_date", "age_days",
    "probability", "amount",
)  # fmt: skip
_LIST_KEYS = ("owner_id", "team", "stage", "account_id")


async def opportunity_list(asked: Asked, *, every: bool = False) -> dict[str, Any]:
    """Every opportunity as a record, by status."""
    status = asked.word("status", _STATUSES, "open")
    number = page_number(asked.request)
    conditions, values = conditions_of(asked.filters.only(_LIST_KEYS))
    if status != "all":
        conditions.append("status = {status:String}")
        values["status"] = status
    where = " AND ".join(conditions) or "1"
    most = MOST_CSV_ROWS if every else LIST_ROWS
    found, count = await asyncio.gather(
        asked.reader.query(
            f"SELECT * FROM opportunity_list WHERE {where} ORDER BY estimated_revenue DESC, opportunity_id "  # noqa: S608 - names of ours
            f"LIMIT {most:d} OFFSET {(number - 1) * most:d}",
            values,
        ),
        asked.reader.query(f"SELECT count() AS opportunities FROM opportunity_list WHERE {where}", values),  # noqa: S608 - names of ours
    )
    total = count.rows[0]["opportunities"]
    columns = [name for name in _LIST_COLUMNS if name != "status" or status == "all"]
    return {
        "title": "Opportunity list",
        "question": asked.views["opportunity_list"].title,
        "keys": _LIST_KEYS,
        "choice": asked.choice_of("pipeline"),
        "status": status,
        "statuses": _STATUSES,
        "found": found,
        "count": total,
        "number": number,
        "pages": max(1, -(-total // LIST_ROWS)),
        "heads": [(name_of(name), name not in {"age_days", "probability", "amount"}) for name in columns],
        "rows": [_list_row(asked, columns, row) for row in found.rows],
    }


def _list_row(asked: Asked, columns: Sequence[str], row: Mapping[str, Any]) -> list[Cell]:
    kinds = {"age_days": "count", "probability": "percent"}
    cells = []
    for name in columns:
        value = row[name]
        if name == "amount":
            cells.append(Cell(f"{row['currency']} {value:,.2f}", plain(value)))
        elif name in kinds:
            cells.append(Cell(asked.shown.format.value(kinds[name], value), plain(value)))
        else:
            text = asked.shown.format.value("text", value if value != "" else None)
            late = name == "due_date" and row["overdue"]
            href = record_link("opportunity", row["opportunity_id"]) if name == "opportunity_id" else ""
            cells.append(Cell(f"{text} (overdue)" if late else text, plain(value), href, left=True))
    return cells


# -- pivot


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
    choice = asked.choice_of(report)
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
    digits = asked.shown.format.digits(values.values())

    def cell(value: Any, span: Span, member: str | None) -> Cell:  # noqa: ANN401 - a Decimal or 0
        href = ""
        if value and (dimension in figures.keys or dimension == "(all)" or member is None):
            where = {dimension: (member,)} if member is not None and dimension != "(all)" else {}
            href = tables.record_url(figures, metric, Filters(), span, where)
        text = asked.shown.format.value(kind, value, digits) if value else "–"
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


# -- trust

_SAMPLE_KINDS = {
    "leads_without_channel_or_utm": "lead",
    "unknown_campaigns": "campaign",
    "opportunities_without_lead": "opportunity",
    "opportunities_without_amount": "opportunity",
    "opportunities_without_due_date": "opportunity",
    "overdue_opportunities": "opportunity",
    "won_deals_without_amount": "opportunity",
    "calls_without_lead": "call",
    "spend_without_leads": "campaign",
    "leads_of_a_campaign_without_spend": "campaign",
}


async def quality(asked: Asked) -> dict[str, Any]:
    """What keeps the figures from being better, how fresh they are, and what could not be read."""
    has_sources = "report_sources" in asked.views
    checks, freshness, letters, sources = await asyncio.gather(
        asked.reader.query("SELECT * FROM report_quality ORDER BY failing = 0, share DESC, check"),
        asked.reader.query("SELECT * FROM report_freshness ORDER BY shard"),
        asked.reader.query(
            "SELECT received_at, reason, message, id FROM dead_letter_list WHERE state = 'open' "
            "ORDER BY received_at DESC, id LIMIT 20"
        ),
        asked.reader.query("SELECT * FROM report_sources ORDER BY quiet DESC, source")
        if has_sources
        else asked.reader.query("SELECT '' AS source WHERE 0"),
    )
    return {
        "title": "Data quality",
        "question": asked.views["report_quality"].title,
        "keys": (),
        "choice": None,
        "checks": [_check(asked, row) for row in checks.rows],
        "freshness": freshness.rows,
        "letters": letters.rows,
        "sources": sources.rows if has_sources else None,
    }


def _check(asked: Asked, row: Mapping[str, Any]) -> dict[str, Any]:
    kind = _SAMPLE_KINDS.get(row["check"])
    share = row["share"]
    return {
        "name": row["check"].replace("_", " ").capitalize(),
        "records": asked.shown.format.value("count", row["records"]),
        "failing": Cell(
            asked.shown.format.value("count", row["failing"]),
            plain(row["failing"]),
            Filters(where={"check": (row["check"],)}).url("/records/quality/failing") if row["failing"] else "",
            row["check"],
        ),
        "share": asked.shown.format.value("percent", share),
        "width": round((share or 0) * 100, 1),
        "fails": bool(row["failing"]),
        "samples": [(sample, record_link(kind, sample) if kind else "") for sample in row["sample_ids"]],
    }


# -- what changed


async def changes(asked: Asked) -> dict[str, Any]:
    """Which figures of a report moved since a snapshot, and which records moved them."""
    there = await asked.reader.work(history.snapshots)
    report = asked.word("report", history.KEPT, "campaign_revenue")
    newer = asked.request.query.get("newer") == "1"
    values: dict[str, Any] = {
        "title": "What changed",
        "question": "Which figures moved since a snapshot, and which late or corrected records moved them.",
        "keys": (),
        "choice": None,
        "report": report,
        "reports": {name: title_of(f"/report/{name}") for name in history.KEPT},
        "snapshots": [
            (each.taken_at.isoformat(), asked.shown.format.instant(each.taken_at)) for each in reversed(there)
        ],
        "newer": newer,
    }
    if not there:
        return values
    since = asked.word("since", [each.taken_at.isoformat() for each in there], there[-1].taken_at.isoformat())
    grain = asked.filters.grain or "month"
    found = await asked.reader.work(
        lambda client: history.diff(
            client, report, datetime.fromisoformat(since), grain=grain, newer=newer, most_figures=CHANGES
        )
    )
    return values | {"since": since, "grain": grain, "found": found, **_change_rows(asked, found)}


def _change_rows(asked: Asked, found: history.Diff) -> dict[str, Any]:
    figures = REPORTS[found.report]
    meanings = {column.name: column.meaning for column in asked.views[figures.view].columns}

    def show(measure: str, value: Any, *, sign: bool = False) -> str:  # noqa: ANN401 - a Decimal
        text = asked.shown.format.value(kind_of_measure(measure, meanings[measure]), value)
        return f"+{text}" if sign and value > 0 else text

    return {
        "place_keys": [key for key in figures.keys if key not in {"model", "overdue"}],
        "totals": [
            {
                "name": name_of(name),
                "was": show(name, was),
                "now": show(name, now),
                "difference": show(name, now - was, sign=True),
                "explained": show(name, explained, sign=True),
                "left": show(name, now - was - explained, sign=True),
                "open": abs(now - was - explained) > history.ROUNDING * found.figure_count,
            }
            for name, (was, now, explained) in found.totals.items()
        ],
        "moved": [
            {
                "period": asked.state.calendar.label(each.period, found.grain) if each.period else "now",
                "place": list(each.place.values()),
                "measure": name_of(each.measure),
                "was": show(each.measure, each.was),
                "now": show(each.measure, each.now),
                "difference": show(each.measure, each.now - each.was, sign=True),
            }
            for each in found.figures
        ],
        "causes": [
            {
                "name": name_of_cause(each),
                "href": f"/record?entity={quote(_entity_of(each), safe='')}",
                "kind": NAMES[each.kind][0],
                "what": each.what,
                "changes": changes_text(each),
                "moves": [
                    f"{name_of(measure)} {show(measure, value, sign=True)}" for measure, value in _sums(each).items()
                ],
            }
            for each in found.causes[:CHANGES]
        ],
        "shown": CHANGES,
    }


def _entity_of(cause: history.Cause) -> str:
    return next(iter(documents_of(cause.kind, cause.identity, cause.identity, cause.root)), cause.root)


def _sums(cause: history.Cause) -> dict[str, Any]:
    sums: dict[str, Any] = {}
    for each in cause.moves:
        sums[each.measure] = sums.get(each.measure, 0) + each.now - each.was
    return {measure: value for measure, value in sums.items() if value}


def page_number(request: web.Request) -> int:
    """Which page of a list is asked for. Raises `BadRequest`."""
    text = request.query.get("page", "1")
    if not text.isdecimal() or not 1 <= int(text) <= 1_000_000:
        raise BadRequest(f"there is no page {text}")
    return int(text)
