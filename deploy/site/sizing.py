"""Enter measured figures into the sizing table: `python -m deploy.site.sizing bench-worker.json docs/operations.md`.

The file is what `make bench` writes: a JSON array of objects, one a size, whose members become columns.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_BEGIN, _END = "<!-- bench -->\n", "<!-- end -->"
COLUMNS: Mapping[str, tuple[str, int]] = {
    "events": ("events", 0),
    "cpu_us_per_event": ("worker's CPU an event, µs", 1),
    "second_half_cpu_us_per_event": ("of the second half, µs", 1),
    "loop_cpu_us_per_event": ("a hand-written loop's, µs", 1),
    "ratio": ("ratio", 1),
    "batch_cpu_us_per_event": ("the batch's in memory, µs", 1),
    "batch_ratio": ("ratio", 1),
    "events_per_cpu_second": ("events a second of one core", 0),
    "nodes_written_per_event": ("nodes written an event", 2),
    "longest_between_flushes_seconds": ("longest between two flushes, s", 0),
    "nodes": ("nodes", 0),
    "peak_mib": ("worker's peak memory, MiB", 0),
    "bytes_per_node": ("bytes a node", 0),
}
"""Member of a result -> heading and decimals."""


def table(results: Sequence[Mapping[str, float]]) -> str:
    """The results as a table. Raises ValueError that names what is missing from them."""
    if not results:
        raise ValueError("no results in it: run make bench")
    rows = [[heading for heading, _ in COLUMNS.values()], ["---:"] * len(COLUMNS)]
    for number, result in enumerate(results, 1):
        missing = [name for name in COLUMNS if name not in result]
        if missing:
            raise ValueError(f"result {number} has no {', '.join(missing)}: make it with make bench")
        rows.append([f"{result[name]:,.{decimals}f}" for name, (_, decimals) in COLUMNS.items()])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def enter(page: str, results: Sequence[Mapping[str, float]]) -> str:
    """The page with the table between its two marks."""
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise ValueError("the page has no <!-- bench --> and <!-- end -->: restore them")
    return f"{before}{begin}{table(results)}{end}{after}"


def main(source: Path, page: Path) -> int:
    """Write the table into the page; 2 and one line where that cannot be."""
    try:
        text = enter(page.read_text("utf-8"), json.loads(source.read_text("utf-8")))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{source}: {error}\n")
        return 2
    page.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
