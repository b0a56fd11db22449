"""The KPI gauges: which there are, and the query over the views that each comes from.

The queries read what BI tools read. Windows are local days of the reporting time zone: `today`; `7d` and `30d`, which
end today; `mtd`, this month so far. A ratio is made of the window's sums, and has no series when its denominator is 0.
"""

from calendar import monthrange
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from schemas import REASONS
from sinks.metric import Metric, Sample
from sinks.slices import Row, Sliced, Slices

TOP = 20
"""Members of a dimension that are shown by themselves."""
MOST_TARGETS = 40
WINDOWS = ("today", "7d", "30d", "mtd")
RATIO_WINDOWS = ("7d", "30d")
"""Of the money ratios of channels and campaigns: a day has too few customers for them."""
DUES = ("overdue", "this_month", "next_month")

Series = tuple[Metric, Sample]
Result = Callable[[int, datetime], Iterable[Series]]
"""What a query found, as series: of at most so many members a dimension, at an instant."""

_FIRST_DAY = "least(today - 29, toStartOfMonth(today))"
_WINDOWS = (
    "arrayMap(w -> w.1, arrayFilter(w -> w.2 <= day, [('today', today), ('7d', today - 6), ('30d', today - 29), "
    "('mtd', toStartOfMonth(today))]))"
)
_PERIOD = f"day <= today AND day >= {_FIRST_DAY}"
_NAMED = "if({name} = '', {key}, {name})"
_EVERYTHING = ("'(all)'", "'(all)'")
_CAMPAIGN = ("campaign_id", _NAMED.format(key="campaign_id", name="campaign"))
_REP = ("rep_id", _NAMED.format(key="rep_id", name="rep"))
_TEAM = ("if(team = '', '(none)', team)", "if(team = '', '(none)', team)")


@dataclass(frozen=True)
class Kpi:
    """A gauge of one query: a measure, or with `per` a measure per another; by dimension, the slices it comes in."""

    metric: Metric
    measure: str
    slices: Mapping[str, Sequence[str]]
    per: str = ""

    def series(self, found: Sliced, top: int) -> Iterator[Series]:
        """Its series of at most `top` members a dimension."""
        for dimension, slices in self.slices.items():
            for member in found.shown(dimension, top):
                for part in slices:
                    figure = float(member.figure(part, self.measure))
                    if self.per:
                        divisor = float(member.figure(part, self.per))
                        if not divisor:
                            continue
                        figure /= divisor
                    labels = (dimension, member.key, member.name)
                    yield self.metric, ((part, *labels) if part else labels, figure)


@dataclass(frozen=True)
class Query:
    """A query over the views, and how its rows become series.

    `views` are what it reads. It runs at most every `seconds`; one that is not `clocked` finds the same as long as
    nobody writes and the day is the same.
    """

    name: str
    views: Sequence[str]
    sql: str
    read: Callable[[Sequence[Row]], Result]
    metrics: Sequence[Metric]
    kpis: Sequence[Kpi] = ()
    seconds: float = 0.0
    clocked: bool = False


def _windowed(name: str, meaning: str) -> Metric:
    return Metric(f"sixfold_kpi_{name}", "gauge", meaning, ("window", "dimension", "member", "name"))


def _kpi(
    name: str, meaning: str, measure: str, *dimensions: str, per: str = "", members: Sequence[str] = WINDOWS
) -> Kpi:
    """A gauge in all windows; `members` are those of its dimensions other than `all`."""
    slices = {dimension: WINDOWS if dimension == "all" else members for dimension in dimensions}
    return Kpi(_windowed(name, meaning), measure, slices, per)


def _sliced(name: str, views: Sequence[str], cut: Slices, kpis: Sequence[Kpi], *, clocked: bool = False) -> Query:
    def read(rows: Sequence[Row]) -> Result:
        found = cut.read(rows)
        return lambda top, _: (series for kpi in kpis for series in kpi.series(found, top))

    metrics = tuple(dict.fromkeys(kpi.metric for kpi in kpis))
    return Query(name, views, cut.sql(TOP), read, metrics, kpis, clocked=clocked)


# -- leads, revenue, spend

LEADS = _windowed("leads", "leads created")
CUSTOMERS = _windowed("customers", "those of the leads with a deal won now")
REVENUE = _windowed("revenue", "revenue of deals closed, default attribution model, reporting currency")
SPEND = _windowed("spend", "spend by its date, reporting currency: channels media only, else all categories")
ROAS = _windowed("roas_ratio", "revenue / spend")
CPL = _windowed("cpl", "spend / leads, reporting currency")
CPA = _windowed("cpa", "spend / customers, reporting currency")

_ALL = {"all": WINDOWS}
_CAMPAIGNS = {"all": WINDOWS, "campaign": WINDOWS}
_CAMPAIGN_RATIOS = {"all": WINDOWS, "campaign": RATIO_WINDOWS}

ACQUISITION_KPIS = (
    Kpi(LEADS, "leads", _CAMPAIGNS),
    _kpi("opportunities", "those of the leads that reached BOFU", "opportunities", "all"),
    Kpi(CUSTOMERS, "customers", _ALL),
    _kpi("won_deals", "deals closed as won", "won_deals", "all"),
    Kpi(REVENUE, "revenue", _CAMPAIGNS),
    Kpi(SPEND, "spend", _CAMPAIGNS),
    _kpi("cost", "cost of the deals closed, reporting currency", "cost", "all"),
    _kpi("gross_margin", "revenue - cost, reporting currency", "gross_margin", "all"),
    _kpi("gross_margin_ratio", "gross margin / revenue", "gross_margin", "all", per="revenue"),
    _kpi("contribution", "revenue - cost - spend, reporting currency", "contribution", "all"),
    Kpi(ROAS, "revenue", _CAMPAIGN_RATIOS, "spend"),
    Kpi(
        _windowed("roi_ratio", "(revenue - cost - spend) / (cost + spend)"), "contribution", _CAMPAIGN_RATIOS, "outlay"
    ),
    Kpi(CPL, "spend", _CAMPAIGN_RATIOS, "leads"),
    Kpi(CPA, "spend", _CAMPAIGN_RATIOS, "customers"),
)
ACQUISITION = _sliced(
    "acquisition",
    ("report_profitability", "report_lead_sources"),
    Slices(
        source=f"""
            SELECT
                day, campaign_id, campaign, spend, revenue, leads, opportunities, won_deals, cost, gross_margin,
                contribution, toInt64(0) AS customers
            FROM report_profitability
            WHERE {_PERIOD}
            UNION ALL
            SELECT day, campaign_id, campaign, 0, 0, 0, 0, 0, 0, 0, 0, customers
            FROM report_lead_sources
            WHERE {_PERIOD} AND customers != 0""",  # noqa: S608 - our own constants
        dimensions={"all": _EVERYTHING, "campaign": _CAMPAIGN},
        measures={
            "spend": "spend",
            "revenue": "revenue",
            "leads": "leads",
            "opportunities": "opportunities",
            "customers": "customers",
            "won_deals": "won_deals",
            "cost": "cost",
            "gross_margin": "gross_margin",
            "contribution": "contribution",
            "outlay": "cost + spend",
        },
        slices=_WINDOWS,
        size_slice="30d",
        ranking=3,
    ),
    ACQUISITION_KPIS,
)

_CHANNELS = {"channel": WINDOWS}
_CHANNEL_RATIOS = {"channel": RATIO_WINDOWS}
CHANNEL_KPIS = (
    Kpi(LEADS, "leads", _CHANNELS),
    Kpi(CUSTOMERS, "customers", _CHANNELS),
    Kpi(REVENUE, "revenue", _CHANNELS),
    Kpi(SPEND, "spend", _CHANNELS),
    Kpi(ROAS, "revenue", _CHANNEL_RATIOS, "spend"),
    Kpi(CPL, "spend", _CHANNEL_RATIOS, "leads"),
    Kpi(CPA, "spend", _CHANNEL_RATIOS, "customers"),
)
CHANNELS = _sliced(
    "channels",
    ("report_lead_sources",),
    Slices(
        source=f"SELECT day, channel, leads, customers, revenue, spend FROM report_lead_sources WHERE {_PERIOD}",  # noqa: S608 - our own constants
        dimensions={"channel": ("toString(channel)", "toString(channel)")},
        measures={"leads": "leads", "revenue": "revenue", "spend": "spend", "customers": "customers"},
        slices=_WINDOWS,
        size_slice="30d",
        ranking=3,
    ),
    CHANNEL_KPIS,
)

ATTRIBUTION_KPIS = (
    _kpi(
        "unattributed_revenue_ratio",
        "share of revenue that no lead is known for, default model",
        "unattributed",
        "all",
        per="revenue",
    ),
)
ATTRIBUTION = _sliced(
    "attribution",
    ("report_channel_attribution",),
    Slices(
        source=f"""
            SELECT day, channel, revenue
            FROM report_channel_attribution
            WHERE {_PERIOD} AND model = (SELECT attribution_model FROM base_settings)""",  # noqa: S608 - our own constants
        dimensions={"all": _EVERYTHING},
        measures={"revenue": "revenue", "unattributed": "if(channel = '(unattributed)', revenue, 0)"},
        slices=_WINDOWS,
        size_slice="30d",
    ),
    ATTRIBUTION_KPIS,
)

BUDGET = Metric(
    "sixfold_kpi_budget", "gauge", "budget of a campaign, reporting currency", ("dimension", "member", "name")
)
BUDGET_USED = Metric(
    "sixfold_kpi_budget_used_ratio",
    "gauge",
    "spend of this month (mtd) or of all time (all_time) / budget",
    ("window", "dimension", "member", "name"),
)


def _budgets(rows: Sequence[Row]) -> Result:
    def series(top: int, _: datetime) -> Iterator[Series]:
        for row in rows[:top]:
            labels = ("campaign", row["campaign_id"], row["name"])
            budget = float(row["budget"])
            yield BUDGET, (labels, budget)
            for window in ("mtd", "all_time"):
                yield BUDGET_USED, ((window, *labels), float(row[window]) / budget)

    return series


BUDGETS = Query(
    "budgets",
    ("report_profitability",),
    f"""
WITH assumeNotNull((SELECT today FROM base_settings)) AS today
SELECT
    campaign_id, {_CAMPAIGN[1]} AS name, sum(daily.budget) AS budget,
    sumIf(daily.spend, day >= toStartOfMonth(today)) AS mtd, sum(daily.spend) AS all_time
FROM (SELECT * FROM report_profitability WHERE day <= today OR budget != 0) AS daily
GROUP BY campaign_id, campaign
HAVING budget > 0
ORDER BY sumIf(daily.spend, day > today - 30) DESC, campaign_id
LIMIT {TOP}""",  # noqa: S608 - our own constants
    _budgets,
    (BUDGET, BUDGET_USED),
    seconds=300,
)

# -- calls

_CALLERS = ("all", "team", "rep")
CALL_KPIS = (
    _kpi("calls", "calls started, of all directions", "calls", *_CALLERS),
    _kpi("answered_calls", "calls that were answered", "answered", *_CALLERS),
    _kpi("missed_calls", "calls that were not answered", "missed", "all", "team"),
    _kpi("answer_ratio", "answered calls / calls", "answered", *_CALLERS, per="calls"),
    _kpi("average_talk_seconds", "seconds talked in answered calls / their number", "talk", *_CALLERS, per="answered"),
    _kpi("advances", "leads that calls advanced, to MOFU or BOFU", "advances", *_CALLERS),
)
_BY_CALLER = {"all": _EVERYTHING, "team": _TEAM, "rep": _REP}
CALLS = _sliced(
    "calls",
    ("report_calls",),
    Slices(
        source=f"SELECT * FROM report_calls WHERE {_PERIOD}",  # noqa: S608 - our own constants
        dimensions=_BY_CALLER,
        measures={
            "calls": "calls",
            "answered": "answered",
            "missed": "missed",
            "talk": "talk_seconds",
            "advances": "advanced_mofu + advanced_bofu",
        },
        slices=_WINDOWS,
        size_slice="30d",
    ),
    CALL_KPIS,
)

_RECENT = "day > today - 30 AND day <= today"
RECENT_CALL_KPIS = (
    Kpi(
        Metric(
            "sixfold_kpi_calls_last_hour",
            "gauge",
            "calls started in the last 60 minutes",
            ("dimension", "member", "name"),
        ),
        "last_hour",
        {"all": ("",), "team": ("",), "rep": ("",)},
    ),
)
RECENT_CALLS = _sliced(
    "recent_calls",
    ("fact_calls",),
    Slices(
        source=f"SELECT * FROM fact_calls WHERE {_RECENT}",  # noqa: S608 - our own constants
        dimensions=_BY_CALLER,
        measures={"calls": "1", "last_hour": "started_at > now64(6) - INTERVAL 1 HOUR AND started_at <= now64(6)"},
    ),
    RECENT_CALL_KPIS,
    clocked=True,
)

MISSED_IN_A_ROW = Metric(
    "sixfold_kpi_consecutive_missed_calls",
    "gauge",
    "calls of the last 30 days that the rep has not answered since the last answered one",
    ("dimension", "member", "name", "direction"),
)
REP_INFO = Metric(
    "sixfold_kpi_rep_info", "gauge", "1; the team of a rep today: to join on member", ("member", "name", "team")
)


def _missed_calls(rows: Sequence[Row]) -> Result:
    def series(top: int, _: datetime) -> Iterator[Series]:
        for row in rows[:top]:
            rep = (row["rep_id"], row["name"])
            yield MISSED_IN_A_ROW, (("rep", *rep, "(all)"), row["missed"])
            yield MISSED_IN_A_ROW, (("rep", *rep, "inbound"), row["missed_inbound"])
            yield REP_INFO, ((*rep, row["team"] or "(none)"), 1)

    return series


MISSED_CALLS = Query(
    "missed_calls",
    ("fact_calls",),
    f"""
WITH assumeNotNull((SELECT today FROM base_settings)) AS today
SELECT
    calls.rep_id AS rep_id, {_NAMED.format(key="rep_id", name="any(calls.rep)")} AS name,
    any(reps.team_today) AS team, countIf(moment > last_answered) AS missed,
    countIf(moment > last_answered_inbound AND direction = 'inbound') AS missed_inbound
FROM (
    SELECT
        rep_id, rep, direction, (started_at, call_id) AS moment,
        maxIf((started_at, call_id), answered) OVER (PARTITION BY rep_id) AS last_answered,
        maxIf((started_at, call_id), answered AND direction = 'inbound') OVER (PARTITION BY rep_id)
            AS last_answered_inbound
    FROM fact_calls
    WHERE {_RECENT} AND started_at <= now64(6)) AS calls
LEFT ANY JOIN base_reps AS reps ON reps.rep_id = calls.rep_id
GROUP BY rep_id
ORDER BY count() DESC, rep_id
LIMIT {TOP}""",  # noqa: S608 - our own constants
    _missed_calls,
    (MISSED_IN_A_ROW, REP_INFO),
    clocked=True,
)

BENCHMARKS = {
    "answer_rate": Metric("sixfold_kpi_benchmark_answer_ratio", "gauge", "benchmark of the answer rate today"),
    "avg_talk_seconds": Metric(
        "sixfold_kpi_benchmark_average_talk_seconds", "gauge", "benchmark of the average talk time today"
    ),
    "advance_rate": Metric(
        "sixfold_kpi_benchmark_advance_ratio", "gauge", "benchmark of advanced leads / answered calls today"
    ),
}


def _benchmarks(rows: Sequence[Row]) -> Result:
    found = [(BENCHMARKS[row["metric"]], ((), row["value"])) for row in rows if row["metric"] in BENCHMARKS]
    return lambda _top, _now: found


BENCHMARK = Query(
    "benchmarks",
    ("base_benchmarks",),
    """
WITH assumeNotNull((SELECT today FROM base_settings)) AS today
SELECT metric, arrayLast((value, since) -> since <= today, values, sinces) AS value
FROM base_benchmarks
WHERE arrayExists(since -> since <= today, sinces)""",
    _benchmarks,
    tuple(BENCHMARKS.values()),
)

# -- sales

_TEAMS = {"all": ("",), "team": ("",)}
_BY_TEAM = {"all": _EVERYTHING, "team": _TEAM}


def _pipeline(name: str, meaning: str, measure: str) -> Kpi:
    metric = Metric(f"sixfold_kpi_pipeline_{name}", "gauge", meaning, ("dimension", "member", "name"))
    return Kpi(metric, measure, _TEAMS)


PIPELINE_KPIS = (
    _pipeline("opportunities", "open opportunities", "opportunities"),
    _pipeline("revenue", "amounts of open opportunities, reporting currency", "revenue"),
    _pipeline(
        "weighted_revenue", "amounts of open opportunities by probability, reporting currency", "weighted_revenue"
    ),
)
PIPELINE = _sliced(
    "pipeline",
    ("report_pipeline",),
    Slices(
        source="SELECT * FROM report_pipeline WHERE status = 'open'",
        dimensions=_BY_TEAM,
        measures={
            "revenue": "estimated_revenue",
            "weighted_revenue": "weighted_revenue",
            "opportunities": "opportunities",
        },
    ),
    PIPELINE_KPIS,
)

FORECAST_KPIS = (
    Kpi(
        Metric(
            "sixfold_kpi_forecast_revenue",
            "gauge",
            "amounts by probability of open opportunities past due, due from today on in this month, or in the next",
            ("due", "dimension", "member", "name"),
        ),
        "weighted_revenue",
        {"all": DUES, "team": DUES},
    ),
)
FORECAST = _sliced(
    "forecast",
    ("report_forecast",),
    Slices(
        source="SELECT * FROM report_forecast",
        dimensions=_BY_TEAM,
        measures={"weighted_revenue": "weighted_revenue"},
        slices="""[multiIf(
            overdue, 'overdue', ifNull(due_month = toStartOfMonth(today), 0), 'this_month',
            ifNull(due_month = addMonths(toStartOfMonth(today), 1), 0), 'next_month', 'later')]""",
    ),
    FORECAST_KPIS,
)

_TARGET_LABELS = ("metric", "scope", "name")
TARGET = Metric("sixfold_kpi_target", "gauge", "target of this month", _TARGET_LABELS)
ATTAINMENT = Metric(
    "sixfold_kpi_target_attainment_ratio", "gauge", "what there is so far this month / target", _TARGET_LABELS
)
TARGET_FORECAST = Metric(
    "sixfold_kpi_target_forecast",
    "gauge",
    "revenue so far this month, and amounts by probability of what is due from today to its end",
    _TARGET_LABELS,
)


def _targets(rows: Sequence[Row]) -> Result:
    found: list[Series] = []
    for row in rows:
        labels = (row["metric"], row["scope"], row["name"])
        found.append((TARGET, (labels, float(row["target"]))))
        if row["attainment"] is not None:
            found.append((ATTAINMENT, (labels, row["attainment"])))
        if row["metric"] == "revenue" and not row["scope"].startswith("campaign/"):
            found.append((TARGET_FORECAST, (labels, float(row["actual"] + row["weighted_revenue"]))))
    return lambda _top, _now: found


TARGETS = Query(
    "targets",
    ("report_targets", "report_forecast"),
    f"""
WITH
    assumeNotNull((SELECT today FROM base_settings)) AS today,
    substring(targets.scope, position(targets.scope, '/') + 1) AS id
SELECT
    targets.metric AS metric, targets.scope AS scope, targets.target AS target, targets.actual AS actual,
    targets.attainment AS attainment, due.weighted_revenue AS weighted_revenue,
    multiIf(
        startsWith(scope, 'rep/') AND reps.rep != '', reps.rep,
        startsWith(scope, 'campaign/') AND campaigns.campaign != '', campaigns.campaign, id) AS name
FROM (SELECT * FROM report_targets WHERE month = toStartOfMonth(today)) AS targets
LEFT ANY JOIN (
    SELECT scope, sum(weighted) AS weighted_revenue
    FROM (
        SELECT
            arrayJoin(['company', concat('team/', team), concat('rep/', owner_id)]) AS scope,
            weighted_revenue AS weighted
        FROM report_forecast
        WHERE NOT overdue AND due_month = toStartOfMonth(today))
    GROUP BY scope) AS due ON due.scope = targets.scope
LEFT ANY JOIN base_reps AS reps ON reps.rep_id = substring(targets.scope, position(targets.scope, '/') + 1)
LEFT ANY JOIN base_campaigns AS campaigns
    ON campaigns.campaign_id = substring(targets.scope, position(targets.scope, '/') + 1)
ORDER BY scope != 'company', NOT startsWith(scope, 'team/'), target DESC, metric, scope
LIMIT {MOST_TARGETS}
SETTINGS join_use_nulls = 0""",  # noqa: S608 - our own constants
    _targets,
    (TARGET, ATTAINMENT, TARGET_FORECAST),
    seconds=60,
)

# -- what the figures rest on

FAILING = Metric("sixfold_kpi_quality_failing", "gauge", "records that fail a check of report_quality", ("check",))
FAILING_RATIO = Metric("sixfold_kpi_quality_failing_ratio", "gauge", "failing records / records", ("check",))


def _quality(rows: Sequence[Row]) -> Result:
    found: list[Series] = [(FAILING, ((row["check"],), row["failing"])) for row in rows]
    found += [(FAILING_RATIO, ((row["check"],), row["share"])) for row in rows if row["share"] is not None]
    return lambda _top, _now: found


QUALITY = Query(
    "quality",
    ("report_quality",),
    "SELECT check, failing, share FROM report_quality",
    _quality,
    (FAILING, FAILING_RATIO),
    seconds=300,
    clocked=True,
)

DEAD_LETTERS = Metric("sixfold_kpi_dead_letters", "gauge", "open dead letters of the last 24 hours", ("reason",))


def _dead_letters(rows: Sequence[Row]) -> Result:
    counts = dict.fromkeys(REASONS, 0) | {row["reason"]: row["letters"] for row in rows}
    found = [(DEAD_LETTERS, ((reason,), float(letters))) for reason, letters in counts.items()]
    return lambda _top, _now: found


DEAD_LETTER = Query(
    "dead_letters",
    ("dead_letter_list",),
    """
SELECT toString(reason) AS reason, count() AS letters
FROM dead_letter_list
WHERE state = 'open' AND received_at >= now64(3) - INTERVAL 24 HOUR
GROUP BY reason""",
    _dead_letters,
    (DEAD_LETTERS,),
    clocked=True,
)

QUIET = Metric("sixfold_kpi_source_quiet", "gauge", "1: no event for longer than 10 usual gaps", ("source",))
LAST_EVENT = Metric(
    "sixfold_kpi_source_last_event_timestamp_seconds", "gauge", "latest event time of a source", ("source",)
)
QUIET_SOURCES = Metric("sixfold_kpi_quiet_sources", "gauge", "how many sources are quiet")


def _sources(rows: Sequence[Row]) -> Result:
    def series(top: int, _: datetime) -> Iterator[Series]:
        yield QUIET_SOURCES, ((), sum(1 for row in rows if row["quiet"]))
        for row in rows[:top]:
            yield QUIET, ((row["source"],), row["quiet"])
            yield LAST_EVENT, ((row["source"],), row["last_event"])

    return series


SOURCES = Query(
    "sources",
    ("report_sources",),
    """
SELECT source, toUnixTimestamp64Micro(last_event_time) / 1e6 AS last_event, quiet
FROM report_sources
ORDER BY quiet DESC, last_event DESC, source""",
    _sources,
    (QUIET, LAST_EVENT, QUIET_SOURCES),
    clocked=True,
)

CURRENCY_INFO = Metric(
    "sixfold_kpi_currency_info",
    "gauge",
    "1; the reporting currency and time zone, and the default attribution model",
    ("currency", "time_zone", "attribution_model"),
)
LOCAL_HOUR = Metric("sixfold_kpi_local_hour", "gauge", "hour of the day in the reporting time zone, 14.5 for 14:30")
LOCAL_WEEKDAY = Metric("sixfold_kpi_local_weekday", "gauge", "1 Monday to 7 Sunday in the reporting time zone")
MONTH_ELAPSED = Metric(
    "sixfold_kpi_month_elapsed_ratio", "gauge", "days of this month that have begun / its days, reporting time zone"
)


def _settings(rows: Sequence[Row]) -> Result:
    (row,) = rows
    zone = ZoneInfo(row["time_zone"] or "UTC")

    def series(_: int, now: datetime) -> Iterator[Series]:
        yield CURRENCY_INFO, ((row["currency"], row["time_zone"], row["attribution_model"]), 1)
        local = now.astimezone(zone)
        yield LOCAL_HOUR, ((), local.hour + local.minute / 60 + local.second / 3600)
        yield LOCAL_WEEKDAY, ((), local.isoweekday())
        yield MONTH_ELAPSED, ((), local.day / monthrange(local.year, local.month)[1])

    return series


SETTINGS = Query(
    "settings",
    ("base_settings",),
    "SELECT currency, time_zone, attribution_model FROM base_settings",
    _settings,
    (CURRENCY_INFO, LOCAL_HOUR, LOCAL_WEEKDAY, MONTH_ELAPSED),
)

QUERIES = (
    SETTINGS,
    ACQUISITION,
    CHANNELS,
    ATTRIBUTION,
    BUDGETS,
    CALLS,
    RECENT_CALLS,
    MISSED_CALLS,
    BENCHMARK,
    PIPELINE,
    FORECAST,
    TARGETS,
    QUALITY,
    DEAD_LETTER,
    SOURCES,
)
