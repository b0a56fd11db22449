"""Funnel stages: how a CRM's own names map to them, and their rank."""

from collections.abc import Mapping

FUNNEL = ("tofu", "mofu", "bofu", "customer")
TOFU, MOFU, BOFU, CUSTOMER = range(4)
_RANKS = {name: rank for rank, name in enumerate(FUNNEL)}


class Stages:
    """A mapping of stage names, taken verbatim, to ranks of the funnel. The four stages stand for themselves."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._ranks = {name: _RANKS[stage] for name, stage in names.items()} | _RANKS

    def rank(self, stage: str | None) -> int:
        """Rank of a raw stage; a name that is not mapped, and no stage, count as `tofu`."""
        return self._ranks.get(stage, TOFU) if stage else TOFU

    def mapped(self, stage: str | None) -> bool:
        """Whether the name is known; no stage at all needs no mapping."""
        return not stage or stage in self._ranks
