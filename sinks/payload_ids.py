"""Where in a payload that an adapter refused the ids of leads and opportunities stand.

A CRM's ids are often short numbers, and a payload is full of numbers: only what stands at a member that holds an id of
a record counts as one. Which members these are is told by their names, for payloads differ with their sources and
mappings: `objectId`, `person_id`, `recordIds`, `customer_no`, but neither `portalId` nor `owner_id` nor `amount`. Of a
member that says of nothing which record it means (`id`, `objectId`), a type beside it decides: `subscriptionType`
"deal.creation" of HubSpot, `entity` of Pipedrive, `entityName` of Salesforce.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple
from urllib.parse import parse_qsl

from schemas.adapters import NotAdaptable
from schemas.adapters.payload import parse

__all__ = ["Standing", "scalars_of"]

Kinds = frozenset[str]
BOTH = frozenset({"lead", "opportunity"})
NEITHER: Kinds = frozenset()

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_OF_A_LEAD = frozenset({"lead", "contact", "person", "customer", "client", "user", "visitor", "who", "crm", "prospect"})
_OF_AN_OPPORTUNITY = frozenset({"opportunity", "deal", "what"})
_NEUTRAL = frozenset(
    {"object", "record", "entity", "merged", "merge", "primary", "master", "new", "old", "previous", "converted"}
    | {"from", "to", "external", "source", "parent", "survivor", "data", "row", "sf", "salesforce", "hubspot"}
)
_ID = frozenset({"id", "ids", "key", "keys", "no", "nr", "num", "number", "ref", "uid", "guid", "pk", "code"})
_TYPES = ("subscriptionType", "objectTypeId", "objectType", "entityName", "entity", "object", "type")
_TYPE_WORDS: Mapping[str, Kinds] = {
    **dict.fromkeys(("contact", "lead", "person", "0-1"), frozenset({"lead"})),
    **dict.fromkeys(("deal", "opportunity", "0-3"), frozenset({"opportunity"})),
    **dict.fromkeys(("company", "organization", "account", "call", "activity", "task", "campaign", "owner"), NEITHER),
    **dict.fromkeys(("user", "product", "note", "ticket", "stage", "pipeline", "0-2", "0-48"), NEITHER),
}
_FORM = re.compile(rb"[^\s<>{}\[\]\"=&]+=[^\s<>{}\[\]\"=&]*(?:&[^\s<>{}\[\]\"=&]+=[^\s<>{}\[\]\"=&]*)*")
_DEPTH = 8
"""Of JSON or forms inside strings."""


class Standing(NamedTuple):
    """A value as an id would be written, and which kinds of records its member holds ids of."""

    text: str
    kinds: Kinds


def scalars_of(payload: bytes, query: Mapping[str, str]) -> Iterator[Standing] | None:
    """All strings and numbers of a JSON document or a form, and of its address's query; None for what is neither."""
    document = _decoded(payload)
    if document is None:
        return None
    return _walk({"payload": document, "query": dict(query)}, "", BOTH, 0)


def _decoded(payload: bytes) -> object:
    """A JSON object or array, or the parameters of a form; None for anything else."""
    if _FORM.fullmatch(payload):
        try:
            return [dict([pair]) for pair in parse_qsl(payload.decode("ascii"), keep_blank_values=True)]
        except (ValueError, UnicodeDecodeError):
            return None
    try:
        document = parse(payload)
    except NotAdaptable:
        return None
    return document if isinstance(document, dict | list) else None


def _walk(value: object, name: str, typed: Kinds, depth: int) -> Iterator[Standing]:
    if isinstance(value, dict):
        typed = _typed(value, typed)
        for member, inner in value.items():
            yield Standing(str(member), NEITHER)
            yield from _walk(inner, str(member), typed, depth)
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(inner, name, typed, depth)
    elif isinstance(value, str):
        yield Standing(value, _kinds_of(name, typed))
        inner = _decoded(value.encode("utf-8", "surrogatepass")) if depth < _DEPTH else None
        if inner is not None:
            yield from _walk(inner, name, typed, depth + 1)
    elif isinstance(value, int | Decimal) and not isinstance(value, bool):
        yield Standing(_number(value), _kinds_of(name, typed))


def _typed(document: Mapping[str, object], above: Kinds) -> Kinds:
    """What the records here are, by a type among the members or in a header; else what those around them are."""
    for place in (document, document.get("meta"), document.get("ChangeEventHeader")):
        if not isinstance(place, dict):
            continue
        for name in _TYPES:
            said = place.get(name)
            if isinstance(said, str) and (kinds := _TYPE_WORDS.get(said.partition(".")[0].lower())) is not None:
                return kinds
    return above


def _kinds_of(name: str, typed: Kinds) -> Kinds:
    """Whose ids a member of this name holds."""
    words = [part for word in _WORDS.findall(name) for part in _parted(word.lower())]
    words = [word[:-1] if word.endswith("s") and word not in _ID else word for word in words]
    of_what = [word for word in words if word not in _ID]
    has_id = len(of_what) < len(words)
    if any(word in _OF_AN_OPPORTUNITY for word in of_what):
        return frozenset({"opportunity"}) if _only(of_what, _OF_AN_OPPORTUNITY) else NEITHER
    if any(word in _OF_A_LEAD for word in of_what):
        return frozenset({"lead"}) if _only(of_what, _OF_A_LEAD) else NEITHER
    if has_id and {"from", "to"} & set(of_what) and _only(of_what, NEITHER):
        return BOTH  # of an association: the type is that of one of its ends
    return typed if has_id and _only(of_what, NEITHER) else NEITHER


def _parted(word: str) -> list[str]:
    """`leadid` is `lead`, `id`."""
    for suffix in _ID:
        if word.endswith(suffix) and word.removesuffix(suffix) in _OF_A_LEAD | _OF_AN_OPPORTUNITY | _NEUTRAL:
            return [word.removesuffix(suffix), suffix]
    return [word]


def _only(of_what: list[str], words: frozenset[str]) -> bool:
    """Whether nothing else is named: the owner of a lead is no lead."""
    return all(word in words or word in _NEUTRAL for word in of_what)


def _number(value: int | Decimal) -> str:
    if isinstance(value, Decimal) and value.is_finite() and abs(value) < 1 << 63 and value == int(value):
        value = int(value)
    try:
        return str(value)
    except ValueError:  # longer than any id
        return ""
