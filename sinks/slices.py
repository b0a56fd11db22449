"""Figures by dimension, slice and member, with a bound on the members: the greatest ones, and the rest as `(other)`.

A source of rows is cut in two ways at once: into dimensions (campaign, rep, ...), each with its members, and into
slices (time windows, due dates). Only measures that add up go through here; ratios are made of the sums.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

ALL = "(all)"
"""The only member of the dimension `all`."""
OTHER = "(other)"
"""The member that stands for all below the greatest; in brackets, since `other` is a channel."""

Figures = Mapping[str, Decimal]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Slices:
    """How a source is cut.

    `source` is a SELECT that may use `today`; `dimensions` give the SQL of each one's member and its name for
    people; `slices` is the SQL of an array with the names of all slices that a row belongs to, `size_slice` the one
    that members are ranked by ('' for their sum over all); `measures` are SQL expressions by name, and the first
    `ranking` of them decide which members are the greatest.
    """

    source: str
    dimensions: Mapping[str, tuple[str, str]]
    measures: Mapping[str, str]
    slices: str = "['']"
    size_slice: str = ""
    ranking: int = 1

    def sql(self, top: int) -> str:
        """The query: columns dimension, slice, member, name and figures, the greatest member of each first."""
        pairs = ", ".join(f"('{name}', {member}, {label})" for name, (member, label) in self.dimensions.items())
        measures = ", ".join(f"toDecimal128({sql}, 6)" for sql in self.measures.values())
        ranked_by = f"slice = '{self.size_slice}'" if self.size_slice else "true"
        size = ", ".join(
            f"sumIf(figures[{index}], {ranked_by}) OVER (PARTITION BY dimension, key)"
            for index in range(1, self.ranking + 1)
        )
        return f"""
WITH assumeNotNull((SELECT today FROM base_settings)) AS today
SELECT dimension, slice, member, if(place <= {top}, any(label), '{OTHER}') AS name, sumForEach(figures) AS sums
FROM (
    SELECT
        *, least(dense_rank() OVER (PARTITION BY dimension ORDER BY size DESC, key), {top} + 1) AS place,
        if(place <= {top}, key, '{OTHER}') AS member
    FROM (
        SELECT *, tuple({size}) AS size
        FROM (
            SELECT
                pair.1 AS dimension, pair.2 AS key, any(pair.3) AS label, slice, sumForEach(measures) AS figures
            FROM (SELECT [{pairs}] AS pairs, {self.slices} AS slices, [{measures}] AS measures FROM ({self.source}))
            ARRAY JOIN pairs AS pair
            ARRAY JOIN slices AS slice
            GROUP BY dimension, key, slice)))
GROUP BY dimension, slice, place, member
ORDER BY dimension, place"""  # noqa: S608 - our own constants

    def read(self, rows: Iterable[Row]) -> "Sliced":
        """What the query found."""
        members: dict[str, dict[str, Member]] = {name: {} for name in self.dimensions}
        if "all" in members:  # also when there is nothing at all
            members["all"][ALL] = Member(ALL, ALL, {})
        for row in rows:
            of_dimension = members[row["dimension"]]
            member = of_dimension.setdefault(row["member"], Member(row["member"], row["name"], {}))
            member.figures[row["slice"]] = dict(zip(self.measures, row["sums"], strict=True))
        return Sliced(tuple(self.measures), {name: list(found.values()) for name, found in members.items()})


@dataclass(frozen=True)
class Member:
    """A member of a dimension: its id, its name for people, and its figures by slice."""

    key: str
    name: str
    figures: dict[str, Figures]

    def figure(self, part: str, measure: str) -> Decimal:
        """A sum; 0 where there is nothing."""
        return self.figures.get(part, {}).get(measure, Decimal(0))


@dataclass(frozen=True)
class Sliced:
    """Figures as they were found, the members of each dimension from the greatest to the least, `(other)` last."""

    measures: Sequence[str]
    members: Mapping[str, Sequence[Member]]

    def shown(self, dimension: str, top: int) -> Sequence[Member]:
        """At most `top` members, and the rest as `(other)` if there is a rest."""
        found = self.members[dimension]
        named = [member for member in found if member.key != OTHER]
        rest = [*named[top:], *(member for member in found if member.key == OTHER)]
        if not rest:
            return named
        parts = {part for member in rest for part in member.figures}
        sums: dict[str, Figures] = {
            part: {name: sum((m.figure(part, name) for m in rest), Decimal(0)) for name in self.measures}
            for part in parts
        }
        return [*named[:top], Member(OTHER, OTHER, sums)]
