"""The yardstick: five simple tables over the same topic, by hand, in memory.

No durability, no merges, no late links, no models: what the events would cost if nothing could go wrong.
usage: python -m tests.bench.loop BROKER TOPIC RECORDS
"""

import asyncio
import json
import resource
import sys
from collections import defaultdict

import msgspec
from aiokafka import AIOKafkaConsumer

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


async def main(broker: str, topic: str, records: int) -> None:
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=broker, auto_offset_reset="earliest", max_partition_fetch_bytes=4 << 20
    )
    await consumer.start()
    tables, seen = Tables(), 0
    before = resource.getrusage(resource.RUSAGE_SELF)
    while seen < records:
        for batch in (await consumer.getmany(timeout_ms=500, max_records=10_000)).values():
            for record in batch:
                tables.add(record.value)
            seen += len(batch)
    after = resource.getrusage(resource.RUSAGE_SELF)
    await consumer.stop()
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"cpu_us_per_event": seconds / seen * 1e6}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
