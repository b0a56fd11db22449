"""Rows of a CSV become canonical events, as a mapping says; a row that cannot is refused whole."""

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from schemas import Rejected, decode
from stream.mapping import (
    COLUMN_IN_TEMPLATE,
    SEQUENCES,
    EventMapping,
    Fallback,
    Lookup,
    Mapping,
    MappingError,
    Number,
    Row,
    Value,
    instant_in_utc,
)

__all__ = ["MAX_UNMAPPED", "RowMapper", "UnmappableRow"]

MAX_UNMAPPED = 1000
"""So many different unmapped values are counted one by one; the rest are not remembered."""


class UnmappableRow(Exception):  # noqa: N818 - a verdict on someone's data, not an error of the program
    """A row that cannot be turned into events: `reason` is a code, `column` the one at fault if one is."""

    def __init__(self, reason: str, message: str, column: str | None = None) -> None:
        super().__init__(message if column is None else f"column {column!r}: {message}")
        self.reason, self.column = reason, column


class RowMapper:
    """A mapping at work on files in one folder, with its lookup tables read.

    `unmapped` counts (column, value) that no map or lookup knew.
    """

    def __init__(self, mapping: Mapping, folders: Sequence[Path]) -> None:
        """Read the lookup tables, each from the first of the folders that has it. Raises MappingError."""
        self.mapping = mapping
        self.unmapped: Counter[tuple[str, str]] = Counter()
        self._blanks = frozenset(mapping.empty) | {""}
        self._digest = mapping.digest()
        self._tables = {name: _read_lookup(name, lookup, folders) for name, lookup in mapping.lookups.items()}
        self._encode = msgspec.json.Encoder().encode
        for number, event in enumerate(mapping.events):
            for place, value in event.values():
                if value.lookup and value.lookup.column not in self._tables[value.lookup.table].columns:
                    raise MappingError(
                        f"events.{number}.{place}: {mapping.lookups[value.lookup.table].file} has no column "
                        f"{value.lookup.column!r}"
                    )

    def check_header(self, columns: Sequence[str]) -> None:
        """Raise MappingError where a column is missing or comes twice."""
        for column, number in Counter(columns).items():
            if number > 1 and column in self.mapping.columns():
                raise MappingError(f"the header has {number} columns named {column!r}")
        for column, place in self.mapping.columns().items():
            if column not in columns:
                raise MappingError(
                    f"there is no column {column!r}, which {place} of the mapping names; the header has "
                    f"{', '.join(columns)}"
                )

    def skips(self, row: Row) -> bool:
        """Tell whether the mapping leaves a row out on purpose."""
        return any(condition.holds(row, self._blanks) for condition in self.mapping.skip)

    def events(self, row: Row) -> list[bytes]:
        """Turn a row into JSON events that the contract takes. Raises UnmappableRow."""
        found = [
            self._event(number, event, row)
            for number, event in enumerate(self.mapping.events)
            if all(condition.holds(row, self._blanks) for condition in event.when)
        ]
        if not found:
            raise UnmappableRow("no-event", "no event of the mapping applies to this row")
        return found

    def _event(self, number: int, event: EventMapping, row: Row) -> bytes:
        data: dict[str, object] = {}
        for name, value in event.data.items():
            if isinstance(value, dict):
                inner = {each: self._value(one, row) for each, one in value.items()}
                if present := {each: one for each, one in inner.items() if one is not _ABSENT}:
                    data[name] = present
            elif (made := self._value(value, row)) is not _ABSENT:
                data[name] = made
        time = self._value(event.time, row)
        if time is _ABSENT or time is None:
            raise UnmappableRow(
                "empty-value",
                "is empty, and the event's time is taken from it (if_empty can give a constant)",
                ", ".join(event.time.columns),
            )
        given = self._value(event.id, row) if event.id else self._default_id(number, row)
        whole: dict[str, object] = {
            "specversion": "1.0",
            "id": None if given is _ABSENT else given,
            "source": self.mapping.source,
            "type": event.type,
            "time": time,
            "sequence": self.mapping.revision * SEQUENCES + number,
            "data": data,
        }
        encoded = self._encode(whole)
        try:
            decode(encoded, None)
        except Rejected as rejected:
            place = rejected.message.partition(":")[0].removesuffix(" is missing")
            columns = next((value.columns for at, value in event.values() if at == place), ())
            raise UnmappableRow(
                str(rejected.reason), f"{event.type}: {rejected.message}", ", ".join(columns) or None
            ) from None
        return encoded

    def _default_id(self, number: int, row: Row) -> str:
        said = json.dumps([self._digest, number, sorted(row.items())], ensure_ascii=False)
        return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def _value(self, value: Value, row: Row) -> object:
        """Make a value: JSON-able, None for null, `_ABSENT` for none."""
        if value.constant is not None:
            return value.constant
        if value.column is not None:
            text = row[value.column].strip()
        else:
            filled = [row[column].strip() for column in value.columns]
            rest = iter(filled)
            made = COLUMN_IN_TEMPLATE.sub(lambda _: next(rest), value.template or "")
            text = made.strip() if any(filled) else ""
        if text in self._blanks:
            return _instead(value.if_empty, "empty-value", "is empty", value)
        if value.case is not None:
            text = text.lower() if value.case == "lower" else text.upper()
        if value.map is not None:
            mapped: object = value.map.get(text, _ABSENT)
            if mapped is _ABSENT:
                if value.otherwise != "keep":
                    self._count_unmapped(value, text)
                    return _instead(value.otherwise, "unmapped-value", f"{text!r} is not in the map", value)
            elif not isinstance(mapped, str):
                return mapped
            else:
                text = mapped
        if value.lookup is not None:
            line = self._tables[value.lookup.table].rows.get(text)
            if line is None:
                self._count_unmapped(value, text)
                problem = f"{text!r} is not in the lookup {value.lookup.table}"
                return _instead(value.lookup.otherwise, "unmapped-value", problem, value)
            text = line[value.lookup.column].strip()
            if text in self._blanks:
                return _instead(value.if_empty, "empty-value", "is empty in the lookup", value)
        return self._formed(value, text)

    def _formed(self, value: Value, text: str) -> object:
        """Read dates, numbers and lists; put the prefix in front of what is text."""
        formed: object = text
        if value.date is not None or value.instant is not None:
            formats = value.date or value.instant or []
            formed = _moment(text, tuple(formats), value.zone or self.mapping.zone, value.date is not None)
            if formed is None:
                raise UnmappableRow(
                    "invalid-date", f"{text!r} has none of the formats {', '.join(formats)}", _columns(value)
                )
        elif value.number is not None:
            formed = (Number() if value.number is True else value.number).read(text)
            if formed is None:
                problem = f"{text!r} is no number as the mapping has it"
                raise UnmappableRow("invalid-number", problem, _columns(value))
        elif value.split is not None:
            return [value.prefix + item.strip() for item in text.split(value.split) if item.strip()]
        return value.prefix + str(formed) if value.prefix else formed

    def _count_unmapped(self, value: Value, text: str) -> None:
        key = (_columns(value), text)
        if key in self.unmapped or len(self.unmapped) < MAX_UNMAPPED:
            self.unmapped[key] += 1


class _Absent:
    """The type of `_ABSENT`, which no data can hold."""


_ABSENT = _Absent()


class _Table:
    """A lookup table: its columns, and its rows by key."""

    def __init__(self, columns: Sequence[str], rows: dict[str, dict[str, str]]) -> None:
        self.columns, self.rows = columns, rows


def _columns(value: Value) -> str:
    return ", ".join(value.columns)


def _instead(choice: str | Fallback, reason: str, problem: str, value: Value) -> object:
    if isinstance(choice, Fallback):
        return choice.constant
    if choice == "reject":
        raise UnmappableRow(reason, problem, _columns(value))
    return None if choice == "null" else _ABSENT


@lru_cache(maxsize=65_536)
def _moment(text: str, formats: tuple[str, ...], zone: str, only_date: bool) -> str | None:
    """Read a date or an instant by the first format that fits; None if none does."""
    for form in formats:
        try:
            if form == "iso":
                moment = datetime.fromisoformat(text)
            elif form in ("unix", "unix-ms"):
                seconds = Decimal(text) / (1000 if form == "unix-ms" else 1)
                moment = datetime.fromtimestamp(float(seconds), UTC)
            else:
                moment = datetime.strptime(text, form)  # noqa: DTZ007 - the zone is added below
            if only_date:
                return (moment.astimezone(ZoneInfo(zone)) if moment.tzinfo else moment).date().isoformat()
            return instant_in_utc(moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone)))
        except (ValueError, ArithmeticError, OSError):
            continue
    return None


def _read_lookup(name: str, lookup: Lookup, folders: Sequence[Path]) -> _Table:
    path = next((folder / lookup.file for folder in folders if (folder / lookup.file).is_file()), None)
    if path is None:
        raise MappingError(
            f"lookups.{name}: {lookup.file} is neither beside the mapping nor beside the imported file "
            f"({', '.join(map(str, folders))})"
        )
    where = f"lookups.{name}: {path}"
    encoding = "utf-8-sig" if lookup.encoding.lower().replace("-", "") == "utf8" else lookup.encoding
    rows: dict[str, dict[str, str]] = {}
    try:
        with path.open(encoding=encoding, newline="") as stream:
            reader = csv.DictReader(stream, delimiter=lookup.delimiter, strict=True)
            columns = list(reader.fieldnames or ())
            if lookup.key not in columns:
                raise MappingError(f"{where} has no column {lookup.key!r}")
            for row in reader:
                if None in row or None in row.values():
                    raise MappingError(f"{where}, line {reader.line_num}: wrong number of cells")
                key = row[lookup.key].strip()
                if rows.setdefault(key, row) != row:
                    raise MappingError(f"{where}, line {reader.line_num}: {key!r} comes twice")
    except OSError as error:
        raise MappingError(f"{where}: {error.strerror}") from None
    except (UnicodeError, csv.Error) as error:
        raise MappingError(f"{where}: cannot be read as {lookup.encoding} CSV: {error}") from None
    return _Table(columns, rows)
