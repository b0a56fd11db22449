"""What the gateway serves: an endpoint for each source that has a secret."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from schemas.adapters import Adapter
from stream.gateway.signatures import Scheme, scheme_of
from stream.settings import PREFIX, Settings, SettingsError
from stream.sources import NamedSource

__all__ = ["Endpoint", "endpoints_of", "webhook_secrets"]

_FILE_BYTES = 64 << 10


@dataclass(frozen=True)
class Endpoint:
    """A source's address, who reads its payloads, and what shows that they are the source's."""

    source: NamedSource
    adapter: Adapter
    scheme: Scheme
    secrets: tuple[bytes, ...]

    @property
    def name(self) -> str:
        """That of the source file."""
        return self.source.name

    @property
    def kind(self) -> str:
        """That of the source file's `kind`."""
        return self.source.kind

    @property
    def path(self) -> str:
        """Where its webhooks go."""
        return f"/webhooks/{self.kind}/{self.name}"


def webhook_secrets(settings: Settings, sources: Sequence[NamedSource]) -> dict[str, tuple[bytes, ...]]:
    """Give the secrets in force by name of the source; one that has none is left out.

    A source's own file in SIXFOLD_WEBHOOK_SECRETS_DIR goes before SIXFOLD_WEBHOOK_SECRETS. Raises SettingsError for a
    secret of a source that is not there, and for a file that cannot be read.
    """
    names = {source.name for source in sources}
    given = {name: [each.get_secret_value() for each in many] for name, many in settings.webhook_secrets.items()}
    if unknown := sorted(given.keys() - names):
        raise SettingsError(
            f"{PREFIX}WEBHOOK_SECRETS ({settings.origins()['webhook_secrets']}): there is no source "
            f"{', '.join(unknown)} among SIXFOLD_SOURCES ({', '.join(sorted(names)) or 'none'}); correct the name"
        )
    found = {}
    for name in sorted(names):
        secrets = _in_file(settings, name) or given.get(name, [])
        if secrets:
            found[name] = tuple(secret.encode() for secret in secrets)
    return found


def _in_file(settings: Settings, name: str) -> list[str]:
    """The secrets of a source in its file, one a line; none without a file. Names of sources hold no slash."""
    if settings.webhook_secrets_dir is None:
        return []
    path = settings.webhook_secrets_dir / name
    try:
        with path.open(encoding="utf-8") as file:
            secrets = [line.strip() for line in file.read(_FILE_BYTES).splitlines() if line.strip()]
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{PREFIX}WEBHOOK_SECRETS_DIR ({settings.origins()['webhook_secrets_dir']}): cannot read {path}: "
            f"{getattr(error, 'strerror', 'it is no text')}; correct it or its permissions"
        ) from None
    if not secrets:
        raise SettingsError(
            f"{PREFIX}WEBHOOK_SECRETS_DIR ({settings.origins()['webhook_secrets_dir']}): {path} is empty; write the "
            "secret into it, or remove it"
        )
    return secrets


def endpoints_of(sources: Sequence[NamedSource], secrets: Mapping[str, tuple[bytes, ...]]) -> dict[str, Endpoint]:
    """The endpoints by name of the source."""
    return {
        source.name: Endpoint(source, source.open(), scheme_of(source.kind), secrets[source.name])
        for source in sources
        if source.name in secrets
    }
