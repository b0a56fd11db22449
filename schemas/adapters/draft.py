"""Events in the making: what an adapter reads from one part of a payload, until the contract has taken it.

A part is taken whole or refused whole. The id of an event is a hash of what the adapter names as the identity of
the change and of what the event says, personal values left out: the same payload gives the same event again
(with the same configuration), two changes give two.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from schemas.adapters import convert, payload
from schemas.adapters.adapted import GAP, Adapted, NotAdaptable, Refusal
from schemas.adapters.convert import Json, UnreadableError
from schemas.decode import decode
from schemas.events import EVENT_TYPES, PERSONAL
from schemas.reasons import Reason, Rejected

REVISION = 10**17
"""`sequence` is the revision of the configuration times this, plus the source's own order."""

_encode = msgspec.json.Encoder().encode
_encode_sorted = msgspec.json.Encoder(order="sorted").encode


class Draft:
    """One event of `type`, at `time_us` microseconds since 1970; `sequence` is below 10^17."""

    def __init__(self, type_: str, time_us: int, sequence: int, *identity: Json, **data: Json) -> None:
        self.type, self.time_us, self.sequence, self.identity = type_, time_us, sequence, identity
        self.data: dict[str, object] = dict(data)
        self._origins: dict[str, str] = {}

    def put_id(self, member: str, value: str) -> "Draft":
        """Set the id of what the event is about; gives the draft back."""
        self.put(member, value, member)
        return self

    def put(self, member: str, value: Json, origin: str) -> None:
        """Set a member, `group.name` inside a group; `origin` is the provider's name of it, for messages."""
        group, dot, name = member.partition(".")
        if dot:
            inner = self.data.setdefault(group, {})
            if isinstance(inner, dict):
                inner[name] = value
        else:
            self.data[member] = value
        self._origins[f"data.{member}"] = origin

    def has(self, member: str) -> bool:
        """Whether a member was set, to null as well."""
        return member in self.data

    def explained(self, rejected: Rejected) -> NotAdaptable:
        """A verdict of the contract in the provider's words."""
        place, colon, problem = rejected.message.partition(":")
        origin = self._origins.get(place)
        return NotAdaptable(rejected.reason, f"{origin}:{problem} ({place})" if origin and colon else rejected.message)


class Collector:
    """Gathers what one payload gives."""

    def __init__(self, source: str, revision: int) -> None:
        self._source, self._revision = source, revision
        self.adapted = Adapted()
        self._drafts: list[Draft] = []

    @contextmanager
    def part(self, part: object) -> Iterator[None]:
        """Take in the drafts that are added inside, all or none; what is raised becomes a refusal."""
        self._drafts = []
        try:
            yield
            self.adapted.events += [self._checked(draft) for draft in self._drafts]
        except NotAdaptable as verdict:
            self.adapted.refusals.append(Refusal(str(verdict.reason), verdict.message, payload.raw(part)))
        finally:
            self._drafts = []

    def documents(self, given: object) -> list[object]:
        """Read a payload's JSON: a list of the one document, empty when it was refused, or is a tombstone."""
        if given is None:  # Kafka's own way to say that a key is gone: the change that said why came before it
            self.pass_over("tombstone")
            return []
        found = []
        with self.part(given):
            found.append(payload.parse(given))
        return found

    def add(self, draft: Draft) -> Draft:
        """Add an event to the part at hand; gives it back, for members to be put in."""
        self._drafts.append(draft)
        return draft

    def pass_over(self, kind: object) -> None:
        """Count something that means nothing to the reports."""
        self.adapted.passed_over[payload.label(kind)] += 1

    def unmapped(self, field: str, value: object) -> None:
        """Count a raw value that a table of the configuration does not know."""
        self.adapted.unmapped[field, str(value)] += 1

    def gap(self, time_us: int, sequence: int, entity: str, record: str, change: str, *identity: Json) -> None:
        """Say that a record of the source must be fetched, because its change did not come through whole."""
        self.add(
            Draft(
                GAP,
                time_us,
                sequence,
                *identity,
                system=self._source,
                entity=entity,
                record=record,
                open=True,
                change=change,
            )
        )

    def close_gap(self, time_us: int, entity: str, record: str) -> None:
        """Say that a record was fetched, as it was at this time; whatever was asked for in the same second is there."""
        draft = self.add(Draft(GAP, time_us, REVISION - 1, "fetched", system=self._source, entity=entity))
        draft.put("record", record, "record")
        draft.put("open", False, "open")

    def _checked(self, draft: Draft) -> bytes:
        sequence = self._revision * REVISION + draft.sequence
        try:
            identity = _encode_sorted([draft.type, *draft.identity, _without_personal(draft)])
            event = _encode(
                {
                    "specversion": "1.0",
                    "id": f"{draft.type.removeprefix('crm.')}/{hashlib.sha256(identity).hexdigest()[:32]}",
                    "source": self._source,
                    "type": draft.type,
                    "time": convert.instant(draft.time_us),
                    **({"sequence": sequence} if sequence else {}),
                    "data": draft.data,
                }
            )
            decode(event, None)
        except Rejected as rejected:
            raise draft.explained(rejected) from None
        except (UnicodeEncodeError, OverflowError, msgspec.EncodeError) as error:
            raise NotAdaptable(Reason.INVALID_JSON, f"holds text that is no Unicode ({type(error).__name__})") from None
        return event


@contextmanager
def reading(place: str) -> Iterator[None]:
    """Name the place at which a raw value could not be read."""
    try:
        yield
    except UnreadableError as error:
        raise NotAdaptable(error.reason, f"{place}: {error}") from None


def _without_personal(draft: Draft) -> dict[str, object]:
    personal = PERSONAL.get(EVENT_TYPES[draft.type].home, frozenset())
    return {name: value for name, value in draft.data.items() if name not in personal}
