"""The hot path and the pydantic reference are one: same events, same refusals, whatever comes in."""

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import EVENT_TYPES, Event, Reason, Rejected, decode, decode_reference
from schemas.decode import MAX_BYTES
from tests.schemas.broken_events import LITERALS, event_bytes, event_with, places

TIMESTAMPS = st.sampled_from([None, -1, 0, 1_700_000_000_000, 1_772_366_400_000, 5_648_745_600_000])


def outcome(read, value: bytes, timestamp_ms: int | None) -> Event | Reason:
    try:
        return read(value, timestamp_ms)
    except Rejected as rejected:
        return rejected.reason


def agree(cases: int) -> tuple[Counter[Reason], Counter[str]]:
    """Compare the two over so many random records; gives how often each reason and each type came out."""
    reasons: Counter[Reason] = Counter()
    types: Counter[str] = Counter()

    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )
    @given(event_bytes(), TIMESTAMPS)
    def compare(value: bytes, timestamp_ms: int | None) -> None:
        fast = outcome(decode, value, timestamp_ms)
        assert fast == outcome(decode_reference, value, timestamp_ms)
        if isinstance(fast, Event):
            types[fast.type] += 1
        else:
            reasons[fast] += 1

    compare()
    return reasons, types


def test_hot_path_and_reference_agree() -> None:
    reasons, types = agree(2000)
    # A generator that only ever made wreckage, or only good events, would compare nothing.
    assert set(types) == set(EVENT_TYPES)
    assert set(reasons) == set(Reason) - {Reason.TOO_LARGE}
    assert sum(types.values()) > 300


@pytest.mark.parametrize("name", {event_type.data: name for name, event_type in EVENT_TYPES.items()}.values())
def test_every_value_in_every_member(name: str) -> None:
    """One member at a time, all spellings: what the random test could miss by bad luck."""
    for place in places(name):
        for literal in LITERALS:
            value = event_with(name, place, literal)
            assert outcome(decode, value, None) == outcome(decode_reference, value, None), (place, literal)


@pytest.mark.deep
def test_hot_path_and_reference_agree_deep() -> None:
    agree(20_000)


@pytest.mark.parametrize("read", [decode, decode_reference])
@pytest.mark.parametrize("value", [b" " * (MAX_BYTES + 1), b"[" * (MAX_BYTES + 1)])
def test_too_large_comes_before_all_else(read, value: bytes) -> None:
    assert outcome(read, value, None) is Reason.TOO_LARGE


@pytest.mark.parametrize("read", [decode, decode_reference])
def test_largest_event(read) -> None:
    head, tail = (
        b'{"id":1,"source":"s","type":"crm.lead.deleted","time":"2026-03-01T12:00:00Z","data":{"lead_id":5,"x":"',
        b'"}}',
    )
    value = head + b"x" * (MAX_BYTES - len(head) - len(tail)) + tail
    assert len(value) == MAX_BYTES
    assert read(value, None).home == "lead:5"
    assert outcome(read, value + b" ", None) is Reason.TOO_LARGE


@pytest.mark.parametrize("read", [decode, decode_reference])
def test_record_without_value(read) -> None:
    assert outcome(read, None, None) is Reason.INVALID_JSON
