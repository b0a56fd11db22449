"""How an event changes state: the join that does not care for order, repetition or crashes.

A document is what is known of one entity. Each of its fields is a register that carries the order key of the event
that last wrote it; the greater key wins. `stage` and `status` keep their history besides. Joining is commutative,
associative and idempotent, and this module is the only code that merges state.

A document is held as *writes*, ascending by order key: one for every event that still holds a field. A register
stands in its greatest write only; a value of a history stands in the write of every event that set it (as a list,
since a re-used id may give two values to one key).
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from schemas import PERSONAL, Event, entity_key
from schemas import canonical as canonical_member

#: (event time in microseconds, sequence, source, id); the canonical JSON of the value breaks ties
Key = tuple[int, int, str, str]
Fields = dict[str, Any]

HISTORIES = frozenset({"stage", "status"})
HISTORY_LIMIT = 1024
#: a re-used id may give several values to one key, so that a history is longer than its writes
_VALUES_OF_A_KEY = 4
_NO_FIELDS: Fields = {}
#: before a lead's id: the register that says that an opportunity or a call does not belong to that lead (any more)
UNLINKED = "unlinked@"


#: fields of documents that are no members of events, and the member whose canonical form they have
_NAMES = {"merged_into": "lead_id", "outcome": "status"}


def canonical(name: str, value: Any) -> str:  # noqa: ANN401 - the value of any field
    """Canonical JSON of a field's value: what decides between two values of one order key."""
    if name == "deleted" or name.startswith(UNLINKED):
        return "true" if value else "false"
    if name == "figure":
        return "{" + ",".join(f'"{each}":{canonical_member(each, value[each])}' for each in sorted(value)) + "}"
    if name.startswith("team@"):
        name = "team"
    return canonical_member(_NAMES.get(name, name), value)


class Document(msgspec.Struct, array_like=True, gc=False):
    """What is known of one entity.

    `first` is the least time of the events that make it known (None: only merged, deleted, restored or erased),
    `erased` is absorbing.
    """

    writes: list[tuple[Key, Fields]] = msgspec.field(default_factory=list)
    first: int | None = None
    erased: bool = False

    @property
    def empty(self) -> bool:
        """Whether nothing at all has been said of the entity."""
        return not self.writes and self.first is None and not self.erased

    def values(self) -> Fields:
        """Each field's value; of a history the list of values that its latest event set."""
        if len(self.writes) == 1:
            return self.writes[0][1]
        merged: Fields = {}
        for _, fields in self.writes:
            merged.update(fields)
        return merged

    def history(self, name: str) -> list[tuple[Key, Any]]:
        """Every kept (order key, value) of `stage` or `status`, ascending."""
        return [(key, value) for key, fields in self.writes for value in fields.get(name, ())]

    def lead(self, values: Fields) -> str | None:
        """The lead that `lead_id` names, unless a later event has said that it is not that one.

        So a removed association clears the link only where it is the current one, in whatever order they arrive.
        `values` are those of this document.
        """
        lead_id: str | None = values.get("lead_id")
        if lead_id is None or UNLINKED + lead_id not in values:
            return lead_id
        linked, unlinked = self.key_of("lead_id"), self.key_of(UNLINKED + lead_id)
        return None if linked is None or unlinked is None or unlinked > linked else lead_id

    def key_of(self, name: str) -> Key | None:
        """The order key of the event that last wrote a register."""
        for key, fields in self.writes:
            if name in fields:
                return key
        return None


class Change(msgspec.Struct, gc=False):
    """What one event says of one entity.

    `home` is the entity whose shard folds it (a touch lives with its lead); `fields` belong to the one who folds
    them; `personal` holds the values that go to the table of people and nowhere else.
    """

    entity: str
    home: str
    key: Key
    fields: Fields
    known: bool = True
    erased: bool = False
    personal: Fields | None = None


def join_change(document: Document, change: Change) -> bool:
    """Fold a change into its entity's document; True if the document grew."""
    grew = False
    if change.known:
        time = change.key[0]
        if document.first is None or time < document.first:
            document.first = time
            grew = True
    if change.erased and not document.erased:
        document.erased = grew = True
    if change.fields and _join_write(document, change.key, change.fields):
        grew = True
    return grew


def join(document: Document, other: Document) -> bool:
    """Join another copy of the same entity's document; True if the document grew. `other` is used up."""
    grew = False
    if other.first is not None and (document.first is None or other.first < document.first):
        document.first = other.first
        grew = True
    if other.erased and not document.erased:
        document.erased = grew = True
    if not document.writes:
        document.writes = other.writes
        return grew or bool(other.writes)
    for key, fields in other.writes:
        if _join_write(document, key, fields):
            grew = True
    return grew


def _join_write(document: Document, key: Key, fields: Fields) -> bool:
    writes = document.writes
    place = len(writes)
    same = _NO_FIELDS
    drained = False
    for index, (other_key, other) in enumerate(writes):
        if other_key < key:
            for name in other.keys() & fields.keys():
                if name not in HISTORIES:
                    del other[name]
            drained = drained or not other
        elif other_key > key:
            place = min(place, index)
            for name in other.keys() & fields.keys():
                if name not in HISTORIES:
                    del fields[name]
        else:
            same = other
    if same is not _NO_FIELDS:
        grew = _join_same_key(same, fields)
    else:
        grew = bool(fields)
        if grew:
            writes.insert(place, (key, fields))
    if drained:
        document.writes = writes = [write for write in writes if write[1]]
    if len(writes) > HISTORY_LIMIT // _VALUES_OF_A_KEY:
        for name in HISTORIES:
            _prune(document, name)
    return grew


def _join_same_key(mine: Fields, fields: Fields) -> bool:
    """Two events of one order key (a re-used id): the greater canonical value wins, a history keeps both."""
    grew = False
    for name, value in fields.items():
        if name not in mine:
            mine[name] = value
            grew = True
        elif mine[name] == value:  # values of one field have one type: what is equal is the same
            continue
        elif name in HISTORIES:
            values = {canonical(name, each): each for each in (*mine[name], *value)}
            if len(values) > len(mine[name]):
                mine[name] = [values[text] for text in sorted(values)]
                grew = True
        elif canonical(name, value) > canonical(name, mine[name]):
            mine[name] = value
            grew = True
    return grew


def _prune(document: Document, name: str) -> None:
    """Keep the latest 1,024 values of a history and the earliest of each value: a join still."""
    history = document.history(name)
    kept: set[int] = set(range(max(0, len(history) - HISTORY_LIMIT), len(history)))
    seen: set[Any] = set()
    for index, (_, value) in enumerate(history):
        if value not in seen:
            seen.add(value)
            kept.add(index)
    if len(kept) == len(history):
        return
    index = 0
    for _, fields in document.writes:
        if name in fields:
            values = fields[name]
            left = [value for offset, value in enumerate(values) if index + offset in kept]
            index += len(values)
            if left:
                fields[name] = left
            else:
                del fields[name]
    document.writes = [write for write in document.writes if write[1]]


# -- events -> changes ---------------------------------------------------------------------------------------------

_DEAL_STATUS = {"crm.deal.won": "won", "crm.deal.lost": "lost", "crm.deal.reopened": "open"}
_LEAD_PERSONAL = PERSONAL["lead"]
_OPPORTUNITY_PERSONAL = PERSONAL["opportunity"]


def changes(event: Event) -> Iterator[Change]:
    """What an event says, one change an entity (a merge changes every lead that is merged). `event.data` is used up."""
    _, kind, verb = event.type.split(".")
    key = (event.time, event.sequence, event.source, event.id)
    if kind == "lead":
        yield from _lead(verb, key, event.home, event.data)
    elif kind in {"opportunity", "deal"}:
        yield _opportunity(event.type, verb, key, event.home, event.data)
    elif kind == "touch":
        yield _touch(key, event.home, event.data)
    elif kind == "call":
        yield _call(verb, key, event.home, event.data)
    elif kind == "spend":
        # a figure replaces the one before it whole: one register
        yield Change(event.home, event.home, key, {"figure": event.data})
    elif kind == "rep":
        yield _rep(key, event.home, event.data)
    else:
        yield Change(event.home, event.home, key, event.data)


def _split_personal(data: Fields, names: set[str] | frozenset[str]) -> Fields | None:
    """Take personal values out; the document keeps that the field was written, not what."""
    found = data.keys() & names
    if not found:
        return None
    personal = {name: data[name] for name in found}
    data.update(dict.fromkeys(sorted(found)))
    return personal


def _lead(verb: str, key: Key, home: str, data: Fields) -> Iterator[Change]:
    lead_id = data.pop("lead_id")
    if verb == "merged":
        for merged in dict.fromkeys(data["merged_ids"]):
            entity = entity_key("lead", merged)
            yield Change(entity, entity, key, {"merged_into": lead_id}, known=False)
    elif verb == "deleted":
        yield Change(home, home, key, {"deleted": True}, known=False)
    elif verb == "restored":
        yield Change(home, home, key, {"deleted": False}, known=False)
    elif verb == "erased":
        yield Change(home, home, key, {}, known=False, erased=True)
    else:
        personal = _split_personal(data, _LEAD_PERSONAL)
        if "stage" in data:
            data["stage"] = [data["stage"]]
        yield Change(home, home, key, data, personal=personal)


def _opportunity(type_: str, verb: str, key: Key, home: str, data: Fields) -> Change:
    del data["opportunity_id"]
    if verb == "deleted":
        return Change(home, home, key, {"deleted": True}, known=False)
    if verb == "restored":
        return Change(home, home, key, {"deleted": False}, known=False)
    _unlink(data)
    personal = _split_personal(data, _OPPORTUNITY_PERSONAL)
    if type_ in _DEAL_STATUS:
        data["status"] = [_DEAL_STATUS[type_]]
    elif "status" in data:
        data["status"] = [data["status"] or "open"]
    if "stage" in data:
        data["stage"] = [data["stage"]]
    return Change(home, home, key, data, personal=personal)


def _touch(key: Key, home: str, data: Fields) -> Change:
    entity = entity_key("touch", data.pop("lead_id"), data.pop("touch_id"))
    return Change(entity, home, key, data)


def _call(verb: str, key: Key, home: str, data: Fields) -> Change:
    del data["call_id"]
    if verb == "deleted":
        return Change(home, home, key, {"deleted": True}, known=False)
    if verb == "restored":
        return Change(home, home, key, {"deleted": False}, known=False)
    if "status" in data:
        # how a call ended is a register; `status` is the history of an opportunity
        data["outcome"] = data.pop("status")
    _unlink(data)
    return Change(home, home, key, data)


def _unlink(data: Fields) -> None:
    """One register for each lead that was unlinked: two removals must not hide each other."""
    lead_id = data.pop("unlinked_lead_id", None)
    if lead_id is not None:
        data[UNLINKED + lead_id] = True


def _rep(key: Key, home: str, data: Fields) -> Change:
    fields: Fields = {}
    if "name" in data:
        fields["name"] = data["name"]
    if "team" in data:
        # one register for each day from which a team is in force; '' is the beginning of time
        fields["team@" + (data.get("team_since") or "")] = data["team"]
    return Change(home, home, key, fields)
