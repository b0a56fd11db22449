"""The contract of what comes in: canonical events, checked and normalised, and why others are refused."""

from schemas.decode import MAX_BYTES, Event, decode, homes
from schemas.events import EVENT_TYPES, PERSONAL, EventType
from schemas.fields import FIELD_KINDS, canonical, instant_text
from schemas.keys import decode_key, entity_key
from schemas.reasons import REASONS, AnyReason, PayloadReason, Reason, Rejected
from schemas.reference import decode_reference
from schemas.values import Value

__all__ = [
    "EVENT_TYPES",
    "FIELD_KINDS",
    "MAX_BYTES",
    "PERSONAL",
    "REASONS",
    "AnyReason",
    "Event",
    "EventType",
    "PayloadReason",
    "Reason",
    "Rejected",
    "Value",
    "canonical",
    "decode",
    "decode_key",
    "decode_reference",
    "entity_key",
    "homes",
    "instant_text",
]
