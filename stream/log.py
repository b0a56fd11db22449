"""Kafka beside Faust: topics, bounds, marks and producing, over aiokafka alone.

The worker asks here what the log holds before it releases a partition, and sends documents, forwarded events
and dead letters through the one producer in here, so that what one flush sends keeps its order within each
partition.
"""

import asyncio
import ssl
import struct
import zlib
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from typing import Any, Literal, NamedTuple, Self, TypeAlias

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.conn import create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    SaslAuthenticationFailed,
    TopicAlreadyExistsError,
    UnsupportedSaslMechanismError,
    for_code,
)

from stream.faults import Fault
from stream.kafka_rights import operations_on_group, operations_on_topic

__all__ = [
    "TP",
    "Log",
    "LogAway",
    "LogUnreachable",
    "Mark",
    "MissingTopic",
    "Outgoing",
    "Replicas",
    "TopicRefused",
    "WrongPartitions",
    "home_partition",
    "mark_of",
    "murmur2",
]

TP: TypeAlias = TopicPartition
"""(topic, partition)"""

MAX_REQUEST_BYTES = 4 << 20
"""The largest record that is sent; the topic's `max.message.bytes` must allow it."""

BATCH_BYTES = 512 << 10
"""Records of one partition travel in batches of up to this size; a larger record travels alone."""

READ_SECONDS = 30.0
"""How long a read of the log may take."""

READ_BYTES = 64 << 10
"""Only single records are read; a larger batch comes whole all the same."""

_WORD = 0xFFFFFFFF
_MIX = 0x5BD1E995
_SEED = 0x9747B28C


class LogUnreachable(Fault):
    """No broker answers, or none lets us in."""


class LogAway(LogUnreachable):
    """No broker answers at all: it may come yet."""


class MissingTopic(Fault):
    """A topic does not exist: `sixfold migrate` creates it."""


class WrongPartitions(Fault):
    """A topic has another number of partitions than this installation was made for."""

    def __init__(self, topic: str, found: int, wanted: int) -> None:
        self.topic, self.found, self.wanted = topic, found, wanted
        super().__init__(
            f"topic {topic!r} has {found} partitions, the settings say {wanted}. The number is fixed: "
            f"set it to {found}, or move to a new topic prefix with {wanted} partitions and import or replay "
            "the events there"
        )


class TopicRefused(Fault):
    """The broker would not create a topic."""


class Mark(NamedTuple):
    """What identifies the record before a position: another one there means another topic of that name."""

    timestamp_ms: int
    crc32: int
    """CRC-32 of the key's bytes followed by the value's."""


class Replicas(NamedTuple):
    """Of one partition: how many there are, and how many of them have all its records."""

    replicas: int
    in_sync: int


class Outgoing(NamedTuple):
    """A record to produce."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    timestamp_ms: int | None = None
    """Event time; None takes the time of sending."""
    headers: Sequence[tuple[str, bytes]] = ()


def mark_of(record: ConsumerRecord) -> Mark:
    """The mark of a record that was read."""
    return Mark(record.timestamp, zlib.crc32(record.value or b"", zlib.crc32(record.key or b"")))


@cache
def _words(count: int) -> Callable[[bytes], tuple[int, ...]]:
    """Reads `count` little-endian 32-bit words from the start of a buffer."""
    return struct.Struct(f"<{count}I").unpack_from


def murmur2(key: bytes) -> int:
    """Kafka's 32-bit hash of a record key, unsigned."""
    length = len(key)
    value = _SEED ^ length
    for word in _words(length >> 2)(key):
        word = word * _MIX & _WORD
        value = (value * _MIX ^ (word ^ word >> 24) * _MIX) & _WORD
    if length & 3:
        value = (value ^ int.from_bytes(key[length & ~3 :], "little")) * _MIX & _WORD
    value = (value ^ value >> 13) * _MIX & _WORD
    return value ^ value >> 15


def home_partition(key: str | bytes, partitions: int) -> int:
    """The partition that Kafka's default partitioner gives a key (a `str` is hashed as UTF-8)."""
    return (murmur2(key.encode() if isinstance(key, str) else key) & 0x7FFFFFFF) % partitions


async def _refusal(brokers: Sequence[str], security: Mapping[str, Any]) -> LogUnreachable:
    """Why none of the brokers lets us in, and what to do, as the client only logs it: one that refuses says most."""
    found = LogUnreachable()
    for broker in brokers:
        found = await _refusal_of(broker, brokers, security)
        if not isinstance(found, LogAway):
            break
    return found


async def _refusal_of(broker: str, brokers: Sequence[str], security: Mapping[str, Any]) -> LogUnreachable:
    host, _, port = broker.rpartition(":")
    protocol = security.get("security_protocol", "PLAINTEXT")
    setting = f"SIXFOLD_KAFKA_SECURITY_PROTOCOL={protocol}"
    try:
        (await create_conn(host, int(port), request_timeout_ms=5_000, **security)).close()
    except ssl.SSLCertVerificationError as error:
        return LogUnreachable(
            f"Kafka at {broker} shows a certificate that is not trusted ({error.verify_message}): set "
            "SIXFOLD_KAFKA_CA_FILE to the authority's certificate, and the names in SIXFOLD_BROKERS as it has them"
        )
    except ssl.SSLError as error:
        return LogUnreachable(f"Kafka at {broker} does not speak TLS with us ({error.reason}): does {setting} fit?")
    except (AuthenticationFailedError, SaslAuthenticationFailed):
        user = security.get("sasl_plain_username")
        return LogUnreachable(
            f"Kafka at {broker} refuses user {user}: correct SIXFOLD_KAFKA_USERNAME and SIXFOLD_KAFKA_PASSWORD, "
            f"or SIXFOLD_KAFKA_SASL_MECHANISM ({security.get('sasl_mechanism')})"
        )
    except UnsupportedSaslMechanismError:
        return LogUnreachable(
            f"Kafka at {broker} does not take {security.get('sasl_mechanism')}: correct SIXFOLD_KAFKA_SASL_MECHANISM"
        )
    except (KafkaError, TimeoutError, ConnectionResetError, ConnectionAbortedError):
        return LogUnreachable(f"Kafka at {broker} ends the connection before it has answered: does {setting} fit?")
    except OSError as error:
        return LogAway(
            f"no Kafka broker answers at {', '.join(brokers)}: start it, or correct the brokers in the settings "
            f"({error.strerror or error})"
        )
    return LogAway(
        f"no Kafka broker answers at {', '.join(brokers)}: it takes connections, but tells of no cluster; try again"
    )


class Log:
    """The topics of one cluster. One of it per process; every method may be called from several tasks."""

    def __init__(
        self,
        admin: AIOKafkaAdminClient,
        consumer: AIOKafkaConsumer,
        producer: AIOKafkaProducer,
        closing: AsyncExitStack,
    ) -> None:
        self._admin = admin
        self._consumer = consumer
        self._producer = producer
        self._closing = closing
        self._reading = asyncio.Lock()
        self._readable: dict[str, bool] = {}

    @classmethod
    async def open(cls, brokers: Sequence[str], security: Mapping[str, Any] | None = None) -> Self:
        """Connect to `host:port` brokers.

        `security` are aiokafka's own arguments (`security_protocol`, `ssl_context`, `sasl_mechanism`,
        `sasl_plain_username`, `sasl_plain_password`). Raises `LogUnreachable` when no broker answers.
        """
        common = {"bootstrap_servers": list(brokers), **(security or {})}
        async with AsyncExitStack() as opening:
            try:
                admin = AIOKafkaAdminClient(**common)
                opening.push_async_callback(admin.close)
                await admin.start()
                consumer = AIOKafkaConsumer(
                    **common,
                    enable_auto_commit=False,
                    auto_offset_reset="earliest",
                    fetch_max_wait_ms=10,  # a seek waits for the fetch under way
                    max_partition_fetch_bytes=READ_BYTES,
                )
                opening.push_async_callback(consumer.stop)
                await consumer.start()
                producer = AIOKafkaProducer(
                    **common, acks="all", max_batch_size=BATCH_BYTES, max_request_size=MAX_REQUEST_BYTES
                )
                opening.push_async_callback(producer.stop)
                await producer.start()
            except KafkaConnectionError as exc:
                raise await _refusal(brokers, security or {}) from exc
            return cls(admin, consumer, producer, opening.pop_all())

    async def close(self) -> None:
        """Send what is pending and disconnect."""
        await self._closing.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    async def partitions(self, topic: str) -> int | None:
        """The number of partitions of a topic; None when there is no such topic."""
        # All topics are asked for: naming one would create it on a broker that creates topics on demand.
        for found in await self._admin.describe_topics():
            if found["topic"] == topic and not found["error_code"]:
                return len(found["partitions"])
        return None

    async def topics(self) -> dict[str, list["Replicas"]]:
        """All topics that we may see, each with its partitions."""
        return {
            found["topic"]: [Replicas(len(each["replicas"]), len(each["isr"])) for each in found["partitions"]]
            for found in await self._admin.describe_topics()
            if not found["error_code"]
        }

    async def operations(self, resource: Literal["topic", "group"], name: str) -> frozenset[str] | None:
        """What we may do to a topic or a consumer group (`stream.kafka_rights`); None where the broker does not tell.

        Raises `KafkaError`.
        """
        return await (operations_on_topic if resource == "topic" else operations_on_group)(self._admin, name)

    async def members(self, group: str) -> list[str]:
        """The hosts of a consumer group's members; [] where there is no such group. Raises `KafkaError`.

        The embedded broker names no hosts ('' each), and goes on listing members that have left.
        """
        (answer,) = await self._admin.describe_consumer_groups([group])
        (found,) = answer.to_object()["groups"]
        if found["error_code"]:
            raise for_code(found["error_code"])(f"group {group}")
        return [member["client_host"] for member in found["members"]]

    async def configs(self, topic: str) -> dict[str, str]:
        """The settings of a topic as the broker has them, as far as it tells; {} where there is no such topic."""
        answers = await self._admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        return {
            entry[0]: entry[1]
            for answer in answers
            for code, _, _, name, entries in answer.resources
            if not code and name == topic
            for entry in entries
        }

    async def create_topics(
        self,
        wanted: Mapping[str, int],
        replication: int = 1,
        configs: Mapping[str, Mapping[str, str]] | None = None,
    ) -> list[str]:
        """Create the topics of `{name: partitions}` that do not exist; gives the names of those created.

        `configs` are topic settings by name. Raises `WrongPartitions` when one exists with another number of
        partitions (nothing is created then), `TopicRefused` when the broker says no.
        """
        missing = []
        for name, partitions in wanted.items():
            found = await self.partitions(name)
            if found is None:
                missing.append(
                    NewTopic(name, partitions, replication, topic_configs=dict((configs or {}).get(name, {})))
                )
            elif found != partitions:
                raise WrongPartitions(name, found, partitions)
        if not missing:
            return []
        answer = await self._admin.create_topics(missing)
        for name, code, *reason in answer.topic_errors:
            if code not in (0, TopicAlreadyExistsError.errno):
                raise TopicRefused(f"topic {name!r}: {for_code(code).__name__} {reason[0] if reason else ''}".rstrip())
        for topic in missing:  # every broker must know it before anyone may consume it
            while (found := await self.partitions(topic.name)) is None:  # noqa: ASYNC110 - the broker tells nobody
                await asyncio.sleep(0.05)
            if found != topic.num_partitions:  # someone else was faster, with another number
                raise WrongPartitions(topic.name, found, topic.num_partitions)
        return [topic.name for topic in missing]

    async def beginnings(self, partitions: Collection[TP]) -> dict[TP, int]:
        """The first offset that the log still has, by partition. Raises `KafkaError`."""
        async with self._exclusive():
            found: dict[TP, int] = await self._consumer.beginning_offsets(list(partitions))
            return found

    async def bounds(self, partitions: Collection[TP]) -> dict[TP, tuple[int, int]]:
        """The first offset and the offset after the last, by partition.

        Raises `KafkaTimeoutError` when the broker does not answer within 30 s.
        """
        async with self._exclusive():
            return await self._bounds(list(partitions))

    async def _bounds(self, partitions: list[TP]) -> dict[TP, tuple[int, int]]:
        begins = await self._consumer.beginning_offsets(partitions)
        ends = await self._consumer.end_offsets(partitions)
        # The embedded broker answers with the start of the last batch instead of its end. What it says with
        # records is right, so the last ones are fetched. It refuses nobody: where we may not read, it is Kafka, whose
        # ends are right.
        filled = [tp for tp in partitions if ends[tp] > begins[tp] and await self._may_read(tp.topic)]
        if filled:
            self._consumer.assign(filled)
            for tp in filled:
                self._consumer.seek(tp, ends[tp] - 1)
            async with self._patience(f"the end of {len(filled)} partitions"):
                while any(self._consumer.highwater(tp) is None for tp in filled):
                    await self._consumer.getmany(timeout_ms=50)
        return {
            tp: (begins[tp], max(ends[tp], self._consumer.highwater(tp) if tp in filled else 0)) for tp in partitions
        }

    async def _may_read(self, topic: str) -> bool:
        if topic not in self._readable:
            allowed = await self.operations("topic", topic)
            self._readable[topic] = allowed is None or "Read" in allowed
        return self._readable[topic]

    async def record_before(self, partition: TP, offset: int) -> Mark | None:
        """The mark of the last record before `offset`.

        None when the log has none: it begins at `offset` or later, ends before it, or holds only transaction
        markers there. Raises `KafkaTimeoutError` when the broker does not answer within 30 s.
        """
        async with self._exclusive():
            begin, end = (await self._bounds([partition]))[partition]
            if not begin < offset <= end:
                return None
            back = 1
            while True:
                start = max(begin, offset - back)
                if records := await self._read(partition, start, offset):
                    return mark_of(records[-1])
                if start == begin:
                    return None
                back *= 8  # a transaction marker, or a gap: look further back

    async def _read(self, partition: TP, start: int, stop: int) -> list[ConsumerRecord]:
        """The records of `[start, stop)`, which the log must have reached; the partition is assigned."""
        self._consumer.seek(partition, start)
        records: list[ConsumerRecord] = []
        async with self._patience(f"{partition.topic}[{partition.partition}] from {start} to {stop}"):
            while await self._consumer.position(partition) < stop:
                found = await self._consumer.getmany(partition, timeout_ms=50)
                records += found.get(partition, [])
        return [record for record in records if record.offset < stop]

    @asynccontextmanager
    async def _exclusive(self) -> AsyncIterator[None]:
        """The consumer to oneself, and at rest afterwards: an assigned one fetches on and on."""
        async with self._reading:
            try:
                yield
            finally:
                self._consumer.unsubscribe()

    @asynccontextmanager
    async def _patience(self, what: str) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(READ_SECONDS):
                yield
        except TimeoutError as exc:
            raise KafkaTimeoutError(f"the broker did not send {what} in {READ_SECONDS:g} s") from exc

    async def produce(self, records: Sequence[Outgoing]) -> None:
        """Send all records and return when all are acknowledged by all in-sync replicas.

        Records of one partition keep their order. aiokafka retries for 40 s; then the first error is raised,
        when nothing of this call is under way any more. Some of it may have been written: sending all of it
        again is the remedy (`KafkaError.retriable` says whether it can help).
        """
        by_partition: dict[tuple[str, int], list[Outgoing]] = {}
        for record in records:
            by_partition.setdefault((record.topic, record.partition), []).append(record)
        sent = await asyncio.gather(
            *(self._produce_partition(topic, number, own) for (topic, number), own in by_partition.items()),
            return_exceptions=True,
        )
        for result in sent:
            if isinstance(result, BaseException):
                raise result

    async def _produce_partition(self, topic: str, partition: int, records: Sequence[Outgoing]) -> None:
        acks = []
        await self._producer.partitions_for(topic)  # `send_batch` does not wait until the topic is known
        batch = self._producer.create_batch()
        for record in records:
            fields: dict[str, Any] = {
                "key": record.key,
                "value": record.value,
                "timestamp": record.timestamp_ms,
                "headers": list(record.headers),
            }
            if batch.append(**fields) is None:  # full
                acks.append(await self._producer.send_batch(batch, topic, partition=partition))
                batch = self._producer.create_batch()
                batch.append(**fields)
        acks.append(await self._producer.send_batch(batch, topic, partition=partition))
        results = await asyncio.gather(*acks, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
