"""`sixfold worker`."""

from stream.settings import Settings


def worker() -> int:
    """Run the worker against the Kafka and ClickHouse of the settings, until Ctrl-C or SIGTERM.

    Start as many as you like, each on its own, with the same settings: they share the shards. `sixfold migrate`
    comes first. Kafka and ClickHouse may be started later: it waits for them.

    Example: `SIXFOLD_BROKERS=kafka:9092 SIXFOLD_CLICKHOUSE_URL=http://me:pw@ch:8123/crm sixfold worker`
    """
    from stream.app import run
    from stream.commands.settings import warn_of_unknown_variables

    warn_of_unknown_variables()
    return run(Settings())
