"""`sixfold kafka`."""

import sys
from typing import Annotated

from cyclopts import Parameter

from stream.commands.exits import OK
from stream.kafka_access_list import Process
from stream.settings import Settings


def kafka(
    *,
    user: str = "sixfold",
    process: Process = "worker",
    strimzi: Annotated[bool, Parameter(negative="")] = False,
    cluster: str = "kafka",
) -> int:
    """Print a process's access list as kafka-acls commands, or topics and user as Strimzi manifests.

    Partitions, replication and retention are those of the settings; `sixfold migrate` creates the topics, too.

    Examples: `sixfold kafka --user worker`, `sixfold kafka --process gateway --user gateway`,
    `sixfold kafka --strimzi --cluster main > kafka.yaml`

    Parameters
    ----------
    user
        Who the process is for Kafka.
    process
        worker; gateway, for it and what else sends events; exporter; operator, for status, wait and doctor.
    strimzi
        Print YAML for the Strimzi operator.
    cluster
        Strimzi's name of the Kafka cluster.

    """
    import yaml

    from stream import kafka_access_list

    settings = Settings()
    if strimzi:
        yaml.safe_dump_all(kafka_access_list.strimzi(settings, user, cluster, process), sys.stdout, sort_keys=False)
    else:
        sys.stdout.write("".join(f"{line}\n" for line in kafka_access_list.acl_commands(settings, user, process)))
    return OK
