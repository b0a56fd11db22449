"""Erasing people from the disk: what still stands of those in the table `erased`, and how it goes.

The view of people leaves erased entities out at once, and inserts leave them out from then on. Here is the rest: rows
that were there before, rows that another worker wrote at the same moment, dead letters that name an erased id, and the
parts in which ClickHouse keeps what was deleted for some seconds more.
"""

import codecs
import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote_plus

from clickhouse_connect.driver.client import Client

from schemas import decode_key
from sinks.client import bound_lists
from sinks.dead_letters import Place, delete
from sinks.payload_ids import scalars_of
from stream.refused import TYPE as REFUSED
from stream.refused import read_refused

PERSONAL_TABLES = ("people", "dead_letters")
"""The tables with personal data."""

_PAUSE_SECONDS = 1.0
_STRING = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_NUMBER = {
    "lead": re.compile(rb'"(?:lead_id|merged_ids)"\s*:\s*(\[[^\]]*\]?|-?[0-9]+)'),
    "opportunity": re.compile(rb'"opportunity_id"\s*:\s*(-?[0-9]+)'),
}
_DIGITS = re.compile(rb"-?[0-9]+")
_NUMERIC = re.compile(r"-?[0-9]{1,12}")
"""Ids that might as well be an amount, a count or a time of day."""
_BETWEEN = re.compile(r"[\s\x00,;|&=<>\[\](){}\\\"']+")
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class ErasedIds:
    """The ids of erased leads and opportunities, and whether bytes name one.

    Bytes name an id that stands in them as a JSON string, however it is escaped, whatever else is wrong with them; or
    as a number where an id belongs, for a CRM may send its ids as numbers.
    """

    def __init__(self, entities: Iterable[str]) -> None:
        self._by_kind: dict[str, set[str]] = {"lead": set(), "opportunity": set()}
        for entity in entities:
            kind, (identifier, *_) = decode_key(entity)
            if identifier is not None:
                self._by_kind.setdefault(kind, set()).add(identifier)
        self.all = frozenset().union(*self._by_kind.values())

    def __bool__(self) -> bool:
        return bool(self.all)

    def named_in(self, value: bytes) -> bool:
        """Whether the bytes of an event, or of a refused payload's record, name one of the ids."""
        if refused := read_refused(value):  # the facts around the payload are ours, and name nobody
            return self._named_in_payload(refused.payload, refused.context.query)
        if self._named_in(value):
            return True
        if value[:2] in _UTF16 and self._named_in(value.decode("utf-16", "replace").encode()):
            return True
        return b"\0" in value and self._named_in(value.replace(b"\0", b""))

    def _named_in_payload(self, payload: bytes, query: Mapping[str, str]) -> bool:
        """JSON, a form, a row, XML, or any of these inside a string of another.

        Where it can be decoded, a short number is an id only at a member that holds one (`sinks.payload_ids`). What
        cannot be decoded, or is only the beginning of a payload, names an id that stands in it as any word.
        """
        if (scalars := scalars_of(payload, query)) is not None:
            return any(
                text in self.all
                and (not _NUMERIC.fullmatch(text) or any(text in self._by_kind[kind] for kind in kinds))
                for text, kinds in scalars
            )
        return (
            self.named_in(payload)
            or any(value in self.all for value in query.values())
            or any(word in self.all for text in _readings(payload) for word in _words(text))
        )

    def _named_in(self, value: bytes) -> bool:
        if any(text in self.all for text in _strings(value)):
            return True
        return any(
            number.decode() in self._by_kind[kind]
            for kind, pattern in _NUMBER.items()
            for found in pattern.finditer(value)
            for number in _DIGITS.findall(found[1])
        )


def _strings(value: bytes) -> Iterator[str]:
    for found in _STRING.finditer(value):
        token = found[1]
        if b"\\" in token:
            try:
                yield json.loads(b'"' + token + b'"', strict=False)
                continue
            except ValueError:
                pass
        yield token.decode("utf-8", "replace")


def _readings(payload: bytes) -> Iterator[str]:
    for value in {payload, payload.replace(b"\0", b"")}:
        text = value.decode("utf-8", "replace")
        yield text
        yield unquote_plus(text)
        yield from _strings(value)


def _words(text: str) -> Iterator[str]:
    for part in text.split("&"):
        yield part.partition("=")[2]
    for word in _BETWEEN.split(text):
        yield word
        yield from word.split(":")


@dataclass(frozen=True)
class Standing:
    """What the tables still hold of erased entities: rows of people, and dead letters that name an id."""

    people: int
    dead_letters: tuple[Place, ...]

    def __bool__(self) -> bool:
        return bool(self.people or self.dead_letters)

    def __str__(self) -> str:
        return f"rows of people: {self.people}, dead letters: {len(self.dead_letters)}"


def erased_entities(client: Client) -> list[str]:
    """Every erased entity."""
    return [row[0] for row in client.query("SELECT DISTINCT entity FROM erased ORDER BY entity").result_rows]


def standing(client: Client, entities: Sequence[str]) -> Standing:
    """What is still there of these entities. Errors: those of the client."""
    people = 0
    for chunk in bound_lists(entities):
        query = "SELECT count() FROM people FINAL WHERE entity IN %(entities)s"
        people += int(client.query(query, parameters={"entities": chunk}).result_rows[0][0])
    return Standing(people, tuple(_dead_letters(client, entities)))


def _dead_letters(client: Client, entities: Sequence[str]) -> list[Place]:
    """ClickHouse leaves out those that cannot name an id, `ErasedIds` decides on the others."""
    found: set[Place] = set()
    for chunk in bound_lists(entities):
        ids = ErasedIds(chunk)
        with client.query_row_block_stream(
            r"""SELECT topic, partition, offset, value FROM dead_letters FINAL
            WHERE hasAny(extractAll(value, '"((?:[^"\\\\]|\\\\.)*)"'), %(ids)s)
                OR position(value, '\\') > 0 OR position(value, '\0') > 0 OR position(value, %(refused)s) > 0
                OR match(value, '"(lead_id|opportunity_id|merged_ids)"\\s*:\\s*[^"\\s]')""",
            parameters={"ids": sorted(ids.all), "refused": REFUSED},
            query_formats={"value": "bytes", "String": "bytes"},
        ) as blocks:
            for block in blocks:
                for topic, partition, offset, value in block:
                    if ids.named_in(value):
                        found.add(Place(topic.decode(), partition, offset))
    return sorted(found, key=str)


def purge(client: Client, entities: Sequence[str]) -> Standing:
    """Delete all rows of these entities; gives what there was. On disk it is gone once `old_parts` are.

    Rows that arrive meanwhile are deleted, too, for up to three rounds. Errors: those of the client.
    """
    first = found = standing(client, entities)
    for _ in range(3):
        if not found:
            break
        if found.people:
            for chunk in bound_lists(entities):
                client.command(
                    "ALTER TABLE people DELETE WHERE entity IN %(entities)s SETTINGS mutations_sync = 2",
                    parameters={"entities": chunk},
                )
        delete(client, found.dead_letters)
        found = standing(client, entities)
    return first


def old_parts(client: Client) -> list[str]:
    """Parts of the tables with personal data that were replaced and still lie on the disk: `table/part`."""
    rows = client.query(
        "SELECT concat(table, '/', name) FROM system.parts WHERE database = currentDatabase() AND NOT active"
        " AND rows > 0 AND has({tables:Array(String)}, table) ORDER BY 1",
        parameters={"tables": list(PERSONAL_TABLES)},
    ).result_rows
    return [row[0] for row in rows]


def detached_parts(client: Client) -> list[str]:
    """Parts that somebody detached from the tables with personal data: nothing that is deleted leaves them."""
    rows = client.query(
        "SELECT concat(table, '/', name) FROM system.detached_parts WHERE database = currentDatabase()"
        " AND has({tables:Array(String)}, table) ORDER BY 1",
        parameters={"tables": list(PERSONAL_TABLES)},
    ).result_rows
    return [row[0] for row in rows]


def wait_for_old_parts(client: Client, timeout_seconds: float) -> list[str]:
    """Wait until the parts that are old now are gone from the disk; gives those that are not after the timeout."""
    waited_for = set(old_parts(client))
    end = time.monotonic() + timeout_seconds
    while waited_for and time.monotonic() < end:
        time.sleep(_PAUSE_SECONDS)
        waited_for &= set(old_parts(client))
    return sorted(waited_for)
