"""What Sixfold is built of: listed, licensed, and without secrets in the tree."""

import json
import re
import subprocess
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from deploy.site.licences_page import closure, copyleft, licence_of
from tests.docs.secret_scan import find, leaked, leaks, unknown

ROOT = Path(__file__).parents[2]
WEAK_COPYLEFT_SHIPPED = {"certifi"}


def test_make_sbom_lists_every_part_in_valid_cyclonedx() -> None:
    made = subprocess.run(["make", "sbom"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    text = (ROOT / ".cache" / "sbom.json").read_text("utf-8")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text.replace('"bomFormat"', '"format"')) is not None
    document = json.loads(text)
    assert document["metadata"]["component"]["name"] == "sixfold"
    listed = {(re.sub(r"[-_.]+", "-", part["name"]).lower(), part["version"]) for part in document["components"]}
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    pinned = set(re.findall(r"^([a-z0-9._-]+)==([^ \\]+)", lock, re.MULTILINE))
    for name in closure("embedded"):
        assert {part for part in listed if part[0] == name} & pinned, name


def test_what_is_shipped_has_no_strong_copyleft() -> None:
    marks = {name: copyleft(licence_of(name)) for name in closure("embedded")}
    assert {name for name, mark in marks.items() if mark == "strong"} == set()
    assert {name for name, mark in marks.items() if mark == "weak"} == WEAK_COPYLEFT_SHIPPED


def test_copyleft_is_known_by_its_names() -> None:
    for licence in ("GPL-3.0-only", "AGPL-3.0-or-later", "LGPL-2.1", "GNU General Public License v3"):
        assert copyleft(licence) == "strong"
    assert copyleft("MIT AND MPL-2.0") == "weak"
    assert copyleft("Apache-2.0 OR BSD-3-Clause") == ""


def test_there_are_no_secrets_in_the_tree() -> None:
    assert unknown() == []


def test_a_secret_is_found(tmp_path: Path) -> None:
    key = "AKIA" + "IOSFODNN7ABCDEFG"
    (tmp_path / "settings.py").write_text(f'x = 1\naccess = "{key}"\n')
    assert find(tmp_path, ["settings.py"])["settings.py"]["AWS Access Key"] == [2]


def test_gitleaks_finds_nothing_in_tree_and_history() -> None:
    assert leaked() == []


def test_a_secret_that_was_taken_out_again_is_found(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
        subprocess.run(["git", *who, *words], cwd=tmp_path, capture_output=True, check=True)

    git("init")
    held = tmp_path / "settings.py"
    held.write_text(f"token = '{'ghp_' + 'x7Kq2mV9Zt4bNc8LwR3yHs6JdF1gPa5TuEoQ'}'\n")
    git("add", ".")
    git("commit", "-m", "one")
    assert [line.partition(" (")[0] for line in leaks(tmp_path, history=False)] == ["settings.py:1: github-pat"]
    held.write_text("token = None\n")
    git("commit", "-am", "two")
    assert leaks(tmp_path, history=False) == []
    (line,) = leaks(tmp_path, history=True)
    assert line.startswith("settings.py:1: github-pat (")


def test_a_known_finding_is_known_only_where_it_stands(tmp_path: Path) -> None:
    known = 'KEY = "test-key-' + '0123456789"\n'
    place = tmp_path / "tests" / "stream" / "gateway" / "serving.py"
    place.parent.mkdir(parents=True)
    place.write_text(known)
    assert leaks(tmp_path, history=False) == []
    (tmp_path / "elsewhere.py").write_text(known)
    assert [line.partition(":")[0] for line in leaks(tmp_path, history=False)] == ["elsewhere.py"]
