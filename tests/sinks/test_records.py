"""Records are written by position: what they call their fields, and in which order, is what the table says."""

import re

import msgspec
import pytest
from clickhouse_connect.driver.client import Client

from stream.records import Call, Credit, Lead, Opportunity, Spend, StageChange, Touch

RECORDS = {
    "leads": Lead,
    "opportunities": Opportunity,
    "calls": Call,
    "touches": Touch,
    "credits": Credit,
    "spend": Spend,
}


@pytest.mark.parametrize("column", RECORDS)
def test_the_fields_of_a_record_are_the_columns_in_their_order(column: str, database: Client) -> None:
    said = database.query(
        "SELECT type FROM system.columns"
        " WHERE database = currentDatabase() AND table = 'nodes' AND name = {name:String}",
        parameters={"name": column},
    ).result_rows[0][0]
    stages = re.search(r"stages Array\(Tuple\((.*?)\)\)", said, re.DOTALL)
    if stages:
        assert names(stages[1]) == fields(StageChange)
        said = said.replace(stages[0], "stages String")
    assert names(said.removeprefix("Array(Tuple(")) == fields(RECORDS[column])


def fields(record: type[msgspec.Struct]) -> list[str]:
    return list(record.__struct_fields__)


def names(columns: str) -> list[str]:
    """`a` and `b` of `a String, b Array(String)`."""
    return re.findall(r"(?:^|,)\s*(\w+) \w", columns)
