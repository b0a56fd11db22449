"""Meta ads (Facebook, Instagram): figures of campaigns by day, as rows of the Insights API and as exports (CSV).

Sources: Meta, "Marketing API: Insights" (developers.facebook.com/docs/marketing-api/insights), and "Export a report
from Meta Ads Manager" (www.facebook.com/business/help).

| API row | export | becomes `crm.spend.posted` |
| --- | --- | --- |
| `date_start`, the same as `date_stop` | Day | date |
| `spend` | Amount spent (EUR) | amount |
| `account_currency` | Currency, or that of the column Amount spent | currency, else that of the source file |
| `account_id` | Account ID | account_id, else that of the source file |
| `campaign_id`, `campaign_name` | Campaign ID, Campaign name | campaign_id; the name by `crm.campaign.upserted` |
| `impressions` | Impressions | impressions |
| `clicks`, or `inline_link_clicks` (`clicks` of the source file) | Clicks (all), or Link clicks | clicks |

The platform is `meta`. A payload is the answer of the API, or `{"as_of": .., "data": [..]}`. Ask for
`level=campaign&time_increment=1`: rows of several days are refused, rows by ad, age or placement would replace each
other, and are refused too. Meta restates figures for 28 days: send them all again each day, see `ads.py`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from schemas.adapters import convert
from schemas.adapters.adapted import NOTHING_KNOWN, Adapted, Context, NotAdaptable, UnusableTable
from schemas.adapters.ads import AdSource, Figure, Ledger, ReportColumns, as_of_us, report_number
from schemas.adapters.draft import Collector, reading
from schemas.adapters.payload import Object, an_object, member
from schemas.reasons import Reason

PLATFORM = "meta"
COLUMNS = {
    "Day": "day",
    "Date": "day",
    "Campaign ID": "campaign_id",
    "Campaign name": "campaign",
    "Account ID": "account_id",
    "Currency": "currency",
    "Amount spent": "cost",
    "Impressions": "impressions",
    "Clicks (all)": "clicks",
    "Link clicks": "inline_link_clicks",
    "Reporting starts": "starts",
    "Reporting ends": "ends",
}
_SPENT = re.compile(r"Amount spent \(([A-Z]{3})\)", re.IGNORECASE)


class MetaAds(AdSource):
    """A Meta ad account (`kind = "meta"`)."""

    kind: ClassVar[Literal["meta"]] = "meta"
    clicks: Literal["clicks", "inline_link_clicks"] = "clicks"


class MetaAdsFigures:
    """Rows of the Insights API become canonical events."""

    def __init__(self, source: MetaAds) -> None:
        self._source = source

    def adapt(self, payload: object, context: Context = NOTHING_KNOWN) -> Adapted:
        """Read an answer of the API; JSON bytes or decoded."""
        out = Collector(self._source.source, self._source.revision)
        ledger = Ledger(self._source, PLATFORM)
        for document in out.documents(payload):
            rows: list[object] = []
            with out.part(document):
                answer = an_object(document, "answer")
                read_us = as_of_us(answer, context)
                given = member(answer, "data")
                if type(given) is not list:
                    raise NotAdaptable(Reason.INVALID_MEMBER, "data: must be an array")
                rows += given
            for row in rows:
                with out.part(row):
                    ledger.post(self._figure(an_object(row, "row")), read_us, out)
        return out.adapted

    def _figure(self, row: Object) -> Figure:
        day = member(row, "date_start")
        if row.get("date_stop", day) != day:
            problem = "date_stop: is another day than date_start: ask for time_increment=1"
            raise NotAdaptable(Reason.INVALID_MEMBER, problem)
        with reading("spend"):
            amount = convert.rounded(convert.decimal(member(row, "spend")))
        return Figure(
            day,
            amount,
            row.get("account_currency"),
            row.get("account_id"),
            row.get("campaign_id"),
            row.get("campaign_name"),
            row.get("impressions"),
            row.get(self._source.clicks),
            "spend",
        )


class MetaAdsReport:
    """Rows of an export become canonical events."""

    def __init__(self, source: MetaAds, columns: Sequence[str], context: Context = NOTHING_KNOWN) -> None:
        """Take the header of the file. Raises UnusableTable."""
        self._source = source
        self._ledger = Ledger(source, PLATFORM)
        spent = next(filter(None, (_SPENT.fullmatch(column.strip()) for column in columns)), None)
        known = {**COLUMNS, spent.group(): "cost"} if spent else COLUMNS
        self._currency = spent.group(1).upper() if spent else None
        self._columns = ReportColumns(source, known, list(columns))
        for what, name in (("campaign_id", "Campaign ID"), ("cost", "Amount spent")):
            if what not in self._columns:
                raise UnusableTable(f"there is no column {name}: add it to the export")
        if "day" not in self._columns and "starts" not in self._columns:
            raise UnusableTable("there is no column Day: break the export down by day")
        try:
            self._as_of_us = as_of_us(None, context)
        except NotAdaptable as verdict:
            raise UnusableTable(verdict.message) from None

    def row(self, row: Mapping[str, str]) -> Adapted:
        """Read a row, cells by column."""
        out = Collector(self._source.source, self._source.revision)
        cell = self._columns.cell
        if cell(row, "campaign_id") is None and cell(row, "campaign") is None:
            out.pass_over("total")
            return out.adapted
        with out.part(dict(row)):
            self._ledger.post(self._read(row), self._as_of_us, out)
        return out.adapted

    def _read(self, row: Mapping[str, str]) -> Figure:
        cell, sign = self._columns.cell, self._source.decimal
        day = cell(row, "day") or cell(row, "starts")
        if cell(row, "day") is None and cell(row, "ends") != day:
            raise NotAdaptable(Reason.INVALID_MEMBER, "Reporting ends: is another day than Reporting starts")
        with reading("Amount spent"):
            cost = report_number(cell(row, "cost") or "", sign)
            amount = convert.rounded(cost) if cost is not None else "0"
        with reading("Impressions, Clicks"):
            impressions = report_number(cell(row, "impressions") or "", sign)
            clicks = report_number(cell(row, self._source.clicks) or "", sign)
        return Figure(
            day,
            amount,
            cell(row, "currency") or self._currency,
            cell(row, "account_id"),
            cell(row, "campaign_id"),
            cell(row, "campaign"),
            impressions,
            clicks,
            "Amount spent",
        )
