"""The page as a running server for tests, over a database with an invented company's quarter."""

import asyncio
import http.client
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self
from urllib.parse import urlencode

import pytest
from clickhouse_connect.driver.client import Client

from deploy.embedded.company import lines
from sinks.migrate import migrate
from stream.page.serving import PageError, serving
from stream.settings import Settings
from tests.clickhouse import READER, ClickHouseServer
from tests.counted import PARTITIONS, Counter

EVENTS = 7_000
END = datetime.now(UTC).replace(microsecond=0)


@dataclass
class Company:
    """A database with a quarter of events, and who can tell it more."""

    client: Client
    settings: Settings
    counter: Counter

    def tell(self, *events: bytes) -> None:
        """Count events; they stand in the views when this returns."""
        self.counter.count(events, int(END.timestamp() * 1000))


@contextmanager
def company_of(server: ClickHouseServer, name: str, events: int = EVENTS, **settings: Any) -> Iterator[Company]:
    """A company in a database of its own."""
    root = server.connect()
    at = f"{server.host}:{server.port}/{name}"
    chosen = Settings(
        clickhouse_url=f"http://{server.user}:{server.password}@{at}",
        clickhouse_reader_url=f"http://{READER}:{server.reader_password}@{at}",  # the page needs no more
        partitions=PARTITIONS,
        **settings,
    )
    migrate(root, name, chosen.view_settings())
    client = server.connect(name)
    company = Company(client, chosen, Counter(client, chosen.rules()))
    if events:
        company.tell(*lines(11, END, events))
    try:
        yield company
    finally:
        client.close()
        root.command(f"DROP DATABASE {name}")
        root.close()


@pytest.fixture(scope="session")
def company(clickhouse_server: ClickHouseServer) -> Iterator[Company]:
    """The company that the page's tests share: they add to it, and compare with its views as they are."""
    with company_of(clickhouse_server, "page_company", page_host="127.0.0.1") as found:
        yield found


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str
    cookies: Mapping[str, str] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, str]:
        """The exact values of the page's figures, by their name."""
        return {key: value for value, key in re.findall(r'<data value="([^"]*)" data-k="([^"]*)">', self.text)}


class Browser:
    """A reader without JavaScript: keeps cookies, follows nothing."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookies: dict[str, str] = {}

    def get(self, path: str, query: Mapping[str, Any] | None = None, **headers: str) -> Answer:
        return self.ask("GET", path + (f"?{urlencode(query, doseq=True)}" if query else ""), None, headers)

    def post(self, path: str, form: Mapping[str, str], **headers: str) -> Answer:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.ask("POST", path, urlencode(form), {**kind, **headers})

    def ask(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value.strip('"')
        return Answer(answer.status, dict(answer.headers.items()), text)


class Server:
    """A page that runs in a thread of its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ready = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(60)
        if self._failed is not None:
            raise self._failed
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(60)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with serving(self._settings, 0) as running:
                self.port, self.url = running.port, running.url
                self._ready.set()
                await self._stop.wait()
        except PageError as error:
            self._failed = error
        finally:
            self._ready.set()

    def browser(self) -> Browser:
        return Browser(self.port)


class Link:
    """A way to a server that counts what passes and can be cut: the real ClickHouse, and a network in between."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.cut = False
        self.requests = 0
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()
        self.sever()

    def sever(self) -> None:
        """Cut it: what is open ends, and nobody gets through."""
        self.cut = True
        for each in list(self._open):
            each.close()

    def mend(self) -> None:
        self.cut = False

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self.cut:
                near.close()
                continue
            far = socket.create_connection(self._to)
            self._open |= {near, far}
            threading.Thread(target=self._pump, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self._pump, args=(far, near, False), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, asks: bool) -> None:
        try:
            while chunk := source.recv(65536):
                if asks and chunk.startswith((b"POST ", b"GET ")):
                    self.requests += 1
                target.sendall(chunk)
        except OSError:
            pass
        for each in (source, target):
            self._open.discard(each)
            each.close()
