"""`sixfold exporter`."""

import asyncio
import signal
import sys

from stream.commands.exits import NEGATIVE, OK, CommandError
from stream.commands.output import log_to_stderr
from stream.settings import Settings

PORT = 9660


def exporter(*, port: int | None = None) -> int:
    """Serve the figures of the reports as metrics for Prometheus, until Ctrl-C or SIGTERM.

    One instance is enough: it reads the views every SIXFOLD_EXPORTER_INTERVAL seconds. `/metrics`, `/live` and
    `/ready` listen on SIXFOLD_METRICS_HOST (127.0.0.1). What each metric means: docs/metrics.md; how to scrape it:
    docs/prometheus.md. `sixfold up` runs one by itself.

    Examples: `sixfold exporter`, `sixfold exporter --port 9660`

    Parameters
    ----------
    port
        Where to listen; SIXFOLD_EXPORTER_PORT, else 9660; 0 for any free one.

    """
    from sinks.client import ClickHouseAway, connect
    from stream.commands.settings import warn_of_unknown_variables
    from stream.kafka_access import kafka_arguments

    warn_of_unknown_variables()
    settings = Settings()
    log_to_stderr(settings.log_level, aiokafka="ERROR", urllib3="CRITICAL", clickhouse_connect="CRITICAL")
    # what waiting does not mend is said at once: a missing user or file here, a wrong password there
    kafka_arguments(settings)
    try:
        connect(settings).close()
    except ClickHouseAway as error:
        sys.stderr.write(f"sixfold: {error}; until then there are no figures\n")
    wished = settings.exporter_port if port is None else port
    return asyncio.run(_run(settings, PORT if wished is None else wished))


async def _run(settings: Settings, port: int) -> int:
    from sinks.endpoint import EndpointError
    from stream.exporting import exporting

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        async with exporting(settings, port) as running:
            sys.stderr.write(f"sixfold: metrics at http://{settings.metrics_host}:{running.port}/metrics\n")
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait([stopping, running.work], return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if running.work.done():
                sys.stderr.write(f"sixfold: the exporter ended: {running.work.exception()!r}\n")
                return NEGATIVE
    except EndpointError as error:
        raise CommandError(str(error)) from None
    return OK
