"""chDB, ClickHouse's engine inside this process, as a set of connections that run side by side.

One chDB connection runs one statement at a time; several to the same path run in parallel. So each statement
borrows a connection of its own: from a pool, or the one that its HTTP session owns, or a fresh one where the
statement would leave a trace (SET, USE, temporary tables).
"""

from __future__ import annotations

import builtins
import fcntl
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

SETTING_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_LOCK_FILE = "sixfold-clickhouse.lock"
_IRREVERSIBLE = frozenset({"readonly", "allow_ddl"})  # once set, a connection cannot be set back
_ENGINE_PREFIX = re.compile(r"(?:Streaming (?:query|insert \w+) failed: )+")
_ERROR_CODE = re.compile(r"Code: (\d+)\.")
UNKNOWN_EXCEPTION = 1002


class DataDirectoryError(RuntimeError):
    """The data directory cannot be used: another process owns it, or it cannot be written or read."""


class EngineError(Exception):
    """A statement failed in the engine: `code` is ClickHouse's, `message` begins with `Code: N.`."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @classmethod
    def of(cls, error: BaseException) -> EngineError:
        """From what chDB raises: the binding's own words before ClickHouse's are cut off."""
        text = _ENGINE_PREFIX.sub("", str(error)).strip()
        code = _ERROR_CODE.search(text)
        if code is None:
            return cls(UNKNOWN_EXCEPTION, f"Code: {UNKNOWN_EXCEPTION}. DB::Exception: {text}")
        return cls(int(code[1]), text[code.start() :])

    @classmethod
    def new(cls, code: int, name: str, text: str) -> EngineError:
        """One of our own, in ClickHouse's form: `name` is the code's symbolic name."""
        return cls(code, f"Code: {code}. DB::Exception: {text} ({name})")


class Kind(Enum):
    """What a statement does, by the engine's own parser."""

    READ = "read"
    WRITE = "write"
    CONTROL = "control"
    """Changes the connection, other queries or files: SET, USE, temporary tables, INTO OUTFILE, KILL."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished statement: the reply's bytes, and rows read and written."""

    body: bytes
    rows_read: int = 0
    rows_written: int = 0


class _Result(Protocol):
    """What chDB gives for a statement or a piece of one."""

    def bytes(self) -> builtins.bytes: ...
    def storage_rows_read(self) -> int: ...
    def rows_written(self) -> int: ...


class _Pieces(Protocol):
    """What chDB gives for a streaming SELECT."""

    def fetch(self) -> _Result | None: ...
    def close(self) -> None: ...


class Connection:
    """One chDB connection with what it wears: current database, settings, parameters. Not thread-safe."""

    def __init__(self, address: str, *, reader: bool) -> None:
        import chdb

        try:
            self._chdb = chdb.connect(address)
        except RuntimeError as e:
            raise EngineError.of(e) from None
        self._worn: dict[str, str] = {}
        self._database: str | None = "default"
        self.spent = False  # whether it carries a trace that must not reach another statement
        if reader:
            # Not 1: under readonly=1 the engine drops the SETTINGS of views without a word, and a view's
            # join_use_nulls with them, so that a missing value would read as 0.
            self._run("SET readonly = 2")

    @property
    def wearing(self) -> tuple[str | None, dict[str, str]]:
        """Current database (None: the session chose one itself) and settings."""
        return self._database, self._worn

    def wear(self, database: str | None, settings: Mapping[str, str]) -> None:
        """Make `database` current (None: leave it) and exactly `settings` hold. Raises `EngineError`."""
        # One by one, so that after a refusal it is known what holds
        for setting in [k for k in self._worn if k not in settings]:
            self._run(f"SET {_name(setting)} = DEFAULT")
            del self._worn[setting]
        for setting, value in settings.items():
            if self._worn.get(setting) != value:
                self._run(f"SET {_name(setting)} = {_literal(value)}")
                self._worn[setting] = value
                self.spent = self.spent or setting in _IRREVERSIBLE
        if database is not None and database != self._database:
            self._run(f"USE {_quoted(database)}")
            self._database = database

    def kind(self, statement: str) -> Kind:
        """Judge one statement. Raises `EngineError` 62 for a syntax error and for several statements."""
        # The binding's own object: the public connection does not offer this call
        verdict: dict[str, Any] = self._chdb._conn.classify_query(statement)
        if verdict["statement_count"] > 1:
            raise EngineError.new(62, "SYNTAX_ERROR", "Syntax error (Multi-statements are not allowed)")
        if verdict["statement_count"] == 0:
            raise self._syntax_error(statement)
        kinds = {"READ_ONLY": Kind.READ, "MUTATING": Kind.WRITE, "MUTATING_GLOBAL": Kind.WRITE}
        return kinds.get(verdict["query_class"].name, Kind.CONTROL)

    def run(self, statement: str, format_name: str, params: Mapping[str, str]) -> Outcome:
        """Run one statement to its end. `params` are texts for `{name:Type}`, escaped as in TabSeparated."""
        result = self._run(statement, format_name, params)
        return Outcome(result.bytes(), int(result.storage_rows_read()), int(result.rows_written()))

    def stream(self, statement: str, format_name: str, params: Mapping[str, str]) -> Stream:
        """Start a SELECT whose reply comes in pieces; the connection is busy until the stream is closed."""
        try:
            return Stream(self._chdb.send_query(statement, format_name, params=dict(params) or None))
        except RuntimeError as e:
            raise EngineError.of(e) from None

    def insert(self, head: str, format_name: str, data: bytes, params: Mapping[str, str]) -> Outcome:
        """Insert rows given as bytes. `head` is the statement without FORMAT and rows.

        The rows go from memory into the engine's parser: no file is written, nothing is left to clean up.
        """
        if format_name == "Values" and b";" in data.strip().removesuffix(b";"):
            # The engine would stop at the semicolon and leave out what follows it, without a word
            self.kind(f"{head} VALUES {data.decode(errors='replace')}")
        if params:
            self._run("SET " + ", ".join(f"{_name('param_' + k)} = {_literal(v)}" for k, v in params.items()))
            self.spent = True  # they would be seen by the next statement
        try:
            with self._chdb.send_insert(head, format_name) as rows:
                rows.append(data)
                result = rows.finish()
        except RuntimeError as e:
            raise EngineError.of(e) from None
        return Outcome(b"", 0, int(result.rows_written))

    def formatted(self, statement: str) -> str:
        """The statement as the engine writes it: names unquoted where they can be. Raises `EngineError` 62."""
        params = {"statement": _escaped(statement)}
        return self.run("SELECT formatQuery({statement:String})", "TabSeparatedRaw", params).body.decode()

    def forget_database(self) -> None:
        """The session may have run USE: what is current is no longer known."""
        self._database = None

    def close(self) -> None:
        """Close it; idempotent."""
        self._chdb.close()

    def _syntax_error(self, statement: str) -> EngineError:
        try:
            self.formatted(statement)
        except EngineError as e:
            if e.code == 62:
                return e
        return EngineError.new(62, "SYNTAX_ERROR", "Syntax error: this is not one complete statement")

    def _run(self, statement: str, format_name: str = "TabSeparated", params: Mapping[str, str] = {}) -> _Result:
        try:
            result: _Result = self._chdb.query(statement, format_name, params=dict(params) or None)
        except RuntimeError as e:
            self._drop_left_over_output()
            raise EngineError.of(e) from None
        return result

    def _drop_left_over_output(self) -> None:
        """What a failed statement had written would stand before the next one's output: chDB keeps it."""
        try:
            self._chdb.query("SELECT 1", "Null")
        except RuntimeError:
            self.spent = True


class Stream:
    """A reply that comes piece by piece. `close` may be called at any time and ends the query."""

    def __init__(self, pieces: _Pieces) -> None:
        self._pieces = pieces

    def piece(self) -> bytes | None:
        """The next piece, None after the last. Raises `EngineError`."""
        try:
            piece = self._pieces.fetch()
        except RuntimeError as e:
            raise EngineError.of(e) from None
        return None if piece is None else piece.bytes()

    def close(self) -> None:
        """End the query if it still runs; idempotent."""
        with suppress(RuntimeError):
            self._pieces.close()


@dataclass
class _Session:
    connection: Connection
    timeout: float
    busy: bool = False
    used: float = field(default_factory=time.monotonic)


class Engine:
    """The data directory and the connections to it. One process at a time may own a directory.

    `memory_bytes` bounds what the engine allocates in all. Thread-safe. Raises `DataDirectoryError` when the
    directory is owned, unusable or damaged.

    An acknowledged insert survives the end of this process, SIGKILL included; as in ClickHouse's default, it
    is not fsynced, so a machine that loses power may lose the last seconds.
    """

    POOLED = 8
    """Idle connections kept, for each of writer and reader."""

    def __init__(self, directory: Path, *, memory_bytes: int, config: Path | None = None) -> None:
        self._lock_fd = _own(directory)
        self._address = _address(directory, memory_bytes, config)
        self._guard = threading.Lock()
        self._idle: dict[bool, list[Connection]] = {True: [], False: []}
        self._sessions: dict[tuple[bool, str], _Session] = {}
        _remove_left_over_files(directory / "tmp")
        try:
            first = Connection(self._address, reader=False)
            version = first.run("SELECT version(), timezone()", "TabSeparated", {}).body.decode().split()
        except (RuntimeError, EngineError) as e:
            os.close(self._lock_fd)
            raise DataDirectoryError(
                f"chDB cannot open {directory}: {EngineError.of(e).message} (its own lines above say more)"
            ) from None
        self.version, self.timezone = version
        self._idle[False].append(first)

    @contextmanager
    def borrow(
        self,
        *,
        reader: bool,
        session: str | None = None,
        session_timeout: float = 60.0,
        like: tuple[str | None, Mapping[str, str]] = (None, {}),
    ) -> Iterator[Connection]:
        """A connection for one statement: the session's own, else a pooled one, best one that wears `like`.

        Raises `EngineError` 373 when the session runs another statement now.
        """
        if session is not None:
            owned = self._enter_session(reader, session, session_timeout)
            try:
                yield owned.connection
            finally:
                self._leave_session(owned)
            return
        connection = self._take(reader, like)
        try:
            yield connection
        except EngineError:
            raise
        except BaseException:
            connection.spent = True
            raise
        finally:
            self._give_back(reader, connection)

    @contextmanager
    def fresh(self, *, reader: bool) -> Iterator[Connection]:
        """A connection that is closed afterwards, so that what the statement sets on it ends with it."""
        connection = Connection(self._address, reader=reader)
        try:
            yield connection
        finally:
            connection.close()

    def has_session(self, session: str, *, reader: bool) -> bool:
        """Whether the session exists."""
        with self._guard:
            return (reader, session) in self._sessions

    def end_idle_sessions(self) -> None:
        """Close sessions whose timeout has passed."""
        now = time.monotonic()
        with self._guard:
            ended = [key for key, s in self._sessions.items() if not s.busy and now - s.used > s.timeout]
            gone = [self._sessions.pop(key) for key in ended]
        for session in gone:
            session.connection.close()

    def cancel_all(self) -> None:
        """End every running statement; each fails with code 394."""
        with self.fresh(reader=False) as connection:
            connection.run("KILL QUERY WHERE query_id != queryID() ASYNC", "Null", {})

    def close(self) -> None:
        """Close all connections and give the directory up."""
        with self._guard:
            connections = [*self._idle[True], *self._idle[False]]
            connections += [s.connection for s in self._sessions.values()]
            self._idle = {True: [], False: []}
            self._sessions = {}
        for connection in connections:
            connection.close()
        os.close(self._lock_fd)

    def _take(self, reader: bool, like: tuple[str | None, Mapping[str, str]]) -> Connection:
        with self._guard:
            idle = self._idle[reader]
            if idle:
                database, settings = like
                for i in range(len(idle) - 1, -1, -1):
                    if idle[i].wearing == (database, settings):
                        return idle.pop(i)
                return idle.pop()
        return Connection(self._address, reader=reader)

    def _give_back(self, reader: bool, connection: Connection) -> None:
        with self._guard:
            if not connection.spent and len(self._idle[reader]) < self.POOLED:
                self._idle[reader].append(connection)
                return
        connection.close()

    def _enter_session(self, reader: bool, name: str, timeout: float) -> _Session:
        with self._guard:
            session = self._sessions.get((reader, name))
            if session is not None and session.busy:
                raise EngineError.new(373, "SESSION_IS_LOCKED", f"Session {name} is locked by a concurrent client.")
            if session is None:
                session = _Session(Connection(self._address, reader=reader), timeout)
                self._sessions[reader, name] = session
            session.busy, session.timeout = True, timeout
            return session

    def _leave_session(self, session: _Session) -> None:
        with self._guard:
            session.busy, session.used = False, time.monotonic()


def _own(directory: Path) -> int:
    """Take the directory for this process; the kernel frees it when the process ends, however it ends."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock_fd = os.open(directory / _LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as e:
        raise DataDirectoryError(f"{directory} cannot be used as data directory: {e.strerror}") from None
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        owner = os.pread(lock_fd, 20, 0).decode(errors="replace").strip() or "unknown"
        os.close(lock_fd)
        raise DataDirectoryError(
            f"{directory} is in use by process {owner}: stop it, or give another directory with --data"
        ) from None
    os.ftruncate(lock_fd, 0)
    os.pwrite(lock_fd, str(os.getpid()).encode(), 0)
    return lock_fd


def _address(directory: Path, memory_bytes: int, config: Path | None) -> str:
    """The connection string: the path and what the engine is started with; `config` in ClickHouse's own form."""
    start: dict[str, int | str] = {
        "max_server_memory_usage": memory_bytes,
        "mark_cache_size": min(256 << 20, memory_bytes // 8),
        "max_thread_pool_size": 1000,
        "implicit_select": 0,  # `1 + 1` is a syntax error, as on a server
        "allow_introspection_functions": 0,
    }
    if config is not None:
        start["config-file"] = str(config.resolve())
    return f"{directory.resolve()}?" + "&".join(f"{k}={v}" for k, v in start.items())


def _remove_left_over_files(directory: Path) -> None:
    """What sorts and joins had spilled when an earlier process was killed."""
    if directory.is_dir():
        for path in directory.iterdir():
            if path.is_file():
                path.unlink(missing_ok=True)


def _name(setting: str) -> str:
    if not SETTING_NAME.fullmatch(setting):
        raise EngineError.new(115, "UNKNOWN_SETTING", f"Unknown setting {setting!r}")
    return f"`{setting}`"


def _quoted(identifier: str) -> str:
    return "`" + identifier.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _escaped(text: str) -> str:
    """As TabSeparated writes a text: the form in which the engine reads parameters."""
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\0", "\\0")
