"""The data directory of an embedded stack: who owns it, its secrets and ports, the settings others read."""

import errno
import fcntl
import json
import os
import secrets
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from itertools import chain, repeat
from pathlib import Path
from typing import Self

import msgspec

HOST = "127.0.0.1"
SETTINGS_FILE = "sixfold.toml"
_STATE_FILE = "stack.json"
_PATIENCE_ALIVE, _PATIENCE_DEAD = 0.5, 10.0
_PAUSE_SECONDS = 0.05


class StackError(Exception):
    """The stack cannot start or go on: one line for the person who started it, and the exit code."""

    def __init__(self, message: str, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Ports(msgspec.Struct, frozen=True):
    """TCP ports on 127.0.0.1; where one is wished for, 0 means any free one.

    `exporter`, `workers`, one port each, and `gateway` serve metrics; `http` is the gateway, `page` the web page.
    """

    kafka: int = 0
    clickhouse: int = 0
    http: int = 0
    exporter: int = 0
    page: int = 0
    workers: tuple[int, ...] = ()
    gateway: int = 0


class State(msgspec.Struct, frozen=True):
    """What a data directory keeps over restarts: secrets made once, and the ports of last time."""

    password: str
    reader_password: str
    gateway_key: str
    ports: Ports

    @classmethod
    def of(cls, data: Path) -> Self:
        """The state of this directory; new secrets if it has none yet."""
        path = data / _STATE_FILE
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except FileNotFoundError:
            return cls(_secret(), _secret(), _secret(), Ports())
        except (OSError, msgspec.MsgspecError) as error:
            raise StackError(f"{path}: cannot be read: {error}; restore it (it holds the passwords)") from None

    def keep(self, data: Path) -> None:
        """Write it down, readable by the owner alone."""
        write_private(data / _STATE_FILE, msgspec.json.format(msgspec.json.encode(self)) + b"\n")


class Lock:
    """Ownership of a data directory, held as long as any process lives that has `fd` open.

    The children keep it open too, so whoever gets the lock after a SIGKILL finds none of them alive.
    """

    def __init__(self, data: Path) -> None:
        """Take it. Raises `StackError` that names the process which has it."""
        path = data / "lock"
        try:
            data.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StackError(f"{data}: cannot be used as data directory: {error.strerror}") from None
        began = time.monotonic()
        while True:
            try:
                fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                owner = os.pread(self.fd, 20, 0).decode(errors="replace").strip()
            # The children of a killed owner need a moment to die.
            if time.monotonic() - began > (_PATIENCE_ALIVE if _alive(owner) else _PATIENCE_DEAD):
                os.close(self.fd)
                raise StackError(
                    f"{data} is in use by another sixfold up (process {owner or 'unknown'}): stop that one, or "
                    "name another directory with --data (SIXFOLD_DATA)"
                )
            time.sleep(_PAUSE_SECONDS)
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, b"%d\n" % os.getpid(), 0)

    def release(self) -> None:
        """Give it up."""
        os.close(self.fd)


def choose_ports(wished: Ports, last: Ports) -> Ports:
    """Free ports: those wished for, else those of last time, else any.

    Raises `StackError` that names a wished port which is taken, and its setting.
    """
    held: list[socket.socket] = []
    chosen = {}
    try:
        for name in ("kafka", "clickhouse", "http", "exporter", "page"):
            how = f"--{name}-port (SIXFOLD_{name.upper()}_PORT), or 0 for any free one"
            chosen[name] = _port(getattr(wished, name), getattr(last, name), how, held)
        workers = tuple(
            _port(port, before, "SIXFOLD_METRICS_PORT, or 0 for any free ones", held)
            for port, before in zip(wished.workers, chain(last.workers, repeat(0)), strict=False)
        )
        gateway = _port(0, last.gateway, "", held)
    finally:
        for holder in held:
            holder.close()
    return Ports(**chosen, workers=workers, gateway=gateway)


def write_settings(data: Path, settings: Mapping[str, str | int | float]) -> None:
    """Leave the addresses for the other commands, readable by the owner alone."""
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    text = "\n".join(("# Written by sixfold up at each start; changes here are lost.", *lines, ""))
    write_private(data / SETTINGS_FILE, text.encode())


def write_private(path: Path, content: bytes) -> None:
    """Replace a file in one step; mode 0600."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    with open(draft, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _port(wished: int, last: int, how: str, held: list[socket.socket]) -> int:
    for port in (wished,) if wished else (last, 0):
        listener = socket.socket()
        held.append(listener)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
            listener.listen(1)  # two sockets may be bound to one port, but only one may listen
        except OSError as error:
            if not wished:
                continue
            why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
            raise StackError(f"port {port} {why}: choose another with {how}") from None
        return int(listener.getsockname()[1])
    raise StackError(f"no free port on {HOST}: choose one with {how}")


def _secret() -> str:
    return secrets.token_urlsafe(24)


def _alive(pid: str) -> bool:
    with suppress(ValueError, ProcessLookupError, PermissionError):
        os.kill(int(pid), 0)
        return True
    return False
