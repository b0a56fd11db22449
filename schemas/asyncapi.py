"""The topics on paper: an AsyncAPI 3 document, made from the models.

`python -m schemas.asyncapi docs` writes `docs/asyncapi.yaml`. Its payloads are references to the JSON Schemas of
`schemas.export` beside it (`events/TYPE.schema.json`), as schema registries take them.
"""

import sys
from pathlib import Path
from typing import Any

import yaml

from schemas.decode import MAX_BYTES
from schemas.events import EVENT_TYPES
from schemas.export import example_event
from schemas.reasons import Reason

FILE = "asyncapi.yaml"
_HEAD = (
    "# Made from the models by `python -m schemas.asyncapi docs`; change schemas/events.py or schemas/asyncapi.py.\n"
)
_DIALECT = "application/schema+json;version=draft-2020-12"

_LETTER_HEADERS = {
    "topic": "topic that the record was read from",
    "partition": "its partition, in decimal digits",
    "offset": "its offset, in decimal digits",
    "received_at": "time of the record in UTC: 2026-03-01 12:00:00.000",
    "reason": "why it was refused: " + ", ".join(Reason) + ", or a reason of an adapter",
    "message": "what is wrong, for people",
    "source": "who sent it, where that could be read",
}


def document(version: str) -> dict[str, Any]:
    """The AsyncAPI document of one version of Sixfold."""
    messages = {name: _event_message(name) for name in EVENT_TYPES}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Sixfold",
            "version": version,
            "description": "Topics of Sixfold. SIXFOLD_PREFIX goes before the name of each. Keys, order and "
            "repetition: docs/events.md.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            "events": {
                "address": "crm.events",
                "description": f"CRM change events, CloudEvents in structured mode, at most {MAX_BYTES} bytes each. "
                "Several partitions, by SIXFOLD_PARTITIONS; the key is given with each type in docs/events.md. "
                "Beside them gateways write payloads that they could not read (sixfold.payload.refused, internal).",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
            },
            "dead-letters": {
                "address": "crm.dead-letters",
                "description": "Records that could not be read: key, value and time as they came, in one partition.",
                "messages": {"refused": {"$ref": "#/components/messages/refused"}},
            },
            "documents": {
                "address": "crm.documents",
                "description": "Internal: between workers of one version. Neither read nor write it.",
                "messages": {"document": {"$ref": "#/components/messages/document"}},
            },
        },
        "operations": {
            "readEvents": {
                "action": "receive",
                "channel": {"$ref": "#/channels/events"},
                "summary": "Workers read events; whoever writes here is counted.",
            },
            "writeDeadLetters": {
                "action": "send",
                "channel": {"$ref": "#/channels/dead-letters"},
                "summary": "Workers write what they could not read.",
            },
            "writeDocuments": {
                "action": "send",
                "channel": {"$ref": "#/channels/documents"},
                "summary": "Workers send documents to the shards of their roots.",
            },
            "readDocuments": {
                "action": "receive",
                "channel": {"$ref": "#/channels/documents"},
                "summary": "Workers read the documents of their shards.",
            },
        },
        "components": {"messages": {**messages, "refused": _refused(), "document": _document()}},
    }


def _event_message(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "summary": EVENT_TYPES[name].summary,
        "payload": {"schemaFormat": _DIALECT, "schema": {"$ref": f"./events/{name}.schema.json"}},
        "examples": [{"name": "example", "payload": example_event(name)}],
    }


def _refused() -> dict[str, Any]:
    headers = {name: {"type": "string", "description": meaning} for name, meaning in _LETTER_HEADERS.items()}
    return {
        "name": "refused",
        "summary": "A record that was refused. Its bytes are those that came: no form can be promised.",
        "contentType": "application/octet-stream",
        "headers": {
            "type": "object",
            "properties": headers,
            "required": [name for name in headers if name != "source"],
        },
        "payload": {"description": "bytes"},
    }


def _document() -> dict[str, Any]:
    return {
        "name": "document",
        "summary": "What one record says of another. Its form may change with every version.",
        "contentType": "application/msgpack",
        "payload": {"description": "MessagePack"},
    }


def render(version: str) -> str:
    """The document as YAML."""
    text: str = yaml.dump(
        document(version), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120, default_flow_style=False
    )
    return _HEAD + text


class _Plain(yaml.SafeDumper):
    """Without anchors: what stands twice is written twice."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - of all data
        return True


def main() -> int:
    """Write the document into the directory named on the command line."""
    from importlib.metadata import version

    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m schemas.asyncapi DIRECTORY\n")
        return 2
    path = Path(sys.argv[1]) / FILE
    path.write_text(render(version("sixfold")), encoding="utf-8")
    sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
