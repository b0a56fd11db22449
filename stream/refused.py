"""What an adapter refused, as a record for the topic of the events: the worker turns it into a dead letter."""

import base64

import msgspec

from schemas.adapters import Refusal

__all__ = ["TYPE", "refused_record"]

TYPE = "sixfold.payload.refused"
_encode = msgspec.json.Encoder().encode


def refused_record(source_name: str, refusal: Refusal) -> bytes:
    """Write a refusal down, its payload as text where it is some."""
    try:
        payload = {"payload": refusal.raw.decode("utf-8")}
    except UnicodeDecodeError:
        payload = {"payload_base64": base64.b64encode(refusal.raw).decode()}
    data = {"source": source_name, "reason": refusal.reason, "message": refusal.message, **payload}
    return _encode({"type": TYPE, "data": data})
