"""What each report's page shows of its figures: which numbers first, which bars, which course over time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from stream.figures import REPORTS, Figures


@dataclass(frozen=True)
class Page:
    """A report's page.

    `tiles`: columns of the total; `bars`: (measure, key); `trend`: columns over time, drawn on one axis; `lead`: the
    column that rows are sorted by; `hidden`: columns that the table leaves to CSV.
    """

    report: str
    title: str
    tiles: tuple[str, ...]
    bars: tuple[str, str] | None
    trend: tuple[str, ...]
    lead: str
    hidden: tuple[str, ...] = ()

    @property
    def figures(self) -> Figures:
        """Keys, measures and ratios."""
        return REPORTS[self.report]

    @property
    def path(self) -> str:
        """Where it is."""
        return f"/report/{self.report}"


PAGES: Mapping[str, Page] = MappingProxyType(
    {
        page.report: page
        for page in (
            Page(
                "leads_by_channel",
                "Leads by channel",
                ("leads", "opportunities", "customers", "conversion_rate", "avg_days_to_convert"),
                ("leads", "channel"),
                ("leads", "opportunities", "customers"),
                "leads",
                ("converted",),
            ),
            Page(
                "channel_attribution",
                "Channel attribution",
                ("revenue", "deals"),
                ("revenue", "channel"),
                ("revenue",),
                "revenue",
            ),
            Page(
                "lead_sources",
                "Lead sources",
                ("leads", "customers", "revenue", "spend", "roas", "cpa"),
                ("revenue", "source"),
                ("revenue", "spend"),
                "revenue",
                ("cohort_revenue", "cohort_roas", "impressions", "ctr", "cpc", "visitor_conversion"),
            ),
            Page(
                "lead_magnets",
                "Lead magnets",
                ("leads", "customers", "conversion_rate", "cohort_revenue"),
                ("leads", "lead_magnet"),
                ("leads", "customers"),
                "leads",
            ),
            Page(
                "campaign_revenue",
                "Campaigns by revenue",
                ("revenue", "deals", "average_deal"),
                ("revenue", "campaign_id"),
                ("revenue",),
                "revenue",
            ),
            Page(
                "funnel",
                "Funnel",
                ("visitors", "leads", "mofu", "bofu", "customers"),
                None,
                ("leads", "mofu", "bofu", "customers"),
                "leads",
            ),
            Page(
                "opportunities",
                "Opportunities generated",
                ("opportunities", "estimated_revenue", "weighted_revenue", "won_revenue", "win_rate"),
                ("estimated_revenue", "owner_id"),
                ("estimated_revenue", "won_revenue"),
                "estimated_revenue",
                ("win_rate_by_amount", "lost_revenue"),
            ),
            Page(
                "opportunities_closed",
                "Opportunities closed",
                ("opportunities", "won_revenue", "lost_revenue", "win_rate", "win_rate_by_amount"),
                ("won_revenue", "owner_id"),
                ("won_revenue", "lost_revenue"),
                "won_revenue",
                ("open", "weighted_revenue"),
            ),
            Page(
                "pipeline",
                "Pipeline",
                ("opportunities", "estimated_revenue", "weighted_revenue"),
                ("estimated_revenue", "stage"),
                (),
                "estimated_revenue",
            ),
            Page(
                "forecast",
                "Forecast",
                ("open", "estimated_revenue", "weighted_revenue"),
                ("weighted_revenue", "due_month"),
                (),
                "due_month",
            ),
            Page(
                "key_accounts",
                "Key accounts",
                ("opportunities", "estimated_revenue", "won_revenue", "win_rate"),
                ("won_revenue", "account_id"),
                (),
                "won_revenue",
            ),
            Page(
                "calls",
                "Calls",
                ("calls", "answer_rate", "missed", "avg_talk_seconds", "advance_rate"),
                ("calls", "rep_id"),
                ("calls", "answered", "missed"),
                "calls",
                ("benchmark_avg_talk_seconds", "benchmark_advance_rate", "p90_talk_seconds"),
            ),
            Page(
                "profitability",
                "Profitability",
                ("revenue", "spend", "cost", "contribution", "roi", "roas"),
                ("contribution", "campaign_id"),
                ("revenue", "spend", "contribution"),
                "contribution",
                ("cohort_revenue", "opportunities", "gross_margin_ratio", "contribution_ratio"),
            ),
            Page(
                "finance",
                "Finance",
                ("revenue", "gross_margin", "operating_result", "spend_media", "spend_other", "forecast_revenue"),
                None,
                ("revenue", "operating_result"),
                "period_start",
            ),
            Page(
                "expenses",
                "Expenses",
                ("spend",),
                ("spend", "platform"),
                ("spend",),
                "spend",
            ),
        )
    }
)

OTHERS: Mapping[str, str] = MappingProxyType(
    {
        "/": "Overview",
        "/models": "Model comparison",
        "/opportunity-list": "Opportunity list",
        "/targets": "Targets",
        "/pivot": "Pivot",
        "/changes": "What changed",
        "/quality": "Data quality",
    }
)
"""The pages that are no report of the usual form."""


@dataclass(frozen=True)
class Group:
    """A heading of the menu, and the paths under it."""

    title: str
    paths: tuple[str, ...] = field(default_factory=tuple)


MENU = (
    Group("", ("/",)),
    Group(
        "Marketing",
        (
            "/report/leads_by_channel",
            "/report/lead_sources",
            "/report/lead_magnets",
            "/report/campaign_revenue",
            "/report/channel_attribution",
            "/models",
            "/report/funnel",
        ),
    ),
    Group(
        "Sales",
        (
            "/report/opportunities",
            "/report/opportunities_closed",
            "/report/pipeline",
            "/report/forecast",
            "/report/key_accounts",
            "/opportunity-list",
            "/report/calls",
        ),
    ),
    Group("Finance", ("/report/profitability", "/report/finance", "/report/expenses", "/targets")),
    Group("Data", ("/pivot", "/changes", "/quality")),
)


def title_of(path: str) -> str:
    """A page's name in the menu."""
    return OTHERS.get(path) or PAGES[path.removeprefix("/report/")].title
