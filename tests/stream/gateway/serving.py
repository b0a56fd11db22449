"""A gateway for tests: over a real broker, with every kind of source, and clients that sign."""

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiokafka import AIOKafkaConsumer

from stream.gateway.limits import Bounds
from stream.gateway.running import Gateway, running
from stream.gateway.signatures import generic_signature
from stream.settings import Settings
from stream.topics import migrate_topics
from tests.kafka.broker import Process

EXAMPLES = Path(__file__).parents[3] / "deploy" / "examples" / "sources"
KEY = "test-key-0123456789"
SECRET = "webhook-secret"
KINDS = (
    "hubspot",
    "pipedrive",
    "twilio",
    "telephony",
    "segment",
    "snowplow",
    "google-ads",
    "meta",
    "salesforce",
    "ecb",
)
PATIENCE = 120


def settings_for(broker: Process, data: Path, **more: Any) -> Settings:
    return Settings(
        **{
            "brokers": broker.address,
            "prefix": f"g{secrets.token_hex(4)}.",
            "partitions": 4,
            "data": data,
            "sources": (str(EXAMPLES),),
            "webhook_secrets": {kind: f"user:{SECRET}" if kind == "pipedrive" else SECRET for kind in KINDS},
            "gateway_key": f"{KEY},older-key",
            "gateway_address_rate": 0,
            "gateway_source_rate": 0,
            **more,
        }
    )


@asynccontextmanager
async def gateway(settings: Settings, bounds: Bounds | None = None) -> AsyncIterator["Client"]:
    await migrate_topics(settings)
    async with running(settings, 0, bounds) as (serving, _), aiohttp.ClientSession() as session:
        yield Client(settings, serving, session)


class Client:
    def __init__(self, settings: Settings, serving: Gateway, session: aiohttp.ClientSession) -> None:
        self.settings, self.serving, self.session = settings, serving, session

    def signed(
        self, kind: str, body: bytes, path: str = "", at: float | None = None, secret: str = SECRET
    ) -> dict[str, str]:
        now = time.time() if at is None else at
        url, key = self.serving.url + (path or f"/webhooks/{kind}/{kind}"), secret.encode()
        if kind == "hubspot":
            stamp = str(round(now * 1000))
            return {
                "X-HubSpot-Signature-v3": _b64(key, f"POST{url}".encode() + body + stamp.encode(), "sha256"),
                "X-HubSpot-Request-Timestamp": stamp,
            }
        if kind == "twilio":
            pairs = [part.partition(b"=") for part in body.split(b"&")] if body else []
            text = "".join(f"{name.decode()}{value.decode()}" for name, _, value in sorted(pairs))
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            return {"X-Twilio-Signature": _b64(key, f"{url}{text}".encode(), "sha1"), **form}
        if kind == "pipedrive":
            return {"Authorization": "Basic " + base64.b64encode(b"user:" + key).decode()}
        if kind == "segment":
            return {"X-Signature": hmac.new(key, body, hashlib.sha1).hexdigest()}
        return {"Sixfold-Signature": generic_signature(key, body, int(now))}

    async def post(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, Any, Any]:
        async with self.session.post(self.serving.url + path, data=body, headers=headers) as answer:
            ours = answer.content_type == "application/json"  # aiohttp answers itself to what is no HTTP
            return answer.status, await answer.json() if ours else {}, answer.headers

    async def webhook(self, kind: str, body: bytes, **more: Any) -> tuple[int, Any, Any]:
        return await self.post(f"/webhooks/{kind}/{kind}", body, self.signed(kind, body, **more))

    async def events(self, body: bytes, media: str = "application/x-ndjson", **headers: str) -> tuple[int, Any, Any]:
        own = {"Authorization": f"Bearer {KEY}", "Content-Type": media}
        return await self.post("/events", body, {**own, **headers})


def _b64(key: bytes, text: bytes, algorithm: str) -> str:
    return base64.b64encode(hmac.new(key, text, algorithm).digest()).decode()


async def records(settings: Settings, count: int) -> list[dict[str, Any]]:
    """The first `count` records of the events topic, decoded; `_key` is theirs."""
    consumer = AIOKafkaConsumer(settings.events_topic, bootstrap_servers=settings.brokers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(PATIENCE):
            found = [await consumer.getone() for _ in range(count)]
    finally:
        await consumer.stop()
    return [{**json.loads(each.value), "_key": each.key and each.key.decode()} for each in found]


def lead(number: int | str = 1, **data: str) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"l{number}",
        "source": "test",
        "type": "crm.lead.created",
        "time": "2026-03-01T12:00:00Z",
        "data": {"lead_id": str(number), **data},
    }


def notification(contact: int, at_ms: int = 1_790_000_000_000, portal: int = 62515) -> dict[str, Any]:
    return {
        "portalId": portal,
        "subscriptionType": "contact.creation",
        "objectId": contact,
        "occurredAt": at_ms,
        "eventId": 1,
    }
