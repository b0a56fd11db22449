"""The contract on paper: JSON Schemas of whole events, and a reference for people, both made from the models.

`python -m schemas.export docs` writes `docs/events/TYPE.schema.json` and `docs/events.md`.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from schemas.decode import MAX_BYTES, MAX_KEY_BYTES
from schemas.events import EVENT_TYPES, PERSONAL, ClickId, Envelope, EventType, Members, Utm
from schemas.fields import member_group, member_kind
from schemas.reasons import Reason
from schemas.strict_json import MAX_DEPTH

_DIALECT = "https://json-schema.org/draft/2020-12/schema"

_KINDS = {
    "identifier": "string of 1 to 256 characters, or an integer, which counts as its decimal text: 42 is "
    "`42`, `042` is another; 42.0, true and an empty string are refused",
    "text": "any string, kept as it is",
    "boolean": "`true` or `false`",
    "money": "number or decimal text such as `-1250.00` or `1.25e3`; at most 14 integer digits and 4 "
    "decimals (spare zeros do not count); exact, never rounded",
    "number 0 to 1": "like money, from 0 to 1",
    "number": "number or decimal text; at most 14 integer digits and 18 decimals",
    "number above 0": "like number, and above zero",
    "whole number": "`12` or `12.0`, not negative; at most 10^15 unless said otherwise",
    "currency code": "three capital letters (ISO 4217)",
    "instant": "RFC 3339 with offset, such as `2026-03-01T12:00:00Z` or `2026-03-01T13:00:00.25+01:00`; "
    "years 1970 to 2148 in UTC; digits finer than microseconds are cut off; second 60 is the next second",
    "date": "`YYYY-MM-DD`, in the calendar, 1970 to 2148",
    "month": "`YYYY-MM`, 1970 to 2148",
    "address or host": "web address or host name; kept is the host, in small letters, without port and user",
    "array of identifiers": "perhaps empty",
    "array of texts": "perhaps empty",
}

_REASONS = {
    Reason.TOO_LARGE: f"more than {MAX_BYTES} bytes; UTM texts of spend that make a key of more than {MAX_KEY_BYTES}",
    Reason.INVALID_JSON: f"no JSON text in UTF-8, or nested deeper than {MAX_DEPTH} levels",
    Reason.INVALID_ENVELOPE: "no object, or an attribute around `data` is missing or wrong",
    Reason.UNKNOWN_TYPE: "`type` is none of those below",
    Reason.TIME_IN_FUTURE: "`time` is too long after the record's Kafka timestamp",
    Reason.MISSING_MEMBER: "a required member of `data` is absent",
    Reason.INVALID_MEMBER: "a member of `data` has a wrong type or value, or is required and null",
}

_INTRODUCTION = """\
# Events

<!-- Made from the models by `python -m schemas.export docs`; change schemas/events.py instead. -->

What Sixfold reads from the topic `crm.events`: each record is one JSON object in UTF-8, a
[CloudEvents 1.0](https://cloudevents.io) event in structured mode. The folder [events](events/) holds a JSON
Schema (2020-12) for every type.

- A member that is absent stays as it was. `null` clears it; a required member cannot be null.
- Unknown members are ignored. One bad member refuses the whole event.
- Order and repetition do not matter: of two values for a member, that of the later `time` stays; at equal
  time the greater `sequence` decides, then source, id and value.
- The record key should be the one given with each type, parts percent-encoded; a record with another key is
  taken too, and is sent on to the right partition.
"""


def export(directory: Path) -> list[Path]:
    """Write `events/TYPE.schema.json` and `events.md` into a directory; gives the paths written."""
    folder = directory / "events"
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in EVENT_TYPES:
        path = folder / f"{name}.schema.json"
        path.write_text(json.dumps(event_schema(name), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        written.append(path)
    path = directory / "events.md"
    path.write_text(reference_page(), encoding="utf-8")
    return [*written, path]


def event_schema(name: str) -> dict[str, Any]:
    """JSON Schema of a whole event of one type.

    It takes all that `decode` takes. It cannot say everything that `decode` refuses: that 42.0 is no
    identifier, how many decimals a number has and which dates exist stands in descriptions only.
    """
    event_type = EVENT_TYPES[name]
    schema = _model_schema(Envelope)
    schema["properties"]["type"] = {"const": name}
    schema["properties"]["data"] = _model_schema(event_type.data)
    return {"$schema": _DIALECT, "title": name} | schema | {"description": event_type.summary}


def example_event(name: str) -> dict[str, object]:
    """A whole event of one type."""
    return {
        "specversion": "1.0",
        "id": "evt-1",
        "source": "hubspot/62515",
        "type": name,
        "time": "2026-04-02T15:30:00Z",
        "data": EVENT_TYPES[name].example,
    }


def reference_page() -> str:
    """The reference as Markdown."""
    envelope = [
        (f"`{name}`", _ENVELOPE_KINDS[name], _required(Envelope, name), _meaning(Envelope, name))
        for name in Envelope.model_fields
    ]
    types = [(f"[`{name}`](#{name.replace('.', '')})", event_type.summary) for name, event_type in EVENT_TYPES.items()]
    parts = [
        _INTRODUCTION,
        "## Envelope\n",
        _table(("attribute", "kind", "required", "meaning"), envelope),
        "## Kinds of values\n",
        _table(("kind", "rule"), tuple(_KINDS.items())),
        f"`utm` is an object of {_names(Utm.model_fields)};",
        f"`click_id` is one of {_names(ClickId.model_fields)}.",
        "Each of their members is a field of its own: it may be given, left out or cleared alone.\n",
        "Personal data, kept in one table and nowhere else so that it can be erased:\n",
        *(f"- {kind}: {_names(sorted(fields))}" for kind, fields in PERSONAL.items()),
        "\n## Why an event is refused\n",
        "A refused event goes to the topic `crm.dead-letters` and the table `dead_letters`, with the first",
        "reason that applies, from the top; of several bad members the first in the tables below decides.\n",
        _table(("reason", "when"), [(f"`{reason}`", when) for reason, when in _REASONS.items()]),
        "## Types\n",
        _table(("type", "what happened"), types),
        *(_type_section(name, event_type) for name, event_type in EVENT_TYPES.items()),
    ]
    return "\n".join(parts).rstrip() + "\n"


_ENVELOPE_KINDS = {
    "specversion": "`1.0`",
    "id": "identifier",
    "source": "identifier",
    "type": "text",
    "time": "instant",
    "sequence": "integer or its decimal text",
    "data": "object",
}


def _type_section(name: str, event_type: EventType) -> str:
    model = event_type.data
    rows = [
        (f"`{member}`", _kind(model, member), _required(model, member), _meaning(model, member))
        for member in model.model_fields
    ]
    return "\n".join(
        [
            f"### {name}\n",
            f"{event_type.summary} Record key: {_key_pattern(name, event_type)}.",
            f"[JSON Schema](events/{name}.schema.json)\n",
            _table(("member", "kind", "required", "meaning"), rows),
            "```json",
            json.dumps(example_event(name), indent=2, ensure_ascii=False),
            "```\n",
        ]
    )


def _key_pattern(name: str, event_type: EventType) -> str:
    if name == "crm.lead.merged":
        return "`lead:ID` of the first merged lead, of the survivor where there is none"
    utm = [part for part in event_type.parts if part.startswith("utm_")]
    parts = [part.upper() for part in event_type.parts if part not in utm]
    if utm:
        parts.insert(event_type.parts.index(utm[0]), ",".join(part.upper() for part in utm))
    return f"`{event_type.home}:{'/'.join(parts)}`"


def _kind(model: type[Members], member: str) -> str:
    return "object" if member_group(model, member) else member_kind(model, member).label


def _required(model: type[Members], member: str) -> str:
    return "yes" if model.model_fields[member].is_required() else ""


def _meaning(model: type[Members], member: str) -> str:
    return model.model_fields[member].description or ""


def _names(members: Iterable[str]) -> str:
    return ", ".join(f"`{member}`" for member in members)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _model_schema(model: type[Members]) -> dict[str, Any]:
    """What pydantic says of a model, in one piece, without the titles and null defaults that it adds."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})

    def tidy(node: dict[str, Any]) -> dict[str, Any]:
        node = definitions[node["$ref"].rpartition("/")[2]] if "$ref" in node else node
        kept = {key: value for key, value in node.items() if key != "title" and (key, value) != ("default", None)}
        if "anyOf" in kept:
            kept["anyOf"] = [tidy(arm) for arm in kept["anyOf"]]
        if "properties" in kept:
            kept["properties"] = {name: tidy(member) for name, member in kept["properties"].items()}
        return kept

    return tidy(schema)


def main() -> int:
    """Write both into the directory named on the command line."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m schemas.export DIRECTORY\n")
        return 2
    written = export(Path(sys.argv[1]))
    sys.stdout.write(f"{len(written)} files written under {sys.argv[1]}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
