"""The image: `deploy/Dockerfile` read as Docker reads it, its first stage's commands run in a folder, its probe tried.

No Docker has built it here.
"""

import asyncio
import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from dockerfile_parse import DockerfileParser
from prometheus_client import CollectorRegistry

from sinks.endpoint import Endpoint
from stream.settings import unknown_variables

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> list[list[tuple[str, str]]]:
    """Instructions of each stage in order: name and value."""
    folder = tmp_path_factory.mktemp("dockerfile")
    shutil.copy(ROOT / "deploy" / "Dockerfile", folder / "Dockerfile")
    found: list[list[tuple[str, str]]] = []
    for step in DockerfileParser(str(folder)).structure:
        if step["instruction"] == "FROM":
            found.append([])
        if step["instruction"] != "COMMENT":
            found[-1].append((step["instruction"], step["value"]))
    return found


def _values(stage: list[tuple[str, str]], instruction: str) -> list[str]:
    return [value for name, value in stage if name == instruction]


def _sources(stage: list[tuple[str, str]]) -> list[str]:
    return [
        word for value in _values(stage, "COPY") if "--from=" not in value for word in shlex.split(value)[:-1]
    ]  # fmt: skip


def _hadolint(path: Path) -> list[str]:
    """The rules that the file breaks."""
    tool = Path(sys.executable).parent / "hadolint"
    options = ["--config", ROOT / "deploy" / ".hadolint.yaml", "--format", "json"]
    ran = subprocess.run([tool, *options, path], capture_output=True, text=True, check=False)
    assert ran.returncode in (0, 1), ran.stderr
    return [each["code"] for each in json.loads(ran.stdout)]


def test_hadolint_has_nothing_against_it(tmp_path: Path) -> None:
    dockerfile = ROOT / "deploy" / "Dockerfile"
    assert _hadolint(dockerfile) == []
    spoiled = tmp_path / "Dockerfile"
    text = dockerfile.read_text("utf-8")
    for found, put, code in (
        ("FROM python:3.11.14-slim-bookworm\n", "FROM python:latest\n", "DL3007"),
        ("USER 10001:10001\n", "USER root\n", "DL3002"),
        ("WORKDIR /src\n", "WORKDIR src\n", "DL3000"),
        ("RUN python -m venv /opt/build\n", "RUN cd /opt && python -m venv build\n", "DL3003"),
        ('ENTRYPOINT ["sixfold"]', "ENTRYPOINT sixfold", "DL3025"),
    ):
        assert found in text
        spoiled.write_text(text.replace(found, put), "utf-8")
        assert code in _hadolint(spoiled), put


def test_both_stages_stand_on_one_image_of_an_exact_tag(stages: list[list[tuple[str, str]]]) -> None:
    bases = [_values(stage, "FROM")[0].split(" ")[0] for stage in stages]
    assert len(bases) == 2
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-[a-z]+", bases[0])


def test_every_file_that_is_copied_exists_and_docker_is_let_see_it(stages: list[list[tuple[str, str]]]) -> None:
    let = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for source in _sources(stages[0]):
        assert (ROOT / source).exists(), source
        assert any(source == name or source.startswith(f"{name}/") for name in let), source
    assert not _sources(stages[1]), "the image has what the first stage made, and nothing of the tree"


def test_nothing_secret_or_heavy_is_sent_to_docker() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert next(line for line in lines if not line.startswith("#")) == "*"
    let = [line[1:] for line in lines if line.startswith("!")]
    for name in (".git", ".env", ".venv", "tests", "sixfold.toml", ".sixfold", "requirements.lock"):
        assert not any(fnmatch.fnmatch(name, pattern) for pattern in let), name
    assert "deploy/secrets" in lines


def test_everything_that_is_fetched_has_a_hash_and_no_extra_comes_in(stages: list[list[tuple[str, str]]]) -> None:
    installs = [value for value in _values(stages[0], "RUN") if " install " in value]
    assert len(installs) == 3
    for command in installs:
        assert "--require-hashes" in command or ("--no-index" in command and "--no-deps" in command), command
    assert "--no-build-isolation" in next(value for value in _values(stages[0], "RUN") if " wheel " in value)
    assert not re.search(r"\[[a-z]+\]|apt-get|curl|wget|ADD ", " ".join(_values(stages[0], "RUN")))
    assert not _values(stages[1], "RUN")


def test_it_runs_as_nobody_in_particular_and_is_stopped_cleanly(stages: list[list[tuple[str, str]]]) -> None:
    user, group = _values(stages[1], "USER")[-1].split(":")
    assert int(user) >= 10_000
    assert int(group) >= 10_000
    assert json.loads(_values(stages[1], "ENTRYPOINT")[0]) == ["sixfold"], "in exec form: signals reach it"
    assert json.loads(_values(stages[1], "CMD")[0]) == ["worker"]


def test_labels_and_settings_are_real(stages: list[list[tuple[str, str]]]) -> None:
    labels = dict(re.findall(r'org\.opencontainers\.image\.([a-z.]+)="([^"]*)"', _values(stages[1], "LABEL")[0]))
    assert {"title", "description", "licenses", "version", "revision", "base.name"} <= set(labels)
    assert labels["base.name"].endswith(_values(stages[1], "FROM")[0])
    assert f"VERSION={version('sixfold')}" in _values(stages[1], "ARG")
    given = dict.fromkeys(re.findall(r"SIXFOLD_[A-Z_]+", " ".join(_values(stages[1], "ENV"))), "1")
    assert given
    assert not unknown_variables(given)


def test_what_a_worker_writes_is_below_tmp(stages: list[list[tuple[str, str]]]) -> None:
    assert "SIXFOLD_DATA=/tmp/" in _values(stages[1], "ENV")[0], "stream/app.py makes a folder there"
    assert not _values(stages[1], "VOLUME")


def _probe(stages: list[list[tuple[str, str]]]) -> list[str]:
    words: list[str] = json.loads(_values(stages[1], "HEALTHCHECK")[0].partition("CMD ")[2])
    return [sys.executable, *words[1:]]


def test_the_health_check_asks_live(stages: list[list[tuple[str, str]]]) -> None:
    async def ended(port: int) -> int | None:
        environment = {**os.environ, "SIXFOLD_METRICS_PORT": str(port)}
        process = await asyncio.create_subprocess_exec(*_probe(stages), env=environment, stderr=subprocess.DEVNULL)
        return await process.wait()

    async def live_then_gone() -> list[int | None]:
        endpoint = Endpoint(CollectorRegistry(), ("kafka",), lambda: {"kafka": "away"})
        port = await endpoint.start("127.0.0.1", 0, "SIXFOLD_METRICS_PORT")
        while_served = await ended(port)
        await endpoint.stop()
        return [while_served, await ended(port)]

    assert asyncio.run(live_then_gone()) == [0, 1], "live though not ready; dead when it is gone"


def test_the_first_stages_commands_make_an_installation_that_runs_where_nothing_can_be_written(
    stages: list[list[tuple[str, str]]], tmp_path: Path
) -> None:
    source, made = tmp_path / "src", tmp_path / "opt"
    source.mkdir()
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        **{name: value for name, value in os.environ.items() if name.startswith(("PIP_", "HOME", "LANG", "SSL_"))},
    }
    for name, value in stages[0]:
        if name == "COPY":
            *sources, target = shlex.split(value)
            for each in sources:
                if (ROOT / each).is_dir():
                    shutil.copytree(ROOT / each, source / target, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(ROOT / each, source / target)
        elif name == "RUN":
            command = shlex.split(value.replace("/opt/", f"{made}/"))
            ran = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True, check=False)
            assert ran.returncode == 0, f"{value}\n{ran.stdout}{ran.stderr}"
    shutil.rmtree(source)
    program = made / "sixfold" / "bin" / "sixfold"
    empty = tmp_path / "empty"
    empty.mkdir(mode=0o555)
    bare = {"PATH": str(program.parent), "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"}
    before = set(tmp_path.rglob("*"))
    for words, said in (["--version"], version("sixfold")), (["worker", "--help"], "Run the worker"):
        ran = subprocess.run([program, *words], cwd=empty, env=bare, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        assert said in ran.stdout
    assert set(tmp_path.rglob("*")) == before
