"""The reports as data: what tells their rows apart, what adds up, and how the rest is computed from sums.

A *figure* is one number of a report: a measure under a key. Measures add up over days and keys; every other column is
a ratio of sums, or holds for a single row of the view only. Of which records a measure is made says
`stream/recipes.py`. Nothing here needs a database.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True)
class Figures:
    """One report.

    `day`: its column of time, '' for a report of now. `keys`: what else tells its rows apart. `labels`: what goes with
    a key, its name first. `measures`: what adds up. `ratios`: SQL over the view's columns, which a query calls `r`.
    `shares`: the measure that a column is the share of, within all keys but the model. `single`: columns that only a
    row of the view has (quantiles): nothing can be said of several rows.
    """

    report: str
    keys: tuple[str, ...]
    measures: tuple[str, ...]
    day: str = "day"
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ratios: Mapping[str, str] = field(default_factory=dict)
    shares: Mapping[str, str] = field(default_factory=dict)
    single: tuple[str, ...] = ()

    @property
    def view(self) -> str:
        """The view's name."""
        return f"report_{self.report}"

    @property
    def has_model(self) -> bool:
        """Whether there is a row for each attribution model."""
        return "model" in self.keys

    @property
    def has_periods(self) -> bool:
        """Whether the view has its figures day by day."""
        return self.day == "day"


def _ratio(over: str, under: str) -> str:
    return f"toFloat64({over}) / nullIf(toFloat64({under}), 0)"


def _sums(over: str, under: str) -> str:
    return _ratio(f"sum(r.{over})", f"sum(r.{under})")


_CAMPAIGN = {"campaign_id": ("campaign",)}
_GROUPED_CAMPAIGN = {"campaign_id": ("campaign", "campaign_group")}
_OWNER = {"owner_id": ("owner",)}
_WIN_RATE = _ratio("sum(r.won)", "sum(r.won) + sum(r.lost)")
_OPPORTUNITIES = (
    "opportunities", "estimated_revenue", "weighted_revenue", "open", "won", "lost", "won_revenue", "lost_revenue",
    "unconverted",
)  # fmt: skip
_WIN_RATES = {
    "win_rate": _WIN_RATE,
    "win_rate_by_amount": _ratio("sum(r.won_revenue)", "sum(r.won_revenue) + sum(r.lost_revenue)"),
}

REPORTS: Mapping[str, Figures] = MappingProxyType(
    {
        figures.report: figures
        for figures in (
            Figures(
                "leads_by_channel",
                ("channel",),
                ("leads", "opportunities", "customers", "converted"),
                ratios={
                    "opportunity_rate": _sums("opportunities", "leads"),
                    "conversion_rate": _sums("customers", "leads"),
                    "avg_days_to_convert": (
                        "sum(r.avg_days_to_convert * r.converted) / nullIf(toFloat64(sum(r.converted)), 0)"
                    ),
                },
                single=("p50_days_to_convert", "p90_days_to_convert"),
            ),
            Figures(
                "channel_attribution",
                ("model", "channel"),
                ("deals", "revenue", "unconverted"),
                shares={"revenue_share": "revenue"},
            ),
            Figures("opportunities", ("owner_id", "team"), _OPPORTUNITIES, labels=_OWNER, ratios=_WIN_RATES),
            Figures("opportunities_closed", ("owner_id", "team"), _OPPORTUNITIES, labels=_OWNER, ratios=_WIN_RATES),
            Figures(
                "pipeline",
                ("owner_id", "team", "stage", "status"),
                ("opportunities", "estimated_revenue", "weighted_revenue", "unconverted"),
                day="",
                labels=_OWNER,
            ),
            Figures(
                "key_accounts",
                ("account_id",),
                ("opportunities", "open", "won", "lost", "estimated_revenue", "won_revenue", "unconverted"),
                day="",
                labels={"account_id": ("account", "key_account")},
                ratios={"win_rate": _WIN_RATE},
            ),
            Figures(
                "forecast",
                ("owner_id", "team", "overdue"),
                ("open", "estimated_revenue", "weighted_revenue", "unconverted"),
                day="due_month",
                labels=_OWNER,
            ),
            Figures(
                "lead_sources",
                ("channel", "source", "medium", "campaign_id"),
                (
                    "leads", "opportunities", "customers", "revenue", "cohort_revenue", "spend", "visitors", "clicks",
                    "impressions", "unconverted",
                ),
                labels=_CAMPAIGN,
                ratios={
                    "cpl": _sums("spend", "leads"),
                    "cpa": _sums("spend", "customers"),
                    "roas": _sums("revenue", "spend"),
                    "cohort_roas": _sums("cohort_revenue", "spend"),
                    "visitor_conversion": _sums("customers", "visitors"),
                    "ctr": _sums("clicks", "impressions"),
                    "cpc": _sums("spend", "clicks"),
                },
            ),
            Figures(
                "lead_magnets",
                ("lead_magnet", "channel", "source"),
                ("leads", "opportunities", "customers", "cohort_revenue", "unconverted"),
                ratios={"conversion_rate": _sums("customers", "leads")},
            ),
            Figures(
                "campaign_revenue",
                ("model", "campaign_id", "channel"),
                ("deals", "revenue", "unconverted"),
                labels=_GROUPED_CAMPAIGN,
                # the view divides by the deals that have a rate: with all of them converted, that is by `deals`
                ratios={
                    "average_deal": (
                        f"if(sum(r.unconverted) = 0, {_sums('revenue', 'deals')}, "
                        "if(count() = 1, any(r.average_deal), NULL))"
                    )
                },
            ),
            Figures(
                "calls",
                ("rep_id", "team", "direction"),
                ("calls", "answered", "missed", "talk_seconds", "advanced_mofu", "advanced_bofu"),
                labels={"rep_id": ("rep",)},
                ratios={
                    "answer_rate": _sums("answered", "calls"),
                    "avg_talk_seconds": _sums("talk_seconds", "answered"),
                    "advance_rate": _ratio("sum(r.advanced_mofu) + sum(r.advanced_bofu)", "sum(r.answered)"),
                    # in force on the last day
                    **{
                        f"benchmark_{name}": f"argMax(r.benchmark_{name}, r.day)"
                        for name in ("answer_rate", "avg_talk_seconds", "advance_rate")
                    },
                },
                single=("p50_talk_seconds", "p90_talk_seconds"),
            ),
            Figures(
                "profitability",
                ("campaign_id",),
                (
                    "revenue", "cohort_revenue", "leads", "opportunities", "won_deals", "spend", "cost",
                    "gross_margin", "contribution", "budget", "unconverted",
                ),
                labels=_GROUPED_CAMPAIGN,
                ratios={
                    "gross_margin_ratio": _sums("gross_margin", "revenue"),
                    "contribution_ratio": _sums("contribution", "revenue"),
                    "roi": _ratio("sum(r.contribution)", "sum(r.cost) + sum(r.spend)"),
                    "roas": _sums("revenue", "spend"),
                    "cpl": _sums("spend", "leads"),
                },
                single=("cpa",),  # its customers are no column of the view
            ),
            Figures(
                "funnel",
                ("channel", "campaign_id"),
                ("visitors", "leads", "mofu", "bofu", "customers"),
                labels=_CAMPAIGN,
                ratios={
                    "visitor_to_lead": _sums("leads", "visitors"),
                    "lead_to_mofu": _sums("mofu", "leads"),
                    "mofu_to_bofu": _sums("bofu", "mofu"),
                    "bofu_to_customer": _sums("customers", "bofu"),
                },
            ),
            Figures(
                "finance",
                (),
                (
                    "revenue", "cost", "spend_media", "spend_other", "gross_margin", "operating_result",
                    "forecast_revenue", "unconverted",
                ),
            ),
            Figures("expenses", ("category", "platform"), ("spend", "unconverted")),
            Figures(
                "targets",
                ("metric", "scope"),
                ("target", "actual"),
                day="month",
                ratios={"attainment": _sums("actual", "target")},
            ),
            Figures(
                "quality",
                ("check",),
                ("records", "failing"),
                day="",
                ratios={"share": _sums("failing", "records")},
            ),
        )
    }
)  # fmt: skip
