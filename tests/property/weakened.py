"""The machine with one rule broken at a time. Each must be caught by the simulation: that is what shows it can fail."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any
from unittest.mock import patch

from schemas import Rejected, decode
from stream import claim, flow, fold, shard
from stream.flow import Node, parent
from stream.resting import Nodes
from stream.shard import Effects
from tests.property.simulation import MemoryStore

Variant = Callable[[], AbstractContextManager[Any]]


@contextmanager
def _patched(*patches: Any) -> Iterator[None]:
    for each in patches:
        each.start()
    try:
        yield
    finally:
        for each in reversed(patches):
            each.stop()


def _flush(order: str) -> Any:
    async def weak(effects: Effects, log: Any, sink: Any) -> None:
        for step in order:
            if step == "p":
                await log.produce(effects.outgoing)
            elif step == "b":
                await sink.insert(effects.rows)
            elif step == "n":
                await sink.insert(effects.nodes)
            elif step == "r":
                await sink.insert(effects.rolling)
            else:
                await sink.insert({"manifest": effects.manifests})

    return _patched(patch.object(shard, "flush", weak), patch.object(claim, "flush", weak))


def nodes_before_produce() -> Any:
    """The state is durable before what it has to send."""
    return _flush("bnprm")


def nodes_before_what_follows_from_them() -> Any:
    """The state is durable before the reference rows that it implies."""
    return _flush("pnbrm")


def manifest_before_nodes() -> Any:
    """The position moves before the state."""
    return _flush("pbmnr")


def manifest_before_rolling() -> Any:
    """The position moves before the rolling rows."""
    return _flush("pbnmr")


def to_the_current_parent_only() -> Any:
    """A node forgets where it sent to before."""
    sends = Node.sends

    def weak(node: Node) -> Any:
        above = parent(node.entity, node.own)
        node.to &= {above} if above else set()
        return sends(node)

    return patch.object(Node, "sends", weak)


def only_the_parent_at_the_end_of_a_batch() -> Any:
    """Link values that lost within the batch, or were replaced in it, are not sent to."""
    sends = Node.sends

    def weak(node: Node) -> Any:
        above = parent(node.entity, node.own)
        if above and above != node.entity:
            node.to.add(above)
        return sends(node)

    return _patched(patch.object(Node, "_link", lambda *_: False), patch.object(Node, "sends", weak))


def an_order_key_without_the_value() -> Any:
    """Of two values of one order key the first to come stays."""

    def weak(mine: fold.Fields, fields: fold.Fields) -> bool:
        grew = False
        for name, value in fields.items():
            if name not in mine:
                mine[name] = value
                grew = True
        return grew

    return patch.object(fold, "_join_same_key", weak)


def new_places_get_only_what_grew() -> Any:
    """A new parent is not sent the children that came before it."""

    def weak(node: Node, to: str) -> Any:
        for entity in sorted(node.grown):
            yield to, entity, node._bytes(entity)

    return patch.object(Node, "_all_to", weak)


def every_shard_left_clean() -> Any:
    """Rows above the manifest are not noticed."""
    return patch.object(claim, "_limits", lambda _: dict.fromkeys(range(10_000), 1 << 40))


def a_new_owner_says_nothing_until_it_is_ready() -> Any:
    """No manifest stands before a new owner's first rows."""
    insert = MemoryStore.insert

    async def weak(self: MemoryStore, rows: Any) -> None:
        if not any(b'"ready":0' in line for line in rows.get("manifest", ())):
            await insert(self, rows)

    return patch.object(MemoryStore, "insert", weak)


class _SeenOnce:
    """A store of which only one look at a generation is taken."""

    def __init__(self, store: Any, version: int) -> None:
        self._store, self._version = store, version

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def rolling_version(self, *_: int) -> int:
        return self._version


def a_generation_is_looked_at_before_it_is_copied_only() -> Any:
    """What its owner, who was only paused, writes while it is copied goes unnoticed."""
    copy = claim._copy

    async def weak(shard: shard.Shard, source: int, limit: int, store: Any) -> bool:
        seen = await store.rolling_version(shard.number, source)
        return await copy(shard, source, limit, _SeenOnce(store, seen))  # type: ignore[arg-type]

    return patch.object(claim, "_copy", weak)


def claims_under_other_rules_are_not_looked_at() -> Any:
    """What an owner of older rules, who was only paused, writes about nodes stays."""

    async def weak(self: MemoryStore, number: int, above: int, below: int) -> set[str]:
        return set()

    return patch.object(MemoryStore, "claimed_under", weak)


def a_cycle_counts_at_each_of_its_nodes() -> Any:
    """Every node of a merge cycle takes itself for the root."""
    root = flow.root

    def weak(entity: str, look: Any) -> str:
        path = [entity]
        while True:
            document = look(path[-1])
            if document is None:
                return root(entity, look)
            above = parent(path[-1], document)
            if above is None:
                return path[-1]
            if above in path:
                return entity
            path.append(above)

    return patch.object(flow, "root", weak)


def a_foreign_event_is_folded_where_it_was_read() -> Any:
    """Events under a wrong key are not sent home."""
    event_for = shard.Shard._event

    def weak(self: shard.Shard, record: Any, name: str, *, home: bool) -> Any:
        with suppress(Rejected):
            name, home = decode(record.value, None).home, True
        return event_for(self, record, name, home=home)

    return patch.object(shard.Shard, "_event", weak)


def a_manifest_goes_as_far_as_was_read() -> Any:
    """What is read while a flush is folded counts as part of it."""
    begin = shard.Shard.begin

    def weak(self: shard.Shard) -> None:
        begin(self)
        self.reached = self.positions

    return patch.object(shard.Shard, "begin", weak)


def what_was_handed_over_is_not_sent() -> Any:
    """Documents that another shard of the flush was handed do not go through Kafka."""
    records = shard.Shard._records

    def weak(self: shard.Shard, sends: Any, token: bytes | None = None) -> Any:
        return records(self, {} if token else sends)

    return patch.object(shard.Shard, "_records", weak)


def a_new_owner_knows_what_the_one_before_was_handed() -> Any:
    """A shard that was loaded anew skips records that only its predecessor has heard."""
    heard: dict[bytes, None] = {}
    made = shard.Shard.__init__

    def weak(self: shard.Shard, *given: Any, **named: Any) -> None:
        made(self, *given, **named)
        self._tokens = heard

    return patch.object(shard.Shard, "__init__", weak)


def all_of_a_flush_is_known_where_some_was_handed_over() -> Any:
    """Records with what was not handed over carry the token, too."""
    records = shard.Shard._records

    def weak(self: shard.Shard, sends: Any, token: bytes | None = None) -> Any:
        return records(self, sends, token or self._token)

    return patch.object(shard.Shard, "_records", weak)


def old_contributions_are_left() -> Any:
    """Old contributions are not taken off when a root's journey changes."""
    from stream.rolling import Rolling

    replace = Rolling.replace

    def weak(self: Rolling, _: Any, new: Any) -> None:
        replace(self, {}, new)

    return patch.object(Rolling, "replace", weak)


def what_is_kept_is_of_an_earlier_write() -> Any:
    """A node that changes twice takes off what it contributed at first."""
    put = Nodes.put

    def weak(self: Nodes, entity: str, state: bytes, contributed: bytes | None = None) -> None:
        before = self.take_up(entity)
        put(self, entity, state, contributed if before is None else before[1])

    return patch.object(Nodes, "put", weak)


def what_is_kept_of_nothing_is_what_was_before() -> Any:
    """A node that came to contribute nothing takes off what it contributed before that."""
    put = Nodes.put

    def weak(self: Nodes, entity: str, state: bytes, contributed: bytes | None = None) -> None:
        before = self.take_up(entity)
        put(self, entity, state, before[1] if contributed == b"" and before else contributed)

    return patch.object(Nodes, "put", weak)


def a_loaded_root_contributed_nothing() -> Any:
    """A node of which is not known what it contributes is taken for one that contributes nothing."""
    return patch.object(shard.Shard, "_contributed", lambda _self, _entity, kept: (kept and kept[1]) or b"")


def erasure_stays_where_it_was_said() -> Any:
    """Leads that a merge connects are not covered."""
    return patch.object(Node, "_erasure_marks", lambda _: iter(()))


def histories_are_registers() -> Any:
    """Only the last status and stage are kept."""
    return patch.object(fold, "HISTORIES", frozenset())


VARIANTS: tuple[Variant, ...] = (
    nodes_before_produce,
    nodes_before_what_follows_from_them,
    manifest_before_nodes,
    manifest_before_rolling,
    to_the_current_parent_only,
    only_the_parent_at_the_end_of_a_batch,
    an_order_key_without_the_value,
    new_places_get_only_what_grew,
    every_shard_left_clean,
    a_generation_is_looked_at_before_it_is_copied_only,
    claims_under_other_rules_are_not_looked_at,
    a_cycle_counts_at_each_of_its_nodes,
    a_foreign_event_is_folded_where_it_was_read,
    a_manifest_goes_as_far_as_was_read,
    what_was_handed_over_is_not_sent,
    a_new_owner_knows_what_the_one_before_was_handed,
    all_of_a_flush_is_known_where_some_was_handed_over,
    old_contributions_are_left,
    what_is_kept_is_of_an_earlier_write,
    what_is_kept_of_nothing_is_what_was_before,
    a_loaded_root_contributed_nothing,
    erasure_stays_where_it_was_said,
    histories_are_registers,
)
