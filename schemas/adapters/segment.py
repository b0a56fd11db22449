"""Segment: `identify`, `page` and `alias` calls, as its webhooks, Functions and Kafka destination give them.

Source: Twilio Segment, "Segment Spec: Common fields, Identify, Page, Alias" (segment.com/docs/connections/spec).

| call | becomes |
| --- | --- |
| page that begins a visit (`visits.py`) | `crm.touch.recorded` of the user, else of `anonymous/ID` |
| identify with a userId | `crm.lead.updated` with the traits below; a campaign in its context is a touch too |
| identify with userId and anonymousId | besides, `crm.lead.merged` of the anonymous visitor into the lead |
| alias | `crm.lead.merged` of previousId into userId |
| track, screen, group | passed over |

| member | becomes |
| --- | --- |
| messageId | touch_id |
| timestamp, else originalTimestamp, sentAt, receivedAt | time; at |
| context.campaign {source, medium, name, term, content} | utm; `name` is utm.campaign |
| properties.url, context.page.url | utm and click ids of its parameters, where context.campaign has none |
| properties.referrer, context.page.referrer | referrer, if it is not of one's own domains |
| traits.name, or firstName and lastName | name |
| traits.email, traits.company (a text, or its `name`) | email, company |
| traits.createdAt | created_at |

The lead is what stands at the first of `lead_id` of the source file (`traits.crm_id`), else the userId. Other
traits get members by `lead.fields`. Order is that of `timestamp`, which Segment corrects for wrong clocks; the id is
made of messageId, so that a call sent twice is one.
"""

from typing import ClassVar, Literal

from schemas.adapters import convert
from schemas.adapters.adapted import NOTHING_KNOWN, Adapted, Context, NotAdaptable
from schemas.adapters.draft import Collector, Draft, reading
from schemas.adapters.fields import FieldTable
from schemas.adapters.payload import Object, an_object, at_path, text_member
from schemas.adapters.visits import TrackingSource, anonymous, lead_id_of, merged, seen_as, write_visit
from schemas.reasons import Reason

TRAITS = {"name": "name", "email": "email", "createdAt": "created_at"}
_TIMES = ("timestamp", "originalTimestamp", "sentAt", "receivedAt")
_CAMPAIGN = {"source": "source", "medium": "medium", "name": "campaign", "term": "term", "content": "content"}
_CALLS = frozenset({"identify", "page", "alias"})


class Segment(TrackingSource):
    """A Segment source (`kind = "segment"`)."""

    kind: ClassVar[Literal["segment"]] = "segment"


class SegmentCalls:
    """Calls of one Segment source become canonical events."""

    def __init__(self, source: Segment) -> None:
        self._source = source
        self._traits = FieldTable(source.lead, TRAITS, {}, source.time_zone)

    def adapt(self, payload: object, context: Context = NOTHING_KNOWN) -> Adapted:  # noqa: ARG002 - one signature
        """Read a call, an array of calls, or `{"batch": [..]}`; JSON bytes or decoded."""
        out = Collector(self._source.source, self._source.revision)
        for document in out.documents(payload):
            batch = document.get("batch") if type(document) is dict else document
            for item in batch if type(batch) is list else [document]:
                with out.part(item):
                    self._call(an_object(item, "call"), out)
        return out.adapted

    def _call(self, item: Object, out: Collector) -> None:
        call = text_member(item, "type")
        if call not in _CALLS:
            out.pass_over(call)
            return
        name = next((name for name in _TIMES if item.get(name) is not None), None)
        if name is None:
            raise NotAdaptable(Reason.MISSING_MEMBER, "timestamp: is missing")
        with reading(name):
            time_us = convert.instant_us(item[name])
        visitor = self._id(item, "anonymousId")
        if call == "alias":
            user = lead_id_of(item.get("userId"), "userId")
            previous = lead_id_of(item.get("previousId"), "previousId")
            if user is None or previous is None:
                raise NotAdaptable(Reason.MISSING_MEMBER, "userId, previousId: are needed by an alias")
            # a previous id may be that of a visitor or of a user
            gone = [each for each in (anonymous(previous), previous) if each != user]
            out.add(Draft("crm.lead.merged", time_us, 0, lead_id=user, merged_ids=gone))
            return
        lead = self._lead(item)
        if lead is None and visitor is None:
            raise NotAdaptable(Reason.MISSING_MEMBER, "userId, anonymousId: are missing")
        if call == "identify" and lead is not None:
            self._identify(item, lead, time_us, out)
        if lead is not None and visitor is not None:
            (merged if call == "identify" else seen_as)(out, time_us, visitor, lead)
        self._touch(item, lead or anonymous(visitor or ""), time_us, call, out)

    def _identify(self, item: Object, lead: str, time_us: int, out: Collector) -> None:
        traits = item.get("traits")
        traits = traits if type(traits) is dict else {}
        draft = out.add(Draft("crm.lead.updated", time_us, 0, _message_id(item))).put_id("lead_id", lead)
        for trait in self._traits:
            if at_path(traits, trait) is not None or traits.get(trait, "") is None:
                self._traits.write(draft, trait, at_path(traits, trait), out, f"traits.{trait}")
        with reading("traits.firstName, traits.lastName"):
            words = [convert.plain(traits.get(name)) for name in ("firstName", "lastName")]
        if not draft.has("name") and None not in words:
            draft.put("name", " ".join(map(str, words)), "traits.firstName, traits.lastName")
        company = traits.get("company")
        company = company.get("name") if type(company) is dict else company
        if type(company) is str:
            draft.put("company", company.strip() or None, "traits.company")

    def _touch(self, item: Object, lead: str, time_us: int, call: str, out: Collector) -> None:
        draft = Draft("crm.touch.recorded", time_us, 0).put_id("lead_id", lead)
        draft.put("at", convert.instant(time_us), "timestamp")
        page = call == "page"
        address = at_path(item, "properties.url") or at_path(item, "context.page.url")
        referring = at_path(item, "properties.referrer") or at_path(item, "context.page.referrer")
        begins = page and write_visit(draft, self._source, address, referring)
        campaign = at_path(item, "context.campaign")
        for name, member in _CAMPAIGN.items():
            if type(campaign) is dict and campaign.get(name) is not None:
                with reading(f"context.campaign.{name}"):
                    given = convert.converted("text", campaign[name], "UTC")
                if given is not None:
                    draft.put(f"utm.{member}", given, f"context.campaign.{name}")
                    begins = True
        if not begins:
            if page:
                out.pass_over("page-within-a-visit")
            return
        out.add(draft).put_id("touch_id", text_member(item, "messageId"))

    def _lead(self, item: Object) -> str | None:
        paths = (*self._source.lead_id, "userId")
        return next((found for path in paths if (found := lead_id_of(at_path(item, path), path))), None)

    def _id(self, item: Object, name: str) -> str | None:
        with reading(name):
            return None if convert.plain(item.get(name)) is None else convert.identifier(item[name])


def _message_id(item: Object) -> str:
    given = item.get("messageId")
    return given[:256] if type(given) is str else ""
