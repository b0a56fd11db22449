"""Which bytes name an erased id, and that what is deleted is gone from the disk."""

import asyncio
import base64
import json
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import given
from hypothesis import strategies as st

from schemas import MAX_BYTES, entity_key
from schemas.adapters import Context, Refusal
from sinks.clickhouse import ClickHouseStore
from sinks.erasure import ErasedIds, detached_parts, old_parts, purge, standing, wait_for_old_parts
from stream.erasing import _blank_rejected
from stream.refused import refused_record
from tests.clickhouse import ClickHouseServer
from tests.schemas.adapters.samples import hubspot, pipedrive

ERASED = ["lead:1", "lead:%C3%BC%2F5", "opportunity:o7", "lead:77"]

NAMES_ONE = [
    b'{"lead_id": "1"}',
    b'{"lead_id":1, "amount": "x"}',
    b'{"lead_id" :\n -1, "lead_id": 77',
    b'{"x": "\\u00fc\\/5"}',
    '{"x": "ü/5", '.encode(),
    b'{"merged_ids": [3, 77]}',
    b'{"merged_ids": ["3", "77"',
    b'\xff\xfe not json at all, and yet "o7"',
    '\ufeff{"lead_id": "ü/5"}'.encode("utf-16-le"),
    '{"lead_id": "1"}'.encode("utf-16-be"),
    # payloads that an adapter refused, as their records carry them
    refused_record("crm", Refusal("invalid-payload", "m", '[{"objectId": "ü/5", "x": 1}]'.encode())),
    refused_record("crm", Refusal("invalid-payload", "m", b'{"objectId": 77}')),
    refused_record("crm", Refusal("invalid-payload", "m", b'{"objectId":77,"x":1}')),
    refused_record("crm", Refusal("invalid-payload", "m", b"CallSid=CA1&lead_id=%C3%BC%2F5")),
    refused_record("crm", Refusal("invalid-payload", "m", b"CallSid=CA1"), Context({"lead_id": "77"})),
    refused_record("crm", Refusal("invalid-payload", "m", b'{"e": "{\\"lead_id\\": \\"o7\\"}"}')),
    refused_record("crm", Refusal("invalid-payload", "m", b"CallSid=o7&From=%2B1")),
    refused_record("crm", Refusal("invalid-payload", "m", b"\xff\xfe<id>o7</id>")),
    # a short number names the lead where it is the id of a person, or of a record that may be one
    *(
        refused_record("crm", Refusal("invalid-payload", "m", json.dumps(payload).encode()))
        for payload in (
            hubspot("contact.creation", 77),
            [hubspot("object.creation", 77, objectTypeId="0-1")],
            hubspot("contact.merge", 5, mergedObjectIds=[76, 77]),
            hubspot("deal.associationChange", 9, fromObjectId=9, toObjectId=77),
            pipedrive("person", "change", {"id": 77, "name": None}),
            pipedrive("deal", "change", {"id": 9, "person_id": 77}),
            {"userId": "77", "type": "track"},
            {"customer_no": 77.0},
            {"LEADID": 77},
            {"contactids": ["76", "77"]},
            {"call": {"lead": {"id": 77}}},
            {"row": {"Lead": "77"}},
            {"e": json.dumps({"contactId": 77})},
        )
    ),
    refused_record("crm", Refusal("invalid-payload", "m", b"CallSid=CA1&lead_id=77")),
    refused_record("crm", Refusal("invalid-payload", "m", b"CallSid=CA1"), Context({"lead_id": "77"})),
    # what cannot be decoded names it as any word
    refused_record("crm", Refusal("invalid-json", "m", b'{"amount": 77')),
    refused_record("crm", Refusal("invalid-payload", "m", b"<row>77</row>")),
    refused_record("crm", Refusal("invalid-payload", "m", b'{"amount": 77, "x": "' + b"y" * MAX_BYTES + b'"}')),
]
NAMES_NONE = [
    b'{"amount": 1, "sequence": 77}',
    b'{"lead_id": "11"}',
    b'{"lead_id": 771}',
    b'{"opportunity_id": 77}',
    b'{"x": "\\"1\\""}',
    '{"lead_id": "ü/5'.encode(),
    b'{"x": "the lead 1"}',
    b"",
    refused_record("crm", Refusal("invalid-payload", "m", b'{"objectId": 771, "x": "o70"}')),
    # the number stands in it, and is nobody's id
    *(
        refused_record("crm", Refusal("invalid-payload", "m", json.dumps(payload).encode()))
        for payload in (
            hubspot("deal.creation", 77),
            hubspot("contact.creation", 5, portalId=77, eventId=77, occurredAt=77, attemptNumber=77),
            hubspot("company.creation", 77),
            pipedrive("deal", "change", {"id": 77, "value": 77, "owner_id": 77, "stage_id": 77}),
            pipedrive("activity", "change", {"id": 77, "person_id": 5}, user_id="5"),
            {"lead_id": 5, "lead_owner_id": 77, "amount": "77", "probability": 77, "note": "at 77 Main Street, 77"},
            {"opportunity_id": 77},
            {"77": "x", "sequence": 77},
        )
    ),
    refused_record("crm", Refusal("invalid-payload", "m", b"CallSid=CA1&CallDuration=77&lead_id=5")),
    refused_record("crm", Refusal("invalid-payload", "m", b"CallSid=CA1"), Context({"campaign_id": "77"})),
]


@pytest.mark.parametrize("value", NAMES_ONE)
def test_bytes_name_an_id_as_a_string_however_it_is_written(value: bytes) -> None:
    assert ErasedIds(ERASED).named_in(value)


@pytest.mark.parametrize("value", NAMES_NONE)
def test_bytes_that_only_look_alike_name_none(value: bytes) -> None:
    assert not ErasedIds(ERASED).named_in(value)


@given(st.text(min_size=1, max_size=20), st.booleans(), st.integers(0, 30))
def test_any_id_is_found_in_any_json_even_if_it_is_cut(identifier: str, escaped: bool, cut: int) -> None:
    ids = ErasedIds([entity_key("lead", identifier)])
    try:
        value = json.dumps({"data": {"lead_id": identifier, "name": "x" * 40}}, ensure_ascii=escaped).encode()
    except UnicodeEncodeError:  # a lone surrogate is no text
        return
    assert ids.named_in(value[: len(value) - cut])
    # a member's name is a string like any other: one that is longer than the ids here is none of them
    others = {"lead_id_and_something": f"{identifier}x", "names_of_other_members": [identifier + "y"]}
    assert not ids.named_in(json.dumps(others).encode())


def _insert_letters(client: Client, values: list[bytes]) -> None:
    rows = [
        {"topic": "t", "partition": -1, "offset": number, "value_base64": base64.b64encode(value).decode()}
        for number, value in enumerate(values)
    ]
    columns = ["topic", "partition", "offset", "value_base64"]
    body = "\n".join(map(json.dumps, rows))
    client.raw_insert("dead_letters", column_names=columns, insert_block=body, fmt="JSONEachRow")


def _insert_people(client: Client, *entities: str) -> None:
    at = "2026-01-01 00:00:00"
    rows = [{"entity": each, "field": "name", "time": at, "value": f"Name of {each}"} for each in entities]
    client.raw_insert("people", insert_block="\n".join(map(json.dumps, rows)), fmt="JSONEachRow")


def test_a_purge_takes_just_what_is_of_the_erased_and_leaves_no_part(
    database: Client, clickhouse_server: ClickHouseServer
) -> None:
    _insert_people(database, *ERASED[:2], "lead:O'Neil")
    _insert_people(database, *ERASED[2:], "lead:2")
    _insert_letters(database, [*NAMES_ONE, *NAMES_NONE])
    found = standing(database, ERASED)
    assert (found.people, sorted(place.offset for place in found.dead_letters)) == (4, list(range(len(NAMES_ONE))))
    assert purge(database, ERASED) == found
    assert not standing(database, ERASED)
    left = database.query("SELECT entity FROM people FINAL ORDER BY entity").result_rows
    assert [row[0] for row in left] == ["lead:2", "lead:O'Neil"]
    assert database.query("SELECT count() FROM dead_letters FINAL").result_rows[0][0] == len(NAMES_NONE)
    assert old_parts(database)
    assert wait_for_old_parts(database, 120) == []
    paths = database.query("SELECT arrayJoin(data_paths) FROM system.tables WHERE database = currentDatabase()")
    contents = b"".join(
        file.read_bytes() for (path,) in paths.result_rows for file in Path(path).rglob("*") if file.is_file()
    )
    assert b"Name of lead:2" in contents
    assert b"Name of lead:1" not in contents
    assert b"Name of opportunity:o7" not in contents
    assert not purge(database, [])


def test_who_is_erased_in_a_flush_is_not_written_by_it(database: Client) -> None:
    store = ClickHouseStore(database, "test")
    at = "2026-01-01 00:00:00.000000"
    order = {"time": at, "sequence": 0, "source": "s", "id": "i"}
    letter = {"topic": "t", "partition": 0, "received_at": at[:23], "reason": "r", "message": "m"}
    rows = {
        "people": [{"entity": each, "field": "name", "value": "Ann", **order} for each in ("lead:1", "lead:2")],
        "dead_letters": [
            {**letter, "offset": offset, "value_base64": base64.b64encode(value).decode()}
            for offset, value in enumerate((b'{"lead_id": "1"', b'{"lead_id": "2"'))
        ],
        "erased": [{"entity": "lead:1"}],
    }
    asyncio.run(store.insert({table: [json.dumps(row).encode() for row in found] for table, found in rows.items()}))
    assert database.query("SELECT entity FROM people").result_rows == [("lead:2",)]
    assert database.query("SELECT offset FROM dead_letters").result_rows == [(1,)]


def test_a_purge_by_the_worker_looks_again_only_after_something_was_written(database: Client) -> None:
    store = ClickHouseStore(database, "test")
    _insert_people(database, "lead:1", "lead:2")
    assert not asyncio.run(store.purge())
    database.command("INSERT INTO erased VALUES ('lead:1')")
    assert asyncio.run(store.purge()).people == 1
    assert not asyncio.run(store.purge())
    _insert_people(database, "lead:1")  # as a worker does that read `erased` a moment before
    assert asyncio.run(store.purge()).people == 1
    assert database.query("SELECT entity FROM people FINAL").result_rows == [("lead:2",)]


def test_many_people_are_purged_at_once_whatever_their_ids(database: Client) -> None:
    ids = [f'{number} O\'Neil \\ %s %(ids)s {{x:String}} "quoted" ünï' for number in range(3_000)]
    erased, kept = [entity_key("lead", each) for each in ids[:-1]], entity_key("lead", ids[-1])
    _insert_people(database, *erased, kept)
    _insert_letters(database, [json.dumps({"lead_id": each}).encode() for each in ids])
    found = purge(database, erased)
    assert (found.people, len(found.dead_letters)) == (2_999, 2_999)
    assert database.query("SELECT entity FROM people FINAL").result_rows == [(kept,)]
    assert database.query("SELECT offset FROM dead_letters FINAL").result_rows == [(2_999,)]


def test_a_detached_part_is_not_forgotten(database: Client) -> None:
    _insert_people(database, "lead:1")
    (part,) = database.query(
        "SELECT name FROM system.parts WHERE database = currentDatabase() AND table = 'people'"
    ).first_row
    database.command(f"ALTER TABLE people DETACH PART '{part}'")
    assert detached_parts(database) == [f"people/{part}"]


def test_rejected_lines_are_overwritten_in_place(tmp_path: Path) -> None:
    def entry(line: int, original: object, **rest: object) -> bytes:
        found = {"file": "leads.csv", "line": line, "reason": "wrong-cells", "message": "m", "original": original}
        return json.dumps({**found, **rest}, separators=(",", ":")).encode() + b"\n"

    lines = [
        entry(1, {"id": "1", "name": "Ann"}),
        entry(2, {"id": "2", "name": "Bob"}),
        entry(77, 'x,"1",Ann Again'),
        entry(4, "x;1;Ann Again"),
        entry(5, '{"lead_id": "o7", "contact": "Ann"', size=3 << 20),
        entry(6, "11,Bob Too"),
        b'not json, "1", Ann\n',
        b'{"file":"leads.csv","line":9,"reason":"cut by a kill","original":"1,Ann',
    ]
    path = tmp_path / "leads.csv-0123.rejected.jsonl"
    path.write_bytes(b"".join(lines))
    inode = path.stat().st_ino
    assert _blank_rejected(tmp_path, ErasedIds(ERASED)) == 5
    after = path.read_bytes().splitlines(keepends=True)
    assert [len(line) for line in after] == [len(line) for line in lines]
    assert (after[1], after[5], after[7]) == (lines[1], lines[5], lines[7])
    assert json.loads(after[0]) == {"file": "leads.csv", "line": 1, "reason": "erased"}
    assert after[6].isspace()
    assert b"Ann" not in b"".join(after[:7])
    assert path.stat().st_ino == inode
    assert list(tmp_path.iterdir()) == [path]
    assert _blank_rejected(tmp_path, ErasedIds(ERASED)) == 0
