"""What each process may do in Kafka, and what must be there: access lists and topics as commands and for Strimzi."""

from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from stream.settings import Settings
from stream.topics import topic_configs, topics_of

Process: TypeAlias = Literal["worker", "gateway", "exporter", "operator"]
PROCESSES: tuple[Process, ...] = get_args(Process)


class Access(NamedTuple):
    """Operations on one resource, a `topic` or a `group`, by its whole name."""

    resource: str
    name: str
    operations: tuple[str, ...]


def access(settings: Settings, process: Process = "worker") -> list[Access]:
    """The least that a process needs.

    - ``worker``: one that creates no topics (SIXFOLD_MIGRATE_AT_START=false);
    - ``gateway``: it and what else sends events: `sixfold import`, sources, producers of your own;
    - ``exporter``: it asks where the log ends, and reads no event;
    - ``operator``: commands that look and change nothing, `status`, `wait`, `doctor`, and read no event.
    """
    events, documents, letters = settings.events_topic, settings.documents_topic, settings.dead_letters_topic
    if process == "worker":
        return [
            Access("topic", events, ("Read", "Write", "Describe")),
            Access("topic", documents, ("Read", "Write", "Describe")),
            Access("topic", letters, ("Write", "Describe")),
            Access("group", settings.group, ("Read",)),
        ]
    if process == "gateway":
        return [Access("topic", events, ("Write", "Describe"))]
    if process == "exporter":
        return [Access("topic", name, ("Describe",)) for name in (events, documents)]
    topics = [Access("topic", name, ("Describe", "DescribeConfigs")) for name in (events, documents, letters)]
    return [*topics, Access("group", settings.group, ("Describe",))]


def acl_commands(settings: Settings, user: str, process: Process = "worker") -> list[str]:
    """The same for Kafka's own tool, one command for each resource."""
    return [
        f"kafka-acls.sh --bootstrap-server {settings.brokers} --add --allow-principal User:{user} "
        + " ".join(f"--operation {operation}" for operation in found.operations)
        + f" --{found.resource} {found.name}"
        for found in access(settings, process)
    ]


def strimzi(settings: Settings, user: str, cluster: str, process: Process = "worker") -> list[dict[str, Any]]:
    """Resources for the Strimzi operator of `cluster`: the KafkaUser of a process, after a worker's all KafkaTopics."""
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
    acls = [
        {
            "resource": {"type": found.resource, "name": found.name, "patternType": "literal"},
            "operations": list(found.operations),
        }
        for found in access(settings, process)
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
    return [*topics, account] if process == "worker" else [account]
