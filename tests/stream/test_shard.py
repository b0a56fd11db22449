"""A shard on its own: what it forwards, and what belongs to a flush."""

import json

from schemas import decode
from stream.log import Outgoing, home_partition
from stream.rules import Rules
from stream.shard import Shard
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
        return written, manifest["events_position"], manifest["as_of_ms"] - 1_780_000_000_000

    for offset in range(3):
        read(offset)
    assert (shard.dirty, shard.moved) == (3, True)
    shard.begin()
    assert shard.fold(2)
    read(3)
    assert (shard.dirty, shard.moved) == (2, True)
    assert taken() == (["lead:0", "lead:1", "lead:2"], 3, 2)
    assert (shard.dirty, shard.moved) == (1, True)
    assert taken() == (["lead:3"], 4, 3)
    assert (shard.dirty, shard.moved) == (0, False)
