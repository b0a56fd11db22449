"""The AsyncAPI document: valid, current, and its references lead to the schemas of the events."""

import copy
import json
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator, Draft202012Validator

from schemas import asyncapi
from schemas.events import EVENT_TYPES
from schemas.export import event_schema
from stream.settings import Settings

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / asyncapi.FILE


@pytest.fixture(scope="module")
def validator() -> Draft7Validator:
    text = (ROOT / "tests" / "deploy" / "schema" / "asyncapi-3.0.0.json").read_text("utf-8")
    return Draft7Validator(json.loads(text))


def test_the_kept_document_is_current() -> None:
    assert PAGE.read_text("utf-8") == asyncapi.render(version("sixfold")), "run make docs-events"


def test_it_is_asyncapi_3(validator: Draft7Validator) -> None:
    kept = yaml.safe_load(PAGE.read_text("utf-8"))
    assert [error.message for error in validator.iter_errors(kept)] == []
    for spoil in ("action", "channel"):
        broken = copy.deepcopy(kept)
        del broken["operations"]["readEvents"][spoil]
        assert list(validator.iter_errors(broken)), spoil


def test_channels_are_the_topics_of_the_settings() -> None:
    made = asyncapi.document("1")
    settings = Settings(prefix="")
    topics = {settings.events_topic, settings.documents_topic, settings.dead_letters_topic}
    assert {channel["address"] for channel in made["channels"].values()} == topics


def test_every_type_has_a_message_whose_schema_exists_and_takes_its_example() -> None:
    messages = yaml.safe_load(PAGE.read_text("utf-8"))["components"]["messages"]
    assert set(messages) == {*EVENT_TYPES, "refused", "document"}
    for name in EVENT_TYPES:
        schema = json.loads((PAGE.parent / messages[name]["payload"]["schema"]["$ref"]).read_text("utf-8"))
        assert schema == event_schema(name)
        Draft202012Validator(schema).validate(messages[name]["examples"][0]["payload"])


def test_every_reference_inside_leads_somewhere() -> None:
    made = asyncapi.document("1")

    def follow(node: object) -> None:
        if isinstance(node, dict):
            if str(node.get("$ref", "")).startswith("#/"):
                found = made
                for part in node["$ref"][2:].split("/"):
                    found = found[part]
            for value in node.values():
                follow(value)

    follow(made)
