"""What `decode` takes, how it normalises, and why it refuses: the contract by example."""

import json

import pytest

from schemas import EVENT_TYPES, Event, Reason, Rejected, decode, homes

NOON = 1_772_366_400_000_000  # 2026-03-01T12:00:00Z


def spelled(name: str, data: str, **attributes: str) -> bytes:
    envelope = {
        "id": '"e1"',
        "source": '"s"',
        "type": f'"{name}"',
        "time": '"2026-03-01T12:00:00Z"',
    } | attributes
    members = [f'"{key}":{value}' for key, value in envelope.items() if value]
    return ("{" + ",".join([*members, f'"data":{data}']) + "}").encode()


def read(name: str, data: str, **attributes: str) -> Event:
    return decode(spelled(name, data, **attributes), None)


def refusal(value: bytes, timestamp_ms: int | None = None) -> tuple[Reason, str]:
    with pytest.raises(Rejected) as caught:
        decode(value, timestamp_ms)
    return caught.value.reason, caught.value.message


def field(name: str, required: str, member: str, literal: str) -> object:
    inside, _, flat = member.partition(">")
    data = f'{{{required}"{inside}":{literal}}}'
    return read(name, data).data[flat or inside]


LEAD = ("crm.lead.updated", '"lead_id":"1",')
DEAL = ("crm.opportunity.updated", '"opportunity_id":"1",')
CALL = ("crm.call.logged", '"call_id":"1",')
RATE = ("crm.rate.posted", '"date":"2026-03-01","base":"USD","quote":"EUR",')
SPEND = ("crm.spend.posted", '"platform":"p","date":"2026-03-01","amount":1,"currency":"EUR",')
TARGET = ("crm.target.posted", '"metric":"leads","month":"2026-03","value":1,')


def test_event() -> None:
    event = read(
        "crm.lead.created",
        '{"lead_id":42,"name":" Ada ","utm":{"source":"G","medium":null,"x":1},"click_id":null,"unknown":[{}],'
        '"referrer":"https://www.Google.com:443/x","created_at":"2026-03-01T13:00:00.1234569+01:00"}',
        sequence='"-7"',
    )
    assert event == Event(
        type="crm.lead.created",
        id="e1",
        source="s",
        time=NOON,
        sequence=-7,
        data={
            "lead_id": "42",
            "name": " Ada ",
            "utm_source": "G",
            "utm_medium": None,
            "gclid": None,
            "msclkid": None,
            "fbclid": None,
            "referrer": "www.google.com",
            "created_at": NOON + 123456,
        },
        home="lead:42",
    )


@pytest.mark.parametrize(
    ("of", "member", "literal", "expected"),
    [
        (LEAD, "owner_id", "42", "42"),
        (LEAD, "owner_id", '"042"', "042"),
        (LEAD, "owner_id", "null", None),
        (LEAD, "utm>utm_term", "null", None),
        (DEAL, "amount", '"12.34000"', 123_400),
        (DEAL, "amount", "12345678901234.5678", 123_456_789_012_345_678),
        (DEAL, "amount", "-99999999999999.9999", -999_999_999_999_999_999),
        (DEAL, "amount", "1.25e3", 12_500_000),
        (DEAL, "amount", '"0012"', 120_000),
        (DEAL, "amount", "0E+999999", 0),
        (DEAL, "probability", "0.4", 4_000),
        (DEAL, "probability", '"1.0000"', 10_000),
        (DEAL, "closed_at", '"2026-12-31T23:59:60Z"', 1_798_761_600_000_000),
        (DEAL, "closed_at", '"1969-12-31T23:00:00-01:00"', 0),
        (DEAL, "due_date", '"2024-02-29"', "2024-02-29"),
        (CALL, "talk_seconds", "12.0", 12),
        (CALL, "talk_seconds", "4294967295", 4_294_967_295),
        (RATE, "rate", "0.921700", "0.9217"),
        (RATE, "rate", "1e-18", "0.000000000000000001"),
        (RATE, "rate", '"1e13"', "10000000000000"),
        (SPEND, "category", "null", "media"),
        (SPEND, "unknown>category", "0", "media"),
        (SPEND, "clicks", "1000000000000000", 10**15),
        (TARGET, "scope", '"team/A/B"', "team/A/B"),
        (TARGET, "scope", "null", "company"),
        (TARGET, "unknown>scope", "0", "company"),
        *((LEAD, "referrer", json.dumps(address), host) for address, host in {
            "http://user:pw@Shop.example./a?b@c": "shop.example",
            "//cdn.example/x": "cdn.example",
            "News.Example/path": "news.example",
            "news.example:8080": "news.example",
            "android-app://com.mail.App/": "com.mail.app",
            "http://[::1]:80/": "[::1]",
            "": None,
            "http://": None,
            "mailto:ada@example.org": None,
            "two words": None,
        }.items()),
    ],
)  # fmt: skip
def test_values(of: tuple[str, str], member: str, literal: str, expected: object) -> None:
    value = field(*of, member, literal)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("of", "member", "literal", "message"),
    [
        (DEAL, "amount", "12.34567", "data.amount: 12.34567 has more than 4 decimals"),
        (DEAL, "amount", "100000000000000", "data.amount: has more than 14 integer digits"),
        (DEAL, "amount", '"NaN"', "data.amount: a string is no decimal number"),
        (DEAL, "amount", "true", "data.amount: must be a number or its decimal text, not a boolean"),
        (DEAL, "probability", "1.0001", "data.probability: must be from 0 to 1"),
        (DEAL, "currency", '"eur"', "data.currency: must be a currency code"),
        (DEAL, "status", '"OPEN"', "data.status: must be one of open, won, lost"),
        (DEAL, "due_date", '"2026-02-29"', "data.due_date: 2026-02-29 is no date"),
        (DEAL, "closed_at", '"2026-03-01T12:00:00"', "data.closed_at: 2026-03-01T12:00:00 is no instant"),
        (LEAD, "owner_id", "42.0", "data.owner_id: must be a string or an integer, not a number"),
        (LEAD, "owner_id", '""', "data.owner_id: must have 1 to 256 characters"),
        (LEAD, "name", "5", "data.name: must be a string, not a number"),
        (LEAD, "utm", '"google"', "data.utm: must be an object, not a string"),
        (LEAD, "utm", '{"term":[]}', "data.utm.term: must be a string, not an array"),
        (LEAD, "lead_id", "null", "data.lead_id: must not be null"),
        (CALL, "talk_seconds", '"12"', "data.talk_seconds: must be a whole number, not a string"),
        (CALL, "talk_seconds", "4294967296", "data.talk_seconds: must be from 0 to 4294967295"),
        (RATE, "rate", "0", "data.rate: must be greater than 0"),
        (TARGET, "scope", '"team/"', "data.scope: must be company, team/NAME"),
    ],
)
def test_invalid_members(of: tuple[str, str], member: str, literal: str, message: str) -> None:
    reason, said = refusal(spelled(of[0], f'{{{of[1]}"{member}":{literal}}}'))
    assert reason is Reason.INVALID_MEMBER
    assert said.startswith(message)


@pytest.mark.parametrize(
    ("value", "reason", "message"),
    [
        (b"", Reason.INVALID_JSON, ""),
        (b"\xef\xbb\xbf{}", Reason.INVALID_JSON, ""),
        (b'{"id":"\\ud800"}', Reason.INVALID_JSON, "surrogate"),
        (b'{"id":NaN}', Reason.INVALID_JSON, "NaN"),
        (b"[" * 1_000_000, Reason.INVALID_JSON, "256 levels"),
        (b"[]", Reason.INVALID_ENVELOPE, "not an array"),
        (b'"x"', Reason.INVALID_ENVELOPE, "not a string"),
        (spelled("crm.lead.deleted", "{}", id=""), Reason.INVALID_ENVELOPE, "id: is missing"),
        (spelled("crm.lead.deleted", "{}", id='""'), Reason.INVALID_ENVELOPE, "id:"),
        (spelled("crm.lead.deleted", "{}", source="1.0"), Reason.INVALID_ENVELOPE, "source:"),
        (spelled("crm.lead.deleted", "{}", type="5"), Reason.INVALID_ENVELOPE, "type:"),
        (spelled("crm.lead.deleted", "[]"), Reason.INVALID_ENVELOPE, "data:"),
        (spelled("crm.lead.deleted", "{}", specversion='"0.3"'), Reason.INVALID_ENVELOPE, "specversion:"),
        (spelled("crm.lead.deleted", "{}", sequence="1.5"), Reason.INVALID_ENVELOPE, "sequence:"),
        (spelled("crm.lead.deleted", "{}", sequence=str(2**63)), Reason.INVALID_ENVELOPE, "sequence:"),
        (spelled("crm.lead.deleted", "{}", time='"1969-12-31T23:59:59Z"'), Reason.INVALID_ENVELOPE, "time:"),
        (spelled("crm.lead.deleted", "{}", time='"2149-01-01T00:00:00Z"'), Reason.INVALID_ENVELOPE, "time:"),
        (spelled("crm.lead.lost", "{}"), Reason.UNKNOWN_TYPE, "crm.lead.lost"),
        (spelled("crm.lead.deleted", "{}"), Reason.MISSING_MEMBER, "data.lead_id is missing"),
        (spelled("crm.lead.merged", '{"lead_id":1}'), Reason.MISSING_MEMBER, "data.merged_ids is missing"),
        (spelled("crm.lead.merged", '{"lead_id":1,"merged_ids":[2,null]}'), Reason.INVALID_MEMBER, "item 1"),
    ],
)
def test_refusals(value: bytes, reason: Reason, message: str) -> None:
    found, said = refusal(value)
    assert found is reason
    assert message in said


def test_first_problem_in_the_models_order_decides() -> None:
    value = spelled("crm.rate.posted", '{"rate":0,"quote":"EUR","base":"usd"}')
    assert refusal(value) == (Reason.MISSING_MEMBER, "data.date is missing")


def test_messages_never_quote_free_text() -> None:
    for member in ("email", "created_at", "owner_id", "utm", "stage"):
        for literal in ('["ada@example.org"]', '{"source":["ada@example.org"]}', '"ada@example.org"'):
            try:
                read("crm.lead.updated", f'{{"lead_id":1,"{member}":{literal}}}')
            except Rejected as rejected:
                assert "ada" not in str(rejected)  # noqa: PT017 - some of these are taken, and may be
    assert "ada" not in refusal(spelled("ada@example.org", "{}"))[1]


def test_absurd_numbers_in_members_that_nobody_reads() -> None:
    data = '{"lead_id":1,"x":1e99999999999999999999,"y":' + "9" * 5000 + "}"
    assert read("crm.lead.updated", data).data == {"lead_id": "1"}


def test_last_of_two_equal_members_counts() -> None:
    assert read("crm.lead.updated", '{"lead_id":[],"lead_id":2}').home == "lead:2"


@pytest.mark.parametrize("text", ["", "[{" * 900])  # brackets in text are no levels
def test_deep_nesting_is_fine_up_to_the_bound(text: str) -> None:
    def nested(levels: int) -> str:
        return f'{{"lead_id":1,"x":{"[" * levels}{"]" * levels},"y":"{text}"}}'

    assert read("crm.lead.updated", nested(254)).home == "lead:1"
    assert refusal(spelled("crm.lead.updated", nested(255)))[0] is Reason.INVALID_JSON


def test_time_in_future_is_measured_against_the_record() -> None:
    value = spelled("crm.lead.deleted", '{"lead_id":1}')
    day_before_ms = NOON // 1000 - 86_400_000
    assert decode(value, day_before_ms).time == NOON
    reason, message = refusal(value, day_before_ms - 1)
    assert reason is Reason.TIME_IN_FUTURE
    assert "24 hours" in message
    assert decode(value, None).time == NOON
    assert decode(value, -1).time == NOON
    with pytest.raises(Rejected):
        decode(value, NOON // 1000 - 1, max_future_us=0)


@pytest.mark.parametrize(
    ("name", "data", "home"),
    [
        ("crm.lead.merged", '{"lead_id":"s","merged_ids":["b","a","b"]}', ["lead:b", "lead:a"]),
        ("crm.lead.merged", '{"lead_id":"s","merged_ids":[]}', ["lead:s"]),
        ("crm.touch.recorded", '{"touch_id":"t","lead_id":"a b"}', ["lead:a%20b"]),
        ("crm.deal.won", '{"opportunity_id":"d-5"}', ["opportunity:d-5"]),
        (
            "crm.spend.posted",
            '{"platform":"meta","date":"2026-03-01","amount":0,"currency":"EUR","utm":{"medium":"a,b"}}',
            ["spend:meta//2026-03-01//,a%2Cb,,,/media"],
        ),
        ("crm.benchmark.posted", '{"metric":"answer_rate","value":1}', ["benchmark:answer_rate/"]),
        (
            "crm.target.posted",
            '{"metric":"leads","month":"2026-03","value":1}',
            ["target:leads/company/2026-03"],
        ),
    ],
)
def test_homes(name: str, data: str, home: list[str]) -> None:
    event = read(name, data)
    assert homes(event) == home
    assert event.home == home[0]


def test_there_are_25_types() -> None:
    assert len(EVENT_TYPES) == 25
