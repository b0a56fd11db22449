"""Twilio: status callbacks of voice calls.

Source: Twilio, "Voice: Call resource, StatusCallback" and "TwiML Voice: Number, statusCallback"
(www.twilio.com/docs/voice).

A callback is a form. Only the one that ends a call gives an event, `crm.call.logged`: a call that still rings would
count as missed for as long as it does.

| parameter | becomes |
| --- | --- |
| CallSid | call_id |
| CallStatus completed | status `answered`; `voicemail` where AnsweredBy is a machine's |
| CallStatus busy, failed, no-answer, canceled | status `busy`, `failed`, `missed`, `missed` |
| CallDuration (seconds; `Duration` is in minutes, and not read) | talk_seconds; of a call that was not answered 0 |
| Direction inbound, outbound-api, outbound-dial | direction `inbound`, `outbound` |
| Timestamp (when the call ended) less CallDuration | started_at |
| To of an inbound call, From of an outbound one | rep_id, by `reps` of the source file; no number goes on |
| parameters of the address named by `lead_parameter`, `opportunity_parameter`, `rep_parameter` | lead_id, ... |
| ParentCallSid | the second leg of a call that is counted already: passed over, unless `legs = "all"` |

Order: Timestamp, which has seconds, then SequenceNumber. The id is made of CallSid, CallStatus and SequenceNumber.
"""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import ClassVar, Literal
from urllib.parse import parse_qsl

from pydantic import Field

from schemas.adapters import convert
from schemas.adapters.adapted import NOTHING_KNOWN, Adapted, Context, NotAdaptable
from schemas.adapters.configuration import Names, Source
from schemas.adapters.convert import UnreadableError
from schemas.adapters.draft import Collector, Draft, reading
from schemas.reasons import Reason
from schemas.values import SECOND_US

STATUSES = {
    "completed": "answered",
    "busy": "busy",
    "failed": "failed",
    "no-answer": "missed",
    "canceled": "missed",
}
"""Those that end a call."""
UNDER_WAY = frozenset({"queued", "initiated", "ringing", "answered", "in-progress"})
DIRECTIONS = {"inbound": "inbound", "outbound-api": "outbound", "outbound-dial": "outbound"}

MAX_BYTES, MAX_PARAMETERS = 1 << 20, 500


class Twilio(Source):
    """A Twilio account (`kind = "twilio"`)."""

    kind: ClassVar[Literal["twilio"]] = "twilio"
    account_sid: str | None = Field(None, min_length=1)
    """Callbacks of another account are refused."""
    reps: Names = Field(default={})
    """Rep by number (`+4670...`) or client (`client:ada`)."""
    rep_parameter: str = "rep_id"
    lead_parameter: str = "lead_id"
    opportunity_parameter: str = "opportunity_id"
    legs: Literal["first", "all"] = "first"
    """`all`: legs that a call is connected to count as calls of their own."""


class TwilioCallbacks:
    """Status callbacks of one account become canonical events."""

    def __init__(self, source: Twilio) -> None:
        self._source = source

    def adapt(self, payload: object, context: Context = NOTHING_KNOWN) -> Adapted:
        """Read one form, as it came in the body or as a mapping of its parameters."""
        out = Collector(self._source.source, self._source.revision)
        with out.part(payload):
            self._callback({**context.query, **form(payload)}, out)
        return out.adapted

    def _callback(self, given: Mapping[str, str], out: Collector) -> None:
        source = self._source
        if source.account_sid is not None and given.get("AccountSid") != source.account_sid:
            raise NotAdaptable("wrong-account", "AccountSid: is not the account of this source")
        sid, status = _required(given, "CallSid"), _required(given, "CallStatus")
        if status in UNDER_WAY:
            out.pass_over(status)
            return
        if status not in STATUSES:
            raise NotAdaptable(Reason.INVALID_MEMBER, "CallStatus: is none that is known")
        if given.get("ParentCallSid") and source.legs == "first":
            out.pass_over("second-leg")
            return
        with reading("Timestamp"):
            time_us = _timestamp_us(_required(given, "Timestamp"))
        with reading("SequenceNumber"):
            sequence = min(convert.whole(given.get("SequenceNumber") or 0), 10**6)
        answered = STATUSES[status] == "answered"
        with reading("CallDuration"):
            talked = convert.whole(given.get("CallDuration") or 0) if answered else 0
        machine = answered and given.get("AnsweredBy", "").startswith(("machine", "fax"))
        draft = out.add(Draft("crm.call.logged", time_us, sequence, status)).put_id("call_id", sid)
        draft.put("status", "voicemail" if machine else STATUSES[status], "CallStatus")
        draft.put("talk_seconds", talked, "CallDuration")
        draft.put("started_at", convert.instant(max(0, time_us - min(talked, 10**6) * SECOND_US)), "Timestamp")
        direction = DIRECTIONS.get(given.get("Direction", ""))
        if direction is None and given.get("Direction"):
            out.unmapped("Direction", "other")
        if direction is not None:
            draft.put("direction", direction, "Direction")
        ours = given.get("To" if direction == "inbound" else "From", "")
        rep = given.get(source.rep_parameter) or source.reps.get(ours)
        if rep:
            draft.put("rep_id", rep, source.rep_parameter)
        for member, parameter in (("lead_id", source.lead_parameter), ("opportunity_id", source.opportunity_parameter)):
            if given.get(parameter):
                draft.put(member, given[parameter], parameter)


def form(payload: object) -> dict[str, str]:
    """Read the parameters of a form. Raises NotAdaptable."""
    if isinstance(payload, Mapping):
        if not all(type(name) is str and type(value) is str for name, value in payload.items()):
            raise NotAdaptable("invalid-payload", "the form: must have texts as parameters")
        return dict(payload)
    if not isinstance(payload, bytes | bytearray | memoryview):
        raise NotAdaptable("invalid-payload", "must be a form (application/x-www-form-urlencoded)")
    body = bytes(payload)
    if len(body) > MAX_BYTES:
        raise NotAdaptable(Reason.TOO_LARGE, f"the form has {len(body)} bytes, more than {MAX_BYTES}")
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
    except ValueError:
        raise NotAdaptable("invalid-payload", "is no form in UTF-8, or one of too many parameters") from None
    return dict(pairs)


def _required(given: Mapping[str, str], name: str) -> str:
    value = given.get(name, "").strip()
    if not value:
        raise NotAdaptable(Reason.MISSING_MEMBER, f"{name}: is missing")
    return value


def _timestamp_us(value: str) -> int:
    """Read RFC 2822, `Tue, 29 Sep 2026 10:00:00 +0000`, as Twilio has it, or ISO, as its look-alikes do."""
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return convert.instant_us(value)
    try:
        return convert.instant_us(moment.isoformat())
    except (ValueError, OverflowError):
        raise UnreadableError("is no instant") from None
