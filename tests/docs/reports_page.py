"""`docs/reports.md`: the columns of every report view, and what the real views answer to `docs/example.jsonl`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.client import Client

from deploy.grafana.columns import COLUMNS
from sinks.views import View, load_views
from tests.counted import Counter

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reports.md"
EVENTS = ROOT / "docs" / "example.jsonl"
ROWS = 2
MOVING = {"report_freshness", "report_sources", "report_quality"}
"""Their answers depend on when they are read: no example."""
MOVING_COLUMNS = {"age_days"}

SECTIONS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("Leads by channel", "Which channels bring leads, and which of them bring customers and money?",
     ("report_leads_by_channel", "report_channel_attribution")),
    ("Opportunities", "How many deals come up, what are they worth, and how do they end?",
     ("report_opportunities", "report_opportunities_closed", "report_pipeline", "report_forecast",
      "report_key_accounts", "opportunity_list")),
    ("Lead sources", "What does a lead or a customer from each source cost, and what does it bring?",
     ("report_lead_sources", "report_lead_magnets")),
    ("Campaigns by revenue", "Which campaigns sell?", ("report_campaign_revenue",)),
    ("Calls", "How do calls go, rep by rep, and do they move leads on?", ("report_calls",)),
    ("Profitability", "What is left of a campaign's revenue after its costs?", ("report_profitability",)),
    ("Funnel", "Where between visit and deal do people get lost?", ("report_funnel",)),
    ("Finance", "What do revenue, cost and expenses come to?", ("report_finance", "report_expenses")),
    ("Targets", "How much of the plan is reached?", ("report_targets",)),
    ("Model sensitivity", "Would another attribution model decide otherwise?", ("report_model_sensitivity",)),
    ("For pivot tables", "Every measure, one dimension at a time.", ("report_long",)),
    ("Trust", "Can the figures be believed?", ("report_quality", "report_freshness", "report_sources")),
)  # fmt: skip

_INTRODUCTION = """\
# Reports

Written by `make docs-pages`: titles, columns and formulas are those of the views; the examples are what the views
answered to the fifteen events of [example.jsonl](example.jsonl), with default settings.

What holds for all of them:

- Money is in the reporting currency (`SIXFOLD_CURRENCY`), converted with the latest rate on or before its own day;
  amounts without a rate are left out of the sums and counted in `unconverted`.
- A ratio of 0.25 is 25 %; with a denominator of 0 it is NULL, shown here as an empty field.
- A view with `day` has five more: `_week`, `_month`, `_quarter`, `_year`, and `_by(grain = '...')`, with `period_start`
  in its place. Ratios and quantiles are computed from the period's records, never averaged.
- Spend counts on its date, leads on the day of their creation, revenue on the day of the close. Columns that begin with
  `cohort_` put a deal's money on the day on which its lead was created.

    sixfold import docs/example.jsonl && sixfold wait
    sixfold report campaign_revenue --by month
    sixfold explain profitability --where campaign_id=spring --column revenue
"""


def render(client: Client) -> str:
    """The whole page; the example's events are counted into the client's database, which must be empty."""
    Counter(client).count(EVENTS.read_bytes().splitlines())
    views = {view.name: view for view in load_views()}
    return "\n".join(_page(client, views)).rstrip() + "\n"


def _page(client: Client, views: dict[str, View]) -> Iterator[str]:
    yield _INTRODUCTION
    for title, question, names in SECTIONS:
        yield f"## {title}\n\n{question}\n"
        for name in names:
            yield from _view(client, views[name])


def _view(client: Client, view: View) -> Iterator[str]:
    yield f"### {view.name}\n\n{view.title}\n"
    shown = f"{view.name}_month" if view.has_periods else view.name
    first = view.columns[0].name if not view.has_periods else "period_start"
    rows: list[dict[str, Any]] = []
    if view.name not in MOVING:
        where = "WHERE dimension = '(all)' AND report = 'calls' " if view.name == "report_long" else ""
        found = client.query(f"SELECT * FROM {shown} {where}ORDER BY ALL LIMIT {ROWS}")
        rows = list(found.named_results())
        if not rows:
            raise RuntimeError(f"{shown} says nothing about {EVENTS.name}: add an event")
        yield (
            f"Example: the first rows of `SELECT * FROM {shown}`.\n"
            if not where
            else (f"Example: the first rows of `SELECT * FROM {shown} {where.strip()}`.\n")
        )
    described = client.query(f"DESCRIBE {shown}").named_results()
    kinds = {column["name"]: column["type"] for column in described}
    examples = [f"example {number}" for number, _ in enumerate(rows, 1)]
    yield _row(["column", "unit", "meaning", *examples])
    yield _row(["---"] * (3 + len(rows)))
    for column in view.columns:
        name = first if column.name == "day" and view.has_periods else column.name
        label = f"`{column.name}`" if name == column.name else f"`{column.name}` (`{name}`)"
        cells = ["(moves)" if name in MOVING_COLUMNS else _text(row[name]) for row in rows]
        yield _row([label, _unit(name, kinds[name]), column.meaning.replace("|", "\\|"), *cells])
    yield ""


_TYPES = (
    ("Decimal(38, 4)", "money"),
    ("Decimal", "number"),
    ("DateTime", "instant"),
    ("Date", "date"),
    ("String", "text"),
)
_FORMATS = {"percentunit": "ratio", "d": "days", "s": "seconds", "suffix: x": "times", "bool_yes_no": "0 or 1"}


def _unit(column: str, kind: str) -> str:
    """The unit that dashboards show, else what the type says."""
    shown = COLUMNS.get(column)
    if shown is not None and shown.unit in _FORMATS:
        return _FORMATS[shown.unit]
    return next((unit for part, unit in _TYPES if part in kind), "count" if "Int" in kind else "number")


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, bool):
        return str(int(value))
    return str(value).replace("|", "\\|")


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
