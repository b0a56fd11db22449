"""What a rolling table is: the columns of its key, its measures, and its contribution function."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import msgspec

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

    @cached_property
    def row(self) -> Callable[..., msgspec.Struct]:
        """Makes a row to be written, of shard, epoch, version, is_deleted, then key, measures and sparse counts."""
        columns = ("shard", "epoch", "version", "is_deleted", *self.key, *self.measures)
        return msgspec.defstruct(self.name, (*columns, self.sparse) if self.sparse else columns, gc=False)
