"""What a dry run finds in the events: what the reports could not use as it is."""

from collections import Counter
from typing import Any

from schemas import Event
from schemas.adapters import GAP
from stream.fold import Key, changes
from stream.rules import Rules

_MEMBERS = {"amount", "currency", "probability", "stage", "status"}
MAX_VALUES = 1000
"""So many different values are counted one by one."""


class Quality:
    """Looks at events under the rules of the settings.

    `stages` of leads that `SIXFOLD_STAGES` does not map count as `tofu`; `mediums` that no channel is known for count
    as `other`; `records_to_fetch` are those whose change the source could not say. What is said of an opportunity is
    put together by its id: another event may bring what this one lacks.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.stages: Counter[str] = Counter()
        self.mediums: Counter[str] = Counter()
        self.records_to_fetch = 0
        self._opportunities: dict[str, _Opportunity] = {}

    def amounts_without_currency(self) -> int:
        """How many opportunities have an amount and no currency: it is taken to be in the reporting one."""
        return sum(
            each.last("amount") is not None and not each.last("currency") for each in self._opportunities.values()
        )

    def stages_without_probability(self) -> Counter[str]:
        """Stages for which `SIXFOLD_STAGE_PROBABILITY` would be needed, and lacks them: open opportunities by stage.

        They have an amount and no probability of their own, so the amount weighs nothing.
        """
        found: Counter[str] = Counter()
        for each in self._opportunities.values():
            stage = each.last("stage")
            if (
                type(stage) is str
                and stage not in self._rules.stage_probability
                and each.last("amount") is not None
                and each.last("probability") is None
                and each.last("status") in (None, "open")
            ):
                _count(found, stage)
        return found

    def look(self, event: Event) -> None:
        """Count what is wrong with an event. `event.data` is used up."""
        data = event.data
        stage = data.get("stage")
        if type(stage) is str and event.type.startswith("crm.lead.") and not self._rules.funnel.mapped(stage):
            _count(self.stages, stage)
        medium = data.get("utm_medium")
        if type(medium) is str and not data.get("channel"):
            source = data.get("utm_source")
            said = {"utm_source": source if type(source) is str else None, "utm_medium": medium}
            if self._rules.origins.said(said).origin.channel == "other":
                _count(self.mediums, medium)
        if event.type == GAP and data.get("open"):
            self.records_to_fetch += 1
        if event.type.startswith(("crm.opportunity.", "crm.deal.")):
            for change in changes(event):
                self._opportunities.setdefault(event.home, _Opportunity()).take(change.key, change.fields)


class _Opportunity:
    """What the latest event said of each member that counts here."""

    __slots__ = ("_said",)

    def __init__(self) -> None:
        self._said: dict[str, tuple[Key, object]] = {}

    def take(self, key: Key, fields: dict[str, Any]) -> None:
        for name in _MEMBERS & fields.keys():
            if name not in self._said or self._said[name][0] <= key:
                value = fields[name]
                self._said[name] = key, value[-1] if type(value) is list else value  # stage and status are histories

    def last(self, name: str) -> object:
        return self._said[name][1] if name in self._said else None


def _count(counter: Counter[str], value: str) -> None:
    if value in counter or len(counter) < MAX_VALUES:
        counter[value] += 1
