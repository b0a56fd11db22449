import pytest

from stream.channels import DIRECT, Raw, Said
from stream.rules import Rules


def test_what_is_said_of_a_click_is_one_answer_whatever_the_click_id() -> None:
    said = Rules().origins.said
    first, second = (
        said({"utm_source": "google", "utm_campaign": "spring", "gclid": click, "fbclid": None})
        for click in ("g1", "g2")
    )
    # else the ids of clicks, which never come twice, would push all other answers out
    assert first.origin is second.origin
    assert (first.origin.channel, first.origin.source, first.given, first.utm) == ("cpc", "google", True, True)
    assert [said.texts for said in (first, second)] == [
        ("", "google", "", "spring", "", "", click, "", "", "") for click in ("g1", "g2")
    ]
    assert said({"fbclid": "f1"}).origin.channel == "social"
    assert said({"msclkid": "m1"}).origin.channel == "cpc"


def test_blank_values_say_nothing_of_where_a_lead_came_from() -> None:
    said = Rules().origins.said
    for nothing in ({}, {"utm_source": None, "gclid": None, "owner_id": "7"}, {"campaign_id": ""}):
        assert said(nothing) == Said(DIRECT, given=False, utm=False, texts=("",) * 10)
    blank = said({"utm_term": "  ", "utm_content": "\t", "referrer": "", "channel": " ", "gclid": " "})
    assert blank == Said(DIRECT, given=False, utm=False, texts=(" ", "", "", "", "  ", "\t", " ", "", "", ""))
    assert said({"campaign_id": "c1"}).given
    assert said({"referrer": "news.example"}).origin.channel == "referral"
    assert said({"utm_content": "footer"}).utm


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (Raw(), ("", "", "")),
        (Raw(utm_source=" (None)"), ("", "", "")),
        (Raw(utm_source="(not set)", utm_medium="(none)", channel=" partner "), ("partner", "", "")),
        (Raw(utm_medium="CPC"), ("cpc", "(none)", "cpc")),
        (Raw(utm_source="google", utm_medium="(not set)"), ("other", "google", "(not set)")),
    ],
)
def test_spend_whose_utm_says_nothing_leaves_its_origin_to_campaign_and_platform(
    raw: Raw, says: tuple[str, str, str]
) -> None:
    assert Rules().origins.spend(raw) == says
