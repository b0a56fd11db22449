"""What a worker may do in Kafka, and what must be there: access lists and topics as commands and for Strimzi."""

from typing import Any, NamedTuple

from stream.settings import Settings
from stream.topics import topic_configs, topics_of


class Access(NamedTuple):
    """Operations on one resource, a `topic` or a `group`, by its whole name."""

    resource: str
    name: str
    operations: tuple[str, ...]


def worker_access(settings: Settings) -> list[Access]:
    """The least that a worker needs that does not create topics (SIXFOLD_MIGRATE_AT_START=false)."""
    return [
        Access("topic", settings.events_topic, ("Read", "Write", "Describe")),
        Access("topic", settings.documents_topic, ("Read", "Write", "Describe")),
        Access("topic", settings.dead_letters_topic, ("Write", "Describe")),
        Access("group", settings.group, ("Read",)),
    ]


def acl_commands(settings: Settings, user: str) -> list[str]:
    """The same for Kafka's own tool, one command for each resource."""
    return [
        f"kafka-acls.sh --bootstrap-server {settings.brokers} --add --allow-principal User:{user} "
        + " ".join(f"--operation {operation}" for operation in found.operations)
        + f" --{found.resource} {found.name}"
        for found in worker_access(settings)
    ]


def strimzi(settings: Settings, user: str, cluster: str) -> list[dict[str, Any]]:
    """KafkaTopic and KafkaUser resources for the Strimzi operator of `cluster`."""
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
        for found in worker_access(settings)
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
