"""Kafka: the topics, as `sixfold migrate` makes them, and the workers' group."""

from collections.abc import Awaitable, Callable, Mapping

from stream.doctor.finding import Finding, fine, problem, unknown, warning
from stream.log import Log
from stream.settings import Settings
from stream.topics import topic_configs, topics_of

_FOR_EVER = -1
_DAY_MS = 86_400_000


async def existing(name: str, settings: Settings, log: Log) -> Finding:
    """All topics are there."""
    found = await log.topics()
    missing = [topic for topic in topics_of(settings) if topic not in found]
    if missing:
        return problem(
            name, f"missing or hidden from us: {', '.join(missing)}", "run `sixfold migrate`, or see `sixfold kafka`"
        )
    return fine(name, ", ".join(topics_of(settings)))


async def partitions(name: str, settings: Settings, log: Log) -> Finding:
    """Topics have the partitions of the settings: the number is fixed for good."""
    found = await log.topics()
    there = {topic: wanted for topic, wanted in topics_of(settings).items() if topic in found}
    if not there:
        return unknown(name, "not checked: there are no topics", "run `sixfold migrate`")
    wrong = [
        f"{topic} has {len(found[topic])}, not {wanted}"
        for topic, wanted in there.items()
        if len(found[topic]) != wanted
    ]
    if wrong:
        have = len(found.get(settings.events_topic, ())) or settings.partitions
        return problem(
            name, "; ".join(wrong), f"set SIXFOLD_PARTITIONS={have}, or move to a new SIXFOLD_PREFIX and import anew"
        )
    return fine(name, ", ".join(f"{topic} {wanted}" for topic, wanted in there.items()))


async def replication(name: str, settings: Settings, log: Log) -> Finding:
    """Every record is kept as often as the settings say, and all the replicas keep up."""
    found = await log.topics()
    few, behind, blocked, lax = [], [], [], []
    least = settings.replication_factor
    for topic in topics_of(settings):
        if topic not in found:
            continue
        own = found[topic]
        factor = min(each.replicas for each in own)
        least = min(least, factor)
        if factor < settings.replication_factor:
            few.append(f"{topic} has {factor} replicas, not {settings.replication_factor}")
        insync = int((await log.configs(topic)).get("min.insync.replicas", "1"))
        if any(each.in_sync < insync for each in own):
            blocked.append(f"{topic} takes no records: fewer replicas in sync than min.insync.replicas={insync}")
        elif any(each.in_sync < each.replicas for each in own):
            behind.append(f"{topic} has replicas that are behind")
        if insync < settings.min_insync_replicas:
            lax.append(f"{topic} has min.insync.replicas={insync}, not {settings.min_insync_replicas}")
    if blocked:
        return problem(name, "; ".join(blocked), "start the missing brokers, or lower min.insync.replicas")
    if few or behind or lax:
        todo = "start the missing brokers" if behind else "change the topics (kafka-reassign-partitions, kafka-configs)"
        return warning(name, "; ".join([*few, *behind, *lax]), todo)
    if not any(topic in found for topic in topics_of(settings)):
        return unknown(name, "not checked: there are no topics", "run `sixfold migrate`")
    return fine(name, f"{least} replicas, min.insync.replicas at least {settings.min_insync_replicas}")


async def retention(name: str, settings: Settings, log: Log) -> Finding:
    """Events stay as long as the settings say: Kafka's clock for it is the events' own time."""
    topic = settings.events_topic
    found, wanted = await log.configs(topic), topic_configs(settings)[topic]
    if "retention.ms" not in found:
        return unknown(name, f"the broker does not tell the settings of {topic}", "may we describe its configs?")
    wrong = []
    if _shorter(int(found["retention.ms"]), int(wanted["retention.ms"])):
        wrong.append(f"retention.ms={found['retention.ms']}, not {wanted['retention.ms']}")
    if int(found.get("retention.bytes", _FOR_EVER)) != _FOR_EVER:
        wrong.append(f"retention.bytes={found['retention.bytes']}, not {_FOR_EVER}")
    if found.get("cleanup.policy", "delete") != "delete":
        wrong.append(f"cleanup.policy={found['cleanup.policy']}, not delete")
    if wrong:
        return problem(
            name,
            f"{topic}: {'; '.join(wrong)}: events may go before they are counted",
            "change the topic (kafka-configs), or SIXFOLD_RETENTION_DAYS",
        )
    kept = int(found["retention.ms"])
    return fine(name, f"{topic}: {'for ever' if kept == _FOR_EVER else f'{kept // _DAY_MS} days'}")


async def message_size(name: str, settings: Settings, log: Log) -> Finding:
    """The largest event fits, and the dead letter that it may become."""
    wrong, seen = [], []
    for topic, wanted in topic_configs(settings).items():
        found = (await log.configs(topic)).get("max.message.bytes")
        if found is None:
            continue
        seen.append(f"{topic} {int(found):,}")
        if int(found) < int(wanted["max.message.bytes"]):
            wrong.append(f"{topic} has max.message.bytes={found}, less than {wanted['max.message.bytes']}")
    if wrong:
        return problem(name, "; ".join(wrong), "raise it (kafka-configs): the largest records are refused")
    if not seen:
        return unknown(name, "the broker does not tell the settings of the topics", "may we describe their configs?")
    return fine(name, f"max.message.bytes: {', '.join(seen)}")


async def workers(name: str, settings: Settings, log: Log) -> Finding:
    """Somebody counts."""
    hosts = await log.members(settings.group)
    if not hosts:
        return problem(name, f"group {settings.group} has no members: nothing is counted", "start `sixfold worker`")
    found = f"group {settings.group}: {len(hosts)} {'member' if len(hosts) == 1 else 'members'}"
    if not any(hosts):
        return unknown(name, f"{found} listed, and the embedded broker lists those that left, too", "watch the lag")
    return fine(name, found)


CHECKS: Mapping[str, Callable[[str, Settings, Log], Awaitable[Finding]]] = {
    "topics": existing,
    "partitions": partitions,
    "replication": replication,
    "retention": retention,
    "message_size": message_size,
    "workers": workers,
}


def _shorter(found: int, wanted: int) -> bool:
    return found != _FOR_EVER and (wanted == _FOR_EVER or found < wanted)
