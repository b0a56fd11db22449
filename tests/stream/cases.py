"""Small histories with known outcomes: values in, tables out."""

import itertools
import json
from typing import Any

_numbers = itertools.count(1)


def event(type_: str, time: str, **data: Any) -> bytes:
    """One event; a time without a clock is midnight in UTC."""
    at = time if "T" in time else f"{time}T00:00:00Z"
    return json.dumps({"id": str(next(_numbers)), "source": "case", "type": type_, "time": at, "data": data}).encode()


def lead(identifier: str, time: str, **data: Any) -> bytes:
    return event("crm.lead.created", time, lead_id=identifier, **data)


def touch(identifier: str, lead_id: str, time: str, **data: Any) -> bytes:
    return event("crm.touch.recorded", time, touch_id=identifier, lead_id=lead_id, **data)


def opportunity(identifier: str, time: str, **data: Any) -> bytes:
    return event("crm.opportunity.created", time, opportunity_id=identifier, **data)


def deal(verb: str, identifier: str, time: str, **data: Any) -> bytes:
    return event(f"crm.deal.{verb}", time, opportunity_id=identifier, **data)


def call(identifier: str, time: str, **data: Any) -> bytes:
    return event("crm.call.logged", time, call_id=identifier, **data)
