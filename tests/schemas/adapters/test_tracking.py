"""Web tracking: Segment's calls and Snowplow's events as touches, also of visitors who are not known yet."""

from typing import Any

from schemas import decode
from stream import batch
from stream.rules import Rules
from tests.schemas.adapters.samples import (
    NOON,
    SEGMENT_IDENTIFY,
    SEGMENT_PAGE,
    SNOWPLOW,
    adapter,
    decoded,
    refusals,
    said,
)

OWN = 'own_domains = ["example.org"]'
LATER = "2026-03-01T12:05:00Z"


def segment(*items: Any, text: str = "") -> list[tuple[str, str, dict[str, Any]]]:
    return said(adapter("segment", text).adapt(list(items)))


def test_a_page_that_begins_a_visit_is_a_touch_of_a_visitor() -> None:
    assert segment(SEGMENT_PAGE) == [
        (
            "touch.recorded",
            NOON,
            {
                "lead_id": "anonymous/a-1",
                "at": NOON,
                "utm": {"source": "google", "medium": "cpc"},
                "click_id": {"gclid": "g1"},
                "referrer": "www.google.com",
                "touch_id": "m-1",
            },
        )
    ]


def test_a_page_within_a_visit_is_none() -> None:
    inside = {
        **SEGMENT_PAGE,
        "properties": {"url": "https://example.org/pricing", "referrer": "https://shop.example.org/"},
    }
    adapted = adapter("segment", OWN).adapt(inside)
    assert (adapted.events, dict(adapted.passed_over)) == ([], {"page-within-a-visit": 1})
    assert segment(inside, text=OWN + "\nevery_page = true")[0][2]["touch_id"] == "m-1"
    campaign = {**inside, "context": {"campaign": {"name": "Spring", "source": "news", "medium": "email", "id": 1}}}
    assert segment(campaign, text=OWN)[0][2]["utm"] == {"source": "news", "medium": "email", "campaign": "Spring"}


def test_identify_says_who_it_is_and_whose_the_visits_were() -> None:
    assert segment(SEGMENT_IDENTIFY) == [
        ("lead.updated", LATER, {"lead_id": "u-1", "email": "ada@example.org", "name": "Ada Example"}),
        ("lead.merged", LATER, {"lead_id": "u-1", "merged_ids": ["anonymous/a-1"]}),
    ]
    # the CRM knows the person by an id of its own
    by_crm = segment(SEGMENT_IDENTIFY, text='lead_id = ["traits.crm_id"]\n[lead.fields]\nplan = "lead_magnet"')
    assert [data["lead_id"] for _, _, data in by_crm] == ["512", "512"]
    more = {**SEGMENT_IDENTIFY, "traits": {"name": " Ada ", "company": {"name": "Works"}, "email": None}}
    assert segment(more)[0][2] == {"lead_id": "u-1", "name": "Ada", "email": None, "company": "Works"}


def test_visits_before_and_after_the_identification_count_for_the_lead() -> None:
    late = {
        **SEGMENT_PAGE,
        "messageId": "m-3",
        "timestamp": "2026-03-01T13:00:00Z",
        "userId": "u-1",
        "anonymousId": None,
    }
    known = {**SEGMENT_IDENTIFY, "traits": {}, "timestamp": "2026-03-01T12:30:00Z"}
    other = {**SEGMENT_PAGE, "messageId": "m-9", "anonymousId": "a-2"}
    events = adapter("segment").adapt([late, known, SEGMENT_PAGE, other]).events
    for order in (events, events[::-1]):
        tables = batch.tables((decode(event, None) for event in order), Rules())
        ((key, (measures, _)),) = tables["roll_leads"].items()  # the visitor a-2 counts nowhere
        assert (key[1:4], measures[0]) == (("cpc", "google", "cpc"), 1)


def test_pages_of_a_known_visitor_say_so_once_an_hour() -> None:
    """Each would write the link anew otherwise, and a shop has many pages."""
    pages = [
        {**SEGMENT_PAGE, "userId": "u-1", "messageId": f"m-{minute}", "timestamp": f"2026-03-01T12:{minute}:30Z"}
        for minute in range(10, 60, 10)
    ]
    merges = [event for event in adapter("segment").adapt(pages).events if b"lead.merged" in event]
    assert (len(merges), len(set(merges))) == (5, 1)
    # an identification is later than what its hour's pages say
    (identified,) = [event for event in adapter("segment").adapt(SEGMENT_IDENTIFY).events if b"lead.merged" in event]
    assert decode(identified, None).time > decode(merges[0], None).time


def test_alias_track_and_a_batch() -> None:
    alias = {"type": "alias", "userId": "u-1", "previousId": "a-1", "timestamp": NOON}
    adapted = adapter("segment").adapt({"batch": [alias, {"type": "track", "event": "x"}, SEGMENT_PAGE]})
    assert said(adapted)[0] == ("lead.merged", NOON, {"lead_id": "u-1", "merged_ids": ["anonymous/a-1", "a-1"]})
    assert adapted.passed_over == {"track": 1}
    assert len(adapted.events) == 2


def test_a_call_that_is_sent_again_is_the_same_event() -> None:
    calls = adapter("segment")
    again = {**SEGMENT_PAGE, "sentAt": "2026-03-02T00:00:00Z", "receivedAt": "2026-03-02T00:00:01Z"}
    assert calls.adapt(SEGMENT_PAGE).events == calls.adapt(again).events
    other = {**SEGMENT_PAGE, "messageId": "m-7"}
    assert decoded(calls.adapt(SEGMENT_PAGE))[0]["id"] != decoded(calls.adapt(other))[0]["id"]


def test_a_mail_address_is_no_id() -> None:
    """Ids stand in every table; the person's address must not."""
    mail = {"userId": "ada@example.org"}
    problem = "is a mail address, and ids stand in every table: name another one with lead_id"
    assert refusals(adapter("segment").adapt({**SEGMENT_IDENTIFY, **mail})) == [("personal-id", f"userId: {problem}")]
    assert refusals(adapter("snowplow").adapt({**SNOWPLOW, "user_id": "ada@example.org"})) == [
        ("personal-id", f"user_id: {problem}")
    ]
    by_crm = segment({**SEGMENT_IDENTIFY, **mail}, text='lead_id = ["traits.crm_id"]')
    assert [data["lead_id"] for _, _, data in by_crm] == ["512", "512"]


def test_what_is_wrong_with_a_call_is_named() -> None:
    adapted = adapter("segment").adapt(
        [
            {"type": "page"},
            {**SEGMENT_PAGE, "anonymousId": None},
            {**SEGMENT_PAGE, "messageId": None},
            {**SEGMENT_PAGE, "timestamp": "soon"},
            {"type": "alias", "timestamp": NOON},
            {"userId": "u"},
            {**SEGMENT_IDENTIFY, "traits": {"createdAt": "once"}},
        ]
    )
    assert refusals(adapted) == [
        ("missing-member", "timestamp: is missing"),
        ("missing-member", "userId, anonymousId: are missing"),
        ("missing-member", "messageId: is missing"),
        ("invalid-date", "timestamp: a string is no instant in a form that is known"),
        ("missing-member", "userId, previousId: are needed by an alias"),
        ("missing-member", "type: is missing"),
        ("invalid-date", "traits.createdAt: a string is no instant in a form that is known"),
    ]


def test_a_page_view_of_snowplow() -> None:
    assert said(adapter("snowplow", OWN).adapt(SNOWPLOW)) == [
        (
            "touch.recorded",
            NOON,
            {
                "lead_id": "anonymous/d-1",
                "at": NOON,
                "referrer": "news.example.com",
                "utm": {"source": "newsletter", "medium": "email"},
                "click_id": {"fbclid": "f1"},
                "touch_id": "c6ef3124-0000-4000-8000-000000000001",
            },
        )
    ]


def test_any_event_of_snowplow_with_a_user_says_who_the_visitor_is() -> None:
    event = {**SNOWPLOW, "event": "unstruct", "user_id": "u-1"}
    assert said(adapter("snowplow").adapt(event)) == [
        ("lead.merged", NOON, {"lead_id": "u-1", "merged_ids": ["anonymous/d-1"]})
    ]
    page = said(adapter("snowplow", 'lead_id = ["crm_id"]').adapt({**SNOWPLOW, "crm_id": 512, "user_id": "u-1"}))
    assert [data["lead_id"] for _, _, data in page] == ["512", "512"]
    adapted = adapter("snowplow").adapt([{**SNOWPLOW, "event": "page_ping"}, {"event": "page_view"}])
    assert adapted.passed_over == {"page_ping": 1}
    assert refusals(adapted) == [("missing-member", "user_id, domain_userid: are missing")]
    inside = {
        **SNOWPLOW,
        "page_referrer": "https://example.org/",
        "mkt_source": None,
        "mkt_medium": None,
        "mkt_clickid": "",
    }
    assert adapter("snowplow", OWN).adapt(inside).passed_over == {"page-within-a-visit": 1}
