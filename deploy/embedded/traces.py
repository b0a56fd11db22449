"""What the journal of a data directory still holds of erased people, and having it dropped.

A segment goes as a whole, once the tables cover it (`retention.py`): no record of it is needed then, so none has to be
rewritten. To get there soon the current one is closed.
"""

from pathlib import Path

import aiohttp

from deploy.embedded.journal import Entry, Segment, read
from sinks.erasure import ErasedIds
from stream.settings import Settings

TIMEOUT_SECONDS = 30.0


def segments_naming(data: Path, ids: ErasedIds) -> list[Path]:
    """Segments of the journal in which a record names one of the ids, oldest first."""
    directory = data / "journal"
    if not directory.is_dir():
        return []
    found = []
    for segment in sorted(filter(None, map(Segment.at, directory.iterdir())), key=lambda each: each.first):
        try:
            if any(isinstance(each, Entry) and ids.named_in(each.value) for each in read(segment)):
                found.append(segment.path)
        except FileNotFoundError:  # dropped meanwhile
            continue
    return found


async def seal(settings: Settings) -> str:
    """Have the running stack close its current segment; gives '' or why it could not be asked."""
    key = settings.gateway_keys[0].get_secret_value() if settings.gateway_keys else ""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)) as session,
            session.post(f"{settings.gateway_url}/seal", headers={"Authorization": f"Bearer {key}"}) as answer,
        ):
            return "" if answer.ok else f"{settings.gateway_url} answers {answer.status}"
    except (aiohttp.ClientError, TimeoutError) as error:
        return f"{settings.gateway_url} does not answer ({type(error).__name__})"
