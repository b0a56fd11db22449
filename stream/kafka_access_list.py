"""What each process may do in Kafka, and what must be there: access lists and topics as commands and for Strimzi."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple, get_args

from stream.faults import Fault
from stream.log import Log
from stream.settings import Settings
from stream.sources import read_sources
from stream.topics import topic_configs, topics_of

Process = Literal["worker", "gateway", "sources", "exporter", "commands"]
PROCESSES: tuple[Process, ...] = get_args(Process)


class NotAllowed(Fault):
    """Rights that we lack: one line, which names each."""


class Access(NamedTuple):
    """Operations on one resource, a `topic` or a `group`, by its whole name. Read and Write include Describe."""

    resource: Literal["topic", "group"]
    name: str
    operations: tuple[str, ...]


def access_of(settings: Settings, process: Process) -> list[Access]:
    """The least that a process needs; a worker, where it creates no topics (SIXFOLD_MIGRATE_AT_START=false).

    `commands` are `import`, `send` and `dead-letters replay` without a gateway, `wait`, `status`, `accept-gap`,
    `erase` and `doctor`; `migrate` and `reset` are for whoever may create and delete topics. Raises ConfigurationError.
    """
    events, documents, letters = settings.events_topic, settings.documents_topic, settings.dead_letters_topic
    if process == "worker":
        return [
            Access("topic", events, ("Read", "Write")),
            Access("topic", documents, ("Read", "Write")),
            Access("topic", letters, ("Write",)),
            Access("group", settings.group, ("Read",)),
        ]
    if process == "gateway":
        return [Access("topic", events, ("Write",))]
    if process == "sources":
        sources = [source.source.kafka for source in read_sources(settings) if source.source.kafka]
        topics = dict.fromkeys(topic for kafka in sources for topic in kafka.topics)
        return [
            *(Access("topic", topic, ("Read",)) for topic in topics),
            Access("topic", events, ("Write",)),
            Access("group", settings.sources_group, ("Read",)),
        ]
    if process == "exporter":
        return [Access("topic", topic, ("Describe",)) for topic in (events, documents)]
    return [
        Access("topic", events, ("Write", "DescribeConfigs")),
        Access("topic", documents, ("Describe", "DescribeConfigs")),
        Access("topic", letters, ("Describe", "DescribeConfigs")),
        Access("group", settings.group, ("Describe",)),
    ]


async def missing_rights(settings: Settings, log: Log, accesses: Iterable[Access]) -> list[str]:
    """What of these rights the broker does not give us, one line each; nothing where it does not tell."""
    user = f"User:{settings.kafka_username}" if settings.kafka_username else "our user"
    return [
        f"not allowed to {operation.lower()} {access.resource} {access.name}: grant {operation} to {user} "
        "(`sixfold kafka` prints it)"
        for access in accesses
        if (allowed := await log.operations(access.resource, access.name)) is not None
        for operation in access.operations
        if operation not in allowed
    ]


async def require(settings: Settings, log: Log, *accesses: Access) -> None:
    """Raise `NotAllowed` where one of these rights is missing."""
    if missing := await missing_rights(settings, log, accesses):
        raise NotAllowed("; ".join(missing))


def acl_commands(settings: Settings, user: str, process: Process) -> list[str]:
    """The access list of a process for Kafka's own tool, one command for each resource."""
    return [
        f"kafka-acls.sh --bootstrap-server {settings.brokers} --add --allow-principal User:{user} "
        + " ".join(f"--operation {operation}" for operation in found.operations)
        + f" --{found.resource} {found.name}"
        for found in access_of(settings, process)
    ]


def strimzi(settings: Settings, user: str, cluster: str, processes: Sequence[Process]) -> list[dict[str, Any]]:
    """KafkaTopic resources for the Strimzi operator of `cluster`, and a KafkaUser who may do what processes do."""
    labels = {"strimzi.io/cluster": cluster}
    configs = topic_configs(settings)
    topics = [
        {
            "apiVersion": "kafka.strimzi.io/v1beta2",
            "kind": "KafkaTopic",
            "metadata": {"name": name.lower().replace("_", "-"), "labels": labels},
            "spec": {
                "topicName": name,
                "partitions": partitions,
                "replicas": settings.replication_factor,
                "config": configs[name],
            },
        }
        for name, partitions in topics_of(settings).items()
    ]
    together: dict[tuple[str, str], dict[str, None]] = {}
    for process in processes:
        for resource, name, operations in access_of(settings, process):
            together.setdefault((resource, name), {}).update(dict.fromkeys(operations))
    acls = [
        {"resource": {"type": resource, "name": name, "patternType": "literal"}, "operations": list(operations)}
        for (resource, name), operations in together.items()
    ]
    account = {
        "apiVersion": "kafka.strimzi.io/v1beta2",
        "kind": "KafkaUser",
        "metadata": {"name": user, "labels": labels},
        "spec": {
            "authentication": {"type": "scram-sha-512"},
            "authorization": {"type": "simple", "acls": acls},
        },
    }
    return [*topics, account]
