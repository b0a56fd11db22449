"""No log holds what names a person, at the level that says most: worker, exporter, page, gateway, ClickHouse's door."""

import json
import os
import re
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.deploy.test_up import eventually

TRACES = ("Quillfeather", "quillfeather@example.org", "+46701740605", "Zyxwerk", "Vernissage-Vertrag", "Obadiah")
"""Words that stand nowhere but in the events' personal members, and in those that could not be read."""

LEAD = {
    "lead_id": "4711",
    "name": "Wilhelmina Quillfeather",
    "email": "quillfeather@example.org",
    "company": "Zyxwerk AB",
}
DEAL = {
    "opportunity_id": "d-4711",
    "lead_id": "4711",
    "subject": "Vernissage-Vertrag",
    "contact": "Obadiah +46701740605",
}


def _event(number: int, kind: str, data: dict[str, Any], **other: Any) -> bytes:
    envelope = {"specversion": "1.0", "id": f"p-{number}", "source": "test/people", "type": f"crm.{kind}"}
    return json.dumps({**envelope, "time": f"2026-03-01T10:00:{number:02}Z", "data": data, **other}).encode()


def _told() -> Iterator[bytes]:
    yield _event(1, "lead.created", LEAD)
    yield _event(2, "opportunity.created", {**DEAL, "amount": 100, "currency": "USD", "stage": "Proposal"})
    yield _event(3, "call.logged", {"call_id": "c-1", "lead_id": "4711", "started_at": "2026-03-01T11:00:00Z"})
    yield _event(4, "lead.created", {**LEAD, "lead_id": "4712"})
    yield _event(5, "lead.merged", {"lead_id": "4711", "merged_ids": ["4712"]})
    # dead letters of every kind that quotes what it refuses
    yield _event(6, "lead.created", {**LEAD, "created_at": "Quillfeather's birthday"})
    yield _event(7, "lead.created", {**LEAD, "name": ["Quillfeather"], "email": {"is": "quillfeather@example.org"}})
    yield _event(8, "opportunity.created", {**DEAL, "amount": "Obadiah"})
    yield _event(9, "Quillfeather", LEAD)
    yield _event(10, "lead.created", LEAD, time="Zyxwerk")
    yield b'{"name": "Wilhelmina Quillfeather", '


def test_no_log_names_a_person(tmp_path: Path) -> None:
    data = tmp_path / "data"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SIXFOLD_")}
    environment = {**kept, "SIXFOLD_DATA": str(data), "SIXFOLD_LOG_LEVEL": "debug", "SIXFOLD_EXPORTER_INTERVAL": "1"}

    def sixfold(*arguments: str, given: bytes = b"") -> str:
        ended = subprocess.run(
            [sys.executable, "-m", "stream.cli", *arguments],
            env=environment, cwd=tmp_path, input=given, capture_output=True, timeout=400, check=False,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr.decode()
        return ended.stdout.decode() + ended.stderr.decode()

    with (tmp_path / "up.log").open("wb") as log:
        command = [sys.executable, "-m", "stream.cli", "up", "--json"]
        with subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=log) as stack:
            try:
                assert stack.stdout is not None
                said = stack.stdout.readline()
                assert json.loads(said)["ready"]
                headers = {"Authorization": f"Bearer {_setting(data, 'gateway_key')}"}
                url = f"{_setting(data, 'gateway_url')}/events"
                headers["Content-Type"] = "application/x-ndjson"
                told = urllib.request.Request(url, b"\n".join(_told()), headers)  # noqa: S310 - http, on loopback
                with urllib.request.urlopen(told) as answer:  # noqa: S310 - as above
                    assert json.load(answer)["accepted"] == 11
                sixfold("wait")
                letters = json.loads(sixfold("dead-letters", "list", "--json"))
                assert len(letters) >= 4
                # they are there, where they belong
                assert "Quillfeather" in sixfold("lead", "4711")
                # the stack's own page and exporter log no more than `info`: others, at `debug`
                with _serving(tmp_path, environment, "page", "--json", "--port", "0") as page:
                    assert page.stdout is not None
                    url = json.loads(page.stdout.readline())["url"].rstrip("/")
                    shown = _get(f"{url}/record?entity=lead:4711") + _get(f"{url}/opportunity-list?period=all")
                    assert "Quillfeather" in shown
                    assert "Vernissage-Vertrag" in shown
                    for path in ("/", "/report/calls?period=all", "/report/calls?team=Zyxwerk", "/login?next=Zyxwerk"):
                        _get(f"{url}{path}")
                with _serving(tmp_path, environment, "exporter", "--port", "0"):
                    eventually(lambda: "sixfold_kpi_" in _metrics(tmp_path / "exporter.log"))
            finally:
                stack.terminate()
                stack.wait(60)

    logs = [*(tmp_path / f"{name}.log" for name in ("up", "page", "exporter")), *sorted((data / "logs").iterdir())]
    texts = {path.name: path.read_bytes().decode(errors="replace") for path in logs}
    for name in ("worker-1.log", "page.log", "exporter.log"):
        assert "DEBUG" in texts[name], f"{name}: the level was not heard"
    found = [(name, word) for name, text in texts.items() for word in TRACES if word.lower() in text.lower()]
    assert not found


def _setting(data: Path, name: str) -> str:
    return str(tomllib.loads((data / "sixfold.toml").read_text("utf-8"))[name])


@contextmanager
def _serving(folder: Path, environment: dict[str, str], *command: str) -> Iterator["subprocess.Popen[bytes]"]:
    with (folder / f"{command[0]}.log").open("wb") as log:
        called = [sys.executable, "-m", "stream.cli", *command]
        process = subprocess.Popen(called, env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=log)
        with process:
            try:
                yield process
            finally:
                process.terminate()
                process.wait(60)


def _get(url: str) -> str:
    """What a page says, whatever its status: refusals are logged too."""
    try:
        with urllib.request.urlopen(url) as answer:  # noqa: S310 - http, on loopback
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        return str(error.read().decode())


def _metrics(log: Path) -> str:
    found = re.search(r"metrics at (http\S+)", log.read_text("utf-8"))
    return _get(found[1]) if found else ""
