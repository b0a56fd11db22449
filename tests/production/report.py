"""The table of a run, for the terminal and for docs/production.md."""

from collections.abc import Iterator, Mapping
from typing import Any

BEGIN, END = "<!-- made by make production -->\n", "<!-- end -->"
COLUMNS = ("process", "CPU at rest, %", "CPU, %", "MiB at rest", "MiB at the end", "MiB at most")


def rows(found: Mapping[str, Any]) -> Iterator[list[str]]:
    """One row a process: CPU in percent of one core, memory with that of its children."""
    for name, usage in found["resources"].items():
        members = ("cpu_percent_at_rest", "cpu_percent", "mib_at_rest", "mib_at_the_end", "mib_peak")
        yield [name, *("" if usage[each] is None else f"{usage[each]:,.0f}" for each in members)]


def enter(page: str, found: Mapping[str, Any]) -> str:
    """The page with the run's text and table between its marks. Raises ValueError where these are missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page lacks {BEGIN.strip()} and {END}: restore them")
    return f"{before}{begin}{_text(found)}{end}{after}"


def _text(found: Mapping[str, Any]) -> str:
    load, fresh, killed = found["load"], found["freshness"], found["worker_killed"]
    before, after = (found[f"load_average_{when}"][0] for when in ("before", "after"))
    table = [
        f"| {' | '.join(COLUMNS)} |",
        f"| --- |{' ---: |' * (len(COLUMNS) - 1)}",
        *(f"| {' | '.join(row)} |" for row in rows(found)),
    ]
    return f"""\
{found["events"]:,} events in {found["seconds"]:.0f} s ({load["events_per_second"]} a second), all on one machine with
{found["cores"]} shared cores, load average {before:.1f} at the start and {after:.1f} at the end.

{chr(10).join(table)}

- CPU in percent of one core. ClickHouse is the embedded engine, and also answers probes and readers.
- Gateway: {load["requests"]:,} requests, p50 {load["p50_ms"]:.0f} ms, p99 {load["p99_ms"]:.0f} ms.
- From accepted to visible in a view: median {fresh["median_seconds"]:.1f} s, p99 {fresh["p99_seconds"]:.1f} s, at most
  {fresh["max_seconds"]:.1f} s, the kill included ({fresh["probes"]} probes).
- SIGKILL of a worker: the other one owned all shards and was ready after
  {killed["survivor_owns_all_seconds"]:.0f} s. Started again, both owned shards and were ready after
  {killed["both_ready_seconds"]:.0f} s.
- After the load the rest was counted in {found["seconds_to_count_the_rest"]:.0f} s. The audit was empty, the figures
  were those that were sent, `SixfoldDown` fired for the killed worker, and no other alert did.
"""
