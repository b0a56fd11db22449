import pytest

from stream.channels import DIRECT, Raw, Said
from stream.rules import Rules


def test_what_is_said_of_a_click_is_one_answer_whatever_the_click_id() -> None:
    said = Rules().origins.said
    first, second = (said(Raw(utm_source="google", utm_campaign="spring", gclid=click)) for click in ("g1", "g2"))
    assert first is second  # else the ids of clicks, which never come twice, would push all other answers out
    assert (first.origin.channel, first.origin.source, first.given, first.utm) == ("cpc", "google", True, True)
    assert said(Raw(fbclid="f1")).origin.channel == "social"
    assert said(Raw(msclkid="m1")).origin.channel == "cpc"


def test_blank_values_say_nothing_of_where_a_lead_came_from() -> None:
    said = Rules().origins.said
    assert said(Raw()) == Said(DIRECT, given=False, utm=False)
    assert said(Raw(utm_term="  ", utm_content="\t", referrer="", channel=" ")) == Said(DIRECT, given=False, utm=False)
    assert not said(Raw(gclid=" ")).given
    assert said(Raw(campaign_id="c1")).given
    assert said(Raw(referrer="news.example")).origin.channel == "referral"
    assert said(Raw(utm_content="footer")).utm


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
