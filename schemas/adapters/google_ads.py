"""Google Ads: figures of campaigns by day, as rows of the API and as reports (CSV).

Sources: Google, "Google Ads API: Reporting, GoogleAdsService.SearchStream" (developers.google.com/google-ads/api), and
"Download a report" (support.google.com/google-ads).

| API row | report | becomes `crm.spend.posted` |
| --- | --- | --- |
| `segments.date` | Day | date |
| `metrics.costMicros`: millionths of the account's currency | Cost | amount |
| `customer.currencyCode` | Currency code | currency, else that of the source file |
| `customer.id` | Customer ID | account_id, else that of the source file |
| `campaign.id`, `campaign.name` | Campaign ID, Campaign | campaign_id; the name by `crm.campaign.upserted` |
| `metrics.impressions`, `metrics.clicks` | Impr., Clicks | impressions, clicks |

The platform is `google_ads`. Amounts have four decimals here: a cost of other millionths is rounded to them, half
to even (at most 0.00005 a figure). A payload is the answer of search or searchStream, or `{"as_of": .., "results":
[..]}`; names in camelCase or snake_case. Ask for `SELECT campaign.id, campaign.name, segments.date,
metrics.cost_micros, metrics.impressions, metrics.clicks, customer.id, customer.currency_code FROM campaign`: rows
by device, ad or hour would replace each other, and are refused. Restated figures: see `ads.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Literal

from schemas.adapters import convert
from schemas.adapters.adapted import NOTHING_KNOWN, Adapted, Context, NotAdaptable, UnusableTable
from schemas.adapters.ads import AdSource, Figure, Ledger, ReportColumns, as_of_us, report_number
from schemas.adapters.draft import Collector, reading
from schemas.adapters.payload import Object, an_object, at_path
from schemas.reasons import Reason

PLATFORM = "google_ads"
COLUMNS = {
    "Day": "day",
    "Date": "day",
    "Campaign ID": "campaign_id",
    "Campaign": "campaign",
    "Customer ID": "account_id",
    "Currency code": "currency",
    "Currency": "currency",
    "Cost": "cost",
    "Cost micros": "cost_micros",
    "cost_micros": "cost_micros",
    "metrics.cost_micros": "cost_micros",
    "segments.date": "day",
    "campaign.id": "campaign_id",
    "campaign.name": "campaign",
    "customer.id": "account_id",
    "customer.currency_code": "currency",
    "metrics.impressions": "impressions",
    "metrics.clicks": "clicks",
    "Impr.": "impressions",
    "Impressions": "impressions",
    "Clicks": "clicks",
}
MICRO = -6
"""Power of ten of a millionth."""


class GoogleAds(AdSource):
    """A Google Ads account (`kind = "google-ads"`)."""

    kind: ClassVar[Literal["google-ads"]] = "google-ads"


class GoogleAdsFigures:
    """Rows of the API become canonical events."""

    def __init__(self, source: GoogleAds) -> None:
        self._source = source

    def adapt(self, payload: object, context: Context = NOTHING_KNOWN) -> Adapted:
        """Read an answer of the API; JSON bytes or decoded."""
        out = Collector(self._source.source, self._source.revision)
        ledger = Ledger(self._source, PLATFORM)
        for document in out.documents(payload):
            batches = document if type(document) is list else [document]
            for batch in batches:
                rows: list[object] = []
                with out.part(batch):
                    read_us = as_of_us(batch, context)
                    rows += _rows(an_object(batch, "answer"))
                for row in rows:
                    with out.part(row):
                        ledger.post(_figure(an_object(row, "row")), read_us, out)
        return out.adapted


class GoogleAdsReport:
    """Rows of a downloaded report become canonical events."""

    def __init__(self, source: GoogleAds, columns: Sequence[str], context: Context = NOTHING_KNOWN) -> None:
        """Take the header of the file. Raises UnusableTable."""
        self._source = source
        self._ledger = Ledger(source, PLATFORM)
        self._columns = ReportColumns(source, COLUMNS, list(columns))
        self._first = columns[0] if columns else ""
        for what, name in (("day", "Day"), ("campaign_id", "Campaign ID")):
            if what not in self._columns:
                raise UnusableTable(f"there is no column {name}: add it to the report")
        if "cost" not in self._columns and "cost_micros" not in self._columns:
            raise UnusableTable("there is no column Cost: add it to the report")
        try:
            self._as_of_us = as_of_us(None, context)
        except NotAdaptable as verdict:
            raise UnusableTable(verdict.message) from None

    def row(self, row: Mapping[str, str]) -> Adapted:
        """Read a row, cells by column."""
        out = Collector(self._source.source, self._source.revision)
        if row[self._first].strip().startswith("Total"):
            out.pass_over("total")
            return out.adapted
        with out.part(dict(row)):
            self._ledger.post(self._read(row), self._as_of_us, out)
        return out.adapted

    def _read(self, row: Mapping[str, str]) -> Figure:
        cell, sign = self._columns.cell, self._source.decimal
        micros = cell(row, "cost_micros")
        with reading("Cost"):
            cost = report_number(micros or cell(row, "cost") or "", sign)
            amount = convert.rounded(cost, MICRO if micros else 0) if cost is not None else "0"
        with reading("Impr., Clicks"):
            impressions = report_number(cell(row, "impressions") or "", sign)
            clicks = report_number(cell(row, "clicks") or "", sign)
        return Figure(
            cell(row, "day"),
            amount,
            cell(row, "currency"),
            cell(row, "account_id"),
            cell(row, "campaign_id"),
            cell(row, "campaign"),
            impressions,
            clicks,
            "Cost",
        )


def _rows(batch: Object) -> Iterator[object]:
    rows = batch.get("results")
    if rows is None:
        return  # an answer without rows has none
    if type(rows) is not list:
        raise NotAdaptable(Reason.INVALID_MEMBER, "results: must be an array")
    yield from rows


def _figure(row: Object) -> Figure:
    micros = _either(row, "metrics.costMicros", "metrics.cost_micros")
    if micros is None:
        raise NotAdaptable(Reason.MISSING_MEMBER, "metrics.costMicros: is missing")
    with reading("metrics.costMicros"):
        amount = convert.rounded(convert.decimal(micros), MICRO)
    return Figure(
        at_path(row, "segments.date"),
        amount,
        _either(row, "customer.currencyCode", "customer.currency_code"),
        at_path(row, "customer.id"),
        at_path(row, "campaign.id"),
        at_path(row, "campaign.name"),
        at_path(row, "metrics.impressions"),
        at_path(row, "metrics.clicks"),
        "metrics.costMicros",
    )


def _either(row: Object, camel: str, snake: str) -> object:
    found = at_path(row, camel)
    return at_path(row, snake) if found is None else found
