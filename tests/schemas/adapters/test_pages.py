"""The pages of the sources name every field that the adapters read, and lead to each other."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from schemas.adapters import KINDS, hubspot, pipedrive, salesforce, snowplow, telephony

DOCS = Path(__file__).parents[3] / "docs"
FIELDS: dict[str, Iterable[str]] = {
    "hubspot": [*hubspot.CONTACT_FIELDS, *hubspot.DEAL_FIELDS, *hubspot.CALL_FIELDS],
    "salesforce": [*salesforce.LEAD_FIELDS, *salesforce.OPPORTUNITY_FIELDS, *salesforce.CALL_FIELDS],
    "pipedrive": [*pipedrive.PERSON_FIELDS, *pipedrive.DEAL_FIELDS, *pipedrive.CALL_FIELDS],
    "telephony": telephony.MEMBERS,
    "snowplow": snowplow.MARKETING,
}


@pytest.mark.parametrize("kind", FIELDS)
def test_a_page_names_every_field(kind: str) -> None:
    page = (DOCS / "sources" / f"{kind}.md").read_text("utf-8")
    assert [field for field in FIELDS[kind] if f"`{field}`" not in page] == []


def test_every_kind_has_a_page() -> None:
    assert {path.stem for path in (DOCS / "sources").glob("*.md")} == {*KINDS, "README", "kafka"} - {"rows"}


@pytest.mark.parametrize(
    "page",
    [DOCS / "newcomer.md", *(DOCS / "sources").glob("*.md"), DOCS.parent / "deploy/examples/sources/README.md"],
    ids=lambda page: page.stem,
)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target
