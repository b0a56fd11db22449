"""Rows of the table `nodes` written by hand, for what reads them: what matters, the rest at its default.

An instant is text like `2026-03-01T12:00:00` in UTC; its day is taken in UTC.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from aiokafka.partitioner import murmur2
from clickhouse_connect.driver.client import Client

PARTITIONS = 32
NO_DUE_DATE = "2149-06-06"
NO_RATE_DAY = "1970-01-01"

Record = dict[str, Any]


def us(instant: str) -> int:
    moment = datetime.fromisoformat(instant).replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


def key(kind: str, identifier: str) -> str:
    return f"{kind}:{quote(identifier, safe='')}"


def shard(entity: str) -> int:
    """Kafka's own partitioner, not ClickHouse's."""
    return (murmur2(entity.encode()) & 0x7FFFFFFF) % PARTITIONS


def lead(lead_id: str, created: str, *stages: tuple[str, str, str], **rest: Any) -> Record:
    """`stages`: (instant, raw, funnel stage)."""
    return {
        "lead_id": lead_id,
        "created_us": us(created),
        "day": created[:10],
        "channel": "cpc",
        "source": "google",
        "medium": "cpc",
        "campaign_id": "(none)",
        "lead_magnet": "(none)",
        "stage": stages[-1][1] if stages else "(none)",
        "funnel_stage": stages[-1][2] if stages else "tofu",
        "reached_stage": "tofu",
        "stages": [{"at_us": us(at), "stage": raw, "funnel_stage": funnel, "mapped": 1} for at, raw, funnel in stages],
        "owner_id": "(unassigned)",
        **rest,
    }


def touch(lead_id: str, touch_id: str, at: str, **rest: Any) -> Record:
    """A recorded touch; with `touch_id` '' the creation of a lead."""
    return {
        "touch_id": touch_id,
        "lead_id": lead_id,
        "own": int(not touch_id),
        "counted_lead_id": lead_id,
        "at_us": us(at),
        "day": at[:10],
        "channel": "cpc",
        "source": "google",
        "medium": "cpc",
        "campaign_id": "(none)",
        **rest,
    }


def opportunity(
    opportunity_id: str, lead_id: str, amount_units: int, created: str, closed: str = "", **rest: Any
) -> Record:
    """Won if it is closed."""
    status = rest.get("status", "won" if closed else "open")
    currency = rest.get("currency", "USD")
    return {
        "opportunity_id": opportunity_id,
        "lead_id": lead_id,
        "given_lead_id": lead_id,
        "amount_units": amount_units,
        "has_amount": 1,
        "currency": currency,
        "weighted_units": amount_units if status == "won" else 0,
        "stage": "Proposal",
        "stage_mapped": 1,
        "status": status,
        "created_us": us(created),
        "created_day": created[:10],
        "closed_us": us(closed) if closed else None,
        "closed_day": closed[:10] or None,
        "owner_id": "rep-1",
        "rate_day": NO_RATE_DAY if currency == "USD" else closed[:10] or NO_DUE_DATE,
        **rest,
    }


def call(call_id: str, lead_id: str, started: str, status: str = "answered", **rest: Any) -> Record:
    return {
        "call_id": call_id,
        "rep_id": "rep-1",
        "lead_id": lead_id,
        "given_lead_id": lead_id,
        "direction": "outbound",
        "status": status,
        "started_us": us(started),
        "day": started[:10],
        **rest,
    }


def spend(platform: str, day: str, amount_units: int, **rest: Any) -> Record:
    return {
        "platform": platform,
        "day": day,
        "amount_units": amount_units,
        "currency": "USD",
        "category": "media",
        "channel": "",
        "source": "google",
        "medium": "cpc",
        "campaign_id": "(none)",
        **rest,
    }


def node(entity: str, **records: list[Record]) -> Record:
    return {"shard": shard(entity), "entity": entity, "version": 1 << 32, **records}


def insert(client: Client, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
    client.raw_insert(table, insert_block="\n".join(map(json.dumps, rows)), fmt="JSONEachRow")
