"""Whether those that have exceptions in a thresholds file are there: a misspelt team would have none, silently."""

import difflib
from collections.abc import Iterator

from clickhouse_connect.driver.client import Client

from deploy.prometheus.thresholds import Thresholds
from schemas import REASONS

__all__ = ["unknown_names"]

_KNOWN = {
    "teams": "SELECT DISTINCT team_today FROM base_reps",
    "reps": "SELECT rep_id FROM base_reps UNION DISTINCT SELECT rep_id FROM report_calls",
    "campaigns": "SELECT campaign_id FROM base_campaigns UNION DISTINCT SELECT campaign_id FROM report_profitability",
    "scopes": "SELECT DISTINCT scope FROM report_targets",
    "sources": "SELECT source FROM report_sources",
    "checks": "SELECT check FROM report_quality",
}
"""By kind of exception, the members there are."""


def unknown_names(client: Client, thresholds: Thresholds) -> Iterator[str]:
    """Give a line for each exception whose team, rep, campaign, ... the views do not know."""
    known: dict[str, list[str]] = {}
    for kind, member, place in thresholds.exempt:
        if kind not in known:
            known[kind] = _members(client, kind)
        if member not in known[kind]:
            near = difflib.get_close_matches(member, known[kind], n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            yield f"{place}: the reports know none of {kind} by this name{hint}"


def _members(client: Client, kind: str) -> list[str]:
    if kind == "reasons":
        return list(REASONS)
    return [str(row[0]) for row in client.query(_KNOWN[kind]).result_rows]
