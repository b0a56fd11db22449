"""The committed reference is what the models say, and its schemas and examples are true."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from schemas import EVENT_TYPES, Rejected, decode
from schemas.export import event_schema, example_event, export
from tests.schemas.broken_events import LITERALS, event_with, places

DOCS = Path(__file__).parents[2] / "docs"


def test_committed_files_are_up_to_date(tmp_path: Path) -> None:
    written = export(tmp_path)
    for path in written:
        committed = DOCS / path.relative_to(tmp_path)
        assert committed.read_text(encoding="utf-8") == path.read_text(encoding="utf-8"), (
            f"{committed} is old: python -m schemas.export docs"
        )
    assert {path.name for path in (DOCS / "events").iterdir()} == {f"{name}.schema.json" for name in EVENT_TYPES}


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_example(name: str) -> None:
    schema = event_schema(name)
    Draft202012Validator.check_schema(schema)
    event = example_event(name)
    Draft202012Validator(schema).validate(event)
    assert decode(json.dumps(event).encode(), None).type == name


@pytest.mark.parametrize("name", {event_type.data: name for name, event_type in EVENT_TYPES.items()}.values())
def test_schema_takes_whatever_decode_takes(name: str) -> None:
    validator = Draft202012Validator(event_schema(name))
    taken = 0
    for place in places(name):
        for literal in LITERALS:
            value = event_with(name, place, literal)
            try:
                decode(value, None)
            except Rejected:
                continue
            if "unknown" not in place:  # what nobody reads may be too much for a float
                assert validator.is_valid(json.loads(value)), (place, literal)
                taken += 1
    assert taken > 20


@pytest.mark.parametrize(
    ("name", "place", "literal"),
    [
        ("crm.lead.created", "id", '""'),
        ("crm.lead.created", "specversion", '"2.0"'),
        ("crm.lead.created", "time", '"2026-03-01T12:00:00"'),
        ("crm.lead.created", "sequence", '"x"'),
        ("crm.lead.created", "data", "[]"),
        ("crm.lead.created", "data.lead_id", "null"),
        ("crm.lead.created", "data.utm.source", "5"),
        ("crm.opportunity.updated", "data.amount", '"1,5"'),
        ("crm.opportunity.updated", "data.probability", "1.5"),
        ("crm.call.logged", "data.talk_seconds", '"12"'),
        ("crm.account.upserted", "data.key_account", '"yes"'),
        ("crm.rate.posted", "data.rate", "0"),
        ("crm.target.posted", "data.scope", '"team/"'),
        ("crm.deal.won", "type", '"crm.deal.lost"'),
    ],
)
def test_schema_refuses_what_it_can(name: str, place: str, literal: str) -> None:
    event = json.loads(event_with(name, place, literal))
    assert not Draft202012Validator(event_schema(name)).is_valid(event)


def test_required_members_are_required() -> None:
    event = example_event("crm.rate.posted") | {"data": {"date": "2026-03-01", "base": "USD", "quote": "EUR"}}
    assert not Draft202012Validator(event_schema("crm.rate.posted")).is_valid(event)


def test_command_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "schemas.export", str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "26 files" in done.stdout
    assert (tmp_path / "events.md").exists()
    assert subprocess.run([sys.executable, "-m", "schemas.export"], capture_output=True, check=False).returncode == 2
