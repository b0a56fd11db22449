"""What ads cost and what currencies are worth: Google Ads, Meta, the ECB."""

from typing import Any

import pytest

from schemas import decode
from schemas.adapters import UnusableTable
from schemas.adapters.adapted import Context
from stream import batch
from tests.schemas.adapters.samples import (
    ECB_XML,
    GOOGLE_ADS,
    META,
    adapter,
    decoded,
    refusals,
    rows,
    said,
    source,
)

AS_OF = "2026-03-02T06:00:00Z"
CONTEXT = Context(as_of=AS_OF)
CAMPAIGN = ("campaign.upserted", AS_OF, {"campaign_id": "55", "name": "Spring"})


def google(**metrics: Any) -> dict[str, Any]:
    (row,) = GOOGLE_ADS["results"]
    return {"as_of": AS_OF, "results": [{**row, "metrics": {**row["metrics"], **metrics}}]}


def test_a_figure_of_google_ads() -> None:
    figure = {
        "platform": "google_ads",
        "category": "media",
        "date": "2026-03-01",
        "amount": "184.2150",
        "currency": "EUR",
        "account_id": "771204",
        "campaign_id": "55",
        "impressions": 18250,
        "clicks": 411,
    }
    assert said(adapter("google-ads").adapt(GOOGLE_ADS)) == [("spend.posted", AS_OF, figure), CAMPAIGN]
    assert said(adapter("google-ads", "campaigns = false").adapt([GOOGLE_ADS])) == [("spend.posted", AS_OF, figure)]
    snake = {
        "results": [
            {
                "customer": {"id": 771204, "currency_code": "EUR"},
                "campaign": {"id": 55, "name": "Spring"},
                "segments": {"date": "2026-03-01"},
                "metrics": {"cost_micros": 184215000, "impressions": 18250, "clicks": 411},
            }
        ]
    }
    assert said(adapter("google-ads").adapt(snake, CONTEXT)) == [("spend.posted", AS_OF, figure), CAMPAIGN]


@pytest.mark.parametrize(
    ("micros", "amount"),
    [
        ("1", "0.0000"),
        ("50", "0.0000"),  # half to even
        ("150", "0.0002"),
        ("151", "0.0002"),
        ("1234567", "1.2346"),
        ("99999999999999000000", "99999999999999.0000"),
        ("-2500000", "-2.5000"),
        ("0", "0.0000"),
    ],
)
def test_millionths_become_four_decimals(micros: str, amount: str) -> None:
    assert said(adapter("google-ads").adapt(google(costMicros=micros)))[0][2]["amount"] == amount


def test_restated_figures_replace_those_that_were_read_earlier() -> None:
    """For 28 days: the last reading wins, in whatever order they come."""
    figures = adapter("meta")

    def reading(as_of: str, spend: str) -> list[bytes]:
        return figures.adapt({**META, "as_of": as_of, "data": [{**META["data"][0], "spend": spend}]}).events

    first, second = reading("2026-03-02T06:00:00Z", "99.95"), reading("2026-03-29T06:00:00Z", "87.10")
    entity = "spend:meta/88/2026-03-01/120001/,,,,/media"
    for order in (first + second, second + first, second + first + second):
        document = batch.documents(decode(event, None) for event in order)[entity]
        assert document.values()["figure"]["amount"] == 871000
    assert reading("2026-03-02T06:00:00Z", "99.95") == first


def test_a_figure_that_nobody_says_when_it_was_read_is_refused() -> None:
    without = {name: value for name, value in META.items() if name != "as_of"}
    assert refusals(adapter("meta").adapt(without)) == [
        ("missing-member", "as_of: is missing: say when the figures were read, for they are restated")
    ]
    assert said(adapter("meta").adapt(without, CONTEXT))[0][1] == AS_OF


def test_a_figure_of_meta() -> None:
    figure = {
        "platform": "meta",
        "category": "media",
        "date": "2026-03-01",
        "amount": "99.9500",
        "currency": "SEK",
        "account_id": "88",
        "campaign_id": "120001",
        "impressions": 4000,
        "clicks": 52,
    }
    campaign = ("campaign.upserted", AS_OF, {"campaign_id": "120001", "name": "Influencer"})
    assert said(adapter("meta").adapt(META)) == [("spend.posted", AS_OF, figure), campaign]
    links = adapter("meta", 'clicks = "inline_link_clicks"').adapt(META)
    assert said(links)[0][2]["clicks"] == 40


SECOND = (
    "date, campaign: a second figure for a campaign on 2026-03-01, which would replace the first: "
    "report by campaign and day, and by nothing else"
)


def test_rows_that_would_replace_each_other_are_refused() -> None:
    """A report by ad or placement has several rows of a campaign and day; the same row twice is no harm."""
    row = META["data"][0]
    other = {**row, "spend": "1.00", "publisher_platform": "instagram"}
    adapted = adapter("meta").adapt({**META, "data": [row, row, other, {**row, "date_stop": "2026-03-02"}]})
    assert refusals(adapted) == [
        (
            "second-figure",
            SECOND,
        ),
        ("invalid-member", "date_stop: is another day than date_start: ask for time_increment=1"),
    ]
    assert len({event["id"] for event in decoded(adapted) if event["type"] == "crm.spend.posted"}) == 1


def test_what_is_wrong_with_a_figure_is_named() -> None:
    bad = adapter("google-ads").adapt(
        {
            "as_of": AS_OF,
            "results": [{"metrics": {}}, {"metrics": {"costMicros": "x"}}, *google(clicks="1.5")["results"]],
        }
    )
    assert refusals(bad)[:2] == [
        ("missing-member", "metrics.costMicros: is missing"),
        ("invalid-member", "metrics.costMicros: a string is no decimal number"),
    ]
    row = {**META["data"][0], "account_currency": None}
    assert refusals(adapter("meta").adapt({**META, "data": [row]})) == [
        ("missing-member", "currency: is missing, and the source file gives none")
    ]
    assert said(adapter("meta", 'currency = "EUR"').adapt({**META, "data": [row]}))[0][2]["currency"] == "EUR"
    assert refusals(adapter("meta").adapt({**META, "data": 5})) == [("invalid-member", "data: must be an array")]


# -- reports


def test_a_report_of_google_ads() -> None:
    row = {"Day": "2026-03-01", "Campaign ID": "55", "Campaign": "Spring", "Currency code": "EUR", "Cost": "1,184.22",
           "Impr.": "18,250", "Clicks": " --"}  # fmt: skip
    total = {**dict.fromkeys(row, ""), "Day": "Total: Campaigns", "Cost": "1,184.22"}
    adapted = rows("google-ads-csv", 'account_id = "771204"', [row, total], CONTEXT)
    assert said(adapted) == [
        (
            "spend.posted",
            AS_OF,
            {
                "platform": "google_ads",
                "category": "media",
                "date": "2026-03-01",
                "amount": "1184.2200",
                "currency": "EUR",
                "account_id": "771204",
                "campaign_id": "55",
                "impressions": 18250,
                "clicks": None,
            },
        ),
        CAMPAIGN,
    ]
    assert adapted.passed_over == {"total": 1}


@pytest.mark.parametrize(
    ("written", "account"),
    [("771-204-0001", "7712040001"), ("7712040001", "7712040001"), ("act_88", "88"), ("A-1", "A-1")],
)
def test_an_account_has_one_spelling(written: str, account: str) -> None:
    """The API and the reports write it differently; a figure of both is one figure."""
    row = {"Day": "2026-03-01", "Campaign ID": "55", "Cost": "1", "Currency": "EUR", "Customer ID": written}
    assert said(rows("google-ads-csv", "", [row], CONTEXT))[0][2]["account_id"] == account
    del row["Customer ID"]
    assert said(rows("google-ads-csv", f'account_id = "{written}"', [row], CONTEXT))[0][2]["account_id"] == account


def test_a_report_in_another_language() -> None:
    text = """
        currency = "EUR"
        decimal = ","
        date_formats = ["%d.%m.%Y"]
        [columns]
        "Tag" = "day"
        "Kampagnen-ID" = "campaign_id"
        "Kosten" = "cost"
    """
    row = {"Tag": "01.03.2026", "Kampagnen-ID": "55", "Kosten": "1.184,22"}
    data = said(rows("google-ads-csv", text, [row], CONTEXT))[0][2]
    assert (data["date"], data["amount"]) == ("2026-03-01", "1184.2200")


def test_an_export_of_meta_has_the_currency_in_a_columns_name() -> None:
    row = {"Day": "2026-03-01", "Campaign ID": "120001", "Campaign name": "Influencer", "Amount spent (SEK)": "99.95",
           "Impressions": "4000", "Clicks (all)": "52", "Reporting starts": "2026-02-01",
           "Reporting ends": "2026-03-01"}  # fmt: skip
    data = said(rows("meta-csv", "", [row], CONTEXT))[0][2]
    assert (data["amount"], data["currency"], data["clicks"]) == ("99.9500", "SEK", 52)
    undated = {name: cell for name, cell in row.items() if name != "Day"}
    assert refusals(rows("meta-csv", "", [undated], CONTEXT)) == [
        ("invalid-member", "Reporting ends: is another day than Reporting starts")
    ]
    second = {**row, "Amount spent (SEK)": "1"}
    assert [reason for reason, _ in refusals(rows("meta-csv", "", [row, second], CONTEXT))] == ["second-figure"]
    total = dict.fromkeys(row, "")
    assert rows("meta-csv", "", [row, total], CONTEXT).passed_over == {"total": 1}


@pytest.mark.parametrize(
    ("format_name", "columns", "message"),
    [
        ("google-ads-csv", ["Campaign ID", "Cost"], "no column Day"),
        ("google-ads-csv", ["Day", "Campaign ID"], "no column Cost"),
        ("meta-csv", ["Day", "Amount spent (EUR)"], "no column Campaign ID"),
        ("meta-csv", ["Campaign ID", "Amount spent (EUR)"], "no column Day"),
        ("ecb-csv", ["Date", "Dollar"], "is this a CSV of the ECB"),
    ],
)
def test_a_report_without_the_columns_that_it_needs(format_name: str, columns: list[str], message: str) -> None:
    with pytest.raises(UnusableTable, match=message):
        rows(format_name, "", [dict.fromkeys(columns, "")], CONTEXT)


def test_a_report_needs_to_know_when_it_was_made() -> None:
    with pytest.raises(UnusableTable, match="as_of: is missing"):
        rows("google-ads-csv", "", [{"Day": "2026-03-01", "Campaign ID": "55", "Cost": "1"}])


# -- exchange rates


def rate(day: str, quote: str, value: str) -> tuple[str, str, dict[str, Any]]:
    return ("rate.posted", f"{day}T15:00:00Z", {"base": "EUR", "date": day, "quote": quote, "rate": value})


def test_rates_as_xml() -> None:
    assert said(adapter("ecb").adapt(ECB_XML)) == [
        rate("2026-03-02", "USD", "1.0899"),
        rate("2026-03-02", "JPY", "162.33"),
        rate("2026-02-27", "USD", "1.0875"),
    ]
    some = adapter("ecb", 'currencies = ["USD"]\nsince = "2026-03-01"').adapt(ECB_XML)
    assert said(some) == [rate("2026-03-02", "USD", "1.0899")]
    assert some.passed_over == {"before-since": 1}
    assert adapter("ecb").adapt(ECB_XML).events == adapter("ecb").adapt(ECB_XML).events


def test_rates_as_csv_of_one_day_and_of_all() -> None:
    daily = {"Date": "12 March 2026", " USD": " 1.0899", " ISK": " N/A", " ": ""}
    assert said(rows("ecb-csv", "", [daily])) == [rate("2026-03-12", "USD", "1.0899")]
    history = [
        {"Date": "2026-03-12", "USD": "1.0899", "CYP": "N/A"},
        {"Date": "2026-03-11", "USD": "1.0901", "CYP": ""},
    ]
    assert said(rows("ecb-csv", "", history)) == [
        rate("2026-03-12", "USD", "1.0899"),
        rate("2026-03-11", "USD", "1.0901"),
    ]


def test_a_bad_rate_is_refused_with_its_day() -> None:
    adapted = rows("ecb-csv", "", [{"Date": "2026-03-12", "USD": "0"}, {"Date": "someday", "USD": "1"}])
    assert refusals(adapted) == [
        ("invalid-member", "USD: must be greater than 0 (data.rate)"),
        ("invalid-date", "Date: a string is no instant in a form that is known"),
    ]


LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<Cube><Cube time="2026-03-02"><Cube currency="USD" rate="&b;"/></Cube></Cube>"""
OUTSIDE = b"""<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/hostname">]>
<Cube time="2026-03-02">&a;</Cube>"""


@pytest.mark.parametrize("payload", [LAUGHS, OUTSIDE, b'<!DOCTYPE html><Cube time="2026-03-02"/>'])
def test_no_entity_is_expanded_and_no_document_type_read(payload: bytes) -> None:
    adapted = adapter("ecb").adapt(payload)
    assert adapted.events == []
    assert refusals(adapted) == [("invalid-xml", "declares a document type or entities, which are never read")]


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"<a>", "is not well-formed XML (line 1, column 3)"),
        (b"", "is not well-formed XML (line 1, column 0)"),
        (b"<a/>", "has no element Cube with a time: is this a file of the ECB?"),
        (b'<?xml version="1.0" encoding="nonsense"?><a/>', "is not well-formed XML"),
    ],
)
def test_other_xml_is_refused(payload: bytes, message: str) -> None:
    assert refusals(adapter("ecb").adapt(payload))[0][0] == "invalid-xml"
    assert refusals(adapter("ecb").adapt(payload))[0][1].startswith(message)


def test_the_source_of_rates_needs_no_name() -> None:
    assert source("ecb").source == "ecb/test"
