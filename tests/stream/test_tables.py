"""Tables and bars in terminals of any width, and piped."""

import io
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType

from stream.commands.output import Rows, bars, format_of, table_of, with_names

MONEY = "Decimal(38, 4)"
COLUMNS = {
    "day": "Date",
    "model": "String",
    "campaign_id": "String",
    "campaign": "String",
    "note": "Nullable(String)",
    "revenue": MONEY,
    "leads": "UInt64",
    "ratio": "Nullable(Float64)",
    "average": MONEY,
}
ROWS = [
    [date(2026, 1, 1), "first", "c1", "Search ad", None, Decimal("1234567.5"), 1200, 0.25, Decimal(7)],
    [date(2026, 4, 1), "first", "c2", "An influencer's post", None, Decimal("-0.5"), 7, None, Decimal(123)],
]
FOUND = Rows(list(COLUMNS), list(COLUMNS.values()), ROWS)


def drawn(what: RenderableType, width: int, *, terminal: bool = True) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=terminal, color_system=None).print(what)
    return out.getvalue().splitlines()


def headings(lines: list[str]) -> list[str]:
    return next(lines[at - 1].split() for at, line in enumerate(lines) if line.startswith("──"))


def test_a_table_that_fits_is_whole() -> None:
    lines = drawn(table_of(FOUND, "revenue"), 100)
    assert lines[0] == "revenue"
    assert headings(lines) == list(COLUMNS)
    assert not any("left out" in line for line in lines)


@pytest.mark.parametrize(
    ("width", "title", "left_out"),
    [
        (88, ["revenue, model first"], []),
        (81, ["revenue, model first"], ["note"]),
        (75, ["revenue, model first"], ["campaign_id", "note"]),
        (60, ["revenue, model first"], ["campaign_id", "note", "average"]),
        (50, ["revenue, model first"], ["campaign_id", "note", "ratio", "average"]),
        (42, ["revenue, model first"], ["campaign_id", "note", "leads", "ratio", "average"]),
    ],
)
def test_columns_are_left_out_whole_and_said(width: int, title: list[str], left_out: list[str]) -> None:
    lines = drawn(table_of(FOUND, "revenue", important=("campaign", "revenue"), elsewhere="--csv"), width)
    assert lines[:1] == title
    assert headings(lines) == [name for name in COLUMNS if name not in {"model", *left_out}]
    assert "2026-01-01" in lines[3]
    assert "1,234,567.50" in lines[3]
    assert all(cell_len(line) <= width for line in lines)
    below = " ".join(" ".join(lines[5:]).split())
    if left_out:
        plural, them = ("s", "them") if len(left_out) > 1 else ("", "it")
        said = f"{len(left_out)} column{plural} left out ({', '.join(left_out)}): --csv has {them}"
        assert below == said
    else:
        assert below == ""


def test_a_name_gets_shorter_before_a_column_is_left_out() -> None:
    found = Rows(
        ["day", "campaign", "leads"], ["Date", "String", "UInt64"], [[*row[:1], row[3], row[6]] for row in ROWS]
    )
    lines = drawn(table_of(found), 33)
    assert headings(lines) == ["day", "campaign", "leads"]
    assert lines[3] == "2026-04-01  An influencer…      7"


def test_dates_and_numbers_that_come_as_text_are_not_cut() -> None:
    found = Rows(
        ["what", "at", "sum"],
        ["String"] * 3,
        [[f"{number} {'long ' * 9}", f"2026-01-0{number} 12:00:00", f"{number},234,567,890.125"] for number in (1, 2)],
    )
    lines = drawn(table_of(found), 54)
    assert "2026-01-01 12:00:00" in lines[2]
    assert "1,234,567,890.125" in lines[2]


def test_what_the_title_says_already_is_not_said_twice() -> None:
    lines = drawn(table_of(FOUND, "revenue, model first"), 60)
    assert lines[0] == "revenue, model first"
    assert "model" not in headings(lines)


def test_one_row_is_not_all_title() -> None:
    lines = drawn(table_of(FOUND._replace(rows=ROWS[:1]), "revenue"), 50)
    assert lines[0] == "revenue"
    assert headings(lines)[:2] == ["day", "model"]


def test_piped_it_has_all_columns_at_full_width_and_no_blanks_at_the_end() -> None:
    lines = drawn(table_of(FOUND, "revenue"), 2000, terminal=False)
    assert headings(lines) == list(COLUMNS)
    assert "An influencer's post" in lines[4]
    assert lines == [line.rstrip() for line in lines]


def test_an_amount_among_other_metrics_has_two_decimals() -> None:
    decimal = "Decimal(38, 6)"
    rows: list[list[Any]] = [["revenue", Decimal("269944.109326")], ["revenue", Decimal(120000)], ["leads", Decimal(7)]]
    lines = drawn(table_of(Rows(["metric", "actual"], ["String", decimal], rows)), 80)
    assert [line.split()[-1] for line in lines[2:5]] == ["269,944.11", "120,000.00", "7"]


@pytest.mark.parametrize(("width", "longest"), [(100, 40), (60, 22), (40, 10), (24, 0)])
def test_bars_get_shorter_and_their_numbers_stay(width: int, longest: int) -> None:
    labelled = [("Instagram influencer post", Decimal(2400000)), ("c", Decimal(1200000)), ("d", Decimal(-1))]
    lines = drawn(bars(labelled, format_of("revenue", MONEY), "revenue by campaign"), width)[1:]
    assert [line.split()[-1] for line in lines] == ["2,400,000.00", "1,200,000.00", "-1.00"]
    assert [line.count("█") for line in lines] == [longest, longest // 2, 0]
    assert all(cell_len(line) <= width for line in lines)


def test_what_has_no_name_is_called_by_its_id() -> None:
    found = Rows(["rep_id", "rep", "team"], ["String"] * 3, [["r1", "Ida", ""], ["(unassigned)", "", ""]])
    assert with_names(found).rows == [["r1", "Ida", ""], ["(unassigned)", "(unassigned)", ""]]
