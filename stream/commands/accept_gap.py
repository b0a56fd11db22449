"""`sixfold accept-gap`."""

import asyncio
from typing import Annotated

from cyclopts import Parameter
from rich.text import Text

from stream.commands.exits import OK, CommandError
from stream.commands.output import AsJson, stdout, write_json
from stream.settings import Settings


def accept_gap(
    shard: int | None = None,
    /,
    *,
    all_shards: Annotated[bool, Parameter(name="--all", negative="")] = False,
    as_json: AsJson = False,
) -> int:
    """Let a shard go on although Kafka has dropped records that it had not read.

    Their events are missing from then on. Import again what they held; importing more than that does no harm.

    Examples: `sixfold accept-gap 7`, `sixfold accept-gap --all`

    Parameters
    ----------
    shard
        The number of the shard, as the worker's log and `sixfold status` name it.
    all_shards
        Every shard that has a gap.
    as_json
        Print JSON: [{"shard", "topic", "lost"}].

    """
    if (shard is None) == (not all_shards):
        raise CommandError("name one shard, or --all")
    accepted = asyncio.run(_accept(Settings(), shard))
    if as_json:
        write_json(accepted)
        return OK
    for gap in accepted:
        stdout().print(Text(f"shard {gap['shard']}: {gap['lost']:,} records of {gap['topic']} are lost"))
    if not accepted:
        stdout().print(Text("there is no gap"))
    return OK


async def _accept(settings: Settings, shard: int | None) -> list[dict[str, object]]:
    from sinks.client import connect
    from stream.kafka_access import open_log
    from stream.wait import gaps_of, read_ends, read_standings

    client = connect(settings)
    async with open_log(settings) as log:
        ends = await read_ends(log, settings)
    standings = read_standings(client, shown=False)
    if shard is not None and shard not in standings:
        raise CommandError(f"shard {shard} has no manifest, so nothing of it can be missing")
    accepted: list[dict[str, object]] = []
    for number, standing in standings.items():
        if shard not in (None, number):
            continue
        gaps = gaps_of(ends, standing)
        if not gaps:
            continue
        client.command(
            f"""INSERT INTO manifest SELECT * REPLACE (flush + 1 AS flush, now64(3, 'UTC') AS written_at)
            FROM (SELECT * REPLACE ({_replaced(gaps)}) FROM manifest FINAL
                WHERE shard = {{shard:UInt16}} AND epoch = {{epoch:UInt32}} AND flush = {{flush:UInt32}})""",  # noqa: S608 - names of ours
            parameters={
                "shard": number,
                "epoch": standing.epoch,
                "flush": standing.flush,
                **{kind: begin for kind, (begin, _) in gaps.items()},
            },
        )
        topics = {"events": settings.events_topic, "documents": settings.documents_topic}
        accepted += [{"shard": number, "topic": topics[kind], "lost": lost} for kind, (_, lost) in gaps.items()]
    return accepted


def _replaced(gaps: dict[str, tuple[int, int]]) -> str:
    # A position at the log's begin has no record before it, and so no mark.
    return ", ".join(
        f"{{{kind}:Int64}} AS {kind}_position, toInt64(0) AS {kind}_mark_ms, toUInt32(0) AS {kind}_mark_crc"
        for kind in gaps
    )
