"""Every command that the documentation shows: run against a running stack, or marked with the reason why not."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cyclopts import CycloptsError

from deploy.embedded.company import events
from stream.cli import app
from stream.settings import Settings, unknown_variables
from tests.docs.shell_blocks import Command, commands, program_of

ROOT = Path(__file__).parents[2]
GENERATED = {"docs/commands.md", "docs/events.md", "docs/metrics.md"}
NOT_RUN = tomllib.loads((Path(__file__).parent / "not_run.toml").read_text("utf-8"))
NEGATIVE = {"sixfold dead-letters replay --reason unknown-type"}
"""Exit code 1 is an answer to these, for there is nothing that they could act on."""


def _pages() -> Iterator[tuple[Path, str]]:
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        name = str(path.relative_to(ROOT))
        if name not in GENERATED:
            yield path, name


ALL = [command for path, name in _pages() for command in commands(path, name)]


def _reason(command: Command) -> str:
    if command.reason:
        return command.reason
    plain = re.sub(r"^([A-Z][A-Z0-9_]*=\S* +)+", "", command.text)
    entries = {**NOT_RUN["*"], **NOT_RUN.get(command.page, {})}
    return next((reason for begins, reason in entries.items() if plain.startswith(begins)), "")


def _once(texts: Iterable[str]) -> Iterator[str]:
    """Each command at its first place, but for the one that what follows it relies on."""
    seen: set[str] = set()
    for text in texts:
        if text not in seen or text == "sixfold wait":
            yield text
        seen.add(text)


RUN = list(_once(c.text for c in ALL if not _reason(c) and program_of(c.text) != "export"))


def _calls() -> Iterator[tuple[Command, list[str]]]:
    for command in ALL:
        for words in command.parts():
            yield command, words


def test_there_are_commands_on_the_pages_that_show_some() -> None:
    assert {"README.md", "docs/quick-start.md", "docs/dead-letters.md"} <= {command.page for command in ALL}
    assert len(RUN) > 25


def test_every_sixfold_command_is_one_and_has_these_options() -> None:
    wrong = []
    for command, words in _calls():
        while words and re.fullmatch(r"[A-Z][A-Z0-9_]*=.*", words[0]):
            words = words[1:]
        if words and words[0] == "sixfold":
            try:
                app.parse_args(words[1:], print_error=False, exit_on_error=False)
            except CycloptsError as error:
                wrong.append(f"{command.page}:{command.line}: {command.text}: {' '.join(str(error).split())}")
    assert not wrong, "\n".join(wrong)


def test_every_target_of_make_is_one() -> None:
    targets = set(re.findall(r"^([a-z-]+)(?: [a-z-]+)*:", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE))
    for command, words in _calls():
        if words and words[0] == "make":
            assert {word for word in words[1:] if "=" not in word} <= targets, command


def test_every_setting_that_is_set_is_one() -> None:
    for command in ALL:
        given = dict.fromkeys(re.findall(r"\b(SIXFOLD_[A-Z0-9_]+)=", command.text), "")
        assert not unknown_variables(given), command


def test_every_reason_is_needed() -> None:
    shown = [(c.page, re.sub(r"^([A-Z][A-Z0-9_]*=\S* +)+", "", c.text)) for c in ALL]
    for page, entries in NOT_RUN.items():
        for begins in entries:
            assert any(page in ("*", of) and text.startswith(begins) for of, text in shown), (page, begins)


def test_marks_and_continuations_are_read(tmp_path: Path) -> None:
    page = tmp_path / "a.md"
    page.write_text(
        "Text\n\n<!-- not run: why -->\n\n    sixfold up\n\nText\n\n    sixfold status && \\\n    sixfold audit > out\n"
        "\n    key: value\n\n```sh\n$ frobnicate --now\n```\n"
    )
    found = list(commands(page, "a.md"))
    assert [(c.text, c.reason) for c in found] == [
        ("sixfold up", "why"),
        ("sixfold status && sixfold audit > out", ""),
        ("frobnicate --now", ""),
    ]
    assert list(found[1].parts()) == [["sixfold", "status"], ["sixfold", "audit"]]


def _event(number: int, kind: str, **data: object) -> bytes:
    envelope = {"specversion": "1.0", "id": f"c-{number}", "source": "docs/commands", "type": f"crm.{kind}"}
    return json.dumps({**envelope, "time": f"2026-03-01T10:00:{number:02}Z", "data": data}).encode()


def _told() -> Iterator[bytes]:
    """A small company, and what the pages' commands name: lead 42, rep R1, the campaigns search-ad and spring-sale."""
    now = datetime.now(UTC).replace(microsecond=0)
    yield from (json.dumps(event).encode() for event in events(5, now, 1_500, golden=False))
    yield _event(1, "lead.created", lead_id="42", name="Ada Example", campaign_id="spring-sale", stage="tofu")
    yield _event(2, "opportunity.created", opportunity_id="d-42", lead_id="42", amount=100, currency="USD")
    yield _event(3, "deal.won", opportunity_id="d-42", closed_at="2026-03-01T12:00:00Z")
    yield _event(4, "lead.created", lead_id="43", campaign_id="spring", stage="tofu")
    yield _event(5, "opportunity.created", opportunity_id="d-43", lead_id="43", amount=100, currency="USD")
    yield _event(6, "deal.won", opportunity_id="d-43", closed_at="2026-03-01T12:00:00Z")
    yield _event(9, "campaign.upserted", campaign_id="spring", name="Spring")
    yield _event(10, "spend.posted", platform="p", date="2026-03-01", amount=9, currency="USD", campaign_id="search-ad")
    yield _event(11, "lead.created", lead_id="44", campaign_id="search-ad")
    yield _event(12, "opportunity.created", opportunity_id="d-44", lead_id="44", amount=100, currency="USD")
    yield _event(13, "deal.won", opportunity_id="d-44", closed_at="2026-03-01T12:00:00Z")
    started = {"started_at": "2026-03-15T10:00:00Z", "status": "answered", "direction": "inbound", "talk_seconds": 60}
    yield _event(7, "call.logged", call_id="c-1", rep_id="R1", **started)
    yield _event(8, "rep.upserted", rep_id="R1", name="R. One", team="North")


class Reader:
    """Somebody who follows the pages: a folder with the repository's examples, beside a running stack."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        settings = {name: value for name, value in os.environ.items() if not name.startswith("SIXFOLD_")}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**settings, "PATH": path, "SIXFOLD_DATA": str(folder / "data")}

    def run(self, text: str, given: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=self.folder,
            env=self.environment,
            input=given,
            capture_output=True,
            timeout=400,
            check=False,
        )


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    reader = Reader(tmp_path_factory.mktemp("reader"))
    for name in ("docs", "deploy"):
        shutil.copytree(ROOT / name, reader.folder / name)
    with subprocess.Popen(
        [sys.executable, "-m", "stream.cli", "up", "--json"],
        cwd=ROOT,
        env=reader.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as stack:
        try:
            assert stack.stdout is not None
            assert json.loads(stack.stdout.readline())
            told = reader.run("sixfold import - && sixfold wait && sixfold history take", b"\n".join(_told()))
            assert told.returncode == 0, told.stderr.decode()
            yield reader
        finally:
            stack.terminate()
            stack.wait(60)


@pytest.mark.parametrize("text", RUN)
def test_it_does_what_the_page_says(reader: Reader, text: str) -> None:
    today = f"--since {datetime.now(UTC):%Y-%m-%d}"
    ended = reader.run(re.sub(r"--since \d{4}-\d\d-\d\d", today, text) if " diff " in text else text)
    allowed = {0, 1} if text in NEGATIVE else {0}
    said = (ended.stdout + ended.stderr).decode()
    assert ended.returncode in allowed, f"{text}: ended with {ended.returncode}\n{said[-2000:]}"
    assert "Traceback" not in said


def test_settings_that_the_pages_export_are_read() -> None:
    exported = [c for c in ALL if program_of(c.text) == "export"]
    assert exported
    for command in exported:
        for name in re.findall(r"SIXFOLD_([A-Z_]+)=", command.text):
            assert name.lower() in Settings.model_fields
