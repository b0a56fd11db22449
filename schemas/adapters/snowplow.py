"""Snowplow: enriched events, page views and user ids, as flat JSON (of the enriched stream or of a warehouse).

Source: Snowplow, "Canonical event model" (docs.snowplow.io).

| event | becomes |
| --- | --- |
| `page_view` that begins a visit (`visits.py`) | `crm.touch.recorded` of the user, else of `anonymous/ID` |
| any event with user_id and domain_userid | `crm.lead.merged` of the anonymous visitor into the lead |
| anything else | passed over |

| field | becomes |
| --- | --- |
| event_id | touch_id |
| derived_tstamp, else collector_tstamp (in UTC) | time; at |
| user_id, or what stands at `lead_id` of the source file | lead_id |
| domain_userid, else network_userid | the anonymous visitor |
| mkt_source, mkt_medium, mkt_campaign, mkt_term, mkt_content | utm |
| mkt_clickid with mkt_network Google, Microsoft, Facebook | click_id |
| page_url | utm and click ids of its parameters, where the mkt fields have none |
| page_referrer, else refr_urlhost | referrer, if it is not of one's own domains |

Order is that of the time; the id is made of event_id, which Snowplow keeps when it sends an event twice.
"""

from typing import ClassVar, Literal

from schemas.adapters import convert
from schemas.adapters.adapted import NOTHING_KNOWN, Adapted, Context, NotAdaptable
from schemas.adapters.draft import Collector, Draft, reading
from schemas.adapters.payload import Object, an_object, at_path, text_member, word
from schemas.adapters.visits import TrackingSource, anonymous, lead_id_of, seen_as, write_visit
from schemas.reasons import Reason

_TIMES = ("derived_tstamp", "collector_tstamp")
MARKETING = {
    "mkt_source": "utm.source",
    "mkt_medium": "utm.medium",
    "mkt_campaign": "utm.campaign",
    "mkt_term": "utm.term",
    "mkt_content": "utm.content",
}
_NETWORKS = {"google": "gclid", "doubleclick": "gclid", "microsoft": "msclkid", "facebook": "fbclid"}


class Snowplow(TrackingSource):
    """A Snowplow pipeline (`kind = "snowplow"`)."""

    kind: ClassVar[Literal["snowplow"]] = "snowplow"


class SnowplowEvents:
    """Enriched events of one pipeline become canonical events."""

    def __init__(self, source: Snowplow) -> None:
        self._source = source

    def adapt(self, payload: object, context: Context = NOTHING_KNOWN) -> Adapted:  # noqa: ARG002 - one signature
        """Read an event, or an array of events; JSON bytes or decoded."""
        out = Collector(self._source.source, self._source.revision)
        for document in out.documents(payload):
            for item in document if type(document) is list else [document]:
                with out.part(item):
                    self._event(an_object(item, "event"), out)
        return out.adapted

    def _event(self, item: Object, out: Collector) -> None:
        paths = (*self._source.lead_id, "user_id")
        lead = next((found for path in paths if (found := lead_id_of(at_path(item, path), path))), None)
        visitor = _id(item, "domain_userid") or _id(item, "network_userid")
        kind = item.get("event") or item.get("event_name")
        identifies = lead is not None and visitor is not None
        if kind != "page_view" and not identifies:
            out.pass_over(kind)
            return
        if lead is None and visitor is None:
            raise NotAdaptable(Reason.MISSING_MEMBER, "user_id, domain_userid: are missing")
        name = next((name for name in _TIMES if item.get(name) is not None), None)
        if name is None:
            raise NotAdaptable(Reason.MISSING_MEMBER, "derived_tstamp: is missing")
        with reading(name):
            time_us = convert.instant_us(item[name])
        if lead is not None and visitor is not None:
            seen_as(out, time_us, visitor, lead)
        if kind == "page_view":
            self._touch(item, lead or anonymous(visitor or ""), time_us, out)

    def _touch(self, item: Object, lead: str, time_us: int, out: Collector) -> None:
        draft = Draft("crm.touch.recorded", time_us, 0).put_id("lead_id", lead)
        draft.put("at", convert.instant(time_us), "derived_tstamp")
        referring = item.get("page_referrer") or item.get("refr_urlhost")
        begins = write_visit(draft, self._source, item.get("page_url"), referring)
        for field, member in MARKETING.items():
            with reading(field):
                given = convert.converted("text", item.get(field), "UTC")
            if given is not None:
                draft.put(member, given, field)
                begins = True
        network = _NETWORKS.get(word(item.get("mkt_network")).partition(" ")[0].lower())
        with reading("mkt_clickid"):
            click = convert.converted("text", item.get("mkt_clickid"), "UTC")
        if network is not None and click is not None:
            draft.put(f"click_id.{network}", click, "mkt_clickid")
            begins = True
        if not begins:
            out.pass_over("page-within-a-visit")
            return
        out.add(draft).put_id("touch_id", text_member(item, "event_id"))


def _id(item: Object, path: str) -> str | None:
    raw = at_path(item, path)
    with reading(path):
        return None if convert.plain(raw) is None else convert.identifier(raw)
