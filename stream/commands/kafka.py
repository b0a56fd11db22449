"""`sixfold kafka`."""

import sys
from typing import Annotated

from cyclopts import Parameter

from stream.commands.exits import OK, CommandError
from stream.kafka_access_list import PROCESSES, Process, acl_commands
from stream.kafka_access_list import strimzi as manifests
from stream.settings import Settings


def kafka(
    *,
    user: str = "sixfold",
    process: Process | None = None,
    strimzi: Annotated[bool, Parameter(negative="")] = False,
    cluster: str = "kafka",
) -> int:
    """Print what each process must be allowed to do, as kafka-acls commands, or topics and user as Strimzi manifests.

    Partitions, replication and retention are those of the settings; `sixfold migrate` creates the topics, too. The
    topics that `sixfold sources` reads are those of SIXFOLD_SOURCES.

    Examples: `sixfold kafka --process worker --user worker`, `sixfold kafka --strimzi --cluster main > kafka.yaml`

    Parameters
    ----------
    user
        Who the process is for Kafka.
    process
        Only what this one needs; without it all, each under its name. `commands` is the command line.
    strimzi
        Print YAML for the Strimzi operator.
    cluster
        Strimzi's name of the Kafka cluster.

    """
    import yaml

    from schemas.adapters import ConfigurationError

    settings, chosen = Settings(), (process,) if process else PROCESSES
    try:
        if strimzi:
            yaml.safe_dump_all(manifests(settings, user, cluster, chosen), sys.stdout, sort_keys=False)
            return OK
        lines = [line for each in chosen for line in (f"# {_TITLES[each]}", *acl_commands(settings, user, each))]
    except ConfigurationError as error:
        raise CommandError("; ".join(str(error).splitlines())) from None
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return OK


_TITLES: dict[Process, str] = {
    "worker": "sixfold worker, with SIXFOLD_MIGRATE_AT_START=false",
    "gateway": "sixfold gateway",
    "sources": "sixfold sources; its topics are those of SIXFOLD_SOURCES",
    "exporter": "sixfold exporter",
    "commands": "the command line without a gateway: import, send, replay, wait, status, accept-gap, erase, doctor",
}
