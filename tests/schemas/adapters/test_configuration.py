"""Source files: what they may say, and the one line for each thing that is wrong with them."""

from pathlib import Path

import pytest

from schemas.adapters import (
    FORMATS,
    KINDS,
    ConfigurationError,
    default_source,
    kind_of,
    open_adapter,
    open_table,
    parse_source,
    reference_of,
)
from schemas.adapters.adapted import UnusableTable

EXAMPLES = Path(__file__).parents[3] / "deploy" / "examples" / "sources"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_the_examples_are_good(path: Path) -> None:
    source = parse_source(path.read_text("utf-8"), path.name)
    assert kind_of(source) == path.stem
    if kind_of(source) != "rows":  # its mapping is read by stream.sources
        open_adapter(source)
    assert reference_of(source).refusals == []


def test_there_is_an_example_of_every_kind() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.toml")} == set(KINDS)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "f.toml: kind: must say which source this is: hubspot, salesforce,"),
        ('kind = "hubspott"', "f.toml: kind: must say which source this is: hubspot, salesforce,"),
        ("kind = 5", "f.toml: kind: must say which source"),
        ('kind = "hubspot"', "f.toml: source: Field required"),
        ('kind = "hubspot"\nsource = ""', "f.toml: source: String should have at least 1 character"),
        ("kind = ", "f.toml: cannot be read as TOML: "),
        ('kind = "hubspot"\nsource = "s"\nportl = 5', "f.toml: portl: there is no such member"),
        ('kind = "hubspot"\nsource = "s"\nportal = "5"', "f.toml: portal: Input should be a valid integer"),
        ('kind = "hubspot"\nsource = "s"\nrevision = 91', "f.toml: revision: Input should be less than or equal to 90"),
        ('kind = "hubspot"\nsource = "s"\ntime_zone = "CET+1"', "f.toml: time_zone: must be the name of a time zone"),
        ('kind = "hubspot"\nsource = "s"\ncurrency = "kr"', "f.toml: currency: must be a currency code of three"),
        (
            'kind = "hubspot"\nsource = "s"\ncontact.fields.x = "utm.sauce"',
            "f.toml: contact: fields.x: there is no member utm.sauce; there are account_id, campaign_id,",
        ),
        (
            'kind = "hubspot"\nsource = "s"\ndeal.stages.won = { status = "yes" }',
            "f.toml: deal.stages.won.status: Input should be 'open', 'won' or 'lost'",
        ),
        (
            'kind = "hubspot"\nsource = "s"\ndeal.stages.won = { probability = 2 }',
            "f.toml: deal.stages.won.probability: must be a number from 0 to 1",
        ),
        (
            'kind = "hubspot"\nsource = "s"\ndeal.stages.won = { probability = nan }',
            "f.toml: deal.stages.won.probability: must be a number from 0 to 1",
        ),
        ('kind = "ecb"\ncurrencies = ["dollar"]', "f.toml: currencies.0: must be a currency code of three capital"),
        (
            'kind = "telephony"\nsource = "s"\nmembers.caller = "x"',
            "f.toml: members.caller",
        ),
        ('kind = "twilio"\nsource = "s"\nlegs = "some"', "f.toml: legs: Input should be 'first' or 'all'"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(text: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_source(text, "f.toml")
    lines = str(caught.value).splitlines()
    assert lines[0].startswith(complaint)
    assert all(line.startswith("f.toml: ") for line in lines)


def test_every_fault_has_its_line() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_source('kind = "meta"\nsource = "s"\nclicks = "x"\ndecimal = ";"\nwhat = 1', "f.toml")
    assert len(str(caught.value).splitlines()) == 3


def test_a_source_about_which_nobody_said_anything() -> None:
    for kind in set(KINDS) - {"rows"}:
        assert kind_of(default_source(kind)) == kind
        assert default_source(kind).source == kind


def test_a_format_belongs_to_a_kind() -> None:
    with pytest.raises(UnusableTable, match="hubspot-csv is no table of a source of kind meta"):
        open_table("hubspot-csv", default_source("meta"), ["Record ID"])
    with pytest.raises(UnusableTable, match="only HubSpot and Salesforce"):
        open_table("ecb-csv", default_source("ecb"), ["Date", "USD"], close_gaps=True)
    assert {chosen.kind for chosen in FORMATS.values()} == set(KINDS) - {"rows"}
