"""A shard on its own: what it forwards, and what belongs to a flush."""

import json
from collections.abc import Mapping

from schemas import decode
from stream.log import Outgoing, home_partition
from stream.rules import Rules
from stream.shard import FLUSH_HEADER, RANKS, TOGETHER, Effects, Shard, fold_together
from tests.property.simulation import TOPICS, Record
from tests.stream.cases import event

SHARDS = 4


def test_the_parts_of_a_merge_go_home_whatever_else_its_envelope_says() -> None:
    """Numbers that nobody reads may be of any size; so may ids."""
    here = next(name for name in map(str, range(99)) if home_partition(f"lead:{name}", SHARDS) == 0)
    there = next(name for name in map(str, range(99)) if home_partition(f"lead:{name}", SHARDS) != 0)
    value = (
        '{"extension": 1e400, "other": ' + "1" * 5000 + ', "id": 123456789012345678901234567890, "source": "ü",'
        ' "sequence": "0012", "type": "crm.lead.merged", "time": "2026-03-01T01:00:00.1234567+01:00",'
        f' "data": {{"lead_id": 7, "merged_ids": [{here}, {there}], "more": 1e999}}}}'
    ).encode()
    shard = Shard(0, SHARDS, Rules(), topics=TOPICS)
    shard.read(TOPICS.events, [Record(TOPICS.events, 0, 0, 1_780_000_000_000, f"lead:{here}".encode(), value)])
    (sent,) = [each for each in shard.take().outgoing if each.topic == TOPICS.events]
    assert isinstance(sent, Outgoing)
    assert (sent.key, sent.partition) == (f"lead:{there}".encode(), home_partition(f"lead:{there}", SHARDS))
    assert sent.timestamp_ms == 1_780_000_000_000
    first, again = decode(value, None), decode(sent.value, None)
    assert (again.time, again.sequence, again.source, again.id) == (first.time, 12, "ü", first.id)
    assert again.data == {"lead_id": "7", "merged_ids": [there]}
    assert json.loads(sent.value or b"")["specversion"] == "1.0"


def test_a_merge_of_no_leads_changes_nothing() -> None:
    shard = Shard(0, SHARDS, Rules(), topics=TOPICS)
    value = event("crm.lead.merged", "2026-03-01", lead_id="7", merged_ids=[])
    shard.read(TOPICS.events, [Record(TOPICS.events, 0, 0, 1_780_000_000_000, b"lead:7", value)])
    effects = shard.take()
    assert not effects.outgoing
    assert not effects.rows.keys() - {"source_minutes"}
    assert effects.nodes == {"nodes": []}
    assert shard.positions[TOPICS.events].offset == 1


def test_an_event_under_a_wrong_key_goes_once_more_under_the_right_one() -> None:
    """Also where its home is the shard that reads it, and with the time at which it was recorded first."""
    shard = Shard(0, 1, Rules(), topics=TOPICS)
    value = event("crm.lead.created", "2026-03-01", lead_id="7")
    record = Record(TOPICS.events, 0, 0, 1_780_000_000_000, b"7", value)
    shard.read(TOPICS.events, [record])
    effects = shard.take()
    assert effects.nodes == {"nodes": []}
    (sent,) = effects.outgoing
    assert (sent.topic, sent.partition, sent.key, sent.value) == (TOPICS.events, 0, b"lead:7", value)
    assert sent.timestamp_ms == record.timestamp
    assert effects.tally.forwarded == {"crm.lead.created": 1}
    shard.read(TOPICS.events, [Record(TOPICS.events, 0, 1, sent.timestamp_ms or 0, sent.key, value)])
    effects = shard.take()
    assert [json.loads(row)["entity"] for row in effects.nodes["nodes"]] == ["lead:7"]
    assert not effects.outgoing


def test_what_is_read_while_a_flush_is_folded_is_of_the_next_one() -> None:
    shard = Shard(0, 1, Rules(), topics=TOPICS)

    def read(offset: int) -> None:
        value = event("crm.lead.created", "2026-03-01", lead_id=str(offset))
        key = f"lead:{offset}".encode()
        shard.read(TOPICS.events, [Record(TOPICS.events, 0, offset, 1_780_000_000_000 + offset, key, value)])

    def taken() -> tuple[list[str], int, int]:
        effects = shard.take()
        (manifest,) = map(json.loads, effects.manifests)
        written = [json.loads(row)["entity"] for row in effects.nodes["nodes"]]
        return sorted(written), manifest["events_position"], manifest["as_of_ms"] - 1_780_000_000_000

    for offset in range(3):
        read(offset)
    assert (shard.dirty, shard.moved) == (3, True)
    shard.begin()
    assert shard.fold(RANKS[-1], 2)
    read(3)
    assert (shard.dirty, shard.moved) == (2, True)
    assert taken() == (["lead:0", "lead:1", "lead:2"], 3, 2)
    assert (shard.dirty, shard.moved) == (1, True)
    assert taken() == (["lead:3"], 4, 3)
    assert (shard.dirty, shard.moved) == (0, False)


def test_as_many_nodes_are_folded_as_were_asked_for_however_many_are_folded_together() -> None:
    shard = Shard(0, 1, Rules(), topics=TOPICS)
    count = 3 * TOGETHER + 1
    for number in range(count):
        value = event("crm.lead.created", "2026-03-01", lead_id=str(number))
        key = f"lead:{number}".encode()
        shard.read(TOPICS.events, [Record(TOPICS.events, 0, number, 1_780_000_000_000, key, value)])
    shard.begin()
    assert shard.fold(RANKS[-1], TOGETHER + 1)
    assert shard.dirty == 2 * TOGETHER
    written = [json.loads(row)["entity"] for row in shard.take().nodes["nodes"]]
    assert sorted(written) == sorted(f"lead:{number}" for number in range(count))


def _with_a_call(process: str) -> tuple[dict[int, Shard], Effects, Record]:
    """Two shards of one process, the flush of a call in one for a lead of the other, and the record that it sent."""
    shards = {number: Shard(number, 2, Rules(), topics=TOPICS, process=process) for number in range(2)}
    lead = next(name for name in map(str, range(99)) if home_partition(f"lead:{name}", 2) == 1)
    call = next(name for name in map(str, range(99)) if home_partition(f"call:{name}", 2) == 0)
    value = event("crm.call.logged", "2026-03-01", call_id=call, lead_id=lead, status="answered", talk_seconds=5)
    key = f"call:{call}".encode()
    shards[0].read(TOPICS.events, [Record(TOPICS.events, 0, 0, 1_780_000_000_000, key, value)])
    effects = _flushed(shards)
    (sent,) = [each for each in effects.outgoing if each.topic == TOPICS.documents]
    assert sent.partition == 1
    return shards, effects, Record(TOPICS.documents, 1, 0, 1_780_000_000_000, None, sent.value, sent.headers)


def _flushed(shards: Mapping[int, Shard]) -> Effects:
    effects = Effects()
    for shard in shards.values():
        shard.begin()
    for _ in fold_together(shards, 1):
        pass
    for shard in shards.values():
        if shard.stirred:
            effects.add(shard.take())
    return effects


def _manifests(effects: Effects) -> list[tuple[int, int, int]]:
    rows = [json.loads(row) for row in effects.manifests]
    return [(row["shard"], row["flush"], row["documents_position"]) for row in rows]


def test_a_shard_of_the_same_flush_is_handed_documents_at_once_and_knows_them_when_kafka_brings_them() -> None:
    shards, effects, record = _with_a_call("here")
    nodes = [json.loads(row) for row in effects.nodes["nodes"]]
    assert [(row["shard"], "calls" in row) for row in nodes] == [(0, False), (1, True)]
    assert "roll_calls" in effects.rolling
    assert _manifests(effects) == [(0, 1, 0), (1, 1, 0)]
    assert [name for name, _ in record.headers] == [FLUSH_HEADER]

    shards[1].read(TOPICS.documents, [record])
    assert (shards[1].dirty, shards[1].moved) == (0, True)
    effects = _flushed(shards)
    assert (effects.nodes, effects.rolling) == ({"nodes": []}, {})
    assert _manifests(effects) == [(1, 2, 1)]


def test_what_another_process_was_handed_is_taken_in() -> None:
    """Even where claims and flushes have the same numbers: a store may have been restored from a backup."""
    _, _, record = _with_a_call("before")
    shards, _, _ = _with_a_call("after")
    shards[1].read(TOPICS.documents, [record])
    assert shards[1].dirty == 1


def test_documents_for_a_shard_of_another_worker_carry_no_token() -> None:
    both, _, _ = _with_a_call("here")
    alone = {0: Shard(0, 2, Rules(), topics=TOPICS, process="here")}
    (entity,) = both[0].nodes
    value = event("crm.call.logged", "2026-03-01", call_id=entity[5:], lead_id=next(iter(both[1].nodes))[5:])
    alone[0].read(TOPICS.events, [Record(TOPICS.events, 0, 0, 1_780_000_000_000, entity.encode(), value)])
    (sent,) = [each for each in _flushed(alone).outgoing if each.topic == TOPICS.documents]
    assert (sent.partition, list(sent.headers)) == (1, [])


def test_a_shard_that_was_handed_nothing_and_read_nothing_writes_nothing() -> None:
    shards = {number: Shard(number, 2, Rules(), topics=TOPICS) for number in range(2)}
    for _ in range(2):
        assert _flushed(shards).manifests == []
    shards[0].read(TOPICS.events, [Record(TOPICS.events, 0, 0, 1_780_000_000_000, None, b"{")])
    assert _manifests(_flushed(shards)) == [(0, 1, 0)]
