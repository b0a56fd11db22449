"""An exporter over a test's database, and what a scrape finds of it."""

import asyncio
from typing import Any

from clickhouse_connect.driver.client import Client
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from sinks.exporter import Exporter
from stream.wait import Bounds, Ends

Labels = tuple[tuple[str, str], ...]
Series = dict[tuple[str, Labels], float]


def labelled(metric: str, /, **labels: str) -> tuple[str, Labels]:
    return f"sixfold_{metric}", tuple(sorted(labels.items()))


def scrape(exporter: Exporter, *, prefix: str = "sixfold_kpi_") -> Series:
    """What a scrape finds, as text and parsed again."""
    return parse(generate_latest(exporter.registry).decode(), prefix)


def parse(text: str, prefix: str = "") -> Series:
    """The samples of an exposition."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith(prefix)
    }


class Log:
    """Where the log ends, as a test says: `behind` records after what the tables hold, or `frozen` there."""

    def __init__(self, client: Client) -> None:
        self.client, self.behind = client, 0
        self.frozen: Ends | None = None

    async def ends(self) -> tuple[Ends, str]:
        if self.frozen:
            return self.frozen, ""
        rows = self.client.query(
            "SELECT shard, argMax((events_position, documents_position), (epoch, flush)) FROM manifest GROUP BY shard"
        ).result_rows
        return (
            Ends(
                {shard: Bounds(0, positions[0] + self.behind) for shard, positions in rows},
                {shard: Bounds(0, positions[1]) for shard, positions in rows},
            ),
            "",
        )


def exporter_and_log(client: Client, **options: Any) -> tuple[Exporter, Log]:
    """An exporter, and the log whose ends it is told."""
    log = Log(client)
    return Exporter(lambda: client, log.ends, **options), log


def exporter_of(client: Client, **options: Any) -> Exporter:
    """An exporter over tables that have all that is in the log."""
    return exporter_and_log(client, **options)[0]


def refresh(exporter: Exporter) -> None:
    asyncio.run(exporter.refresh())
