"""The sections of a thresholds file: which keys there are, what they take, and which series a limit is made for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from deploy.prometheus.values import (
    Kind,
    any_of,
    clock,
    count,
    days,
    direction,
    duration,
    factor,
    money,
    rate,
    share,
)

__all__ = ["SECTIONS", "Section"]


@dataclass(frozen=True)
class Section:
    """One entry of the file: an alert's limits, and what they are made for.

    `known` is a recorded series with value 1 for each that the limits apply to, '' for a limit of all together;
    `where` selects some of them. An option's value stands in a label of its own, of the limit (and of the known
    series if it is `window`). `exceptions` gives the labels of a member of each kind, the narrowest kind first.
    """

    limits: Mapping[str, Kind]
    known: str = ""
    where: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Callable[[str], str]] = field(default_factory=dict)
    exceptions: Mapping[str, Callable[[str], Mapping[str, str]]] = field(default_factory=dict)
    ordered: tuple[str, str] | None = None
    """Two limits of which the first must be less."""
    never_off: bool = False


def _label(name: str, **others: str) -> Callable[[str], Mapping[str, str]]:
    return lambda member: {**others, name: member}


_WINDOW = {"window": any_of("today", "7d", "30d", "mtd")}
_LONG_WINDOW = {"window": any_of("7d", "30d")}
_TEAMS = {"teams": _label("team")}
_REPS = {"reps": _label("member", dimension="rep"), **_TEAMS}
_CAMPAIGNS = {"campaigns": _label("member")}
_SCOPES = {"scopes": _label("scope")}
_CALLS, _CALLERS, _SPENDERS = "sixfold:known:calls", "sixfold:known:callers", "sixfold:known:campaigns"
_BUDGETS, _TARGETS = "sixfold:known:budgets", "sixfold:known:targets"
_TEAM, _REP = {"dimension": "team"}, {"dimension": "rep"}

SECTIONS: Mapping[str, Mapping[str, Section]] = {
    "calls": {
        "team_answer_rate": Section({"below": share, "min_calls": count}, _CALLS, _TEAM, _WINDOW, _TEAMS),
        "rep_answer_rate": Section({"below": share, "min_calls": count}, _CALLS, _REP, _WINDOW, _REPS),
        "team_benchmark": Section({"margin": share, "min_calls": count}, _CALLS, _TEAM, _WINDOW, _TEAMS),
        "rep_benchmark": Section({"margin": share, "min_calls": count}, _CALLS, _REP, _WINDOW, _REPS),
        "missed_in_a_row": Section({"calls": count}, _CALLERS, _REP, {"direction": direction}, _REPS),
        "talk_time": Section(
            {"shortest": duration, "longest": duration, "min_answered": count},
            _CALLS,
            {},
            _WINDOW,
            _REPS,
            ordered=("shortest", "longest"),
        ),
        "no_calls": Section(
            {"from": clock, "until": clock, "days": days, "min_calls": count},
            _CALLERS,
            _TEAM,
            {},
            _TEAMS,
            ordered=("from", "until"),
        ),
    },
    "campaigns": {
        "roas": Section({"below": factor, "min_spend": money}, _SPENDERS, {}, _LONG_WINDOW, _CAMPAIGNS),
        "roi": Section({"below": rate, "min_spend": money}, _SPENDERS, {}, _LONG_WINDOW, _CAMPAIGNS),
        "cpa": Section({"above": money, "min_spend": money}, _SPENDERS, {}, _LONG_WINDOW, _CAMPAIGNS),
        "spend_without_leads": Section({"min_spend": money}, _SPENDERS, {}, _WINDOW, _CAMPAIGNS),
        "monthly_budget": Section({"used": factor, "ahead": share}, _BUDGETS, {"window": "mtd"}, {}, _CAMPAIGNS),
        "whole_budget": Section({"used": factor}, _BUDGETS, {"window": "all_time"}, {}, _CAMPAIGNS),
    },
    "pipeline": {
        "forecast": Section({"below": factor, "after": share}, _TARGETS, {"metric": "revenue"}, {}, _SCOPES),
        "target_pace": Section({"below": factor, "after": share}, _TARGETS, {}, {}, _SCOPES),
    },
    "data": {
        "unattributed_revenue": Section({"above": share, "min_revenue": money}, options=_WINDOW),
        "quiet_source": Section(
            {"at_least": duration}, "sixfold:known:sources", exceptions={"sources": _label("source")}
        ),
        "dead_letters": Section({"above": count}, "sixfold:known:reasons", exceptions={"reasons": _label("reason")}),
        "rejected_events": Section({"above": share, "min_events": count}),
        "quality": Section(
            {"above": share, "min_failing": count}, "sixfold:known:checks", exceptions={"checks": _label("check")}
        ),
    },
    "operation": {
        "figures_age": Section({"": duration}, never_off=True),  # without it no rule would have figures
        "freshness": Section({"above": duration, "min_events": count}),
        "lag_records": Section({"": count}),
        "audit_age": Section({"": duration}),
    },
}
"""Every section of the file; the key '' is a limit that stands in the place of a whole entry."""
