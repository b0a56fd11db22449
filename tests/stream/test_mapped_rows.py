"""Rows of somebody's own tables, as Debezium and Kafka Connect write them, through a mapping."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import decode
from schemas.adapters import Adapted
from stream.mapped_rows import MappedRows
from stream.mapping import read_mapping
from stream.rows import RowMapper
from tests.schemas.adapters.test_garbage import JSON, STRANGE, places, sound, with_change

MAPPING = """
source = "shop/orders"
[[events]]
type = "crm.opportunity.updated"
when = { column = "__deleted", not_in = ["true"] }
time = { column = "updated_at", instant = ["iso", "unix-ms"] }
[events.data]
opportunity_id = { column = "id" }
amount = { column = "total", number = true, if_empty = "null" }
account_id = { column = "customer.id" }
[[events]]
type = "crm.opportunity.deleted"
when = { column = "__deleted", equals = "true" }
time = { column = "__source_ts_ms", instant = "unix-ms" }
data = { opportunity_id = { column = "id" } }
"""
NOON_MS = 1772366400000
ROW = {
    "id": 7,
    "total": Decimal("1250.50"),
    "updated_at": NOON_MS,
    "customer": {"id": "c-1"},
    "paid": True,
    "note": None,
}


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> MappedRows:
    path = tmp_path_factory.mktemp("mapping") / "orders.toml"
    path.write_text(MAPPING)
    return MappedRows(RowMapper(read_mapping(path), [Path(path.parent)]))


def change(operation: str, before: Any = None, after: Any = None) -> dict[str, Any]:
    return {"before": before, "after": after, "op": operation, "ts_ms": NOON_MS + 5, "source": {"ts_ms": NOON_MS + 1}}


def data(adapted: Adapted) -> list[tuple[str, Any]]:
    assert adapted.refusals == []
    events = [json.loads(event, parse_float=Decimal) for event in adapted.events]
    return [(event["type"], event["data"]) for event in events]


UPDATED = ("crm.opportunity.updated", {"opportunity_id": "7", "amount": "1250.50", "account_id": "c-1"})


def test_every_form_of_a_row_is_the_row(mapped: MappedRows) -> None:
    plain = json.dumps(ROW, default=float).encode()
    forms: list[Any] = [
        ROW,
        plain,
        {"schema": {"type": "struct"}, "payload": ROW},
        change("c", None, ROW),
        change("u", {**ROW, "total": 1}, ROW),
        change("r", None, ROW),
        {"schema": {}, "payload": change("u", None, ROW)},
    ]
    for form in forms:
        ((kind, said),) = data(mapped.adapt(form))
        assert (kind, {**said, "amount": Decimal(said["amount"])}) == (
            UPDATED[0],
            {**UPDATED[1], "amount": Decimal("1250.5")},
        )
    assert data(mapped.adapt([ROW, ROW])) == [UPDATED, UPDATED]


def test_a_deletion_is_what_the_row_was(mapped: MappedRows) -> None:
    adapted = mapped.adapt(change("d", ROW))
    assert data(adapted) == [("crm.opportunity.deleted", {"opportunity_id": "7"})]
    assert decode(adapted.events[0], None).time == (NOON_MS + 1) * 1000
    # the flattening transformation says it in the row
    flat = {**ROW, "__deleted": "true", "__source_ts_ms": NOON_MS + 1}
    assert data(mapped.adapt(flat)) == [("crm.opportunity.deleted", {"opportunity_id": "7"})]


@pytest.mark.parametrize(
    "payload", [None, b"null", {"schema": None, "payload": None}, change("t"), change("m"), change("u")]
)
def test_what_is_no_row_is_passed_over(mapped: MappedRows, payload: Any) -> None:
    adapted = mapped.adapt(payload)
    assert (adapted.events, adapted.refusals, sum(adapted.passed_over.values())) == ([], [], 1)


def test_null_and_absence_are_what_the_mapping_says(mapped: MappedRows) -> None:
    ((_, said),) = data(mapped.adapt({"id": 7, "total": None, "updated_at": "2026-03-01T12:00:00Z"}))
    assert said == {"opportunity_id": "7", "amount": None}


def test_a_row_that_is_delivered_again_is_the_same_event(mapped: MappedRows) -> None:
    assert mapped.adapt(change("u", None, ROW)).events == mapped.adapt(change("u", {"id": 7}, ROW)).events
    assert mapped.adapt(ROW).events != mapped.adapt({**ROW, "note": "x"}).events


def test_what_cannot_be_mapped_is_refused_with_the_row(mapped: MappedRows) -> None:
    bad = {**ROW, "total": "AeI="}  # a decimal as Debezium writes it unless told otherwise
    adapted = mapped.adapt([bad, ROW, "what"])
    assert len(adapted.events) == 1
    assert [(refusal.reason, refusal.message) for refusal in adapted.refusals] == [
        ("invalid-number", "column 'total': 'AeI=' is no number as the mapping has it"),
        ("invalid-payload", "row: must be an object, not a string"),
    ]
    assert json.loads(adapted.refusals[0].raw)["total"] == "AeI="
    assert mapped.adapt(b'{"id": ').refusals[0].reason == "invalid-json"


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_garbage_gives_refusals_and_nothing_else(mapped: MappedRows, data: st.DataObject) -> None:
    sound(mapped.adapt(data.draw(st.one_of(JSON, STRANGE, st.binary(max_size=100)))))
    payload: Any = data.draw(
        st.sampled_from([ROW, change("u", None, ROW), {"schema": {}, "payload": change("d", ROW)}])
    )
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(list(places(payload))))
        payload = with_change(payload, path, data.draw(st.one_of(JSON, STRANGE)))
    sound(mapped.adapt(payload))
