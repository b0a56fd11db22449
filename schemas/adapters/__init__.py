"""Adapters: what a CRM, a telephone system or an ad platform says, as canonical events.

Pure: no I/O, no clock. A gateway or a Kafka agent opens one for each source, and calls it with every payload:

    source = parse_source(text_of_the_toml_file, "hubspot.toml")
    adapter = open_adapter(source)
    adapted = adapter.adapt(body)            # bytes, or what a JSON decoder made of them (with Decimals)
    adapted.events                           # encoded, each accepted by `schemas.decode`: for the topic of the events
    adapted.refusals                         # reason, message that names the member, the part as it came
    reference_of(source).events              # what the file itself says (who the owners are): once, at the start

Files are read by `FORMATS`: a table's rows one by one (`open_table`), a payload a line, or a whole document.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from schemas.adapters import ecb, google_ads, hubspot, meta_ads, pipedrive, salesforce
from schemas.adapters.adapted import (
    GAP,
    NOTHING_KNOWN,
    Adapted,
    Context,
    NotAdaptable,
    Refusal,
    UnusableTable,
)
from schemas.adapters.configuration import ConfigurationError, Rows, Source, read_source
from schemas.adapters.hubspot_export import HubSpotExport
from schemas.adapters.pipedrive_export import PipedriveExport
from schemas.adapters.salesforce_export import SalesforceExport
from schemas.adapters.segment import Segment, SegmentCalls
from schemas.adapters.snowplow import Snowplow, SnowplowEvents
from schemas.adapters.telephony import Telephony, TelephonyCalls
from schemas.adapters.twilio import Twilio, TwilioCallbacks

__all__ = [
    "FORMATS",
    "GAP",
    "KINDS",
    "NOTHING_KNOWN",
    "Adapted",
    "Adapter",
    "ConfigurationError",
    "Context",
    "Format",
    "NotAdaptable",
    "Refusal",
    "Rows",
    "Source",
    "Table",
    "UnusableTable",
    "default_source",
    "kind_of",
    "open_adapter",
    "open_table",
    "parse_source",
    "reference_of",
]


class Adapter(Protocol):
    """Makes canonical events of payloads. Never raises: what it cannot read is among the refusals."""

    def adapt(self, payload: object, context: Context = NOTHING_KNOWN) -> Adapted:
        """Read one payload, bytes or decoded."""
        ...


class Table(Protocol):
    """Makes canonical events of the rows of one file. Never raises, either."""

    def row(self, row: Mapping[str, str]) -> Adapted:
        """Read a row, cells by column; it has exactly the columns of the header."""
        ...


@dataclass(frozen=True)
class _Kind:
    source: type[Source]
    adapter: Callable[[Any], Adapter]
    """Takes a source of that very model."""


_KINDS = {
    "hubspot": _Kind(hubspot.HubSpot, hubspot.HubSpotWebhooks),
    "salesforce": _Kind(salesforce.Salesforce, salesforce.SalesforceChanges),
    "pipedrive": _Kind(pipedrive.Pipedrive, pipedrive.PipedriveWebhooks),
    "twilio": _Kind(Twilio, TwilioCallbacks),
    "telephony": _Kind(Telephony, TelephonyCalls),
    "google-ads": _Kind(google_ads.GoogleAds, google_ads.GoogleAdsFigures),
    "meta": _Kind(meta_ads.MetaAds, meta_ads.MetaAdsFigures),
    "ecb": _Kind(ecb.Ecb, ecb.EcbXml),
    "segment": _Kind(Segment, SegmentCalls),
    "snowplow": _Kind(Snowplow, SnowplowEvents),
}
KINDS: dict[str, type[Source]] = {**{name: kind.source for name, kind in _KINDS.items()}, "rows": Rows}
"""The models of source files by `kind`. `rows` has no adapter here: who opens it reads its mapping file, too."""


@dataclass(frozen=True)
class Format:
    """A form of files of a kind of source.

    `shape`: a `table` with a header, a payload on each of the `lines`, or one `document`. `table` opens a table for
    its header. `header` are columns, in small letters, by which the header is found below lines in front of it.
    `restated`: its figures are as of some instant, which is no part of the file.
    """

    kind: str
    shape: Literal["table", "lines", "document"]
    table: Callable[..., Table] | None = None
    header: frozenset[str] = frozenset()
    restated: bool = False


FORMATS: dict[str, Format] = {
    "hubspot-csv": Format("hubspot", "table", HubSpotExport),
    "salesforce-csv": Format("salesforce", "table", SalesforceExport),
    "pipedrive-csv": Format("pipedrive", "table", PipedriveExport),
    "google-ads-csv": Format(
        "google-ads", "table", google_ads.GoogleAdsReport, frozenset({"campaign id", "campaign.id"}), restated=True
    ),
    "meta-csv": Format("meta", "table", meta_ads.MetaAdsReport, restated=True),
    "ecb-csv": Format("ecb", "table", ecb.EcbTable),
    "ecb-xml": Format("ecb", "document"),
    **{name: Format(name, "lines", restated=name in ("google-ads", "meta")) for name in _KINDS if name != "ecb"},
}
"""What a file can be: exports, and payloads that were kept, one a line."""


def parse_source(text: str, name: str) -> Source:
    """Read a source file's text, TOML; messages begin with `name`. Raises ConfigurationError."""
    return read_source(text, name, KINDS)


def default_source(kind: str) -> Source:
    """A source about which nobody said anything: it is called as its kind."""
    return KINDS[kind].model_validate({"source": kind})


def kind_of(source: Source) -> str:
    """The kind of a source."""
    return next(name for name, model in KINDS.items() if type(source) is model)


def open_adapter(source: Source) -> Adapter:
    """Make the adapter of a source's payloads, of any kind but `rows`."""
    return _KINDS[kind_of(source)].adapter(source)


def open_table(
    format_name: str,
    source: Source,
    columns: Sequence[str],
    context: Context = NOTHING_KNOWN,
    *,
    close_gaps: bool = False,
) -> Table:
    """Make the adapter of a file's rows, given its header.

    `close_gaps`: the rows are whole records, so that what was to be fetched of them is fetched now. Raises
    UnusableTable for columns that are not those of the format, and for a format that is no table.
    """
    chosen = FORMATS[format_name]
    if chosen.table is None or kind_of(source) != chosen.kind:
        raise UnusableTable(f"{format_name} is no table of a source of kind {kind_of(source)}")
    if close_gaps and chosen.kind not in ("hubspot", "salesforce"):
        raise UnusableTable(f"{format_name}: only HubSpot and Salesforce say which records are to be fetched")
    more = {"close_gaps": True} if close_gaps else {}
    return chosen.table(source, columns, context, **more)


def reference_of(source: Source) -> Adapted:
    """What a source file itself says, as events: who the people are that it names."""
    if isinstance(source, hubspot.HubSpot):
        return hubspot.reference(source)
    if isinstance(source, salesforce.Salesforce):
        return salesforce.reference(source)
    if isinstance(source, pipedrive.Pipedrive):
        return pipedrive.reference(source)
    return Adapted()
