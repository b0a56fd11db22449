"""Native blocks for clients of a newer protocol version, from the real engine."""

from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from deploy.embedded.native_blocks import VERSION, UnknownTypeError, with_headers
from tests.clickhouse import ClickHouseServer

HEADER = bytes((1, 0, 2, 255, 255, 255, 255, 0))
# each with values of different lengths, so that a wrong width cannot end up right
COLUMNS = {
    "UInt8": "toUInt8(number)",
    "Int16": "toInt16(number - 5)",
    "UInt32": "toUInt32(number)",
    "Int64": "toInt64(number)",
    "UInt128": "toUInt128(number)",
    "Int256": "toInt256(number)",
    "Float32": "toFloat32(number)",
    "Float64": "number / 3",
    "Bool": "number % 2 = 0 ? true : false",
    "Decimal(9, 2)": "toDecimal32(number, 2)",
    "Decimal(18, 4)": "toDecimal64(number, 4)",
    "Decimal(38, 4)": "toDecimal128(number, 4)",
    "Decimal(76, 4)": "toDecimal256(number, 4)",
    "Date": "toDate(number)",
    "Date32": "toDate32(number)",
    "DateTime": "toDateTime(number, 'UTC')",
    "DateTime64(6, 'UTC')": "toDateTime64(number, 6, 'UTC')",
    "Enum8": "CAST(number % 2, 'Enum8(\\'it\\\\\\'s, (a\\' = 0, \\'b)\\' = 1)')",
    "FixedString(5)": "toFixedString(toString(number), 5)",
    "UUID": "toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0')",
    "IPv4": "toIPv4('127.0.0.1')",
    "IPv6": "toIPv6('::1')",
    "IntervalDay": "toIntervalDay(number)",
    "String": "repeat('ä', toUInt8(number * 90))",
    "Nullable(String)": "number = 1 ? NULL : repeat('x', number)",
    "Nullable(Decimal(38, 4))": "number = 1 ? NULL : toDecimal128(number, 4)",
    "Nullable(Nothing)": "NULL",
    "LowCardinality(String)": "toLowCardinality(repeat('y', number % 3))",
    "LowCardinality(Nullable(String))": "toLowCardinality(number = 1 ? NULL : toString(number))",
    "Array(String)": "arrayMap(i -> repeat('z', i), range(number))",
    "Array(Array(UInt16))": "arrayMap(i -> range(toUInt16(i)), range(number))",
    "Array(LowCardinality(String))": "[toLowCardinality(toString(number)), 'a']",
    "Map(String, Int64)": "map('a', toInt64(number), toString(number), 2)",
    "Tuple(UInt8, Array(String))": "(toUInt8(number), [toString(number)])",
    "Named tuple": "CAST((number, toDateTime64(1, 6, 'UTC')), 'Tuple(`my id` UInt64, at DateTime64(6, \\'UTC\\'))')",
    "SimpleAggregateFunction(sum, UInt64)": "CAST(number, 'SimpleAggregateFunction(sum, UInt64)')",
}


def ask(server: ClickHouseServer, select: str, **keys: object) -> bytes:
    url = f"http://{server.host}:{server.port}/?{urlencode({'default_format': 'Native', **keys})}"
    headers = {"X-ClickHouse-User": server.user, "X-ClickHouse-Key": server.password}
    with urlopen(Request(url, select.encode(), headers), timeout=60) as reply:
        return bytes(reply.read())


def length(number: int) -> bytes:
    """A number of 7 bits a byte."""
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*out, number))


def column(body: bytes, rows: int, name: str) -> tuple[bytes, bytes]:
    """The head (name and type) and the data of a block with this one column."""
    start = bytes((1, rows))
    assert body.startswith(start + length(len(name)) + name.encode())
    type_at = len(start) + 1 + len(name)
    end = type_at + 1 + body[type_at]
    return body[len(start) : end], body[end:]


@pytest.mark.parametrize("rows", [1, 4])
def test_columns_of_every_type_are_told_apart(rows: int, clickhouse_server: ClickHouseServer) -> None:
    """How long each column is alone is known; together they stand one after the other."""
    columns = {f"c{n}": sql for n, sql in enumerate(COLUMNS.values())}
    every = ", ".join(f"{sql} AS {name}" for name, sql in columns.items())
    select = f"SELECT {every} FROM numbers({rows})"
    plain = ask(clickhouse_server, select)
    at = 2
    expected = HEADER + plain[:at]
    for name, sql in columns.items():
        head, data = column(ask(clickhouse_server, f"SELECT {sql} AS {name} FROM numbers({rows})"), rows, name)
        assert plain[at : at + len(head)] == head
        end = at + len(head) + len(data)  # below a NULL anything may stand
        expected += head + b"\0" + plain[at + len(head) : end]
        at = end
    assert at == len(plain)
    assert ask(clickhouse_server, select, client_protocol_version=VERSION) == expected
    assert len(ask(clickhouse_server, select, client_protocol_version=VERSION - 1)) == len(plain), "clickhouse-connect"


def test_large_replies_come_in_blocks_with_a_header_each(clickhouse_server: ClickHouseServer) -> None:
    body = ask(clickhouse_server, "SELECT number AS n FROM numbers(200000)", client_protocol_version=54460)
    head = bytes((1, *b"n", 6, *b"UInt64", 0))
    blocks, rows, at = 0, 0, 0
    while at < len(body):
        assert body[at : at + len(HEADER) + 1] == HEADER + b"\x01"
        at += len(HEADER) + 1
        size = shift = 0
        while True:
            byte = body[at]
            at, size, shift = at + 1, size | (byte & 0x7F) << shift, shift + 7
            if byte < 0x80:
                break
        assert body[at : at + len(head)] == head
        at += len(head) + 8 * size
        blocks, rows = blocks + 1, rows + size
    assert (rows, blocks > 1) == (200_000, True)


def test_no_row_is_no_block(clickhouse_server: ClickHouseServer) -> None:
    assert with_headers(b"") == b""
    body = ask(clickhouse_server, "SELECT 1 AS n WHERE 0", client_protocol_version=54460)
    assert body in (b"", HEADER + bytes((1, 0, 1, *b"n", 5, *b"UInt8", 0)))


def test_a_type_that_is_not_known_is_named(clickhouse_server: ClickHouseServer) -> None:
    body = ask(clickhouse_server, "SELECT sumState(1) AS s")
    with pytest.raises(UnknownTypeError, match=r"columns of type AggregateFunction\(sum"):
        with_headers(body)
