"""On a cluster: every statement of ours is one that ClickHouse reads, and every table one that it makes replicated.

No ClickHouse server runs here. The embedded engine parses ON CLUSTER, and makes Replicated tables over a Keeper in
its own memory; it cannot send statements to other servers, nor change such a table or insert into it.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sinks.client import connect
from sinks.cluster import on_cluster
from sinks.migrate import MigrationError, ViewSettings, load_migrations, migrate, tables
from sinks.roles import role_statements
from sinks.views import load_views
from stream.settings import Settings

CLUSTER = "sales-1"
CONFIG = """<clickhouse>
<zookeeper><implementation>testkeeper</implementation></zookeeper>
<macros><shard>01</shard><replica>r1</replica></macros>
<interserver_http_host>localhost</interserver_http_host><interserver_http_port>9009</interserver_http_port>
</clickhouse>"""
MAKE = """
import json, os, sys, chdb
connection = chdb.connect(sys.argv[1])
connection.query("CREATE DATABASE d ENGINE = Atomic")
connection.query("USE d")
for statement in json.load(sys.stdin):
    connection.query(statement)
rows = connection.query("SELECT name, engine, engine_full FROM system.tables WHERE database = 'd'", "JSONCompact")
print(rows.bytes().decode(), flush=True)
os._exit(0)  # the replicas' threads wait for a Keeper that tells them of changes
"""


def definitions() -> list[str]:
    return [statement for migration in load_migrations() for statement in migration.statements]


def test_all_statements_name_the_cluster_and_are_parsed(clickhouse_server):
    views = [statement.sql() for view in load_views() for statement in view.statements]
    drops = [
        "DROP VIEW IF EXISTS `report_calls`",
        "DROP TABLE IF EXISTS `nodes` SYNC",
        "CREATE DATABASE IF NOT EXISTS `d`",
    ]
    statements = [on_cluster(statement, CLUSTER) for statement in (*definitions(), *views, *drops)]
    client = clickhouse_server.connect()
    for statement in [*statements, *role_statements("d", CLUSTER)]:
        plain = client.query("SELECT formatQuery(%(s)s)", parameters={"s": statement}).result_rows[0][0]
        assert f"ON CLUSTER `{CLUSTER}`" in plain
        if plain.startswith("CREATE TABLE"):
            assert re.search(r"ENGINE = Replicated\w*MergeTree\('[^']*\{shard}[^']*', '\{replica}'", plain)
    with pytest.raises(ValueError, match="MergeTree family"):
        on_cluster("CREATE TABLE IF NOT EXISTS a (x UInt8) ENGINE = Log", CLUSTER)
    with pytest.raises(ValueError, match="no statement that runs on a cluster"):
        on_cluster("INSERT INTO a SELECT 1", CLUSTER)


def test_the_engine_makes_every_table_replicated_with_its_version_and_order(tmp_path: Path):
    config = tmp_path / "config.xml"
    config.write_text(CONFIG)
    creates = [statement for statement in definitions() if statement.startswith("CREATE TABLE")]
    statements = [on_cluster(statement, CLUSTER).replace(f" ON CLUSTER `{CLUSTER}`", "") for statement in creates]
    done = subprocess.run(
        [sys.executable, "-c", MAKE, f"{tmp_path / 'data'}?config-file={config}"],
        input=json.dumps(statements),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    made = {name: (engine, full) for name, engine, full in json.loads(done.stdout)["data"]}
    assert set(made) == {*tables()} - {"migrations"}
    assert all(engine.startswith("Replicated") for engine, _ in made.values())
    assert "'{replica}', version, is_deleted) ORDER BY (shard, epoch, day" in made["roll_calls"][1]


def test_a_cluster_that_is_none_is_one_line_and_changes_nothing(empty_database):
    client, database = empty_database
    with pytest.raises(MigrationError, match=r"no cluster nowhere .*: correct SIXFOLD_CLICKHOUSE_CLUSTER"):
        migrate(client, database, ViewSettings(), cluster="nowhere")
    assert not client.query(f"SELECT 1 FROM system.databases WHERE name = '{database}'").result_rows


def test_writers_of_a_cluster_write_to_a_quorum_and_read_what_was_written(clickhouse_server):
    server = clickhouse_server
    settings = Settings(
        clickhouse_url=f"http://{server.user}:{server.password}@{server.host}:{server.port}/default",
        clickhouse_cluster=CLUSTER,
    )
    names = ("insert_quorum", "insert_quorum_parallel", "select_sequential_consistency")
    query = f"SELECT {', '.join(f'toString(getSetting({name!r}))' for name in names)}"
    assert connect(settings).query(query).result_rows == [("auto", "false", "1")]
    alone = settings.model_copy(update={"clickhouse_cluster": ""})
    assert connect(alone).query(query).result_rows != [("auto", "false", "1")]
