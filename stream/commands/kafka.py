"""`sixfold kafka`."""

import sys
from typing import Annotated

from cyclopts import Parameter

from stream.commands.exits import OK
from stream.settings import Settings


def kafka(
    *, user: str = "sixfold", strimzi: Annotated[bool, Parameter(negative="")] = False, cluster: str = "kafka"
) -> int:
    """Print a worker's access list as kafka-acls commands, or topics and user as Strimzi manifests.

    Partitions, replication and retention are those of the settings; `sixfold migrate` creates the topics, too.

    Examples: `sixfold kafka --user worker`, `sixfold kafka --strimzi --cluster main > kafka.yaml`

    Parameters
    ----------
    user
        Who the worker is for Kafka.
    strimzi
        Print YAML for the Strimzi operator.
    cluster
        Strimzi's name of the Kafka cluster.

    """
    import yaml

    from stream import kafka_access_list

    settings = Settings()
    if strimzi:
        yaml.safe_dump_all(kafka_access_list.strimzi(settings, user, cluster), sys.stdout, sort_keys=False)
    else:
        sys.stdout.write("".join(f"{line}\n" for line in kafka_access_list.acl_commands(settings, user)))
    return OK
