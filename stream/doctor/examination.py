"""All checks, each bounded in time, none in the way of another."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, NamedTuple, TypeVar

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from sinks.client import ClickHouseUnusable, connect, error_code, message_of
from stream.doctor import behind, database, figures, files, tables, topics
from stream.doctor.finding import Finding, fine, problem, unknown
from stream.kafka_access import open_log
from stream.log import Log, LogUnreachable
from stream.settings import Settings, SettingsError

SECONDS = 5
"""The longest time of a connection, and of a check; those over one service run side by side."""
_NO_TABLE = ("60", "81", "47", "36")
"""No such table, database or column, or a view that reads one."""

Result = TypeVar("Result")


class _Brokers(NamedTuple):
    finding: Finding
    log: Log | None


class _Database(NamedTuple):
    finding: Finding
    server: Client | None
    """Connected to no table of ours, which may not be there yet."""
    tables: Client | None
    without: str
    """Why there is no client of the tables."""


async def examine(settings: Settings) -> list[Finding]:
    """Look at everything; gives one finding for each check, in the order in which they depend on each other."""
    async with AsyncExitStack() as opened:
        brokers, found = await asyncio.gather(_brokers(settings, opened), _database(settings, opened))
        log, server, client = brokers.log, found.server, found.tables
        no_log = "" if log else "the brokers cannot be reached"
        no_server = "" if server else "ClickHouse cannot be reached"
        no_tables = no_server or found.without
        waiting: list[Awaitable[Finding]] = [
            *(_bounded(name, no_log, check, settings, log) for name, check in topics.CHECKS.items()),
            *(_bounded(name, no_log or no_tables, check, settings, log, client) for name, check in _BOTH.items()),
            *(_in_thread(name, no_server, check, settings, server) for name, check in database.CHECKS.items()),
            *(_in_thread(name, no_tables, check, settings, client) for name, check in tables.CHECKS.items()),
            *(_in_thread(name, no_tables, check, settings, client) for name, check in figures.CHECKS.items()),
            *(_in_thread(name, "", check, settings) for name, check in files.CHECKS.items()),
        ]
        done = await asyncio.gather(*waiting)
    split = len(topics.CHECKS) + len(_BOTH)
    return [brokers.finding, *done[:split], found.finding, *done[split:]]


_BOTH = behind.CHECKS


async def _brokers(settings: Settings, opened: AsyncExitStack) -> _Brokers:
    name, protocol = "brokers", settings.kafka_security_protocol
    try:
        log = await opened.enter_async_context(open_log(settings, SECONDS))
    except (LogUnreachable, SettingsError) as error:
        what, _, todo = str(error).partition(": ")
        return _Brokers(
            problem(name, f"{what} ({protocol})", todo or f"correct SIXFOLD_BROKERS ({settings.brokers})"), None
        )
    except Exception as error:  # noqa: BLE001 - the other checks go on, whatever it is
        return _Brokers(problem(name, _said(error), "correct SIXFOLD_BROKERS"), None)
    return _Brokers(fine(name, f"{settings.brokers} over {protocol}"), log)


async def _database(settings: Settings, opened: AsyncExitStack) -> _Database:
    name = "clickhouse"

    def _open(database: str | None) -> Client:
        return connect(settings, database=database, receive_seconds=SECONDS)

    try:
        server = await _thread(_open, "default")
    except TimeoutError:
        found = f"ClickHouse at {settings.clickhouse} does not answer within {SECONDS} s"
        return _Database(problem(name, found, "start it, or correct SIXFOLD_CLICKHOUSE_URL"), None, None, "")
    except Exception as error:  # noqa: BLE001 - the other checks go on, whatever it is
        found, _, todo = _said(error).rpartition("; " if "; " in str(error) else ": ")
        return _Database(problem(name, found or todo, todo), None, None, "")
    opened.callback(server.close)
    finding = database.version(name, settings, server)
    try:
        client = await _thread(_open, None)
    except (ClickHouseUnusable, TimeoutError) as error:
        return _Database(finding, server, None, str(error) or "ClickHouse does not answer in time")
    opened.callback(client.close)
    return _Database(finding, server, client, "")


async def _in_thread(name: str, reason: str, check: Callable[..., Finding], *given: Any) -> Finding:  # noqa: ANN401
    async def _run(*arguments: Any) -> Finding:  # noqa: ANN401
        return await _thread(check, *arguments)

    return await _bounded(name, reason, _run, *given)


async def _bounded(name: str, reason: str, check: Callable[..., Awaitable[Finding]], *given: Any) -> Finding:  # noqa: ANN401
    """Carry a check out, unless there is a reason why it cannot be; whatever goes wrong in it is its finding."""
    if reason:
        return unknown(name, f"not checked: {reason}")
    try:
        async with asyncio.timeout(SECONDS):
            return await check(name, *given)
    except TimeoutError:
        return unknown(name, f"no answer within {SECONDS} s", "try again, and look at the load of the service")
    except Exception as error:  # noqa: BLE001 - the other checks go on, whatever it is
        if error_code(error) in _NO_TABLE:
            return unknown(name, f"the tables are not those of this version: {_said(error)}", "run `sixfold migrate`")
        return unknown(name, f"could not be checked: {_said(error)}")


async def _thread(run: Callable[..., Result], *given: Any) -> Result:  # noqa: ANN401
    """Run it in a thread that is not waited for when its time is up, at the end neither."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def _settle(result: Result | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # there is one without an error

    def _work() -> None:
        result, failure = None, None
        try:
            result = run(*given)
        except Exception as error:  # noqa: BLE001 - handed on
            failure = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle, result, failure)

    threading.Thread(target=_work, daemon=True).start()
    async with asyncio.timeout(SECONDS):
        return await future


def _said(error: BaseException) -> str:
    if isinstance(error, ClickHouseError):
        return message_of(error)[:300]
    return " ".join(str(error).split())[:300] or type(error).__name__
