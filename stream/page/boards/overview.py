"""The numbers that a day begins with, from several reports."""

import asyncio
from dataclasses import replace
from typing import Any

from stream.page import charts, tables
from stream.page.asked import Asked
from stream.page.boards.report import funnel_of
from stream.page.catalog import PAGES

_PICKED = {
    "profitability": ("revenue", "spend", "roas", "contribution"),
    "funnel": ("leads", "customers"),
    "opportunities": ("win_rate",),
    "calls": ("answer_rate",),
}
_OF_PIPELINE = {"estimated_revenue": "Open pipeline", "weighted_revenue": "Weighted pipeline"}


async def overview(asked: Asked) -> dict[str, Any]:
    """Read them."""
    pipeline, *found = await asyncio.gather(
        asked.summary("pipeline", where={"status": ("open",)}), *(asked.summary(name) for name in _PICKED)
    )
    of = dict(zip(_PICKED, found, strict=True))

    def bars(name: str, measure: str, key: str) -> charts.Bars | None:
        return tables.bar_chart(replace(PAGES[name], bars=(measure, key)), of[name], asked.shown(name))

    tiles = [
        tile
        for name, columns in _PICKED.items()
        for tile in tables.tiles(replace(PAGES[name], tiles=columns), of[name], asked.shown(name))
    ]
    page = replace(PAGES["pipeline"], tiles=tuple(_OF_PIPELINE))
    tiles += tables.tiles(page, pipeline, asked.shown("pipeline"), _OF_PIPELINE)
    main = of["profitability"]
    return {
        "title": "Overview",
        "question": "Revenue, leads, calls and pipeline at a glance.",
        "keys": (),
        "choice": main.choice,
        "tiles": tiles,
        "lines": tables.lines(("revenue", "spend"), main, asked.shown("profitability"), asked.state.today),
        "bars": bars("profitability", "revenue", "campaign_id"),
        "channels": bars("funnel", "leads", "channel"),
        "steps": funnel_of(of["funnel"], asked),
    }
