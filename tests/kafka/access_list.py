"""Access lists as `sixfold kafka` prints them, put in force through Kafka's protocol.

The commands are read as kafka-acls.sh reads them; the script itself is not among the broker's jars.
"""

import argparse
import shlex
from collections.abc import Iterable

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest

AUTHORIZER = "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\nsuper.users=User:ANONYMOUS"
"""Properties of a broker that refuses what no list allows; the plain listener's clients may do everything."""

LITERAL, ALLOW = 3, 3
RESOURCES = {"topic": 2, "group": 3}
OPERATIONS = {"Read": 3, "Write": 4, "Describe": 8, "DescribeConfigs": 10}


async def allow(address: str, commands: Iterable[str]) -> None:
    """Carry out `kafka-acls.sh ... --add` commands at the broker's plain listener."""
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        for given in map(_parsed, commands):
            (resource,) = [each for each in RESOURCES if getattr(given, each)]
            for operation in given.operation:
                request = CreateAclsRequest(
                    RESOURCES[resource],
                    getattr(given, resource),
                    LITERAL,
                    given.allow_principal,
                    "*",
                    OPERATIONS[operation],
                    ALLOW,
                )
                answer = await admin._send_request(request)
                codes = [code for code, _ in answer.creation_responses]
                assert codes == [0], f"Kafka refuses {given}: {codes}"
    finally:
        await admin.close()


def _parsed(command: str) -> argparse.Namespace:
    program, *arguments = shlex.split(command)
    assert program == "kafka-acls.sh"
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--bootstrap-server", required=True)
    parser.add_argument("--add", action="store_true", required=True)
    parser.add_argument("--allow-principal", required=True)
    parser.add_argument("--operation", action="append", choices=OPERATIONS, required=True)
    for resource in RESOURCES:
        parser.add_argument(f"--{resource}")
    return parser.parse_args(arguments)
