"""What processes cost, with all that they started: CPU seconds and memory, read from /proc."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.__main__ import cpu_seconds, memory_bytes

MIB = 1 << 20


def tree(pid: int) -> list[int]:
    """A process and its descendants; none when it is gone."""
    found, waiting = [], [pid]
    while waiting:
        each = waiting.pop()
        try:
            children = [path.read_text() for path in Path(f"/proc/{each}/task").glob("*/children")]
        except OSError:
            continue
        if children:
            found.append(each)
        waiting += [int(child) for text in children for child in text.split()]
    return found


def named(pid: int, *programs: str) -> int:
    """The descendant of a process that runs one of these programs. Raises LookupError."""
    for each in tree(pid):
        try:
            if Path(f"/proc/{each}/comm").read_text().strip() in {program[:15] for program in programs}:
                return each
        except OSError:
            continue
    raise LookupError(f"no process {' or '.join(programs)} below {pid}")


def still_there(pids: Iterable[int]) -> list[int]:
    """Those of the processes that have not ended."""
    return [pid for pid in sorted(pids) if Path(f"/proc/{pid}").exists()]


@dataclass
class Usage:
    """One process over its lives: CPU since the first look (`loaded`: from second 0), memory by look (seconds, MiB)."""

    cpu: float = 0.0
    loaded: float = 0.0
    memory: list[tuple[float, float]] = field(default_factory=list)
    peak: float = 0.0
    _last: dict[int, float] = field(default_factory=dict)

    def look(self, pid: int, at: float) -> None:
        resident = peak = 0
        for each in tree(pid):
            try:
                cpu = cpu_seconds(each)
                resident += memory_bytes(each, "VmRSS")
                peak += memory_bytes(each, "VmHWM")
            except (OSError, RuntimeError):
                continue  # it has just ended
            # what a process used before it was first seen counts when it began after the first look at all
            used = cpu - self._last.get(each, cpu if not self.memory and at < 0 else 0.0)
            self.cpu += used
            self.loaded += used if at >= 0 else 0.0
            self._last[each] = cpu
        if resident:
            self.memory.append((round(at, 1), round(resident / MIB, 1)))
            self.peak = max(self.peak, peak / MIB)  # of all lives
