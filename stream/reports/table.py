"""What a rolling table is: the columns of its key, its measures, and its contribution function."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from stream.journey import Journey

#: (key, measures, bucket): the bucket counts once in the table's sparse counts, None not at all
Contribution = tuple[tuple[str, ...], tuple[int, ...], int | None]


@dataclass(frozen=True)
class Table:
    """A rolling table.

    `sparse` names its column of exact counts by whole unit, '' without one; `big` names measures that may outgrow 64
    bits when summed.
    """

    name: str
    key: tuple[str, ...]
    measures: tuple[str, ...]
    contribute: Callable[[Journey], Iterator[Contribution]]
    sparse: str = ""
    big: frozenset[str] = frozenset()
