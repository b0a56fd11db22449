"""The yardsticks: what the same topic costs in memory, by hand. usage: python -m tests.bench.loop BROKER TOPIC RECORDS

The loop keeps five simple tables, without durability, merges, late links and models: what the events would cost if
nothing could go wrong. The batch keeps every event, and at the end computes with `stream/batch.py` the very tables that
the worker keeps: the reports as they are meant, still without durability and with nothing to show before the end.
"""

import asyncio
import gc
import json
import resource
import sys
from collections import defaultdict
from collections.abc import Callable

import msgspec
from aiokafka import AIOKafkaConsumer

import schemas
from stream import batch
from stream.rules import Rules

decode = msgspec.json.Decoder().decode


class Tables:
    def __init__(self) -> None:
        self.leads: dict[tuple[str, str], int] = defaultdict(int)
        self.opportunities: dict[tuple[str, str], float] = defaultdict(float)
        self.revenue: dict[tuple[str, str], float] = defaultdict(float)
        self.calls: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
        self.spend: dict[tuple[str, str], float] = defaultdict(float)
        self.campaign_of: dict[str, str] = {}

    def add(self, value: bytes) -> None:
        try:
            event = decode(value)
        except msgspec.DecodeError:
            return
        day, data = event["time"][:10], event["data"]
        match event["type"]:
            case "crm.lead.created":
                utm = data.get("utm") or {}
                campaign = data.get("campaign_id") or utm.get("campaign") or "(none)"
                self.campaign_of[data["lead_id"]] = campaign
                self.leads[day, campaign] += 1
            case "crm.opportunity.created":
                self.opportunities[day, data.get("owner_id") or ""] += float(data.get("amount") or 0)
            case "crm.deal.won":
                campaign = self.campaign_of.get(data.get("lead_id") or "", "(none)")
                self.revenue[day, campaign] += float(data.get("amount") or 0)
            case "crm.call.logged":
                row = self.calls[day, data.get("rep_id") or ""]
                row[0] += 1
                row[1] += data.get("talk_seconds") or 0
            case "crm.spend.posted":
                self.spend[data["date"], data.get("campaign_id") or ""] += float(data["amount"])


def cpu_seconds() -> float:
    """User and system time of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def read(broker: str, topic: str, records: int, take: Callable[[bytes], None]) -> None:
    """Hand over the values of so many records from the start of a topic."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=broker, auto_offset_reset="earliest", max_partition_fetch_bytes=4 << 20
    )
    await consumer.start()
    seen = 0
    while seen < records:
        for found in (await consumer.getmany(timeout_ms=500, max_records=10_000)).values():
            for record in found:
                take(record.value)
            seen += len(found)
    await consumer.stop()


async def main(broker: str, topic: str, records: int) -> None:
    before = cpu_seconds()
    await read(broker, topic, records, Tables().add)
    loop = cpu_seconds() - before
    # nothing here has cycles; in the worker the collector runs seldom for the same reason
    gc.disable()
    events: list[schemas.Event] = []

    def keep(value: bytes) -> None:
        try:
            events.append(schemas.decode(value, None))
        except schemas.Rejected:
            return

    before = cpu_seconds()
    await read(broker, topic, records, keep)
    batch.tables(events, Rules())
    whole = cpu_seconds() - before
    print(json.dumps({"loop": loop / records * 1e6, "batch": whole / records * 1e6}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
