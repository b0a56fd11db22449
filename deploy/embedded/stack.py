"""The embedded stack: broker, ClickHouse, journal, HTTP door and workers, started, watched and stopped.

ClickHouse that ends is started again; so is a worker. A broker that ends takes its memory along: its successor
is another log (`SIXFOLD_LOG_INCARNATION`), gets everything from the journal, and the workers begin anew.
"""

import asyncio
import logging
import os
import secrets
import sys
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec
from clickhouse_connect.driver.exceptions import ClickHouseError

from deploy.embedded.broker import BrokerError, start_broker
from deploy.embedded.child import Child
from deploy.embedded.datadir import (
    HOST,
    Lock,
    Ports,
    StackError,
    State,
    choose_ports,
    write_private,
    write_settings,
)
from deploy.embedded.intake import Intake
from deploy.embedded.journal import Journal
from deploy.embedded.retention import Reached
from sinks.client import ClickHouseUnusable
from stream.gateway.serving import url_of
from stream.log import Log
from stream.settings import Settings

logger = logging.getLogger(__name__)

PARTITIONS = 8
USER, READER, DATABASE = "sixfold", "sixfold_reader", "sixfold"
TARGETS_FILE = "prometheus-targets.json"

_CLICKHOUSE_START_SECONDS = 60.0
_POLL_SECONDS = 0.1
_HISTORY_SECONDS = 600.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0
_STEADY_SECONDS = 30.0
_MOST_DEATHS = 5
_REFUSED = 2
_WORKER_STOP_SECONDS, _BROKER_STOP_SECONDS, _CLICKHOUSE_STOP_SECONDS = 15.0, 3.0, 10.0
_WORKER = "import sys; from stream.cli import main; sys.exit(main(['worker']))"
_MANIFESTS = (
    "SELECT shard, argMax(incarnation, (epoch, flush)) AS incarnation, "
    "argMax(events_position, (epoch, flush)) AS events_position FROM manifest GROUP BY shard FORMAT JSONEachRow"
)


class Stack:
    """A running stack: `async with Stack(data) as stack: stack.settings`.

    It is ready inside the block: the workers have claimed and loaded every shard (at once with `workers=0`).
    Raises `StackError` when it cannot start. Use it from the thread that lives longest: the kernel kills the
    processes when the thread that started them ends.
    """

    def __init__(
        self,
        data: Path,
        ports: Ports | None = None,
        *,
        workers: int = 1,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Name the data directory, the ports and the number of workers; `say` gets lines about the progress."""
        self.data = data.absolute()
        self.ready = False
        self.seconds = 0.0
        self.page_url = ""
        self.gateway_paths: list[str] = []
        wished = ports or Ports()
        self._wished = msgspec.structs.replace(wished, workers=(*wished.workers, *[0] * workers)[:workers])
        self._workers: list[Child | None] = [None] * workers
        self._say = say
        self._broker: Child | None = None
        self._clickhouse: Child | None = None
        self._incarnation = ""
        self._broker_up = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        began = time.monotonic()
        async with AsyncExitStack() as opening:
            self._lock = await asyncio.to_thread(Lock, self.data)
            opening.callback(self._lock.release)
            await self._start(opening)
            self._closing = opening.pop_all()
        self.ready = True
        self.seconds = time.monotonic() - began
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._closing.aclose()

    @property
    def settings(self) -> Settings:
        """The settings that reach this stack, whatever the environment says."""
        return Settings(data=self.data, **self._addresses())

    @property
    def reader_password(self) -> str:
        """The password of `sixfold_reader`, who may only read: for BI tools and notebooks."""
        return self._state.reader_password

    def pids(self) -> dict[str, int]:
        """The processes that run now, by name: `broker`, `clickhouse`, `worker-1`, ..."""
        children = [self._broker, self._clickhouse, *self._workers]
        return {child.name: child.pid for child in children if child is not None and child.running}

    def metrics(self) -> dict[str, str]:
        """Where Prometheus scrapes, by name: `exporter`, `gateway`, `worker-1`, ..."""
        ports = {f"worker-{number}": port for number, port in enumerate(self._ports.workers, 1)}
        if ports:
            ports["exporter"] = self._ports.exporter
        ports["gateway"] = self._ports.gateway
        return {name: f"{HOST}:{port}" for name, port in ports.items()}

    async def broken(self) -> None:
        """Wait until the stack cannot go on, then raise why."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def _start(self, opening: AsyncExitStack) -> None:
        """Start all in order; what `opening` gets is undone the other way round, also when a start fails."""
        self._state = await asyncio.to_thread(State.of, self.data)
        self._ports = await asyncio.to_thread(choose_ports, self._wished, self._state.ports)
        self._state = msgspec.structs.replace(self._state, ports=self._ports)
        await asyncio.to_thread(self._state.keep, self.data)
        self._session = await opening.enter_async_context(
            aiohttp.ClientSession(
                f"http://{HOST}:{self._ports.clickhouse}",
                headers={"X-ClickHouse-User": USER, "X-ClickHouse-Key": self._state.password},
                timeout=aiohttp.ClientTimeout(total=10),
            )
        )
        opening.push_async_callback(self._stop_services)
        await _together(self._start_broker(), self._start_clickhouse())
        await self._create_topics()
        if not self._workers:  # else they do it
            await self._create_tables()
        journal = await asyncio.to_thread(Journal, self.data / "journal")
        opening.callback(journal.close)
        broker = await Log.open([self._brokers])
        opening.push_async_callback(_close_soon, broker)
        self._intake = Intake(journal, broker, self.settings.events_topic, PARTITIONS, self._manifests)
        opening.push_async_callback(self._stop_workers)
        self._watch(self._intake.run())
        await self._serve_gateway(opening)
        self._watch(self._keep_clickhouse())
        self._watch(self._keep_broker())
        for number in range(len(self._workers)):
            self._watch(self._keep_worker(number))
        self._broker_up.set()
        loading = asyncio.create_task(self._load())
        await asyncio.wait([loading, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
        if not loading.done():
            loading.cancel()
            await self.broken()
        await loading
        await asyncio.to_thread(self._write_targets)
        if self._workers:
            await self._export(opening)
            await self._serve_page(opening)
            self._watch(self._keep_history())

    async def _export(self, opening: AsyncExitStack) -> None:
        """Serve the figures of the reports as metrics, as the user who may only read."""
        from sinks.endpoint import EndpointError
        from stream.exporting import exporting

        addresses = self._addresses()
        settings = Settings(data=self.data, **{**addresses, "clickhouse_url": addresses["clickhouse_reader_url"]})
        try:
            running = await opening.enter_async_context(
                exporting(settings, self._ports.exporter, lambda: self._incarnation)
            )
        except EndpointError as error:
            raise StackError(str(error)) from None
        running.work.add_done_callback(self._exporter_ended)

    async def _serve_gateway(self, opening: AsyncExitStack) -> None:
        """Take events and the webhooks of the sources in, through the journal."""
        from schemas.adapters import ConfigurationError
        from sinks.endpoint import EndpointError
        from stream.gateway.running import GatewayError, serving
        from stream.settings import SettingsError

        try:
            gateway = await opening.enter_async_context(
                serving(
                    self.settings,
                    self._intake,
                    self._ports.http,
                    own_key=self._state.gateway_key,
                    metrics_port=self._ports.gateway,
                    status=self._status,
                    seal=self._intake.seal,
                )
            )
        except (ConfigurationError, EndpointError, GatewayError, SettingsError) as error:
            raise StackError(str(error)) from None
        self.gateway_paths = gateway.paths

    async def _serve_page(self, opening: AsyncExitStack) -> None:
        """Serve the web page, as the user who may only read."""
        from stream.page.serving import PageError, serving

        try:
            running = await opening.enter_async_context(serving(self.settings, self._ports.page))
        except PageError as error:
            raise StackError(str(error)) from None
        self.page_url = running.url

    async def _keep_history(self) -> None:
        """Take a snapshot of the reports once a day, soon after midnight in the reporting time zone."""
        from sinks.client import connect
        from stream import history

        def keep(settings: Settings) -> str:
            client = connect(settings)
            try:
                if not history.is_due(client):
                    return ""
                taken = history.take(client)
                history.prune(client, taken.day - timedelta(days=settings.history_days))
                return f"kept what the reports say today, in {taken.seconds:.1f} s"
            finally:
                client.close()

        while True:
            await asyncio.sleep(_HISTORY_SECONDS)
            try:
                said = await asyncio.to_thread(keep, self.settings)
            except (ClickHouseUnusable, ClickHouseError) as error:  # it starts again
                said = f"no snapshot of the reports: {error}"
            if said:
                logger.info(said)

    def _exporter_ended(self, work: "asyncio.Task[None]") -> None:
        if not work.cancelled():
            self._say(f"the exporter of the metrics ended: {work.exception()!r}")

    def _write_targets(self) -> None:
        """Name the processes that serve metrics in a file for Prometheus' `file_sd_configs`."""
        targets = [
            {"targets": [address], "labels": {"job": f"sixfold-{name.partition('-')[0]}", "process": name}}
            for name, address in self.metrics().items()
        ]
        write_private(self.data / TARGETS_FILE, msgspec.json.format(msgspec.json.encode(targets)) + b"\n")

    async def _stop_workers(self) -> None:
        """Watch nothing any more, and let the workers flush."""
        self.ready = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(child.stop(_WORKER_STOP_SECONDS) for child in self._workers if child))

    async def _stop_services(self) -> None:
        if self._broker:
            await self._broker.stop(_BROKER_STOP_SECONDS)
        if self._clickhouse:
            await self._clickhouse.stop(_CLICKHOUSE_STOP_SECONDS)

    async def _start_broker(self) -> None:
        """Start a broker, hence a new log: who reads the settings or the environment must know."""
        self._incarnation = secrets.token_hex(8)
        try:
            self._broker = await start_broker(self._ports.kafka, self._log_file("broker"), keep_open=[self._lock.fd])
        except BrokerError as error:
            raise StackError(str(error)) from None
        await asyncio.to_thread(write_settings, self.data, self._addresses())

    async def _start_clickhouse(self) -> None:
        passwords = {
            "SIXFOLD_CLICKHOUSE_PASSWORD": self._state.password,
            "SIXFOLD_CLICKHOUSE_READER_PASSWORD": self._state.reader_password,
        }
        command = ["-m", "deploy.embedded.clickhouse", "--port", str(self._ports.clickhouse)]
        child = self._clickhouse = await Child.start(
            "clickhouse",
            [sys.executable, *command, "--data", str(self.data / "clickhouse"), "--user", USER],
            self._log_file("clickhouse"),
            {**os.environ, **passwords},
            keep_open=[self._lock.fd],
        )
        began = time.monotonic()
        while not await self._pings():
            if not child.running:
                raise StackError(f"ClickHouse did not start: {child.last_line() or child.log}")
            if time.monotonic() - began > _CLICKHOUSE_START_SECONDS:
                raise StackError(
                    f"ClickHouse does not answer on port {self._ports.clickhouse} after "
                    f"{_CLICKHOUSE_START_SECONDS:g} s: see {child.log}"
                )
            await asyncio.sleep(_POLL_SECONDS)

    async def _pings(self) -> bool:
        try:
            async with self._session.get("/ping") as answer:
                return answer.status == HTTPStatus.OK
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def _create_topics(self) -> None:
        from stream.topics import migrate_topics

        await migrate_topics(self.settings)

    async def _create_tables(self) -> None:
        from stream.commands.migrate import migrate_tables

        await asyncio.to_thread(migrate_tables, self.settings)

    async def _load(self) -> None:
        """Replay the journal, and wait until the manifests of the workers tell of every shard."""
        replayed = await self._intake.replay(self._incarnation)
        if replayed:
            self._say(f"sent {replayed} records from the journal to the broker")
        while self._workers:
            try:
                manifests = await self._manifests()
            except (aiohttp.ClientError, TimeoutError):  # ClickHouse starts again
                manifests = {}
            loaded = [reached for reached in manifests.values() if reached.incarnation == self._incarnation]
            if len(loaded) == PARTITIONS:
                break
            await asyncio.sleep(_POLL_SECONDS)

    async def _keep_broker(self) -> None:
        deaths = _Deaths("the Kafka broker", self._say)
        while child := self._broker:
            await child.wait()
            self.ready = False
            self._broker_up.clear()
            self._intake.hold()
            for worker in self._workers:
                if worker:
                    await worker.kill()
            await deaths.pause(child)
            await self._start_broker()
            await self._create_topics()
            self._broker_up.set()
            await self._load()
            self.ready = True

    async def _keep_clickhouse(self) -> None:
        deaths = _Deaths("ClickHouse", self._say)
        while child := self._clickhouse:
            await child.wait()
            await deaths.pause(child)
            await self._start_clickhouse()

    async def _keep_worker(self, number: int) -> None:
        deaths = _Deaths(f"worker {number + 1}", self._say, for_ever=True)
        while True:
            await self._broker_up.wait()
            incarnation = self._incarnation
            child = self._workers[number] = await Child.start(
                f"worker-{number + 1}",
                [sys.executable, "-c", _WORKER],
                self._log_file(f"worker-{number + 1}"),
                {**self._environment(), "SIXFOLD_METRICS_PORT": str(self._ports.workers[number])},
                keep_open=[self._lock.fd],
            )
            if incarnation != self._incarnation or not self._broker_up.is_set():
                await child.kill()  # it was told of a log that is gone
                continue
            code = await child.wait()
            if not self._broker_up.is_set():
                continue
            if code == _REFUSED and not self.ready:
                raise StackError(child.last_line().removeprefix("sixfold: ") or f"see {child.log}")
            await deaths.pause(child)

    def _watch(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def _manifests(self) -> Mapping[int, Reached]:
        """The newest manifest of each shard. Raises aiohttp's errors, TimeoutError."""
        async with self._session.post("/", params={"database": DATABASE}, data=_MANIFESTS) as answer:
            answer.raise_for_status()
            rows = [msgspec.json.decode(line) for line in (await answer.read()).splitlines()]
        return {int(row["shard"]): Reached(row["incarnation"], int(row["events_position"])) for row in rows}

    def _status(self) -> dict[str, object]:
        return {"ready": self.ready, "running": sorted(self.pids())}

    @property
    def _brokers(self) -> str:
        return f"{HOST}:{self._ports.kafka}"

    @property
    def _gateway_host(self) -> str:
        return Settings(data=self.data).gateway_host

    def _addresses(self) -> dict[str, Any]:
        """The settings of this stack by name, as its file and its children get them."""
        at = f"{HOST}:{self._ports.clickhouse}/{DATABASE}"
        return {
            "brokers": self._brokers,
            "kafka_security_protocol": "PLAINTEXT",
            "clickhouse_url": f"http://{USER}:{self._state.password}@{at}",
            "clickhouse_reader_url": f"http://{READER}:{self._state.reader_password}@{at}",
            "gateway_url": url_of(self._gateway_host, self._ports.http),
            "gateway_key": self._state.gateway_key,
            "partitions": PARTITIONS,
            "replication_factor": 1,
            "session_timeout": 5,
            "heartbeat_interval": 1,
            "rebalance_timeout": 5,
            "log_incarnation": self._incarnation,
        }

    def _environment(self) -> dict[str, str]:
        own = {f"SIXFOLD_{name.upper()}": str(value) for name, value in self._addresses().items()}
        return {**os.environ, **own, "SIXFOLD_DATA": str(self.data)}

    def _log_file(self, name: str) -> Path:
        return self.data / "logs" / f"{name}.log"


class _Deaths:
    """Counts how often a process ended unexpectedly, and makes its successor wait longer each time."""

    def __init__(self, what: str, say: Callable[[str], None], *, for_ever: bool = False) -> None:
        self._what = what
        self._say = say
        self._most = None if for_ever else _MOST_DEATHS
        self._count = 0
        self._last = -_STEADY_SECONDS

    async def pause(self, child: Child) -> None:
        """Say that it ended, and wait; raises `StackError` after too many times in a row."""
        code = await child.wait()
        now = time.monotonic()
        self._count = 1 if now - self._last > _STEADY_SECONDS + _LONGEST_PAUSE else self._count + 1
        self._last = now
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        last_line = child.last_line()
        self._say(f"{self._what} {how}{f': {last_line}' if last_line else ''} (log: {child.log})")
        if self._most is not None and self._count >= self._most:
            raise StackError(f"{self._what} ended {self._count} times in a row: see {child.log}", exit_code=1)
        await asyncio.sleep(min(_FIRST_PAUSE * 2 ** (self._count - 1), _LONGEST_PAUSE))


async def _together(*work: Coroutine[Any, Any, None]) -> None:
    """Run all; when one fails, cancel the others, wait for them and raise its error."""
    try:
        async with asyncio.TaskGroup() as tasks:
            for one in work:
                tasks.create_task(one)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def _close_soon(broker: Log) -> None:
    with suppress(TimeoutError):  # what it could not deliver stands in the journal
        await asyncio.wait_for(broker.close(), _BROKER_STOP_SECONDS)
