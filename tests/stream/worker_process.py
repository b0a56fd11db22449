"""A whole worker in a process of its own, for tests that kill it.

Its "manifest" is one file a partition with the next offset; what it processed and was assigned goes to a
journal, one JSON object a line. `--crash-after N` crashes the application after N records.
"""

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path

from stream.transport import TP, Batch, consumer_of, install, make_app, serve


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("broker")
    parser.add_argument("group")
    parser.add_argument("topics", help="comma-separated")
    parser.add_argument("manifest", type=Path, help="directory")
    parser.add_argument("journal", type=Path, help="file")
    parser.add_argument("--crash-after", type=int, default=sys.maxsize)
    sys.exit(asyncio.run(work(parser.parse_args())))


async def work(options: argparse.Namespace) -> int:
    with options.journal.open("a", buffering=1) as journal:

        def note(**fact: object) -> None:
            print(json.dumps(fact), file=journal)

        def manifest(tp: TP) -> Path:
            path: Path = options.manifest / f"{tp.topic}-{tp.partition}"
            return path

        tasks = set()
        positions: dict[TP, int] = {}

        async def on_assigned(epoch: int, partitions: frozenset[TP]) -> None:
            note(event="assigned", epoch=epoch, partitions=sorted(partitions))

            async def load() -> None:
                offsets = {tp: int(manifest(tp).read_text()) if manifest(tp).exists() else 0 for tp in partitions}
                positions.update(offsets)
                await consumer_of(app).release(offsets, epoch=epoch)

            task = asyncio.create_task(load())
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        async def on_revoked(partitions: frozenset[TP]) -> None:
            note(event="revoked", partitions=sorted(partitions))

        datadir = options.journal.with_suffix(".data")
        app = make_app(
            options.group,
            [options.broker],
            datadir,
            session_timeout=5,
            heartbeat_interval=1,
            rebalance_timeout=5,
            max_poll_records=100,
        )
        channel = install(app, *options.topics.split(","), on_assigned=on_assigned, on_revoked=on_revoked)
        done = 0

        @app.agent(channel)
        async def process(batches: object) -> None:
            nonlocal done
            batch: Batch
            async for batch in batches:  # type: ignore[attr-defined]  # a Faust stream
                if batch.stale:
                    continue
                if batch.follows != positions[batch.tp]:
                    await app.crash(RuntimeError(f"{batch.tp}: at {positions[batch.tp]}, not at {batch.follows}"))
                    return
                positions[batch.tp] = batch.next_offset
                note(event="batch", tp=batch.tp, first=batch.first, next=batch.next_offset)
                done += batch.size
                if done >= options.crash_after:
                    await app.crash(RuntimeError("told to crash"))
                    return
                scratch = manifest(batch.tp).with_suffix(f".{os.getpid()}")
                scratch.write_text(str(batch.next_offset))
                scratch.replace(manifest(batch.tp))
                batch.ack()

        note(event="start", pid=os.getpid())
        code = await serve(app)
        note(event="end", code=code)
        return code


if __name__ == "__main__":
    main()
