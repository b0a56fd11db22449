"""A process of the embedded stack: it dies with its parent, its output goes to a log file of bounded size.

Run as a program, `python child.py PARENT_PID COMMAND...` is the first thing that runs in the new process: it
asks the kernel for SIGKILL at the parent's death, then becomes the command. So no Python code runs between
fork and exec, where a lock of one of the parent's other threads could hang it for ever.
"""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Self

LOG_BYTES = 5 << 20
LOGS_KEPT = 3
_PR_SET_PDEATHSIG = 1
_CHUNK = 64 << 10
_LAST_LINES_BYTES = 2000


class RotatingLog:
    """A log file; past `LOG_BYTES` it moves to `NAME.1` and on, `LOGS_KEPT` old ones are kept."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)

    def write(self, output: bytes) -> None:
        """Append output."""
        if self._file.tell() + len(output) > LOG_BYTES and self._file.tell():
            self._file.close()
            older = [self._path.with_name(f"{self._path.name}.{n}") for n in range(1, LOGS_KEPT + 1)]
            for source, target in reversed([*pairwise([self._path, *older])]):
                with suppress(FileNotFoundError):
                    source.replace(target)
            self._file = self._path.open("ab", buffering=0)
        self._file.write(output)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Child:
    """A process that was started."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.pid = process.pid
        self.log = log
        self._process = process
        self._tail = b""
        self._ended: asyncio.Task[int] = asyncio.create_task(self._follow())

    @classmethod
    async def start(
        cls,
        name: str,
        command: Sequence[str],
        log: Path,
        environment: Mapping[str, str] | None = None,
        keep_open: Sequence[int] = (),
    ) -> Self:
        """Start a command, its output going to `log`; file descriptors `keep_open` stay open in it.

        The kernel ties a child to the *thread* that started it: start children from one that stays.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-IS",
            __file__,
            str(os.getpid()),
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=dict(os.environ if environment is None else environment),
            start_new_session=True,  # Ctrl-C is for the parent, which stops its children in order
            pass_fds=keep_open,
        )
        return cls(name, process, log)

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process.returncode is None

    def last_line(self) -> str:
        """The last line of its output that is not empty, for messages."""
        lines = self._tail.decode(errors="replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    async def wait(self) -> int:
        """Wait until it is gone and all its output is in the log; returns its exit code."""
        return await asyncio.shield(self._ended)  # whoever stops waiting must not stop the others

    async def stop(self, seconds: float) -> int:
        """End it in order (SIGTERM), after so many seconds for certain (SIGKILL); returns its exit code."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        await asyncio.wait([self._ended], timeout=seconds)
        return await self.kill()

    async def kill(self) -> int:
        """End it at once; returns its exit code, negative for a signal."""
        with suppress(ProcessLookupError):
            self._process.kill()
        return await self.wait()

    async def _follow(self) -> int:
        log = RotatingLog(self.log)
        try:
            assert self._process.stdout is not None  # noqa: S101 - opened as a pipe above
            while output := await self._process.stdout.read(_CHUNK):
                log.write(output)
                self._tail = (self._tail + output)[-_LAST_LINES_BYTES:]
        finally:
            log.close()
        return await self._process.wait()


def _become(parent: int, command: list[str]) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the request was made
        sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - no shell is meant


if __name__ == "__main__":
    _become(int(sys.argv[1]), sys.argv[2:])
