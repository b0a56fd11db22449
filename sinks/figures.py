"""The reports as data: their keys, their measures, and which records each measure counts.

A *figure* is one number of a report: a measure under a key. Measures add up over days and keys; every other column is
a ratio of sums, or holds for a single row of the view only. The records of a measure are the rows of a view
`records_*` (one a record, with the reports' keys, money in the reporting currency) whose amount is not 0: so any
figure can be opened, a snapshot of records explains how figures moved, and the sum of the records is the figure.

Nothing here needs a database. `$model` in an amount stands for an attribution model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True)
class Family:
    """One view `records_*`: the columns that place a record, and those that are counted.

    `days` are its day columns, `keys` its other columns that reports have as keys, `amounts` what is counted of it.
    """

    name: str
    days: tuple[str, ...]
    keys: tuple[str, ...]
    amounts: tuple[str, ...]

    @property
    def view(self) -> str:
        """The view's name."""
        return f"records_{self.name}"


@dataclass(frozen=True)
class Counted:
    """What a measure counts of one family: `amount` (SQL over its columns) of the records where `where` holds.

    `day` is the column that is the report's day, '' for a report of now; `keys` maps a key of the report to the
    family's column where the names differ.
    """

    family: str
    amount: str
    day: str = "day"
    where: str = "1"
    keys: Mapping[str, str] = field(default_factory=dict)


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
    measures: Mapping[str, tuple[Counted, ...]]
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


def _each(family: str, names: Sequence[str], *, day: str = "day", where: str = "1") -> dict[str, tuple[Counted, ...]]:
    """Measures that have the name of what they count."""
    return {name: (Counted(family, name, day, where),) for name in names}


_MODELS = ("first", "last", "linear", "position", "time_decay", "w_shaped")

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        family.name: family
        for family in (
            Family(
                "leads",
                ("day",),
                ("channel", "source", "medium", "campaign_id", "lead_magnet"),
                ("leads", "mofu", "bofu", "customers", "converted"),
            ),
            Family(
                "credits",
                ("day", "cohort_day"),
                ("channel", "source", "medium", "campaign_id", "lead_magnet"),
                tuple(f"{part}_{model}" for model in _MODELS for part in ("deals", "revenue", "cost", "unconverted")),
            ),
            Family(
                "spend",
                ("day",),
                ("platform", "channel", "source", "medium", "campaign_id", "category"),
                ("figures", "spend", "impressions", "clicks", "visitors", "unconverted"),
            ),
            Family(
                "opportunities",
                ("created_day", "closed_day", "due_date"),
                ("owner_id", "team", "created_team", "closed_team", "account_id", "stage", "status"),
                (
                    "opportunities", "open", "won", "lost", "estimated_revenue", "weighted_revenue", "won_revenue",
                    "lost_revenue", "unconverted",
                ),
            ),
            Family(
                "calls",
                ("day",),
                ("rep_id", "team", "direction"),
                ("calls", "answered", "missed", "talk_seconds", "advanced_mofu", "advanced_bofu"),
            ),
        )
    }
)  # fmt: skip

_LEADS = {
    "leads": (Counted("leads", "leads"),),
    "opportunities": (Counted("leads", "bofu"),),
    "customers": (Counted("leads", "customers"),),
}
_MEDIA = "category = 'media'"
_REVENUE = {
    "deals": (Counted("credits", "deals_$model"),),
    "revenue": (Counted("credits", "revenue_$model"),),
    "unconverted": (Counted("credits", "unconverted_$model"),),
}
_COHORT_REVENUE = (Counted("credits", "revenue_$model", day="cohort_day"),)
_VISITS = _each("spend", ("visitors", "clicks", "impressions"))
_CAMPAIGN = {"campaign_id": ("campaign",)}
_GROUPED_CAMPAIGN = {"campaign_id": ("campaign", "campaign_group")}
_OWNER = {"owner_id": ("owner",)}
_WIN = {
    "win_rate": _ratio("sum(r.won)", "sum(r.won) + sum(r.lost)"),
    "win_rate_by_amount": _ratio("sum(r.won_revenue)", "sum(r.won_revenue) + sum(r.lost_revenue)"),
}


def _opportunities(report: str, day: str, team: str, where: str) -> Figures:
    names = (
        "opportunities", "estimated_revenue", "weighted_revenue", "open", "won", "lost", "won_revenue",
        "lost_revenue", "unconverted",
    )  # fmt: skip
    return Figures(
        report,
        ("owner_id", "team"),
        {name: (Counted("opportunities", name, day, where, {"team": team}),) for name in names},
        labels=_OWNER,
        ratios=_WIN,
    )


REPORTS: Mapping[str, Figures] = MappingProxyType(
    {
        figures.report: figures
        for figures in (
            Figures(
                "leads_by_channel",
                ("channel",),
                {**_LEADS, "converted": (Counted("leads", "converted"),)},
                ratios={
                    "opportunity_rate": _sums("opportunities", "leads"),
                    "conversion_rate": _sums("customers", "leads"),
                    "avg_days_to_convert": (
                        "sum(r.avg_days_to_convert * r.converted) / nullIf(toFloat64(sum(r.converted)), 0)"
                    ),
                },
                single=("p50_days_to_convert", "p90_days_to_convert"),
            ),
            Figures("channel_attribution", ("model", "channel"), _REVENUE, shares={"revenue_share": "revenue"}),
            _opportunities("opportunities", "created_day", "created_team", "1"),
            _opportunities("opportunities_closed", "closed_day", "closed_team", "status != 'open'"),
            Figures(
                "pipeline",
                ("owner_id", "team", "stage", "status"),
                _each(
                    "opportunities", ("opportunities", "estimated_revenue", "weighted_revenue", "unconverted"), day=""
                ),
                day="",
                labels=_OWNER,
            ),
            Figures(
                "key_accounts",
                ("account_id",),
                {
                    **_each("opportunities", ("opportunities", "open", "won", "lost"), day=""),
                    "estimated_revenue": (Counted("opportunities", "estimated_revenue", "", "status = 'open'"),),
                    "won_revenue": (Counted("opportunities", "won_revenue", ""),),
                    "unconverted": (Counted("opportunities", "unconverted", "", "status != 'lost'"),),
                },
                day="",
                labels={"account_id": ("account", "key_account")},
                ratios={"win_rate": _WIN["win_rate"]},
            ),
            Figures(
                "forecast",
                ("owner_id", "team", "overdue"),
                _each(
                    "opportunities",
                    ("open", "estimated_revenue", "weighted_revenue", "unconverted"),
                    day="due_month",
                    where="status = 'open'",
                ),
                day="due_month",
                labels=_OWNER,
            ),
            Figures(
                "lead_sources",
                ("channel", "source", "medium", "campaign_id"),
                {
                    **_LEADS,
                    "revenue": _REVENUE["revenue"],
                    "cohort_revenue": _COHORT_REVENUE,
                    "spend": (Counted("spend", "spend", where=_MEDIA),),
                    **_VISITS,
                    "unconverted": (
                        Counted("credits", "unconverted_$model"),
                        Counted("spend", "unconverted", where=_MEDIA),
                    ),
                },
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
                {
                    **_LEADS,
                    "cohort_revenue": _COHORT_REVENUE,
                    "unconverted": (Counted("credits", "unconverted_$model", day="cohort_day"),),
                },
                ratios={"conversion_rate": _sums("customers", "leads")},
            ),
            Figures(
                "campaign_revenue",
                ("model", "campaign_id", "channel"),
                _REVENUE,
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
                _each("calls", ("calls", "answered", "missed", "talk_seconds", "advanced_mofu", "advanced_bofu")),
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
                {
                    "revenue": _REVENUE["revenue"],
                    "cohort_revenue": _COHORT_REVENUE,
                    "leads": _LEADS["leads"],
                    "opportunities": _LEADS["opportunities"],
                    "won_deals": _REVENUE["deals"],
                    "spend": (Counted("spend", "spend"),),
                    "cost": (Counted("credits", "cost_$model"),),
                    "gross_margin": (Counted("credits", "revenue_$model - cost_$model"),),
                    "contribution": (
                        Counted("credits", "revenue_$model - cost_$model"),
                        Counted("spend", "-spend"),
                    ),
                    "budget": (),
                    "unconverted": (Counted("credits", "unconverted_$model"), Counted("spend", "unconverted")),
                },
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
                {
                    "visitors": _VISITS["visitors"],
                    "leads": _LEADS["leads"],
                    "mofu": (Counted("leads", "mofu"),),
                    "bofu": (Counted("leads", "bofu"),),
                    "customers": _LEADS["customers"],
                },
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
                {
                    "revenue": _REVENUE["revenue"],
                    "cost": (Counted("credits", "cost_$model"),),
                    "spend_media": (Counted("spend", "spend", where=_MEDIA),),
                    "spend_other": (Counted("spend", "spend", where="category != 'media'"),),
                    "gross_margin": (Counted("credits", "revenue_$model - cost_$model"),),
                    "operating_result": (
                        Counted("credits", "revenue_$model - cost_$model"),
                        Counted("spend", "-spend"),
                    ),
                    "forecast_revenue": (Counted("opportunities", "weighted_revenue", "due_date", "status = 'open'"),),
                    "unconverted": (
                        Counted("credits", "unconverted_$model"),
                        Counted("spend", "unconverted"),
                        Counted("opportunities", "unconverted", "due_date", "status = 'open'"),
                    ),
                },
            ),
            Figures(
                "expenses",
                ("category", "platform"),
                _each("spend", ("spend", "unconverted")),
            ),
        )
    }
)
