"""TLS and SASL, against a real broker and a real TLS port: who is let in, and what the others are told."""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import pytest
import trustme

from deploy.embedded.company import records
from sinks.client import ClickHouseUnusable, connect
from stream.settings import Settings
from tests.clickhouse import ClickHouseServer
from tests.integration.deployment import Deployment, assert_right
from tests.kafka.broker import KafkaBroker

END = datetime(2026, 11, 24, tzinfo=UTC)


class _Secured:
    """The broker as `Deployment` knows one, by its listener with TLS and SCRAM."""

    def __init__(self, broker: KafkaBroker) -> None:
        self.address = broker.secure_address


def _access(broker: KafkaBroker, **other: object) -> dict[str, object]:
    return {
        "kafka_security_protocol": "SASL_SSL",
        "kafka_username": broker.user,
        "kafka_password": broker.password,
        "kafka_ca_file": broker.ca_file,
        **other,
    }


@pytest.fixture
def password_file(kafka: KafkaBroker, tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(f"{kafka.password}\n")
    return path


def test_worker_and_commands_over_tls_with_a_password(
    kafka: KafkaBroker, clickhouse_server: ClickHouseServer, tmp_path: Path, password_file: Path
) -> None:
    access = _access(kafka, kafka_password="", kafka_password_file=password_file)
    values = [record.value for record in records(21, END, 3_000, golden=False)]
    with Deployment(_Secured(kafka), clickhouse_server, tmp_path / "deployed", **access) as deployed:
        worker = deployed.start()
        events = tmp_path / "events.jsonl"
        events.write_bytes(b"\n".join(values))
        deployed.command("import", str(events))
        deployed.wait()
        assert_right(deployed, values)
        worker.terminate()
        assert worker.wait(60) == 0, deployed.logs()
        assert kafka.password not in deployed.logs()
        assert kafka.password not in deployed.command("settings")


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"kafka_password": "wrong"}, "refuses user sixfold: correct SIXFOLD_KAFKA_USERNAME"),
        ({"kafka_sasl_mechanism": "PLAIN"}, "does not take PLAIN: correct SIXFOLD_KAFKA_SASL_MECHANISM"),
        ({"kafka_ca_file": None}, "shows a certificate that is not trusted"),
        ({"kafka_security_protocol": "PLAINTEXT"}, "does SIXFOLD_KAFKA_SECURITY_PROTOCOL=PLAINTEXT fit?"),
        ({"kafka_ca_file": "no/such/file.pem"}, "SIXFOLD_KAFKA_CA_FILE (environment): cannot use no/such/file.pem"),
        ({"kafka_username": ""}, "set SIXFOLD_KAFKA_USERNAME and SIXFOLD_KAFKA_PASSWORD"),
    ],
)
def test_who_is_not_let_in_is_told_why_in_one_line(
    kafka: KafkaBroker, tmp_path: Path, other: dict[str, object], told: str, clickhouse_server: ClickHouseServer
) -> None:
    with Deployment(kafka, clickhouse_server, tmp_path) as deployed:
        access = {name: value for name, value in _access(kafka, **other).items() if value is not None}
        deployed.environment({"brokers": kafka.secure_address, **access})
        for command in ("migrate", "worker", "status"):
            printed = deployed.command(command, code=2)
            assert told in printed
            assert len(printed.splitlines()) == 1


def test_tls_asked_of_a_plain_listener(kafka: KafkaBroker, tmp_path: Path, clickhouse_server: ClickHouseServer) -> None:
    with Deployment(kafka, clickhouse_server, tmp_path) as deployed:
        deployed.environment(_access(kafka))
        printed = deployed.command("migrate", code=2)
        assert "does SIXFOLD_KAFKA_SECURITY_PROTOCOL=SASL_SSL fit?" in printed


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls_port(authority: trustme.CA, clickhouse_server: ClickHouseServer) -> Iterator[int]:
    """A TLS port before the ClickHouse endpoint, as an operator's proxy is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    loop = asyncio.new_event_loop()

    async def join(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await source.read(1 << 16):
                sink.write(piece)
                await sink.drain()
        sink.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, ahead = await asyncio.open_connection(clickhouse_server.host, clickhouse_server.port)
        await asyncio.gather(join(reader, ahead), join(behind, writer))

    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0, ssl=context))
    thread = Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_clickhouse_over_tls(
    authority: trustme.CA, tls_port: int, clickhouse_server: ClickHouseServer, tmp_path: Path
) -> None:
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    user, password = clickhouse_server.user, clickhouse_server.password
    url = f"https://{user}:{password}@localhost:{tls_port}/default"
    found = connect(Settings(clickhouse_url=url, clickhouse_ca_file=ca_file)).query("SELECT 1").result_rows
    assert found == [(1,)]
    with pytest.raises(ClickHouseUnusable, match="its certificate is not trusted"):
        connect(Settings(clickhouse_url=url))
    with pytest.raises(ClickHouseUnusable, match="its certificate is not trusted"):
        # another name than the certificate's
        connect(Settings(clickhouse_url=url.replace("localhost", "127.0.0.1"), clickhouse_ca_file=ca_file))
    wrong = url.replace(password, "wrong")
    with pytest.raises(ClickHouseUnusable, match="refuses user"):
        connect(Settings(clickhouse_url=wrong, clickhouse_ca_file=ca_file))
    plain = url.replace(f"localhost:{tls_port}", f"{clickhouse_server.host}:{clickhouse_server.port}")
    with pytest.raises(ClickHouseUnusable, match="does not speak TLS"):
        connect(Settings(clickhouse_url=plain, clickhouse_ca_file=ca_file))
