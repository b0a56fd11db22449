"""The rules by which history is read: zone, stages, channels, look-back.

Rules are data. Their hash stands in every manifest, and a worker that loads a shard under another hash folds it
again, so that a restart with new rules is the recompute. What only views need (the pivot currency, the fiscal year,
the default model) is not here.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property

import msgspec

from stream.calendar import Calendar
from stream.channels import DEFAULT_PLATFORMS, Origins
from stream.stages import Stages


@dataclass(frozen=True)
class Rules:
    """What decides how raw values become contributions.

    `stage_probability` is in units of 1e-4; `channels` maps a medium to a channel and goes before the default table;
    `search_engines` and `social_networks` add to the default lists; `platforms` maps a platform to its `channel`,
    `source` and `medium`; `lookback_days` of 0 sets no limit. The reporting currency is a rule because the keys of
    rolling rows in a foreign currency carry the day of their rate.
    """

    time_zone: str = "UTC"
    currency: str = "USD"
    stages: Mapping[str, str] = field(default_factory=dict)
    stage_probability: Mapping[str, int] = field(default_factory=dict)
    channels: Mapping[str, str] = field(default_factory=dict)
    search_engines: tuple[str, ...] = ()
    social_networks: tuple[str, ...] = ()
    platforms: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    own_domains: tuple[str, ...] = ()
    lookback_days: int = 0
    call_credit_hours: int = 24

    @cached_property
    def content(self) -> str:
        """The rules as canonical JSON, as kept in the table `rules`."""
        return msgspec.json.encode(asdict(self), order="deterministic").decode()

    @cached_property
    def hash(self) -> str:
        """Sixteen hexadecimal digits that name these rules."""
        return hashlib.sha256(self.content.encode()).hexdigest()[:16]

    @cached_property
    def calendar(self) -> Calendar:
        """Local days in the reporting zone."""
        return Calendar(self.time_zone)

    @cached_property
    def funnel(self) -> Stages:
        """The mapping of a CRM's stage names to the funnel."""
        return Stages(self.stages)

    @cached_property
    def origins(self) -> Origins:
        """Channel, source, medium and campaign of raw marketing values."""
        return Origins(self.channels, self.search_engines, self.social_networks, self.own_domains)

    @cached_property
    def platform_map(self) -> Mapping[str, Mapping[str, str]]:
        """The shipped platforms with the configured ones before them."""
        return {**DEFAULT_PLATFORMS, **self.platforms}

    @cached_property
    def lookback_us(self) -> int:
        """How far before the close a touch may lie, in microseconds; 0 for no limit."""
        return self.lookback_days * 86_400_000_000

    @cached_property
    def call_credit_us(self) -> int:
        """How long after its start a call may be credited with a rise, in microseconds."""
        return self.call_credit_hours * 3_600_000_000
