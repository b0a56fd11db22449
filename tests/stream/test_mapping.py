"""Mapping files and the rows they are put to: `stream.mapping`, `stream.rows`."""

import csv
import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import Event, decode
from stream.mapping import Mapping, MappingError, Number, read_mapping
from stream.rows import RowMapper, UnmappableRow

PROJECT = Path(__file__).parents[2]
EXAMPLES = PROJECT / "deploy" / "examples" / "crm-sales"
CRM_SALES = PROJECT.parent / "shared" / "data" / "crm-sales"

ORDERS = """\
order,buyer,team key,worth,paid on,state,email
17,Ada Lind,n,"1.234,50 €",31.03.2026,Bezahlt,ADA@EXAMPLE.ORG
18,Bo Ek,s,,,Offen,
19,Cy Falk,n,"99,00 €",2026-04-02,Storniert,cy@example.org
"""
TEAMS = "key,name\nn,North\ns,South\n"
MAPPING = """
source = "shop/orders"
zone = "Europe/Berlin"
empty = ["", "-"]

[lookups.teams]
file = "teams.csv"
key = "key"

[[events]]
type = "crm.opportunity.updated"

[events.time]
column = "paid on"
instant = ["%d.%m.%Y", "%Y-%m-%d"]
if_empty = { constant = 2026-01-01T00:00:00Z }

[events.data]
opportunity_id = { column = "order", prefix = "O-" }
contact = { column = "buyer", case = "upper" }
amount = { column = "worth", number = { thousands = ".", decimal = ",", remove = ["€"] } }
currency = { constant = "EUR" }
due_date = { column = "paid on", date = ["%d.%m.%Y", "%Y-%m-%d"], if_empty = "null" }
stage = { column = "state" }
status = { column = "state", map = { "Bezahlt" = "won", "Offen" = "open" } }
owner_id = { column = "team key", lookup = { table = "teams", column = "name" } }

[[events]]
type = "crm.lead.updated"
when = [{ column = "email", empty = false }, { column = "state", in = ["Bezahlt", "Offen"] }]
time = { constant = 2026-01-02T00:00:00Z }
[events.data]
lead_id = { template = "{order}/{buyer}" }
email = { column = "email", case = "lower" }
utm.source = { constant = "shop" }
utm.medium = { column = "state", map = { "Bezahlt" = "cpc" }, otherwise = "absent" }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "orders.csv").write_text(ORDERS, "utf-8")
    (tmp_path / "teams.csv").write_text(TEAMS, "utf-8")
    (tmp_path / "orders.toml").write_text(MAPPING, "utf-8")
    return tmp_path


def mapper_of(folder: Path, change: tuple[str, str] | None = None) -> RowMapper:
    path = folder / "orders.toml"
    if change:
        assert change[0] in MAPPING
        path.write_text(MAPPING.replace(*change), "utf-8")
    return RowMapper(read_mapping(path), [folder])


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def made(mapper: RowMapper, row: dict[str, str]) -> list[dict[str, Any]]:
    return [json.loads(event) for event in mapper.events(row)]


def complaint(tmp_path: Path, text: str, name: str = "m.toml") -> str:
    (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(MappingError) as caught:
        read_mapping(tmp_path / name)
    return str(caught.value)


def test_a_row_becomes_the_events_whose_conditions_hold(folder: Path) -> None:
    order, lead = made(mapper_of(folder), rows_of(folder / "orders.csv")[0])
    assert order["type"] == "crm.opportunity.updated"
    assert order["source"] == "shop/orders"
    assert order["time"] == "2026-03-30T22:00:00Z"  # midnight in Berlin, where summer time has begun
    assert order["data"] == {
        "opportunity_id": "O-17",
        "contact": "ADA LIND",
        "amount": "1234.50",
        "currency": "EUR",
        "due_date": "2026-03-31",
        "stage": "Bezahlt",
        "status": "won",
        "owner_id": "North",
    }
    assert lead["type"] == "crm.lead.updated"
    assert lead["time"] == "2026-01-02T00:00:00Z"
    assert lead["data"] == {
        "lead_id": "17/Ada Lind",
        "email": "ada@example.org",
        "utm": {"source": "shop", "medium": "cpc"},
    }


def test_an_empty_cell_is_absent_null_or_a_constant_as_the_mapping_says(folder: Path) -> None:
    (order,) = made(mapper_of(folder), rows_of(folder / "orders.csv")[1])
    assert order["time"] == "2026-01-01T00:00:00Z"
    assert order["data"]["due_date"] is None
    assert "amount" not in order["data"]
    (dashed,) = made(mapper_of(folder), {**rows_of(folder / "orders.csv")[1], "worth": " - "})
    assert "amount" not in dashed["data"]


def test_an_unmapped_value_refuses_the_whole_row_and_is_counted(folder: Path) -> None:
    mapper = mapper_of(folder)
    with pytest.raises(UnmappableRow, match="'Storniert' is not in the map") as refused:
        mapper.events(rows_of(folder / "orders.csv")[2])
    assert (refused.value.reason, refused.value.column) == ("unmapped-value", "state")
    assert mapper.unmapped == {("state", "Storniert"): 1}


@pytest.mark.parametrize(
    ("cells", "reason", "column"),
    [
        ({"worth": "twelve"}, "invalid-number", "worth"),
        ({"worth": "1.2345,00"}, "invalid-number", "worth"),
        ({"worth": "1,23456"}, "invalid-member", "worth"),
        ({"paid on": "03/31/2026"}, "invalid-date", "paid on"),
        ({"paid on": "31.03.1926"}, "invalid-envelope", "paid on"),
        ({"team key": "w"}, "unmapped-value", "team key"),
        ({"order": ""}, "missing-member", "order"),
    ],
)
def test_what_is_wrong_with_a_row_is_said_with_its_column(
    folder: Path, cells: dict[str, str], reason: str, column: str
) -> None:
    row = rows_of(folder / "orders.csv")[0]
    with pytest.raises(UnmappableRow) as refused:
        mapper_of(folder).events({**row, **cells})
    assert (refused.value.reason, refused.value.column) == (reason, column)
    assert column in str(refused.value)


def test_a_row_without_time_is_refused_never_dated_by_the_clock(folder: Path) -> None:
    mapper = mapper_of(folder, ("if_empty = { constant = 2026-01-01T00:00:00Z }\n", ""))
    with pytest.raises(UnmappableRow, match="the event's time is taken from it") as refused:
        mapper.events(rows_of(folder / "orders.csv")[1])
    assert (refused.value.reason, refused.value.column) == ("empty-value", "paid on")


def test_a_row_that_no_event_wants_is_refused_unless_it_is_skipped(folder: Path) -> None:
    change = (
        '[[events]]\ntype = "crm.opportunity.updated"',
        '[[events]]\nwhen = { column = "order", equals = "0" }\ntype = "crm.opportunity.updated"',
    )
    mapper = mapper_of(folder, change)
    row = rows_of(folder / "orders.csv")[2]
    with pytest.raises(UnmappableRow, match="no event of the mapping applies"):
        mapper.events(row)
    assert not mapper.skips(row)
    skipping = mapper_of(folder, ("zone =", 'skip = { column = "state", equals = "Storniert" }\nzone ='))
    assert skipping.skips(row)
    assert not skipping.skips(rows_of(folder / "orders.csv")[0])


def test_ids_depend_on_mapping_and_row_alone(folder: Path) -> None:
    row = rows_of(folder / "orders.csv")[0]
    first = made(mapper_of(folder), row)
    assert made(mapper_of(folder), dict(reversed(row.items()))) == first
    assert first[0]["id"] != first[1]["id"]
    reworded = mapper_of(folder, ('source = "shop/orders"', '# another comment\nsource = "shop/orders"'))
    assert made(reworded, row) == first
    other_row = made(mapper_of(folder), {**row, "email": "other@example.org"})
    assert other_row[0]["id"] != first[0]["id"]
    other_mapping = made(mapper_of(folder, ('prefix = "O-"', 'prefix = "P-"')), row)
    assert other_mapping[0]["id"] != first[0]["id"]


def test_a_later_revision_and_a_later_event_win_at_equal_times(folder: Path) -> None:
    row = rows_of(folder / "orders.csv")[0]
    assert [event["sequence"] for event in made(mapper_of(folder), row)] == [0, 1]
    revised = mapper_of(folder, ("zone =", "revision = 2\nzone ="))
    assert [event["sequence"] for event in made(revised, row)] == [2000, 2001]


def test_yaml_says_the_same_as_toml(folder: Path) -> None:
    (folder / "orders.yaml").write_text(
        """
source: shop/orders
events:
  - type: crm.spend.posted
    time: {constant: 2026-01-02T01:00:00+01:00}
    when: {column: state, equals: Bezahlt}
    data:
      platform: {constant: shop}
      date: {constant: 2026-01-02}
      amount: {constant: 12345678901234.5678}
      currency: {constant: EUR}
      clicks: {column: order, number: {whole: true}}
      category: {column: state, map: {Bezahlt: fees}}
""",
        "utf-8",
    )
    mapper = RowMapper(read_mapping(folder / "orders.yaml"), [])
    (event,) = mapper.events(rows_of(folder / "orders.csv")[0])
    read = decode(event, None)
    assert read.time == 1_767_312_000_000_000
    assert read.data["amount"] == 123456789012345678
    assert (read.data["clicks"], read.data["category"], read.data["date"]) == (17, "fees", "2026-01-02")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            ("time = { constant = 2026-01-02T00:00:00Z }\n", ""),
            "events.1: has no time: say from which column",
        ),
        (
            ('type = "crm.lead.updated"', 'type = "crm.lead.touched"'),
            "events.1: type: crm.lead.touched is not known",
        ),
        (
            ("contact =", "contract ="),
            "events.0: data.contract: crm.opportunity.updated has no such member; it has",
        ),
        (("utm.source =", "utm.sauce ="), "data.utm.sauce: there is no such member"),
        (("utm.source = { constant", "utm_source = { constant"), "data.utm_source"),
        (('opportunity_id = { column = "order", prefix = "O-" }', ""), "data.opportunity_id: is required by"),
        (
            ('{ constant = "EUR" }', '{ constant = "EUR", column = "order" }'),
            "currency: needs exactly one of column",
        ),
        (('{ column = "state" }', '{ colum = "state" }'), "events.0.data.stage: no key colum; did you mean column?"),
        (("map =", "mop ="), "events.0.data.status: no key mop; did you mean map?"),
        (("utm.source = { constant", "utm.source = { constnt"), "utm.source: no key constnt; did you mean constant?"),
        (('file = "teams.csv"', 'fil = "teams.csv"'), "lookups.teams: no key fil; did you mean file?"),
        (("empty = false", "emty = false"), "events.1.when.0: no key emty; did you mean empty?"),
        (("thousands =", "thousand ="), "events.0.data.amount.number: no key thousand; did you mean thousands?"),
        (("zone =", 'qqq = ";"\nzone ='), ": no key qqq; there are source, revision, delimiter, encoding, zone,"),
        (("zone =", 'delimiter = ";;"\nzone ='), "delimiter: must have at most 1 character"),
        (("zone =", 'revision = "1"\nzone ='), "revision: must be a whole number"),
        (('{ column = "buyer", case = "upper" }', '"buyer"'), "events.0.data.contact: must be a table such as {"),
        (('if_empty = "null"', 'if_empty = "nul"'), "due_date.if_empty: must be 'reject', 'absent' or 'null'"),
        (('if_empty = "null"', "if_empty = 3"), "due_date.if_empty: must be one of the words for it, or a table"),
        (('number = { thousands = ".", decimal = ",", remove = ["€"] }', "number = 1"), "number: must be true, or a"),
        (('"Bezahlt" = "won"', '"Bezahlt" = ["won"]'), "status.map.Bezahlt: must be text, a number, true or false"),
        (('source = "shop/orders"\n', ""), "source: is missing"),
        (('table = "teams"', 'table = "team"'), "there is no lookup 'team'; there are teams"),
        (('instant = ["%d.%m.%Y", "%Y-%m-%d"]\n', ""), "time: needs instant = [formats] beside its column"),
        (('"Europe/Berlin"', '"Europe/Berlino"'), "zone: must be the name of a time zone"),
        (("2026-01-02T00:00:00Z", "2026-01-02T00:00:00"), "an instant needs an offset"),
        (('thousands = "."', 'thousands = ",."'), "cannot be both the decimal sign and between thousands"),
        (('column = "email", empty = false', 'column = "email"'), "needs one of equals, in, not_in, empty"),
        (("zone =", 'encoding = "latin-17"\nzone ='), "encoding: latin-17 is not known"),
        (("zone =", "zone ="[:4]), "cannot be read"),
    ],
)
def test_faults_of_a_mapping_are_named_with_file_and_member(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    assert change[0] in MAPPING
    message = complaint(tmp_path, MAPPING.replace(change[0], change[1], 1))
    assert message.startswith(f"{tmp_path / 'm.toml'}: ")
    assert said in message
    assert len(message.splitlines()) == 1
    assert message.endswith(" (docs/sources/README.md says what a mapping holds)")


def test_a_mapping_that_is_no_file_or_no_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match=r"none\.toml: No such file"):
        read_mapping(tmp_path / "none.toml")
    with pytest.raises(MappingError, match=r"m\.json: a mapping is a file named"):
        read_mapping(tmp_path / "m.json")
    assert "m.yaml: must have source and events" in complaint(tmp_path, "- 1\n", "m.yaml")
    for name in ("m.yaml", "m.toml"):
        assert f"{name}: is empty: it must have source and events" in complaint(tmp_path, "", name)
    assert "amount" in complaint(
        tmp_path,
        "source: s\nevents: [{type: crm.opportunity.updated, time: {constant: 2026-01-01T00:00:00Z}, "
        "data: {opportunity_id: {constant: x}, amount: {constant: .nan}}}]",
        "m.yml",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "teams.csv is neither beside the mapping nor beside the imported file"),
        ("id,name\n", "has no column 'key'"),
        ("key,team\nn,North\n", "has no column 'name'"),
        ("key,name\nn,North\nn,South\n", "line 3: 'n' comes twice"),
        ("key,name\nn\n", "line 2: wrong number of cells"),
    ],
)
def test_faults_of_a_lookup_are_named(folder: Path, text: str | None, said: str) -> None:
    if text is None:
        (folder / "teams.csv").unlink()
    else:
        (folder / "teams.csv").write_text(text, "utf-8")
    with pytest.raises(MappingError, match=said):
        mapper_of(folder)


def test_a_header_without_a_column_of_the_mapping_is_refused(folder: Path) -> None:
    mapper = mapper_of(folder)
    header = ["order", "buyer", "team key", "paid on", "state", "email"]
    with pytest.raises(MappingError, match=r"no column 'worth', which events\.0\.data\.amount of the mapping names"):
        mapper.check_header(header)
    mapper.check_header([*header, "worth", "x", "x"])
    with pytest.raises(MappingError, match="2 columns named 'worth'"):
        mapper.check_header([*header, "worth", "worth"])


@pytest.mark.parametrize(
    ("how", "text", "read"),
    [
        (Number(), "12.50", "12.50"),
        (Number(), "+12", "12"),
        (Number(), "-.5", "-0.5"),
        (Number(), "1,234", None),
        (Number(), "1e3", None),
        (Number(), "٣", None),
        (Number(thousands=","), "1,234,567.5", "1234567.5"),
        (Number(thousands=","), "12,34,567", "1234567"),
        (Number(thousands=","), "1,5", None),
        (Number(thousands="'’"), "1’234’567.00", "1234567.00"),
        (Number(thousands=" ", decimal=","), "1 234,5", "1234.5"),
        (Number(remove=["$"]), "$ 12.00", "12.00"),
        (Number(remove=["USD"]), "(12.00) USD", "-12.00"),
        (Number(percent=True), "37.5 %", "0.375"),
        (Number(whole=True), "12.0", 12),
        (Number(whole=True), "12.5", None),
    ],
)
def test_numbers_are_read_as_said_or_not_at_all(how: Number, text: str, read: str | int | None) -> None:
    assert how.read(text) == read


@given(st.decimals(-(10**13), 10**13, allow_nan=False, places=4))
def test_a_number_grouped_for_people_is_read_back_exactly(number: Decimal) -> None:
    how = Number(thousands=".", decimal=",")
    written = f"{number:,.4f}".translate(str.maketrans(",.", ".,"))
    assert Decimal(str(how.read(written))) == number


def test_the_examples_turn_a_sample_into_events_that_fit_together(tmp_path: Path) -> None:
    """A few rows in the form of the public pipeline: each case that it has."""
    (tmp_path / "products.csv").write_text("product,series,sales_price\nGTX Pro,GTX,4821\nMG Special,MG,55\n")
    (tmp_path / "pipeline.csv").write_text(
        "opportunity_id,sales_agent,product,account,deal_stage,engage_date,close_date,close_value\n"
        "W1,Ida Holm,GTXPro,Kraus Works,Won,10/20/2016,3/1/2017,4700\n"
        "L1,Ida Holm,MG Special,Lund Motors,Lost,12/31/2016,1/2/2017,0\n"
        "E1,Noah Lund,GTX Pro,,Engaging,2/3/2017,,\n"
        "P1,Noah Lund,MG Special,,Prospecting,,,\n"
    )
    mapper = RowMapper(read_mapping(EXAMPLES / "pipeline.toml"), [EXAMPLES, tmp_path])
    made_of = [[decode(event, None) for event in mapper.events(row)] for row in rows_of(tmp_path / "pipeline.csv")]
    assert [[event.type.removeprefix("crm.") for event in events] for events in made_of] == [
        ["opportunity.created", "deal.won"],
        ["opportunity.created", "deal.lost"],
        ["opportunity.created"],
        ["opportunity.created"],
    ]
    (created, won), (lost_created, lost), (engaging,), (prospect,) = made_of
    assert created.data["amount"] == 4821 * 10_000  # the product is spelled without its space
    assert won.data["amount"] == 4700 * 10_000
    assert won.time > created.time
    assert "amount" not in lost.data
    assert lost_created.data["amount"] == 55 * 10_000
    assert "account_id" not in engaging.data
    assert engaging.data["stage"] == "Engaging"
    assert prospect.data["created_at"] == prospect.time == 1_514_678_400_000_000


@pytest.mark.skipif(not CRM_SALES.is_dir(), reason="the public pipeline does not lie beside this checkout")
def test_the_public_pipeline_comes_to_its_known_totals() -> None:
    events: list[Event] = []
    for mapping, file in (("accounts", "accounts"), ("teams", "sales_teams"), ("pipeline", "sales_pipeline")):
        mapper = RowMapper(read_mapping(EXAMPLES / f"{mapping}.toml"), [EXAMPLES, CRM_SALES])
        for row in rows_of(CRM_SALES / f"{file}.csv"):
            events += [decode(event, None) for event in mapper.events(row)]
        assert not mapper.unmapped
    assert Counter(event.type for event in events) == {
        "crm.account.upserted": 85,
        "crm.rep.upserted": 35,
        "crm.opportunity.created": 8_800,
        "crm.deal.won": 4_238,
        "crm.deal.lost": 2_473,
    }
    won = [event for event in events if event.type == "crm.deal.won"]
    assert sum(int(str(event.data["amount"])) for event in won) == 10_005_534 * 10_000
    created = [event for event in events if event.type == "crm.opportunity.created"]
    assert len({event.home for event in created}) == 8_800
    assert {event.home for event in won} < {event.home for event in created}
    reps = {event.data["rep_id"] for event in events if event.type == "crm.rep.upserted"}
    assert {event.data["owner_id"] for event in created} <= reps
    accounts = {event.data["account_id"] for event in events if event.type == "crm.account.upserted"}
    assert {event.data.get("account_id") for event in created} - {None} <= accounts
    assert sum("account_id" not in event.data for event in created) == 1_088 + 337
    assert len({event.id for event in events}) == len(events)


def test_every_mapping_that_ships_is_valid() -> None:
    examples = PROJECT / "deploy" / "examples"
    paths = sorted(path for path in examples.rglob("*.toml") if not path.is_relative_to(examples / "sources"))
    assert len(paths) >= 3
    assert all(isinstance(read_mapping(path), Mapping) for path in paths)
