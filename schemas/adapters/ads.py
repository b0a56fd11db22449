"""Figures of advertising platforms: what a campaign cost on a day, as the platform has it at some instant.

Platforms restate their figures for weeks. So a figure's event has the time at which it was read, `as_of`: the later
reading replaces the earlier one whole, in whatever order they arrive. Nothing else in a figure could say which of
two is newer, and the clock is not asked: a payload without `as_of` is refused, a file has it from `--as-of` or from
its own last change.
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Literal, NamedTuple

from pydantic import Field

from schemas.adapters import convert
from schemas.adapters.adapted import Context, NotAdaptable
from schemas.adapters.configuration import Currency, Source
from schemas.adapters.convert import Json, UnreadableError
from schemas.adapters.draft import Collector, Draft, reading
from schemas.reasons import Reason


class AdSource(Source):
    """What the accounts of all advertising platforms say."""

    currency: Currency | None = None
    """Of figures that do not name theirs."""
    account_id: str | None = Field(None, min_length=1, max_length=256)
    """Of figures that do not name theirs."""
    category: str = Field("media", min_length=1, max_length=256)
    campaigns: bool = True
    """Say what campaigns are called (`crm.campaign.upserted`), so that leads with that name in utm_campaign meet
    the spend of its id."""
    columns: dict[str, str] = Field(default={})
    """Column of a report in another language, with what it is: day, campaign_id, campaign, account_id, currency,
    cost, impressions, clicks."""
    decimal: Literal[".", ","] = "."
    """Decimal sign of the figures in reports."""
    date_formats: list[str] = Field(default=[])
    """strptime formats of the days in reports, tried before YYYY-MM-DD."""


class Figure(NamedTuple):
    """One row of a report. `place` is how messages name its cost."""

    day: object
    amount: str
    currency: object
    account_id: object
    campaign_id: object
    campaign: object
    impressions: object
    clicks: object
    place: str


class Ledger:
    """Turns figures into events; knows which it had, for a report by ad or device has several of a campaign and day."""

    def __init__(self, source: AdSource, platform: str) -> None:
        self._source, self._platform = source, platform
        self._figures: dict[tuple[Json, ...], tuple[Json, ...]] = {}
        self._named: set[tuple[str, str]] = set()

    def post(self, figure: Figure, as_of_us: int, out: Collector) -> None:
        """Add the events of a figure. Raises NotAdaptable."""
        source = self._source
        with reading("date"):
            day = convert.day(figure.day, source.time_zone, source.date_formats)
        account = _account(_id("account", figure.account_id) or source.account_id)
        campaign = _id("campaign", figure.campaign_id)
        with reading("currency"):
            currency = convert.converted("currency", figure.currency, "UTC") or source.currency
        if currency is None:
            raise NotAdaptable(Reason.MISSING_MEMBER, "currency: is missing, and the source file gives none")
        draft = Draft("crm.spend.posted", as_of_us, 0, platform=self._platform, category=source.category)
        draft.put("date", day, "date")
        draft.put("amount", figure.amount, figure.place)
        draft.put("currency", currency, "currency")
        draft.put("account_id", account, "account")
        draft.put("campaign_id", campaign, "campaign")
        for name, raw in (("impressions", figure.impressions), ("clicks", figure.clicks)):
            with reading(name):
                draft.put(name, convert.converted("int", raw, "UTC"), name)
        key = day, account, campaign
        said = figure.amount, str(figure.impressions), str(figure.clicks)
        if self._figures.setdefault(key, said) != said:
            raise NotAdaptable(
                "second-figure",
                f"date, campaign: a second figure for a campaign on {day}, which would replace the first: "
                "report by campaign and day, and by nothing else",
            )
        out.add(draft)
        with reading("campaign name"):
            called = convert.plain(figure.campaign)
        if source.campaigns and campaign is not None and called is not None:
            named = campaign, str(called)
            if named not in self._named:
                self._named.add(named)
                out.add(Draft("crm.campaign.upserted", as_of_us, 0, campaign_id=campaign, name=str(called)))


def as_of_us(document: object, context: Context) -> int:
    """When the figures were read: the payload's own `as_of`, else that of the context. Raises NotAdaptable."""
    given = document.get("as_of") if type(document) is dict else None
    given = context.as_of if given is None else given
    if given is None:
        raise NotAdaptable(
            Reason.MISSING_MEMBER, "as_of: is missing: say when the figures were read, for they are restated"
        )
    with reading("as_of"):
        return convert.instant_us(given)


def report_number(cell: str, decimal_sign: str) -> Decimal | None:
    """Read a number of a report: `1,234.50`, `1.234,50`, `--` for none. Raises UnreadableError."""
    text = cell.strip().replace("\N{NO-BREAK SPACE}", "").replace("\N{NARROW NO-BREAK SPACE}", "").replace(" ", "")
    if text in ("", "--", "-"):
        return None
    text = text.replace("," if decimal_sign == "." else ".", "").replace(decimal_sign, ".")
    if not text.removeprefix("-").replace(".", "", 1).isascii() or len(text) > 40:
        raise UnreadableError("is no number")
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise UnreadableError("is no number") from None
    if not number.is_finite():
        raise UnreadableError("is no number")
    return number


class ReportColumns:
    """Which column of a report is what."""

    def __init__(self, source: AdSource, known: Mapping[str, str], columns: list[str]) -> None:
        names = {name.casefold(): what for name, what in {**known, **source.columns}.items()}
        self._by_what: dict[str, str] = {}
        for column in columns:
            what = names.get(column.strip().casefold())
            if what is not None:
                self._by_what.setdefault(what, column)

    def __contains__(self, what: str) -> bool:
        return what in self._by_what

    def cell(self, row: Mapping[str, str], what: str) -> str | None:
        """A cell, None where it is empty or there is no such column."""
        column = self._by_what.get(what)
        return None if column is None else row[column].strip() or None


def _account(account: str | None) -> str | None:
    """One spelling of an account: 771-204-0001 is 7712040001, act_88 is 88; else a day would count twice."""
    if account is None:
        return None
    digits = account.removeprefix("act_").replace("-", "")
    return digits if digits.isascii() and digits.isdigit() else account


def _id(place: str, raw: object) -> str | None:
    with reading(place):
        return None if convert.plain(raw) is None else convert.identifier(raw)
