"""Paused owners that wake up while another one loads: schedules that random ones meet once in hundreds or thousands."""

import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import pytest

from stream import claim, shard
from stream.resting import Line
from tests.property.simulation import RULES, TOPICS, Crash, Fuse, MemoryLog, MemoryStore, as_json, expected, run
from tests.property.weakened import a_new_owner_says_nothing_until_it_is_ready


class DyingStore(MemoryStore):
    """Its client dies before it can write a manifest that is ready."""

    dying = False

    async def insert(self, rows: Mapping[str, Sequence[Line]]) -> None:
        if self.dying and any(json.loads(bytes(line))["ready"] for line in rows.get("manifest", ())):
            raise Crash
        await super().insert(rows)


def _lead(identifier: str, day: int, **data: Any) -> bytes:
    time = f"2026-03-{day:02d}T00:00:00Z"
    return as_json(
        {"id": identifier, "source": "s", "type": "crm.lead.updated", "time": time, "data": {"lead_id": "1", **data}}
    )


@pytest.mark.parametrize("weakened", [False, True])
def test_a_late_manifest_does_not_skip_what_no_node_holds(weakened: bool) -> None:
    log, store = MemoryLog(Fuse()), DyingStore(Fuse())
    events = [_lead("a", 1, stage="tofu"), _lead("b", 2, lead_magnet="ebook"), _lead("c", 3, stage="customer")]
    for event in events:
        log.append(TOPICS.events, 0, b"lead:1", event)
    records = log.records[TOPICS.events, 0]

    def take_over() -> shard.Shard:
        taken = run(claim.take_over(0, 1, RULES, log, store, topics=TOPICS))  # type: ignore[arg-type]
        assert isinstance(taken, shard.Shard)
        return taken

    with a_new_owner_says_nothing_until_it_is_ready() if weakened else nullcontext():
        first = take_over()
        first.read(TOPICS.events, records[:1])
        run(shard.flush(first.take(), log, store))
        first.read(TOPICS.events, records[1:2])
        paused_first = first.take()
        second = take_over()
        second.read(TOPICS.events, records[1:])
        paused_second = second.take()
        run(shard.flush(paused_first, log, store))
        store.dying = True
        with pytest.raises(Crash):
            take_over()
        store.dying = False
        run(shard.flush(paused_second, log, store))
        last = take_over()
        last.read(TOPICS.events, records[last.positions[TOPICS.events].offset :])
        run(shard.flush(last.take(), log, store))
    assert (store.visible() == expected(events).tables) is not weakened


class WakingStore(MemoryStore):
    """While a generation is copied its owner wakes up, and writes the flush that it had in hand."""

    paused: shard.Effects | None = None
    log: MemoryLog

    async def copy_generation(self, number: int, source: int, epoch: int) -> None:
        if self.paused is not None:
            paused, self.paused = self.paused, None
            await shard.flush(paused, self.log, self)
        await super().copy_generation(number, source, epoch)


def test_what_an_owner_that_wakes_up_writes_into_the_copied_generation_counts_once() -> None:
    """Its nodes were loaded before: what it counted is read again."""
    log, store = MemoryLog(Fuse()), WakingStore(Fuse())
    store.log = log
    events = [_lead("a", 1, stage="tofu"), _lead("b", 2, lead_magnet="ebook"), _lead("c", 3, stage="customer")]
    for event in events:
        log.append(TOPICS.events, 0, b"lead:1", event)
    records = log.records[TOPICS.events, 0]

    def take_over() -> shard.Shard:
        return run(claim.take_over(0, 1, RULES, log, store, topics=TOPICS))  # type: ignore[arg-type,no-any-return]

    first = take_over()
    first.read(TOPICS.events, records[:1])
    run(shard.flush(first.take(), log, store))
    first.read(TOPICS.events, records[1:2])
    store.paused = first.take()
    second = take_over()
    assert store.paused is None
    assert store.visible() == expected(events[:1]).tables
    second.read(TOPICS.events, records[second.positions[TOPICS.events].offset :])
    run(shard.flush(second.take(), log, store))
    assert store.visible() == expected(events).tables
    run(shard.flush(take_over().take(), log, store))
    assert store.visible() == expected(events).tables, "and so it is for the next owner"
