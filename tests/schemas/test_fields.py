"""Kinds of fields and canonical text."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import EVENT_TYPES, FIELD_KINDS, PERSONAL, canonical, decode
from schemas.export import example_event

KINDS = {
    *("id", "text", "money", "probability", "number", "instant", "date", "month", "bool", "int", "list"),
    *("currency", "enum"),
}


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("amount", 1054, "0.1054"),
        ("amount", -500, "-0.05"),
        ("amount", -10_000, "-1"),
        ("amount", 0, "0"),
        ("cost", 123_450_000, "12345"),
        ("probability", 4000, "0.4"),
        ("rate", "0.9217", "0.9217"),
        ("created_at", 1_772_366_400_500_000, '"2026-03-01T12:00:00.5Z"'),
        ("at", 1_772_366_410_000_000, '"2026-03-01T12:00:10Z"'),
        ("lead_id", "42", '"42"'),
        ("merged_into", "ä", '"ä"'),
        ("name", 'a"\\\n\u0001', '"a\\"\\\\\\n\\u0001"'),
        ("aliases", ["ß", ""], '["ß",""]'),
        ("merged_ids", [], "[]"),
        ("key_account", False, "false"),
        ("clicks", 10, "10"),
        ("due_date", "2026-03-01", '"2026-03-01"'),
        ("amount", None, "null"),
        ("stage", None, "null"),
    ],
)
def test_canonical(field: str, value, text: str) -> None:
    assert canonical(field, value) == text


@given(st.integers(-(10**18) + 1, 10**18 - 1))
def test_canonical_money_is_read_back_as_the_same(units: int) -> None:
    text = canonical("amount", units)
    value = {"id": 1, "source": 1, "type": "crm.deal.won", "time": "2026-03-01T12:00:00Z"}
    document = json.dumps(value | {"data": {"opportunity_id": 1, "amount": text}}).encode()
    assert decode(document, None).data["amount"] == units


@given(st.integers(0, 5_648_745_599_999_999))
def test_canonical_instant_is_read_back_as_the_same(us: int) -> None:
    text = canonical("at", us)
    head = '{"id":1,"source":1,"type":"crm.lead.deleted","data":{"lead_id":1},"time":'
    assert decode(f"{head}{text}}}".encode(), None).time == us


def test_every_normalised_field_has_a_kind() -> None:
    assert set(FIELD_KINDS.values()) == KINDS
    for name in EVENT_TYPES:
        event = decode(json.dumps(example_event(name)).encode(), None)
        for field, value in event.data.items():
            assert (json.loads(canonical(field, value)) is None) == (value is None)


def test_groups_are_no_fields() -> None:
    with pytest.raises(KeyError):
        canonical("utm", "x")
    assert FIELD_KINDS["utm_source"] == FIELD_KINDS["gclid"] == "text"


def test_personal_fields_are_texts() -> None:
    assert {FIELD_KINDS[field] for fields in PERSONAL.values() for field in fields} == {"text"}
