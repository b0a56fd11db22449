"""The production shape as processes on this machine: what docs/production.md says, step by step, by its commands.

Apache Kafka with TLS, SCRAM and an authorizer, every process as a user of its own with the list that `sixfold kafka`
prints; ClickHouse's engine behind the embedded endpoint, its user limited to the writer's grants once the tables are
there; workers, gateway, exporter, page; Prometheus with the shipped rules and Alertmanager. All on 127.0.0.1.
"""

import asyncio
import json
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from deploy.embedded.child import Child
from deploy.prometheus.demo import Receiver
from deploy.prometheus.servers import alertmanager, alertmanager_config, prometheus, quick_rules, sample_config
from sinks.roles import ADMIN, WRITER, grants
from stream.kafka_access_list import Process
from tests.clickhouse import READER, USER, ClickHouseServer, limit
from tests.kafka.access_list import AUTHORIZER, allow
from tests.kafka.broker import KafkaBroker, free_port
from tests.production.resources import named

PARTITIONS = 32
DATABASE = "crm"
LOOK = "5s"
"""How often Prometheus looks; 15 s and 30 s in the sample."""
SHARE = 0.1
"""Of what the rules wait: an alert that takes an hour has its chance within six minutes."""
STOP_SECONDS = 60.0
PATIENCE = 300.0
WORKERS = ("worker-1", "worker-2")
KAFKA_USERS: Mapping[str, Process] = {
    "worker": "worker",
    "gateway": "gateway",
    "producer": "commands",
    "exporter": "exporter",
    "operator": "commands",
}
"""Who logs in to Kafka, and whose access list that is."""
_POLL = 0.1


class ShapeError(Exception):
    """Something does not start or does not answer: one line with what it said last."""


class Done(NamedTuple):
    """A command that ended."""

    code: int
    output: str
    errors: str

    @property
    def last_line(self) -> str:
        return next((line for line in reversed(f"{self.output}\n{self.errors}".splitlines()) if line.strip()), "")


@dataclass
class Shape:
    """Everything running."""

    directory: Path
    broker: KafkaBroker
    clickhouse: ClickHouseServer
    receiver: Receiver
    began: float = field(default_factory=time.monotonic)
    children: dict[str, Child] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    prometheus: str = ""
    alertmanager: str = ""
    gateway_key: str = field(default_factory=lambda: secrets.token_hex(16))
    webhook_secret: str = field(default_factory=lambda: secrets.token_hex(16))
    page_password: str = field(default_factory=lambda: secrets.token_hex(8))
    ever: set[int] = field(default_factory=set)
    """Every pid that was started."""

    # -- settings

    def environment(self, user: str, *, reader: bool = False, **settings: object) -> dict[str, str]:
        """What a process is told, `user` being who it is for Kafka; secrets are files."""
        plain = {name: value for name, value in os.environ.items() if not name.startswith("SIXFOLD_")}
        account = READER if reader else USER
        given = {
            "brokers": self.broker.secure_address,
            "kafka_security_protocol": "SASL_SSL",
            "kafka_ca_file": self.broker.ca_file,
            "kafka_username": user,
            "kafka_password_file": self.secret(f"kafka-{user}", self.broker.passwords[user]),
            "clickhouse_url": f"http://{account}@{self.clickhouse.host}:{self.clickhouse.port}/{DATABASE}",
            "clickhouse_password_file": self.secret(
                f"clickhouse-{account}", self.clickhouse.reader_password if reader else self.clickhouse.password
            ),
            "partitions": PARTITIONS,
            "migrate_at_start": "false",
            "data": self.directory / "data",
            **settings,
        }
        return plain | {f"SIXFOLD_{name.upper()}": str(value) for name, value in given.items()}

    def secret(self, name: str, content: str) -> Path:
        """A file that only its owner reads."""
        folder = self.directory / "secrets"
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / name
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(f"{content}\n")
        return path

    # -- processes

    async def sixfold(self, user: str, *arguments: str, seconds: float = PATIENCE, **settings: object) -> Done:
        """Run a command to its end."""
        process = await asyncio.create_subprocess_exec(
            *sixfold(*arguments),
            env=self.environment(user, **settings),
            cwd=self.directory,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(seconds):
                output, errors = await process.communicate()
        except TimeoutError:
            raise ShapeError(f"sixfold {' '.join(arguments)} did not end within {seconds:g} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode is not None
        return Done(process.returncode, output.decode(errors="replace"), errors.decode(errors="replace"))

    async def must(self, user: str, *arguments: str, **settings: object) -> Done:
        """The same; raises ShapeError unless it ends with 0."""
        done = await self.sixfold(user, *arguments, **settings)
        if done.code:
            raise ShapeError(f"sixfold {' '.join(arguments)} ended with {done.code}: {done.last_line}")
        return done

    async def start(self, name: str, command: list[str], environment: Mapping[str, str]) -> Child:
        child = await Child.start(name, command, self.directory / f"{name}.log", environment)
        self.children[name] = child
        self.ever.add(child.pid)
        return child

    async def start_worker(self, name: str) -> None:
        """Start a worker, or start it again."""
        port = self.ports.setdefault(name, free_port())
        own = {"worker_name": name, "static_membership": "true", "metrics_port": port}
        await self.start(name, sixfold("worker"), self.environment("worker", **own))

    async def until(self, holds: Callable[[], Any], what: str, seconds: float = PATIENCE) -> float:
        """Wait for a condition (a coroutine function); gives how long it took. Raises ShapeError."""
        began = time.monotonic()
        while not await holds():
            if time.monotonic() - began > seconds:
                raise ShapeError(f"not within {seconds:g} s: {what}; logs: {self.last_lines()}")
            await asyncio.sleep(_POLL)
        return time.monotonic() - began

    def last_lines(self) -> str:
        return "; ".join(f"{name}: {child.last_line()[:200]}" for name, child in self.children.items())

    async def get(self, name: str, path: str) -> tuple[int, str]:
        """Ask a process over HTTP; status 0 when it does not answer."""
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http,
                http.get(f"http://127.0.0.1:{self.ports[name]}{path}") as answer,
            ):
                return answer.status, await answer.text()
        except (aiohttp.ClientError, TimeoutError):
            return 0, ""

    async def ready(self, *names: str) -> bool:
        """Whether all of them answer that they are ready."""
        answers = await asyncio.gather(*(self.get(name, "/ready") for name in names))
        return all(status == 200 for status, _ in answers)

    async def ask_prometheus(self, path: str, **parameters: str) -> Any:
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"http://{self.prometheus}/api/v1/{path}", params=parameters) as answer,
        ):
            return (await answer.json())["data"]

    def pids(self) -> dict[str, int]:
        """The processes that run now, by name."""
        found = {name: child.pid for name, child in self.children.items() if child.running}
        found["kafka"] = self.broker.pid
        if self.prometheus:
            me = os.getpid()
            found["prometheus"] = named(me, "prometheus")
            found["alertmanager"] = named(me, "prometheus-alertmanager", "alertmanager")
        self.ever |= set(found.values())
        return found

    async def stop(self, *names: str) -> dict[str, int]:
        """End processes in order; gives their exit codes."""
        return {name: await self.children[name].stop(STOP_SECONDS) for name in names}


def sixfold(*arguments: str) -> list[str]:
    """The real command line."""
    return [sys.executable, "-m", "stream.cli", *arguments]


@asynccontextmanager
async def shape(
    directory: Path, history: list[bytes], audit_seconds: float, say: Callable[[str], None]
) -> AsyncIterator[Shape]:
    """Run everything inside the block, `history` imported and counted; the exporter audits every `audit_seconds`.

    Raises ShapeError, and what the brokers' and servers' modules raise.
    """
    (directory / "kafka").mkdir()
    say("Apache Kafka (KRaft, TLS, SCRAM-SHA-512, authorizer)")
    authorizer = f"{AUTHORIZER};User:admin"
    users = ("admin", *KAFKA_USERS)
    server = ClickHouseServer("127.0.0.1", free_port(), USER, secrets.token_hex(8), secrets.token_hex(8))
    async with AsyncExitStack() as opening:
        broker = opening.enter_context(KafkaBroker(directory / "kafka", extra=authorizer, users=users))
        found = Shape(directory, broker, server, Receiver())
        opening.push_async_callback(_stop_all, found)
        say("ClickHouse's engine behind the embedded endpoint, in the place of a server")
        await _prepare(found, say)
        await _start_sixfold(found, history, audit_seconds, say)
        say(f"Prometheus with the shipped rules, which look every {LOOK} and wait {SHARE:.0%} of what they say")
        receiver = await opening.enter_async_context(found.receiver.listening())
        found.alertmanager = await opening.enter_async_context(alertmanager(directory, alertmanager_config(receiver)))
        rules = directory / "prometheus"
        quick_rules(rules, LOOK, SHARE)
        targets = {
            "sixfold-worker": [f"127.0.0.1:{found.ports[name]}" for name in WORKERS],
            "sixfold-exporter": [f"127.0.0.1:{found.ports['exporter']}"],
            "sixfold-gateway": [f"127.0.0.1:{found.ports['gateway-metrics']}"],
        }
        config = sample_config(targets, found.alertmanager, LOOK)
        found.prometheus = await opening.enter_async_context(prometheus(rules, lambda: config))
        found.pids()
        yield found


async def _start_clickhouse(found: Shape, granted: list[str] | None) -> None:
    """Start it, its user with these grants; with all for None."""
    server, data = found.clickhouse, found.directory / "clickhouse"
    config = found.directory / "clickhouse.xml"
    own = [] if granted is None else ["--config", str(config)]
    if granted is not None:
        limit(config, granted)
    if "clickhouse" in found.children:
        await found.stop("clickhouse")
    program = [sys.executable, "-m", "deploy.embedded.clickhouse", "--port", str(server.port), "--data", str(data)]
    passwords = {
        "SIXFOLD_CLICKHOUSE_PASSWORD": server.password,
        "SIXFOLD_CLICKHOUSE_READER_PASSWORD": server.reader_password,
    }
    child = await found.start("clickhouse", [*program, *own], {**os.environ, **passwords})

    async def answers() -> bool:
        if not child.running:
            raise ShapeError(f"ClickHouse ended: {child.last_line()}")
        return '"ready"' in child.last_line()

    await found.until(answers, "ClickHouse answers")


async def _prepare(found: Shape, say: Callable[[str], None]) -> None:
    """Steps 2 and 3 of docs/production.md: topics, tables, roles, access lists."""
    await _start_clickhouse(found, None)
    applied = await found.sixfold("admin", "roles", "--apply")
    say(f"sixfold roles --apply: exit code {applied.code}: {applied.last_line[:160]}")
    await _start_clickhouse(found, grants(ADMIN, DATABASE))
    done = await found.must("admin", "migrate")
    say(f"sixfold migrate with the admin's grants alone: {done.last_line}")
    await _start_clickhouse(found, grants(WRITER, DATABASE))
    say("ClickHouse again, its user now with the writer's grants alone, its reader held to reading")
    for user, process in KAFKA_USERS.items():
        printed = await found.must("admin", "kafka", "--user", user, "--process", process)
        commands = [line for line in printed.output.splitlines() if not line.startswith("#")]
        await allow(found.broker.address, commands)
    say(f"access lists by sixfold kafka for {', '.join(KAFKA_USERS)}")


async def _start_sixfold(found: Shape, history: list[bytes], audit_seconds: float, say: Callable[[str], None]) -> None:
    say("two workers, the gateway, the exporter, the page")
    for name in WORKERS:
        await found.start_worker(name)
    path = found.directory / "history.jsonl"
    path.write_bytes(b"\n".join(history) + b"\n")
    done = await found.must("producer", "import", str(path))
    say(f"history: {done.last_line}")
    sources, hooks = found.directory / "sources", found.directory / "webhooks"
    sources.mkdir()
    (sources / "hubspot.toml").write_text('kind = "hubspot"\nsource = "hubspot/1"\nportal = 1\n')
    hooks.mkdir(mode=0o700)
    found.secret("webhook", found.webhook_secret).rename(hooks / "hubspot")
    for name in ("gateway", "gateway-metrics", "exporter", "page"):
        found.ports[name] = free_port()
    await found.start(
        "gateway",
        sixfold("gateway", "--json"),
        found.environment(
            "gateway",
            gateway_port=found.ports["gateway"],
            gateway_key_file=found.secret("gateway-key", found.gateway_key),
            metrics_port=found.ports["gateway-metrics"],
            sources=sources,
            webhook_secrets_dir=hooks,
        ),
    )
    await found.start(
        "exporter",
        sixfold("exporter"),
        found.environment("exporter", reader=True, exporter_port=found.ports["exporter"], exporter_audit=audit_seconds),
    )
    own = {"page_password_file": found.secret("page", found.page_password), "page_port": found.ports["page"]}
    await found.start("page", sixfold("page", "--json"), found.environment("operator", reader=True, **own))
    await found.until(lambda: found.ready(*WORKERS), "both workers are ready")
    await found.must("operator", "wait", "--timeout", str(PATIENCE))

    async def all_ready() -> bool:
        for name, child in found.children.items():
            if not child.running:
                raise ShapeError(f"{name} ended: {child.last_line()}")
        return await found.ready("gateway", "gateway-metrics", "exporter", "page")

    seconds = await found.until(all_ready, "gateway, exporter and page are ready")
    say(f"all of it is ready {seconds:.0f} s after the history was counted")


async def _stop_all(found: Shape) -> None:
    """The way out of a run that broke off; what was stopped in order is gone already."""
    await asyncio.gather(*(child.stop(STOP_SECONDS) for child in found.children.values() if child.running))


def facts_of(child: Child) -> dict[str, Any]:
    """The last line of a process that prints JSON, {} while there is none."""
    try:
        found = json.loads(child.last_line())
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
