"""The audit: what the stream counted against what SQL computes anew from the nodes.

Each view `audit_*` (sinks/views/) has one row per key and measure that differ. A flush writes nodes, rolling
rows and manifest one after the other, so that a view read in between shows differences that are none: one
counts only if no shard had a flush under way, and none ended, while its view was read.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from clickhouse_connect.driver.client import Client

from sinks.views import load_views

ATTEMPTS = 5
#: per view; more would not be read by anybody
MOST_DIFFERENCES = 1000

_ROLLING = ("roll_leads", "roll_opportunities", "roll_revenue", "roll_calls", "roll_spend")

#: (shard, version of its newest ready manifest, greatest version of its nodes and visible rolling rows)
_Standing = tuple[tuple[int, int, int], ...]


class Difference(NamedTuple):
    """One measure of one key that was not counted as the nodes say; figures as text in the view's unit."""

    audit: str
    key: str
    measure: str
    rolled: str
    recomputed: str


@dataclass(frozen=True)
class AuditResult:
    """What the audit found. `busy` names the views that met no quiet moment: they may differ or not."""

    differences: tuple[Difference, ...]
    busy: tuple[str, ...]

    @property
    def outcome(self) -> Literal["clean", "differences", "busy"]:
        """`differences` if there is one; else `busy` if a view could not be judged; else `clean`."""
        if self.differences:
            return "differences"
        return "busy" if self.busy else "clean"


def audits() -> tuple[str, ...]:
    """The names of all audit views."""
    return tuple(view.name for view in load_views() if view.name.startswith("audit_"))


def audit(client: Client, *, pause_seconds: float = 0.5) -> AuditResult:
    """Read every audit view of the client's database.

    One that differs while shards flush is read up to five times, with a pause between. At most a thousand
    differences of each are returned. Errors: those of the client.
    """
    differences: list[Difference] = []
    busy: list[str] = []
    for name in audits():
        for found in _attempts(client, name, pause_seconds):
            if found is not None:
                differences += found
                break
        else:
            busy.append(name)
    return AuditResult(tuple(differences), tuple(busy))


def _attempts(client: Client, name: str, pause_seconds: float) -> Iterator[list[Difference] | None]:
    """The differences of each attempt, None where a flush may have made them."""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(pause_seconds)
        before = _standing(client)
        rows = client.query(
            f"SELECT key, measure, rolled, recomputed FROM {name} "  # noqa: S608 - the name of a view of ours
            f"ORDER BY key, measure LIMIT {MOST_DIFFERENCES}"
        ).result_rows
        quiet = all(written <= manifest for _, manifest, written in before) and before == _standing(client)
        yield [Difference(name, *row) for row in rows] if quiet or not rows else None


def _standing(client: Client) -> _Standing:
    written = "\n".join(
        f"""UNION ALL
        SELECT shard, 'row', max(version) FROM {table}
        WHERE (shard, epoch) IN (SELECT shard, epoch FROM base_generations) GROUP BY shard"""  # noqa: S608 - a constant
        for table in _ROLLING
    )
    rows = client.query(
        f"""SELECT shard, maxIf(version, kind = 'manifest'), maxIf(version, kind = 'row')
        FROM (
        SELECT shard, 'manifest' AS kind, toUInt64(epoch) * 4294967296 + flush AS version FROM manifest WHERE ready
        UNION ALL
        SELECT shard, 'row', max(version) FROM nodes GROUP BY shard
        {written}
        )
        GROUP BY shard
        ORDER BY shard"""  # noqa: S608 - constants
    ).result_rows
    return tuple((shard, manifest, version) for shard, manifest, version in rows)
