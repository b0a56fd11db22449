"""Payloads that an adapter refused become dead letters, whatever is in them; what only looks like one is another."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import MAX_BYTES, REASONS, Reason, Rejected, decode
from schemas.adapters import KINDS, Context, Refusal, default_source, open_adapter
from stream.refused import TYPE, read_refused, refused_record
from stream.rules import Rules
from stream.shard import Shard
from tests.property.simulation import TOPICS, Record

AT_MS = 1_780_000_000_000


def _key(value: bytes | None) -> bytes | None:
    try:
        return decode(value, AT_MS).home.encode()
    except Rejected:
        return None


def folded(*values: bytes | None) -> Any:
    """The effects of a shard that has read these values, each under its key."""
    shard = Shard(0, 1, Rules(), topics=TOPICS)
    records: list[Any] = [Record(TOPICS.events, 0, at, AT_MS, _key(value), value) for at, value in enumerate(values)]
    shard.read(TOPICS.events, records)
    return shard.take()


def letters(effects: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in effects.rows.get("dead_letters", [])]


@given(st.text(max_size=80), st.sampled_from(sorted(REASONS)), st.text(max_size=300), st.binary(max_size=400))
def test_any_refusal_is_a_dead_letter_with_its_reason_source_and_payload(
    source: str, reason: str, message: str, raw: bytes
) -> None:
    value = refused_record(source, Refusal(reason, message, raw))
    assert value == refused_record(source, Refusal(reason, message, raw))
    refused = read_refused(value)
    assert refused is not None
    assert (refused.source, refused.reason, refused.message, refused.payload) == (source, reason, message, raw)
    effects = folded(value)
    (row,) = letters(effects)
    assert (row["reason"], row["message"]) == (reason, message)
    assert base64.b64decode(row["value_base64"]) == value
    (sent,) = effects.outgoing
    assert sent.topic == TOPICS.dead_letters
    assert sent.value == value
    assert dict(sent.headers)["reason"] == reason.encode()
    assert dict(sent.headers).get("source", b"") == source.encode()
    assert effects.tally.rejected == {REASONS[reason]: 1}
    assert not effects.nodes["nodes"]


def test_text_is_kept_as_text_and_other_bytes_as_base64() -> None:
    text = json.loads(refused_record("s", Refusal("invalid-json", "m", '{"x": "ü"'.encode())))
    assert text["data"] == {"source": "s", "reason": "invalid-json", "message": "m", "payload": '{"x": "ü"'}
    assert (text["type"], text["source"]) == (TYPE, "s")
    binary = json.loads(refused_record("s", Refusal("invalid-json", "m", b"\xff\0")))
    assert binary["data"]["payload_base64"] == "/wA="
    assert "payload" not in binary["data"]


@pytest.mark.parametrize(
    "raw",
    [
        b"x" * (3 * MAX_BYTES),
        b"\0" * (2 * MAX_BYTES),
        "ü€😀".encode() * MAX_BYTES,
        b"\xff" * MAX_BYTES,
        b"x" * MAX_BYTES,
    ],
    ids=["ascii", "escaped", "wide", "binary", "just"],
)
def test_what_is_too_long_is_cut_and_says_so(raw: bytes) -> None:
    value = refused_record("s", Refusal("too-large", "too long", raw))
    assert MAX_BYTES * 0.8 < len(value) <= MAX_BYTES
    refused = read_refused(value)
    assert refused is not None
    assert raw.startswith(refused.payload)
    assert refused.cut_from == len(raw)
    kept = f"(of the payload's {len(raw)} bytes only the first {len(refused.payload)} are kept)"
    assert refused.message == f"too long {kept}"
    assert letters(folded(value))[0]["message"] == refused.message
    if raw[:2] == "ü".encode():
        refused.payload.decode()
        assert '"payload":' in value[:400].decode("utf-8", "ignore")


def test_what_else_was_known_is_kept_unless_it_is_longer_than_an_event() -> None:
    context = Context({"lead_id": "7"}, "2026-03-01T00:00:00Z")
    refused = read_refused(refused_record("s", Refusal("invalid-json", "m", b"x"), context))
    assert refused is not None
    assert refused.context == context
    long = Context({"lead_id": "7" * MAX_BYTES})
    refused = read_refused(refused_record("s", Refusal("invalid-json", "m", b"x"), long))
    assert refused is not None
    assert (refused.payload, refused.context.query) == (b"x", {})


def test_texts_that_are_no_unicode_and_a_reason_that_nobody_knows_do_no_harm() -> None:
    refused = read_refused(
        refused_record("\ud800", Refusal("new\udfff", "\ud800m", b"x"), Context({"\ud800": "\ud800"}))
    )
    assert refused is not None
    assert (refused.source, refused.reason, refused.message) == ("?", "invalid-payload", "?m")


DATA = {"source": "s", "reason": "invalid-json", "message": "m", "payload": "x"}
ENVELOPE = {"specversion": "1.0", "id": "i", "source": "s", "type": TYPE, "data": DATA}
json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from([TYPE, "="]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.dictionaries(st.sampled_from(sorted(ENVELOPE)), json_like, max_size=2),
    st.dictionaries(st.sampled_from([*DATA, "payload_base64", "cut_from", "query", "as_of"]), json_like, max_size=3),
    st.integers(0, 40),
    st.binary(max_size=4),
)
def test_nothing_that_nearly_looks_like_one_raises(
    envelope: dict[str, Any], data: dict[str, Any], cut: int, noise: bytes
) -> None:
    whole = json.dumps({**ENVELOPE, "data": {**DATA, **data}, **envelope}).encode()
    for value in (whole, whole[: len(whole) - cut] + noise, whole.replace(b"payload", noise)):
        (row,) = letters(folded(value))
        assert row["reason"] in REASONS
        assert base64.b64decode(row["value_base64"]) == value


@pytest.mark.parametrize(
    "value",
    [
        json.dumps({**ENVELOPE, "data": {**DATA, "cut_from": -1}}).encode(),
        json.dumps({**ENVELOPE, "data": {**DATA, "cut_from": 10**4000}}).encode(),
        json.dumps({**ENVELOPE, "data": {**DATA, "payload_base64": "eA=="}}).encode(),
        json.dumps({**ENVELOPE, "data": {**DATA, "payload": None, "payload_base64": "é"}}).encode(),
        json.dumps({**ENVELOPE, "data": {**DATA, "payload": None}}).encode(),
        json.dumps({**ENVELOPE, "data": {**DATA, "message": "\ud800"}}).encode(),
        json.dumps({**ENVELOPE, "more": [[[1]]], "data": "x"}).encode(),
        b'{"type": "sixfold.payload.refused", "id": ' + b"[" * 100_000,
        b"sixfold.payload.refused" + b" " * MAX_BYTES,
        None,
    ],
)
def test_what_is_none_is_refused_as_any_event(value: bytes | None) -> None:
    assert read_refused(value) is None
    assert letters(folded(value))[0]["reason"] in list(Reason)


def test_an_event_that_speaks_of_it_stays_an_event() -> None:
    event = {"id": TYPE, "source": TYPE, "type": "crm.lead.created", "time": "2026-03-01T00:00:00Z"}
    value = json.dumps({**event, "data": {"lead_id": TYPE, "created_at": "2026-03-01T00:00:00Z"}}).encode()
    effects = folded(value)
    assert not letters(effects)
    assert len(effects.nodes["nodes"]) == 1


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"rows"}))
@given(payload=st.binary(max_size=60) | json_like.map(lambda value: json.dumps(value).encode()))
def test_a_refused_payload_gives_no_event_when_it_is_read_again(kind: str, payload: bytes) -> None:
    """So that a replay reads what was refused, and nothing else; an array within an array is just an array then."""
    adapter = open_adapter(default_source(kind))
    for refusal in adapter.adapt(payload).refusals:
        refused = read_refused(refused_record(kind, refusal))
        assert refused is not None
        again = adapter.adapt(refused.payload)
        assert [each.reason for each in again.refusals] == [refusal.reason] or refused.payload.lstrip()[:1] == b"["
        assert not again.events
