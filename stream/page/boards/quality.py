"""What keeps the figures from being better, how fresh they are, and what could not be read."""

import asyncio
from collections.abc import Mapping
from typing import Any

from schemas import entity_key
from stream.page.asked import Asked, record_url
from stream.page.filters import Filters
from stream.page.format import plain
from stream.page.tables import Cell

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
        "records": asked.format.value("count", row["records"]),
        "failing": Cell(
            asked.format.value("count", row["failing"]),
            plain(row["failing"]),
            Filters(where={"check": (row["check"],)}).url("/records/quality/failing") if row["failing"] else "",
            row["check"],
        ),
        "share": asked.format.value("percent", share),
        "width": round((share or 0) * 100, 1),
        "fails": bool(row["failing"]),
        "samples": [(sample, record_url(entity_key(kind, sample)) if kind else "") for sample in row["sample_ids"]],
    }
