"""A whole deployment for a test: its own topics, group and database, workers as processes that can be killed."""

import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, Self

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr

from schemas import Rejected, decode
from sinks.audit import AuditResult, audit
from stream import batch
from stream.kafka_access import open_log
from stream.log import Outgoing, home_partition
from stream.reports import TABLES
from stream.rules import Rules
from stream.settings import FILES, Settings
from stream.wait import read_standings
from tests.clickhouse import ClickHouseServer
from tests.kafka.broker import free_port

PATIENCE_SECONDS = 240
Tables = dict[str, dict[tuple[str, ...], tuple[list[int], dict[int, int]]]]


#: workers join and flush as fast as the brokers let them
_QUICK = {"session_timeout": 5, "heartbeat_interval": 1, "rebalance_timeout": 5, "flush_seconds": 0.2}


class Broker(Protocol):
    """Where Kafka listens."""

    @property
    def address(self) -> str: ...


class Deployment(AbstractContextManager["Deployment"]):
    """Workers over one broker and one ClickHouse, with a prefix and a database that nobody else has."""

    def __init__(
        self, broker: Broker, clickhouse: ClickHouseServer, directory: Path, partitions: int = 8, **settings: Any
    ) -> None:
        self.name = f"t{secrets.token_hex(4)}"
        self.broker, self.clickhouse, self.directory = broker, clickhouse, directory
        self.partitions = partitions
        self.workers: list[subprocess.Popen[bytes]] = []
        self.metrics_ports: list[int] = []
        self.change(**settings)

    def change(self, **settings: Any) -> None:
        """Other settings for the workers started from now on."""
        server = self.clickhouse
        self.settings = Settings(
            brokers=self.broker.address,
            clickhouse_url=f"http://{server.user}:{server.password}@{server.host}:{server.port}/{self.name}",
            prefix=f"{self.name}.",
            data=self.directory / "data",
            partitions=self.partitions,
            **{**_QUICK, **settings},
        )
        # a secret of a file is given by the file alone, but for an address, which has the password in it already
        of_files = {
            name if setting.endswith("_url") else setting
            for name, setting in FILES.items()
            if getattr(self.settings, name)
        }
        self._environment: dict[str, str] = {}
        self.environment(
            {
                name: value.get_secret_value() if isinstance(value, SecretStr) else value
                for name, value in self.settings.model_dump(
                    exclude=of_files, exclude_none=True, exclude_defaults=True
                ).items()
            }
        )

    def environment(self, settings: Mapping[str, Any]) -> None:
        """Settings for what is started from now on, right or wrong ones, beside those from before."""
        self._environment |= {
            f"SIXFOLD_{name.upper()}": json.dumps(value) if isinstance(value, dict) else str(value)
            for name, value in settings.items()
        }

    def __enter__(self) -> Self:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.command("migrate")
        return self

    def __exit__(self, *_exc: object) -> None:
        for process in self.workers:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()
        self.client().command(f"DROP DATABASE IF EXISTS {self.name}")

    # -- processes

    def command(self, *arguments: str, code: int = 0, patience: float = PATIENCE_SECONDS) -> str:
        """Run `sixfold ARGUMENTS` with these settings; gives what it printed. Fails unless it exits with `code`."""
        done = self._run(arguments, code, patience=patience)
        return (done.stdout + done.stderr).decode()

    def output(self, *arguments: str, code: int = 0, given: bytes | None = None) -> bytes:
        """The same; gives what went to standard output alone. `given` is its standard input."""
        return self._run(arguments, code, given).stdout

    def _run(
        self,
        arguments: Sequence[str],
        code: int,
        given: bytes | None = None,
        patience: float = PATIENCE_SECONDS,
    ) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            [sys.executable, "-m", "stream.cli", *arguments],
            env={**os.environ, **self._environment, "SIXFOLD_WORKER_NAME": "command"},
            cwd=self.directory,
            input=given,
            capture_output=True,
            timeout=patience,
            check=False,
        )
        said = f"{done.stdout.decode(errors='replace')}\n{done.stderr.decode(errors='replace')}"
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{said}"
        return done

    def start(self, metrics_port: int = 0, name: str = "") -> subprocess.Popen[bytes]:
        """Start one more worker, with `/ready` on a port of its own; what it logs goes to a file of its own."""
        name = name or f"worker-{len(self.workers)}"
        self.metrics_ports.append(metrics_port or free_port())
        own = {
            "SIXFOLD_WORKER_NAME": f"{self.name}-{name}",
            "SIXFOLD_METRICS_PORT": str(self.metrics_ports[-1]),
        }
        with (self.directory / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "stream.cli", "worker"],
                env={**os.environ, **self._environment, **own},
                stdout=log,
                stderr=log,
            )
        self.workers.append(process)
        return process

    def logs(self) -> str:
        return "\n".join(path.read_text()[-4000:] for path in sorted(self.directory.glob("*.log")))

    # -- in and out

    def client(self, database: str = "") -> Client:
        server = self.clickhouse
        return clickhouse_connect.get_client(
            host=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            database=database or "default",
            autogenerate_session_id=False,
        )

    def send(self, values: Iterable[bytes], keys: Sequence[bytes | None] | None = None) -> None:
        """Produce events; by their homes, or keyed and partitioned as `keys` say (None: anywhere)."""
        outgoing = []
        for index, value in enumerate(values):
            key = keys[index] if keys is not None else _home(value)
            partition = home_partition(key or str(index), self.partitions)
            outgoing.append(Outgoing(self.settings.events_topic, partition, key, value))
        asyncio.run(self._produce(outgoing))

    async def _produce(self, outgoing: Sequence[Outgoing]) -> None:
        async with open_log(self.settings) as log:
            await log.produce(outgoing)

    def read_so_far(self) -> int:
        """Records of the events topic that manifests cover."""
        client = self.client(self.name)
        return sum(standing.events_position for standing in read_standings(client).values())

    def wait(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Until all that was sent stands in the tables."""
        try:
            self.command("wait", "--timeout", str(seconds - 10), patience=seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.logs()}") from None

    def wait_until_read(self, records: int) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while self.read_so_far() < records:
            assert time.monotonic() < end, f"{self.read_so_far()} of {records} read\n{self.logs()}"
            time.sleep(0.1)

    def audit(self) -> AuditResult:
        return audit(self.client(self.name))

    def tables(self) -> Tables:
        """The rolling tables as the views see them, summed over shards."""
        client = self.client(self.name)
        shown: Tables = {}
        for table in TABLES:
            keys = ", ".join(f"toString({name})" for name in table.key)
            measures = ", ".join(f"toInt128(sum({name}))" for name in table.measures)
            sparse = f"sumMap({table.sparse})" if table.sparse else "map()"
            rows = client.query(
                f"SELECT {keys}, {measures}, {sparse} FROM {table.name} FINAL"
                " WHERE is_deleted = 0 AND (shard, epoch) IN (SELECT shard, epoch FROM base_generations)"
                f" GROUP BY {', '.join(table.key)}"
            ).result_rows
            width = len(table.key)
            shown[table.name] = {
                tuple(row[:width]): (
                    [int(each) for each in row[width:-1]],
                    {int(k): v for k, v in row[-1].items() if v},
                )
                for row in rows
                if any(row[width:-1]) or row[-1]
            }
        return shown


def _home(value: bytes) -> bytes | None:
    try:
        return decode(value, None).home.encode()
    except Rejected:
        return None


def expected(values: Iterable[bytes], rules: Rules | None = None) -> Tables:
    """The tables by the batch reference; what cannot be decoded counts nowhere."""
    events = []
    for value in values:
        try:
            events.append(decode(value, None))
        except Rejected:
            continue
    return batch.tables(events, rules or Rules())


def assert_right(deployment: Deployment, values: Sequence[bytes], rules: Rules | None = None) -> None:
    """The tables are those of the batch reference, and the audit finds nothing."""
    assert_tables(deployment, expected(values, rules))
    result = deployment.audit()
    assert not result.differences, result.differences[:5]


def assert_tables(deployment: Deployment, wanted: Tables) -> None:
    """The rolling tables hold these rows and no others."""
    shown = deployment.tables()
    for table in TABLES:
        wrong = {
            key: (shown[table.name].get(key), wanted[table.name].get(key))
            for key in shown[table.name].keys() | wanted[table.name].keys()
            if shown[table.name].get(key) != wanted[table.name].get(key)
        }
        assert not wrong, f"{table.name}: {len(wrong)} rows differ, such as {next(iter(wrong.items()))}"
