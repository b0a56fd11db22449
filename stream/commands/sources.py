"""`sixfold sources`."""

import asyncio

from stream.commands.exits import CommandError
from stream.commands.output import log_to_stderr
from stream.settings import Settings


def sources() -> int:
    """Read Kafka topics that others write, and make events of their records, until Ctrl-C or SIGTERM.

    The topics are those that files of SIXFOLD_SOURCES name in `[kafka]`: written by Debezium, Kafka Connect or a
    provider's connector. An offset is committed once Kafka has acknowledged the events of its record; what an adapter
    refuses becomes a dead letter. Start as many as you like: they share the partitions. SIXFOLD_METRICS_PORT serves
    /metrics, /live and /ready. How to set it up: docs/sources/kafka.md.

    Example: `SIXFOLD_BROKERS=kafka:9092 SIXFOLD_SOURCES=/etc/sixfold/sources sixfold sources`
    """
    from schemas.adapters import ConfigurationError
    from sinks.endpoint import EndpointError
    from stream.commands.settings import warn_of_unknown_variables
    from stream.source_reader import SourcesError, run

    warn_of_unknown_variables()
    settings = Settings()
    # they tell of each of their parts that starts and stops
    log_to_stderr(settings.log_level, aiokafka="WARNING", faust="WARNING", mode="WARNING")
    try:
        return asyncio.run(run(settings))
    except ConfigurationError as error:
        raise CommandError("; ".join(str(error).splitlines())) from None
    except (EndpointError, SourcesError) as error:
        raise CommandError(str(error)) from None
