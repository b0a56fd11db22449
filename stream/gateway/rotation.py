"""Secrets that are rotated while the gateway runs: their files are read again, and what is new is in force at once.

Every few seconds the files of the webhooks' secrets and of the gateway's keys are read, in a thread. What cannot be
read changes nothing: the secrets that were in force stay so, a line in the log says it once, and a metric shows it for
as long as it lasts. Source files are not taken while it runs, for they decide what events mean: where one has changed,
the log and a metric say that a restart is needed.
"""

import asyncio
import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from schemas.adapters import ConfigurationError, Rows
from stream.gateway.endpoints import Endpoint, endpoints_of, webhook_secrets
from stream.gateway.service import Service
from stream.settings import PREFIX, Settings, SettingsError, keys_of, read_secret
from stream.sources import NamedSource, source_paths

__all__ = ["SecretsInForce", "read_secrets", "watch"]

CHECK_SECONDS = 3.0
"""How long a changed file may go unseen."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SecretsInForce:
    """The keys of `/events`, and the secrets of webhooks by name of the source."""

    keys: tuple[str, ...]
    webhooks: Mapping[str, tuple[bytes, ...]]


def read_secrets(settings: Settings, sources: Sequence[NamedSource]) -> SecretsInForce:
    """Read what stands in files now, the rest as it is set. Raises `SettingsError`."""
    keys, path = settings.gateway_keys, settings.gateway_key_file
    if path is not None:
        keys = keys_of(read_secret(path, "gateway_key_file", settings.origins()["gateway_key_file"]))
    return SecretsInForce(tuple(key.get_secret_value() for key in keys), webhook_secrets(settings, sources))


def endpoints_with(
    secrets: SecretsInForce, sources: Sequence[NamedSource], before: Mapping[str, Endpoint]
) -> dict[str, Endpoint]:
    """The endpoints under other secrets; adapters stay those that there are. Raises `ConfigurationError`."""
    known = {
        name: replace(endpoint, secrets=secrets.webhooks[name])
        for name, endpoint in before.items()
        if name in secrets.webhooks
    }
    return known | endpoints_of([source for source in sources if source.name not in known], secrets.webhooks)


async def watch(
    service: Service,
    settings: Settings,
    sources: Sequence[NamedSource],
    in_force: SecretsInForce,
    own_key: str = "",
) -> None:
    """Keep the service's secrets those of the files, until cancelled. `own_key` is taken beside all others."""
    began_with = await asyncio.to_thread(_digest, settings, sources)
    fault, restart = "", False
    while True:
        await asyncio.sleep(CHECK_SECONDS)
        try:
            found = await asyncio.to_thread(_read_again, settings, sources, in_force)
            if found != in_force:
                endpoints = await asyncio.to_thread(endpoints_with, found, sources, service.endpoints)
                service.use([own_key, *found.keys] if own_key else found.keys, endpoints)
                for what in _changed(in_force, found):
                    logger.info("%s changed: what the file says now is in force", what)
                    service.metrics.secret_reloads.inc()
                in_force = found
            if fault:
                logger.info("secrets can be read again")
            fault = ""
        except (SettingsError, ConfigurationError, OSError) as error:
            if str(error) != fault:
                fault = str(error)
                logger.error("secrets stay as they were: %s", fault)  # noqa: TRY400 - a line, not a trace
        service.metrics.secrets_unreadable = bool(fault)
        changed = await asyncio.to_thread(_digest, settings, sources) != began_with
        if changed and not restart:
            logger.warning("source files (%sSOURCES) have changed: restart the gateway to use them", PREFIX)
        restart = service.metrics.restart_needed = changed


def _read_again(settings: Settings, sources: Sequence[NamedSource], in_force: SecretsInForce) -> SecretsInForce:
    """As `read_secrets`; a secret that is gone is a file that cannot be read, for it may be about to come again."""
    found = read_secrets(settings, sources)
    gone = sorted(in_force.webhooks.keys() - found.webhooks.keys())
    if gone:
        raise SettingsError(
            f"{PREFIX}WEBHOOK_SECRETS_DIR: the secret of {', '.join(gone)} is gone: write its file again, or restart "
            "the gateway, which then has no endpoint for it"
        )
    if in_force.keys and not found.keys:
        raise SettingsError(f"{PREFIX}GATEWAY_KEY_FILE: {settings.gateway_key_file} has no key in it; write one a line")
    return found


def _changed(before: SecretsInForce, after: SecretsInForce) -> Iterator[str]:
    if before.keys != after.keys:
        yield "the gateway's keys"
    for name, secrets in after.webhooks.items():
        if before.webhooks.get(name) != secrets:
            yield f"the secret of {name}"


def _digest(settings: Settings, sources: Sequence[NamedSource]) -> bytes:
    """What the source files and their mappings say now; one that cannot be read counts as another."""
    mappings = [each.path.parent / each.source.mapping for each in sources if isinstance(each.source, Rows)]
    digest = hashlib.sha256()
    try:
        paths = [*source_paths(settings), *mappings]
    except OSError:
        return b""
    for path in paths:
        digest.update(f"{path}\0".encode())
        digest.update(_bytes(path))
    return digest.digest()


def _bytes(path: Path) -> bytes:
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return b""
