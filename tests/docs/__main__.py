"""Write `docs/reports.md` again: `python -m tests.docs docs/reports.md`. Starts ClickHouse's engine for it."""

import sys
import tempfile
from pathlib import Path

import clickhouse_connect

from sinks.migrate import ViewSettings, migrate
from tests.clickhouse import engine
from tests.docs.reports_page import render
from tests.kafka.broker import free_port

with tempfile.TemporaryDirectory() as directory:
    port = free_port()
    with engine(port, Path(directory)):
        known = {"host": "127.0.0.1", "port": port, "username": "sixfold", "password": "password"}
        root = clickhouse_connect.get_client(**known, autogenerate_session_id=False)
        migrate(root, "docs", ViewSettings())
        client = clickhouse_connect.get_client(**known, database="docs", autogenerate_session_id=False)
        Path(sys.argv[1]).write_text(render(client), encoding="utf-8")
