"""ClickHouse for one machine: chDB behind ClickHouse's HTTP interface, on 127.0.0.1, with a password.

    SIXFOLD_CLICKHOUSE_PASSWORD=... python -m deploy.embedded.clickhouse --port 8123 --data ./clickhouse

Prints one line of JSON when it serves, ends on SIGTERM and SIGINT. Exit codes: 0 ended as told, 2 wrong
settings, 3 the port is taken, 4 the data directory is in use or unusable.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from deploy.embedded.clickhouse_engine import DataDirectoryError, Engine
from deploy.embedded.clickhouse_http import Account, Endpoint

HOST = "127.0.0.1"
READER = "sixfold_reader"
PASSWORD_VARIABLE = "SIXFOLD_CLICKHOUSE_PASSWORD"  # noqa: S105 - a name, no password
READER_PASSWORD_VARIABLE = "SIXFOLD_CLICKHOUSE_READER_PASSWORD"  # noqa: S105 - a name, no password

EXIT_SETTINGS, EXIT_PORT, EXIT_DATA = 2, 3, 4
_GRACE_SECONDS = 5.0


class StartError(Exception):
    """Why the server cannot start, for the person who started it, with the exit code that says so too."""

    def __init__(self, exit_code: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until told to end; gives the exit code."""
    started = time.monotonic()
    options = _options(argv)
    try:
        accounts = _accounts(options.user)
        asyncio.run(_serve(options, accounts, started))
    except StartError as e:
        sys.stderr.write(f"clickhouse: {e}\n")
        return e.exit_code
    except DataDirectoryError as e:
        sys.stderr.write(f"clickhouse: {e}\n")
        return EXIT_DATA
    return 0


async def _serve(options: argparse.Namespace, accounts: list[Account], started: float) -> None:
    _check_port(options.port)
    engine = Engine(options.data, memory_bytes=options.memory_mib << 20, config=options.config)
    try:
        endpoint = Endpoint(engine, accounts)
        runner = web.AppRunner(
            endpoint.application(), auto_decompress=False, access_log=None, shutdown_timeout=_GRACE_SECONDS
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, options.port).start()
        except OSError as e:
            await runner.cleanup()
            raise StartError(EXIT_PORT, f"cannot listen on {HOST}:{options.port}: {e.strerror}") from None
        ended = asyncio.Event()
        # After the engine has started: it installs handlers of its own
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        ready = {
            "ready": True,
            "host": HOST,
            "port": _port(runner),
            "user": options.user,
            "reader": READER if len(accounts) > 1 else None,
            "version": engine.version,
            "pid": os.getpid(),
            "seconds": round(time.monotonic() - started, 2),
        }
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        await ended.wait()
        await runner.cleanup()
        await endpoint.close()
    finally:
        engine.close()


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.embedded.clickhouse",
        description=f"ClickHouse's HTTP interface on {HOST}, by chDB.",
        epilog=f"Passwords: {PASSWORD_VARIABLE}, and {READER_PASSWORD_VARIABLE} for the read-only {READER}.",
    )
    parser.add_argument("--port", type=int, default=8123, help="TCP port; 0 takes a free one (default: 8123)")
    parser.add_argument("--data", type=Path, required=True, help="data directory, made when missing")
    parser.add_argument("--user", default="sixfold", help="the user who may write (default: sixfold)")
    parser.add_argument(
        "--memory-mib", type=int, default=4096, help="what the engine may allocate in all (default: 4096)"
    )
    parser.add_argument(
        "--config", type=Path, help="a configuration file of ClickHouse (XML), such as its users' grants"
    )
    return parser.parse_args(argv)


def _accounts(user: str) -> list[Account]:
    password = os.environ.get(PASSWORD_VARIABLE, "")
    if not password:
        raise StartError(EXIT_SETTINGS, f"set {PASSWORD_VARIABLE}: the user {user} must have a password")
    if user == READER:
        raise StartError(EXIT_SETTINGS, f"--user must not be {READER}, the read-only user's name")
    accounts = [Account(user, password, reader=False)]
    if reader_password := os.environ.get(READER_PASSWORD_VARIABLE, ""):
        accounts.append(Account(READER, reader_password, reader=True))
    return accounts


def _check_port(port: int) -> None:
    if not 0 <= port < 1 << 16:
        raise StartError(EXIT_SETTINGS, f"--port {port} is not a port number")


def _port(runner: web.AppRunner) -> int:
    return int(runner.addresses[0][1])


if __name__ == "__main__":
    sys.exit(main())
