"""Differences of contributions become absolute rows.

A shard's rolling row is its total for a key. When what a root contributes changes, the old contributions are taken off
and the new ones added; the rows touched are written whole at the next flush.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from operator import add, sub
from sys import intern

import msgspec

from stream.attribution import credits as credits_of
from stream.fold import Document
from stream.journey import EMPTY, Journey, journeys
from stream.reports import TABLES, Contribution
from stream.rules import Rules

Contributions = dict[str, list[Contribution]]
Key = tuple[str, ...]
Measures = tuple[int, ...]

_json = msgspec.json.Encoder().encode
_INT64 = 1 << 63


def journeys_of(counted: Iterable[tuple[str, Mapping[str, Document]]], rules: Rules) -> list[Journey]:
    """The journey of each (root, documents that it counts), with its credits."""
    found = journeys(counted, rules)
    for each in found:
        if each.opportunities:
            each.credits = credits_of(each.lead, each.touches, each.opportunities, rules)
    return found


def contributions_of(found: Sequence[Journey]) -> list[Contributions]:
    """What each journey contributes to each rolling table."""
    made: list[Contributions] = [{} for _ in found]
    for table in TABLES:
        name, contribute = table.name, table.contribute
        for journey, contributions in zip(found, made, strict=True):
            if journey is not EMPTY and (rows := list(contribute(journey))):
                contributions[name] = rows
    return made


def account(root: str, documents: Mapping[str, Document], rules: Rules) -> tuple[Journey, Contributions]:
    """A root's journey with its credits, and what it contributes to each rolling table."""
    found = journeys_of([(root, documents)], rules)
    return found[0], contributions_of(found)[0]


class _Row(msgspec.Struct, gc=False):
    """A rolling row: its totals, and its sparse counts by whole unit, where it has any."""

    key: Key
    totals: Measures
    counts: dict[int, int] | None = None
    #: since rows were last taken
    changed: bool = False


class Rolling:
    """One shard's rolling rows, and which of them changed since they were last taken."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[Key, _Row]] = {table.name: {} for table in TABLES}
        self._changed: dict[str, list[_Row]] = {table.name: [] for table in TABLES}

    def __len__(self) -> int:
        return sum(len(rows) for rows in self._rows.values())

    @property
    def dirty(self) -> int:
        """How many rows changed since they were last taken."""
        return sum(len(rows) for rows in self._changed.values())

    def restore(self, table: str, key: Key, measures: Sequence[int], sparse: dict[int, int]) -> None:
        """Put back a row as it was written."""
        shared = _shared(key)
        self._rows[table][shared] = _Row(shared, tuple(measures), sparse or None)

    def replace(self, old: Contributions, new: Contributions) -> None:
        """Take off what a root contributed before, and add what it contributes now."""
        for name in old.keys() | new.keys():
            before, after = old.get(name, ()), new.get(name, ())
            if before != after:
                self._add(name, before, -1)
                self._add(name, after, 1)

    def _add(self, table: str, contributions: Iterable[Contribution], sign: int) -> None:
        rows, changed = self._rows[table], self._changed[table]
        combine = add if sign > 0 else sub
        for key, measures, bucket in contributions:
            row = rows.get(key)
            if row is None:
                shared = _shared(key)
                row = rows[shared] = _Row(shared, tuple(map(combine, repeat(0), measures)))
            else:
                row.totals = tuple(map(combine, row.totals, measures))
            if not row.changed:
                row.changed = True
                changed.append(row)
            if bucket is not None:
                counts = row.counts
                if counts is None:
                    counts = row.counts = {}
                count = counts.get(bucket, 0) + sign
                if count:
                    counts[bucket] = count
                else:
                    del counts[bucket]

    def clear(self) -> None:
        """Count nothing any more: at the next flush every row is deleted that nothing was added to again."""
        for name, rows in self._rows.items():
            for row in rows.values():
                row.totals, row.counts, row.changed = (0,) * len(row.totals), None, True
            self._changed[name] = list(rows.values())

    def take(self, shard: int, epoch: int, version: int) -> dict[str, list[bytes]]:
        """The changed rows as JSON lines for ClickHouse, by table; rows that are all zero are deleted ones."""
        taken: dict[str, list[bytes]] = {}
        for table in TABLES:
            changed, rows = self._changed[table.name], self._rows[table.name]
            if not changed:
                continue
            made, lines = table.row, list[bytes]()
            for row in changed:
                totals, counts = row.totals, row.counts
                gone = not counts and not any(totals)
                large = table.big and (max(totals) >= _INT64 or min(totals) < -_INT64)
                written = map(_within_64_bits, totals) if large else totals
                more = (counts or {},) if table.sparse else ()
                lines.append(_json(made(shard, epoch, version, int(gone), *row.key, *written, *more)))
                row.changed = False
                if gone:
                    del rows[row.key]
                if not counts:
                    row.counts = None
            taken[table.name] = lines
            changed.clear()
        return taken


def _within_64_bits(total: int) -> int | str:
    """A total as it is written: as text where JSON's numbers end for ClickHouse."""
    return total if -_INT64 <= total < _INT64 else str(total)


def _shared(key: Key) -> Key:
    """The same key of texts that are kept once, however many keys have them: days, channels and campaigns repeat."""
    return tuple(map(intern, key))
