"""`sixfold reset`."""

import asyncio
import shutil
import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.text import Text

from stream.commands.exits import OK, CommandError
from stream.commands.output import stdout
from stream.settings import FILE, Settings

if TYPE_CHECKING:
    from stream.log import Log

STACK_DATA = ("clickhouse", "journal", "imports")
DELETE_SECONDS = 60


def reset(*, yes: Annotated[bool, Parameter(negative="")] = False) -> int:
    """Delete everything: Sixfold's tables, views and topics. Then make them anew, empty.

    Tables and views of others in the same database stay. Stop the workers first; an embedded stack, too, whose data
    directory then loses its database and its journal.

    Example: `sixfold reset --yes`

    Parameters
    ----------
    yes
        Do it. Without it you are asked to type the database's name.

    """
    settings = Settings()
    _confirm(settings, yes=yes)
    embedded = settings.origins()["clickhouse_url"] == str(settings.data / FILE)
    for line in _empty_stack(settings) if embedded else asyncio.run(_reset(settings)):
        stdout().print(Text(line))
    return OK


def _confirm(settings: Settings, *, yes: bool) -> None:
    name = settings.clickhouse.database
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandError(f"this deletes all data in {settings.clickhouse} and {settings.brokers}: confirm with --yes")
    sys.stderr.write(
        f"This deletes all tables of Sixfold in {settings.clickhouse} and its topics at {settings.brokers}.\n"
        f"Type the database's name ({name}) to go on: "
    )
    sys.stderr.flush()
    if sys.stdin.readline().strip() != name:
        raise CommandError("not confirmed, nothing was deleted")


def _empty_stack(settings: Settings) -> list[str]:
    """Empty the data directory of an embedded stack that is not running; its ports and passwords stay."""
    from deploy.embedded.datadir import Lock, StackError

    try:
        lock = Lock(settings.data)
    except StackError as error:
        raise CommandError(str(error)) from None
    try:
        found = [settings.data / name for name in STACK_DATA if (settings.data / name).exists()]
        for folder in found:
            shutil.rmtree(folder)
    finally:
        lock.release()
    return [f"deleted {folder}" for folder in found]


async def _reset(settings: Settings) -> list[str]:
    from stream.commands.migrate import migrate_tables
    from stream.kafka_access import open_log
    from stream.topics import migrate_topics

    async with open_log(settings) as log:
        await _refuse_while_workers_run(settings)
        done = _drop_tables(settings)
        done += await _delete_topics(settings, log)
    return [*done, *await migrate_topics(settings), *migrate_tables(settings)]


async def _refuse_while_workers_run(settings: Settings) -> None:
    """A worker that runs would write what it still holds into the new tables."""
    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.errors import KafkaError

    admin = AIOKafkaAdminClient(bootstrap_servers=list(settings.broker_list))
    await admin.start()
    try:
        answers = await admin.describe_consumer_groups([settings.group])
        members = sum(len(group[5]) for answer in answers for group in answer.groups)
    except KafkaError:
        members = 0  # the broker knows no such group
    finally:
        await admin.close()
    if members:
        raise CommandError(f"workers running in group {settings.group}: {members}; stop them first")


def _drop_tables(settings: Settings) -> list[str]:
    """Drop our views, which carry our mark, then our tables, which the migrations name."""
    from sinks.client import connect
    from sinks.cluster import on_cluster
    from sinks.migrate import tables
    from sinks.views import MADE_BY

    client, cluster = connect(settings), settings.clickhouse_cluster
    views = client.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'View'"
        " AND position(comment, {made_by:String}) > 0 ORDER BY name",
        parameters={"made_by": MADE_BY},
    ).result_rows
    for (name,) in views:
        client.command(on_cluster(f"DROP VIEW IF EXISTS `{name}`", cluster))
    names = tables()
    for name in reversed(names):  # the one that remembers the others goes last
        client.command(on_cluster(f"DROP TABLE IF EXISTS `{name}` SYNC", cluster))
    return [f"dropped {len(views)} views and {len(names)} tables of {settings.clickhouse.database}"]


async def _delete_topics(settings: Settings, log: "Log") -> list[str]:
    """Delete our topics, and wait until the broker has forgotten them."""
    from aiokafka.admin import AIOKafkaAdminClient

    topics = [settings.events_topic, settings.documents_topic, settings.dead_letters_topic]
    there = [topic for topic in topics if await log.partitions(topic) is not None]
    if not there:
        return []
    admin = AIOKafkaAdminClient(bootstrap_servers=list(settings.broker_list))
    await admin.start()
    try:
        await admin.delete_topics(there)
        async with asyncio.timeout(DELETE_SECONDS):
            while [topic for topic in there if await log.partitions(topic) is not None]:  # noqa: ASYNC110 - the broker tells nobody
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise CommandError(
            f"Kafka at {settings.brokers} still has the topics after {DELETE_SECONDS} s: does it allow their "
            "deletion (delete.topic.enable)?"
        ) from None
    finally:
        await admin.close()
    return [f"deleted topic {topic}" for topic in there]
