"""The thresholds file: when alerts fire, in words that a marketer can edit.

Every scalar of the file is read as its text, so that YAML's own ideas of `off`, `17:00` and `042` do not get in the
way; `sections.py` says what may stand where.
"""

import difflib
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import yaml

from deploy.prometheus.sections import SECTIONS, Section
from deploy.prometheus.values import OFF, Kind

__all__ = ["SHIPPED", "Exempt", "Limit", "Thresholds", "ThresholdsError", "read_thresholds"]

SHIPPED = Path(__file__).with_name("thresholds.yml")

_DEEPEST = 6
_HALF = re.compile("[\ud800-\udfff]")
"""Surrogates, which YAML's escapes can make and UTF-8 cannot write."""
_LINK = re.compile(r"https?://[^\s\"'<>{}\\]+")


class ThresholdsError(Exception):
    """Thresholds that cannot be used: a line for each fault, with file, line and key."""


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


class Exempt(NamedTuple):
    """A member that has an exception: `teams`, `North`, and `FILE:LINE: KEY` of where it stands."""

    kind: str
    member: str
    place: str


@dataclass(frozen=True)
class Thresholds:
    """What a file says: every limit, and what comes before the links. `missing`: keys taken from the shipped file."""

    limits: Sequence[Limit]
    exempt: Sequence[Exempt]
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
        if _HALF.search(node.value):
            raise ThresholdsError(f"{path}:{line}: half a character stands here; write it as it is")
        return _Entry(line, node.value.strip(), {})
    if isinstance(node, yaml.SequenceNode):  # a list is as good as its words with commas
        parts = [_entry(path, part, depth + 1) for part in node.value]
        return _Entry(line, ", ".join(part.text or "" for part in parts), {})
    members: dict[str, _Entry] = {}
    for name, value in node.value:
        if not isinstance(name, yaml.ScalarNode):
            raise ThresholdsError(f"{path}:{name.start_mark.line + 1}: a key must be a word; put it in quotes")
        if _HALF.search(name.value):
            raise ThresholdsError(f"{path}:{name.start_mark.line + 1}: half a character stands here; write it as it is")
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
        self._exempt: list[Exempt] = []

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
        return Thresholds(limits, self._exempt, self._link(links, "runbooks"), self._link(links, "page"), self._missing)

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
                self._exempt.append(Exempt(kind, member, f"{self._path}:{entry.line}: {inner}"))
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
