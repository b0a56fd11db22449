"""Calls: Twilio's callbacks, and the generic form."""

from typing import Any
from urllib.parse import urlencode

import pytest

from schemas.adapters.adapted import Context
from tests.schemas.adapters.samples import (
    NOON,
    NOON_MS,
    TELEPHONY,
    TWILIO,
    adapter,
    decoded,
    read,
    refusals,
    said,
)

SID = TWILIO["CallSid"]


def call(text: str = "", query: dict[str, str] | None = None, **changes: str) -> tuple[str, str, dict[str, Any]]:
    (found,) = said(adapter("twilio", text).adapt({**TWILIO, **changes}, Context(query=query or {})))
    return found


def test_a_completed_call_is_in_seconds_and_began_before_it_ended() -> None:
    """CallDuration has seconds; Duration, beside it, has minutes."""
    expected = (
        "call.logged",
        NOON,
        {
            "call_id": SID,
            "status": "answered",
            "talk_seconds": 312,
            "started_at": "2026-03-01T11:54:48Z",
            "direction": "outbound",
        },
    )
    assert call() == expected
    assert said(adapter("twilio").adapt(urlencode(TWILIO).encode())) == [expected]


@pytest.mark.parametrize(
    ("status", "answered_by", "expected"),
    [
        ("completed", "human", ("answered", 312)),
        ("completed", "machine_end_beep", ("voicemail", 312)),
        ("completed", "fax", ("voicemail", 312)),
        ("busy", "", ("busy", 0)),
        ("failed", "", ("failed", 0)),
        ("no-answer", "", ("missed", 0)),
        ("canceled", "", ("missed", 0)),
    ],
)
def test_how_a_call_ended(status: str, answered_by: str, expected: tuple[str, int]) -> None:
    data = call(CallStatus=status, AnsweredBy=answered_by)[2]
    assert (data["status"], data["talk_seconds"]) == expected


def test_a_call_that_is_under_way_does_not_count_yet() -> None:
    for status in ("queued", "initiated", "ringing", "in-progress", "answered"):
        adapted = adapter("twilio").adapt({**TWILIO, "CallStatus": status})
        assert (adapted.events, adapted.refusals, dict(adapted.passed_over)) == ([], [], {status: 1})


def test_who_was_on_the_phone() -> None:
    text = '[reps]\n"+46700000001" = "rep-7"\n"client:ada" = "rep-8"'
    assert call(text, Direction="inbound")[2]["rep_id"] == "rep-7"  # To is ours
    assert call(text, From="client:ada")[2]["rep_id"] == "rep-8"  # From is ours
    assert "rep_id" not in call(text, From="+1555")[2]
    linked = call(text, query={"lead_id": "1042", "rep_id": "rep-9", "deal": "9"}, Direction="inbound")[2]
    assert (linked["lead_id"], linked["rep_id"]) == ("1042", "rep-9")
    assert call('opportunity_parameter = "deal"', query={"deal": "9"})[2]["opportunity_id"] == "9"


def test_no_number_goes_on() -> None:
    (event,) = adapter("twilio").adapt(TWILIO).events
    assert b"+1500555" not in event
    assert b"+4670" not in event


def test_the_second_leg_is_the_same_call_unless_it_shall_count() -> None:
    leg = {**TWILIO, "ParentCallSid": "CA00000000000000000000000000000000"}
    assert adapter("twilio").adapt(leg).events == []
    assert len(read(adapter("twilio", 'legs = "all"').adapt(leg))) == 1


def test_a_callback_that_comes_again_is_the_same_event() -> None:
    callbacks = adapter("twilio")
    first, again = callbacks.adapt(TWILIO), callbacks.adapt({**TWILIO, "ApiVersion": "x"})
    other = callbacks.adapt({**TWILIO, "CallStatus": "busy"})
    assert first.events == again.events
    assert decoded(first)[0]["id"] != decoded(other)[0]["id"]
    assert decoded(first)[0]["sequence"] == 3


@pytest.mark.parametrize(
    "timestamp",
    ["Sun, 01 Mar 2026 12:00:00 +0000", "Sun, 01 Mar 2026 13:00:00 +0100", "2026-03-01T12:00:00Z", str(NOON_MS)],
)
def test_forms_of_a_timestamp(timestamp: str) -> None:
    assert call(Timestamp=timestamp)[1] == NOON


def test_what_is_wrong_with_a_callback_is_named() -> None:
    def verdict(payload: Any, text: str = "") -> tuple[str, str]:
        (found,) = refusals(adapter("twilio", text).adapt(payload))
        return found

    assert verdict({**TWILIO, "CallSid": " "}) == ("missing-member", "CallSid: is missing")
    assert verdict({**TWILIO, "CallStatus": "weird"}) == ("invalid-member", "CallStatus: is none that is known")
    assert verdict({**TWILIO, "CallDuration": "long"}) == (
        "invalid-member",
        "CallDuration: a string is no decimal number",
    )
    assert verdict({**TWILIO, "Timestamp": "soon"})[0] == "invalid-date"
    assert verdict(TWILIO, 'account_sid = "AC2"') == ("wrong-account", "AccountSid: is not the account of this source")
    assert verdict(b"\xff=1")[0] == "invalid-payload"
    assert verdict(b"&".join(b"a=1" for _ in range(600)))[0] == "invalid-payload"
    assert verdict(b"x" * (1 << 20) + b"x")[0] == "too-large"
    assert verdict({"CallSid": 1})[0] == "invalid-payload"


# -- the generic form


def test_a_call_as_json() -> None:
    assert said(adapter("telephony").adapt(TELEPHONY)) == [
        (
            "call.logged",
            "2026-03-01T12:05:12Z",
            {
                "call_id": "c-1",
                "status": "answered",
                "direction": "outbound",
                "started_at": NOON,
                "talk_seconds": 312,
                "rep_id": "rep-7",
                "lead_id": "1042",
            },
        )
    ]


def test_a_system_with_names_and_words_of_its_own() -> None:
    text = """
        [members]
        call_id = "data.uuid"
        ended_at = "data.hangup"
        duration_milliseconds = "data.billms"
        status = "data.cause"
        direction = "data.dir"
        [values.status]
        NORMAL_CLEARING = "answered"
        [values.direction]
        1 = "inbound"
    """
    payload = {"data": {"uuid": 7, "hangup": NOON_MS, "billms": 45_999, "cause": "NORMAL_CLEARING", "dir": "1"}}
    expected = {"call_id": "7", "talk_seconds": 45, "status": "answered", "direction": "inbound"}
    assert said(adapter("telephony", text).adapt(payload)) == [("call.logged", NOON, expected)]
    unknown = adapter("telephony", text).adapt({"data": {**payload["data"], "cause": "BRAND_NEW"}})
    assert "status" not in said(unknown)[0][2]
    assert unknown.unmapped == {("data.cause", "brand_new"): 1}


def test_null_clears_and_absence_does_not() -> None:
    data = said(adapter("telephony").adapt({"call_id": 1, "time": NOON, "lead_id": None}))[0][2]
    assert data == {"call_id": "1", "lead_id": None}


def test_a_deleted_call_and_an_array() -> None:
    calls = [{"call_id": 1, "time": NOON, "deleted": True}, {"call_id": 2, "time": NOON, "sequence": 4}]
    adapted = adapter("telephony").adapt(calls)
    assert said(adapted) == [("call.deleted", NOON, {"call_id": "1"}), ("call.logged", NOON, {"call_id": "2"})]
    assert decoded(adapted)[1]["sequence"] == 4


def test_what_is_wrong_with_a_call_is_named() -> None:
    adapted = adapter("telephony").adapt(
        [{"call_id": 1}, {"time": NOON}, {"call_id": 1, "time": NOON, "duration_seconds": -1}, 5]
    )
    assert refusals(adapted) == [
        ("missing-member", "time, ended_at, started_at: are missing"),
        ("invalid-member", "call_id: is empty"),
        ("invalid-member", "duration_seconds: -1 is no count"),
        ("invalid-payload", "call: must be an object, not a number"),
    ]
