"""`sixfold gateway`."""

import asyncio
import json
import signal
import sys

from stream.commands.exits import NEGATIVE, OK, CommandError
from stream.commands.output import AsJson, log_to_stderr
from stream.settings import Settings, SettingsError


def gateway(*, port: int | None = None, as_json: AsJson = False) -> int:
    """Take webhooks and events in over HTTP and put them into Kafka, until Ctrl-C or SIGTERM.

    Each source of SIXFOLD_SOURCES that has a secret gets an endpoint, `/webhooks/KIND/NAME`; `/events` takes events,
    with a key of SIXFOLD_GATEWAY_KEY. Answers are given once Kafka has acknowledged. It listens on
    SIXFOLD_GATEWAY_HOST (127.0.0.1): put a reverse proxy with TLS before it, and its address into
    SIXFOLD_GATEWAY_PUBLIC_URL. What to set at each provider: docs/gateway.md. `sixfold up` runs one by itself.

    Examples: `sixfold gateway`, `sixfold gateway --port 8080`

    Parameters
    ----------
    port
        Where to listen; SIXFOLD_GATEWAY_PORT, else 8080; 0 for any free one.
    as_json
        Print one line of JSON with the addresses, once it is served.

    """
    from stream.commands.settings import warn_of_unknown_variables

    warn_of_unknown_variables()
    settings = Settings()
    log_to_stderr(settings.log_level, aiokafka="CRITICAL")  # the gateway says itself when Kafka is away
    return asyncio.run(_run(settings, settings.gateway_port if port is None else port, as_json=as_json))


async def _run(settings: Settings, port: int, *, as_json: bool) -> int:
    from schemas.adapters import ConfigurationError
    from sinks.endpoint import EndpointError
    from stream.gateway.running import running
    from stream.gateway.serving import GatewayError
    from stream.log import LogUnreachable, MissingTopic, WrongPartitions

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        async with running(settings, port) as (gateway, work):
            facts = {"ready": not gateway.away, "url": gateway.url, "port": gateway.port, "endpoints": gateway.paths}
            sys.stdout.write(f"{json.dumps(facts)}\n" if as_json else _text(gateway.url, gateway.paths))
            sys.stdout.flush()
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait([stopping, work], return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if work.done():
                if isinstance(work.exception(), LogUnreachable | MissingTopic | WrongPartitions | SettingsError):
                    work.result()  # Kafka came late, and is not what the settings say
                sys.stderr.write(f"sixfold: the gateway ended: {type(work.exception()).__name__}\n")
                return NEGATIVE
    except ConfigurationError as error:
        raise CommandError("; ".join(str(error).splitlines())) from None
    except (EndpointError, GatewayError) as error:
        raise CommandError(str(error)) from None
    return OK


def _text(url: str, paths: list[str]) -> str:
    lines = [f"the gateway: {url} (Ctrl-C stops it; {url}/docs describes it)", *(f"  POST {path}" for path in paths)]
    return "\n".join(lines) + "\n"
