"""Of which records the figures of each report are made: a report reads here as its view reads in `sinks/views/`.

A report's view adds up rolling rows; its recipe adds up the records behind them, which have the same columns. A test
reads both for every report and column, and compares.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from stream.records import MODELS


@dataclass(frozen=True)
class Records:
    """A view with one row a record: its kind, the columns that name it, and those that are shown of it."""

    kind: str
    view: str
    identity: tuple[str, ...]
    facts: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """Records, and what each adds (SQL over their columns). `keys`: where the report's row is told apart otherwise."""

    records: Records
    value: str
    where: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)
    array_join: str = ""


@dataclass(frozen=True)
class Recipe:
    """A report: what tells its rows apart, and the parts of each column that adds up.

    `ratios` are the columns that do not, and what they are computed from. `hidden` are columns that only they need,
    and the view does not show.
    """

    keys: tuple[str, ...]
    columns: Mapping[str, tuple[Part, ...]]
    ratios: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()


_RATE = ("currency", "rate_day", "rate", "rate_since")
_ORIGIN = ("day", "channel", "source", "medium", "campaign_id", "campaign", "given_campaign_id")
LEADS = Records("lead", "records_leads", ("lead_id",), (*_ORIGIN, "lead_magnet", "reached_stage", "seconds_to_convert"))
CREDITS = Records(
    "credit",
    "records_credits",
    ("opportunity_id", "touch_lead_id", "touch_id"),
    ("lead_id", "date_kind", "model", *_ORIGIN, "lead_magnet", "deals", "credited_amount", "credited_cost", *_RATE),
)
OPPORTUNITIES = Records(
    "opportunity",
    "records_opportunities",
    ("opportunity_id",),
    ("lead_id", "date_kind", "day", "owner_id", "team", "account_id", "stage", "status", "given_amount", *_RATE),
)
CALLS = Records(
    "call",
    "records_calls",
    ("call_id",),
    ("lead_id", "opportunity_id", "day", "rep_id", "team", "direction", "answered", "talk_seconds"),
)
SPEND = Records(
    "spend",
    "records_spend",
    ("platform", "account_id", "day", "given_campaign_id"),
    (*_ORIGIN, "platform", "given_channel", "category", "given_amount", *_RATE),
)
BUDGETS = Records("budget", "records_budgets", ("campaign_id",), ("campaign_id", "campaign", "given_amount", *_RATE))
CHECKED = Records("checked", "records_checked", ("check", "what", "id"), ())
TARGETS = Records("target", "records_targets", ("metric", "scope", "month"), ("metric", "scope", "month"))

_DEFAULT = "model = (SELECT attribution_model FROM base_settings)"
_CLOSED, _COHORT = "date_kind = 'closed'", "date_kind = 'cohort'"
_CLOSED_BY_DEFAULT, _COHORT_BY_DEFAULT = f"{_CLOSED} AND {_DEFAULT}", f"{_COHORT} AND {_DEFAULT}"
_MEDIA, _NO_MEDIA = "category = 'media'", "category != 'media'"
_FORECAST = "date_kind = 'due' AND status = 'open' AND day != toDate('2149-06-06')"
_MONTHLY = {"month": "toStartOfMonth(day)"}

_Parts = tuple[Part, ...]


def _of(records: Records, value: str, where: str = "", **keys: str) -> _Parts:
    return (Part(records, value, where, keys),)


def _less(parts: _Parts) -> _Parts:
    """The same records, taken off."""
    return tuple(replace(part, value=f"-({part.value})") for part in parts)


def _opportunities(kind: str) -> dict[str, _Parts]:
    """The columns of an opportunity report over one kind of date."""
    dated = f"date_kind = '{kind}'"
    return {
        "opportunities": _of(OPPORTUNITIES, "opportunities", dated),
        "estimated_revenue": _of(OPPORTUNITIES, "amount", dated),
        "weighted_revenue": _of(OPPORTUNITIES, "weighted", dated),
        "open": _of(OPPORTUNITIES, "opportunities", f"{dated} AND status = 'open'"),
        "won": _of(OPPORTUNITIES, "opportunities", f"{dated} AND status = 'won'"),
        "lost": _of(OPPORTUNITIES, "opportunities", f"{dated} AND status = 'lost'"),
        "won_revenue": _of(OPPORTUNITIES, "amount", f"{dated} AND status = 'won'"),
        "lost_revenue": _of(OPPORTUNITIES, "amount", f"{dated} AND status = 'lost'"),
        "unconverted": _of(OPPORTUNITIES, "unconverted", dated),
    }


def _now(value: str, where: str = "") -> _Parts:
    """Every opportunity as of now, with the owner's team today."""
    created = "date_kind = 'created'"
    return _of(OPPORTUNITIES, value, f"{created} AND {where}" if where else created, team="team_today")


def _open(value: str) -> _Parts:
    """Open opportunities by due date; the day that stands for none has no month."""
    return _of(
        OPPORTUNITIES,
        value,
        "date_kind = 'due' AND status = 'open'",
        due_month="if(day = toDate('2149-06-06'), NULL, toStartOfMonth(day))",
        overdue="day < assumeNotNull((SELECT today FROM base_settings))",
        team="team_today",
    )


def _actual() -> _Parts:
    """Leads, calls and whole won deals by company, team and rep; credits by campaign; where there is a target."""

    def part(records: Records, value: str, metric: str, scopes: tuple[str, ...], where: str = "1") -> Part:
        keys = {**_MONTHLY, "metric": f"'{metric}'", "scope": "each_scope"}
        wanted = f"(toStartOfMonth(day), '{metric}', each_scope) IN (SELECT month, metric, scope FROM targets)"  # noqa: S608 - names of ours
        return Part(records, value, f"{where} AND {wanted}", keys, f"[{', '.join(scopes)}] AS each_scope")

    company, campaign, team = "'company'", "concat('campaign/', campaign_id)", "concat('team/', team)"
    owner, rep = "concat('rep/', owner_id)", "concat('rep/', rep_id)"
    won = f"{_CLOSED} AND status = 'won'"
    return (
        part(LEADS, "leads", "leads", (company, campaign, owner, team)),
        part(CALLS, "calls", "calls", (company, campaign, rep, team)),
        part(OPPORTUNITIES, "amount", "revenue", (company, owner, team), won),
        part(OPPORTUNITIES, "opportunities", "won_deals", (company, owner, team), won),
        part(CREDITS, "revenue", "revenue", (campaign,), _CLOSED_BY_DEFAULT),
        part(CREDITS, "deals", "won_deals", (campaign,), _CLOSED_BY_DEFAULT),
    )


_LEADS = {
    "leads": _of(LEADS, "leads"),
    "opportunities": _of(LEADS, "bofu"),
    "customers": _of(LEADS, "customers"),
}
_REVENUE = _of(CREDITS, "revenue", _CLOSED_BY_DEFAULT)
_COHORT_REVENUE = _of(CREDITS, "revenue", _COHORT_BY_DEFAULT)
_COST = _of(CREDITS, "cost", _CLOSED_BY_DEFAULT)
_SPEND = _of(SPEND, "amount")
_UNCONVERTED = _of(CREDITS, "unconverted", _CLOSED_BY_DEFAULT)
_CREDITED = {
    "deals": _of(CREDITS, "deals", _CLOSED),
    "revenue": _of(CREDITS, "revenue", _CLOSED),
    "unconverted": _of(CREDITS, "unconverted", _CLOSED),
}
_WINS = {"win_rate": ("won", "lost")}
_WINS_BY_AMOUNT = {**_WINS, "win_rate_by_amount": ("won_revenue", "lost_revenue")}
_REVENUES = tuple(f"revenue_{model}" for model in MODELS)

RECIPES: Mapping[str, Recipe] = {
    "report_leads_by_channel": Recipe(
        ("day", "channel"),
        {
            **_LEADS,
            "converted": _of(LEADS, "converted"),
            "seconds_to_convert": _of(LEADS, "seconds_to_convert"),
        },
        {
            "opportunity_rate": ("opportunities", "leads"),
            "conversion_rate": ("customers", "leads"),
            "avg_days_to_convert": ("seconds_to_convert", "converted"),
            "p50_days_to_convert": ("seconds_to_convert", "converted"),
            "p90_days_to_convert": ("seconds_to_convert", "converted"),
        },
        frozenset({"seconds_to_convert"}),
    ),
    "report_channel_attribution": Recipe(("day", "model", "channel"), _CREDITED, {"revenue_share": ("revenue",)}),
    "report_opportunities": Recipe(("day", "owner_id", "owner", "team"), _opportunities("created"), _WINS_BY_AMOUNT),
    "report_opportunities_closed": Recipe(
        ("day", "owner_id", "owner", "team"), _opportunities("closed"), _WINS_BY_AMOUNT
    ),
    "report_pipeline": Recipe(
        ("owner_id", "owner", "team", "stage", "status"),
        {
            "opportunities": _now("opportunities"),
            "estimated_revenue": _now("amount"),
            "weighted_revenue": _now("weighted"),
            "unconverted": _now("unconverted"),
        },
    ),
    # amounts rounded one by one, as in the list
    "report_key_accounts": Recipe(
        ("account_id", "account", "key_account"),
        {
            "opportunities": _now("opportunities"),
            "open": _now("opportunities", "status = 'open'"),
            "won": _now("opportunities", "status = 'won'"),
            "lost": _now("opportunities", "status = 'lost'"),
            "estimated_revenue": _now("round(amount, 4)", "status = 'open'"),
            "won_revenue": _now("round(amount, 4)", "status = 'won'"),
            "unconverted": _now("unconverted", "status != 'lost'"),
        },
        _WINS,
    ),
    "report_forecast": Recipe(
        ("due_month", "owner_id", "owner", "team", "overdue"),
        {
            "open": _open("opportunities"),
            "estimated_revenue": _open("amount"),
            "weighted_revenue": _open("weighted"),
            "unconverted": _open("unconverted"),
        },
    ),
    "opportunity_list": Recipe(
        ("opportunity_id", "lead_id", "owner_id", "owner", "team", "account_id", "account", "stage", "status"),
        {
            "amount": _now("given_amount"),
            "estimated_revenue": _now("round(amount, 4)"),
            "unconverted": _now("unconverted"),
        },
    ),
    "report_lead_sources": Recipe(
        ("day", "channel", "source", "medium", "campaign_id", "campaign"),
        {
            **_LEADS,
            "revenue": _REVENUE,
            "cohort_revenue": _COHORT_REVENUE,
            "spend": _of(SPEND, "amount", _MEDIA),
            "visitors": _of(SPEND, "visitors"),
            "clicks": _of(SPEND, "clicks"),
            "impressions": _of(SPEND, "impressions"),
            "unconverted": (*_UNCONVERTED, *_of(SPEND, "unconverted", _MEDIA)),
        },
        {
            "cpl": ("spend", "leads"),
            "cpa": ("spend", "customers"),
            "roas": ("revenue", "spend"),
            "cohort_roas": ("cohort_revenue", "spend"),
            "visitor_conversion": ("customers", "visitors"),
            "ctr": ("clicks", "impressions"),
            "cpc": ("spend", "clicks"),
        },
    ),
    "report_lead_magnets": Recipe(
        ("day", "lead_magnet", "channel", "source"),
        {
            **_LEADS,
            "cohort_revenue": _COHORT_REVENUE,
            "unconverted": _of(CREDITS, "unconverted", _COHORT_BY_DEFAULT),
        },
        {"conversion_rate": ("customers", "leads")},
    ),
    "report_campaign_revenue": Recipe(
        ("day", "model", "campaign_id", "campaign", "campaign_group", "channel"),
        {**_CREDITED, "converted_deals": _of(CREDITS, "converted_deals", _CLOSED)},
        {"average_deal": ("revenue", "converted_deals")},
        frozenset({"converted_deals"}),
    ),
    "report_calls": Recipe(
        ("day", "rep_id", "rep", "team", "direction"),
        {
            name: _of(CALLS, name)
            for name in ("calls", "answered", "missed", "talk_seconds", "advanced_mofu", "advanced_bofu")
        },
        {
            "answer_rate": ("answered", "calls"),
            "avg_talk_seconds": ("talk_seconds", "answered"),
            "p50_talk_seconds": ("talk_seconds", "answered"),
            "p90_talk_seconds": ("talk_seconds", "answered"),
            "advance_rate": ("advanced_mofu", "advanced_bofu", "answered"),
        },
    ),
    "report_profitability": Recipe(
        ("day", "campaign_id", "campaign", "campaign_group"),
        {
            "revenue": _REVENUE,
            "cohort_revenue": _COHORT_REVENUE,
            **_LEADS,
            "won_deals": _of(CREDITS, "deals", _CLOSED_BY_DEFAULT),
            "spend": _SPEND,
            "cost": _COST,
            "gross_margin": (*_REVENUE, *_less(_COST)),
            "contribution": (*_REVENUE, *_less(_COST), *_less(_SPEND)),
            "budget": _of(BUDGETS, "budget"),
            "unconverted": (*_UNCONVERTED, *_of(SPEND, "unconverted")),
        },
        {
            "gross_margin_ratio": ("gross_margin", "revenue"),
            "contribution_ratio": ("contribution", "revenue"),
            "roi": ("contribution", "cost", "spend"),
            "roas": ("revenue", "spend"),
            "cpl": ("spend", "leads"),
            "cpa": ("spend", "customers"),
        },
        frozenset({"customers"}),
    ),
    "report_funnel": Recipe(
        ("day", "channel", "campaign_id", "campaign"),
        {
            "visitors": _of(SPEND, "visitors"),
            **{name: _of(LEADS, name) for name in ("leads", "mofu", "bofu", "customers")},
        },
        {
            "visitor_to_lead": ("leads", "visitors"),
            "lead_to_mofu": ("mofu", "leads"),
            "mofu_to_bofu": ("bofu", "mofu"),
            "bofu_to_customer": ("customers", "bofu"),
        },
    ),
    "report_finance": Recipe(
        ("day",),
        {
            "revenue": _REVENUE,
            "cost": _COST,
            "spend_media": _of(SPEND, "amount", _MEDIA),
            "spend_other": _of(SPEND, "amount", _NO_MEDIA),
            "gross_margin": (*_REVENUE, *_less(_COST)),
            "operating_result": (*_REVENUE, *_less(_COST), *_less(_SPEND)),
            "forecast_revenue": _of(OPPORTUNITIES, "weighted", _FORECAST),
            "unconverted": (
                *_UNCONVERTED,
                *_of(SPEND, "unconverted"),
                *_of(OPPORTUNITIES, "unconverted", _FORECAST),
            ),
        },
    ),
    "report_expenses": Recipe(
        ("day", "category", "platform"), {"spend": _SPEND, "unconverted": _of(SPEND, "unconverted")}
    ),
    "report_targets": Recipe(
        ("month", "metric", "scope"),
        {"target": _of(TARGETS, "target"), "actual": _actual()},
        {"attainment": ("actual", "target")},
    ),
    "report_model_sensitivity": Recipe(
        ("month", "campaign_id", "campaign"),
        {
            **{
                f"revenue_{model}": _of(CREDITS, "revenue", f"{_CLOSED} AND model = '{model}'", **_MONTHLY)
                for model in MODELS
            },
            "spend": _of(SPEND, "amount", _MEDIA, **_MONTHLY),
            "unconverted": (
                *_of(CREDITS, "unconverted", _CLOSED_BY_DEFAULT, **_MONTHLY),
                *_of(SPEND, "unconverted", _MEDIA, **_MONTHLY),
            ),
        },
        dict.fromkeys(("roas_min", "roas_max", "decision_depends"), (*_REVENUES, "spend")),
    ),
    "report_quality": Recipe(
        ("check",), {"records": _of(CHECKED, "1"), "failing": _of(CHECKED, "fails")}, {"share": ("failing", "records")}
    ),
}
"""By view. `report_long` holds sums of the others' columns and has none of its own."""
