"""ClickHouse's engine as an operator has it: a process with files that can be stopped, killed, copied and put back."""

import json
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Self

from tests.clickhouse import USER
from tests.kafka.broker import free_port


class Engine:
    """The embedded endpoint on a port of its own, over `directory`/files."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.password = secrets.token_hex(8)
        self._directory = directory
        self._process: subprocess.Popen[str] | None = None

    @property
    def files(self) -> Path:
        return self._directory / "files"

    def start(self) -> None:
        """Start it on its files and wait until it answers."""
        command = ["-m", "deploy.embedded.clickhouse", "--port", str(self.port), "--data", str(self.files)]
        self._process = subprocess.Popen(
            [sys.executable, *command, "--user", USER],
            env={**os.environ, "SIXFOLD_CLICKHOUSE_PASSWORD": self.password},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the engine ended with {self._process.wait()}"
        assert json.loads(line)["port"] == self.port

    def stop(self) -> None:
        """In order, so that its files are whole."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
            self._process = None

    def kill(self) -> None:
        """As a machine that loses power."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def back_up(self, name: str) -> None:
        """Copy the files while it stands still."""
        self.stop()
        shutil.copytree(self.files, self._directory / name, symlinks=True)
        self.start()

    def restore(self, name: str) -> None:
        """Put an older copy in the place of the files; it has to be stopped, and stays so."""
        assert self._process is None
        shutil.rmtree(self.files)
        shutil.copytree(self._directory / name, self.files, symlinks=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.kill()
