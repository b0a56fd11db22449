"""The invented company's quarter in ClickHouse, up to today: one database a session, for whoever only reads.

The events go through a shard as a worker's do, and its effects through the worker's own sink; only Kafka is left out.
Beside the company's there are a few events with awkward names, and calls of today and tomorrow, whatever the hour.
"""

import asyncio
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

import msgspec
import pytest
from clickhouse_connect.driver.client import Client

from deploy.embedded.company import lines
from sinks.clickhouse import ClickHouseStore
from sinks.migrate import ViewSettings, migrate
from stream import shard
from stream.rules import Rules
from tests.clickhouse import ClickHouseServer
from tests.property.simulation import TOPICS, Fuse, MemoryLog

EVENTS = 8_000
AWKWARD_CAMPAIGN, AWKWARD_NAME = "o'neil\\sons", 'O\'Neil \\ Sons, "Café" & Co. $1 100%'
AWKWARD_TEAM, AWKWARD_CHANNEL, AWKWARD_REP = "O'Hara \\ crew", "fair's \\ stand", "r'1\\"


@dataclass(frozen=True)
class Quarter:
    """Where it is, and which days it covers."""

    server: ClickHouseServer
    database: str
    start: datetime
    end: datetime

    def connect(self) -> Client:
        """As the user who may only read, as dashboards and BI tools do."""
        return self.server.connect(self.database, reader=True)


@pytest.fixture(scope="session")
def quarter(clickhouse_server: ClickHouseServer) -> Iterator[Quarter]:
    """Figures of the 91 days before the end of today."""
    database = f"quarter_{secrets.token_hex(4)}"
    end = datetime.combine(datetime.now(UTC).date(), time(23, 59, 59), UTC)
    migrate(clickhouse_server.connect(), database, ViewSettings())
    client = clickhouse_server.connect(database)
    try:
        fill(client, [*lines(7, end, EVENTS, malformed=7), *map(msgspec.json.encode, awkward(end))], end)
        yield Quarter(clickhouse_server, database, end - timedelta(days=91), end)
    finally:
        client.command(f"DROP DATABASE {database}")
        client.close()


def fill(client: Client, events: Iterable[bytes], end: datetime) -> None:
    """Count the events into a migrated, empty database."""
    log, store = MemoryLog(Fuse()), ClickHouseStore(client, "quarter")
    for value in events:
        log.append(TOPICS.events, 0, None, value, int(end.timestamp() * 1000))
    asyncio.run(_count(shard.Shard(0, 1, Rules()), log, store))


async def _count(worker: shard.Shard, log: MemoryLog, store: ClickHouseStore) -> None:
    while True:
        for topic in (TOPICS.events, TOPICS.documents):
            worker.read(topic, log.records.get((topic, 0), [])[worker.positions[topic].offset :])
        if not worker.moved:
            return
        await shard.flush(worker.take(), log, store)


def awkward(end: datetime) -> Iterator[dict[str, Any]]:
    """A campaign, a team, a channel and a rep whose names need escaping, and all that counts around them."""
    number = 0

    def event(kind: str, at: datetime, **data: Any) -> dict[str, Any]:
        nonlocal number
        number += 1
        envelope = {"specversion": "1.0", "id": f"awkward-{number}", "source": "test/awkward"}
        return {**envelope, "type": f"crm.{kind}", "time": at.isoformat(), "data": data}

    start = end - timedelta(days=20)
    origin = {"campaign_id": AWKWARD_CAMPAIGN, "channel": AWKWARD_CHANNEL, "utm": {"source": "o'reilly\\"}}
    yield event("campaign.upserted", start, campaign_id=AWKWARD_CAMPAIGN, name=AWKWARD_NAME, budget=900, currency="USD")
    yield event("rep.upserted", start, rep_id=AWKWARD_REP, name="Ann O'Hara", team=AWKWARD_TEAM)
    posted = {"platform": "fair", "date": f"{start:%Y-%m-%d}", "amount": 500, "currency": "USD", "visitors": 9}
    yield event("spend.posted", start, **posted, **origin)
    for lead in ("o'lead-1", "o'lead-2", "o'lead-3"):
        yield event("lead.created", start, lead_id=lead, owner_id=AWKWARD_REP, stage="mofu", **origin)
    yield event("lead.merged", end - timedelta(days=1), lead_id="o'lead-1", merged_ids=["o'lead-2"])
    for deal, status, days in (("o'deal-1", "won", 3), ("o'deal-2", "lost", 4)):
        created = start + timedelta(days=days)
        known = {"opportunity_id": deal, "lead_id": "o'lead-1", "owner_id": AWKWARD_REP}
        yield event("opportunity.created", created, **known, amount=1200, cost=300, currency="USD", stage="Proposal")
        yield event(f"deal.{status}", created + timedelta(days=2), **known)
    known = {"opportunity_id": "o'deal-3", "lead_id": "o'lead-3", "owner_id": AWKWARD_REP, "amount": 700}
    yield event("opportunity.created", start, **known, stage="Proposal", due_date=f"{start:%Y-%m-%d}")
    for day in range(-3, 2):  # a test may run across midnight
        noon = end.replace(hour=12) + timedelta(days=day)
        at = min(noon, end)
        for status, seconds in (("answered", 90), ("missed", 0)):
            call = {"call_id": f"o'call{day}{status}", "rep_id": AWKWARD_REP, "lead_id": "o'lead-3"}
            started = noon.replace(hour=11 if status == "answered" else 12)
            call |= {"direction": "inbound", "status": status, "talk_seconds": seconds}
            yield event("call.logged", at, **call, started_at=started.isoformat())
