"""Statements for a ClickHouse cluster: the same tables, replicated, and made on every server of the cluster.

A database of Sixfold is one shard of ClickHouse with any number of replicas: every replica holds all rows, so that
what a worker reads is never a part of them. (Sixfold's own shards are a column.)
"""

import re

REPLICA_PATH = "/clickhouse/tables/{shard}/{database}/{table}"
"""Where replicas find each other in Keeper; ClickHouse fills in its macros, of which `shard` and `replica` are ours
to configure on each server."""

WRITE_SETTINGS = {"insert_quorum": "auto", "insert_quorum_parallel": 0, "select_sequential_consistency": 1}
"""A write is done when most replicas have it; a read sees every write that is done, or fails and is tried again.

The second holds only while quorum inserts into a table follow one another. Two workers that meet in one table get
error 286, and the worker tries again as after every failure.
"""

_OPENINGS = re.compile(
    r"(CREATE TABLE IF NOT EXISTS|CREATE DATABASE IF NOT EXISTS|CREATE OR REPLACE VIEW|ALTER TABLE|DROP TABLE IF EXISTS"
    r"|DROP VIEW IF EXISTS) (`?\w+`?)(?=\s|$)"
)
_ENGINE = re.compile(r"\bENGINE = (\w*MergeTree)(?:\(([^()]*)\))?")


def on_cluster(statement: str, cluster: str) -> str:
    """The statement for all servers of `cluster`, its table Replicated; as it is for the cluster ''.

    Raises `ValueError` for a statement that is none of those that migrations are made of.
    """
    if not cluster:
        return statement
    found = _OPENINGS.match(statement)
    if found is None:
        raise ValueError(f"no statement that runs on a cluster: {statement[:60]}")
    rest = statement[found.end() :]
    if found[1].startswith("CREATE TABLE"):
        rest, engines = _ENGINE.subn(_replicated, rest, count=1)
        if not engines:
            raise ValueError(f"{found[2]}: only tables of the MergeTree family can be replicated")
    return f"{found[1]} {found[2]} ON CLUSTER `{cluster}`{rest}"


def _replicated(engine: re.Match[str]) -> str:
    arguments = [f"'{REPLICA_PATH}'", "'{replica}'", *([engine[2]] if engine[2] else [])]
    return f"ENGINE = Replicated{engine[1]}({', '.join(arguments)})"
