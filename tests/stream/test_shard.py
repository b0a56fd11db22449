"""A shard on its own: what it forwards."""

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
