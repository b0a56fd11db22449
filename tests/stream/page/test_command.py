"""`sixfold page` as a process."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pages import Company

SIXFOLD = [sys.executable, "-c", "import sys; from stream.cli import main; sys.exit(main())"]
PATIENCE = 120


def start(company: Company, folder: Path, *arguments: str, **settings: str) -> "subprocess.Popen[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SIXFOLD_")}
    url = company.settings.clickhouse_url.get_secret_value()
    return subprocess.Popen(
        [*SIXFOLD, "page", *arguments],
        cwd=folder,
        env={**environment, "SIXFOLD_CLICKHOUSE_URL": url, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_it_serves_until_it_is_told_to_stop(company: Company, tmp_path: Path) -> None:
    process = start(company, tmp_path, "--json")
    try:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        connection = http.client.HTTPConnection("127.0.0.1", facts["port"], timeout=PATIENCE)
        connection.request("GET", "/report/calls")
        answer = connection.getresponse()
        assert answer.status == 200
        assert b"Calls" in answer.read()
        connection.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("arguments", "settings", "says"),
    [
        ([], {"SIXFOLD_PAGE_HOST": "::"}, "set SIXFOLD_PAGE_PASSWORD"),
        ([], {"SIXFOLD_PAGE_HOST": "192.0.2.1", "SIXFOLD_PAGE_PASSWORD": "x"}, "cannot serve the page on 192.0.2.1"),
        ([], {"SIXFOLD_CLICKHOUSE_READER_URL": "http://r:w@127.0.0.1:1/d"}, "SIXFOLD_CLICKHOUSE_READER_URL"),
        (["--port", "x"], {}, "--port"),
    ],
)
def test_what_it_cannot_do_is_one_line(
    company: Company, tmp_path: Path, arguments: list[str], settings: dict[str, str], says: str
) -> None:
    process = start(company, tmp_path, *arguments, **settings)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert out == ""
    assert says in err
    assert len(err.splitlines()) == 1


def test_a_port_that_is_taken_is_named(company: Company, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start(company, tmp_path, "--port", str(port))
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert f"port {port}" in err
    assert "0 for any free one" in err
