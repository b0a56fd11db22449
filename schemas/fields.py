"""Normalised fields: of which kind each is, and its canonical JSON text."""

from datetime import UTC, datetime, timedelta
from types import UnionType
from typing import Annotated, Union, get_args, get_origin

import msgspec

from schemas.events import EVENT_TYPES, GROUP_PREFIX, Members
from schemas.kinds import Kind
from schemas.values import UNITS, Value

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def member_kind(model: type[Members], member: str) -> Kind:
    """The kind of a plain member, None-able or not. Raises LookupError for a group such as `utm`."""
    field = model.model_fields[member]
    for marker in field.metadata:
        if isinstance(marker, Kind):
            return marker
    for arm in get_args(field.annotation):
        if get_origin(arm) is Annotated:
            for marker in arm.__metadata__:
                if isinstance(marker, Kind):
                    return marker
    raise LookupError(f"{model.__name__}.{member} is of no kind")


def member_group(model: type[Members], member: str) -> type[Members] | None:
    """The model of a member that is an object (`utm`, `click_id`), None for a plain one."""
    annotation = model.model_fields[member].annotation
    arms = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    for arm in arms:
        if isinstance(arm, type) and issubclass(arm, Members):
            return arm
    return None


def _field_kinds() -> dict[str, str]:
    kinds = {"merged_into": "id"}  # what a merge writes at each merged lead
    for event_type in EVENT_TYPES.values():
        for member in event_type.data.model_fields:
            group = member_group(event_type.data, member)
            if group is None:
                kinds[member] = member_kind(event_type.data, member).name
            else:
                prefix = GROUP_PREFIX[member]
                kinds |= {prefix + name: member_kind(group, name).name for name in group.model_fields}
    return kinds


FIELD_KINDS: dict[str, str] = _field_kinds()
"""Kind of every normalised field: id, text, money, probability, number, instant, date, month, bool, int,
list, currency or enum."""


def canonical(field: str, value: Value) -> str:
    """Canonical JSON text of a normalised value, the last part of an order key.

    Identifiers and texts are JSON strings; money, probabilities and numbers JSON numbers without spare zeros
    (1054 units are `0.1054`); instants strings in UTC without spare zeros. Non-ASCII stays as it is.
    Raises KeyError for an unknown field.
    """
    kind = FIELD_KINDS[field]
    if value is None:
        return "null"
    if isinstance(value, int):
        if kind in ("money", "probability"):
            return _decimal(value)
        if kind == "instant":
            return f'"{instant_text(value)}"'
    elif kind == "number" and isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()


def instant_text(us: int) -> str:
    """Microseconds since 1970 as an instant in UTC, without spare zeros: `2026-03-01T12:00:00.5Z`."""
    written = (_EPOCH + timedelta(microseconds=us)).replace(tzinfo=None).isoformat()
    return (written.rstrip("0") if "." in written else written) + "Z"


def _decimal(units: int) -> str:
    whole, rest = divmod(abs(units), UNITS)
    sign = "-" if units < 0 else ""
    return f"{sign}{whole}.{rest:04}".rstrip("0").rstrip(".") if rest else f"{sign}{whole}"
