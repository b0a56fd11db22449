"""Kafka sources: topics that others write (Debezium, Kafka Connect, a provider's connector) become canonical events.

A Faust agent reads the topics that source files name in `[kafka]`, over the batches of `stream.transport`. It hands
each record to the source's adapter, and writes events and refusals to the topic of the events. Only when all in-sync
replicas have acknowledged them is the batch acknowledged, so that an offset is never committed before what came of its
records is safe. What is read again after a crash gives the same events, with the same ids: they are counted once.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from typing import NamedTuple

import faust
from aiokafka.errors import KafkaError

from schemas import MAX_BYTES, Reason
from schemas.adapters import (
    FORMATS,
    NOTHING_KNOWN,
    Adapted,
    Adapter,
    ConfigurationError,
    Context,
    NotAdaptable,
    Refusal,
)
from schemas.adapters.payload import parse, raw
from sinks.endpoint import Endpoint
from stream import transport
from stream.gateway.serving import announce
from stream.gateway.sink import KafkaSink, Record, TooLarge, Unavailable, record_of
from stream.kafka_access import faust_credentials
from stream.log import Log
from stream.refused import refused_record
from stream.settings import Settings
from stream.source_metrics import NOT_READY, SourceMetrics
from stream.sources import NamedSource, read_sources
from stream.starting import Stopped, await_log, await_rights, unless_stopped
from stream.topics import check_events_topic

__all__ = ["SourceReader", "SourcesError", "run", "topics_of"]

POLL_RECORDS = 500
"""Records of one batch: what is adapted and sent together."""

MAX_INFLIGHT = 2_000
"""Records read and not acknowledged, in all partitions."""

PATIENCE_SECONDS = 60.0
"""How long a batch may take until Kafka has it; the client itself retries for 40 s."""

RETRY_SECONDS = (0.5, 30.0)
"""The first pause before a batch is sent again, and the longest."""

_CLOSE_SECONDS = 5.0

logger = logging.getLogger(__name__)


class SourcesError(Exception):
    """Nothing can be read: one line with what to do."""


class _Made(NamedTuple):
    """A record for the topic of the events, and what becomes of it where it is larger than the topic takes."""

    record: Record
    read: int
    """The index, in its batch, of the record that it was made of."""
    payload: object
    context: Context
    refusal: Refusal | None = None
    """None of an event."""


class _Read(NamedTuple):
    """What came of a batch; an outcome for each of its records."""

    made: list[_Made]
    outcomes: list[str]


def topics_of(settings: Settings, sources: Sequence[NamedSource]) -> dict[str, NamedSource]:
    """Which source reads a topic. Raises ConfigurationError where two would, and for a topic of Sixfold's own."""
    found: dict[str, NamedSource] = {}
    own = {settings.events_topic, settings.documents_topic, settings.dead_letters_topic}
    for source in sources:
        for topic in dict.fromkeys(source.source.kafka.topics if source.source.kafka else ()):
            if topic in own:
                raise ConfigurationError(f"{source.path}: kafka.topics: {topic} is Sixfold's own: name the source's")
            if topic in found:
                raise ConfigurationError(
                    f"{source.path}: kafka.topics: {topic} is read for {found[topic].path} already: name it in one of "
                    "the two"
                )
            found[topic] = source
    return found


class SourceReader:
    """The processor behind the agent: adapts a batch, has it acknowledged, then acknowledges the batch."""

    def __init__(
        self, topics: Mapping[str, NamedSource], sink: KafkaSink, metrics: SourceMetrics, events_topic: str
    ) -> None:
        """Open the adapters. Raises ConfigurationError."""
        self._events_topic = events_topic
        named = {source.name: source for source in topics.values()}
        adapters = {name: source.open() for name, source in named.items()}
        self._by_topic = {topic: (source, adapters[source.name]) for topic, source in topics.items()}
        self._sink, self._metrics = sink, metrics
        self.app: faust.App | None = None
        self.log: Log | None = None
        self._assigned = False
        self._held_up: dict[transport.TP, str] = {}
        self._releasing: set[asyncio.Task[None]] = set()

    def away(self, reason: str) -> None:
        """Kafka is out of reach for this reason; '' when it is there."""
        if reason:
            self._sink.away(reason)

    def not_ready(self) -> Mapping[str, str]:
        """Why nothing is read now."""
        starting = {} if self._assigned else {"starting": "the consumer group has not given out partitions yet"}
        held_up = {"kafka": "; ".join(self._held_up.values())} if self._held_up else {}
        return {**held_up, **self._sink.reasons(), **starting}

    async def assigned(self, epoch: int, partitions: frozenset[transport.TP]) -> None:
        """Go on where the group's commits say."""
        task = asyncio.create_task(self._release(epoch, partitions), name="release")
        self._releasing.add(task)
        task.add_done_callback(self._releasing.discard)

    async def revoked(self, _partitions: frozenset[transport.TP]) -> None:
        """Let what was delivered be acknowledged; the transport sets a time for it."""
        while self._consumer.inflight:  # noqa: ASYNC110 - the agent goes on meanwhile
            await asyncio.sleep(0.02)

    async def read(self, batch: transport.Batch) -> None:
        """Acknowledge a batch after Kafka has acknowledged what comes of it; retries until it is no longer ours."""
        source, adapter = self._by_topic[batch.tp.topic]
        if batch.first > batch.follows:
            await self._check_missing(batch)
        found = await asyncio.to_thread(_adapt, source, adapter, batch)
        refused = await self._keep(source, batch, found.made)
        if refused is None:
            return
        if not batch.ack():
            return  # another member reads it again, and counts it
        for made in refused:
            found.outcomes[made.read] = "refused"
        events = sum(made.refusal is None for made in found.made) - sum(made.refusal is None for made in refused)
        self._metrics.events.labels(source.name).inc(events)
        for outcome, records in Counter(found.outcomes).items():
            self._metrics.records.labels(source.name, outcome).inc(records)

    async def _keep(self, source: NamedSource, batch: transport.Batch, made: Sequence[_Made]) -> list[_Made] | None:
        """Return once Kafka has all; gives those that were too large, None for a batch that is no longer ours."""
        pause, longest = RETRY_SECONDS
        try:
            while not batch.stale:
                try:
                    return await self._accept(source, batch, made)
                except (Unavailable, TooLarge) as error:
                    self._held_up[batch.tp] = f"{source.name}: {batch.tp.topic} is held up: {error}"
                    logger.warning("%s; trying again in %g s", self._held_up[batch.tp], pause)
                    self._metrics.retries.inc()
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, longest)
            return None
        finally:
            self._held_up.pop(batch.tp, None)

    async def _accept(self, source: NamedSource, batch: transport.Batch, made: Sequence[_Made]) -> list[_Made]:
        """Have all acknowledged in their order; one that the topic does not take becomes a dead letter.

        Raises `Unavailable`, and `TooLarge` where not even the facts of a dead letter fit.
        """
        if not made:
            return []
        try:
            await self._sink.accept([each.record for each in made])
        except TooLarge:
            if len(made) > 1:  # one of them is at fault
                half = len(made) // 2
                before = await self._accept(source, batch, made[:half])
                return before + await self._accept(source, batch, made[half:])
            await self._refuse(source, batch, made[0])
            return [made[0]]
        return []

    async def _refuse(self, source: NamedSource, batch: transport.Batch, made: _Made) -> None:
        """Keep as much of the payload as the topic takes."""
        size = len(made.record[1])
        message = f"the event made of it has {size} bytes, more than {self._events_topic} takes (max.message.bytes)"
        refusal = made.refusal or Refusal(str(Reason.TOO_LARGE), message, raw(made.payload))
        limit = min(size - 1, MAX_BYTES)
        while True:
            value = refused_record(source.name, refusal, made.context, limit)
            try:
                await self._sink.accept([(None, value)])
            except TooLarge:
                if len(value) > limit:  # only the facts are left
                    raise
                limit //= 2
            else:
                break
        logger.warning("%s: %s[%d]: kept as a dead letter: %s", source.name, *batch.tp, message)

    async def _check_missing(self, batch: transport.Batch) -> None:
        """Offsets may be missing, of transaction markers or of what compaction took; what retention took is a loss."""
        with suppress(KafkaError):  # it is only told of
            begin = (await self._log.beginnings([batch.tp]))[batch.tp]
            self._note_lost(batch.tp, batch.follows, min(begin, batch.first))

    def _note_lost(self, tp: transport.TP, expected: int, begin: int) -> None:
        if begin <= expected:
            return
        source = self._by_topic[tp.topic][0].name
        self._metrics.lost.labels(source, tp.topic).inc(begin - expected)
        logger.error(
            "%s: %s[%d] has lost %d records: Kafka deleted the offsets %d to %d before they were read; reading goes on "
            "at %d (lengthen the topic's retention, and have the source send them again)",
            source,
            *tp,
            begin - expected,
            expected,
            begin - 1,
            begin,
        )

    @property
    def _log(self) -> Log:
        assert self.log is not None  # noqa: S101 - there before anything is read
        return self.log

    @property
    def _consumer(self) -> transport.Consumer:
        assert self.app is not None  # noqa: S101 - it calls us
        return transport.consumer_of(self.app)

    async def _release(self, epoch: int, partitions: frozenset[transport.TP]) -> None:
        pause, longest = RETRY_SECONDS
        while self._consumer.epoch == epoch:
            try:
                committed = await self._consumer.committed(partitions)
                begins = await self._log.beginnings(partitions)
                offsets = {tp: max(offset, begins[tp]) for tp, offset in committed.items()}
                await self._consumer.release(offsets, epoch=epoch)
            except KafkaError as error:
                logger.warning("cannot read where to go on, trying again in %g s: %s", pause, type(error).__name__)
                await asyncio.sleep(pause)
                pause = min(2 * pause, longest)
            else:
                self._assigned = True
                for tp, offset in committed.items():
                    if offset:  # else this group has read nothing of it yet
                        self._note_lost(tp, offset, begins[tp])
                logger.info("reads %d partitions", len(partitions))
                return


def _adapt(source: NamedSource, adapter: Adapter, batch: transport.Batch) -> _Read:
    """All records of a batch, in their order."""
    # Figures that are restated count as of when they were written, unless they say it themselves.
    restated = source.kind in FORMATS and FORMATS[source.kind].restated
    all_made: list[_Made] = []
    outcomes: list[str] = []
    for index, record in enumerate(batch.records):
        payload = _payload(record.value)
        if payload is None:
            outcomes.append("tombstone")
            continue
        context = Context(as_of=_instant(record.timestamp)) if restated else NOTHING_KNOWN
        adapted = adapter.adapt(payload, context)
        all_made += (_Made(record_of(event), index, payload, context) for event in adapted.events)
        for refusal in adapted.refusals:
            letter = refused_record(source.name, refusal, context)
            all_made.append(_Made((None, letter), index, payload, context, refusal))
        outcomes.append(_outcome(adapted))
    return _Read(all_made, outcomes)


def _payload(value: bytes | None) -> object:
    """The payload in a record's value, None for a tombstone: Kafka Connect may put it beside its schema."""
    if value is None or b'"schema"' not in value or b'"payload"' not in value:
        return value
    try:
        document = parse(value)
    except NotAdaptable:
        return value  # the adapter says what is wrong
    if type(document) is not dict or document.keys() != {"schema", "payload"}:
        return value
    if not (document["schema"] is None or type(document["schema"]) is dict):
        return value
    payload: object = document["payload"]
    return payload.encode("utf-8", "surrogatepass") if type(payload) is str else payload  # a string holds JSON


def _outcome(adapted: Adapted) -> str:
    return "refused" if adapted.refusals else "adapted" if adapted.events else "passed_over"


def _instant(milliseconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(milliseconds // 1000)) + f".{milliseconds % 1000:03d}Z"


def _build(settings: Settings, reader: SourceReader, topics: Sequence[str]) -> faust.App:
    app = reader.app = transport.make_app(
        settings.sources_group,
        settings.broker_list,
        settings.data / "sources" / settings.worker_name,
        session_timeout=settings.session_timeout,
        heartbeat_interval=settings.heartbeat_interval,
        rebalance_timeout=settings.rebalance_timeout,
        max_poll_records=POLL_RECORDS,
        broker_credentials=faust_credentials(settings),
    )
    channel = transport.install(
        app, *topics, on_assigned=reader.assigned, on_revoked=reader.revoked, max_inflight=lambda: MAX_INFLIGHT
    )

    @app.agent(channel)
    async def adapt(batches: faust.StreamT[transport.Batch]) -> None:
        async for batch in batches:
            try:
                await reader.read(batch)
            except Exception as error:
                logger.exception("this batch cannot be read: %s", batch.tp)
                await app.crash(error)

    return app


async def run(settings: Settings) -> int:
    """Read all topics of the source files until told to stop; gives the exit code.

    Raises `SourcesError`, `ConfigurationError`, `LogUnreachable`, `WrongPartitions`, `EndpointError`.
    """
    sources = [source for source in read_sources(settings) if source.source.kafka]
    topics = topics_of(settings, sources)
    if not topics:
        raise SourcesError(
            "nothing to read: no file of SIXFOLD_SOURCES has [kafka] with topics (docs/sources/kafka.md)"
        )
    sink = KafkaSink(settings.events_topic, settings.partitions, PATIENCE_SECONDS)
    metrics = SourceMetrics({topic: source.name for topic, source in topics.items()})
    reader = SourceReader(topics, sink, metrics, settings.events_topic)
    endpoint = Endpoint(metrics.registry, NOT_READY, reader.not_ready)
    async with AsyncExitStack() as opened:
        if settings.metrics_port:
            await endpoint.start(settings.metrics_host, settings.metrics_port, "SIXFOLD_METRICS_PORT")
            opened.push_async_callback(endpoint.stop)
            logger.info("metrics: http://%s:%d/metrics", settings.metrics_host, settings.metrics_port)
        connecting = AsyncExitStack()
        opened.push_async_callback(_close, connecting)
        try:
            log = await unless_stopped(connecting.enter_async_context(await_log(settings, reader.away)))
            await unless_stopped(await_rights(settings, log, "sources", reader.away))
        except Stopped:
            return 0
        await _check_topics(settings, log, topics)
        sink.connect(log)
        reader.log = log
        app = _build(settings, reader, list(topics))
        consumer = transport.consumer_of
        metrics.show(
            lambda: consumer(app).inflight if app.started else 0,
            lambda: consumer(app).lag() if app.started else {},
        )
        for topic, source in topics.items():
            logger.info("%s (%s): reads %s", source.name, source.kind, topic)
        beside = [asyncio.create_task(sink.run()), asyncio.create_task(announce(sources, sink))]
        try:
            return await transport.serve(app)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.wait(beside, timeout=_CLOSE_SECONDS)


async def _close(opened: AsyncExitStack) -> None:
    with suppress(TimeoutError):  # Kafka may be away, and nothing that was acknowledged waits for it
        await asyncio.wait_for(opened.aclose(), _CLOSE_SECONDS)


async def _check_topics(settings: Settings, log: Log, topics: Mapping[str, NamedSource]) -> None:
    await check_events_topic(settings, log)
    missing = [topic for topic in topics if await log.partitions(topic) is None]
    if missing:
        raise SourcesError(
            f"Kafka at {settings.brokers} has no topic {', '.join(missing)}: create it, or correct kafka.topics in "
            f"{', '.join(dict.fromkeys(str(topics[topic].path) for topic in missing))}"
        )
