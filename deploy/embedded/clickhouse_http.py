"""ClickHouse's HTTP interface over the embedded engine, as clients of a server know it.

Served: `GET` and `POST /`, `/ping`; statements in the URL or the body; rows in the body; formats,
compression, parameters, settings, sessions and errors by ClickHouse's rules. Not served: multipart bodies,
progress headers.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import json
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from aiohttp import web

from deploy.embedded import frames, native_blocks
from deploy.embedded.clickhouse_engine import Engine, EngineError, Kind, Outcome, Stream
from deploy.embedded.clickhouse_reader import ReaderGuard, check_setting
from deploy.embedded.clickhouse_text import Statement

BODY_LIMIT = 1 << 30
"""Bytes of a request's body, as sent and as unpacked."""

# URL keys that belong to the interface; every other key is a setting of the statement
_INTERFACE_KEYS = frozenset(
    {
        "query", "database", "default_format", "session_id", "session_timeout", "session_check",
        "close_session", "compress", "decompress", "client_protocol_version", "wait_end_of_query",
        "buffer_size", "query_id", "user", "password", "role", "quota_key", "stacktrace",
        "http_headers_progress_interval_ms", "framing", "send_progress_in_http_headers",
        "enable_http_compression", "http_zlib_compression_level",
        "cancel_http_readonly_queries_on_client_close", "add_http_cors_header", "async_insert",
        "wait_for_async_insert", "http_response_buffer_size", "http_write_exception_in_output_format",
        "network_compression_method",
    }
)  # fmt: skip

# Formats of which a reply in pieces is the pieces' concatenation: no header, no footer, no separator
_PIECEWISE = frozenset(
    {
        "csv", "jsoncompacteachrow", "jsoneachrow", "jsonlines", "jsonstringseachrow", "lineasstring",
        "native", "ndjson", "rawblob", "rowbinary", "tabseparated", "tabseparatedraw", "tskv", "tsv",
        "tsvraw", "raw",
    }
)  # fmt: skip
_SELECTS = frozenset({"SELECT", "WITH", "FROM", ""})

_STATUS_BY_CODE = {
    **dict.fromkeys((46, 47, 50, 56, 60, 63, 73, 81, 115, 372, 390, 391), 404),
    **dict.fromkeys((6, 20, 25, 26, 27, 33, 34, 35, 36, 38, 39, 41, 42, 43, 44, 53, 57, 62, 69, 70, 72), 400),
    **dict.fromkeys((82, 117, 130, 131, 171), 400),
    **dict.fromkeys((179, 190, 321, 349, 386, 395, 441, 456, 457, 631, 632), 400),
    **dict.fromkeys((192, 193, 497, 516), 403),
    48: 501,
    307: 413,
    373: 409,
}  # fmt: skip

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Account:
    """One who may connect. `reader` may only read."""

    user: str
    password: str
    reader: bool


@dataclass(frozen=True, slots=True)
class _Call:
    """One request, read and judged as far as its text allows."""

    statement: Statement
    account: Account
    reply_format: str
    params: Mapping[str, str]
    settings: Mapping[str, str]
    database: str | None
    session: str | None
    session_timeout: float
    may_write: bool
    may_stream: bool
    block_headers: bool

    def shaped(self, piece: bytes) -> bytes:
        """A reply, or a piece of one, as the client's version of the protocol has it."""
        if not self.block_headers:
            return piece
        try:
            return native_blocks.with_headers(piece)
        except native_blocks.UnknownTypeError as e:
            raise EngineError.new(48, "NOT_IMPLEMENTED", f"Native is not served to this client: {e}") from None


class Endpoint:
    """The interface over one engine: `application()` is what a server runs.

    Reads and writes have threads of their own, and readers run at most `READER_STATEMENTS` at a time, so that
    slow reports never hold up an insert.
    """

    READ_THREADS = 8
    WRITE_THREADS = 4
    READER_STATEMENTS = 4

    def __init__(self, engine: Engine, accounts: list[Account]) -> None:
        self._engine = engine
        self._accounts = accounts
        self._reads = ThreadPoolExecutor(self.READ_THREADS, "clickhouse-read")
        self._writes = ThreadPoolExecutor(self.WRITE_THREADS, "clickhouse-write")
        self._reader_turns = asyncio.Semaphore(self.READER_STATEMENTS)
        with engine.fresh(reader=False) as connection:
            self._guard = ReaderGuard(connection)

    def application(self) -> web.Application:
        """The routes. Run it with `auto_decompress=False`: unpacking is limited here."""
        app = web.Application(client_max_size=BODY_LIMIT)
        app.router.add_get("/", self._statement, allow_head=False)
        app.router.add_post("/", self._statement)
        for path in ("/ping", "/replicas_status"):
            app.router.add_get(path, _alive)
        app.cleanup_ctx.append(self._session_keeper)
        return app

    async def close(self) -> None:
        """End what still runs: what waits is dropped, what runs is cut off and fails with code 394."""
        pools = (self._reads, self._writes)
        for pool in pools:
            pool.shutdown(wait=False, cancel_futures=True)
        ended = asyncio.gather(*(asyncio.to_thread(pool.shutdown) for pool in pools))
        while not ended.done():  # again, for what was just about to start
            await asyncio.to_thread(self._engine.cancel_all)
            await asyncio.wait([ended], timeout=0.2)

    async def _session_keeper(self, _: web.Application) -> AsyncIterator[None]:
        async def keep() -> None:
            while True:
                await asyncio.sleep(5)
                await self._on(self._reads, self._engine.end_idle_sessions)

        keeper = asyncio.create_task(keep())
        yield
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper

    async def _statement(self, request: web.Request) -> web.StreamResponse:
        started = time.perf_counter()
        query_id = request.query.get("query_id") or request.headers.get("X-ClickHouse-Query-Id") or str(uuid.uuid4())
        headers = {
            "X-ClickHouse-Query-Id": _header_safe(query_id),
            "X-ClickHouse-Server-Display-Name": "sixfold",
            "X-ClickHouse-Timezone": self._engine.timezone,
        }
        try:
            account = self._authenticate(request)
            if request.method == "GET" and "query" not in request.query:
                return web.Response(text="Ok.\n", headers=headers)
            call = await self._read(request, account)
            if call.account.reader:
                async with self._reader_turns:
                    return await self._answer(request, call, headers, started)
            return await self._answer(request, call, headers, started)
        except EngineError as e:
            return self._failure(e, headers)
        except frames.TooLargeError as e:
            return self._failure(EngineError.new(307, "TOO_MANY_BYTES", str(e)), headers)
        except web.HTTPRequestEntityTooLarge:
            text = f"the body is more than {BODY_LIMIT} bytes: send the rows in several inserts"
            return self._failure(EngineError.new(307, "TOO_MANY_BYTES", text), headers)
        except frames.BadCompressionError as e:
            return self._failure(EngineError.new(271, "CANNOT_DECOMPRESS", str(e)), headers, status=400)
        except UnicodeDecodeError:
            return self._failure(EngineError.new(62, "SYNTAX_ERROR", "The statement is not UTF-8"), headers)

    def _authenticate(self, request: web.Request) -> Account:
        user, password = _credentials(request)
        found: Account | None = None
        for account in self._accounts:  # all of them, so that the time taken tells nothing
            same_user = hmac.compare_digest(account.user.encode(), user.encode())
            same_password = hmac.compare_digest(account.password.encode(), password.encode())
            found = account if same_user and same_password else found
        if found is None:
            raise EngineError.new(
                516,
                "AUTHENTICATION_FAILED",
                f"{user[:80]}: Authentication failed: password is incorrect, or there is no user with such name.",
            )
        return found

    async def _read(self, request: web.Request, account: Account) -> _Call:
        keys, headers = request.query, request.headers
        if request.content_type.startswith("multipart/"):
            raise EngineError.new(48, "NOT_IMPLEMENTED", "Multipart bodies are not served: send parameters in the URL")
        body = await request.read()
        statement = await self._on(
            self._writes, lambda: _unpack_and_read(body, keys, headers.get("Content-Encoding", ""))
        )
        if statement.feeds_input:
            # The engine would take no row from the text, and say nothing
            raise EngineError.new(48, "NOT_IMPLEMENTED", "INSERT ... SELECT FROM input() is not served")
        settings = {k: v for k, v in keys.items() if k not in _INTERFACE_KEYS and not k.startswith("param_")}
        if account.reader:
            for name in settings:
                check_setting(name)
        session = keys.get("session_id") or None
        checked = session is not None and keys.get("session_check") == "1"
        if session and checked and not self._engine.has_session(session, reader=account.reader):
            raise EngineError.new(372, "SESSION_NOT_FOUND", f"Session {session} not found")
        reply_format = (
            (statement.format if statement.data is None else "")
            or keys.get("default_format")
            or headers.get("X-ClickHouse-Format")
            or "TabSeparated"
        )
        return _Call(
            statement=statement,
            account=account,
            reply_format=reply_format,
            params={k[6:]: v for k, v in keys.items() if k.startswith("param_")},
            settings=settings,
            database=keys.get("database") or headers.get("X-ClickHouse-Database") or (None if session else "default"),
            session=session,
            session_timeout=_seconds(keys.get("session_timeout", "60")),
            may_write=request.method == "POST" and not account.reader,
            may_stream=(
                reply_format.lower() in _PIECEWISE
                and statement.keyword in _SELECTS
                and keys.get("wait_end_of_query") != "1"
            ),
            block_headers=(
                reply_format.lower() == "native"
                and _number(keys.get("client_protocol_version", "0")) >= native_blocks.VERSION
            ),
        )

    async def _answer(
        self, request: web.Request, call: _Call, headers: dict[str, str], started: float
    ) -> web.StreamResponse:
        pool = self._reads if call.statement.keyword in _SELECTS or not call.may_write else self._writes
        headers["X-ClickHouse-Format"] = _header_safe(call.reply_format)
        native = request.query.get("compress") == "1"
        accepted = request.headers.get("Accept-Encoding", "")
        wanted = accepted if request.query.get("enable_http_compression") == "1" else ""
        packer, coding = frames.packer(native, wanted)
        if coding:
            headers["Content-Encoding"] = coding
        reply = await self._on(pool, lambda: self._start(call))
        headers["Content-Type"] = _content_type(call.reply_format)
        if isinstance(reply, Outcome):
            body = await self._on(pool, lambda: packer.feed(call.shaped(reply.body)) + packer.finish())
            headers["X-ClickHouse-Summary"] = _summary(reply, started)
            return web.Response(body=body, headers=headers)
        return await self._send_pieces(request, call, reply, packer, headers)

    async def _send_pieces(
        self, request: web.Request, call: _Call, pieces: _Pieces, packer: frames.Packer, headers: dict[str, str]
    ) -> web.StreamResponse:
        tag = secrets.token_hex(8)
        response = web.StreamResponse(headers=headers | {"X-ClickHouse-Exception-Tag": tag})
        try:
            await response.prepare(request)
            while (piece := await self._on(self._reads, pieces.next)) is not None:
                if call.block_headers:
                    piece = await self._on(self._reads, partial(call.shaped, piece))
                if packed := packer.feed(piece):
                    await response.write(packed)
        except EngineError as e:
            # The status is sent: the tagged text says what went wrong, the missing end that something did
            await response.write(packer.feed(_tagged(_error_text(e, self._engine.version), tag)))
            await response.write(packer.finish())
            if request.transport is not None:
                request.transport.close()
            return response
        except ConnectionError:
            return response  # the client left
        finally:
            await self._on(self._reads, pieces.close)
        await response.write(packer.finish())
        await response.write_eof()
        return response

    def _start(self, call: _Call) -> Outcome | _Pieces:
        """Run the statement; in a thread.

        Small replies come whole, large ones as a stream that keeps its connection until it is closed.
        """
        statement, reader = call.statement, call.account.reader
        with ExitStack() as held:
            connection = held.enter_context(
                self._engine.borrow(
                    reader=reader,
                    session=call.session,
                    session_timeout=call.session_timeout,
                    like=(call.database, call.settings),
                )
            )
            connection.wear(call.database, call.settings)
            if statement.data is not None:
                _check_may_write(call)
                return connection.insert(statement.head, statement.format, statement.data, call.params)
            if reader:
                self._guard.check(connection, statement.keyword, statement.head, call.reply_format, call.params)
            kind = connection.kind(statement.head)
            if kind is not Kind.READ:
                _check_may_write(call)
            if kind is Kind.CONTROL and call.session is None:
                connection = held.enter_context(self._engine.fresh(reader=reader))
                connection.wear(call.database, call.settings)
            if kind is Kind.READ and call.may_stream:
                stream = connection.stream(statement.head, call.reply_format, call.params)
                held.callback(stream.close)
                pieces = _Pieces(stream)
                if pieces.is_whole:
                    return Outcome(pieces.next() or b"")
                pieces.held = held.pop_all()
                return pieces
            outcome = connection.run(statement.head, call.reply_format, call.params)
            if kind is Kind.CONTROL:
                connection.forget_database()
            return outcome

    def _failure(self, error: EngineError, headers: dict[str, str], status: int | None = None) -> web.Response:
        headers.pop("Content-Encoding", None)
        headers |= {
            "X-ClickHouse-Exception-Code": str(error.code),
            "Content-Type": "text/plain; charset=UTF-8",
        }
        return web.Response(
            status=status or _STATUS_BY_CODE.get(error.code, 500),
            body=_error_text(error, self._engine.version),
            headers=headers,
        )

    @staticmethod
    async def _on(pool: ThreadPoolExecutor, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(pool, work)


class _Pieces:
    """A reply under way: the pieces already read, then those that the stream still gives."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._ready = [piece for piece in (stream.piece(), stream.piece()) if piece is not None]
        self.is_whole = len(self._ready) < 2
        self.held = ExitStack()

    def next(self) -> bytes | None:
        return self._ready.pop(0) if self._ready else self._stream.piece()

    def close(self) -> None:
        self.held.close()


async def _alive(_: web.Request) -> web.Response:
    return web.Response(text="Ok.\n")


def _unpack_and_read(body: bytes, keys: Mapping[str, str], coding: str) -> Statement:
    body = frames.unpack(body, coding, BODY_LIMIT)
    if keys.get("decompress") == "1":
        body = frames.unpack_frames(body, BODY_LIMIT)
    return Statement.read(keys.get("query"), body)


def _credentials(request: web.Request) -> tuple[str, str]:
    """User and password from the first place that has any: ClickHouse's headers, Basic, the URL."""
    headers, keys = request.headers, request.query
    if "X-ClickHouse-User" in headers or "X-ClickHouse-Key" in headers:
        return headers.get("X-ClickHouse-User", "default"), headers.get("X-ClickHouse-Key", "")
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        with suppress(binascii.Error, UnicodeDecodeError):
            user, _, password = base64.b64decode(token, validate=True).decode().partition(":")
            return user, password
        return "", ""
    return keys.get("user", "default"), keys.get("password", "")


def _check_may_write(call: _Call) -> None:
    if call.account.reader:
        raise EngineError.new(164, "READONLY", "Cannot execute query in readonly mode: this user is read-only.")
    if not call.may_write:
        text = "Cannot execute query in readonly mode: over HTTP, method GET implies readonly, use POST."
        raise EngineError.new(164, "READONLY", text)


def _seconds(text: str) -> float:
    try:
        return min(max(float(text), 1.0), 3600.0)
    except ValueError:
        raise EngineError.new(36, "BAD_ARGUMENTS", f"session_timeout {text!r} is not a number of seconds") from None


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def _header_safe(text: str) -> str:
    return "".join(c for c in text if c.isprintable())[:256]


def _error_text(error: EngineError, version: str) -> bytes:
    note = "" if error.message.rstrip().endswith(")") and "(version " in error.message else f" (version {version})"
    return f"{error.message.rstrip()}{note}\n".encode()


def _tagged(text: bytes, tag: str) -> bytes:
    """An error inside a reply, as ClickHouse 25.11 and later mark it."""
    mark = tag.encode()
    return b"__exception__\r\n%s\r\n%s\n%d %s\r\n__exception__\r\n" % (mark, text.rstrip(), len(text), mark)


def _summary(outcome: Outcome, started: float) -> str:
    numbers = {
        "read_rows": outcome.rows_read,
        "read_bytes": 0,
        "written_rows": outcome.rows_written,
        "written_bytes": 0,
        "total_rows_to_read": outcome.rows_read,
        "result_rows": 0,
        "result_bytes": len(outcome.body),
        "elapsed_ns": int((time.perf_counter() - started) * 1e9),
    }
    return json.dumps({k: str(v) for k, v in numbers.items()})


def _content_type(format_name: str) -> str:
    name = format_name.lower()
    if name.startswith(("json", "ndjson")):
        return "application/x-ndjson" if "eachrow" in name else "application/json; charset=UTF-8"
    if name.startswith("csv"):
        return "text/csv; charset=UTF-8"
    if name.startswith(("tab", "tsv", "tskv", "pretty", "vertical", "values", "markdown")):
        return "text/tab-separated-values; charset=UTF-8" if name.startswith("t") else "text/plain; charset=UTF-8"
    return "application/octet-stream"
