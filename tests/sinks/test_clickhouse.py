"""How rows get into ClickHouse: in inserts of a bounded size, whole or not at all, a second time without harm."""

import asyncio
import json
from collections.abc import Generator

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import OperationalError

from sinks.clickhouse import INSERT_BYTES, PIECE_BYTES, Body, ClickHouseStore
from stream.resting import Line, Lines

LONG = "x" * 1_000


def nodes(count: int, text: str = LONG) -> list[bytes]:
    """Rows of the table `nodes`, each of them a node of its own."""
    return [
        json.dumps({"shard": 0, "entity": f"lead:{number}", "version": 1, "state": f"{text}{number}"}).encode()
        for number in range(count)
    ]


def at_rest(rows: list[bytes]) -> list[Line]:
    """The rows as a shard has them until they are written, most of them compressed."""
    lines = Lines()
    for row in rows:
        lines.append(row)
    return lines.take()


def written(client: Client) -> list[tuple[str, int]]:
    return [tuple(row) for row in client.query("SELECT entity, length(state) FROM nodes ORDER BY entity").result_rows]


@pytest.mark.parametrize("compressed", [False, True])
def test_more_than_one_insert_takes(database: Client, *, compressed: bool) -> None:
    lines = nodes(9_000)
    told: list[tuple[str, int, int]] = []
    store = ClickHouseStore(database, "test", lambda table, rows, size, _: told.append((table, rows, size)))
    size = sum(len(line) + 1 for line in lines)
    assert size > INSERT_BYTES
    asyncio.run(store.insert({"nodes": at_rest(lines) if compressed else lines}))
    assert len(written(database)) == 9_000
    assert told == [("nodes", 9_000, size)]


def test_a_row_larger_than_an_insert_may_be_is_one_insert(database: Client) -> None:
    asyncio.run(
        ClickHouseStore(database, "test").insert({"nodes": [*nodes(1, "y" * (INSERT_BYTES + 1)), *nodes(3)[1:]]})
    )
    found = written(database)
    assert [entity for entity, _ in found] == ["lead:0", "lead:1", "lead:2"]
    assert found[0][1] > INSERT_BYTES


@pytest.mark.parametrize("compressed", [False, True])
def test_a_body_is_sent_in_pieces_of_whole_lines_as_often_as_asked(*, compressed: bool) -> None:
    lines = nodes(1_000)
    body = Body(at_rest(lines) if compressed else lines)
    for _ in range(2):
        pieces = list(body)
        assert b"".join(pieces) == b"\n".join(lines) + b"\n"
        assert len(b"".join(pieces)) == len(body)
        assert len(pieces) > 1
        assert all(len(piece) <= PIECE_BYTES for piece in pieces)


def test_an_insert_that_is_cut_off_writes_nothing(database: Client) -> None:
    def cut() -> Generator[bytes]:
        """Whole lines, and then the sender is gone."""
        yield b"\n".join(nodes(500)) + b"\n"
        raise ConnectionError("killed")

    with pytest.raises((ConnectionError, OperationalError)):
        database.raw_insert("nodes", insert_block=cut(), fmt="JSONEachRow")
    assert written(database) == []
    asyncio.run(ClickHouseStore(database, "test").insert({"nodes": nodes(2)}))
    assert [entity for entity, _ in written(database)] == ["lead:0", "lead:1"]


def test_claims_say_under_which_rules_they_were_made(database: Client) -> None:
    store = ClickHouseStore(database, "worker")

    async def claim() -> None:
        for number, rules in ((3, "a"), (3, "b"), (4, "x"), (3, "b"), (3, "c")):
            await store.claim(number, rules)
        assert await store.epochs() == {3: 4, 4: 1}
        assert await store.claimed_under(3, 1, 4) == {"b"}
        assert await store.claimed_under(3, 0, 5) == {"a", "b", "c"}
        assert await store.claimed_under(3, 3, 4) == set()
        # one of a version that did not say it
        await store.insert({"claims": [b'{"shard":3,"epoch":5,"token":"t","worker":"w"}']})
        assert await store.claimed_under(3, 4, await store.claim(3, "c")) == {""}

    asyncio.run(claim())
