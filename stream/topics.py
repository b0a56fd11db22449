"""The topics of a deployment: how many partitions, which settings, and their creation."""

from stream.kafka_access import open_log
from stream.log import Log, MissingTopic, WrongPartitions
from stream.settings import Settings

MESSAGE_BYTES = 2 << 20
"""What a record may have: more than an event may, so that one that is too large can become a dead letter."""
LETTER_BYTES = MESSAGE_BYTES + (64 << 10)
"""What a dead letter may have: the record as it came, and the facts about it in headers."""


def topics_of(settings: Settings) -> dict[str, int]:
    """The topics and their partitions."""
    return {
        settings.events_topic: settings.partitions,
        settings.documents_topic: settings.partitions,
        settings.dead_letters_topic: 1,
    }


def topic_configs(settings: Settings) -> dict[str, dict[str, str]]:
    """What the topics are created with, by name."""
    # Not compacted: events are sparse, and the last one of a key does not hold the others' members. Kafka's retention
    # goes by a record's own timestamp, so that a short one would take imported history before a worker has read it.
    retention = str(settings.retention_days * 86_400_000) if settings.retention_days else "-1"
    plain = {"cleanup.policy": "delete", "max.message.bytes": str(MESSAGE_BYTES), "retention.ms": retention}
    if settings.min_insync_replicas > 1:
        plain["min.insync.replicas"] = str(settings.min_insync_replicas)
    letters = {**plain, "max.message.bytes": str(LETTER_BYTES)}
    return {**dict.fromkeys(topics_of(settings), plain), settings.dead_letters_topic: letters}


async def migrate_topics(settings: Settings) -> list[str]:
    """Create the topics that are missing; gives one line for each created."""
    topics, configs = topics_of(settings), topic_configs(settings)
    async with open_log(settings) as log:
        created = await log.create_topics(topics, replication=settings.replication_factor, configs=configs)
    return [f"created topic {name}, partitions: {topics[name]}" for name in created]


async def partitions_of(settings: Settings, log: Log, topic: str) -> int:
    """How many partitions a topic of the deployment has. Raises `MissingTopic`."""
    found = await log.partitions(topic)
    if found is None:
        raise MissingTopic(f"Kafka at {settings.brokers} has no topic {topic}: `sixfold migrate` creates it")
    return found


async def check_events_topic(settings: Settings, log: Log) -> None:
    """Raise `MissingTopic`, or `WrongPartitions`, where events cannot go to their homes."""
    found = await partitions_of(settings, log, settings.events_topic)
    if found != settings.partitions:
        raise WrongPartitions(settings.events_topic, found, settings.partitions)
