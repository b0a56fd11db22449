"""`sixfold migrate`."""

import asyncio

from clickhouse_connect.driver.client import Client
from rich.text import Text

from stream.commands.exits import OK, CommandError
from stream.commands.output import AsJson, stdout, write_json
from stream.settings import Settings

MESSAGE_BYTES = 2 << 20
"""What a record may have: more than an event may, so that one that is too large can become a dead letter."""
LETTER_BYTES = MESSAGE_BYTES + (64 << 10)
"""What a dead letter may have: the record as it came, and the facts about it in headers."""


def migrate(*, as_json: AsJson = False) -> int:
    """Create or check topics and tables, and make all views anew. Can be run at any time, and twice.

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
        for line in done:
            stdout().print(Text(line))
    return OK


async def migrate_topics(settings: Settings) -> list[str]:
    """Create the topics that are missing; gives one line for each created."""
    from stream.kafka_access import open_log

    topics = {
        settings.events_topic: settings.partitions,
        settings.documents_topic: settings.partitions,
        settings.dead_letters_topic: 1,
    }
    # Not compacted: events are sparse, and the last one of a key does not hold the others' members. Kafka's retention
    # goes by a record's own timestamp, so that a short one would take imported history before a worker has read it.
    plain = {"cleanup.policy": "delete", "max.message.bytes": str(MESSAGE_BYTES), "retention.ms": "-1"}
    letters = {**plain, "max.message.bytes": str(LETTER_BYTES)}
    configs = {**dict.fromkeys(topics, plain), settings.dead_letters_topic: letters}
    async with open_log(settings) as log:
        created = await log.create_topics(topics, replication=settings.replication_factor, configs=configs)
    return [f"created topic {name}, partitions: {topics[name]}" for name in created]


def migrate_tables(settings: Settings, client: Client | None = None) -> list[str]:
    """Bring the database up to date; gives one line for each thing done."""
    from sinks.client import connect
    from sinks.migrate import MigrationError
    from sinks.migrate import migrate as run

    # The database itself may be yet to be created.
    client = client or connect(settings, database="default")
    try:
        return run(client, settings.clickhouse.database, settings.view_settings())
    except MigrationError as error:
        raise CommandError(str(error)) from None
