"""Bars and the funnel as shares of a width, drawn by the server; lines over time as data for the browser.

Widths and places are percentages: the pictures fit any screen without a script.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

TICKS = 4
_SMALLEST = 1e-6


class Tick(NamedTuple):
    """A mark of the axis: its place in percent, and its value."""

    place: float
    value: float


class Bar(NamedTuple):
    """One bar: where it begins and how long it is, in percent."""

    label: str
    value: Any
    start: float
    width: float
    href: str
    key: str


@dataclass(frozen=True)
class Bars:
    """A bar chart, lying; `zero` is the place of 0."""

    measure: str
    label: str
    kind: str
    bars: Sequence[Bar]
    ticks: Sequence[Tick]
    zero: float
    rest: int


class Step(NamedTuple):
    """One step of the funnel: its width in percent, and how many of the step before came so far."""

    name: str
    value: int
    width: float
    rate: float | None
    to_scale: bool
    href: str


def axis(least: float, greatest: float, count: int = TICKS) -> list[float]:
    """Round values that an axis from `least` (0 or below) to `greatest` is marked with; the ends are among them."""
    least, greatest = min(least, 0.0), max(greatest, 0.0)
    if greatest - least < _SMALLEST:
        return [0.0, 1.0]
    step = _nice((greatest - least) / count)
    first, last = math.floor(least / step + 1e-9), math.ceil(greatest / step - 1e-9)
    return [number * step for number in range(first, last + 1)]


def bars(
    measure: str,
    label: str,
    kind: str,
    found: Sequence[tuple[str, Any, str, str]],
    most: int,
    *,
    by_size: bool = True,
) -> Bars:
    """Draw (label, value, address, key), the greatest `most` of them, by size or in their order; zeros have no bar."""
    shown = [each for each in found if each[1]]
    rest = len(shown) - most
    kept = sorted(shown, key=lambda each: (-abs(each[1]), each[0]))[:most]
    shown = sorted(kept, key=lambda each: (-each[1], each[0])) if by_size else [each for each in shown if each in kept]
    marks = axis(min((float(each[1]) for each in shown), default=0), max((float(each[1]) for each in shown), default=0))
    low, width = marks[0], marks[-1] - marks[0]

    def place(value: float) -> float:
        return round((value - low) / width * 100, 2)

    drawn = [
        Bar(
            name,
            value,
            place(min(float(value), 0)),
            round(place(max(float(value), 0)) - place(min(float(value), 0)), 2),
            href,
            key,
        )
        for name, value, href, key in shown
    ]
    return Bars(measure, label, kind, drawn, [Tick(place(mark), mark) for mark in marks], place(0), max(rest, 0))


def funnel(steps: Sequence[tuple[str, int, str]]) -> list[Step]:
    """Draw (name, count, address) from the top.

    The scale is that of the second step (leads) where the first (visitors) would leave the others no room: a step
    that is not to scale is as wide as the picture.
    """
    counts = [count for _, count, _ in steps]
    scale = max(counts[1:], default=0)
    if counts and counts[0] <= scale * 4:
        scale = max(counts)
    drawn = []
    for index, (name, count, href) in enumerate(steps):
        before = counts[index - 1] if index else 0
        width = round(min(count / scale, 1) * 100, 2) if scale else 0.0
        drawn.append(Step(name, count, width, count / before if before else None, count <= scale, href))
    return drawn


def _nice(step: float) -> float:
    size = 10 ** math.floor(math.log10(step))
    return float(next(size * nice for nice in (1, 2, 2.5, 5, 10) if step <= size * nice * (1 + 1e-9)))
