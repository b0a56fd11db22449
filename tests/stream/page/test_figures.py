"""What the page and its CSV say is what the views say, for every report, period and filter."""

import csv
import io
import json
import re
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sinks.views import load_views
from stream.figures import REPORTS, Figures
from stream.page.catalog import MENU, PAGES
from stream.page.periods import Calendar
from stream.page.summary import table_keys
from tests.pages import END, Browser, Company

VIEWS = {view.name: view for view in load_views()}
TODAY = END.date()
QUARTERLY = [name for name in PAGES if REPORTS[name].has_periods]
NOW = [name for name in PAGES if not REPORTS[name].has_periods]
LAST_MONTH = Calendar().start(TODAY.replace(day=1) - timedelta(days=1), "month")
MONTH = (LAST_MONTH, TODAY.replace(day=1) - timedelta(days=1))
#: of the names that there are in that month: which deals were won in it changes with the day of the test
SOME: list[str] = []
ODD = (TODAY - timedelta(days=47), TODAY - timedelta(days=3))


def rows_of(page: Browser, report: str, **query: Any) -> list[dict[str, str]]:
    answer = page.get(f"/report/{report}.csv", query)
    assert answer.status == 200, answer.text
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.text)))


def same(shown: str, wanted: Any) -> bool:
    """Counts exactly; money within 0.0001 for every day and currency, since each row of a view is rounded to that."""
    if wanted is None:
        return shown == ""
    if isinstance(wanted, Decimal):
        return shown != "" and abs(Decimal(shown) - wanted) <= Decimal("0.004")
    if isinstance(wanted, float):
        return shown != "" and abs(float(shown) - wanted) <= 1e-5 * max(1, abs(wanted))
    return shown == str(wanted)


def by_key(figures: Figures, rows: list[Mapping[str, Any]], *more: str) -> dict[tuple[str, ...], Mapping[str, Any]]:
    keys = [*more, *table_keys(figures)]
    found = {tuple("" if row[key] is None else str(row[key]) for key in keys): row for row in rows}
    assert len(found) == len(rows), "a row stands there twice"
    return found


def read(company: Company, query: str, **parameters: Any) -> list[dict[str, Any]]:
    result = company.client.query(query, parameters=parameters)
    return [dict(zip(result.column_names, row, strict=True)) for row in result.result_rows]


def model_of(figures: Figures) -> str:
    return " AND model = 'first'" if figures.has_model else ""


@pytest.mark.parametrize("report", QUARTERLY)
def test_a_whole_month_is_the_row_of_the_view(page: Browser, company: Company, report: str) -> None:
    """All columns, quantiles and shares among them; the other queries of the page go over days."""
    figures = REPORTS[report]
    shown = rows_of(page, report, **{"from": MONTH[0], "to": MONTH[1]})
    if not figures.keys:
        shown = rows_of(page, report, grain="month", **{"from": MONTH[0], "to": MONTH[1]})
    wanted = read(
        company,
        f"SELECT * FROM {figures.view}_by(grain = 'month') WHERE period_start = {{start:Date}}{model_of(figures)}",
        start=MONTH[0],
    )
    assert wanted, "nothing to compare"
    more = () if figures.keys else ("period_start",)
    found, expected = by_key(figures, shown, *more), by_key(figures, wanted, *more)
    assert found.keys() == expected.keys()
    for key, row in expected.items():
        for column, value in row.items():
            if column not in {"period_start", "model"}:
                assert same(found[key][column], value), (key, column, found[key][column], value)


@pytest.mark.parametrize("grain", ["week", "month"])
@pytest.mark.parametrize("report", QUARTERLY)
def test_split_rows_are_those_of_the_view(page: Browser, company: Company, report: str, grain: str) -> None:
    """Within the span; a period that the span cuts has what its days in the span have."""
    figures = REPORTS[report]
    shown = rows_of(page, report, split=1, grain=grain, **{"from": ODD[0], "to": ODD[1]})
    calendar = Calendar()
    whole = [
        s
        for s in {calendar.start(ODD[0] + timedelta(days=n), grain) for n in range(45)}
        if s >= ODD[0] and calendar.end(s, grain) <= ODD[1]
    ]
    wanted = read(
        company,
        f"SELECT * FROM {figures.view}_by(grain = '{grain}') "
        f"WHERE period_start IN {{starts:Array(Date)}}{model_of(figures)}",
        starts=whole,
    )
    found = by_key(figures, shown, "period_start")
    expected = by_key(figures, wanted, "period_start")
    assert {key for key in found if date.fromisoformat(key[0]) in whole} == expected.keys()
    for key, row in expected.items():
        for column, value in row.items():
            if column != "model":
                assert same(found[key][column], value), (key, column, found[key][column], value)
    measure = figures.measures[0]
    (total,) = company.client.query(
        f"SELECT sum({measure}) FROM {figures.view} WHERE day >= {{a:Date}} AND day <= {{b:Date}}{model_of(figures)}",
        parameters={"a": ODD[0], "b": ODD[1]},
    ).result_rows[0]
    assert sum(Decimal(row[measure]) for row in shown) == total


@pytest.mark.parametrize("report", NOW)
def test_reports_of_now_are_the_view(page: Browser, company: Company, report: str) -> None:
    figures = REPORTS[report]
    wanted = read(company, f"SELECT * FROM {figures.view}")
    found, expected = by_key(figures, rows_of(page, report)), by_key(figures, wanted)
    assert found.keys() == expected.keys()
    for key, row in expected.items():
        for column, value in row.items():
            assert same(found[key][column], value), (key, column)


@pytest.mark.parametrize("report", PAGES)
def test_the_page_shows_what_the_csv_has(page: Browser, report: str) -> None:
    """Every number of the table, and the totals, which are sums of the rows."""
    figures = REPORTS[report]
    query = {"from": ODD[0], "to": ODD[1], "rows": "all"} if figures.has_periods else {"rows": "all"}
    answer = page.get(PAGES[report].path, query)
    assert answer.status == 200
    csv_rows = rows_of(page, report, **query)
    keys = [*(["period_start"] if not figures.keys else []), *table_keys(figures)]
    checked = 0
    for row in csv_rows:
        place = "/".join("None" if row[key] == "" and key == "due_month" else row[key] for key in keys)
        for column in (*figures.measures, *figures.ratios, *figures.shares):
            value = answer.values.get(f"{place}.{column}".replace("&", "&amp;").replace("'", "&#39;"))
            if value is not None:
                assert value == row[column], (place, column)
                checked += 1
    assert checked >= len(csv_rows) * len(figures.measures) / 2
    for key in (f"{where}.{measure}" for measure in figures.measures for where in ("total", "sum")):
        if key in answer.values:
            assert Decimal(answer.values[key]) == sum(Decimal(row[key.partition(".")[2]]) for row in csv_rows)


def test_bars_and_the_funnel_show_the_same_sums(page: Browser, company: Company) -> None:
    days = {"from": ODD[0], "to": ODD[1]}
    bars = page.get("/report/campaign_revenue", days).values
    for campaign, revenue in company.client.query(
        "SELECT campaign_id, sum(revenue) AS total FROM report_campaign_revenue "
        "WHERE model = 'first' AND day >= {a:Date} AND day <= {b:Date} "
        "GROUP BY campaign_id HAVING total > 0 ORDER BY total DESC LIMIT 5",
        parameters={"a": ODD[0], "b": ODD[1]},
    ).result_rows:
        assert Decimal(bars[f"bar.{campaign}"]) == revenue
    steps = page.get("/report/funnel", days).values
    (wanted,) = company.client.query(
        "SELECT sum(visitors), sum(leads), sum(mofu), sum(bofu), sum(customers) FROM report_funnel "
        "WHERE day >= {a:Date} AND day <= {b:Date}",
        parameters={"a": ODD[0], "b": ODD[1]},
    ).result_rows
    assert [int(steps[f"step.{name}"]) for name in ("visitors", "leads", "mofu", "bofu", "customers")] == list(wanted)


def test_the_golden_campaigns_stand_on_the_page_as_the_article_has_them(page: Browser) -> None:
    values = page.get("/report/profitability", {"period": "all", "rows": "all"}).values
    assert Decimal(values["search-ad.roas"]) == 8
    assert Decimal(values["search-ad.roi"]) == 7
    assert Decimal(values["instagram-influencer.roas"]) == Decimal("0.8")
    assert Decimal(values["instagram-influencer.roi"]) == Decimal("-0.2")
    assert next(key for key in values if key.startswith("bar.")) == "bar.search-ad"


@pytest.mark.parametrize(
    ("report", "where"),
    [
        ("leads_by_channel", {"channel": ["cpc", "email"]}),
        ("lead_sources", {"channel": ["cpc"], "campaign_id": ["search-ad", "generic-search"]}),
        ("calls", {"team": ["North"]}),
        ("opportunities", {"team": ["South"]}),
        ("channel_attribution", {"channel": SOME}),
        ("pipeline", {"status": ["open"]}),
        ("campaign_revenue", {"model": "linear", "channel": SOME}),
    ],
)
def test_filters_let_through_what_they_name(
    page: Browser, company: Company, report: str, where: dict[str, Any]
) -> None:
    figures = REPORTS[report]
    for key in [key for key, values in where.items() if values is SOME]:
        names = read(
            company,
            f"SELECT DISTINCT {key} FROM {figures.view}_by(grain = 'month')"
            " WHERE period_start = {start:Date} ORDER BY 1",
            start=MONTH[0],
        )
        assert len(names) > 1
        where = {**where, key: [names[-1][key]]}
    query = {"from": MONTH[0], "to": MONTH[1], **where} if figures.has_periods else where
    shown = rows_of(page, report, **query)
    conditions = [f"{key} IN {{{key}:Array(String)}}" for key in where if key != "model"]
    if figures.has_model:
        conditions.append(f"model = '{where.get('model', 'first')}'")
    source = figures.view
    if figures.has_periods:
        source, conditions = f"{figures.view}_by(grain = 'month')", [*conditions, "period_start = {start:Date}"]
    wanted = read(
        company,
        f"SELECT * FROM {source} WHERE {' AND '.join(conditions)}",
        start=MONTH[0],
        **{key: values for key, values in where.items() if key != "model"},
    )
    assert wanted
    found, expected = by_key(figures, shown), by_key(figures, wanted)
    assert found.keys() == expected.keys()
    for key, row in expected.items():
        for column, value in row.items():
            if column not in {"period_start", "model"}:
                # a share is that of all channels, as in the view
                assert same(found[key][column], value), (key, column, found[key][column], value)


@pytest.mark.parametrize("report", PAGES)
def test_every_number_of_a_page_opens_records_that_add_up_to_it(page: Browser, report: str) -> None:
    """The links of the totals, and those of one row, followed."""
    figures = REPORTS[report]
    query = {"from": ODD[0], "to": ODD[1]} if figures.has_periods else {}
    text = page.get(PAGES[report].path, query).text
    cells = re.findall(r'<a href="(/records/[^"]+)"><data value="([^"]*)" data-k="([^"]*)">', text)
    totals = [cell for cell in cells if cell[2].startswith("total.")]
    row = next(
        (key.rpartition(".")[0] for _, _, key in cells if not key.startswith(("total.", "sum.", "bar.", "step."))), ""
    )
    chosen = {href: value for href, value, key in (*totals[:1], *(c for c in cells if c[2].startswith(f"{row}.")))}
    assert len(chosen) >= 2
    near = Decimal("0.001") if report != "key_accounts" else Decimal("0.2")
    for href, value in chosen.items():
        opened = page.get(href.replace("&amp;", "&"))
        assert opened.status == 200, href
        assert abs(Decimal(opened.values["figure"]) - Decimal(value)) <= near, href


def test_a_record_says_which_event_said_what(page: Browser, company: Company) -> None:
    opened = page.get("/records/leads_by_channel/customers", {"channel": "social", "period": "90d"})
    lead = re.search(r'href="(/record\?entity=lead[^"]+)"', opened.text)
    assert lead is not None
    text = page.get(lead[1].replace("&amp;", "&")).text
    assert "Which event said so" in text
    name = re.search(r"entity=lead%3A(\w+)", lead[1])
    assert name is not None
    (email,) = company.client.query(
        "SELECT value FROM people_latest WHERE entity = {e:String} AND field = 'email'",
        parameters={"e": f"lead:{name[1]}"},
    ).result_rows[0]
    assert email in text, "the person is joined where the record is opened"
    assert re.search(r"<th scope=\"row\">email</th>.*?crm/northdesk</td><td class=\"left\">e\d+</td>", text, re.DOTALL)
    assert "Together with" in text
    assert page.get("/record", {"entity": "lead:nobody"}).status == 404
    assert page.get("/record", {"entity": "nonsense"}).status == 400


def test_pivot_is_report_long(page: Browser, company: Company) -> None:
    query = {"report": "calls", "by": "team", "measure": "talk_seconds", "grain": "month", "from": ODD[0], "to": ODD[1]}
    values = page.get("/pivot", query).values
    wanted = company.client.query(
        "SELECT member, toStartOfMonth(day) AS month, sum(value) FROM report_long WHERE report = 'calls' "
        "AND dimension = 'team' AND metric = 'talk_seconds' AND day >= {a:Date} AND day <= {b:Date} GROUP BY ALL",
        parameters={"a": ODD[0], "b": ODD[1]},
    ).result_rows
    assert wanted
    for member, month, value in wanted:
        start, end = max(month, ODD[0]), min(Calendar().end(month, "month"), ODD[1])
        assert Decimal(values[f"{member}.{start}.{end}"]) == value


def test_models_side_by_side_are_report_model_sensitivity(page: Browser, company: Company) -> None:
    values = page.get("/models", {"from": MONTH[0], "to": MONTH[1]}).values
    wanted = read(company, "SELECT * FROM report_model_sensitivity WHERE month = {m:Date}", m=MONTH[0])
    compared = 0
    for row in wanted:
        for model in ("first", "last", "linear", "position", "time_decay", "w_shaped"):
            shown = values.get(f"{row['campaign_id']}.{model}")
            assert abs(Decimal(shown or 0) - row[f"revenue_{model}"]) <= Decimal("0.004")
            compared += row[f"revenue_{model}"] != 0
    assert compared > 20


def test_targets_quality_and_the_list_are_their_views(page: Browser, company: Company) -> None:
    values = page.get("/targets", {"period": "all"}).values
    for row in read(company, "SELECT * FROM report_targets"):
        assert Decimal(values[f"{row['month']}/{row['scope']}/{row['metric']}"]) == row["actual"]
    values = page.get("/quality").values
    for row in read(company, "SELECT * FROM report_quality"):
        assert int(values[row["check"]]) == row["failing"]
    listed = list(csv.DictReader(io.StringIO(page.get("/opportunity-list.csv", {"status": "all"}).text)))
    wanted = read(company, "SELECT * FROM opportunity_list")
    assert {row["opportunity_id"] for row in listed} == {row["opportunity_id"] for row in wanted}
    assert sum(Decimal(row["estimated_revenue"]) for row in listed) == sum(row["estimated_revenue"] for row in wanted)


def test_every_page_of_the_menu_is_there(page: Browser) -> None:
    for group in MENU:
        for path in group.paths:
            answer = page.get(path)
            assert answer.status == 200, path
            assert 'aria-current="page"' in answer.text
            assert "Figures contain events up to" in answer.text


def test_the_whole_page_is_of_one_moment(page: Browser) -> None:
    """Tiles, table, trend: grouping sets of one query."""
    answer = page.get("/report/leads_by_channel", {"from": ODD[0], "to": ODD[1], "grain": "day"})
    series = re.search(r'id="plot-data">(.*?)</script>', answer.text)
    assert series is not None
    leads = json.loads(series[1])["series"][0]["values"]
    assert sum(leads) == int(answer.values["total.leads"])
