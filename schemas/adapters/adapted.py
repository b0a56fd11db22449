"""What an adapter makes of a payload: events, refusals, and what it passed over."""

from collections import Counter
from dataclasses import dataclass, field

import msgspec

GAP = "crm.gap.posted"
"""The type of the events that say which records must be fetched, for their change did not come through."""


class NotAdaptable(Exception):  # noqa: N818 - a verdict on someone's data, not an error of the program
    """A part of a payload that gives no event.

    `reason` is one of `schemas.Reason`, or `invalid-payload`, `invalid-date`, `invalid-xml`, `wrong-account`,
    `second-figure`, `personal-id`. `message` names the member at
    fault. Numbers and dates are quoted, free text never is: it could be somebody's name.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason, self.message = reason, message


class UnusableTable(Exception):  # noqa: N818 - a verdict on someone's file
    """A CSV whose columns are not those of the format; the message says which are missing."""


@dataclass(frozen=True)
class Refusal:
    """A part of a payload that was refused whole: `raw` is that part as JSON, or the bytes as they came."""

    reason: str
    message: str
    raw: bytes


@dataclass(frozen=True)
class Context:
    """What is known of a payload besides its bytes; no header, no secret, no clock.

    `query` are the parameters of the address that it was sent to. `as_of` is the instant, RFC 3339, at which its
    figures were read at the source: those of ads are restated for weeks, and carry no such instant themselves.
    """

    query: dict[str, str] = field(default_factory=dict)
    as_of: str | None = None


NOTHING_KNOWN = Context()


@dataclass
class Adapted:
    """Everything that came of one payload.

    `events` are canonical events, encoded, ready for the topic of the events: `schemas.decode` takes each.
    `passed_over` counts parts that mean nothing to the reports, by kind. `unmapped` counts raw values that a
    table of the configuration does not know, by field.
    """

    events: list[bytes] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)
    unmapped: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def findings(self) -> list[bytes]:
        """Those of the events that say which records are to be fetched."""
        return [event for event in self.events if _type_of(event).type == GAP]


class _Type(msgspec.Struct):
    type: str


_type_of = msgspec.json.Decoder(_Type).decode
