"""The source files of `SIXFOLD_SOURCES`: what the gateway and the Kafka sources read.

A source is called what its file is called without `.toml`: in the gateway's addresses, in metrics and in messages.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from schemas.adapters import Adapter, ConfigurationError, Rows, Source, kind_of, open_adapter, parse_source
from stream.mapped_rows import MappedRows
from stream.mapping import MappingError, read_mapping
from stream.rows import RowMapper
from stream.settings import Settings

__all__ = ["NamedSource", "read_sources", "source_paths"]

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class NamedSource:
    """A source file: its name, where it stands, what it says."""

    name: str
    path: Path
    source: Source

    @property
    def kind(self) -> str:
        """Which adapter reads its payloads."""
        return kind_of(self.source)

    def open(self) -> Adapter:
        """Make the adapter of its payloads. Raises ConfigurationError for a mapping that cannot be used."""
        if not isinstance(self.source, Rows):
            return open_adapter(self.source)
        path = self.path.parent / self.source.mapping
        try:
            mapping = read_mapping(path)
            # the source file says whose rows these are, and may raise the revision
            said = {"source": self.source.source, "revision": self.source.revision or mapping.revision}
            return MappedRows(RowMapper(mapping.model_copy(update=said), [path.parent]))
        except MappingError as error:
            raise ConfigurationError(f"{self.path}: mapping: {error}") from None


def read_sources(settings: Settings) -> tuple[NamedSource, ...]:
    """Read all source files, in the order of their names. Raises ConfigurationError, with a line for each fault."""
    found: dict[str, NamedSource] = {}
    faults: list[str] = []
    for path in source_paths(settings):
        name = path.stem
        if fault := _fault_of_name(path, found.get(name)):
            faults.append(fault)
            continue
        try:
            found[name] = NamedSource(name, path, parse_source(_text(path), str(path)))
        except ConfigurationError as error:
            faults.append(str(error))
    if faults:
        raise ConfigurationError("\n".join(faults))
    return tuple(found[name] for name in sorted(found))


def source_paths(settings: Settings) -> Iterator[Path]:
    """The files that SIXFOLD_SOURCES names, those in its folders among them; they need not be there."""
    for each in settings.sources:
        path = Path(each)
        if path.is_dir():
            yield from sorted(path.glob("*.toml"))
        else:
            yield path


def _fault_of_name(path: Path, other: NamedSource | None) -> str | None:
    if not _NAME.fullmatch(path.stem):
        return f"{path}: its name is part of web addresses: only a-z, 0-9, - and _, 64 at most, before .toml"
    return f"{path}: {other.path} has the same name: rename one" if other else None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror} (SIXFOLD_SOURCES names it)") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: is not UTF-8 (byte {error.start})") from None
