"""The load: a company's events at a steady rate, by the gateway and straight to Kafka, as their sources send them.

usage: python -m tests.production.load FILE

A process of its own; the settings say where Kafka is and as whom to log in, the file is JSON, `Orders`. On its standard
output is a line of JSON every few seconds, the last one with all that was measured.
"""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import aiohttp
import msgspec

from stream.gateway.sink import record_of
from stream.kafka_access import open_log
from stream.log import Log, Outgoing, home_partition
from stream.settings import Settings
from tests.bench.gateway import EACH, notifications, signed
from tests.production.company import Company, batched

TICK = 0.25
REPORT = 5.0
TO_KAFKA, TO_WEBHOOK = 0.2, 0.1
"""Shares of the events that go straight to Kafka, and as webhooks; the others are CloudEvents for the gateway."""
BATCH = 40
SPOILED = 8
AGAIN = 50
"""Every so many batches one is sent twice, as whoever has seen no answer does."""
CONNECTIONS = 16
_HUBSPOT_IDS = 5_000_000
_AFTER = 1.0


class Orders(msgspec.Struct):
    """What to send where; `founded`: the stories that were told before, in the history."""

    seconds: float
    rate: float
    gateway: str
    key: str
    webhook_secret: str
    founded: int


class Load:
    """Sends until the time is up; `run` gives what was measured."""

    def __init__(self, orders: Orders, log: Log, settings: Settings, http: aiohttp.ClientSession) -> None:
        self._orders, self._log, self._settings, self._http = orders, log, settings, http
        self._company = Company()
        self._waiting: list[bytes] = []
        self._latencies: list[float] = []
        self._outcomes: Counter[str] = Counter()
        self._sent = self._webhook_leads = self._batches = self._spoiled = 0
        self._connections = asyncio.Semaphore(CONNECTIONS)

    async def run(self) -> dict[str, object]:
        self._company.history(self._orders.founded)  # imported before: only the numbers go on
        began = reported = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            while (passed := time.monotonic() - began) < self._orders.seconds:
                while self._sent < passed * self._orders.rate:
                    self._send_some(tasks, passed / self._orders.seconds)
                if time.monotonic() - reported > REPORT:
                    reported = time.monotonic()
                    say({"sent": self._sent, "seconds": round(passed, 1), **self._outcomes})
                await asyncio.sleep(TICK)
            self._send_events(tasks, self._waiting)  # what was told is sent
        seconds = time.monotonic() - began
        latencies = sorted(self._latencies) or [0.0]
        expected = self._company.expected
        expected.leads += self._webhook_leads
        return {
            "sent": self._sent,
            "events_per_second": round(self._sent / seconds, 1),
            "requests": len(self._latencies),
            "p50_ms": round(1000 * latencies[len(latencies) // 2], 1),
            "p99_ms": round(1000 * latencies[len(latencies) * 99 // 100], 1),
            "outcomes": dict(self._outcomes),
            "expected": asdict(expected),
        }

    def _send_some(self, tasks: asyncio.TaskGroup, share: float) -> None:
        """Send the next batch, and now and then a webhook, so that the shares hold; `share` of the time is over."""
        while len(self._waiting) < BATCH:
            self._waiting += self._company.story()
        events, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
        self._batches += 1
        self._send_events(tasks, events)
        if self._batches % round(EACH / BATCH / TO_WEBHOOK) == 0:
            tasks.create_task(self._webhook())
        if self._spoiled < SPOILED * share:
            # alone, and once: each time that a bad event comes it is one more dead letter
            self._send_events(tasks, [self._company.spoiled(self._spoiled)], again=False)
            self._spoiled += 1

    def _send_events(self, tasks: asyncio.TaskGroup, events: list[bytes], *, again: bool = True) -> None:
        self._sent += len(events)
        # what is no JSON cannot be in a batch of JSON
        if self._batches % round(1 / TO_KAFKA) == 0 or not all(event.endswith(b"}}") for event in events):
            tasks.create_task(self._produce(events))
            return
        tasks.create_task(self._events(events))
        if again and self._batches % AGAIN == 1:
            tasks.create_task(self._events(events))

    async def _produce(self, events: list[bytes]) -> None:
        topic, partitions = self._settings.events_topic, self._settings.partitions
        records = [record_of(event) for event in events]
        await self._log.produce(
            [Outgoing(topic, home_partition(key or value, partitions), key, value) for key, value in records]
        )
        self._outcomes["kafka"] += 1

    async def _events(self, events: list[bytes]) -> None:
        kind = {"Content-Type": "application/cloudevents-batch+json", "Authorization": f"Bearer {self._orders.key}"}
        await self._post("/events", batched(events), lambda _body: kind)

    async def _webhook(self) -> None:
        first = _HUBSPOT_IDS + self._webhook_leads
        self._webhook_leads += EACH
        self._sent += EACH
        path = "/webhooks/hubspot/hubspot"
        url = self._orders.gateway + path
        body = notifications(first, time.time_ns() // 1_000_000)
        await self._post(path, body, lambda body: signed(url, body, self._orders.webhook_secret))

    async def _post(self, path: str, body: bytes, headers: Callable[[bytes], Mapping[str, str]]) -> None:
        """Post until it is taken, as a provider does; the time of the answer that took it is a latency."""
        async with self._connections:
            while True:
                began = time.monotonic()
                try:
                    async with self._http.post(self._orders.gateway + path, data=body, headers=headers(body)) as answer:
                        await answer.read()
                        status = str(answer.status)
                except (aiohttp.ClientError, TimeoutError) as error:
                    status = type(error).__name__
                self._outcomes[status] += 1
                if status == "200":
                    self._latencies.append(time.monotonic() - began)
                    return
                await asyncio.sleep(_AFTER)


def say(facts: Mapping[str, object]) -> None:
    sys.stdout.write(msgspec.json.encode(facts).decode() + "\n")
    sys.stdout.flush()


async def main(orders: Orders) -> None:
    settings = Settings()
    timeout = aiohttp.ClientTimeout(total=30)
    async with open_log(settings) as log, aiohttp.ClientSession(timeout=timeout) as http:
        say(await Load(orders, log, settings, http).run())


if __name__ == "__main__":
    asyncio.run(main(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Orders)))
