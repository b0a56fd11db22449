"""What Prometheus may see, and what the rules must say to it: a world in which all is well, and cases that differ.

A world is series -> values in promtool's notation ("0.8x100" is prepared from a plain number). Thresholds are those of
`thresholds.yml` beside this file. Every case lists all alerts that fire in it, so that no other may.
"""

from collections.abc import Mapping
from dataclasses import dataclass

MINUTES = 100
AT = 90
"""The minute at which a case is looked at; every `for` has passed by then."""

Values = float | str
World = Mapping[str, Values | None]
"""A number stands for a constant series; None takes a series out of the world."""
Labels = dict[str, str]

WINDOWS = ("today", "7d", "30d", "mtd")
REPORTS = (
    "report_calls",
    "report_profitability",
    "report_targets",
    "report_sources",
    "report_quality",
    "report_channel_attribution",
)
REASONS = (
    "invalid-json",
    "invalid-envelope",
    "unknown-type",
    "missing-member",
    "invalid-member",
    "too-large",
    "time-in-future",
)
_CHECKS = ("calls_without_lead", "overdue_opportunities")
TEAMS = ("North", "South", "Key accounts")
REPS = {"N1": ("Ida", "North"), "S1": ("Lea", "South"), "K1": ("Nora", "Key accounts"), "K2": ("Jonas", "Key accounts")}
QUOTED = 'O\'Neil "50%"'
"""A campaign whose id breaks whatever does not quote it."""
CAMPAIGNS = {
    "spring-sale": "Spring sale",
    "brand-search": "Brand search",
    "it-managers": "IT managers",
    QUOTED: "Breaks things",
}


def series(metric: str, /, **labels: str) -> str:
    """Write a series as promtool reads it."""
    quoted = ",".join(f'{label}="{text(value)}"' for label, value in labels.items())
    return f"{metric}{{{quoted}}}"


def text(value: str) -> str:
    """Escape a label's value."""
    return value.replace("\\", "\\\\").replace('"', '\\"')


def calls(member: str, window: str, count: float, answered: float, talk: float = 180) -> dict[str, Values | None]:
    """Call figures of a team or rep."""
    dimension = "rep" if member in REPS else "team"
    labels = {"window": window, "dimension": dimension, "member": member, "name": REPS.get(member, (member,))[0]}
    return {
        series("sixfold_kpi_calls", **labels): count,
        series("sixfold_kpi_answered_calls", **labels): answered,
        series("sixfold_kpi_answer_ratio", **labels): answered / count if count else None,
        series("sixfold_kpi_average_talk_seconds", **labels): talk if answered else None,
    }


def campaign(member: str, window: str, **figures: float | None) -> dict[str, Values | None]:
    """Figures of a campaign; a figure that is None has no series."""
    labels = {"window": window, "dimension": "campaign", "member": member, "name": CAMPAIGNS.get(member, member)}
    return {series(f"sixfold_kpi_{name}", **labels): value for name, value in figures.items()}


def budget(member: str, window: str, used: float) -> dict[str, Values | None]:
    """How much of a campaign's budget is used."""
    labels = {"window": window, "dimension": "campaign", "member": member, "name": CAMPAIGNS[member]}
    return {series("sixfold_kpi_budget_used_ratio", **labels): used}


def last_hour(team: str, count: float) -> dict[str, Values | None]:
    """Calls of a team in the last 60 minutes."""
    return {series("sixfold_kpi_calls_last_hour", dimension="team", member=team, name=team): count}


def company(figure: str, window: str, value: float) -> dict[str, Values | None]:
    """Make a figure of all together."""
    labels = {"window": window, "dimension": "all", "member": "(all)", "name": "(all)"}
    return {series(f"sixfold_kpi_{figure}", **labels): value}


def missed(rep: str, inbound: float, both: float) -> dict[str, Values | None]:
    """Unanswered calls of a rep since the last answered one."""
    labels = {"dimension": "rep", "member": rep, "name": REPS[rep][0]}
    return {
        series("sixfold_kpi_consecutive_missed_calls", **labels, direction="inbound"): inbound,
        series("sixfold_kpi_consecutive_missed_calls", **labels, direction="(all)"): both,
    }


def target(metric: str, scope: str, name: str, attained: float, forecast: float | None) -> dict[str, Values | None]:
    """Describe a target of 1,000 of this month: which share is reached, and which is forecast."""
    labels = {"metric": metric, "scope": scope, "name": name}
    return {
        series("sixfold_kpi_target", **labels): 1000,
        series("sixfold_kpi_target_attainment_ratio", **labels): attained,
        series("sixfold_kpi_target_forecast", **labels): None if forecast is None else forecast * 1000,
    }


def freshness(within_a_minute: float, within_an_hour: float) -> dict[str, Values | None]:
    """Events a minute by how long after they happened they were visible."""
    both = within_a_minute + within_an_hour
    return {
        **{series("sixfold_freshness_seconds_bucket", le=le): f"0+{within_a_minute}x100" for le in ("60", "300")},
        **{series("sixfold_freshness_seconds_bucket", le=le): f"0+{both}x100" for le in ("3600", "+Inf")},
        "sixfold_freshness_seconds_count": f"0+{both}x100",
    }


def source(name: str, quiet: float, age_minutes: int) -> dict[str, Values | None]:
    """One source: whether it is quiet, and how old its last event is when the case is looked at."""
    return {
        series("sixfold_kpi_source_quiet", source=name): quiet,
        series("sixfold_kpi_source_last_event_timestamp_seconds", source=name): (AT - age_minutes) * 60,
    }


def healthy() -> dict[str, Values | None]:
    """The world in which nothing fires."""
    world: dict[str, Values | None] = {
        **{series("sixfold_report_as_of_seconds", report=report): "0+60x100" for report in REPORTS},
        series("sixfold_kpi_currency_info", currency="USD", time_zone="UTC", attribution_model="first"): 1,
        "sixfold_kpi_benchmark_answer_ratio": 0.75,
        "sixfold_kpi_local_hour": 12.5,
        "sixfold_kpi_local_weekday": 3,
        "sixfold_kpi_month_elapsed_ratio": 0.5,
        series("sixfold_ready", job="sixfold-worker", instance="w1:9101"): 1,
        series("sixfold_ready", job="sixfold-exporter", instance="e1:9102"): 1,
        series("up", job="sixfold-worker", instance="w1:9101"): 1,
        series("up", job="sixfold-exporter", instance="e1:9102"): 1,
        series("sixfold_not_ready_reason", instance="w1:9101", reason="clickhouse"): 0,
        series("sixfold_not_ready_reason", instance="w1:9101", reason="stale"): 0,
        series("sixfold_exporter_query_up", query="calls"): 1,
        series("sixfold_audit_differences", audit="audit_roll_calls"): 0,
        "sixfold_audit_last_success_timestamp_seconds": "0+60x100",
        series("sixfold_lag_records", topic="events", partition="0"): 30000,
        series("sixfold_lag_records", topic="events", partition="1"): 20000,
        series("sixfold_gap_records", topic="events", partition="0"): 0,
        series("sixfold_events_total", type="crm.call.logged", outcome="folded"): "0+95x100",
        series("sixfold_events_total", type="crm.call.logged", outcome="forwarded"): "0+500x100",
        series("sixfold_dead_letters_total", reason="invalid-member"): "0+5x100",
        **freshness(600, 400),
        **source("pbx-1", 0, 1),
        **source("ads/meta", 0, 1),
        **{series("sixfold_kpi_dead_letters", reason=reason): 0 for reason in REASONS},
        **{series("sixfold_kpi_quality_failing", check=check): 900 for check in _CHECKS},
        **{series("sixfold_kpi_quality_failing_ratio", check=check): 0.4 for check in _CHECKS},
        **target("revenue", "company", "company", 0.5, 1.0),
        **target("revenue", "team/South", "South", 0.5, 1.0),
        **target("revenue", "rep/N1", "Ida", 0.5, 1.0),
        **target("revenue", "rep/Z9", "Zoe", 0.5, 1.0),
        **target("leads", "company", "company", 0.5, None),
        # members that nobody can talk to are bad all the time, and nothing may come of it
        **calls("(other)", "today", 500, 1),
        **calls("(none)", "7d", 500, 1),
        **last_hour("(none)", 0),
        **campaign("(none)", "30d", spend=90000, leads=0, roas_ratio=0.1, roi_ratio=-0.9, cpa=5000),
        **campaign("(other)", "7d", spend=90000, leads=0),
    }
    for window in WINDOWS:
        for member in (*TEAMS, *REPS):
            world |= calls(member, window, 200, 160)
        for member in CAMPAIGNS:
            world |= campaign(member, window, spend=5000, leads=40, roas_ratio=5, roi_ratio=0.5, cpa=100)
        world |= {**company("unattributed_revenue_ratio", window, 0.2), **company("revenue", window, 50000)}
    for rep, (name, team) in REPS.items():
        world[series("sixfold_kpi_rep_info", member=rep, name=name, team=team)] = 1
        world |= missed(rep, 1, 9)
    for team in TEAMS:
        world |= last_hour(team, 4)
    for member in CAMPAIGNS:
        world |= {**budget(member, "mtd", 0.6), **budget(member, "all_time", 0.7)}
    return world


@dataclass(frozen=True)
class Case:
    """How one alert shows: a world in which it fires, those in which it must not, and what it says.

    `volume` is None where there is no least volume.
    """

    fires: World
    labels: Labels
    summary: str
    description: str
    page: str
    under: World
    volume: World | None = None


def team_labels(team: str, window: str = "", **more: str) -> Labels:
    """Labels of an alert on a team."""
    return {
        **({"window": window} if window else {}),
        "dimension": "team",
        "member": team,
        "name": team,
        "team": team,
    } | more


def rep_labels(rep: str, window: str = "", **more: str) -> Labels:
    """Labels of an alert on a rep."""
    name, team = REPS[rep]
    return {
        **({"window": window} if window else {}),
        "dimension": "rep",
        "member": rep,
        "name": name,
        "team": team,
    } | more


def campaign_labels(member: str, window: str, **more: str) -> Labels:
    """Labels of an alert on a campaign."""
    return {"window": window, "dimension": "campaign", "member": member, "name": CAMPAIGNS[member]} | more


_WARNING, _INFO = {"severity": "warning"}, {"severity": "info"}
_SALES, _MARKETING, _DATA = {"area": "sales"}, {"area": "marketing"}, {"area": "data"}
_OPERATION = {"area": "operation"}

CASES: dict[str, Case] = {
    "SixfoldTeamAnswerRateLow": Case(
        fires=calls("North", "today", 50, 24),
        labels=team_labels("North", "today", **_WARNING, **_SALES),
        summary="Team North answers 48% of its calls",
        description=(
            "Team North answered 48% of its 50 calls (today); it should be 50% at least. "
            "Who calls back in vain goes to somebody else."
        ),
        page="/report/calls?period=7d&team=North",
        under=calls("North", "today", 50, 25),
        volume=calls("North", "today", 29, 1),
    ),
    "SixfoldRepAnswerRateLow": Case(
        fires=calls("N1", "7d", 25, 9),
        labels=rep_labels("N1", "7d", **_INFO, **_SALES),
        summary="Ida answers 36% of the calls",
        description="Ida (team North) answered 36% of 25 calls (7d); it should be 40% at least.",
        page="/report/calls?period=7d&rep_id=N1",
        under=calls("N1", "7d", 25, 10),
        volume=calls("N1", "7d", 24, 1),
    ),
    "SixfoldTeamAnswerRateBelowBenchmark": Case(
        fires=calls("Key accounts", "7d", 50, 34),
        labels=team_labels("Key accounts", "7d", **_INFO, **_SALES),
        summary="Team Key accounts answers 68% of its calls, less than the benchmark",
        description="Team Key accounts answered 68% of its calls (7d); the benchmark is 75%.",
        page="/report/calls?period=7d&team=Key+accounts",
        under=calls("Key accounts", "7d", 50, 35),
        volume=calls("Key accounts", "7d", 49, 30),
    ),
    "SixfoldRepAnswerRateBelowBenchmark": Case(
        fires=calls("S1", "30d", 50, 32),
        labels=rep_labels("S1", "30d", **_INFO, **_SALES),
        summary="Lea answers 64% of the calls, less than the benchmark",
        description="Lea (team South) answered 64% of the calls (30d); the benchmark is 75%.",
        page="/report/calls?period=30d&rep_id=S1",
        under=calls("S1", "30d", 50, 33),
        volume=calls("S1", "30d", 49, 30),
    ),
    "SixfoldMissedCallsInARow": Case(
        fires=missed("N1", 5, 5),
        labels=rep_labels("N1", direction="inbound", **_WARNING, **_SALES),
        summary="Ida has missed 5 calls in a row",
        description=(
            "The last 5 calls of Ida (team North) were not answered. The phone may be off, or nobody stands in."
        ),
        page="/report/calls?period=7d&rep_id=N1",
        under=missed("N1", 4, 20),
        volume={**missed("N1", 5, 5), **calls("N1", "today", 0, 0)},  # of last week
    ),
    "SixfoldTalkTimeOutOfBand": Case(
        fires=calls("South", "7d", 40, 30, talk=44),
        labels=team_labels("South", "7d", **_INFO, **_SALES),
        summary="An average call of team South lasts 44s",
        description="Answered calls of team South last 44s on average (7d); between 45s and 15m 0s is usual.",
        page="/report/calls?period=7d&team=South",
        under=calls("South", "7d", 40, 30, talk=45),
        volume=calls("South", "7d", 30, 29, talk=10),
    ),
    "SixfoldNoCalls": Case(
        fires=last_hour("North", 0),
        labels=team_labels("North", **_WARNING, **_SALES),
        summary="Team North has had no call for an hour",
        description=(
            "It is working time, and no call of team North was logged in the last 60 minutes. "
            "Either nobody calls, or the telephone system does not tell us."
        ),
        page="/report/calls?period=7d&team=North",
        under=last_hour("North", 1),
        volume={**last_hour("North", 0), **calls("North", "7d", 99, 80)},
    ),
    "SixfoldCampaignRoasLow": Case(
        fires=campaign("spring-sale", "30d", spend=1000, roas_ratio=0.99),
        labels=campaign_labels("spring-sale", "30d", **_WARNING, **_MARKETING),
        summary="ROAS of Spring sale is 0.99",
        description=(
            "Each unit of money spent on Spring sale brought back 0.99 (30d), of 1000 USD in all; "
            "1.00 is the least it should."
        ),
        page="/report/profitability?period=30d&campaign_id=spring-sale",
        under=campaign("spring-sale", "30d", spend=1000, roas_ratio=1),
        volume=campaign("spring-sale", "30d", spend=999.99, roas_ratio=0.1),
    ),
    "SixfoldCampaignRoiLow": Case(
        fires=campaign("spring-sale", "30d", spend=1000, roi_ratio=-0.01),
        labels=campaign_labels("spring-sale", "30d", **_WARNING, **_MARKETING),
        summary="ROI of Spring sale is -1%",
        description=(
            "After the cost of what was sold, Spring sale returned -1% of what was put in (30d), "
            "on a spend of 1000 USD; 0% is the least it should. Below 0% it loses money."
        ),
        page="/report/profitability?period=30d&campaign_id=spring-sale",
        under=campaign("spring-sale", "30d", spend=1000, roi_ratio=0),
        volume=campaign("spring-sale", "30d", spend=999.99, roi_ratio=-0.9),
    ),
    "SixfoldCampaignCpaHigh": Case(
        fires=campaign(QUOTED, "30d", spend=1000, cpa=400.5),
        labels=campaign_labels(QUOTED, "30d", **_WARNING, **_MARKETING),
        summary="A customer from Breaks things costs 400 USD",
        description="Breaks things spends 400 USD for each customer won (30d); the target is 400.",
        page="/report/profitability?period=30d&campaign_id=O%27Neil+%2250%25%22",
        under=campaign(QUOTED, "30d", spend=1000, cpa=400),
        volume=campaign(QUOTED, "30d", spend=999, cpa=900),
    ),
    "SixfoldSpendWithoutLeads": Case(
        fires=campaign("it-managers", "7d", spend=250, leads=0),
        labels=campaign_labels("it-managers", "7d", **_WARNING, **_MARKETING),
        summary="IT managers spends and brings no leads",
        description=(
            "250 USD were spent on IT managers (7d), and not one lead is known of it. "
            "Either it does not work, or its links carry another campaign."
        ),
        page="/report/profitability?period=7d&campaign_id=it-managers",
        under=campaign("it-managers", "7d", spend=250, leads=1),
        volume=campaign("it-managers", "7d", spend=249.99, leads=0),
    ),
    "SixfoldBudgetUsedEarly": Case(
        fires={**budget("spring-sale", "mtd", 0.8), "sixfold_kpi_month_elapsed_ratio": 0.64},
        labels=campaign_labels("spring-sale", "mtd", **_WARNING, **_MARKETING),
        summary="Spring sale has used 80% of its budget",
        description="This month's spend on Spring sale is 80% of its budget, and 64% of the month has gone by.",
        page="/report/profitability?period=month&campaign_id=spring-sale",
        under={**budget("spring-sale", "mtd", 0.8), "sixfold_kpi_month_elapsed_ratio": 0.67},
        volume=budget("spring-sale", "mtd", 0.79),
    ),
    "SixfoldBudgetNearlyUsedUp": Case(
        fires=budget("spring-sale", "all_time", 0.9),
        labels=campaign_labels("spring-sale", "all_time", **_INFO, **_MARKETING),
        summary="Spring sale has used 90% of its whole budget",
        description="All spend on Spring sale so far is 90% of its budget. End it, or give it more.",
        page="/report/profitability?period=all&campaign_id=spring-sale",
        under=budget("spring-sale", "all_time", 0.899),
    ),
    "SixfoldForecastBelowTarget": Case(
        fires=target("revenue", "rep/N1", "Ida", 0.5, 0.89),
        labels={"metric": "revenue", "scope": "rep/N1", "name": "Ida", "team": "North", **_WARNING, **_SALES},
        summary="Forecast of Ida: 89% of the target",
        description=(
            "Revenue so far and the weighted pipeline due until the end of the month come to 89% of the "
            "revenue target of Ida."
        ),
        page="/targets",
        under=target("revenue", "rep/N1", "Ida", 0.5, 0.9),
        volume={**target("revenue", "rep/N1", "Ida", 0.5, 0.1), "sixfold_kpi_month_elapsed_ratio": 0.29},
    ),
    "SixfoldTargetBehindPace": Case(
        fires=target("leads", "company", "company", 0.34, None),
        labels={"metric": "leads", "scope": "company", "name": "company", **_INFO, **_SALES},
        summary="Target of company (leads): 34% reached",
        description="34% of this month's target of company (leads) is reached, and 50% of the month has gone by.",
        page="/targets",
        under=target("leads", "company", "company", 0.36, None),
        volume={**target("leads", "company", "company", 0, None), "sixfold_kpi_month_elapsed_ratio": 0.29},
    ),
    "SixfoldUnattributedRevenueHigh": Case(
        fires={**company("unattributed_revenue_ratio", "30d", 0.21), **company("revenue", "30d", 10000)},
        labels={"window": "30d", **_WARNING, **_DATA},
        summary="21% of the revenue has no known origin",
        description=(
            "21% of the revenue (30d) belongs to deals without a known lead and without a campaign. "
            "Every figure by channel and campaign lacks it."
        ),
        page="/report/channel_attribution?period=30d",
        under=company("unattributed_revenue_ratio", "7d", 0.9),
        volume={**company("unattributed_revenue_ratio", "30d", 0.9), **company("revenue", "30d", 9999)},
    ),
    "SixfoldSourceQuiet": Case(
        fires=source("pbx-1", 1, 130),
        labels={"source": "pbx-1", **_WARNING, **_DATA},
        summary="pbx-1 has gone quiet",
        description=(
            "The last event from pbx-1 is 2h 10m 0s old, more than ten times the usual gap. "
            "Reports that live from it stand still."
        ),
        page="/quality",
        under=source("pbx-1", 0, 300),
        volume=source("pbx-1", 1, 119),
    ),
    "SixfoldDeadLetters": Case(
        fires={series("sixfold_kpi_dead_letters", reason="invalid-member"): 21},
        labels={"reason": "invalid-member", **_WARNING, **_DATA},
        summary="21 events were rejected in the last 24 hours (invalid-member)",
        description=(
            "21 events of the last 24 hours could not be read, for the reason invalid-member. "
            "They are kept with the reason in words, and can be sent again once they are mended."
        ),
        page="/quality",
        under={series("sixfold_kpi_dead_letters", reason="invalid-member"): 20},
    ),
    "SixfoldEventsRejected": Case(
        fires={series("sixfold_dead_letters_total", reason="invalid-member"): "0+6x100"},
        labels={"severity": "critical", **_DATA},
        summary="5.941% of the events are rejected",
        description=(
            "5.941% of the events of the last 15 minutes could not be read. "
            "Most likely a source has changed its form. What is rejected is in no report."
        ),
        page="/quality",
        under={series("sixfold_dead_letters_total", reason="invalid-member"): "0+4x100"},
        volume={
            series("sixfold_events_total", type="crm.call.logged", outcome="folded"): "0+1x100",
            series("sixfold_dead_letters_total", reason="invalid-member"): "0+2x100",
        },
    ),
    "SixfoldQualityCheckFailing": Case(
        fires={
            series("sixfold_kpi_quality_failing_ratio", check="calls_without_lead"): 0.41,
            series("sixfold_kpi_quality_failing", check="calls_without_lead"): 10,
        },
        labels={"check": "calls_without_lead", **_INFO, **_DATA},
        summary="Data quality: 41% calls without lead",
        description='10 records, 41% of those looked at, fail the check "calls without lead".',
        page="/quality",
        under={series("sixfold_kpi_quality_failing_ratio", check="overdue_opportunities"): 1},
        volume={
            series("sixfold_kpi_quality_failing_ratio", check="calls_without_lead"): 0.9,
            series("sixfold_kpi_quality_failing", check="calls_without_lead"): 9,
        },
    ),
    "SixfoldFiguresStale": Case(
        fires={series("sixfold_report_as_of_seconds", report="report_calls"): "0+60x70 4200x30"},
        labels={"severity": "critical", **_OPERATION, "figures": "untrusted"},
        summary="The figures are 20m 0s old",
        description="Reports show what was known 20m 0s ago. Nothing is lost: what came since waits in Kafka.",
        page="/quality",
        under={series("sixfold_report_as_of_seconds", report="report_calls"): "0+60x75 4500x30"},
    ),
    "SixfoldFreshnessSlow": Case(
        fires=freshness(499, 501),
        labels={**_WARNING, **_OPERATION},
        summary="Events are visible 5m 6s after they happened",
        description=(
            "Half of the events of the last 10 minutes became visible later than 5m 6s after they happened. "
            "An import of old events does that; otherwise a source sends late, or the worker is behind."
        ),
        page="/quality",
        under=freshness(501, 499),
        volume=freshness(0, 9),
    ),
    "SixfoldLagHigh": Case(
        fires={series("sixfold_lag_records", topic="events", partition="1"): 20001},
        labels={**_WARNING, **_OPERATION},
        summary="50001 records wait to be counted",
        description=(
            "50001 records wait in Kafka for the workers, for ten minutes and more: "
            "there are too few workers, or they are held up."
        ),
        page="/quality",
        under={series("sixfold_lag_records", topic="events", partition="1"): 19999},
    ),
    "SixfoldGap": Case(
        fires={series("sixfold_gap_records", topic="events", partition="0"): 1},
        labels={"topic": "events", "partition": "0", "severity": "critical", **_OPERATION, "figures": "untrusted"},
        summary="1 records were deleted from Kafka before they were read",
        description=(
            "1 records of events, partition 0, went with Kafka's retention before a worker read them. "
            "Its shard waits until somebody decides."
        ),
        page="/quality",
        under={},
    ),
    "SixfoldNotReady": Case(
        fires={
            series("sixfold_ready", job="sixfold-worker", instance="w1:9101"): 0,
            series("sixfold_not_ready_reason", instance="w1:9101", reason="clickhouse"): 1,
            series("sixfold_not_ready_reason", instance="w1:9101", reason="stale"): 1,
        },
        labels={"job": "sixfold-worker", "instance": "w1:9101", "severity": "critical", **_OPERATION},
        summary="sixfold-worker w1:9101 is not ready",
        description="sixfold-worker w1:9101 runs and is not ready: clickhouse stale.",
        page="/quality",
        under={series("sixfold_ready", job="sixfold-worker", instance="w1:9101"): "1x86 0x30"},  # for 3 minutes
    ),
    "SixfoldDown": Case(
        fires={series("up", job="sixfold-worker", instance="w1:9101"): 0},
        labels={"job": "sixfold-worker", "instance": "w1:9101", "severity": "critical", **_OPERATION},
        summary="sixfold-worker w1:9101 does not answer",
        description=("Prometheus cannot read the metrics of sixfold-worker w1:9101: it is down, or there is none."),
        page="/quality",
        under={series("up", job="sixfold-worker", instance="w1:9101"): "1x86 0x30"},
    ),
    "SixfoldExporterStale": Case(
        fires={series("sixfold_exporter_query_up", query="calls"): 0},
        labels={"query": "calls", **_WARNING, **_OPERATION},
        summary="The exporter cannot read calls",
        description=(
            "The figures of calls could not be read from ClickHouse and are withdrawn. "
            "Until they are back no alert is raised from them."
        ),
        page="/quality",
        under={series("sixfold_exporter_query_up", query="calls"): "1x81 0x30"},
    ),
    "SixfoldAuditDifferences": Case(
        fires={series("sixfold_audit_differences", audit="audit_roll_calls"): 2},
        labels={"audit": "audit_roll_calls", "severity": "critical", **_OPERATION},
        summary="audit_roll_calls finds 2 differences",
        description=(
            "SQL over the records comes to other figures than the tables show: 2 differences in audit_roll_calls. "
            "Do not decide by these figures until it is clear why."
        ),
        page="/quality",
        under={},
    ),
    "SixfoldAuditOld": Case(
        fires={"sixfold_audit_last_success_timestamp_seconds": f"{AT * 60 - 13 * 3600 - 1200}x60 stale"},
        labels={**_WARNING, **_OPERATION},
        summary="The tables were audited 13h 20m 0s ago",
        description=(
            "The last audit ended 13h 20m 0s ago. Until one runs, nobody knows whether the tables agree "
            "with the records."
        ),
        page="/quality",
        under={"sixfold_audit_last_success_timestamp_seconds": AT * 60 - 13 * 3600 + 60},
    ),
}

FURTHER: dict[str, tuple[World, list[tuple[str, Labels]]]] = {
    "a team's own threshold": (
        calls("Key accounts", "today", 10, 6),
        [("SixfoldTeamAnswerRateLow", team_labels("Key accounts", "today", **_WARNING, **_SALES))],
    ),
    "a team whose alert is off": (calls("South", "today", 100, 0), []),
    "a rep has the threshold of the team": (
        calls("K1", "7d", 100, 59),
        [("SixfoldRepAnswerRateLow", rep_labels("K1", "7d", **_INFO, **_SALES))],
    ),
    "but its own goes before": (calls("K2", "7d", 100, 46), []),
    "no benchmark is posted": ({**calls("North", "7d", 50, 20), "sixfold_kpi_benchmark_answer_ratio": None}, []),
    "too long is out of band as well": (
        calls("S1", "7d", 40, 30, talk=901),
        [("SixfoldTalkTimeOutOfBand", rep_labels("S1", "7d", **_INFO, **_SALES))],
    ),
    "a quarter of an hour is not too long": (calls("S1", "7d", 40, 30, talk=900), []),
    "fewer in a row for a team": (
        missed("K1", 3, 3),
        [("SixfoldMissedCallsInARow", rep_labels("K1", direction="inbound", **_WARNING, **_SALES))],
    ),
    "the first hour looks back into the night": ({**last_hour("North", 0), "sixfold_kpi_local_hour": 9.9}, []),
    "from the second hour on": (
        {**last_hour("North", 0), "sixfold_kpi_local_hour": 10},
        [("SixfoldNoCalls", team_labels("North", **_WARNING, **_SALES))],
    ),
    "in the evening nobody calls": ({**last_hour("North", 0), "sixfold_kpi_local_hour": 17.1}, []),
    "on Saturday nobody calls": ({**last_hour("North", 0), "sixfold_kpi_local_weekday": 6}, []),
    "on Friday they do": (
        {**last_hour("North", 0), "sixfold_kpi_local_weekday": 5},
        [("SixfoldNoCalls", team_labels("North", **_WARNING, **_SALES))],
    ),
    "a team with days of its own": ({**last_hour("Key accounts", 0), "sixfold_kpi_local_weekday": 2}, []),
    "a team with hours of its own": ({**last_hour("Key accounts", 0), "sixfold_kpi_local_hour": 11.4}, []),
    "within these": (
        {**last_hour("Key accounts", 0), "sixfold_kpi_local_hour": 11.5},
        [("SixfoldNoCalls", team_labels("Key accounts", **_WARNING, **_SALES))],
    ),
    "a campaign's own threshold": (
        campaign("brand-search", "30d", spend=1000, roas_ratio=3.9),
        [("SixfoldCampaignRoasLow", campaign_labels("brand-search", "30d", **_WARNING, **_MARKETING))],
    ),
    "a campaign that may lose a little": (campaign("it-managers", "30d", spend=1000, roi_ratio=-0.1), []),
    "another window is another figure": (campaign("spring-sale", "7d", spend=9000, roas_ratio=0.1, roi_ratio=-1), []),
    "an id full of quotes has its own threshold": (budget(QUOTED, "all_time", 0.94), []),
    "and it holds": (
        budget(QUOTED, "all_time", 0.95),
        [("SixfoldBudgetNearlyUsedUp", campaign_labels(QUOTED, "all_time", **_INFO, **_MARKETING))],
    ),
    "a scope whose alert is off": (target("revenue", "team/South", "South", 0.5, 0.1), []),
    "a rep without a known team": (
        target("revenue", "rep/Z9", "Zoe", 0.5, 0.1),
        [
            (
                "SixfoldForecastBelowTarget",
                {"metric": "revenue", "scope": "rep/Z9", "name": "Zoe", **_WARNING, **_SALES},
            )
        ],
    ),
    "a team's target has its team": (
        target("revenue", "team/South", "South", 0.1, 1.0),
        [
            (
                "SixfoldTargetBehindPace",
                {"metric": "revenue", "scope": "team/South", "name": "South", "team": "South", **_INFO, **_SALES},
            )
        ],
    ),
    "a source with a wait of its own": (
        source("ads/meta", 1, 70),
        [("SixfoldSourceQuiet", {"source": "ads/meta", **_WARNING, **_DATA})],
    ),
    "a reason with a limit of its own": (
        {series("sixfold_kpi_dead_letters", reason="too-large"): 1},
        [("SixfoldDeadLetters", {"reason": "too-large", **_WARNING, **_DATA})],
    ),
    "no worker at all": (
        {series("up", job="sixfold-worker", instance="w1:9101"): None},
        [("SixfoldDown", {"job": "sixfold-worker", "severity": "critical", **_OPERATION})],
    ),
    "no exporter at all": (
        {series("up", job="sixfold-exporter", instance="e1:9102"): None},
        [("SixfoldDown", {"job": "sixfold-exporter", "severity": "critical", **_OPERATION})],
    ),
    "two exporters by mistake, one after the other": (
        {
            **{f'{key[:-1]},instance="e2:9102"}}': value for key, value in calls("North", "today", 50, 24).items()},
            **calls("North", "today", 50, 24),
        },
        [("SixfoldTeamAnswerRateLow", team_labels("North", "today", **_WARNING, **_SALES))],
    ),
    "a figure that comes and goes keeps its alert": (
        {
            series("sixfold_kpi_answer_ratio", window="today", dimension="team", member="North", name="North"): (
                "0.2x80 stale _x40"
            )
        },
        [("SixfoldTeamAnswerRateLow", team_labels("North", "today", **_WARNING, **_SALES))],
    ),
}
"""What else the rules do, by what it shows: the world, and all alerts that fire in it."""
