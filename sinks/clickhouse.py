"""ClickHouse as the state store and the sink: claims, loading, inserts.

Calls run in threads, so that the event loop is never held up. Nothing is retried here: every write may be done again,
and whoever orders the writes decides when.
"""

import asyncio
import base64
import secrets
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, cast

import msgspec
from clickhouse_connect.driver.client import Client

from sinks.erasure import PERSONAL_TABLES, ErasedIds, Standing, erased_entities, purge
from stream.claim import LoadedNode, LoadedRow, Manifest
from stream.reports import TABLES, Table
from stream.resting import Line, rows_in

#: one insert is at most about this large, and goes over the wire in pieces of about this size
INSERT_BYTES, PIECE_BYTES = 8 << 20, 128 << 10
_INSERT_SETTINGS = {
    "input_format_skip_unknown_fields": 0,
    # tuples come as arrays: their names in every record would be half of what is written
    "input_format_json_named_tuples_as_objects": 0,
    "date_time_input_format": "best_effort",
}
_TRIES = 20
#: where a row does not name its columns just as the table has them
_COLUMNS = {
    "dead_letters": ["topic", "partition", "offset", "received_at", "reason", "message", "value_base64"],
}


class RulesConflictError(Exception):
    """The store was last written under other rules, that came after these."""


class ClickHouseStore:
    """One database. Methods may be called from several tasks.

    `written` is told of every insert: table, rows, bytes, seconds.
    """

    def __init__(
        self, client: Client, worker: str, written: Callable[[str, int, int, float], None] | None = None
    ) -> None:
        self._client = client
        self._worker = worker
        self._written = written
        self._purged: Sequence[Any] | None = None

    # -- writing

    async def insert(self, rows: Mapping[str, Sequence[Line]]) -> None:
        """Write JSON lines to several tables at once and return when all are durable."""
        if rows.get("erased"):  # before the people whom it keeps out
            await self._insert("erased", rows["erased"])
        await asyncio.gather(
            *(self._insert(table, lines) for table, lines in rows.items() if lines and table != "erased"),
        )

    async def _insert(self, table: str, lines: Sequence[Line]) -> None:
        if table in PERSONAL_TABLES:
            lines = await self._not_erased(table, [bytes(line) for line in lines])
            if not lines:
                return
        began, size = time.perf_counter(), 0
        for part in _parts(lines, INSERT_BYTES):
            body = Body(part)
            size += len(body)
            await asyncio.to_thread(
                self._client.raw_insert,
                table,
                column_names=_COLUMNS.get(table),
                insert_block=cast("Generator[bytes, None, None]", body),  # any iterable will do
                fmt="JSONEachRow",
                settings=_INSERT_SETTINGS,
            )
        if self._written:
            self._written(table, rows_in(lines), size, time.perf_counter() - began)

    async def _not_erased(self, table: str, lines: Sequence[bytes]) -> Sequence[bytes]:
        """A replay does not bring a person back, nor a dead letter that names one."""
        erased = {row[0] for row in await self._rows("SELECT entity FROM erased")}
        if not erased:
            return lines
        rows = ((line, msgspec.json.decode(line)) for line in lines)
        if table == "people":
            return [line for line, row in rows if row["entity"] not in erased]
        ids = ErasedIds(erased)
        return [line for line, row in rows if not ids.named_in(base64.b64decode(row["value_base64"]))]

    async def purge(self) -> Standing:
        """Delete what rows of erased people there are, and dead letters that name them; gives what there was.

        What was looked at once is not looked at again before something was erased or written.
        """
        seen = await self._rows(
            "SELECT (SELECT count() FROM erased), (SELECT count() FROM people), (SELECT count() FROM dead_letters)"
        )
        if seen[0] == self._purged or not seen[0][0]:
            return Standing(0, ())
        found = await asyncio.to_thread(lambda: purge(self._client, erased_entities(self._client)))
        self._purged = seen[0] if not found else None
        return found

    # -- owning

    async def claim(self, shard: int, rules_hash: str) -> int:
        """Claim a shard: an epoch above every one before it that nobody else holds (a tie claims again)."""
        for _ in range(_TRIES):
            found = await self._rows(
                "SELECT max(epoch) FROM (SELECT epoch FROM claims WHERE shard = {shard:UInt16}"
                " UNION ALL SELECT epoch FROM manifest WHERE shard = {shard:UInt16})",
                shard=shard,
            )
            epoch, token = int(found[0][0]) + 1, secrets.token_hex(8)
            claim = {
                "shard": shard,
                "epoch": epoch,
                "token": token,
                "worker": self._worker,
                "rules_hash": rules_hash,
            }
            await self._insert("claims", [msgspec.json.encode(claim)])
            holders = await self._rows(
                "SELECT epoch, token FROM claims WHERE shard = {shard:UInt16} AND epoch >= {epoch:UInt32}",
                shard=shard,
                epoch=epoch,
            )
            if [(epoch, token)] == [(int(row[0]), row[1]) for row in holders]:
                return epoch
            await asyncio.sleep(secrets.randbelow(200) / 1000)
        raise RuntimeError(f"shard {shard}: {_TRIES} claims in a row met another worker's; is one started in a loop?")

    async def claimed_under(self, shard: int, above: int, below: int) -> set[str]:
        """The hashes of the rules under which epochs between these two were claimed; '' if before migration 61."""
        rows = await self._rows(
            "SELECT DISTINCT rules_hash FROM claims WHERE shard = {shard:UInt16}"
            " AND epoch > {above:UInt32} AND epoch < {below:UInt32}",
            shard=shard,
            above=above,
            below=below,
        )
        return {str(row[0]) for row in rows}

    async def epochs(self) -> dict[int, int]:
        """The greatest claimed epoch of every shard."""
        rows = await self._rows("SELECT shard, max(epoch) FROM claims GROUP BY shard")
        return {int(shard): int(epoch) for shard, epoch in rows}

    async def flushes(self, epochs: Mapping[int, int]) -> dict[int, int]:
        """The last flush of each shard under the epoch given for it; shards without a manifest of it are left out."""
        ours = ", ".join(f"({shard}, {epoch})" for shard, epoch in epochs.items())
        query = f"SELECT shard, max(flush) FROM manifest WHERE (shard, epoch) IN ({ours}) GROUP BY shard"  # noqa: S608 - numbers
        rows = await self._rows(query)
        return {int(shard): int(last) for shard, last in rows}

    async def manifests(self, shard: int) -> list[Manifest]:
        """The newest manifest of each epoch, ascending by epoch."""
        columns = Manifest.__struct_fields__
        rows = await self._rows(
            f"SELECT {', '.join(columns)} FROM manifest FINAL WHERE shard = {{shard:UInt16}} ORDER BY epoch",  # noqa: S608 - our own names
            shard=shard,
        )
        return [Manifest(*row) for row in rows]

    # -- loading

    async def nodes(self, shard: int) -> AsyncIterator[Sequence[LoadedNode]]:
        """All nodes of a shard, in blocks."""
        stream = self._blocks(
            "SELECT entity, version, base64Decode(state) FROM nodes FINAL WHERE shard = {shard:UInt16}",
            {"shard": shard},
        )
        async for block in stream:
            yield [LoadedNode(entity.decode(), version, state) for entity, version, state in block]

    async def rolling(self, shard: int, epoch: int) -> AsyncIterator[Sequence[LoadedRow]]:
        """The rolling rows of one generation that are not deleted, in blocks."""
        for table in TABLES:
            query = (
                f"SELECT {_columns(table)} FROM {table.name} FINAL"  # noqa: S608 - our own names
                " WHERE shard = {shard:UInt16} AND epoch = {epoch:UInt32} AND is_deleted = 0"
            )
            keys, measures = len(table.key), len(table.key) + len(table.measures)
            async for block in self._blocks(query, {"shard": shard, "epoch": epoch}):
                yield [
                    LoadedRow(
                        table.name,
                        tuple(part.decode() for part in row[:keys]),
                        [int(measure) for measure in row[keys:measures]],
                        dict(row[measures]) if table.sparse else {},
                        row[-1],
                    )
                    for row in block
                ]

    async def rolling_version(self, shard: int, epoch: int) -> int:
        """The greatest version of a generation's rolling rows, deleted ones included; 0 without any."""
        parts = " UNION ALL ".join(
            f"SELECT max(version) AS version FROM {table.name}"  # noqa: S608 - our own names
            " WHERE shard = {shard:UInt16} AND epoch = {epoch:UInt32}"
            for table in TABLES
        )
        found = await self._rows(f"SELECT max(version) FROM ({parts})", shard=shard, epoch=epoch)  # noqa: S608 - our own names
        return int(found[0][0])

    async def copy_generation(self, shard: int, source: int, epoch: int) -> None:
        """Copy a generation's rows into another epoch, within ClickHouse."""
        for table in TABLES:
            names = [*table.key, *table.measures, *([table.sparse] if table.sparse else [])]
            await self._command(
                f"INSERT INTO {table.name} (shard, epoch, version, is_deleted, {', '.join(names)})"  # noqa: S608 - our own names
                f" SELECT shard, {{epoch:UInt32}}, {{version:UInt64}}, 0, {', '.join(names)} FROM {table.name} FINAL"
                " WHERE shard = {shard:UInt16} AND epoch = {source:UInt32} AND is_deleted = 0",
                shard=shard,
                source=source,
                epoch=epoch,
                version=epoch << 32,
            )

    async def drop_generations(self, epochs: Mapping[int, int]) -> None:
        """Delete the rolling rows of shards below these epochs: nobody shows or copies them any more."""
        if not epochs:
            return
        older = " OR ".join(f"(shard = {shard} AND epoch < {epoch})" for shard, epoch in sorted(epochs.items()))
        for table in TABLES:
            where = f"FROM {table.name} WHERE {older}"
            if int((await self._rows(f"SELECT count() {where}"))[0][0]):
                await self._command(f"ALTER TABLE {table.name} DELETE WHERE {older}")

    # -- rules

    async def use_rules(self, rules_hash: str, content: str) -> None:
        """Append these rules if they are new; raise `RulesConflictError` if others came after them."""
        rows = await self._rows("SELECT seq, hash FROM rules FINAL ORDER BY seq, hash")
        if rows and rows[-1][1] == rules_hash:
            return
        if any(known == rules_hash for _, known in rows):
            raise RulesConflictError(
                f"this worker's rules ({rules_hash}) are not the newest: {rows[-1][1]} came after them. Two sets of"
                " rules do not take turns: correct the settings, or put these in force again with"
                f" `sixfold rules use {rules_hash}`"
            )
        seq = int(rows[-1][0]) + 1 if rows else 1
        line = {"seq": seq, "hash": rules_hash, "content": content}
        await self._insert("rules", [msgspec.json.encode(line)])
        await self.use_rules(rules_hash, content)  # someone else may have been faster

    # -- the client

    async def _rows(self, query: str, **parameters: object) -> Sequence[Sequence[Any]]:
        result = await asyncio.to_thread(self._client.query, query, parameters=parameters)
        return result.result_rows

    async def _command(self, command: str, **parameters: object) -> None:
        await asyncio.to_thread(self._client.command, command, parameters=parameters)

    async def _blocks(self, query: str, parameters: dict[str, Any]) -> AsyncIterator[Sequence[Sequence[Any]]]:
        """Rows in blocks as they arrive; texts as bytes."""
        stream: AbstractContextManager[Iterator[Sequence[Sequence[Any]]]] = await asyncio.to_thread(
            self._client.query_row_block_stream,
            query,
            parameters=parameters,
            query_formats={"String": "bytes"},
        )
        with stream as blocks:
            while (block := await asyncio.to_thread(next, blocks, None)) is not None:
                yield block


def _columns(table: Table) -> str:
    names = [f"toString({name})" for name in table.key]
    names += [f"toString({name})" if name in table.big else name for name in table.measures]
    return ", ".join([*names, *([table.sparse] if table.sparse else []), "version"])


class Body:
    """Lines as the body of a request: what is sent is a piece at a time, so that they are never copied as a whole.

    It may be iterated again, as for a request that is sent again. Its length is in bytes.
    """

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = lines

    def __len__(self) -> int:
        return sum(map(len, self._lines)) + len(self._lines)

    def __iter__(self) -> Iterator[bytes]:
        for part in _parts(self._lines, PIECE_BYTES):
            yield b"\n".join((*map(bytes, part), b""))


def _parts(lines: Sequence[Line], size: int) -> Iterator[Sequence[Line]]:
    """Lines in their order, cut so that each part has about `size` bytes at most; a larger line stands alone."""
    begin = filled = 0
    for index, line in enumerate(lines):
        if filled and filled + len(line) > size:
            yield lines[begin:index]
            begin, filled = index, 0
        filled += len(line) + 1
    yield lines[begin:]
