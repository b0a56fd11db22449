"""Telephony: calls as JSON, of whatever system can post it.

Source: none; this is Sixfold's own form, for systems that have no adapter.

    {"call_id": "c-1", "status": "answered", "direction": "outbound", "started_at": "2026-03-18T08:05:00Z",
     "duration_seconds": 312, "rep_id": "rep-7", "lead_id": "1042"}

One such object, or an array of them. Each gives `crm.call.logged`.

| member | becomes | member | becomes |
| --- | --- | --- | --- |
| call_id | call_id (required) | rep_id | rep_id |
| time | time of the event, else ended_at, else started_at | lead_id | lead_id |
| status | status | opportunity_id | opportunity_id |
| direction | direction | advanced_to | advanced_to |
| started_at | started_at | deleted (true) | `crm.call.deleted` |
| duration_seconds, duration_milliseconds | talk_seconds | sequence | order within one time |

Instants: ISO, or seconds or milliseconds since 1970. Null clears a member. A system with names of its own gets
`members` in the source file, paths with dots: `call_id = "data.uuid"`; its words get `values`:
`values.status.ANSWERED = "answered"`. Order is that of the times; the id is made of what the object says.
"""

from typing import ClassVar, Literal

from pydantic import Field

from schemas.adapters import convert
from schemas.adapters.adapted import NOTHING_KNOWN, Adapted, Context, NotAdaptable
from schemas.adapters.configuration import Names, Source, Strict
from schemas.adapters.draft import Collector, Draft, reading
from schemas.adapters.fields import CallFields, FieldTable
from schemas.adapters.payload import Object, an_object, at_path
from schemas.reasons import Reason

MEMBERS = {
    "status": "status",
    "direction": "direction",
    "started_at": "started_at",
    "duration_seconds": "talk_seconds",
    "duration_milliseconds": "talk_milliseconds",
    "rep_id": "rep_id",
    "lead_id": "lead_id",
    "opportunity_id": "opportunity_id",
    "advanced_to": "advanced_to",
}
VALUES: dict[str, Names] = {
    "status": {
        **{status: status for status in ("answered", "missed", "busy", "failed", "voicemail")},
        "completed": "answered",
        "no-answer": "missed",
        "no_answer": "missed",
        "canceled": "missed",
        "cancelled": "missed",
    },
    "direction": {"inbound": "inbound", "outbound": "outbound", "in": "inbound", "out": "outbound"},
}
_TIMES = ("time", "ended_at", "started_at")
_OTHER = ("call_id", "deleted", "sequence")


class Words(Strict):
    """The system's own words, in any case, with ours."""

    status: Names = Field(default={})
    direction: Names = Field(default={})


class Telephony(Source):
    """A telephone system (`kind = "telephony"`)."""

    kind: ClassVar[Literal["telephony"]] = "telephony"
    members: dict[
        Literal[
            "call_id",
            "time",
            "ended_at",
            "sequence",
            "deleted",
            "status",
            "direction",
            "started_at",
            "duration_seconds",
            "duration_milliseconds",
            "rep_id",
            "lead_id",
            "opportunity_id",
            "advanced_to",
        ],
        str,
    ] = Field(default={})
    """Where the members of the table stand in the payload."""
    values: Words = Words()


class TelephonyCalls:
    """Calls of one system become canonical events."""

    def __init__(self, source: Telephony) -> None:
        self._source = source
        self._paths = {name: name for name in (*MEMBERS, *_TIMES, *_OTHER)} | {**source.members}
        values = {
            name: {**VALUES[name], **{word.lower(): ours for word, ours in words.items()}}
            for name, words in (("status", source.values.status), ("direction", source.values.direction))
        }
        self._table = FieldTable(CallFields(), MEMBERS, values, source.time_zone)

    def adapt(self, payload: object, context: Context = NOTHING_KNOWN) -> Adapted:  # noqa: ARG002 - one signature
        """Read a call, or an array of calls; JSON bytes or decoded."""
        out = Collector(self._source.source, self._source.revision)
        for document in out.documents(payload):
            for item in document if type(document) is list else [document]:
                with out.part(item):
                    self._call(an_object(item, "call"), out)
        return out.adapted

    def _call(self, item: Object, out: Collector) -> None:
        found = {name: at_path(item, path) for name, path in self._paths.items()}
        with reading(self._paths["call_id"]):
            call_id = convert.identifier(found["call_id"])
        name = next((name for name in _TIMES if found[name] is not None), None)
        if name is None:
            raise NotAdaptable(Reason.MISSING_MEMBER, f"{', '.join(self._paths[each] for each in _TIMES)}: are missing")
        with reading(self._paths[name]):
            time_us = convert.instant_us(found[name], self._source.time_zone)
        with reading(self._paths["sequence"]):
            sequence = 0 if found["sequence"] is None else min(convert.whole(found["sequence"]), 10**16)
        with reading(self._paths["deleted"]):
            if found["deleted"] is not None and convert.flag(found["deleted"]):
                out.add(Draft("crm.call.deleted", time_us, sequence)).put_id("call_id", call_id)
                return
        draft = out.add(Draft("crm.call.logged", time_us, sequence)).put_id("call_id", call_id)
        for member in MEMBERS:
            if found[member] is not None or self._is_null(item, self._paths[member]):
                self._table.write(draft, member, _small(member, found[member]), out, self._paths[member])

    def _is_null(self, item: Object, path: str) -> bool:
        """Whether null stands there: it clears, while what is absent stays as it is."""
        above, dot, name = path.rpartition(".")
        holder = at_path(item, above) if dot else item
        return type(holder) is dict and name in holder


def _small(member: str, raw: object) -> object:
    return raw.lower() if member in ("status", "direction") and type(raw) is str else raw
