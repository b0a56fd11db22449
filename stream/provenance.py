"""Who said so, and when: the order keys that a document carries, read back.

A document is what was said of one entity, each field with the source, the id and the time of the event that last
wrote it (`stream/fold.py`). Nothing here merges or decides anything.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from clickhouse_connect.driver.client import Client

from schemas import PERSONAL, instant_text
from sinks.client import bound_lists
from stream.flow import Node, kind_of
from stream.fold import HISTORIES, Document, Key, canonical
from stream.log import home_partition


@dataclass(frozen=True)
class Said:
    """One field of an entity, and the event that wrote it.

    `value` is what JSON has for it (amounts as Decimal, instants as text), None where the event cleared the field.
    `current` is 0 for a value of a history that later ones followed. The values of `personal` fields are not here:
    they stand in the table `people` alone.
    """

    field: str
    value: Any
    source: str
    event_id: str
    time: str
    sequence: int
    current: bool = True
    personal: bool = False

    def as_json(self) -> dict[str, Any]:
        """As the commands print it."""
        shown: dict[str, Any] = {"field": self.field}
        shown |= {"personal": True} if self.personal else {"value": self.value}
        if not self.current:
            shown["current"] = False
        return {
            **shown,
            "source": self.source,
            "id": self.event_id,
            "time": self.time,
            "sequence": self.sequence,
        }


def said(entity: str, document: Document) -> list[Said]:
    """Every field of an entity's document with its event, by field; a history in its order."""
    personal = PERSONAL.get(kind_of(entity), frozenset())
    found: list[Said] = []
    for key, fields in document.writes:
        for name, value in fields.items():
            if name in HISTORIES:
                found += [_said(name, canonical(name, each), key) for each in value]
            elif name == "figure":
                found += [_said(each, canonical(each, value[each]), key) for each in sorted(value)]
            elif name in personal:
                found.append(_said(name, "null", key, personal=True))
            else:
                found.append(_said(name, canonical(name, value), key))
    found.sort(key=lambda each: each.field)  # stable: a history keeps its order
    return [
        each if each.field not in HISTORIES or _last(found, index) else _past(each) for index, each in enumerate(found)
    ]


def _said(field: str, text: str, key: Key, *, personal: bool = False) -> Said:
    time, sequence, source, event_id = key
    value = json.loads(text, parse_float=Decimal)
    return Said(field, value, source, event_id, instant_text(time), sequence, personal=personal)


def _last(found: Sequence[Said], index: int) -> bool:
    return index + 1 == len(found) or found[index + 1].field != found[index].field


def _past(each: Said) -> Said:
    return Said(each.field, each.value, each.source, each.event_id, each.time, each.sequence, current=False)


class Documents:
    """The documents of entities as the nodes hold them, read when they are asked for. `partitions` is the setting."""

    def __init__(self, client: Client, partitions: int) -> None:
        self._client = client
        self._partitions = partitions
        self._nodes: dict[str, Node | None] = {}
        self._counted: dict[str, Mapping[str, Document]] = {}

    def fetch(self, entities: Iterable[str]) -> None:
        """Read the nodes of these entities, as few queries as will do."""
        missing = sorted({entity for entity in entities if entity not in self._nodes})
        for chunk in bound_lists(missing):
            rows = self._client.query(
                "SELECT entity, base64Decode(state) FROM nodes FINAL"
                " WHERE shard IN %(shards)s AND entity IN %(entities)s",
                parameters={
                    "shards": sorted({home_partition(entity, self._partitions) for entity in chunk}),
                    "entities": chunk,
                },
                query_formats={"String": "bytes"},
            ).result_rows
            states = {entity.decode(): state for entity, state in rows}
            self._nodes |= {entity: Node(entity, states[entity]) if entity in states else None for entity in chunk}

    def node(self, entity: str) -> Node | None:
        """An entity's node; None where nothing was ever said of it."""
        self.fetch([entity])
        return self._nodes[entity]

    def counted(self, root: str) -> Mapping[str, Document]:
        """The documents that a root counts, by entity; '' counts none."""
        if root not in self._counted:
            node = self.node(root) if root else None
            self._counted[root] = node.counted() if node is not None else {}
        return self._counted[root]

    def own(self, entity: str) -> Document:
        """What was said of the entity at its home; an empty document where nothing was."""
        node = self.node(entity)
        return node.own if node is not None else Document()
