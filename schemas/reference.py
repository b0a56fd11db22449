"""The reference reading of an event: strict JSON and the pydantic models, as plain as it gets.

Ten times slower than `decode`, and what `decode` must agree with.
"""

from pydantic import ValidationError

from schemas import strict_json
from schemas.decode import Event, check_size, check_time, home, refuse_type
from schemas.events import EVENT_TYPES, GROUP_PREFIX, Envelope, Members
from schemas.fields import member_group
from schemas.reasons import Reason, Rejected
from schemas.values import DAY_US, Value


def decode_reference(value: bytes | None, timestamp_ms: int | None, max_future_us: int = DAY_US) -> Event:
    """Do what `schemas.decode.decode` does, by the models alone. Raises Rejected."""
    try:
        document = strict_json.parse(check_size(value))
    except strict_json.InvalidJsonError as error:
        raise Rejected(Reason.INVALID_JSON, f"not valid JSON: {error}") from None
    try:
        envelope = Envelope.model_validate(document)
    except ValidationError as error:
        raise Rejected(Reason.INVALID_ENVELOPE, _first(error)[1]) from None
    event_type = EVENT_TYPES.get(envelope.type)
    if event_type is None:
        refuse_type(envelope.type)
    if timestamp_ms is not None:
        check_time(envelope.time, timestamp_ms, max_future_us)
    try:
        data = event_type.data.model_validate(envelope.data)
    except ValidationError as error:
        kind, message = _first(error)
        reason = Reason.MISSING_MEMBER if kind == "missing" else Reason.INVALID_MEMBER
        raise Rejected(reason, f"data.{message}") from None
    fields = flatten(data)
    return Event(
        envelope.type,
        envelope.id,
        envelope.source,
        envelope.time,
        envelope.sequence or 0,
        fields,
        home(event_type, fields),
    )


def flatten(data: Members) -> dict[str, Value]:
    """The normalised fields of a validated model: what was set, groups spread out, defaults filled in."""
    fields: dict[str, Value] = {}
    for name, field in type(data).model_fields.items():
        value = getattr(data, name)
        if name in GROUP_PREFIX:
            if name in data.model_fields_set:
                fields |= _spread(name, type(data), value)
        elif value is None and not field.is_required() and field.default is not None:
            fields[name] = field.default
        elif name in data.model_fields_set or value is not None:
            fields[name] = value
    return fields


def _first(error: ValidationError) -> tuple[str, str]:
    problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return problem["type"], f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"


def _spread(name: str, model: type[Members], value: Members | None) -> dict[str, Value]:
    group = member_group(model, name)
    if group is None:
        raise LookupError(f"{model.__name__}.{name} is no group")
    members = group.model_fields if value is None else value.model_fields_set
    return {GROUP_PREFIX[name] + member: getattr(value, member, None) for member in members}
