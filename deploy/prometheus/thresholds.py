"""The thresholds file: when alerts fire, in words that a marketer can edit.

`SECTIONS` says which keys there are, what values they take, and which series a limit is made for. Every scalar of the
file is read as its text, so that YAML's own ideas of `off`, `17:00` and `042` do not get in the way.
"""

import difflib
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import nan
from pathlib import Path
from typing import NamedTuple

import yaml

__all__ = ["SECTIONS", "SHIPPED", "Limit", "Section", "Thresholds", "ThresholdsError", "read_thresholds"]

SHIPPED = Path(__file__).with_name("thresholds.yml")
OFF = nan
"""Compared with it everything is false: the alert does not fire."""

_DEEPEST = 6
_MOST_SHARE = 100
_HOURS = 24
_PLAIN = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_LINK = re.compile(r"https?://[^\s\"'<>{}\\]+")


class ThresholdsError(Exception):
    """Thresholds that cannot be used: a line for each fault, with file, line and key."""


Kind = Callable[[str], float]


def _number(text: str, problem: str) -> Decimal:
    if not _PLAIN.fullmatch(text):
        raise ValueError(problem)
    return Decimal(text)


def _percent(text: str, problem: str) -> Decimal:
    """Read `60%` or `0.6` as a number of hundredths."""
    if text.endswith("%"):
        return _number(text.removesuffix("%").rstrip(), problem)
    return _number(text, problem) * 100


def share(text: str) -> float:
    """Read a part of a whole: 60% or 0.6."""
    problem = "must be a share from 0% to 100%, such as 60% or 0.6"
    hundredths = _percent(text, problem)
    if not 0 <= hundredths <= _MOST_SHARE:
        raise ValueError(problem)
    return float(hundredths / 100)


def rate(text: str) -> float:
    """Read a return, which may be a loss: -20% or -0.2."""
    problem = "must be a rate from -100%, such as 0%, -20% or 1.5"
    hundredths = _percent(text, problem)
    if hundredths < -_MOST_SHARE:
        raise ValueError(problem)
    return float(hundredths / 100)


def factor(text: str) -> float:
    """Read how many times: 1.5 or 150%."""
    problem = "must be 0 or more, such as 1.5 or 150%"
    hundredths = _percent(text, problem)
    if hundredths < 0:
        raise ValueError(problem)
    return float(hundredths / 100)


def money(text: str) -> float:
    """Read an amount in the reporting currency."""
    problem = "must be an amount of 0 or more without separators and currency, such as 1000 or 49.50"
    amount = _number(text, problem)
    if amount < 0:
        raise ValueError(problem)
    return float(amount)


def count(text: str) -> float:
    """Read a whole number of things."""
    if not text.isascii() or not text.isdigit():
        raise ValueError("must be a whole number, such as 20")
    return int(text)


def duration(text: str) -> float:
    """Read a length of time; gives seconds."""
    number, unit = text[:-1], text[-1:]
    if unit not in _SECONDS or not number.isascii() or not number.isdigit():
        raise ValueError("must be a duration: a whole number with s, m, h or d, such as 90s, 15m, 4h or 2d")
    return int(number) * _SECONDS[unit]


def clock(text: str) -> float:
    """Read a time of day; gives hours."""
    match = re.fullmatch(r"([0-9]{1,2}):([0-5][0-9])", text)
    hours = int(match[1]) + int(match[2]) / 60 if match else nan
    if not hours <= _HOURS:
        raise ValueError("must be a time of day from 00:00 to 24:00, such as 09:00")
    return hours


def days(text: str) -> float:
    """Read days of the week; gives a bit for each, Monday the lowest."""
    mask = 0
    for part in text.lower().replace(",", " ").split():
        first, _, last = part.partition("-")
        if first not in _DAYS or (last or first) not in _DAYS:
            mask = 0
            break
        begin, end = _DAYS.index(first), _DAYS.index(last or first)
        for day in range(begin, end + 1 if begin <= end else end + 8):
            mask |= 1 << day % 7
    if not mask:
        raise ValueError("must be days of the week, such as mon-fri or mon, wed, fri")
    return mask


def any_of(*names: str) -> Callable[[str], str]:
    """Make the reader of an option that is one of these words."""

    def option(text: str) -> str:
        if text not in names:
            raise ValueError(f"must be {', '.join(names[:-1])}{' or ' if len(names) > 1 else ''}{names[-1]}")
        return text

    return option


def direction(text: str) -> str:
    """Read which calls: gives the label's value."""
    return "inbound" if any_of("inbound", "all")(text) == "inbound" else "(all)"


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


class Limit(NamedTuple):
    """One threshold, as a series: `value` for each member of `known`, but that of the first exception that fits it.

    `value` may be OFF; shares are of 1, durations in seconds, times of day in hours.
    """

    name: str
    value: float
    known: str
    where: Mapping[str, str]
    labels: Mapping[str, str]
    exceptions: Sequence[tuple[Mapping[str, str], float]]


@dataclass(frozen=True)
class Thresholds:
    """What a file says: every limit, and what comes before the links. `missing`: keys taken from the shipped file."""

    limits: Sequence[Limit]
    runbooks: str
    page: str
    missing: Sequence[str]


def read_thresholds(path: Path) -> Thresholds:
    """Read and check a file; a key that it leaves out has the shipped value. Raises ThresholdsError."""
    reader = _Reader(path)
    thresholds = reader.read(_parse(path), _parse(SHIPPED))
    if reader.faults:
        raise ThresholdsError("\n".join(reader.faults))
    return thresholds


class _Entry(NamedTuple):
    """A value of the file: a text, or members; and the line it begins at."""

    line: int
    text: str | None
    members: Mapping[str, "_Entry"]


def _parse(path: Path) -> _Entry:
    try:
        tree = yaml.compose(path.read_text("utf-8"), Loader=yaml.BaseLoader)
    except OSError as error:
        raise ThresholdsError(f"{path}: cannot be read: {error.strerror}; correct the path") from None
    except UnicodeDecodeError:
        raise ThresholdsError(f"{path}: is no UTF-8 text; save it as UTF-8") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ThresholdsError(f"{path}:{line}: is not YAML here: {error.problem}; see the shipped file") from None
    except yaml.YAMLError as error:
        raise ThresholdsError(f"{path}: is not YAML: {' '.join(str(error).split())}") from None
    return _Entry(1, None, {}) if tree is None else _entry(path, tree, 0)


def _entry(path: Path, node: yaml.Node, depth: int) -> _Entry:
    line = node.start_mark.line + 1
    if depth > _DEEPEST:
        raise ThresholdsError(f"{path}:{line}: is nested too deep; see the shipped file")
    if isinstance(node, yaml.ScalarNode):
        return _Entry(line, node.value.strip(), {})
    if isinstance(node, yaml.SequenceNode):  # a list is as good as its words with commas
        parts = [_entry(path, part, depth + 1) for part in node.value]
        return _Entry(line, ", ".join(part.text or "" for part in parts), {})
    members: dict[str, _Entry] = {}
    for name, value in node.value:
        if not isinstance(name, yaml.ScalarNode):
            raise ThresholdsError(f"{path}:{name.start_mark.line + 1}: a key must be a word; put it in quotes")
        if name.value in members:
            raise ThresholdsError(f"{path}:{name.start_mark.line + 1}: {name.value} stands here twice; remove one")
        members[name.value] = _entry(path, value, depth + 1)
    return _Entry(line, None, members)


class _Reader:
    """Goes through a file beside the shipped one, and collects faults."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.faults: list[str] = []
        self._missing: list[str] = []

    def read(self, given: _Entry, shipped: _Entry) -> Thresholds:
        areas = self._members(given, "", [*SECTIONS, "links"])
        limits: list[Limit] = []
        for area, sections in SECTIONS.items():
            entries = self._members(areas[area], area, sections) if area in areas else {}
            for name, section in sections.items():
                key = f"{area}.{name}"
                default = shipped.members[area].members[name]
                if name not in entries:
                    self._missing.append(key)
                limits += self._limits(entries.get(name, default), default, section, key, name)
        links = self._members(areas["links"], "links", ["runbooks", "page"]) if "links" in areas else {}
        return Thresholds(limits, self._link(links, "runbooks"), self._link(links, "page"), self._missing)

    def _limits(self, entry: _Entry, default: _Entry, section: Section, key: str, name: str) -> Iterator[Limit]:
        if "" in section.limits:
            if entry.text == "off" and section.never_off:
                self._fault(entry, key, "cannot be off")
            yield Limit(f"sixfold:threshold:{name}", self._value(entry, section.limits[""], key), "", {}, {}, ())
            return
        off = entry.text == "off"
        members = {} if off else self._members(entry, key, [*section.limits, *section.options, *section.exceptions])
        chosen = {
            option: self._option(members.get(option, default.members[option]), read, f"{key}.{option}")
            for option, read in section.options.items()
        }
        values: dict[str, float] = {}
        for limit, kind in section.limits.items():
            if limit not in members and not off:
                self._missing.append(f"{key}.{limit}")
            value = members.get(limit, default.members[limit])
            values[limit] = OFF if off else self._value(value, kind, f"{key}.{limit}")
        self._ordered(values, section, entry, key)
        exceptions = list(self._exceptions(members, section, values, key))
        in_known = {option for option in chosen if section.known and option == "window"}
        where = {**section.where, **{option: chosen[option] for option in in_known}}
        labels = {option: value for option, value in chosen.items() if option not in in_known}
        for limit in section.limits:
            own = [(which, changed[limit]) for which, changed in exceptions if limit in changed]
            yield Limit(f"sixfold:threshold:{name}_{limit}", values[limit], section.known, where, labels, own)

    def _exceptions(
        self, members: Mapping[str, _Entry], section: Section, general: Mapping[str, float], key: str
    ) -> Iterator[tuple[Mapping[str, str], Mapping[str, float]]]:
        """Give the labels of each exception and what it changes, the narrowest kind first."""
        for kind, labels in section.exceptions.items():
            found = members.get(kind)
            if found is None or found.text == "":
                continue
            for member, entry in self._members(found, f"{key}.{kind}", None).items():
                inner = f"{key}.{kind}.{member}"
                if entry.text == "off":
                    yield labels(member), dict.fromkeys(section.limits, OFF)
                    continue
                changed = {
                    limit: self._value(value, section.limits[limit], f"{inner}.{limit}")
                    for limit, value in self._members(entry, inner, section.limits).items()
                }
                self._ordered({**general, **changed}, section, entry, inner)
                yield labels(member), changed

    def _members(self, entry: _Entry, key: str, known: Collection[str] | None) -> Mapping[str, _Entry]:
        """Give the members of an entry that may be there; what may not is a fault."""
        if entry.text is not None:
            takes = "entries, each with a name" if known is None else f"entries: {', '.join(known)}"
            self._fault(entry, key, f"{json.dumps(entry.text, ensure_ascii=False)} cannot stand here; it takes {takes}")
            return {}
        if known is None:
            return entry.members
        for name in entry.members.keys() - set(known):
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it takes {', '.join(known)}"
            where = f"{key}.{name}" if key else name
            self._fault(entry.members[name], where, f"there is no such key; {hint}")
        return {name: value for name, value in entry.members.items() if name in known}

    def _value(self, entry: _Entry, kind: Kind, key: str) -> float:
        if entry.text is None:
            self._fault(entry, key, "must be one value")
            return OFF
        if entry.text == "off":
            return OFF
        try:
            return kind(entry.text)
        except ValueError as error:
            self._fault(entry, key, f"{json.dumps(entry.text, ensure_ascii=False)} {error}; or off")
            return OFF

    def _option(self, entry: _Entry, read: Callable[[str], str], key: str) -> str:
        try:
            return read(entry.text or "")
        except ValueError as error:
            self._fault(entry, key, f"{json.dumps(entry.text or '', ensure_ascii=False)} {error}")
            return ""

    def _ordered(self, values: Mapping[str, float], section: Section, entry: _Entry, key: str) -> None:
        if section.ordered:
            less, more = section.ordered
            if values[less] >= values[more]:
                self._fault(entry, key, f"{less} must be less than {more}")

    def _link(self, links: Mapping[str, _Entry], name: str) -> str:
        entry = links.get(name)
        if entry is None or entry.text == "":
            return ""
        text = entry.text or ""
        if not _LINK.fullmatch(text):
            self._fault(entry, f"links.{name}", "must be an address such as https://reports.example.org, or empty")
        return text.rstrip("/")

    def _fault(self, entry: _Entry, key: str, problem: str) -> None:
        self.faults.append(f"{self._path}:{entry.line}: {key or 'the file'}: {problem}")
