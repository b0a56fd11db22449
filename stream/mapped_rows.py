"""Rows of somebody's own tables, as Debezium or Kafka Connect write them to a topic, through a mapping.

The same mapping files as for CSV (`mapping.py`); here a column is a member of the row, of an object inside it with
dots between the names. It is an adapter like those of `schemas.adapters`, so that an agent may call either.

| payload | row |
| --- | --- |
| `{"schema": .., "payload": ..}` | what `payload` is |
| Debezium's `{"before": .., "after": .., "op": .., "source": ..}` | `after`; of a deletion `before` |
| any other object | itself |
| null (a tombstone), a truncation, a message | none: passed over |

Debezium's own facts are columns, named as its flattening transformation names them: `__op` (c, u, r, d), `__deleted`
(true, false), `__source_ts_ms` (when the database changed). Take decimals as text (`decimal.handling.mode=string`).
"""

import json
from collections.abc import Iterator
from decimal import Decimal

from schemas.adapters import NOTHING_KNOWN, Adapted, Context, NotAdaptable, Refusal
from schemas.adapters.payload import Object, an_object, parse, raw
from stream.rows import RowMapper, UnmappableRow

__all__ = ["MappedRows"]

_ROW_OPERATIONS = frozenset("curd")
_MAX_DEPTH = 8


class MappedRows:
    """Rows become canonical events by a mapping."""

    def __init__(self, mapper: RowMapper) -> None:
        self._mapper = mapper

    def adapt(self, payload: object, context: Context = NOTHING_KNOWN) -> Adapted:  # noqa: ARG002 - an adapter's signature
        """Read a row, or an array of rows; JSON bytes or decoded. Never raises."""
        adapted = Adapted()
        try:
            document = None if payload is None else parse(payload)
        except NotAdaptable as verdict:
            adapted.refusals.append(Refusal(str(verdict.reason), verdict.message, raw(payload)))
            return adapted
        for item in document if type(document) is list else [document]:
            self._item(item, adapted)
        return adapted

    def _item(self, item: object, adapted: Adapted) -> None:
        try:
            row = _row(item)
            if row is None or self._mapper.skips(row):
                adapted.passed_over["tombstone" if item is None else "row"] += 1
            else:
                adapted.events += self._mapper.events(row)
        except NotAdaptable as verdict:
            adapted.refusals.append(Refusal(str(verdict.reason), verdict.message, raw(item)))
        except UnmappableRow as verdict:
            adapted.refusals.append(Refusal(verdict.reason, str(verdict), raw(item)))
        except UnicodeEncodeError:  # half of a surrogate pair, as a decoder of JSON lets through
            adapted.refusals.append(Refusal("invalid-json", "row: holds text that is no Unicode", raw(item)))


class _Cells(dict[str, str]):
    """Cells by column; what a row does not have is empty."""

    def __missing__(self, column: str) -> str:
        return ""


def _row(item: object) -> _Cells | None:
    """The row in a payload, None where there is none."""
    if type(item) is dict and item.keys() == {"schema", "payload"}:
        item = item["payload"]
    if item is None:
        return None
    row = an_object(item, "row")
    operation = row.get("op")
    if type(operation) is str and {"before", "after"} & row.keys():
        image = row.get("before" if operation == "d" else "after")
        if operation not in _ROW_OPERATIONS or image is None:
            return None
        source = row.get("source")
        changed = source.get("ts_ms") if type(source) is dict else None
        facts = {"__op": operation, "__deleted": operation == "d", "__source_ts_ms": changed}
        row = {**an_object(image, "before" if operation == "d" else "after"), **facts}
    return _Cells(_cells(row, "", 0))


def _cells(row: Object, prefix: str, depth: int) -> Iterator[tuple[str, str]]:
    for name, value in row.items():
        if type(value) is dict and depth < _MAX_DEPTH:
            yield from _cells(value, f"{prefix}{name}.", depth + 1)
        else:
            yield f"{prefix}{name}", _text(value)


def _text(value: object) -> str:
    if value is None:
        return ""
    if type(value) is str:
        return value
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is Decimal:
        return f"{value:f}" if value.is_finite() and abs(value.adjusted()) < 100 else str(value)
    if type(value) is int and value.bit_length() < 1024:
        return str(value)
    if type(value) is list:
        try:
            return json.dumps(value, default=str, ensure_ascii=False)
        except (ValueError, TypeError, RecursionError):
            pass
    raise NotAdaptable("invalid-payload", "row: holds something that is no text, number, boolean, object or array")
