"""What lies on this machine: files with secrets, source files, and the keys of the gateway."""

import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from schemas.adapters import ConfigurationError
from stream.doctor.finding import Finding, fine, problem, unknown, warning
from stream.gateway.endpoints import webhook_secrets
from stream.settings import FILE, FILES, Settings, SettingsError
from stream.sources import read_sources

SECRET_FILES = (*FILES, "kafka_key_file")
"""Settings that name a file with a secret; certificates are none."""
FETCHED = frozenset({"ecb", "google-ads", "meta"})
"""Kinds of sources whose reports are fetched or imported; the others send webhooks."""


def secret_files(name: str, settings: Settings) -> Finding:
    """Nobody but their owner (and its group, for secrets mounted to one) reads files with secrets."""
    seen, open_to_all = 0, []
    for path in dict.fromkeys(_secret_files(settings)):
        try:
            mode = path.stat().st_mode
        except OSError:
            continue  # a setting whose file is gone is refused before any check
        seen += 1
        if mode & stat.S_IROTH:
            open_to_all.append(f"{path} has mode {stat.S_IMODE(mode):04o}")
    if open_to_all:
        return problem(name, f"readable by everybody: {', '.join(open_to_all)}", "chmod 600, or 640 for a group")
    return fine(name, f"{seen} files, none readable by everybody")


def source_files(name: str, settings: Settings) -> Finding:
    """The files of SIXFOLD_SOURCES can be read."""
    try:
        found = read_sources(settings)
    except ConfigurationError as error:
        return problem(name, "; ".join(str(error).splitlines()), "correct the file, or SIXFOLD_SOURCES")
    return fine(name, ", ".join(source.name for source in found) or "none are set")


def webhooks(name: str, settings: Settings) -> Finding:
    """Every source of a kind that sends webhooks has a secret; without one it has no address."""
    try:
        sources = read_sources(settings)
    except ConfigurationError:
        return unknown(name, "not checked: the source files cannot be read")
    try:
        secrets = webhook_secrets(settings, sources)
    except SettingsError as error:
        what, _, todo = str(error).rpartition("; ")
        return problem(name, what, todo)
    if not sources:
        return fine(name, "there are no sources")
    without = [source.name for source in sources if source.name not in secrets and source.kind not in FETCHED]
    if without:
        return warning(
            name,
            f"no secret, and so no webhooks, for {', '.join(without)}",
            "set it in SIXFOLD_WEBHOOK_SECRETS_DIR or SIXFOLD_WEBHOOK_SECRETS, where the source sends webhooks",
        )
    return fine(name, f"for {', '.join(secrets) or 'none'} of {len(sources)} sources; the others are fetched")


def gateway_key(name: str, settings: Settings) -> Finding:
    """Events over HTTP need a key."""
    if settings.gateway_keys:
        return fine(name, f"{len(settings.gateway_keys)} set")
    if settings.gateway_url is not None:
        return problem(
            name, f"none for {settings.gateway_url}, which refuses us", "set SIXFOLD_GATEWAY_KEY or .._KEY_FILE"
        )
    return fine(name, "none: no gateway is used here")


CHECKS: Mapping[str, Callable[[str, Settings], Finding]] = {
    "secret_files": secret_files,
    "source_files": source_files,
    "webhook_secrets": webhooks,
    "gateway_key": gateway_key,
}


def _secret_files(settings: Settings) -> Iterator[Path]:
    for field in SECRET_FILES:
        path = getattr(settings, field)
        if path is not None:
            yield path
    if settings.kafka_certificate_file is not None and settings.kafka_key_file is None:
        yield settings.kafka_certificate_file  # the key stands in it
    if settings.webhook_secrets_dir is not None and settings.webhook_secrets_dir.is_dir():
        # A mounted secret's folder has links to its files, and hidden folders with them.
        yield from (path for path in sorted(settings.webhook_secrets_dir.iterdir()) if path.is_file())
    yield from (settings.data / FILE, settings.data / "stack.json")
    # Secrets may stand in these as well.
    secrets = {origin for name, origin in settings.origins().items() if name in Settings.SECRET}
    yield from (Path(each) for each in (".env", FILE) if each in secrets)
