"""The embedded ClickHouse interface, driven as its users do: by ClickHouse clients and by plain HTTP."""

from __future__ import annotations

import base64
import gzip
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead
from pathlib import Path
from urllib.parse import urlencode
from uuid import UUID, uuid4

import clickhouse_connect
import lz4.frame
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError

from deploy.embedded.clickhouse_http import Endpoint
from deploy.embedded.frames import packer, unpack, unpack_frames, zstd

PASSWORD = "write-'pw\u00e9"
READER_PASSWORD = "read-pw"
USERS = {"sixfold": PASSWORD, "sixfold_reader": READER_PASSWORD}


class Server:
    """One process of the embedded server."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port

    def request(
        self,
        body: bytes | str = b"",
        method: str = "POST",
        user: str = "sixfold",
        headers: dict[str, str] | None = None,
        path: str = "/",
        **keys: str,
    ) -> tuple[HTTPResponse, bytes]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        credentials = {"X-ClickHouse-User": user, "X-ClickHouse-Key": USERS.get(user, "")}
        credentials = {k: v.encode().decode("latin-1") for k, v in credentials.items()}
        try:
            connection.request(
                method,
                f"{path}?{urlencode(keys)}" if keys else path,
                body.encode() if isinstance(body, str) else body,
                credentials if headers is None else headers,
            )
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()

    def sql(self, statement: bytes | str, **keys: str) -> str:
        response, body = self.request(statement, **keys)
        assert response.status == 200, body
        return body.decode()

    def refused(self, statement: bytes | str, **more: str) -> tuple[int, int, str]:
        response, body = self.request(statement, **more)
        return response.status, int(response.getheader("X-ClickHouse-Exception-Code") or 0), body.decode()

    def client(self, user: str = "sixfold", **more: object) -> Client:
        return clickhouse_connect.get_client(
            host="127.0.0.1", port=self.port, username=user, password=USERS[user], **more
        )


def start(data: Path, *options: str, port: int = 0, **environment: str) -> subprocess.Popen[str]:
    passwords = {
        "SIXFOLD_CLICKHOUSE_PASSWORD": PASSWORD,
        "SIXFOLD_CLICKHOUSE_READER_PASSWORD": READER_PASSWORD,
    }
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "deploy.embedded.clickhouse",
            "--port",
            str(port),
            "--data",
            str(data),
            *options,
        ],
        env=os.environ | passwords | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def serving(data: Path) -> Iterator[Server]:
    process = start(data)
    assert process.stdout is not None
    assert process.stderr is not None
    line = process.stdout.readline()
    assert line, process.stderr.read()
    try:
        yield Server(process, json.loads(line)["port"])
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("clickhouse")) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[Client]:
    with server.client() as made:
        yield made


@pytest.fixture
def table(server: Server) -> Iterator[str]:
    """A table (id UInt64, name String) of this test's own."""
    name = f"t_{uuid4().hex}"
    server.sql(f"CREATE TABLE {name} (id UInt64, name String) ENGINE = MergeTree ORDER BY id")
    yield name
    server.sql(f"DROP TABLE IF EXISTS {name}")


# Statements and formats


def test_it_answers_a_ping_without_credentials(server: Server) -> None:
    response, body = server.request(method="GET", path="/ping", headers={})
    assert (response.status, body) == (200, b"Ok.\n")


def test_a_statement_stands_in_the_url_or_in_the_body_or_in_both(server: Server) -> None:
    assert server.sql("", query="SELECT 1") == "1\n"
    assert server.sql("SELECT 1") == "1\n"
    assert server.sql("+ 1", query="SELECT 1") == "2\n"
    assert server.sql("", method="GET", query="SELECT 1") == "1\n"
    assert server.sql("SELECT 1 ; ") == "1\n"
    assert server.sql("(SELECT 1) UNION ALL (SELECT 1)") == "1\n1\n"


@pytest.mark.parametrize("keys", [{"default_format": "CSV"}, {"header": "CSV"}, {"sql": " FORMAT CSV"}, {}])
def test_the_format_comes_from_the_statement_the_url_or_a_header(server: Server, keys: dict[str, str]) -> None:
    headers = {"X-ClickHouse-User": "sixfold", "X-ClickHouse-Key": PASSWORD.encode().decode("latin-1")}
    if "header" in keys:
        headers["X-ClickHouse-Format"] = "CSV"
    url = {"default_format": keys["default_format"]} if "default_format" in keys else {}
    response, body = server.request("SELECT 'a' AS format" + keys.get("sql", ""), headers=headers, **url)
    assert body == (b'"a"\n' if keys else b"a\n")
    assert response.getheader("X-ClickHouse-Format") == ("CSV" if keys else "TabSeparated")


def test_the_format_in_the_statement_wins(server: Server) -> None:
    response, body = server.request("SELECT 1 AS a FORMAT JSONEachRow SETTINGS max_threads = 1", default_format="CSV")
    assert body == b'{"a":1}\n'
    assert response.getheader("X-ClickHouse-Format") == "JSONEachRow"


def test_reply_headers(server: Server) -> None:
    response, _ = server.request("SELECT 1", query_id="mine")
    assert response.getheader("X-ClickHouse-Query-Id") == "mine"
    assert response.getheader("X-ClickHouse-Timezone")
    assert response.getheader("X-ClickHouse-Server-Display-Name") == "sixfold"
    summary = json.loads(response.getheader("X-ClickHouse-Summary") or "")
    assert int(summary["elapsed_ns"]) > 0


# Inserts


@pytest.mark.parametrize(
    ("query", "body"),
    [
        (
            None,
            'INSERT INTO {t} FORMAT JSONEachRow\n{{"id":1,"name":"a; b"}}\n{{"id":2,"name":"format CSV"}}',
        ),
        (None, "insert into {t} (name, id) format TSV\r\na; b\t1\nformat CSV\t2\n"),
        ("INSERT INTO {t} FORMAT JSONEachRow", '{{"id":1,"name":"a; b"}}\n{{"id":2,"name":"format CSV"}}'),
        ("INSERT INTO {t} (id, name) FORMAT Values", "(1, 'a; b'), (2, 'format CSV')"),
        (None, "INSERT INTO {t} VALUES (1, 'a; b'), (1 + 1, 'format CSV')"),
        (None, "INSERT INTO {t} VALUES (1, 'a; b'), (1 + 1, 'format CSV');"),
        ("INSERT INTO {t} VALUES", "(1, 'a; b'), (2, 'format CSV')"),
        (None, "INSERT INTO {t} SELECT number + 1, ['a; b', 'format CSV'][number + 1] FROM numbers(2)"),
        (
            None,
            "/* FORMAT CSV */ INSERT INTO `{t}` -- VALUES\n (id, name) VALUES (1, 'a; b'), (2, 'format CSV')",
        ),
    ],
)
def test_rows_go_in_by_every_way(server: Server, table: str, query: str | None, body: str) -> None:
    keys = {} if query is None else {"query": query.format(t=table)}
    assert server.sql(body.format(t=table), **keys) == ""
    assert server.sql(f"SELECT * FROM {table} ORDER BY id") == "1\ta; b\n2\tformat CSV\n"


def test_an_insert_reports_its_rows(server: Server, table: str) -> None:
    response, _ = server.request(f"INSERT INTO {table} VALUES (1, 'a'), (2, 'b')")
    assert json.loads(response.getheader("X-ClickHouse-Summary") or "")["written_rows"] == "2"


def test_a_bad_row_at_the_end_inserts_nothing(server: Server, table: str) -> None:
    rows = b"\n".join(b'{"id":%d}' % i for i in range(50_000)) + b'\n{"id":"x"}'
    status, code, text = server.refused(rows, query=f"INSERT INTO {table} FORMAT JSONEachRow")
    assert (status, code) == (400, 27)
    assert "at row 50001" in text
    assert server.sql(f"SELECT count() FROM {table}") == "0\n"


def test_an_insert_that_would_lose_its_rows_is_refused(server: Server, table: str) -> None:
    text = f"INSERT INTO {table} SELECT x, 'a' FROM input('x UInt8') FORMAT CSV\n1\n"
    assert server.refused(text)[:2] == (501, 48)
    assert server.refused(f"INSERT INTO {table} VALUES (1, 'a'); (2, 'b')")[:2] == (400, 62)
    assert server.sql(f"SELECT count() FROM {table}") == "0\n"


def test_an_empty_insert_is_no_error(server: Server, table: str) -> None:
    assert server.sql("", query=f"INSERT INTO {table} FORMAT JSONEachRow") == ""


def test_settings_reach_an_insert(server: Server, table: str) -> None:
    row = '{"id": 1, "more": 2}'
    into = f"INSERT INTO {table} FORMAT JSONEachRow"
    assert server.refused(row, query=into, input_format_skip_unknown_fields="0")[:2] == (400, 117)
    server.sql(row, query=into, input_format_skip_unknown_fields="1", async_insert="1", wait_for_async_insert="1")
    assert server.sql(f"SELECT id FROM {table}") == "1\n"


def test_parameters_reach_an_insert_and_go_no_further(server: Server, table: str) -> None:
    server.sql(
        "INSERT INTO {t:Identifier} VALUES ({a:UInt64}, {b:String})",
        param_t=table,
        param_a="7",
        param_b="x\\ty",
    )
    assert server.sql(f"SELECT * FROM {table}") == "7\tx\\ty\n"
    assert server.refused("SELECT {b:String}")[1] == 456


# Compression


CODINGS = {
    "gzip": (gzip.compress, gzip.decompress),
    "deflate": (zlib.compress, zlib.decompress),
    "lz4": (lz4.frame.compress, lz4.frame.decompress),
    "zstd": (zstd.compress, zstd.decompress),
}


@pytest.mark.parametrize("coding", CODINGS)
def test_compressed_requests_and_replies(server: Server, table: str, coding: str) -> None:
    compress, decompress = CODINGS[coding]
    headers = {"X-ClickHouse-User": "sixfold", "X-ClickHouse-Key": PASSWORD.encode().decode("latin-1")}
    body = compress(b"INSERT INTO %s FORMAT JSONEachRow\n" % table.encode() + b'{"id":1,"name":"abc"}\n' * 1000)
    response, text = server.request(body, headers=headers | {"Content-Encoding": coding})
    assert response.status == 200, text
    for rows in (3, 1_000_000):  # in one piece and in many
        response, packed = server.request(
            f"SELECT number FROM numbers({rows})",
            headers=headers | {"Accept-Encoding": coding},
            enable_http_compression="1",
        )
        assert response.getheader("Content-Encoding") == coding
        assert decompress(packed) == b"".join(b"%d\n" % i for i in range(rows))
    assert server.sql(f"SELECT count(), uniq(name) FROM {table}") == "1000\t1\n"


def test_native_frames_in_and_out(server: Server, table: str) -> None:
    rows = b"".join(b'{"id":%d,"name":"abc"}\n' % i for i in range(100_000))
    pack, _ = packer(native=True, accept_encoding="")
    query = f"INSERT INTO {table} FORMAT JSONEachRow"
    response, text = server.request(pack.feed(rows) + pack.finish(), query=query, decompress="1")
    assert response.status == 200, text
    _, packed = server.request(f"SELECT id FROM {table} ORDER BY id", compress="1")
    assert unpack_frames(packed, 1 << 30) == b"".join(b"%d\n" % i for i in range(100_000))


@pytest.mark.parametrize("coding", [*CODINGS, "br"])
def test_damaged_or_unknown_compression_is_a_bad_request(server: Server, coding: str) -> None:
    headers = {"X-ClickHouse-User": "sixfold", "X-ClickHouse-Key": PASSWORD.encode().decode("latin-1")}
    cut = CODINGS[coding][0](b"SELECT 1" * 100)[:-6] if coding in CODINGS else b"x"
    for body in (b"no such thing", cut):
        response, text = server.request(body, headers=headers | {"Content-Encoding": coding})
        assert response.status == 400, text
        assert response.getheader("X-ClickHouse-Exception-Code") == "271"


def test_a_native_frame_with_a_wrong_bit_is_a_bad_request(server: Server) -> None:
    pack, _ = packer(native=True, accept_encoding="")
    body = bytearray(pack.feed(b"SELECT 1"))
    body[-1] ^= 1
    assert server.refused(bytes(body), decompress="1")[:2] == (400, 271)


@pytest.mark.parametrize("coding", CODINGS)
def test_unpacking_stops_at_the_limit(coding: str) -> None:
    bomb = CODINGS[coding][0](bytes(20_000_000))
    with pytest.raises(ValueError, match="more than 1000000 bytes"):
        unpack(bomb, coding, 1_000_000)
    assert len(unpack(bomb, coding, 20_000_000)) == 20_000_000


# Who may connect


@pytest.mark.parametrize("way", ["header", "basic", "url"])
@pytest.mark.parametrize("right", [True, False])
def test_every_way_to_give_a_password(server: Server, way: str, right: bool) -> None:
    password = PASSWORD if right else PASSWORD + "x"
    headers: dict[str, str] = {}
    path = "/"
    if way == "header":
        headers = {"X-ClickHouse-User": "sixfold", "X-ClickHouse-Key": password.encode().decode("latin-1")}
    elif way == "basic":
        headers = {"Authorization": "Basic " + base64.b64encode(f"sixfold:{password}".encode()).decode()}
    else:
        path += "?" + urlencode({"user": "sixfold", "password": password})
    response, body = server.request("SELECT 1", headers=headers, path=path)
    if right:
        assert (response.status, body) == (200, b"1\n")
    else:
        assert (response.status, response.getheader("X-ClickHouse-Exception-Code")) == (403, "516")
        assert password.encode() not in body


def test_nobody_enters_without_a_password(server: Server) -> None:
    for headers in ({}, {"X-ClickHouse-User": "default"}, {"X-ClickHouse-User": "sixfold"}):
        response, _ = server.request("SELECT 1", headers=headers)
        assert response.status == 403


# Errors


@pytest.mark.parametrize(
    ("statement", "status", "code"),
    [
        ("SELECT * FROM no_such_table", 404, 60),
        ("SELECT no_such_column", 404, 47),
        ("SELECT * FROM nowhere.t", 404, 81),
        ("SELEC 1", 400, 62),
        ("", 400, 62),
        ("SELECT 'open", 400, 62),
        ("SELECT 1; SELECT 2", 400, 62),
        ("SELECT 1; DROP TABLE t; SELEC", 400, 62),
        ("SELECT 1 SETTINGS no_such_setting = 1", 404, 115),
        ("SELECT throwIf(number = 1) FROM numbers(2)", 400, 395),
        ("SELECT 1 FORMAT NoSuchFormat", 404, 73),
        (b"SELECT '\xff'", 400, 62),
    ],
)
def test_errors_have_clickhouses_code_and_a_fitting_status(
    server: Server, statement: str | bytes, status: int, code: int
) -> None:
    found_status, found_code, text = server.refused(statement)
    assert (found_status, found_code) == (status, code), text
    assert text.startswith(f"Code: {code}. DB::Exception: ")
    assert "(version " in text


def test_several_statements_run_none(server: Server, table: str) -> None:
    assert server.refused(f"DROP TABLE {table}; SELECT 1")[1] == 62
    assert server.refused(f"INSERT INTO {table} VALUES (1, 'a'); DROP TABLE {table}")[0] == 400
    assert server.sql(f"SELECT count() FROM {table}") == "0\n"


def test_a_get_does_not_write(server: Server, table: str) -> None:
    for query in (f"DROP TABLE {table}", f"INSERT INTO {table} VALUES (1, 'a')", "SET max_threads = 1"):
        assert server.refused(b"", method="GET", query=query)[1] == 164
    assert server.sql(f"SELECT count() FROM {table}") == "0\n"


def test_an_error_after_the_first_pieces_cannot_pass_for_a_whole_reply(server: Server, client: Client) -> None:
    query = "SELECT number, throwIf(number = 3000000) FROM numbers(4000000) SETTINGS max_threads = 1"
    with pytest.raises(IncompleteRead) as cut:
        server.request(query)
    assert b"Code: 395" in cut.value.partial
    with pytest.raises(ClickHouseError), client.query_row_block_stream(query) as stream:
        for _ in stream:
            pass
    status, code, _ = server.refused(query, wait_end_of_query="1")
    assert (status, code) == (400, 395)


@pytest.mark.parametrize("format_name", ["JSON", "Native", "TabSeparated"])
@pytest.mark.parametrize("session", ["", "after-failure"])
def test_what_a_failed_statement_had_written_is_not_in_the_next_reply(
    server: Server, format_name: str, session: str
) -> None:
    keys = {"session_id": session}
    failing = "SELECT number, throwIf(number = 300000) FROM numbers(400000) SETTINGS max_threads = 1"
    for statement in (
        "SELECT 42",
        "SELECT number + 42 FROM numbers(1) FORMAT CSV",
        "SHOW DATABASES LIKE 'default'",
    ):
        assert server.refused(failing, default_format=format_name, wait_end_of_query="1", **keys)[1] == 395
        assert server.sql(statement, **keys) in ("42\n", "default\n")


# Settings, parameters, databases, sessions


def test_settings_hold_for_one_request(server: Server) -> None:
    ask = "SELECT getSetting('max_block_size'), getSetting('log_comment')"
    standard = server.sql(ask)
    assert server.sql(ask, max_block_size="1234", log_comment="it's \\ me") == "1234\tit\\'s \\\\ me\n"
    assert server.sql(ask) == standard
    assert server.refused("SELECT 1", no_such_setting="1")[:2] == (404, 115)
    assert server.refused("SELECT 1", **{"max_threads = 1, readonly": "1"})[:2] == (404, 115)
    assert server.sql(ask, max_block_size="1234", log_comment="") == "1234\t\n"
    assert server.sql(ask) == standard
    server.sql("SET max_block_size = 77")
    server.sql("SELECT 1", allow_ddl="0")
    server.sql("SELECT 1", readonly="1")
    assert server.sql(ask) == standard


def test_parameters_are_bound_by_the_server(server: Server) -> None:
    hostile = "'; DROP TABLE t --"
    assert server.sql("SELECT {x:String} = 'x', {n:UInt8} + 1", param_x=hostile, param_n="41") == "0\t42\n"
    assert server.sql("SELECT {x:String} FORMAT TSVRaw", param_x=hostile) == hostile + "\n"
    assert server.sql("SELECT length({x:String})", param_x="a\\tb\\\\") == "4\n"
    assert server.refused("SELECT {n:UInt8}", param_n="x")[:2] == (400, 457)
    assert server.refused("SELECT {n:UInt8}")[:2] == (400, 456)


def test_each_request_sees_its_own_database_under_concurrency(server: Server) -> None:
    names = [*(f"db_{i}" for i in range(4)), "we`ird \\ name"]
    for name in names:
        quoted = "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
        server.sql(f"CREATE DATABASE {quoted}")
        server.sql("CREATE TABLE here (name String) ENGINE = MergeTree ORDER BY name", database=name)
        server.sql(json.dumps({"name": name}), query="INSERT INTO here FORMAT JSONEachRow", database=name)

    def ask(i: int) -> None:
        name = names[i % len(names)]
        found = server.sql("SELECT currentDatabase(), name FROM here FORMAT JSONCompactEachRow", database=name)
        assert json.loads(found) == [name, name]
        assert server.sql("SELECT currentDatabase()") == "default\n"

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(ask, range(60)))
    assert server.refused("SELECT 1", database="nowhere")[:2] == (404, 81)


def test_sessions_keep_their_own_temporary_tables_and_database(server: Server) -> None:
    for session in ("one", "two"):
        server.sql("CREATE TEMPORARY TABLE scratch (a String)", session_id=session)
        server.sql(f"INSERT INTO scratch VALUES ('{session}')", session_id=session)
    server.sql("USE system", session_id="one")
    assert server.sql("SELECT a, currentDatabase() FROM scratch", session_id="one") == "one\tsystem\n"
    assert server.sql("SELECT a, currentDatabase() FROM scratch", session_id="two") == "two\tdefault\n"
    assert server.sql("SELECT currentDatabase()", session_id="one", database="default") == "default\n"
    assert server.refused("SELECT * FROM scratch")[1] == 60
    assert server.refused("SELECT * FROM scratch", session_id="three")[1] == 60
    assert server.refused("SELECT 1", session_id="four", session_check="1")[:2] == (404, 372)
    assert server.refused("SELECT * FROM scratch", session_id="one", user="sixfold_reader")[1] == 60


def test_without_a_session_nothing_stays(server: Server) -> None:
    server.sql("CREATE TEMPORARY TABLE scratch (a String)")
    server.sql("CREATE TEMPORARY TABLE scratch (a String)")
    server.sql("USE system")
    assert {server.sql("SELECT currentDatabase()") for _ in range(5)} == {"default\n"}


# Side by side


def test_an_insert_does_not_wait_for_slow_reports(server: Server, table: str) -> None:
    """More slow reports than the server has threads for them: an insert goes past those that run and wait."""

    def report(_: int) -> str:
        return server.sql("SELECT sum(sleepEachRow(1)) FROM numbers(2) SETTINGS max_block_size = 1")

    with ThreadPoolExecutor(12) as threads:
        reports = [threads.submit(report, i) for i in range(12)]
        while server.sql("SHOW PROCESSLIST").count("sleepEachRow") < 8:
            time.sleep(0.05)
        server.sql(f"INSERT INTO {table} VALUES (1, 'a')")
        assert not any(finished.done() for finished in reports)
    assert [finished.result() for finished in reports] == ["0\n"] * 12


def test_a_slow_reader_does_not_hold_up_the_owner(server: Server) -> None:
    slow = "SELECT sum(sleepEachRow(1)) FROM numbers(2) SETTINGS max_block_size = 1"
    with ThreadPoolExecutor(8) as threads:
        reports = [threads.submit(server.sql, slow, user="sixfold_reader") for _ in range(8)]
        while server.sql("SHOW PROCESSLIST").count("sleepEachRow") < Endpoint.READER_STATEMENTS:
            time.sleep(0.05)
        assert server.sql("SELECT 1") == "1\n"
        assert not any(finished.done() for finished in reports)
    assert [finished.result() for finished in reports] == ["0\n"] * 8


def test_eight_clients_at_once(server: Server, table: str) -> None:
    def work(number: int) -> int:
        with server.client() as mine:
            for i in range(5):
                ids = range(number * 1000 + i * 100, number * 1000 + i * 100 + 100)
                mine.insert(table, [(n, str(n)) for n in ids], column_names=["id", "name"])
                assert mine.query(f"SELECT count() FROM {table} WHERE id IN {tuple(ids)}").first_row == (100,)
            return int(mine.command(f"SELECT count() FROM {table} WHERE intDiv(id, 1000) = {number}"))

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(work, range(8))) == [500] * 8
    assert server.sql(f"SELECT count(), uniqExact(id) FROM {table}") == "4000\t4000\n"


# clickhouse-connect, unchanged


def test_a_client_inserts_and_reads_many_types(client: Client) -> None:
    columns = {
        "id": "UInt64", "amount": "Decimal(38, 4)", "big": "Int128", "day": "Date",
        "at": "DateTime64(6, 'UTC')",
        "name": "Nullable(String)", "kind": "LowCardinality(String)", "counts": "Map(UInt32, Int64)",
        "tags": "Array(String)", "uid": "UUID", "ratio": "Float64", "yes": "Bool",
        "touches": "Array(Tuple(a String, b Decimal(38, 4), c DateTime64(6, 'UTC')))",
    }  # fmt: skip
    at = datetime(2026, 3, 1, 12, 30, 1, 123456)  # noqa: DTZ001 - the client gives UTC without a zone
    rows = [
        (1, Decimal("-12345678901234567890.1234"), -(2**100), date(2026, 3, 1), at, None, "k", {7: -1, 9: 2},
         ["a", "o'b"], UUID(int=5), 0.5, True, [{"a": "x", "b": Decimal("1.5000"), "c": at}]),
        (2, Decimal("0.0001"), 2**100, date(1970, 1, 1), at, "né\t", "", {}, [],
         UUID(int=6), -1.0, False, []),
    ]  # fmt: skip
    client.command("CREATE DATABASE IF NOT EXISTS typed")
    client.command(
        f"CREATE TABLE typed.t ({', '.join(f'{k} {v}' for k, v in columns.items())}) "
        "ENGINE = ReplacingMergeTree ORDER BY id"
    )
    written = client.insert("t", rows, column_names=list(columns), database="typed")
    assert written.written_rows == 2
    found = client.query("SELECT * FROM typed.t ORDER BY id")
    assert list(found.column_names) == list(columns)
    assert found.result_rows == rows
    assert client.query("SELECT * FROM typed.t WHERE id = 99").result_rows == []


def test_a_client_of_one_database(server: Server, client: Client) -> None:
    client.command("CREATE DATABASE IF NOT EXISTS only")
    with server.client(database="only") as mine:
        mine.command("CREATE TABLE t (id UInt8) ENGINE = MergeTree ORDER BY id")
        mine.insert("t", [(1,)])
        assert mine.command("SELECT count() FROM only.t") == 1
        assert mine.command("SHOW TABLES") == "t"


@pytest.mark.parametrize("compression", [None, "gzip", "lz4", "zstd"])
def test_a_client_inserts_raw_json(client: Client, table: str, compression: str | None) -> None:
    body = b'{"id":1,"name":"a"}\n{"id":"2","name":"b"}\n'
    packed = CODINGS[compression][0](body) if compression else body
    client.raw_insert(table, insert_block=packed, fmt="JSONEachRow", compression=compression)
    assert client.query(f"SELECT * FROM {table} ORDER BY id").result_rows == [(1, "a"), (2, "b")]


@pytest.mark.parametrize("compress", [True, False, "lz4", "zstd", "gzip"])
def test_a_client_reads_compressed_and_streamed(server: Server, compress: bool | str) -> None:
    with server.client(compress=compress) as mine:
        rows = mine.query("SELECT number, toString(number) FROM numbers(300000)").result_rows
        assert (len(rows), rows[-1]) == (300000, (299999, "299999"))
        with mine.query_row_block_stream("SELECT number FROM numbers(2000000)") as stream:
            sizes = [len(block) for block in stream]
        assert len(sizes) > 1
        assert sum(sizes) == 2_000_000


def test_a_client_that_leaves_ends_its_query_and_frees_its_session(server: Server) -> None:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    credentials = {"X-ClickHouse-User": "sixfold_reader", "X-ClickHouse-Key": READER_PASSWORD}
    connection.request("POST", "/?session_id=leaver", b"SELECT number FROM system.numbers", credentials)
    connection.getresponse().read(100_000)
    assert "system.numbers" in server.sql("SELECT query FROM system.processes")
    assert server.refused("SELECT 1", session_id="leaver", user="sixfold_reader")[:2] == (409, 373)
    connection.sock.close()
    connection.close()
    while "system.numbers" in server.sql("SELECT query FROM system.processes"):
        time.sleep(0.05)
    while server.request("SELECT 1", session_id="leaver", user="sixfold_reader")[0].status != 200:
        time.sleep(0.05)


def test_a_client_binds_parameters_and_sets_settings(client: Client) -> None:
    asked = client.query(
        "SELECT {a:String}, {b:Array(UInt8)}, {c:DateTime('UTC')}, getSetting('max_block_size')",
        parameters={"a": "it's\ta 'test'\n", "b": [1, 2], "c": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)},
        settings={"max_block_size": 1234},
    )
    assert asked.first_row[:2] == ("it's\ta 'test'\n", [1, 2])
    assert asked.first_row[2].replace(tzinfo=UTC) == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert asked.first_row[3] == 1234
    assert client.query("SELECT %(x)s", parameters={"x": "o'b"}).first_row == ("o'b",)


def test_a_client_is_told_what_is_wrong(server: Server, client: Client) -> None:
    with pytest.raises(DatabaseError, match=r"(?s)60.*UNKNOWN_TABLE"):
        client.query("SELECT * FROM no_such_table")
    with pytest.raises(ClickHouseError, match="516"):
        clickhouse_connect.get_client(host="127.0.0.1", port=server.port, username="sixfold", password="wrong")


# What the engine must do for the reports


def test_versions_replace_each_other_and_final_sees_the_last(client: Client) -> None:
    client.command(
        "CREATE TABLE versions (shard UInt16, id UInt64, v UInt64, is_deleted UInt8, n Int64) "
        "ENGINE = ReplacingMergeTree(v, is_deleted) ORDER BY (shard, id)"
    )
    for v in (1, 2, 3):
        client.insert("versions", [(0, i, v, int(v == 3 and i == 2), v * 10) for i in range(3)])
    assert client.query("SELECT id, n FROM versions FINAL ORDER BY id").result_rows == [(0, 30), (1, 30)]
    client.command("ALTER TABLE versions DELETE WHERE id = 0 SETTINGS mutations_sync = 2")
    assert client.query("SELECT id FROM versions FINAL").result_rows == [(1,)]
    client.command("DELETE FROM versions WHERE id = 1")
    assert client.query("SELECT id FROM versions FINAL").result_rows == []


def test_objects_fill_nested_tuples_and_missing_members_are_defaults(server: Server, client: Client) -> None:
    client.command(
        "CREATE TABLE nested (id UInt64, big Int128, counts Map(UInt32, Int64), "
        "touches Array(Tuple(a String, b Decimal(38, 4), c DateTime64(6, 'UTC')))) "
        "ENGINE = ReplacingMergeTree ORDER BY id"
    )
    row = {
        "id": 1,
        "big": str(2**100),
        "counts": {"5": -3},
        "touches": [{"a": "x", "b": "1.2345", "c": "2026-01-01 00:00:00.000001"}, {"a": "y"}, {}],
    }
    client.raw_insert("nested", insert_block=json.dumps(row), fmt="JSONEachRow")
    found = json.loads(server.sql("SELECT * FROM nested FORMAT JSONEachRow"))
    missing = {"b": 0, "c": "1970-01-01 00:00:00.000000"}
    assert found["touches"] == [
        {"a": "x", "b": 1.2345, "c": "2026-01-01 00:00:00.000001"},
        {"a": "y"} | missing,
        {"a": ""} | missing,
    ]
    assert found["counts"] == {"5": -3}
    assert client.query("SELECT big FROM nested").first_row == (2**100,)


VIEWS = """
CREATE TABLE sales (shard UInt8, id UInt64, day Date, v UInt64, amount Int64) ENGINE = ReplacingMergeTree(v)
ORDER BY (shard, id);
CREATE TABLE rates (day Date, rate Float64, v UInt64) ENGINE = ReplacingMergeTree(v) ORDER BY day;
CREATE VIEW sales_now AS SELECT * FROM sales FINAL;
CREATE VIEW rates_now AS SELECT day, toNullable(rate) AS rate FROM rates FINAL;
CREATE VIEW converted AS SELECT s.id AS id, s.day AS day, s.amount AS amount, r.rate AS rate
FROM sales_now AS s ASOF LEFT JOIN (SELECT 1 AS one, * FROM rates_now) AS r
ON r.one = s.shard AND s.day >= r.day
SETTINGS join_use_nulls = 1;
CREATE VIEW by_grain AS
SELECT multiIf({grain:String} = 'month', toStartOfMonth(day), {grain:String} = 'day', day,
throwIf(1, 'grain must be day or month')::Date) AS period,
sum(amount) AS amount, countIf(rate IS NULL) AS unknown
FROM converted GROUP BY period SETTINGS join_use_nulls = 1;
CREATE VIEW by_month AS SELECT * FROM by_grain(grain = 'month');
INSERT INTO sales VALUES (1, 1, '2026-01-05', 1, 5), (1, 1, '2026-01-05', 2, 7), (1, 2, '2026-01-25', 1, 1);
INSERT INTO rates VALUES ('2026-01-10', 2, 1);
"""


@pytest.mark.parametrize("user", USERS)
def test_parameterized_views_over_final_and_asof_give_everyone_the_same(server: Server, user: str) -> None:
    database = f"views_{user}"
    server.sql(f"CREATE DATABASE {database}")
    for statement in VIEWS.strip().split(";")[:-1]:
        server.sql(statement, database=database)
    keys = {"user": user, "database": database}
    assert server.sql("SELECT id, amount, rate FROM converted ORDER BY id", **keys) == "1\t7\t\\N\n2\t1\t2\n"
    assert server.sql("SELECT * FROM by_grain(grain = 'month')", **keys) == "2026-01-01\t8\t1\n"
    assert server.sql("SELECT * FROM by_month", **keys) == "2026-01-01\t8\t1\n"
    assert server.sql("SELECT count() FROM by_grain(grain = {g:String})", param_g="day", **keys) == "2\n"


# The read-only user


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT count() FROM {t} SETTINGS max_threads = 1",
        "WITH a AS (SELECT id FROM {t}) SELECT count() FROM a",
        "SHOW TABLES",
        "SHOW CREATE TABLE {t}",
        "DESCRIBE TABLE {t}",
        "EXISTS {t}",
        "EXPLAIN SELECT * FROM {t}",
        "(SELECT id FROM {t}) UNION ALL SELECT number FROM numbers(3)",
        "SELECT format('{{}}-{{}}', name, name), replaceAll(name, 'file(', 'url(') FROM {t}",
    ],
)
def test_the_reader_reads(server: Server, table: str, statement: str) -> None:
    server.sql(statement.format(t=table), user="sixfold_reader")


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO {t} VALUES (1, 'a')",
        "INSERT INTO {t} SELECT 1, 'a'",
        "CREATE TABLE other (a UInt8) ENGINE = Memory",
        "CREATE TEMPORARY TABLE other (a UInt8)",
        "DROP TABLE {t}",
        "ALTER TABLE {t} DELETE WHERE 1",
        "DELETE FROM {t} WHERE 1",
        "TRUNCATE TABLE {t}",
        "OPTIMIZE TABLE {t}",
        "SET readonly = 0",
        "KILL QUERY WHERE 1",
        "SYSTEM FLUSH LOGS",
        "SELECT 1 SETTINGS readonly = 0",
        "SELECT 1 INTO OUTFILE '{f}.out'",
        "SELECT * FROM file('{f}', 'LineAsString')",
        "SELECT * FROM `FILE`('{f}', 'LineAsString')",
        "SELECT * FROM /* x */ \"file\" /* y */ ('{f}', LineAsString)",
        "SELECT file('{f}')",
        "WITH x AS (SELECT * FROM file('{f}', LineAsString)) SELECT * FROM x",
        "SELECT 1 IN (SELECT line FROM file('{f}', LineAsString))",
        "SELECT id FROM {t} WHERE name IN file('{f}', LineAsString)",
        "DESCRIBE file('{f}')",
        "DESCRIBE TABLE url('http://127.0.0.1:1/', CSV)",
        "EXPLAIN SELECT * FROM file('{f}', LineAsString)",
        "SELECT * FROM view(SELECT * FROM file('{f}', LineAsString))",
        "SELECT * FROM eval('SELECT 1')",
        "SELECT * FROM url('http://127.0.0.1:1/', CSV, 'a String')",
        "SELECT * FROM remote('127.0.0.1:1', 'system', 'one')",
        "SELECT * FROM s3('http://127.0.0.1:1/a/b', CSV, 'a String')",
        "SELECT * FROM executable('cat {f}', TSV, 'a String')",
        "SELECT * FROM sqlite('{f}', 'a')",
        "SELECT hasColumnInTable('127.0.0.1:1', 'system', 'one', 'dummy')",
        "SELECT 1 FORMAT Template SETTINGS format_template_resultset = '{f}'",
        "SHOW TABLES FORMAT Template SETTINGS format_template_resultset = '{f}'",
        "SELECT 1 FORMAT CSV SETTINGS `format_schema` = '{f}'",
        "SELECT 1 FORMAT `Templ\\x61te` SETTINGS `format\\x5ftemplate_resultset` = '{f}'",
    ],
)
def test_the_reader_does_nothing_else(server: Server, table: str, tmp_path: Path, statement: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("to be kept\n")
    status, code, text = server.refused(statement.format(t=table, f=secret), user="sixfold_reader")
    assert (status, code) == (500, 164), text
    assert "to be kept" not in text
    assert server.sql(f"EXISTS {table}") == "1\n"
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_the_reader_may_not_use_settings_that_reach_files(server: Server) -> None:
    for setting in ("format_schema", "format_template_resultset", "readonly", "allow_ddl"):
        assert server.refused("SELECT 1", user="sixfold_reader", **{setting: "0"})[1] == 164
    assert server.refused("SELECT 1", user="sixfold_reader", default_format="Template")[1] == 164


def test_a_client_reads_as_the_reader(server: Server, table: str) -> None:
    server.sql(f"INSERT INTO {table} VALUES (1, 'a')")
    with server.client("sixfold_reader") as reader:
        assert reader.query(f"SELECT * FROM {table}").result_rows == [(1, "a")]
        with pytest.raises(DatabaseError, match="164"):
            reader.insert(table, [(2, "b")], column_names=["id", "name"], column_type_names=["UInt64", "String"])


# The process


def test_acknowledged_rows_outlive_sigkill(tmp_path: Path) -> None:
    data = tmp_path / "data"
    acknowledged = [0]
    with serving(data) as server:
        server.sql("CREATE TABLE t (id UInt64, name String) ENGINE = MergeTree ORDER BY id")

        def insert() -> None:
            with suppress(OSError, HTTPException):  # that is how the killed server shows
                for i in range(100_000):
                    rows = b"".join(b'{"id":%d,"name":"x"}\n' % n for n in range(i * 10, i * 10 + 10))
                    server.sql(rows, query="INSERT INTO t FORMAT JSONEachRow")
                    acknowledged[0] = i + 1

        writer = threading.Thread(target=insert)
        writer.start()
        while acknowledged[0] < 20:
            time.sleep(0.01)
        server.process.kill()
        writer.join()
    left_over = data / "tmp" / "left-over"
    left_over.write_text("as a killed sort leaves it")
    with serving(data) as server:
        found = int(server.sql(f"SELECT uniqExact(id) FROM t WHERE id < {acknowledged[0] * 10}"))
        assert found == acknowledged[0] * 10
        assert int(server.sql("SELECT count() % 10 FROM t")) == 0, "an insert came in half"
        assert not left_over.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_told_even_under_a_running_query(tmp_path: Path, number: signal.Signals) -> None:
    with serving(tmp_path) as server:
        slow = "SELECT sum(sleepEachRow(1)) FROM numbers(300) SETTINGS max_block_size = 1"
        with ThreadPoolExecutor(1) as threads:
            report = threads.submit(server.request, slow)
            while "sleepEachRow" not in server.sql("SHOW PROCESSLIST"):
                time.sleep(0.05)
            server.process.send_signal(number)
            assert server.process.wait(60) == 0
            try:
                answered = report.result()[0].status
            except (OSError, HTTPException):
                answered = 0
        assert answered != 200
        assert server.process.stderr is not None
        assert server.process.stderr.read() == ""
    with serving(tmp_path) as server:
        assert server.sql("SELECT 1") == "1\n"


def test_it_says_why_it_cannot_start(tmp_path: Path) -> None:
    with serving(tmp_path / "a") as server:
        cases = [
            (start(tmp_path / "b", port=server.port), 3, f"127.0.0.1:{server.port}"),
            (start(tmp_path / "a"), 4, f"in use by process {server.process.pid}"),
            (start(tmp_path / "c", SIXFOLD_CLICKHOUSE_PASSWORD=""), 2, "SIXFOLD_CLICKHOUSE_PASSWORD"),
            (start(tmp_path / "d", "--user", "sixfold_reader"), 2, "--user"),
            (start(tmp_path / "e", port=70000), 2, "--port 70000"),
            (start(Path("/proc/nowhere")), 4, "/proc/nowhere"),
        ]
        for process, code, reason in cases:
            out, err = process.communicate(timeout=60)
            assert (process.returncode, out) == (code, ""), err
            assert reason in err
            assert "Traceback" not in err
            assert PASSWORD not in err


def test_it_listens_on_this_machine_only(server: Server) -> None:
    address = f"{server.port:04X}"
    listening = [
        line.split()[1]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[1].endswith(f":{address}")
    ]
    assert listening == [f"0100007F:{address}"]
