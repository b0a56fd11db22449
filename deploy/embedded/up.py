"""`sixfold up`: the whole of Sixfold on one machine, as one process tree, until it is told to stop."""

import asyncio
import json
import logging
import logging.handlers
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from deploy.embedded.child import LOG_BYTES, LOGS_KEPT
from deploy.embedded.datadir import SETTINGS_FILE, Ports, StackError
from deploy.embedded.stack import DATABASE, READER, TARGETS_FILE, Stack
from stream.settings import DATA, Settings

__all__ = ["Options", "Stack", "StackError", "run"]

_STOPPED = 0


@dataclass(frozen=True)
class Options:
    """The flags of `sixfold up`. A port of 0 is that of last time, else any free one.

    `metrics_port` is that of the first worker's metrics, the others follow it.
    """

    data: Path = DATA
    kafka_port: int = 0
    clickhouse_port: int = 0
    http_port: int = 0
    exporter_port: int = 0
    page_port: int = 0
    metrics_port: int = 0
    workers: int = 1
    json: bool = False


def run(options: Options) -> int:
    """Start everything, say where it is, and stay until Ctrl-C, SIGTERM or SIGHUP.

    Returns the exit code: 0 when told to stop, 2 when it cannot start, 1 when it cannot go on. A second signal
    cuts the orderly stop short.
    """
    try:
        return asyncio.run(_run(options))
    except StackError as error:
        _say(str(error))
        return error.exit_code
    except asyncio.CancelledError:
        return _STOPPED


async def _run(options: Options) -> int:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - inside a coroutine
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    _log_to(options.data / "logs" / "up.log", Settings(data=options.data).log_level)
    first = options.metrics_port
    metrics = tuple(first + number if first else 0 for number in range(options.workers))
    ports = Ports(
        options.kafka_port,
        options.clickhouse_port,
        options.http_port,
        options.exporter_port,
        options.page_port,
        metrics,
    )
    try:
        async with Stack(options.data, ports, workers=options.workers, say=_say) as stack:
            sys.stdout.write(_as_json(stack) if options.json else _as_text(stack))
            sys.stdout.flush()
            await stack.broken()
    except asyncio.CancelledError:
        return _STOPPED
    return _STOPPED


def _as_json(stack: Stack) -> str:
    settings = stack.settings
    facts = {
        "ready": True,
        "seconds": round(stack.seconds, 2),
        "data": str(stack.data),
        "settings": str(stack.data / SETTINGS_FILE),
        "brokers": settings.brokers,
        "clickhouse_url": str(settings.clickhouse),
        "gateway_url": settings.gateway_url,
        "endpoints": stack.gateway_paths,
        "page_url": stack.page_url,
        "metrics": stack.metrics(),
        "prometheus_targets": str(stack.data / TARGETS_FILE),
        "pids": stack.pids(),
    }
    return json.dumps(facts) + "\n"


def _as_text(stack: Stack) -> str:
    settings = stack.settings
    clickhouse, password = settings.clickhouse, stack.reader_password
    at = f"{clickhouse.host}:{clickhouse.port}"
    notebook = (
        f'host="{clickhouse.host}", port={clickhouse.port}, username="{READER}", password="{password}", '
        f'database="{DATABASE}"'
    )
    lines = [
        f"Sixfold is ready after {stack.seconds:.1f} s. Ctrl-C stops it; its data stays in {stack.data}.",
        "",
        *([f"  Page        {stack.page_url}"] if stack.page_url else []),
        f"  Gateway     {settings.gateway_url}/docs",
        f"  Events in   {settings.gateway_url}/events (sixfold import FILE, sixfold send)",
        *[f"  Webhooks    {settings.gateway_url}{path}" for path in stack.gateway_paths if path != "/events"],
        f"  Kafka       {settings.brokers}, topic {settings.events_topic}",
        f"  ClickHouse  http://{at}, database {DATABASE}",
        *[f"  Metrics     http://{address}/metrics ({name})" for name, address in stack.metrics().items()],
        f"  Prometheus  file_sd_configs: {stack.data / TARGETS_FILE}",
        f"  Logs        {stack.data / 'logs'}",
        "",
        f"Connect to the reports, as {READER}, who may only read:",
        f"  JDBC        jdbc:clickhouse:http://{at}/{DATABASE}?user={READER}&password={password}",
        f"  SQLAlchemy  clickhousedb://{READER}:{password}@{at}/{DATABASE}",
        f"  Notebook    clickhouse_connect.get_client({notebook})",
        f"  curl        curl -u {READER}:{password} 'http://{at}/?database={DATABASE}' -d 'SHOW TABLES'",
        "  (clickhouse-client speaks a protocol that only a ClickHouse server has: use curl or sixfold sql.)",
        "",
        "In another terminal: sixfold report --list",
    ]
    if stack.data != DATA.absolute():
        lines.append(f"There, first: export SIXFOLD_DATA={stack.data}")
    return "\n".join(lines) + "\n"


def _say(line: str) -> None:
    sys.stderr.write(f"sixfold: {line}\n")
    sys.stderr.flush()


def _log_to(path: Path, level: str) -> None:
    """Send this process's own log to a file; the terminal gets only what is said."""
    try:
        path.parent.parent.mkdir(parents=True, exist_ok=True, mode=0o700)  # events hold personal data
        path.parent.mkdir(exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=LOGS_KEPT, delay=True)
    except OSError as error:
        folder = path.parent.parent
        raise StackError(f"{folder}: cannot keep data: {error.strerror}; name another with --data") from None
    shown = "%(asctime)s %(levelname)s %(name)s %(message)s"
    logging.basicConfig(level=level.upper(), format=shown, handlers=[handler])
