"""A report: its first numbers, its pictures, its table."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from aiohttp import web

from stream.page import charts, tables
from stream.page.asked import Asked
from stream.page.catalog import PAGES, Page
from stream.page.options import options
from stream.page.summary import Summary


async def report(asked: Asked) -> dict[str, Any]:
    """Read the report that the address names."""
    page = _page(asked.request)
    shown = asked.shown(page.report)
    summary, _ = await asyncio.gather(asked.summary(page.report), options(asked.reader))
    return {
        "title": page.title,
        "path": page.path,
        "question": asked.views[page.figures.view].title,
        "keys": page.figures.keys,
        "choice": summary.choice,
        "figures": page.figures,
        "tiles": tables.tiles(page, summary, shown),
        "bars": tables.bar_chart(page, summary, shown),
        "lines": tables.lines(page.trend, summary, shown, asked.state.today),
        "steps": funnel_of(summary, asked) if page.report == "funnel" else None,
        "table": tables.table(page, summary, shown),
        "meanings": shown.meanings,
    }


async def report_csv(asked: Asked) -> tuple[str, Iterable[Sequence[str]]]:
    """The table with every row, every column and the exact values."""
    page = _page(asked.request)
    summary = await asked.summary(page.report)
    return page.report, tables.csv_rows(page, summary, asked.filters.sort)


def funnel_of(summary: Summary, asked: Asked) -> list[charts.Step]:
    """The picture of the funnel's totals."""
    figures, choice = summary.choice.figures, summary.choice
    return charts.funnel(
        [
            (name, int(summary.total[name]), tables.record_url(figures, name, asked.filters, choice.span, choice.where))
            for name in ("visitors", "leads", "mofu", "bofu", "customers")
        ]
    )


def _page(request: web.Request) -> Page:
    name = request.match_info["report"]
    if name not in PAGES:
        raise web.HTTPNotFound(text=f"there is no report {name}")
    return PAGES[name]
