"""Spans, periods and what they are compared with; filters as addresses; values as people read them; bars and funnel."""

from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.figures import REPORTS
from stream.page.charts import axis, bars, funnel
from stream.page.filters import KEYS, BadRequest, Filters
from stream.page.format import MINUS, Format, kind_of, kind_of_measure
from stream.page.periods import FIRST, GRAINS, LAST, PRESETS, Calendar, Span, span_text

TODAY = date(2026, 11, 25)


@pytest.mark.parametrize(
    ("preset", "fiscal", "start", "end"),
    [
        ("7d", 1, "2026-11-19", "2026-11-25"),
        ("90d", 1, "2026-08-28", "2026-11-25"),
        ("month", 1, "2026-11-01", "2026-11-30"),
        ("last_month", 1, "2026-10-01", "2026-10-31"),
        ("quarter", 1, "2026-10-01", "2026-12-31"),
        ("quarter", 2, "2026-11-01", "2027-01-31"),
        ("last_quarter", 1, "2026-07-01", "2026-09-30"),
        ("last_quarter", 12, "2026-06-01", "2026-08-31"),
        ("year", 4, "2026-04-01", "2027-03-31"),
        ("last_year", 12, "2024-12-01", "2025-11-30"),
        ("all", 1, "1970-01-01", "2148-12-31"),
    ],
)
def test_presets(preset: str, fiscal: int, start: str, end: str) -> None:
    assert Calendar(fiscal).preset(preset, TODAY) == Span(date.fromisoformat(start), date.fromisoformat(end))


@pytest.mark.parametrize(
    ("start", "end", "before"),
    [
        ("2026-11-01", "2026-11-30", ("2026-10-01", "2026-10-25")),  # as many days as have passed
        ("2026-10-01", "2026-10-31", ("2026-09-01", "2026-09-30")),
        ("2026-03-01", "2026-03-31", ("2026-02-01", "2026-02-28")),
        ("2026-10-01", "2026-12-31", ("2026-07-01", "2026-08-25")),
        ("2026-11-10", "2026-11-14", ("2026-11-05", "2026-11-09")),
        ("2026-11-25", "2026-11-25", ("2026-11-24", "2026-11-24")),
        ("2026-12-01", "2026-12-31", None),
        ("1970-01-01", "2148-12-31", None),
    ],
)
def test_what_a_span_is_compared_with(start: str, end: str, before: tuple[str, str] | None) -> None:
    wanted = Span(*map(date.fromisoformat, before)) if before else None
    assert Calendar().before(Span(date.fromisoformat(start), date.fromisoformat(end)), TODAY) == wanted


@given(st.dates(date(1970, 2, 1), date(2147, 1, 1)), st.sampled_from(GRAINS), st.integers(1, 12))
def test_periods_follow_each_other_without_gap(day: date, grain: str, fiscal: int) -> None:
    calendar = Calendar(fiscal)
    start = calendar.start(day, grain)
    end = calendar.end(start, grain)
    assert start <= day <= end
    assert calendar.start(end, grain) == start
    assert calendar.grain_of(Span(start, end)) is not None
    following = list(calendar.starts(Span(start, end), grain))
    assert following == [start]
    if grain == "quarter":
        assert (start.month - fiscal) % 3 == 0


def test_names_of_periods() -> None:
    calendar = Calendar()
    assert calendar.label(date(2026, 10, 1), "quarter") == "Q4 2026"
    assert calendar.label(date(2026, 10, 1), "month") == "Oct 2026"
    assert calendar.label(date(2026, 10, 5), "week") == "5 Oct 2026"
    assert Calendar(4).label(date(2026, 10, 1), "quarter") == "Q3 2026/27"
    assert Calendar(4).label(date(2026, 4, 1), "year") == "2026/27"
    assert span_text(Span(date(2026, 1, 1), date(2026, 3, 31))) == "1 Jan – 31 Mar 2026"
    assert span_text(Span(date(2025, 12, 31), date(2026, 3, 31))) == "31 Dec 2025 – 31 Mar 2026"
    assert span_text(Span(FIRST, LAST)) == "all time"


# a key may be empty (no due date), other choices have a value
_texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
_filters = st.builds(
    Filters,
    period=st.sampled_from(list(PRESETS)),
    grain=st.sampled_from([None, *GRAINS]),
    model=st.sampled_from([None, "first", "linear"]),
    where=st.dictionaries(
        st.sampled_from(sorted(KEYS)), st.lists(_texts, min_size=1, max_size=3, unique=True).map(tuple), max_size=3
    ),
    split=st.booleans(),
    sort=st.sampled_from(["", "leads", "-leads"]),
    rows=st.sampled_from(["", "all"]),
)


@given(_filters)
def test_an_address_says_all_choices(filters: Filters) -> None:
    query = urlsplit(filters.url("/report/calls")).query
    assert Filters.of(parse_qsl(query, keep_blank_values=True)) == filters


@given(
    st.lists(st.tuples(st.text(max_size=12) | st.sampled_from(["from", "to", "grain", *KEYS]), st.text(max_size=40)))
)
def test_any_address_is_read_or_refused(pairs: list[tuple[str, str]]) -> None:
    try:
        filters = Filters.of(pairs)
    except BadRequest:
        return
    else:
        filters.span(Calendar(), TODAY)


def test_days_go_before_a_preset_unless_one_is_chosen_anew() -> None:
    assert Filters.of([("from", "2026-01-01"), ("to", "2026-01-31")]).custom
    chosen = Filters.of([("from", "2026-01-01"), ("period", "month")])
    assert not chosen.custom
    assert chosen.url("/x", period="90d") == "/x"


@pytest.mark.parametrize(
    ("currency", "value", "shown"),
    [
        ("USD", Decimal("1234.5"), "$1,234.50"),
        ("USD", Decimal("-1234.5"), f"{MINUS}$1,234.50"),
        ("USD", Decimal("-0.001"), "$0.00"),
        ("EUR", Decimal("0.015"), "€0.02"),
        ("JPY", Decimal("1234.5"), "JPY\N{NARROW NO-BREAK SPACE}1,234"),
        ("KWD", Decimal("1.2345"), "KWD\N{NARROW NO-BREAK SPACE}1.234"),
        ("CHF", Decimal(7), "CHF\N{NARROW NO-BREAK SPACE}7.00"),
        ("USD", None, "–"),
    ],
)
def test_money_in_the_reporting_currency(currency: str, value: Any, shown: str) -> None:
    assert Format(currency, "UTC").value("money", value) == shown


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        ("percent", 0.2534, "25.3%"),
        ("percent", -0.2, f"{MINUS}20.0%"),
        ("percent", None, "–"),
        ("times", 8.0, "8.00×"),
        ("time", 249.4, "4:09"),
        ("hours", 5400, "1.5 h"),
        ("count", 1234567, "1,234,567"),
        ("count", Decimal("12.5"), "12.50"),
        ("days", 9.87, "9.9"),
        ("flag", 1, "yes"),
        ("date", date(2026, 3, 1), "1 Mar 2026"),
    ],
)
def test_other_values(kind: str, value: Any, shown: str) -> None:
    assert Format("USD", "UTC").value(kind, value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(1234567, "$1.23M"), (999, "$999"), (34000, "$34k"), (-2070, f"{MINUS}$2.07k")]
)
def test_little_room(value: int, shown: str) -> None:
    assert Format("USD", "UTC").compact("money", Decimal(value)) == shown


def test_every_measure_and_ratio_has_its_kind() -> None:
    kinds = {
        name: kind_of_measure(name, "") for figures in REPORTS.values() for name in (*figures.ratios, *figures.shares)
    }
    percents = {name for name, kind in kinds.items() if kind == "percent"}
    assert {
        "win_rate",
        "win_rate_by_amount",
        "roi",
        "ctr",
        "visitor_to_lead",
        "revenue_share",
        "answer_rate",
    } <= percents
    assert {name for name, kind in kinds.items() if kind == "times"} == {"roas", "cohort_roas"}
    assert {name for name, kind in kinds.items() if kind == "price"} == {"cpl", "cpa", "cpc", "average_deal"}
    assert kind_of_measure("spend", "for media, reporting currency") == "money"
    assert kind_of_measure("leads", "leads created") == "count"
    assert kind_of("amount", "Decimal(38, 4)") == "money"


@given(st.floats(-1e9, 0), st.floats(0, 1e9))
def test_an_axis_holds_its_values_and_zero(least: float, greatest: float) -> None:
    marks = axis(least, greatest)
    near = 1e-6 * max(1, greatest - least)
    assert marks[0] <= least + near
    assert marks[-1] >= greatest - near
    assert any(abs(mark) < 1e-9 * max(1, greatest - least) for mark in marks)
    assert 2 <= len(marks) <= 10
    assert marks == sorted(marks)


def test_bars_are_to_scale_and_negative_ones_go_the_other_way() -> None:
    drawn = bars(
        "m", "l", "money", [("a", Decimal(300), "", "a"), ("b", Decimal(-100), "", "b"), ("c", 0, "", "c")], 12
    )
    assert [bar.label for bar in drawn.bars] == ["a", "b"]
    first, second = drawn.bars
    assert first.width == pytest.approx(3 * second.width, abs=0.02)
    assert first.start == pytest.approx(drawn.zero)
    assert second.start + second.width == pytest.approx(drawn.zero, abs=0.02)
    cut = bars("m", "l", "money", [(str(n), n, "", "") for n in range(1, 21)], 12)
    assert [bar.value for bar in cut.bars] == list(range(20, 8, -1))
    assert cut.rest == 8


def test_the_funnel_is_to_scale_but_for_visitors() -> None:
    steps = funnel(
        [("visitors", 100_000, ""), ("leads", 1000, ""), ("mofu", 500, ""), ("bofu", 250, ""), ("customers", 0, "")]
    )
    assert [step.width for step in steps] == [100, 100, 50, 25, 0]
    assert [step.to_scale for step in steps] == [False, True, True, True, True]
    assert [step.rate for step in steps] == [None, 0.01, 0.5, 0.5, 0]
    near = funnel([("visitors", 2000, ""), ("leads", 1000, "")])
    assert [step.width for step in near] == [100, 50]
    assert [step.width for step in funnel([("visitors", 0, ""), ("leads", 0, "")])] == [0, 0]
