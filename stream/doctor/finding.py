"""What a check found."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

State: TypeAlias = Literal["ok", "warning", "problem", "unknown"]
"""problem: figures are or will be wrong, late or open to others; warning: look at it; unknown: could not be checked."""


@dataclass(frozen=True)
class Finding:
    """One line about one thing: what was found and, unless it is fine, what to do. Holds no secret."""

    check: str
    state: State
    found: str
    action: str = ""


def fine(check: str, found: str) -> Finding:
    """It is as it should be."""
    return Finding(check, "ok", found)


def warning(check: str, found: str, action: str) -> Finding:
    """It works, and somebody should look."""
    return Finding(check, "warning", found, action)


def problem(check: str, found: str, action: str) -> Finding:
    """It does not work, or will not."""
    return Finding(check, "problem", found, action)


def unknown(check: str, found: str, action: str = "") -> Finding:
    """It could not be checked."""
    return Finding(check, "unknown", found, action)
