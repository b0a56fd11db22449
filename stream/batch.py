"""The plain reference: the rolling tables computed from a list of events at once.

No shards, no nodes, no messages, no order: every entity's fields by the greatest order key, parents followed over
all documents, each root accounted for once. Everything that streams must end in these tables.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from schemas import Event
from stream.flow import root
from stream.fold import HISTORIES, HISTORY_LIMIT, Change, Document, Fields, Key, canonical, changes
from stream.reports import TABLES
from stream.rolling import account
from stream.rules import Rules


def documents(events: Iterable[Event]) -> dict[str, Document]:
    """The document of every entity that the events speak of. The events' data is used up."""
    said: dict[str, list[Change]] = defaultdict(list)
    for event in events:
        for change in changes(event):
            said[change.entity].append(change)
    return {entity: _document(of_entity) for entity, of_entity in said.items()}


def counted(events: Iterable[Event]) -> dict[str, dict[str, Document]]:
    """For each root, the documents that it counts, by entity."""
    all_documents = documents(events)
    members: dict[str, dict[str, Document]] = defaultdict(dict)
    for entity, document in all_documents.items():
        members[root(entity, all_documents.get)][entity] = document
    return members


#: measures, and the sparse counts by whole unit
Row = tuple[list[int], dict[int, int]]


def tables(events: Iterable[Event], rules: Rules) -> dict[str, dict[tuple[str, ...], Row]]:
    """The rows of every rolling table, all-zero ones left out."""
    rows: dict[str, dict[tuple[str, ...], Row]] = {table.name: {} for table in TABLES}
    for entity, of_root in counted(events).items():
        _, contributions = account(entity, of_root, rules)
        for name, contributed in contributions.items():
            for key, measures, bucket in contributed:
                totals, counts = rows[name].setdefault(key, ([0] * len(measures), {}))
                for index, measure in enumerate(measures):
                    totals[index] += measure
                if bucket is not None:
                    counts[bucket] = counts.get(bucket, 0) + 1
    return {
        name: {key: row for key, row in of_table.items() if any(row[0]) or row[1]} for name, of_table in rows.items()
    }


def _document(said: list[Change]) -> Document:
    registers: dict[str, tuple[Key, str, Any]] = {}
    histories: dict[str, dict[tuple[Key, str], Any]] = defaultdict(dict)
    for change in said:
        for name, value in change.fields.items():
            if name in HISTORIES:
                for each in value:
                    histories[name][change.key, canonical(name, each)] = each
            else:
                candidate = (change.key, canonical(name, value), value)
                if name not in registers or candidate[:2] > registers[name][:2]:
                    registers[name] = candidate
    writes: dict[Key, Fields] = defaultdict(dict)
    for name, (key, _, value) in registers.items():
        writes[key][name] = value
    for name, history in histories.items():
        ordered = sorted(history)
        kept = set(ordered[-HISTORY_LIMIT:])
        earliest: dict[str, tuple[Key, str]] = {}
        for place in ordered:
            earliest.setdefault(place[1], place)
        kept.update(earliest.values())
        for place in sorted(kept):
            writes[place[0]].setdefault(name, []).append(history[place])
    return Document(
        sorted(writes.items(), key=lambda write: write[0]),
        min((change.key[0] for change in said if change.known), default=None),
        any(change.erased for change in said),
    )
