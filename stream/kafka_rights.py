"""What Kafka lets us do: asked of the broker itself, so that a missing right is one line before anything waits for it.

Brokers tell the operations that a user may use on a topic (Metadata, from version 8) and on a group (DescribeGroups,
from version 3). aiokafka speaks neither so far that it could ask: the two requests stand here.
"""

from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError
from aiokafka.protocol.admin import DescribeGroupsRequest_v3, DescribeGroupsResponse_v3
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String

__all__ = ["OPERATIONS", "operations_on_group", "operations_on_topic"]

OPERATIONS = {
    3: "Read",
    4: "Write",
    5: "Create",
    6: "Delete",
    7: "Alter",
    8: "Describe",
    10: "DescribeConfigs",
    11: "AlterConfigs",
}
"""Kafka's numbers of what may be done to a topic or a group: bits of the answers."""


class _MetadataResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", Array(("node_id", Int32), ("host", String("utf-8")), ("port", Int32), ("rack", String("utf-8")))),
        ("cluster_id", String("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", String("utf-8")),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
        ("cluster_authorized_operations", Int32),
    )


class _MetadataStruct(RequestStruct):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        ("topics", Array(String("utf-8"))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
    )


class _GroupsStruct(DescribeGroupsRequest_v3):  # type: ignore[misc]  # aiokafka has no types
    RESPONSE_TYPE = DescribeGroupsResponse_v3  # aiokafka reads it as version 2, and leaves the operations out


class _Ask(Request[Any]):  # type: ignore[misc]  # aiokafka has no types
    """A request that only this one version of the protocol can express."""

    API_KEY = 3

    def __init__(self, struct: type[RequestStruct], *fields: object) -> None:
        self.API_KEY = struct.API_KEY  # one class asks for both
        self._CLASSES = (struct,)
        self._fields = fields

    def build(self, request_struct_class: type[RequestStruct]) -> RequestStruct:
        return request_struct_class(*self._fields)


async def operations_on_topic(admin: AIOKafkaAdminClient, topic: str) -> frozenset[str] | None:
    """What we may do to a topic, by `OPERATIONS`; None where the broker does not tell, or has no such topic.

    Raises `KafkaError`.
    """
    answer = await admin._send_request(_Ask(_MetadataStruct, [topic], False, False, True))
    ((code, _, _, _, operations),) = answer.topics
    if code == TopicAuthorizationFailedError.errno:
        return frozenset()
    return None if code else _named(operations)


async def operations_on_group(admin: AIOKafkaAdminClient, group: str) -> frozenset[str] | None:
    """What we may do to a consumer group, whether there is one or not; as `operations_on_topic`."""
    try:
        node = await admin.find_coordinator(group)
    except GroupAuthorizationFailedError:
        return frozenset()
    answer = await admin._send_request(_Ask(_GroupsStruct, [group], True), node)
    ((code, *_, operations),) = answer.groups
    if code == GroupAuthorizationFailedError.errno:
        return frozenset()
    return None if code else _named(operations)


def _named(bits: int) -> frozenset[str] | None:
    """Who sees a topic or a group may describe it: no operation at all is a broker that does not tell."""
    return frozenset(name for bit, name in OPERATIONS.items() if bits >> bit & 1) if bits > 0 else None
