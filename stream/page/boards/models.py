"""Revenue by all attribution models side by side, and whether the choice of one decides."""

import asyncio
from collections.abc import Mapping
from typing import Any

from stream.figures import REPORTS
from stream.page import tables
from stream.page.asked import Asked
from stream.page.filters import Filters
from stream.page.format import plain
from stream.page.summary import Choice, conditions_of
from stream.page.tables import Cell
from stream.settings import MODELS


async def models(asked: Asked) -> dict[str, Any]:
    """Revenue by all attribution models, by campaign or by channel, and whether the model decides."""
    by = asked.word("by", ("campaign_id", "channel"), "campaign_id")
    report = "campaign_revenue" if by == "campaign_id" else "channel_attribution"
    choice = asked.choice("campaign_revenue")
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
    digits = asked.format.digits(value for row in rows.values() for value in row["revenue"].values())
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
        text = asked.format.money(value, digits)
        cell = Cell(text, plain(value), href, f"{place}.{model}", muted=not value)
        cells.append((cell, round(max(float(value), 0) / most * 100, 2)))
    spend = float(row["spend"])
    roas = [float(row["revenue"].get(model, 0)) / spend for model in MODELS] if spend else []
    least, greatest = (min(roas), max(roas)) if roas else (None, None)
    return {
        "label": row["label"],
        "muted": row["label"].startswith("("),
        "cells": cells,
        "spend": asked.format.money(row["spend"], digits) if spend else "–",
        "least": asked.format.value("times", least),
        "greatest": asked.format.value("times", greatest),
        "depends": least is not None and greatest is not None and least < 1 <= greatest,
    }
