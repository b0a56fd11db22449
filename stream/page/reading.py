"""Reading from ClickHouse for many readers at once: what was read stays good until a manifest moves.

A query runs once for all who ask the same of the same state. Reads go as the user who may only read, where the
settings name one.
"""

import asyncio
import hashlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any, TypeVar

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

from sinks.client import ClickHouseUnusable, connect, error_code, message_of
from stream.page.periods import Calendar
from stream.settings import Settings

THREADS = 4
STATE_SECONDS = 0.5
"""How long the answer to "did anything move?" is good for everybody."""

QUERY_SECONDS, GRACE_SECONDS = 30, 5
"""The engine ends a query at its bound; the page waits a little longer for it to say so."""

LIST_SECONDS = 60
_MOST_KEPT = 512
_NO_TABLE = ("60", "81")
_STATE = """
SELECT
    (SELECT groupArray((shard, newest)) FROM (
        SELECT shard, max((epoch, flush)) AS newest FROM manifest WHERE ready GROUP BY shard ORDER BY shard))
        AS manifests,
    (SELECT max(last_event_time) FROM report_freshness) AS last_event_time,
    (SELECT max(written_at) FROM report_freshness) AS written_at,
    (SELECT (max(version), argMax(partitions, version)) FROM view_settings) AS settings,
    currency, fiscal_year_start, attribution_model, time_zone, today
FROM base_settings
"""

_T = TypeVar("_T")
logger = logging.getLogger(__name__)


class Unavailable(Exception):  # noqa: N818 - it says what is wrong
    """ClickHouse did not answer as it should; one line for people."""


@dataclass(frozen=True)
class State:
    """What the figures stand on now: `token` differs when they may differ."""

    token: str
    last_event_time: datetime | None
    written_at: datetime | None
    shards: int
    currency: str
    model: str
    time_zone: str
    partitions: int
    today: date
    calendar: Calendar

    @property
    def empty(self) -> bool:
        """Whether no event was counted yet."""
        return self.last_event_time is None


@dataclass(frozen=True)
class Rows:
    """A result: names and ClickHouse types of the columns, and the rows as dicts."""

    columns: Sequence[str]
    types: Mapping[str, str]
    rows: Sequence[Mapping[str, Any]]


class Reader:
    """The one way to ClickHouse that the page has."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool = ThreadPoolExecutor(THREADS, "page-read")
        self._client: Client | None = None
        self._connecting = threading.Lock()
        self._state: tuple[float, State] | None = None
        self._state_task: asyncio.Task[State] | None = None
        self._token = ""
        self._kept: dict[Any, asyncio.Task[Rows]] = {}
        self._lists: dict[str, tuple[float, Rows]] = {}

    def close(self) -> None:
        """Take no more queries."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._client is not None:
            self._client.close()

    async def state(self) -> State:
        """The state now, at most half a second old. Raises `Unavailable`."""
        if self._state is not None and time.monotonic() - self._state[0] < STATE_SECONDS:
            return self._state[1]
        if self._state_task is None or self._state_task.done():
            self._state_task = asyncio.create_task(self._read_state())
        return await asyncio.shield(self._state_task)

    async def query(self, text: str, parameters: Mapping[str, Any] | None = None) -> Rows:
        """Read rows, the same ones for all who ask the same before a manifest moves. Raises `Unavailable`.

        Values travel as parameters, never in the text.
        """
        key = (text, repr(sorted((parameters or {}).items())))
        task = self._kept.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            task = self._kept[key] = asyncio.create_task(self._read(text, parameters))
        return await asyncio.shield(task)

    async def list(self, text: str) -> Rows:
        """Read what changes seldom, such as what there is to choose from: up to a minute old. Raises `Unavailable`."""
        known = self._lists.get(text)
        if known is None or time.monotonic() - known[0] > LIST_SECONDS:
            known = self._lists[text] = (time.monotonic(), await self.query(text))
        return known[1]

    async def work(self, work: Callable[[Client], _T]) -> _T:
        """Run what reads more than once, in a thread. Raises `Unavailable`."""
        return await self._in_thread(partial(self._with_client, work))

    async def _read_state(self) -> State:
        row = (await self._read(_STATE, None)).rows[0]
        seen = repr((row["manifests"], row["settings"], row["today"]))
        token = hashlib.blake2b(seen.encode(), digest_size=8).hexdigest()
        if token != self._token:
            self._token = token
            self._kept.clear()
        state = State(
            token,
            row["last_event_time"],
            row["written_at"],
            len(row["manifests"]),
            row["currency"] or self._settings.currency,
            row["attribution_model"] or self._settings.attribution_model,
            row["time_zone"] or self._settings.time_zone,
            row["settings"][1] or self._settings.partitions,
            row["today"],
            Calendar(row["fiscal_year_start"]),
        )
        self._state = (time.monotonic(), state)
        return state

    async def _read(self, text: str, parameters: Mapping[str, Any] | None) -> Rows:
        return await self._in_thread(partial(self._run, text, dict(parameters or {})))

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def _run(self, text: str, parameters: dict[str, Any]) -> Rows:
        result = self._with_client(lambda client: client.query(text, parameters=parameters))
        names = list(result.column_names)
        types = dict(zip(names, (kind.name for kind in result.column_types), strict=True))
        return Rows(names, types, [dict(zip(names, row, strict=True)) for row in result.result_rows])

    def _with_client(self, work: Callable[[Client], _T]) -> _T:
        try:
            return work(self._connected())
        except ClickHouseUnusable as error:
            raise Unavailable(str(error)) from None
        except OperationalError:
            address = self._settings.clickhouse_reader
            raise Unavailable(f"ClickHouse at {address.host}:{address.port} does not answer") from None
        except ClickHouseError as error:
            logger.warning("a query failed: %s", message_of(error))
            if error_code(error) in _NO_TABLE:
                raise Unavailable("the database has not been migrated to this version: run sixfold migrate") from None
            raise Unavailable(f"ClickHouse says: {message_of(error)}") from None

    def _connected(self) -> Client:
        with self._connecting:  # several threads may come first
            if self._client is None:
                self._client = connect(
                    self._settings,
                    reader=True,
                    receive_seconds=QUERY_SECONDS + GRACE_SECONDS,
                    max_execution_time=QUERY_SECONDS,
                )
            return self._client
