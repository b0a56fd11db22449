"""What the contract says of single values, tried by hand: raw JSON in, the normalised value or the reason code out.

`tests/schemas/` holds the two decoders against each other; here both are held against the contract's words.
"""

import json
from typing import Any

import pytest

from schemas import Rejected, decode, decode_reference

LEAD = '"lead_id": "L"'
OPPORTUNITY = '"opportunity_id": "O"'
SPEND = '"platform": "google_ads", "date": "2026-03-01", "amount": 1, "currency": "EUR"'
REFUSED = ("invalid-member",)


def event(inside: str, type_: str = "crm.lead.updated", **envelope: str) -> bytes:
    """One event; `inside` is that of its data, envelope members are raw JSON ('' leaves one out)."""
    members = {
        "specversion": '"1.0"',
        "id": '"1"',
        "source": '"test"',
        "type": json.dumps(type_),
        "time": '"2026-03-01T00:00:00Z"',
        "data": "{" + inside + "}",
        **envelope,
    }
    return ("{" + ", ".join(f'"{name}": {raw}' for name, raw in members.items() if raw) + "}").encode()


def outcome(value: bytes, timestamp_ms: int | None = None) -> Any:
    """The event, or (reason,); both decoders must agree."""
    found = []
    for read in (decode, decode_reference):
        try:
            found.append(read(value, timestamp_ms))
        except Rejected as rejected:
            found.append((str(rejected.reason),))
    assert found[0] == found[1]
    return found[0]


def member(data: str, name: str, type_: str) -> Any:
    found = outcome(event(data, type_))
    return found if isinstance(found, tuple) else found.data.get(name, "absent")


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ("42", "42"),
        ('"42"', "42"),
        ('"042"', "042"),
        ("-7", "-7"),
        ("0", "0"),
        ("18446744073709551616", "18446744073709551616"),  # above 64 bits
        ("9" * 256, "9" * 256),
        ("9" * 257, REFUSED),
        (f'"{"ü" * 256}"', "ü" * 256),  # characters, not bytes
        (f'"{"x" * 257}"', REFUSED),
        ('" a/b,c:%"', " a/b,c:%"),
        ('""', REFUSED),
        ("42.0", REFUSED),
        ("4.2", REFUSED),
        ("1e3", REFUSED),
        ("true", REFUSED),
        ("false", REFUSED),
        ('["42"]', REFUSED),
        ("{}", REFUSED),
    ],
)
def test_identifiers(raw: str, wanted: Any) -> None:
    assert member(f'"owner_id": {raw}, {LEAD}', "owner_id", "crm.lead.updated") == wanted
    assert member(f'"lead_id": {raw}', "lead_id", "crm.lead.updated") == wanted
    found = outcome(event(f'"lead_id": "L", "merged_ids": [{raw}]', "crm.lead.merged"))
    assert (found if isinstance(found, tuple) else found.data["merged_ids"][0]) == wanted
    found = outcome(event(LEAD, id=raw))
    assert (found if isinstance(found, tuple) else found.id) == (("invalid-envelope",) if wanted == REFUSED else wanted)


MONEY = [
    ("12500", 12_500_0000),
    ('"12500"', 12_500_0000),
    ('"12500.00"', 12_500_0000),
    ("12500.5", 12_500_5000),
    ("12345678901234.5678", 12_345_678_901_234_5678),  # a float would lose digits
    ('"12345678901234.5678"', 12_345_678_901_234_5678),
    ('"99999999999999.9999"', 99_999_999_999_999_9999),
    ("-99999999999999.9999", -99_999_999_999_999_9999),
    ("100000000000000", REFUSED),  # 15 integer digits
    ('"100000000000000"', REFUSED),
    ('"1e3"', 1000_0000),
    ("1e3", 1000_0000),
    ("1E+3", 1000_0000),
    ("1e13", 10**17),
    ("1e14", REFUSED),
    ("1e-4", 1),
    ("1e-5", REFUSED),
    ('"0.0001"', 1),
    ('"0.00001"', REFUSED),
    ("0.12345", REFUSED),
    ('"1.00000"', 1_0000),  # five decimals are written, none is lost
    ('"0.00010e1"', 10),
    ('"12.5e-1"', 1_2500),
    ('"-0"', 0),
    ("-0.0", 0),
    ("0e999999999", 0),
    ("1e999999999", REFUSED),
    ('"-0.5"', -5000),
    ('"007.50"', 7_5000),
    ('"+5"', REFUSED),
    ('".5"', REFUSED),
    ('"5."', REFUSED),
    ('" 5"', REFUSED),
    ('"5 "', REFUSED),
    ('"1,000"', REFUSED),
    ('"1 000"', REFUSED),
    ('"1_000"', REFUSED),
    ('"1.000,00"', REFUSED),
    ('"€5"', REFUSED),
    ('"５"', REFUSED),  # a digit, but not one of ASCII
    ('"NaN"', REFUSED),
    ('"Infinity"', REFUSED),
    ('""', REFUSED),
    ('"-"', REFUSED),
    ("true", REFUSED),
    ("[5]", REFUSED),
]


@pytest.mark.parametrize(("raw", "wanted"), MONEY)
def test_money(raw: str, wanted: Any) -> None:
    assert member(f'{OPPORTUNITY}, "amount": {raw}', "amount", "crm.opportunity.updated") == wanted
    assert member(f'{OPPORTUNITY}, "cost": {raw}', "cost", "crm.deal.won") == wanted
    assert member(f'"campaign_id": "c", "budget": {raw}', "budget", "crm.campaign.upserted") == wanted
    spend = f'"platform": "p", "date": "2026-03-01", "currency": "EUR", "amount": {raw}'
    assert member(spend, "amount", "crm.spend.posted") == wanted


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ("0", 0),
        ("1", 10_000),
        ("1.0", 10_000),
        ("0.25", 2500),
        ('"0.3333"', 3333),
        ('"25e-2"', 2500),
        ("0.33333", REFUSED),
        ("1.0001", REFUSED),
        ("-0.1", REFUSED),
        ("25", REFUSED),
        ('"25%"', REFUSED),
    ],
)
def test_probabilities(raw: str, wanted: Any) -> None:
    assert member(f'{OPPORTUNITY}, "probability": {raw}', "probability", "crm.opportunity.updated") == wanted


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ('"1970-01-01"', "1970-01-01"),
        ('"2148-12-31"', "2148-12-31"),
        ('"2024-02-29"', "2024-02-29"),
        ('"1969-12-31"', REFUSED),
        ('"2149-01-01"', REFUSED),
        ('"2026-02-29"', REFUSED),
        ('"2026-13-01"', REFUSED),
        ('"2026-3-1"', REFUSED),
        ('"20260301"', REFUSED),
        ('"2026-W09-7"', REFUSED),
        ('"2026-03-01T00:00:00Z"', REFUSED),
        ('"01.03.2026"', REFUSED),
        ('" 2026-03-01"', REFUSED),
        ('""', REFUSED),
        ("20260301", REFUSED),
    ],
)
def test_dates(raw: str, wanted: Any) -> None:
    assert member(f'{OPPORTUNITY}, "due_date": {raw}', "due_date", "crm.opportunity.updated") == wanted


DAY = 86_400_000_000
MARCH = 20_513 * DAY  # 2026-03-01


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ("2026-03-01T00:00:00Z", MARCH),
        ("2026-03-01t00:00:00z", MARCH),
        ("2026-03-01 00:00:00Z", MARCH),
        ("2026-03-01T01:00:00+01:00", MARCH),
        ("2026-02-28T19:00:00-05:00", MARCH),
        ("2026-03-01T05:30:00+05:30", MARCH),
        ("2026-03-01T00:00:00-00:00", MARCH),
        ("2026-03-01T00:00:00.5Z", MARCH + 500_000),
        ("2026-03-01T00:00:00.123456Z", MARCH + 123_456),
        ("2026-03-01T00:00:00.1234569Z", MARCH + 123_456),  # cut, not rounded
        ("2026-03-01T00:00:00.9999999999Z", MARCH + 999_999),
        ("2026-02-28T23:59:60Z", MARCH),  # a leap second
        ("1970-01-01T00:00:00Z", 0),
        ("2148-12-31T23:59:59.999999Z", 65_379 * DAY - 1),
        ("2149-01-01T00:30:00+01:00", 65_379 * DAY - 1_800_000_000),
        ("1970-01-01T00:30:00+01:00", REFUSED),  # 1969 in UTC
        ("1969-12-31T23:59:59Z", REFUSED),
        ("2149-01-01T00:00:00Z", REFUSED),
        ("2026-03-01T00:00:00", REFUSED),
        ("2026-03-01T00:00Z", REFUSED),
        ("2026-03-01", REFUSED),
        ("2026-03-01T24:00:00Z", REFUSED),
        ("2026-03-01T00:00:61Z", REFUSED),
        ("2026-03-01T00:00:00+0100", REFUSED),
        ("2026-03-01T00:00:00+01", REFUSED),
        ("2026-03-01T00:00:00+24:00", REFUSED),
        ("2026-03-01T00:00:00,5Z", REFUSED),
        ("2026-03-01T00:00:00.Z", REFUSED),
        ("2026-02-30T00:00:00Z", REFUSED),
        ("1772323200", REFUSED),
    ],
)
def test_instants(raw: str, wanted: Any) -> None:
    assert member(f'{LEAD}, "created_at": "{raw}"', "created_at", "crm.lead.created") == wanted
    found = outcome(event(LEAD, time=f'"{raw}"'))
    assert (found if isinstance(found, tuple) else found.time) == (
        ("invalid-envelope",) if wanted == REFUSED else wanted
    )


def test_an_instant_is_no_number() -> None:
    assert member(f'{LEAD}, "created_at": 1772323200', "created_at", "crm.lead.created") == REFUSED
    assert outcome(event(LEAD, time="1772323200")) == ("invalid-envelope",)


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ("", 0),
        ("null", 0),
        ("7", 7),
        ('"7"', 7),
        ('"007"', 7),
        ('"' + "0" * 5000 + '7"', 7),
        ("-7", -7),
        ('"-7"', -7),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", None),
        ('"9223372036854775808"', None),
        ("7.0", None),
        ('"7.0"', None),
        ('"+7"', None),
        ('" 7"', None),
        ('""', None),
        ('"٧"', None),
        ("true", None),
    ],
)
def test_sequences(raw: str, wanted: int | None) -> None:
    found = outcome(event(LEAD, sequence=raw))
    assert (found if isinstance(found, tuple) else found.sequence) == (
        ("invalid-envelope",) if wanted is None else wanted
    )


@pytest.mark.parametrize(
    ("envelope", "wanted"),
    [
        ({"specversion": ""}, None),
        ({"specversion": "null"}, None),
        ({"specversion": '"1.0"'}, None),
        ({"specversion": '"0.3"'}, "invalid-envelope"),
        ({"specversion": '"1"'}, "invalid-envelope"),
        ({"specversion": "1.0"}, "invalid-envelope"),
        ({"id": ""}, "invalid-envelope"),
        ({"id": "null"}, "invalid-envelope"),
        ({"id": '""'}, "invalid-envelope"),
        ({"source": ""}, "invalid-envelope"),
        ({"source": '""'}, "invalid-envelope"),
        ({"source": f'"{"s" * 256}"'}, None),
        ({"source": f'"{"s" * 257}"'}, "invalid-envelope"),
        ({"time": ""}, "invalid-envelope"),
        ({"time": '"1969-12-31T23:59:59Z"'}, "invalid-envelope"),
        ({"data": ""}, "invalid-envelope"),
        ({"data": "null"}, "invalid-envelope"),
        ({"data": "[]"}, "invalid-envelope"),
        ({"type": ""}, "invalid-envelope"),
        ({"type": "5"}, "invalid-envelope"),
        ({"type": '"crm.lead.Created"'}, "unknown-type"),
        ({"type": '"crm.lead"'}, "unknown-type"),
        ({"type": '""'}, "unknown-type"),
        ({"datacontenttype": '"application/json"', "subject": "5", "x": "1e999"}, None),
    ],
)
def test_the_envelope(envelope: dict[str, str], wanted: str | None) -> None:
    found = outcome(event(LEAD, **envelope))
    assert (found[0] if isinstance(found, tuple) else None) == wanted


def test_what_is_no_json_text_of_an_object() -> None:
    good = event(LEAD)
    for bad in (b"", b"{", good + b"x", good + good, b"\xef\xbb\xbf" + good, good.replace(b"test", b"\xff"), b"NaN"):
        assert outcome(bad) == ("invalid-json",), bad
    for bad in (good.replace(b'"test"', b'"\\ud800"'), good.replace(b'"L"', b"01"), good.replace(b'"', b"'")):
        assert outcome(bad) == ("invalid-json",), bad
    for bad in (b"null", b"5", b'"text"', b"[" + good + b"]", b"[]"):
        assert outcome(bad) == ("invalid-envelope",), bad
    assert outcome(b" \r\n\t" + good + b"\n ").data == {"lead_id": "L"}


def test_the_largest_event() -> None:
    room = 1024 * 1024 - len(event(LEAD, extension='""'))
    assert outcome(event(LEAD, extension=f'"{"x" * room}"')).data == {"lead_id": "L"}
    assert outcome(event(LEAD, extension=f'"{"x" * (room + 1)}"')) == ("too-large",)


def test_the_longest_key() -> None:
    """The texts of a spend figure's UTM are part of its key, which travels beside the event."""
    key = "spend:google_ads//2026-03-01//,,,,{}/media"
    room = 64 * 1024 - len(key.format(""))
    longest = f'{SPEND}, "utm": {{"content": "{"x" * room}"}}'
    assert outcome(event(longest, "crm.spend.posted")).home == key.format("x" * room)
    assert outcome(event(longest.replace("x", "xx", 1), "crm.spend.posted")) == ("too-large",)
    # no other key comes near it: four bytes, twelve when percent-encoded, for each of 256 characters
    widest = "\U0001f600" * 256
    assert len(outcome(event(f'"lead_id": "{widest}", "touch_id": "{widest}"', "crm.touch.recorded")).home) < 4000


def test_time_in_the_future_is_measured_by_the_records_timestamp() -> None:
    noon = 1_772_366_400_000  # 2026-03-01T12:00:00Z
    for clock, reason in (("12:00:00Z", None), ("12:00:00.000001Z", "time-in-future"), ("11:59:59.999999Z", None)):
        found = outcome(event(LEAD, time=f'"2026-03-02T{clock}"'), noon)
        assert (found[0] if isinstance(found, tuple) else None) == reason
    for timestamp in (None, -1):
        assert outcome(event(LEAD, time='"2148-03-02T00:00:00Z"'), timestamp).data == {"lead_id": "L"}
    # members may lie in the future
    later = '"due_date": "2148-01-01", "closed_at": "2148-01-01T00:00:00Z"'
    assert outcome(event(f"{OPPORTUNITY}, {later}", "crm.deal.won"), noon).data["due_date"] == "2148-01-01"


UTM = ("source", "medium", "campaign", "term", "content")


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ('"utm": null', {f"utm_{each}": None for each in UTM}),
        ('"utm": {}', {}),
        ('"utm": {"source": "Google "}', {"utm_source": "Google "}),  # raw: trimmed only when it is counted
        ('"utm": {"source": null, "term": ""}', {"utm_source": None, "utm_term": ""}),
        ('"utm": {"source": "a", "utm_medium": 5, "id": {}}', {"utm_source": "a"}),
        ('"utm": {"source": 5}', REFUSED),
        ('"utm": "source=google"', REFUSED),
        ('"utm": []', REFUSED),
        ('"click_id": null', {"gclid": None, "msclkid": None, "fbclid": None}),
        ('"click_id": {"gclid": "g"}', {"gclid": "g"}),
        ('"click_id": "g"', REFUSED),
        ('"stage": null, "owner_id": null', {"stage": None, "owner_id": None}),
        ('"stage": 5', REFUSED),
        ('"stage": ""', {"stage": ""}),
        ('"amount": "no money", "foo": 1e999, "bar": {"lead_id": 5}', {}),  # unknown members of a lead
        ('"stage": 5, "stage": "MQL"', {"stage": "MQL"}),  # the last of two counts, as the first was never there
        ('"stage": "MQL", "stage": 5', REFUSED),
        ('"utm": {"source": "a"}, "utm": {"medium": "b"}', {"utm_medium": "b"}),
    ],
)
def test_members(raw: str, wanted: Any) -> None:
    found = outcome(event(f"{LEAD}, {raw}"))
    assert (found if isinstance(found, tuple) else found.data) == (
        wanted if isinstance(wanted, tuple) else {"lead_id": "L", **wanted}
    )


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("https://www.google.com/search?q=x", "www.google.com"),
        ("HTTPS://WWW.Google.COM", "www.google.com"),
        ("http://user:secret@news.example:8080/a#b", "news.example"),
        ("//news.example/a", "news.example"),
        ("news.example", "news.example"),
        ("news.example/a?b", "news.example"),
        ("news.example:8080", "news.example"),
        ("news.example.", "news.example"),
        (" https://news.example/ ", "news.example"),
        ("https://bücher.example/", "bücher.example"),
        ("android-app://com.example.app/", "com.example.app"),
        ("https://[2001:db8::1]:80/", "[2001:db8::1]"),
        ("https://192.0.2.1/x", "192.0.2.1"),
        ("/pricing", None),
        ("?q=x", None),
        ("about:blank", None),
        ("mailto:ada@example.org", None),  # no person gets into the state by way of a referrer
        ("ada@example.org", None),
        ("https://", None),
        ("https:///path", None),
        ("some words", None),
        ("", None),
    ],
)
def test_of_a_referrer_only_the_host_is_kept(address: str, host: str | None) -> None:
    found = outcome(event(f'{LEAD}, "referrer": {json.dumps(address)}'))
    assert found.data["referrer"] == host


@pytest.mark.parametrize(
    ("type_", "data", "wanted"),
    [
        ("crm.opportunity.updated", f'{OPPORTUNITY}, "currency": "EUR"', None),
        ("crm.opportunity.updated", f'{OPPORTUNITY}, "currency": null', None),
        ("crm.opportunity.updated", f'{OPPORTUNITY}, "currency": "eur"', "invalid-member"),
        ("crm.opportunity.updated", f'{OPPORTUNITY}, "currency": "EURO"', "invalid-member"),
        ("crm.opportunity.updated", f'{OPPORTUNITY}, "currency": "€"', "invalid-member"),
        ("crm.opportunity.updated", f'{OPPORTUNITY}, "currency": "ÄÖÜ"', "invalid-member"),
        ("crm.opportunity.updated", f'{OPPORTUNITY}, "currency": ""', "invalid-member"),
        ("crm.opportunity.updated", f'{OPPORTUNITY}, "status": "Won"', "invalid-member"),
        ("crm.opportunity.updated", f'{OPPORTUNITY}, "status": null', None),
        ("crm.deal.won", f'{OPPORTUNITY}, "status": "lost"', None),
        ("crm.deal.won", '"opportunity_id": null', "invalid-member"),
        ("crm.deal.won", "", "missing-member"),
        ("crm.lead.merged", '"lead_id": "a", "merged_ids": []', None),
        ("crm.lead.merged", '"lead_id": "a", "merged_ids": ["a", "a", 1]', None),
        ("crm.lead.merged", '"lead_id": "a"', "missing-member"),
        ("crm.lead.merged", '"lead_id": null, "merged_ids": ["b"]', "invalid-member"),
        ("crm.lead.merged", '"lead_id": "a", "merged_ids": null', "invalid-member"),
        ("crm.lead.merged", '"lead_id": "a", "merged_ids": "b"', "invalid-member"),
        ("crm.lead.merged", '"lead_id": "a", "merged_ids": ["b", null]', "invalid-member"),
        ("crm.touch.recorded", '"touch_id": "t"', "missing-member"),
        ("crm.touch.recorded", '"touch_id": "t", "lead_id": null', "invalid-member"),
        ("crm.call.logged", '"call_id": "c", "talk_seconds": 12', None),
        ("crm.call.logged", '"call_id": "c", "talk_seconds": 12.0', None),
        ("crm.call.logged", '"call_id": "c", "talk_seconds": 1.2e1', None),
        ("crm.call.logged", '"call_id": "c", "talk_seconds": null', None),
        ("crm.call.logged", '"call_id": "c", "talk_seconds": 12.5', "invalid-member"),
        ("crm.call.logged", '"call_id": "c", "talk_seconds": -1', "invalid-member"),
        ("crm.call.logged", '"call_id": "c", "talk_seconds": "12"', "invalid-member"),
        ("crm.call.logged", '"call_id": "c", "direction": "in"', "invalid-member"),
        ("crm.call.logged", '"call_id": "c", "status": "voicemail", "direction": "inbound"', None),
        ("crm.call.logged", '"call_id": "c", "status": "no-answer"', "invalid-member"),
        ("crm.account.upserted", '"account_id": "a", "key_account": true', None),
        ("crm.account.upserted", '"account_id": "a", "key_account": "true"', "invalid-member"),
        ("crm.account.upserted", '"account_id": "a", "key_account": 1', "invalid-member"),
        ("crm.campaign.upserted", '"campaign_id": "c", "aliases": ["A", ""]', None),
        ("crm.campaign.upserted", '"campaign_id": "c", "aliases": "A"', "invalid-member"),
        ("crm.campaign.upserted", '"campaign_id": "c", "aliases": [5]', "invalid-member"),
        ("crm.rep.upserted", '"rep_id": "r", "team_since": "2026-03-01T00:00:00Z"', "invalid-member"),
        ("crm.rate.posted", '"date": "2026-03-01", "base": "USD", "quote": "EUR", "rate": "0.92"', None),
        ("crm.rate.posted", '"date": "2026-03-01", "base": "USD", "quote": "EUR", "rate": 9.2e-1', None),
        ("crm.rate.posted", '"date": "2026-03-01", "base": "USD", "quote": "EUR", "rate": 0', "invalid-member"),
        ("crm.rate.posted", '"date": "2026-03-01", "base": "USD", "quote": "EUR", "rate": -1', "invalid-member"),
        ("crm.rate.posted", '"date": "2026-03-01", "base": "USD", "quote": "EUR"', "missing-member"),
        ("crm.benchmark.posted", '"metric": "answer_rate", "value": 0.35', None),
        ("crm.benchmark.posted", '"metric": "calls", "value": 5', "invalid-member"),
        ("crm.target.posted", '"metric": "revenue", "month": "2026-03", "value": 5', None),
        ("crm.target.posted", '"metric": "revenue", "month": "2026-3", "value": 5', "invalid-member"),
        ("crm.target.posted", '"metric": "revenue", "month": "2026-13", "value": 5', "invalid-member"),
        ("crm.target.posted", '"metric": "revenue", "month": "2026-03-01", "value": 5', "invalid-member"),
        ("crm.target.posted", '"metric": "profit", "month": "2026-03", "value": 5', "invalid-member"),
        ("crm.target.posted", '"metric": "calls", "month": "2026-03", "value": 5, "scope": null', None),
        ("crm.target.posted", '"metric": "calls", "month": "2026-03", "value": 5, "scope": "team/a/b"', None),
        ("crm.target.posted", '"metric": "calls", "month": "2026-03", "value": 5, "scope": "team/"', "invalid-member"),
        ("crm.target.posted", '"metric": "calls", "month": "2026-03", "value": 5, "scope": "team"', "invalid-member"),
        (
            "crm.target.posted",
            '"metric": "calls", "month": "2026-03", "value": 5, "scope": "Company"',
            "invalid-member",
        ),
        ("crm.spend.posted", '"platform": "p", "date": "2026-03-01", "amount": 0, "currency": "EUR"', None),
        ("crm.spend.posted", '"platform": "p", "date": "2026-03-01", "amount": 0', "missing-member"),
        (
            "crm.spend.posted",
            '"platform": "p", "date": "2026-03-01", "amount": null, "currency": "EUR"',
            "invalid-member",
        ),
    ],
)
def test_members_of_every_type(type_: str, data: str, wanted: str | None) -> None:
    found = outcome(event(data, type_))
    assert (found[0] if isinstance(found, tuple) else None) == wanted


def test_one_bad_member_rejects_the_whole_event() -> None:
    assert outcome(event(f'{LEAD}, "stage": "MQL", "created_at": "yesterday"')) == ("invalid-member",)


@pytest.mark.parametrize(
    ("type_", "data", "key"),
    [
        ("crm.lead.created", '"lead_id": "a b/ü"', "lead:a%20b%2F%C3%BC"),
        ("crm.lead.created", '"lead_id": "A-z_0.9~"', "lead:A-z_0.9~"),
        ("crm.lead.created", '"lead_id": "!*\'()"', "lead:%21%2A%27%28%29"),
        ("crm.touch.recorded", '"touch_id": "t", "lead_id": 7', "lead:7"),
        ("crm.deal.won", '"opportunity_id": "o"', "opportunity:o"),
        ("crm.call.logged", '"call_id": "c:1"', "call:c%3A1"),
        (
            "crm.spend.posted",
            f'{SPEND}, "account_id": 7, "utm": {{"source": "a,b", "content": "c/d"}}',
            "spend:google_ads/7/2026-03-01//a%2Cb,,,,c%2Fd/media",
        ),
        (
            "crm.spend.posted",
            f'{SPEND}, "utm": null, "category": null',
            "spend:google_ads//2026-03-01//,,,,/media",
        ),
        (
            "crm.rate.posted",
            '"date": "2026-03-01", "base": "USD", "quote": "EUR", "rate": 1',
            "rate:USD/EUR/2026-03-01",
        ),
        ("crm.benchmark.posted", '"metric": "answer_rate", "value": 1', "benchmark:answer_rate/"),
        (
            "crm.target.posted",
            '"metric": "calls", "month": "2026-03", "value": 5, "scope": "team/N"',
            "target:calls/team%2FN/2026-03",
        ),
    ],
)
def test_the_record_key_of_an_event(type_: str, data: str, key: str) -> None:
    assert outcome(event(data, type_)).home == key
