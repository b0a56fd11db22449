"""What a dry run finds in the events: what the reports could not use as it is."""

from collections import Counter

from schemas import Event
from schemas.adapters import GAP
from stream.channels import Raw
from stream.rules import Rules

MAX_VALUES = 1000
"""So many different values are counted one by one."""


class Quality:
    """Looks at events under the rules of the settings.

    `stages` that `SIXFOLD_STAGES` does not map count as `tofu`; `mediums` that no channel is known for count as
    `other`; `amounts_without_currency` are taken to be in the reporting currency; `records_to_fetch` are those
    whose change the source could not say.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.stages: Counter[str] = Counter()
        self.mediums: Counter[str] = Counter()
        self.amounts_without_currency = 0
        self.records_to_fetch = 0

    def look(self, event: Event) -> None:
        """Count what is wrong with an event."""
        data = event.data
        stage = data.get("stage")
        if type(stage) is str and not self._rules.funnel.mapped(stage):
            _count(self.stages, stage)
        medium = data.get("utm_medium")
        if type(medium) is str and not data.get("channel"):
            source = data.get("utm_source")
            raw = Raw(utm_source=source if type(source) is str else "", utm_medium=medium)
            if self._rules.origins.said(raw).origin.channel == "other":
                _count(self.mediums, medium)
        if data.get("amount") is not None and data.get("currency") is None:
            self.amounts_without_currency += 1
        if event.type == GAP and data.get("open"):
            self.records_to_fetch += 1


def _count(counter: Counter[str], value: str) -> None:
    if value in counter or len(counter) < MAX_VALUES:
        counter[value] += 1
