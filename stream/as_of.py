"""By when everything that was in Kafka is in the tables: the as-of of the figures.

A manifest's own times do not say it: on a quiet night nothing moves, and the figures are complete all the same. So the
ends of the log are noted each time one looks; the latest note whose ends all shards have passed is the as-of.
"""

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from stream.wait import Ends, Standing, documents_behind, events_behind

MOST_NOTES = 240


class _Note(NamedTuple):
    at: float
    ends: Ends


class AsOf:
    """Notes of where the log ended, and when. `at` is the as-of as Unix time, None while it is not known."""

    def __init__(self) -> None:
        self.at: float | None = None
        self._notes: deque[_Note] = deque(maxlen=MOST_NOTES)
        self._incarnation = ""

    def note(self, at: float, ends: Ends, incarnation: str) -> None:
        """The log ended there at `at`; what another incarnation's log held says nothing of this one."""
        if incarnation != self._incarnation:
            self._notes.clear()
            self._incarnation = incarnation
        self._notes.append(_Note(at, ends))

    def reach(self, standings: Mapping[int, Standing]) -> None:
        """The tables are that far; `standings` were read after the last note."""
        for index, note in enumerate(reversed(self._notes)):
            if not self._behind(note.ends, standings):
                self.at = note.at
                for _ in range(len(self._notes) - 1 - index):
                    self._notes.popleft()
                return

    def _behind(self, ends: Ends, standings: Mapping[int, Standing]) -> bool:
        return bool(
            events_behind(ends, standings, self._incarnation) or documents_behind(ends, standings, self._incarnation)
        )
