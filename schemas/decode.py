"""From the bytes of a record to a checked, normalised event: the hot path.

It takes what the models of `events.py` take, which here have become tables, one function per member.
`reference.py` reads with the models themselves; a property test holds the two together, to the reason code.
"""

import re
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

import msgspec

from schemas import strict_json
from schemas.events import EVENT_TYPES, SEQUENCE_MAX, SEQUENCE_MIN, EventType
from schemas.fields import instant_text
from schemas.keys import entity_key
from schemas.reasons import Reason, Rejected
from schemas.shape import Shape
from schemas.values import DAY_US, InvalidValueError, Value, identifier, instant, named

MAX_BYTES = 1024 * 1024
"""The longest event, in bytes of its JSON text."""
MAX_KEY_BYTES = 64 * 1024
"""The longest key of an entity, in bytes of its text: identifiers alone never come near it."""


class Event(msgspec.Struct, frozen=True, gc=False):
    """A checked event.

    `time` is microseconds since 1970; `data` holds the normalised fields that the event set (None: it cleared
    them), flat. `home` is the key of the entity that folds it, hence the record key; of a merge it is the
    first merged lead's, see `homes`.
    """

    type: str
    id: str
    source: str
    time: int
    sequence: int
    data: dict[str, Value]
    home: str


def decode(value: bytes | None, timestamp_ms: int | None, max_future_us: int = DAY_US) -> Event:
    """Read one record's value. `timestamp_ms` is the record's Kafka timestamp; None or negative: it has none.

    Raises Rejected, whose reason is the first that applies of: too-large, invalid-json, invalid-envelope,
    unknown-type, time-in-future (by more than `max_future_us` after the timestamp), then that of the first
    bad member in the model's order.
    """
    document = _document(check_size(value))
    if type(document) is not dict:
        raise Rejected(Reason.INVALID_ENVELOPE, f"the event must be an object, not {named(document)}")
    version, name, data = document.get("specversion"), document.get("type"), document.get("data")
    attribute = "id"
    try:
        event_id = identifier(document.get("id"))
        attribute = "source"
        source = identifier(document.get("source"))
        attribute = "time"
        time = instant(document.get("time"))
        attribute = "sequence"
        sequence = _sequence(document.get("sequence"))
    except InvalidValueError as error:
        _refuse_envelope(attribute, document, str(error))
    if type(name) is not str:
        _refuse_envelope("type", document, f"must be a string, not {named(name)}")
    if type(data) is not dict:
        _refuse_envelope("data", document, f"must be an object, not {named(data)}")
    if version is not None and version != "1.0":
        _refuse_envelope("specversion", document, 'must be "1.0"')
    shape = _SHAPES.get(name)
    if shape is None:
        refuse_type(name)
    if timestamp_ms is not None:
        check_time(time, timestamp_ms, max_future_us)
    fields = shape.normalise(data)
    return Event(name, event_id, source, time, sequence, fields, home(EVENT_TYPES[name], fields))


def homes(event: Event) -> list[str]:
    """Keys of all entities that the event changes: one, but of a merge each merged lead's, in order, once.

    A merge of no leads has the survivor's key.
    """
    merged = event.data.get("merged_ids")
    if not isinstance(merged, list) or not merged:
        return [event.home]
    return [entity_key("lead", lead) for lead in dict.fromkeys(merged)]


def home(event_type: EventType, fields: dict[str, Any]) -> str:
    """Record key of an event with these normalised fields.

    Raises Rejected for one that is too long to travel beside the event: of a spend figure, whose key has texts in it.
    """
    merged = fields.get("merged_ids")
    if merged:
        return entity_key(event_type.home, merged[0])
    parts = event_type.parts
    if len(parts) == 1:
        return entity_key(event_type.home, fields[parts[0]])
    key = entity_key(event_type.home, *map(fields.get, parts))
    if len(key) > MAX_KEY_BYTES:
        raise Rejected(Reason.TOO_LARGE, f"data.utm: makes a key of {len(key)} bytes, more than {MAX_KEY_BYTES}")
    return key


def check_size(value: bytes | None) -> bytes:
    """Give back a value of bearable length; raises Rejected for another, and for none at all."""
    if value is None:
        raise Rejected(Reason.INVALID_JSON, "the record has no value")
    if len(value) > MAX_BYTES:
        raise Rejected(Reason.TOO_LARGE, f"the event has {len(value)} bytes, more than {MAX_BYTES}")
    return value


def check_time(time: int, timestamp_ms: int, max_future_us: int) -> None:
    """Raise Rejected where an event's time is too long after its record's timestamp (data against data)."""
    if timestamp_ms >= 0 and time - timestamp_ms * 1000 > max_future_us:
        recorded = instant_text(timestamp_ms * 1000)
        hours = max_future_us / 3_600_000_000
        raise Rejected(
            Reason.TIME_IN_FUTURE,
            f"time: {instant_text(time)} is more than {hours:g} hours after {recorded}, when it was recorded",
        )


def _refuse_envelope(attribute: str, document: dict[str, object], problem: str) -> NoReturn:
    absent = document.get(attribute) is None
    raise Rejected(Reason.INVALID_ENVELOPE, f"{attribute}: {'is missing' if absent else problem}") from None


def refuse_type(name: str) -> NoReturn:
    """Raise Rejected for a type that is not in the contract."""
    shown = name if _TYPE_LIKE.fullmatch(name) else "this one"
    raise Rejected(Reason.UNKNOWN_TYPE, f"type: {shown} is not known; docs/events.md lists those that are")


def _document(value: bytes) -> object:
    try:
        strict_json.check_depth(value)
        try:
            return _JSON.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, InvalidOperation, RecursionError):
            return strict_json.parse(value)
    except strict_json.InvalidJsonError as error:
        raise Rejected(Reason.INVALID_JSON, f"not valid JSON: {error}") from None


def _sequence(value: object) -> int:
    if value is None:
        return 0
    if type(value) is str:
        digits = value.removeprefix("-")
        if digits.isdigit() and digits.isascii() and len(digits.lstrip("0")) < 20:
            # 4,300 digits are the most that int() takes, and zeros in front may be more
            value = int(digits.lstrip("0") or "0") * (-1 if value[0] == "-" else 1)
    if type(value) is int and SEQUENCE_MIN <= value <= SEQUENCE_MAX:
        return value
    raise InvalidValueError("must be an integer of 64 bits or its decimal text")


_TYPE_LIKE = re.compile(r"[A-Za-z0-9._:/-]{1,100}")
_JSON = msgspec.json.Decoder(float_hook=Decimal)
_SHAPES = {name: Shape(event_type.data) for name, event_type in EVENT_TYPES.items()}
