"""European Central Bank: euro foreign exchange reference rates, as CSV and as XML, of one day or of all.

Source: ECB, "Euro foreign exchange reference rates" (www.ecb.europa.eu/stats): eurofxref.csv, eurofxref-hist.csv,
eurofxref-daily.xml, eurofxref-hist-90d.xml, eurofxref-hist.xml.

| CSV | XML | becomes `crm.rate.posted` |
| --- | --- | --- |
| Date (`2026-03-12`, or `12 March 2026`) | `<Cube time="2026-03-12">` | date |
| name of a column | `<Cube currency="USD" rate="1.0899"/>` | base EUR, quote |
| its cell; `N/A` and empty: none that day | `rate` | rate |

The time of an event is 15:00 UTC of its day, when the rates have usually been published: the same file gives the
same events, however often it is imported. To import corrected rates, raise `revision`. XML with a document type is
refused: no entity is ever expanded, nothing is fetched.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Literal
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml import ElementTree as DefusedTree
from pydantic import Field

from schemas.adapters import convert
from schemas.adapters.adapted import NOTHING_KNOWN, Adapted, Context, NotAdaptable, UnusableTable
from schemas.adapters.configuration import Currency, Source
from schemas.adapters.draft import Collector, Draft, reading
from schemas.adapters.payload import MAX_BYTES
from schemas.reasons import Reason
from schemas.values import DAY_US

BASE = "EUR"
PUBLISHED_US = 15 * 3600 * 1_000_000
DATE_FORMATS = ("%d %B %Y",)
_CODE = re.compile(r"[A-Z]{3}")


class Ecb(Source):
    """The rates of the European Central Bank (`kind = "ecb"`)."""

    kind: ClassVar[Literal["ecb"]] = "ecb"
    source: str = Field("ecb", min_length=1, max_length=200)
    currencies: list[Currency] = Field(default=[])
    """Only these; all if there are none."""
    since: str | None = Field(None, pattern=r"^\d{4}-\d{2}-\d{2}$")
    """First day that is of interest: the history begins in 1999."""


class EcbXml:
    """An XML file of rates becomes canonical events."""

    def __init__(self, source: Ecb) -> None:
        self._source = source

    def adapt(self, payload: object, context: Context = NOTHING_KNOWN) -> Adapted:  # noqa: ARG002 - one signature
        """Read a whole file."""
        out = Collector(self._source.source, self._source.revision)
        days: list[Element] = []
        with out.part(payload):
            days += _days(_parsed(payload))
        for day in days:
            cells = {each.get("currency", ""): each.get("rate", "") for each in day}
            with out.part({"time": day.get("time"), **cells}):
                _post(self._source, day.get("time"), cells, out)
        return out.adapted


class EcbTable:
    """Rows of a CSV of rates become canonical events."""

    def __init__(self, source: Ecb, columns: Sequence[str], context: Context = NOTHING_KNOWN) -> None:  # noqa: ARG002 - one signature
        """Take the header of the file. Raises UnusableTable."""
        self._source = source
        self._columns = {column: column.strip() for column in columns}
        if "Date" not in self._columns.values() or not any(map(_CODE.fullmatch, self._columns.values())):
            raise UnusableTable("there is no column Date, or none of a currency: is this a CSV of the ECB?")

    def row(self, row: Mapping[str, str]) -> Adapted:
        """Read a row, cells by column."""
        out = Collector(self._source.source, self._source.revision)
        cells = {self._columns[column]: cell.strip() for column, cell in row.items()}
        with out.part(dict(row)):
            _post(self._source, cells["Date"], cells, out)
        return out.adapted


def _post(source: Ecb, date: object, cells: Mapping[str, str], out: Collector) -> None:
    with reading("Date"):
        day = convert.day(date, "UTC", DATE_FORMATS)
        start_us = convert.instant_us(f"{day}T00:00:00+00:00")
    if source.since is not None and day < source.since:
        out.pass_over("before-since")
        return
    for code, rate in cells.items():
        if not _CODE.fullmatch(code) or rate in ("", "N/A") or (source.currencies and code not in source.currencies):
            continue
        draft = out.add(Draft("crm.rate.posted", start_us // DAY_US * DAY_US + PUBLISHED_US, 0, base=BASE))
        draft.put("date", day, "Date")
        draft.put("quote", code, code)
        draft.put("rate", rate, code)


def _parsed(payload: object) -> Element:
    if not isinstance(payload, bytes | bytearray | memoryview):
        raise NotAdaptable("invalid-payload", "must be the bytes of an XML file")
    text = bytes(payload)
    if len(text) > MAX_BYTES:
        raise NotAdaptable(Reason.TOO_LARGE, f"the file has {len(text)} bytes, more than {MAX_BYTES}")
    try:
        root: Element = DefusedTree.fromstring(text, forbid_dtd=True)
    except DefusedXmlException:
        raise NotAdaptable("invalid-xml", "declares a document type or entities, which are never read") from None
    except (ParseError, ValueError, LookupError) as error:
        place = getattr(error, "position", None)
        where = f" (line {place[0]}, column {place[1]})" if place else ""
        raise NotAdaptable("invalid-xml", f"is not well-formed XML{where}") from None
    return root


def _days(root: Element) -> Iterator[Element]:
    found = False
    for element in root.iter():
        if str(element.tag).rpartition("}")[2] == "Cube" and element.get("time") is not None:
            found = True
            yield element
    if not found:
        raise NotAdaptable("invalid-xml", "has no element Cube with a time: is this a file of the ECB?")
