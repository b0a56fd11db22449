"""`sixfold wait`."""

import asyncio
from collections.abc import Mapping
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number
from rich.text import Text

from stream.commands.exits import NEGATIVE, OK
from stream.commands.output import stderr
from stream.settings import Settings


def wait(*, timeout: Annotated[float | None, Parameter(validator=Number(gt=0))] = None) -> int:
    """Return when everything that was sent until now stands in the reports.

    Exit code 1: not within the timeout.

    Examples: `sixfold import leads.jsonl && sixfold wait`, `sixfold wait --timeout 60`

    Parameters
    ----------
    timeout
        Seconds after which to give up; for ever without it.

    """
    return asyncio.run(_wait(Settings(), timeout))


async def _wait(settings: Settings, timeout: float | None) -> int:  # noqa: ASYNC109 - a person's, with its own message
    from sinks.client import connect
    from stream.kafka_access import open_log
    from stream.wait import wait_until_counted

    client = connect(settings)
    last: tuple[str, Mapping[int, int]] = (settings.events_topic, {})
    async with open_log(settings) as log:
        with stderr().status("waiting") as status:

            def show(topic: str, behind: Mapping[int, int]) -> None:
                nonlocal last
                last = topic, behind
                status.update(f"waiting: {sum(behind.values()):,} records of {topic} in {len(behind)} shards")

            try:
                async with asyncio.timeout(timeout):
                    await wait_until_counted(log, client, settings, show)
            except TimeoutError:
                topic, behind = last
                shards = ", ".join(map(str, sorted(behind)[:8])) + (", ..." if len(behind) > 8 else "")
                left = f"{sum(behind.values()):,} records of {topic} are left in shards {shards}"
                stderr().print(Text(f"sixfold: not done after {timeout:g} s: {left}; sixfold status says more"))
                return NEGATIVE
    return OK
