"""`sixfold page`."""

import asyncio
import json
import signal
import sys
import webbrowser
from typing import Annotated

from cyclopts import Parameter

from stream.commands.exits import OK, CommandError
from stream.commands.output import AsJson, log_to_stderr
from stream.settings import Settings


def page(
    *,
    port: int | None = None,
    open_: Annotated[bool, Parameter(name="--open", negative="")] = False,
    as_json: AsJson = False,
) -> int:
    """Serve the reports as a web page, until Ctrl-C or SIGTERM.

    It listens on SIXFOLD_PAGE_HOST (127.0.0.1). For others than this machine set SIXFOLD_PAGE_PASSWORD, or a reverse
    proxy's SIXFOLD_PAGE_USER_HEADER and SIXFOLD_PAGE_PROXIES: docs/page.md. `sixfold up` serves one by itself.

    Examples: `sixfold page`, `sixfold page --port 8080 --open`

    Parameters
    ----------
    port
        Where to listen; SIXFOLD_PAGE_PORT, else any free one.
    open_
        Open it in the browser.
    as_json
        Print one line of JSON with the address, once it is served.

    """
    from sinks.client import connect
    from stream.commands.settings import warn_of_unknown_variables

    warn_of_unknown_variables()
    settings = Settings()
    connect(settings, reader=True).close()  # a wrong address or password is said at once
    # the page says itself when ClickHouse is away
    log_to_stderr(settings.log_level, urllib3="CRITICAL", clickhouse_connect="CRITICAL")
    return asyncio.run(_run(settings, settings.page_port if port is None else port, open_=open_, as_json=as_json))


async def _run(settings: Settings, port: int, *, open_: bool, as_json: bool) -> int:
    from stream.page.serving import PageError, serving

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        async with serving(settings, port) as running:
            facts = {"ready": True, "url": running.url, "port": running.port}
            sys.stdout.write(f"{json.dumps(facts)}\n" if as_json else f"the page: {running.url} (Ctrl-C stops it)\n")
            sys.stdout.flush()
            if open_:
                await asyncio.to_thread(webbrowser.open, running.url)
            await stop.wait()
    except PageError as error:
        raise CommandError(str(error)) from None
    return OK
