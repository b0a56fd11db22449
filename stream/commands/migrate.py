"""`sixfold migrate`."""

import asyncio

from clickhouse_connect.driver.client import Client
from rich.text import Text

from stream.commands.exits import OK, CommandError
from stream.commands.output import AsJson, stdout, write_json
from stream.settings import Settings
from stream.topics import migrate_topics, topics_of


def migrate(*, as_json: AsJson = False) -> int:
    """Create or check topics and tables, and make views that are not as they should be. Can be run at any time.

    Example: `sixfold migrate`

    Parameters
    ----------
    as_json
        Print JSON: a list of what was done.

    """
    from stream.commands.settings import warn_of_unknown_variables

    warn_of_unknown_variables()
    settings = Settings()
    done = [*asyncio.run(migrate_topics(settings)), *migrate_tables(settings)]
    if as_json:
        write_json(done)
    else:
        for line in done or ["topics, tables and views are as they should be"]:
            stdout().print(Text(line))
    return OK


def migrate_tables(settings: Settings, client: Client | None = None) -> list[str]:
    """Bring the database up to date; gives one line for each thing done."""
    from sinks.client import connect
    from sinks.migrate import MigrationError
    from sinks.migrate import migrate as run

    # The database itself may be yet to be created.
    client = client or connect(settings, database="default")
    try:
        return run(client, settings.clickhouse.database, settings.view_settings(), cluster=settings.clickhouse_cluster)
    except MigrationError as error:
        raise CommandError(str(error)) from None


def check_tables(settings: Settings) -> None:
    """Raise `CommandError` unless the database is of exactly this version; needs no right but to read."""
    from sinks.client import connect
    from sinks.migrate import MigrationError, check_migrated

    client = connect(settings, database="default")
    try:
        check_migrated(client, settings.clickhouse.database)
    except MigrationError as error:
        raise CommandError(str(error)) from None
    finally:
        client.close()


async def check_topics(settings: Settings) -> None:
    """Raise `CommandError` for a topic that is missing, `WrongPartitions` for one with another number of them."""
    from stream.kafka_access import open_log
    from stream.log import WrongPartitions

    async with open_log(settings) as log:
        for name, wanted in topics_of(settings).items():
            found = await log.partitions(name)
            if found is None:
                raise CommandError(
                    f"Kafka at {settings.brokers} has no topic {name}, or does not let us see it: run `sixfold"
                    " migrate`, or create what `sixfold kafka` prints"
                )
            if found != wanted:
                raise WrongPartitions(name, found, wanted)
