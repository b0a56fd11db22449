"""Whatever arrives: an adapter never raises, and what it gives the contract takes."""

import contextlib
import copy
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import decode
from schemas.adapters import FORMATS, KINDS, Adapted, Context, UnusableTable, open_adapter, open_table
from tests.schemas.adapters.samples import ECB_XML, PAYLOADS, TWILIO, source

CASES = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

NUMBERS = st.one_of(
    st.integers(),
    st.integers(10**8, 10**19),
    st.decimals(allow_nan=True, allow_infinity=True),
    st.sampled_from([Decimal("1e999999999"), Decimal("-1e-999999999"), Decimal("1e400")]),
    st.integers(5000, 5001).map(lambda exponent: 10**exponent),
)
TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["", " ", "closedwon", "true", "1772366400000", "2026-03-01", "2026-13-45", "0001-01-01T00:00:00+14:00",
         "9999-12-31T23:59:59-14:00", "1e999999999", "NaN", "-0", "0x08F8", "*", "001*", "EUR", "\ud800", "x" * 300,
         "http://[::1", "https://a.example/?utm_source=x&gclid=" + "y" * 9000, "GAP_UPDATE", "CREATE", "DELETE"]
    ),
)  # fmt: skip
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=12,
)
STRANGE = st.one_of(
    st.floats(), st.binary(max_size=10), st.tuples(st.integers()), st.just(object()), st.sets(st.integers())
)


ADAPTED = [kind for kind in KINDS if kind != "rows"]  # those are read by stream.mapped_rows


def sound(adapted: Adapted) -> None:
    for event in adapted.events:
        decode(event, None)
    for refusal in adapted.refusals:
        assert refusal.reason
        assert refusal.message
        assert isinstance(refusal.raw, bytes)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*path, key))


def with_change(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy in which something else stands at a place; `...` takes what stands there away."""
    if not path:
        return new
    changed = copy.deepcopy(value)
    holder = changed
    for step in path[:-1]:
        holder = holder[step]
    if new is ...:
        del holder[path[-1]]
    else:
        holder[path[-1]] = new
    return changed


@pytest.mark.parametrize("kind", ADAPTED)
@CASES
@given(payload=st.one_of(JSON, STRANGE))
def test_any_decoded_value(kind: str, payload: Any) -> None:
    sound(open_adapter(source(kind)).adapt(payload))


@pytest.mark.parametrize("kind", ADAPTED)
@CASES
@given(payload=st.binary(max_size=200))
def test_any_bytes(kind: str, payload: bytes) -> None:
    sound(open_adapter(source(kind)).adapt(payload))


@pytest.mark.parametrize("kind", PAYLOADS)
@CASES
@given(data=st.data())
def test_a_good_payload_with_anything_anywhere(kind: str, data: st.DataObject) -> None:
    payload = data.draw(st.sampled_from(PAYLOADS[kind]))
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(list(places(payload))))
        payload = with_change(payload, path, data.draw(st.one_of(JSON, STRANGE, st.just(...) if path else JSON)))
    sound(open_adapter(source(kind, "portal = 62515" if kind == "hubspot" else "")).adapt(payload, Context()))


@pytest.mark.parametrize("kind", PAYLOADS)
@CASES
@given(data=st.data())
def test_a_good_payload_cut_anywhere(kind: str, data: st.DataObject) -> None:
    payload = json.dumps(data.draw(st.sampled_from(PAYLOADS[kind])), default=str).encode()
    cut = payload[: data.draw(st.integers(0, len(payload) - 1))]
    adapted = open_adapter(source(kind)).adapt(cut)
    assert adapted.events == []
    assert [refusal.reason for refusal in adapted.refusals] == ["invalid-json"]
    assert adapted.refusals[0].raw == cut


@pytest.mark.parametrize("kind", PAYLOADS)
def test_good_payloads_are_good(kind: str) -> None:
    for payload in PAYLOADS[kind]:
        adapted = open_adapter(source(kind)).adapt(payload)
        assert adapted.events
        assert adapted.refusals == []


@pytest.mark.parametrize("kind", ADAPTED)
def test_deep_nesting(kind: str) -> None:
    depth = 100_000
    deep = b"[" * depth + b"]" * depth
    nested: Any = []
    for _ in range(3000):
        nested = [nested]
    for payload in (deep, b'{"a":' * depth, nested, {"data": nested, "type": "identify"}):
        adapted = open_adapter(source(kind)).adapt(payload)
        sound(adapted)
        assert adapted.events == []


@pytest.mark.parametrize("kind", PAYLOADS)
def test_levels_that_no_contract_takes(kind: str) -> None:
    adapted = open_adapter(source(kind)).adapt(b"[" * 257 + b"]" * 257)
    assert [refusal.reason for refusal in adapted.refusals] == ["invalid-json"]


@CASES
@given(data=st.data())
def test_a_callback_with_anything_anywhere(data: st.DataObject) -> None:
    form: dict[str, Any] = dict(TWILIO)
    for _ in range(data.draw(st.integers(1, 3))):
        form[data.draw(st.sampled_from(list(form)))] = data.draw(TEXTS)
    twilio = open_adapter(source("twilio"))
    sound(twilio.adapt(form))
    sound(twilio.adapt(urlencode(form, errors="replace").encode()))
    sound(twilio.adapt({**form, "CallSid": data.draw(JSON)}))


@CASES
@given(data=st.data())
def test_a_file_of_rates_with_anything_anywhere(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(ECB_XML)))
    end = data.draw(st.integers(start, len(ECB_XML)))
    sound(open_adapter(source("ecb")).adapt(ECB_XML[:start] + data.draw(st.binary(max_size=8)) + ECB_XML[end:]))


HEADERS = {
    "hubspot-csv": ["Record ID", "Last Modified Date", "Deal Name", "Deal Stage", "Amount", "Close Date", "Currency",
                    "Deal owner", "Associated Contact IDs", "Create Date"],
    "salesforce-csv": ["Id", "SystemModstamp", "IsDeleted", "Amount", "StageName", "CloseDate", "IsClosed", "IsWon",
                       "ConvertedOpportunityId", "CallDurationInSeconds", "WhoId", "LeadId", "MasterRecordId"],
    "pipedrive-csv": ["Deal - ID", "Deal - Update time", "Deal - Value", "Deal - Status", "Deal - Won time",
                      "Deal - Probability", "Person - ID", "Deal - Stage"],
    "google-ads-csv": ["Day", "Campaign ID", "Campaign", "Cost", "Currency code", "Impr.", "Clicks"],
    "meta-csv": ["Day", "Campaign ID", "Campaign name", "Amount spent (EUR)", "Impressions", "Clicks (all)"],
    "ecb-csv": ["Date", "USD", "JPY", ""],
}  # fmt: skip


@pytest.mark.parametrize("format_name", HEADERS)
@CASES
@given(data=st.data())
def test_any_row(format_name: str, data: st.DataObject) -> None:
    header = HEADERS[format_name]
    table = open_table(format_name, source(FORMATS[format_name].kind), header, Context(as_of="2026-03-02T06:00:00Z"))
    cells = st.one_of(
        TEXTS,
        st.sampled_from(["006A", "00QA", "00TA", "00v1", "2026-03-01 10:00", "12", "-1,234.50", "--", "won", "true"]),
    )
    for _ in range(2):
        sound(table.row({column: data.draw(cells) for column in header}))


@CASES
@given(header=st.lists(TEXTS, max_size=5), format_name=st.sampled_from(sorted(HEADERS)))
def test_any_header(header: list[str], format_name: str) -> None:
    with contextlib.suppress(UnusableTable):
        open_table(format_name, source(FORMATS[format_name].kind), header, Context(as_of="2026-03-02T06:00:00Z"))
