"""A deployment with faults: real Kafka, the real engine behind a door that can break, workers that can be killed.

Events keep coming while the fault lasts; at the end all of them must be counted once. What an operator would have
seen is noted on the way: reasons of `/ready`, and lines of the workers' logs.
"""

import http.client
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Self

from deploy.embedded.company import records
from stream.wait import read_standings
from tests.chaos.engine import Engine
from tests.chaos.proxy import Proxy
from tests.clickhouse import USER, ClickHouseServer
from tests.integration.deployment import Deployment, Tables, assert_tables, expected
from tests.kafka.broker import KafkaBroker, free_port

END = datetime(2026, 11, 24, tzinfo=UTC)
#: `make chaos` sends 200,000 and lets outages last as an operator's do; CI has less of both
EVENTS = int(os.environ.get("SIXFOLD_CHAOS_EVENTS", "12000"))
LONG = os.environ.get("SIXFOLD_CHAOS_LONG", "") != ""
PATIENCE = 900.0 if LONG else 240.0
PARTITIONS = 32
CHUNK = 1_000


def lasting(seconds: float) -> float:
    """How long an outage lasts: so long in `make chaos`, a few seconds in CI."""
    return seconds if LONG else min(seconds, 4.0)


@dataclass(frozen=True)
class Event:
    """A value as it is produced, with the key that its producer gave it."""

    value: bytes
    key: bytes | None


@cache
def load() -> list[Event]:
    """The events of every scenario: some twice, late or under a wrong key."""
    found = records(31, END, EVENTS, duplicates=0.03, late=0.05, wrong_keys=0.03)
    return [Event(record.value, record.key.encode() if record.key else None) for record in found]


@cache
def wanted() -> Tables:
    """Their tables by the batch reference."""
    return expected(event.value for event in load())


@dataclass
class Seen:
    """What an operator sees of a fault."""

    ready: set[str] = field(default_factory=set)
    lines: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0


class World:
    """Workers over `broker` and an engine of their own; `with World(...) as world`."""

    def __init__(self, broker: KafkaBroker, directory: Path, **settings: object) -> None:
        self.broker = broker
        self.seen = Seen()
        self.engine = Engine(directory)
        self.proxy = Proxy(self.engine.port, free_port())
        self._directory, self._settings = directory, settings
        self._watching = threading.Event()

    def __enter__(self) -> Self:
        self.engine.start()
        self.proxy.__enter__()
        server = ClickHouseServer("127.0.0.1", self.proxy.port, USER, self.engine.password)
        self.deployment = Deployment(
            self.broker, server, self._directory / "deployed", partitions=PARTITIONS, **self._settings
        )
        self.deployment.__enter__()
        self._observer = threading.Thread(target=self._observe, name="observer")
        self._observer.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._watching.set()
        self._observer.join()
        with suppress(Exception):  # the workers are gone in any case; the database goes with the engine's files
            self.deployment.__exit__(*exc)
        self.proxy.__exit__()
        self.engine.kill()

    # -- workers

    def start(self, count: int = 1) -> list[int]:
        """Start workers; gives their numbers."""
        first = len(self.deployment.workers)
        for _ in range(count):
            self.deployment.start()
        return list(range(first, first + count))

    def ready(self, number: int) -> tuple[bool, dict[str, str]]:
        """Whether a worker is ready, and why not."""
        connection = http.client.HTTPConnection("127.0.0.1", self.deployment.metrics_ports[number], timeout=5)
        try:
            connection.request("GET", "/ready")
            answer = connection.getresponse()
            return answer.status == 200, json.loads(answer.read()).get("reasons", {})
        except (OSError, http.client.HTTPException, ValueError):
            return False, {}
        finally:
            connection.close()

    def until_ready(self, *numbers: int) -> None:
        """Wait until these workers are ready."""
        self.until(lambda: all(self.ready(number)[0] for number in numbers), f"workers {numbers} ready")

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait for a condition; fails with the logs after a long time."""
        end = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < end, f"not reached: {what}\n{self.deployment.logs()}"
            time.sleep(0.1)

    def alive(self) -> list[int]:
        return [number for number, process in enumerate(self.deployment.workers) if process.poll() is None]

    # -- events

    @contextmanager
    def events_coming(self, events: Sequence[Event] | None = None, seconds: float = 0.0) -> Iterator[None]:
        """Send all events during the block, evenly over at least `seconds`; ends when the last is acknowledged."""
        events = load() if events is None else events
        failed: list[BaseException] = []

        def send() -> None:
            chunks = [events[start : start + CHUNK] for start in range(0, len(events), CHUNK)]
            began = time.monotonic()
            for index, chunk in enumerate(chunks):
                time.sleep(max(0.0, began + seconds * index / len(chunks) - time.monotonic()))
                self._send(chunk)

        def guarded() -> None:
            try:
                send()
            except BaseException as error:  # noqa: BLE001 - raised where the test sees it
                failed.append(error)

        sender = threading.Thread(target=guarded, name="sender")
        sender.start()
        try:
            yield
        finally:
            sender.join()
        if failed:
            raise failed[0]

    def _send(self, chunk: Sequence[Event]) -> None:
        while True:
            try:
                self.deployment.send([event.value for event in chunk], [event.key for event in chunk])
            except Exception:  # noqa: BLE001 - Kafka is away: again, as a source would
                time.sleep(0.5)
            else:
                return

    # -- the end

    def settle(self, began: float) -> None:
        """Everything that was sent is counted, once: equal to the batch reference, and the audit finds nothing."""
        self.deployment.wait(PATIENCE)
        self.seen.seconds = time.monotonic() - began
        assert_tables(self.deployment, wanted())
        result = self.deployment.audit()
        assert result.outcome == "clean", (result.differences[:5], result.busy)

    def note_lines(self, *parts: str) -> None:
        """What the operator reads: the first line of the workers' logs with each of these in it; it must be there."""
        logs = "\n".join(path.read_text() for path in sorted((self._directory / "deployed").glob("*.log")))
        for part in parts:
            found = next((line for line in logs.splitlines() if part in line), None)
            assert found is not None, f"no line with {part!r}\n{self.deployment.logs()}"
            self.seen.lines.append(found.split(" ", 2)[-1][:160])

    def positions(self) -> dict[int, int]:
        """How far the manifests are, by shard, past all doors."""
        client = ClickHouseServer("127.0.0.1", self.engine.port, USER, self.engine.password).connect(
            self.deployment.name
        )
        try:
            return {n: standing.events_position for n, standing in read_standings(client).items()}
        finally:
            client.close()

    def _observe(self) -> None:
        """Note why workers say they are not ready; starting up is none of the fault's."""
        while not self._watching.wait(0.3):
            for number in self.alive():
                _, reasons = self.ready(number)
                self.seen.ready |= reasons.keys() - {"unassigned", "loading"}
