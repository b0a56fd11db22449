"""ClickHouse for tests: one embedded endpoint a session, a fresh migrated database a test.

Load it with ``pytest_plugins = ["tests.clickhouse"]``.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from sinks.migrate import ViewSettings, migrate

USER = "sixfold"
READER = "sixfold_reader"


OWN = "GRANT SHOW DATABASES ON default.*"
"""What the embedded endpoint asks of a connection of its own."""

_CONFIG = """<clickhouse><users_config>{path}</users_config><profiles><default/></profiles><quotas><default/></quotas>
<users><default><password></password><profile>default</profile><quota>default</quota>
<networks><ip>::/0</ip></networks><grants>{grants}</grants></default></users></clickhouse>"""


def limit(path: Path, granted: Iterable[str]) -> None:
    """Write a configuration for the embedded engine, under which its user has these grants and no others."""
    path.write_text(_CONFIG.format(path=path, grants="".join(f"<query>{grant}</query>" for grant in (*granted, OWN))))


@dataclass(frozen=True)
class ClickHouseServer:
    """Where the session's endpoint listens, who may write to it, and where its files lie."""

    host: str
    port: int
    user: str
    password: str
    reader_password: str = ""
    data: Path = Path()

    def connect(self, database: str | None = None, *, reader: bool = False) -> Client:
        return clickhouse_connect.get_client(
            host=self.host,
            port=self.port,
            username=READER if reader else self.user,
            password=self.reader_password if reader else self.password,
            database=database or "__default__",
            autogenerate_session_id=False,  # a session's requests run one after the other
        )


@pytest.fixture(scope="session")
def clickhouse_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    """The embedded endpoint on a free port, ended after the session."""
    password, reader_password = secrets.token_hex(8), secrets.token_hex(8)
    passwords = {
        "SIXFOLD_CLICKHOUSE_PASSWORD": password,
        "SIXFOLD_CLICKHOUSE_READER_PASSWORD": reader_password,
    }
    data = tmp_path_factory.mktemp("clickhouse")
    with subprocess.Popen(
        [sys.executable, "-m", "deploy.embedded.clickhouse", "--port", "0", "--data", str(data), "--user", USER],
        env={**os.environ, **passwords},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, f"the embedded endpoint ended with {process.wait()}"
            ready = json.loads(line)
            yield ClickHouseServer(ready["host"], ready["port"], USER, password, reader_password, data)
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def engine(port: int, directory: Path, config: Path | None = None) -> Iterator["subprocess.Popen[str]"]:
    """An endpoint of a test's own, to be stopped and killed: user sixfold, password `password`.

    `config`: a file of ClickHouse's own configuration.
    """
    own = [] if config is None else ["--config", str(config)]
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.embedded.clickhouse", "--port", str(port), "--data", str(directory), *own],
        env={**os.environ, "SIXFOLD_CLICKHOUSE_PASSWORD": "password"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["port"] == port
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()


@pytest.fixture
def empty_database(clickhouse_server: ClickHouseServer) -> Iterator[tuple[Client, str]]:
    """A client connected to no database of its own, and the name of one that is not there yet."""
    name = f"test_{secrets.token_hex(6)}"
    client = clickhouse_server.connect()
    try:
        yield client, name
    finally:
        client.command(f"DROP DATABASE IF EXISTS {name}")
        client.close()


@pytest.fixture
def database(clickhouse_server: ClickHouseServer, empty_database: tuple[Client, str]) -> Iterator[Client]:
    """A client connected to a fresh database with the default view settings, all tables and all views."""
    client, name = empty_database
    migrate(client, name, ViewSettings())
    connected = clickhouse_server.connect(name)
    try:
        yield connected
    finally:
        connected.close()
