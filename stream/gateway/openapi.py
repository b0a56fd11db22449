"""What the gateway offers, as an OpenAPI 3.1 document: `/openapi.json`, and `/docs` for people."""

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

from stream.gateway.cloud_events import BATCH, JSON, LINES, STRUCTURED
from stream.gateway.endpoints import Endpoint
from stream.gateway.signatures import GENERIC

__all__ = ["document"]

Json = dict[str, Any]

_FORM, _XML = "application/x-www-form-urlencoded", "application/xml"
_MEDIA = {"twilio": (_FORM, JSON), "ecb": (_XML,)}
_SECURITY: Mapping[str, Json] = {
    "key": {"type": "http", "scheme": "bearer", "description": "One of the keys of SIXFOLD_GATEWAY_KEY."},
    "hubspot": {
        "type": "apiKey",
        "in": "header",
        "name": "X-HubSpot-Signature-v3",
        "description": "With X-HubSpot-Request-Timestamp. Without it, X-HubSpot-Signature of version v1 or v2.",
    },
    "twilio": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Twilio-Signature",
        "description": "Base64 HMAC-SHA1 of the address and the sorted parameters.",
    },
    "pipedrive": {"type": "http", "scheme": "basic", "description": "The user and password of the webhook."},
    "segment": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Signature",
        "description": "Hex HMAC-SHA1 of the body.",
    },
    "generic": {
        "type": "apiKey",
        "in": "header",
        "name": GENERIC.headers[0],
        "description": "t=UNIX,v1=HEX: HMAC-SHA256 of the Unix seconds, a dot and the body; five minutes at most.",
    },
}
_REFUSALS = {
    "400": "The body is not encoded as its headers say, or cannot be taken apart. Nothing was kept.",
    "401": "The key or signature is missing, wrong or old. Nothing was kept.",
    "408": "The body was not there in time.",
    "413": "The body, unpacked, is too long.",
    "415": "This content type or encoding is not taken.",
    "429": "Too many requests: wait as many seconds as Retry-After says.",
    "503": "Nothing can be accepted now: send it again after as many seconds as Retry-After says.",
}
_WAITING = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}}


def document(endpoints: Iterable[Endpoint], *, has_events: bool, server: str) -> Json:
    """Describe the endpoints; `server` is the public address."""
    shown = sorted(endpoints, key=lambda each: each.path)
    paths = {endpoint.path: {"post": _webhook(endpoint)} for endpoint in shown}
    if has_events:
        paths["/events"] = {"post": _events()}
    paths |= {path: {"get": _plain(path, summary, media)} for path, summary, media in _PAGES}
    schemes = {endpoint.scheme.name for endpoint in shown} | ({"key"} if has_events else set())
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Sixfold gateway",
            "version": version("sixfold"),
            "description": "Takes CRM webhooks and events in. Answers 200 once what came is safe; sending a thing again"
            " is counted once.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": server}],
        "paths": paths,
        "components": {
            "securitySchemes": {name: _SECURITY[name] for name in sorted(schemes)},
            "schemas": _SCHEMAS,
            "responses": {
                status: {
                    "description": text,
                    **({"headers": _WAITING} if status in ("429", "503") else {}),
                    "content": {JSON: {"schema": {"$ref": "#/components/schemas/Refusal"}}},
                }
                for status, text in _REFUSALS.items()
            },
        },
    }


_PAGES = (
    ("/openapi.json", "This document", JSON),
    ("/docs", "A page of this document", "text/html"),
    ("/live", "The process runs", JSON),
    ("/ready", "Whether anything can be accepted now", JSON),
)
_EVENT: Json = {
    "type": "object",
    "description": "A CloudEvent in structured mode; the types are those of docs/events.md.",
    "required": ["id", "source", "type", "time", "data"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "minLength": 1, "maxLength": 256},
        "source": {"type": "string", "minLength": 1, "maxLength": 256},
        "type": {"type": "string", "examples": ["crm.lead.created"]},
        "time": {"type": "string", "format": "date-time"},
        "sequence": {"type": ["integer", "string"]},
        "data": {"type": "object"},
    },
}
_SCHEMAS: Json = {
    "Event": _EVENT,
    "Accepted": {
        "type": "object",
        "required": ["accepted"],
        "properties": {
            "accepted": {"type": "integer", "minimum": 0, "description": "Events that are safe now."},
            "refused": {"type": "integer", "minimum": 0, "description": "Parts kept as dead letters."},
            "passed_over": {"type": "integer", "minimum": 0, "description": "Parts that mean nothing to the reports."},
            "positions": {"type": "array", "items": {"type": "integer"}, "maxItems": 2},
        },
    },
    "Refusal": {
        "type": "object",
        "required": ["error"],
        "properties": {"error": {"type": "string"}, "line": {"type": "integer"}},
    },
}


def _accepted() -> Json:
    schema = {"$ref": "#/components/schemas/Accepted"}
    return {"description": "It is safe.", "content": {JSON: {"schema": schema}}}


def _refusals() -> Json:
    return {status: {"$ref": f"#/components/responses/{status}"} for status in _REFUSALS}


def _webhook(endpoint: Endpoint) -> Json:
    media = _MEDIA.get(endpoint.kind, (JSON,))
    schemas = {JSON: {"type": ["object", "array"]}, _FORM: {"type": "object"}, _XML: {"type": "string"}}
    return {
        "summary": f"Webhooks of {endpoint.name} ({endpoint.kind})",
        "operationId": f"webhook_{endpoint.name}",
        "tags": ["webhooks"],
        "security": [{endpoint.scheme.name: []}],
        "requestBody": {"required": True, "content": {each: {"schema": schemas[each]} for each in media}},
        "responses": {"200": _accepted(), **_refusals()},
    }


def _events() -> Json:
    one = {"schema": {"$ref": "#/components/schemas/Event"}}
    content: Json = {name: {"schema": {"type": "string", "description": "An event a line."}} for name in LINES}
    content |= {STRUCTURED: one, JSON: one, BATCH: {"schema": {"type": "array", "items": one["schema"]}}}
    attributes = ("specversion", "id", "source", "type", "time", "sequence")
    return {
        "summary": "Events in Sixfold's own form",
        "description": "Lines, or CloudEvents: structured, batched, or binary (attributes in ce- headers, the body is "
        "the data).",
        "operationId": "events",
        "tags": ["events"],
        "security": [{"key": []}],
        "parameters": [
            {
                "name": f"ce-{name}",
                "in": "header",
                "description": "Of a binary CloudEvent, percent-encoded.",
                "schema": {"type": "string"},
            }
            for name in attributes
        ],
        "requestBody": {"required": True, "content": content},
        "responses": {"200": _accepted(), **_refusals()},
    }


def _plain(path: str, summary: str, media: str) -> Json:
    answer = {"description": summary, "content": {media: {"schema": {}}}}
    not_ready = {"503": {"description": "Not now, and why.", "content": {JSON: {"schema": {}}}}}
    return {
        "summary": summary,
        "operationId": path.strip("/").replace(".", "_"),
        "tags": ["about"],
        "security": [],
        "responses": {
            "200": answer,
            **(not_ready if path == "/ready" else {}),
            "429": {"$ref": "#/components/responses/429"},
        },
    }
