"""Every figure of every report is opened: what its records add comes to the figure, and each says who said so."""

import json
import os
import random
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from deploy.embedded.company import lines
from sinks.migrate import ViewSettings, migrate
from sinks.views import load_views
from stream.cli import main
from stream.explain import LONG, NotAFigure, Question, columns_of, explain, made_of
from stream.recipes import RECIPES
from stream.rules import Rules
from tests.clickhouse import ClickHouseServer
from tests.counted import PARTITIONS, Counter
from tests.property import generate
from tests.stream.cases import call, deal, event, lead, opportunity, touch

SETTINGS = ViewSettings(partitions=PARTITIONS, fiscal_year_start=4, attribution_model="linear")
LATER_MS = 1_800_000_000_000
PERSON = "Zebulon Quagmire"

NO_FIGURES = {"report_freshness": "how far shards are", "report_sources": "when sources were last heard"}
"""Reports that state no figure made of records."""

NOT_MADE_OF_RECORDS = {
    "report_calls": {"benchmark_answer_rate", "benchmark_avg_talk_seconds", "benchmark_advance_rate"},
    "opportunity_list": {"age_days", "probability", "key_account", "overdue"},
}

NEVER = {"report_key_accounts": ("unconverted",), "report_opportunities_closed": ("open",)}
"""What is 0 everywhere in these events, or by nature."""


def extras() -> Iterator[bytes]:
    """What the invented company does not do: missing and crossed rates, aliases, teams that change, every target."""
    yield event("crm.campaign.upserted", "2026-03-01", campaign_id="k1", name="Kay", aliases=["spring"], group="G")
    yield event("crm.campaign.upserted", "2026-03-01", campaign_id="k9", name="Nine", budget="7.77", currency="SEK")
    yield event("crm.rep.upserted", "2026-03-01", rep_id="r1", name="Rita", team="North")
    yield event("crm.rep.upserted", "2026-03-01", rep_id="r1", team="South", team_since="2026-03-06")
    yield event("crm.account.upserted", "2026-03-01", account_id="acme", name="Acme", key_account=True)
    yield event("crm.rate.posted", "2026-03-01", date="2026-03-01", base="EUR", quote="USD", rate="1.0837")
    yield event("crm.rate.posted", "2026-03-01", date="2026-03-05", base="USD", quote="EUR", rate="0.91")
    yield event("crm.rate.posted", "2026-03-01", date="2026-03-04", base="EUR", quote="SEK", rate="11.37")
    yield lead("x1", "2026-03-02", name=PERSON, email="zeb@example.com", account_id="acme", utm={"campaign": "Spring"})
    yield touch("t1", "x1", "2026-03-03", utm={"medium": "email", "campaign": "SPRING "})
    yield touch("t2", "x1", "2026-03-03T12:00:00Z", campaign_id="k9", channel="fair")
    for number, currency in enumerate(("SEK", "EUR", "XAU", "USD")):
        money = {"amount": f"{100 + number}.3333", "cost": "7.7777", "currency": currency}
        rest = {"lead_id": "x1", "owner_id": "r1", "probability": "0.3333"}
        yield opportunity(f"won-{currency}", "2026-03-03", **money, **rest)
        yield deal("won", f"won-{currency}", f"2026-03-0{5 + number}")
        yield opportunity(f"lost-{currency}", "2026-03-03", **money, **rest)
        yield deal("lost", f"lost-{currency}", f"2026-03-0{5 + number}")
        yield opportunity(f"open-{currency}", "2026-03-03", **money, **rest, due_date="2026-04-01")
        yield opportunity(f"undated-{currency}", "2026-03-04", **money, campaign_id="k9", contact=PERSON)
        for category in ("media", "fees"):
            spent = {"amount": f"{number + 1}.1111", "currency": currency, "category": category, "clicks": 3}
            spent |= {"platform": "meta", "date": f"2026-03-0{5 + number}", "utm": {"campaign": "k9"}}
            yield event("crm.spend.posted", "2026-03-05", **spent)
    yield opportunity("undated-won", "2026-03-04", amount=10, currency="XAU", account_id="globex", campaign_id="spring")
    yield deal("won", "undated-won", "2026-03-05")
    yield call("c1", "2026-03-07", opportunity_id="won-EUR", rep_id="r1", status="answered", talk_seconds=61)
    for metric in ("leads", "revenue", "won_deals", "calls"):
        for scope in ("company", "team/South", "team/North", "rep/r1", "campaign/k1", "campaign/k9"):
            target = {"metric": metric, "month": "2026-03", "value": "12.5", "scope": scope}
            yield event("crm.target.posted", "2026-03-01", **target)
    yield b"not json"


@pytest.fixture(scope="module")
def company(clickhouse_server: ClickHouseServer) -> Iterator[Client]:
    """An invented company's quarter, a heap of colliding events, and what neither has."""
    name = f"explain_{secrets.token_hex(6)}"
    server = clickhouse_server.connect()
    migrate(server, name, SETTINGS)
    client = clickhouse_server.connect(name)
    rng = random.Random(11)
    Counter(client, Rules()).count(
        [
            *lines(5, datetime(2026, 11, 24, tzinfo=UTC), 4_000, golden=False),
            *(json.dumps(generate.event(rng)).encode() for _ in range(400)),
            *extras(),
        ],
        LATER_MS,
    )
    yield client
    client.close()
    server.command(f"DROP DATABASE {name}")
    server.close()


Run = Callable[..., tuple[int, Any]]


@pytest.fixture
def run(
    company: Client,
    clickhouse_server: ClickHouseServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """`sixfold explain ARGUMENTS`: the exit code, and what was printed, decoded if it is JSON."""
    for name in [name for name in os.environ if name.startswith("SIXFOLD_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    at = f"{clickhouse_server.user}:{clickhouse_server.password}@{clickhouse_server.host}:{clickhouse_server.port}"
    monkeypatch.setenv("SIXFOLD_CLICKHOUSE_URL", f"http://{at}/{company.database}")
    monkeypatch.setenv("SIXFOLD_PARTITIONS", str(PARTITIONS))
    monkeypatch.setenv("SIXFOLD_ATTRIBUTION_MODEL", "linear")

    def run(*arguments: str) -> tuple[int, Any]:
        code = main(["explain", *arguments])
        out, err = capsys.readouterr()
        return code, json.loads(out, parse_float=Decimal) if "--json" in arguments and out else out + err

    return run


def explained(client: Client, report: str, column: str, **question: Any) -> Any:
    return explain(client, Question(report, column, **question), PARTITIONS, limit=0)


def test_every_number_of_every_report_is_a_figure_or_made_of_some(company: Client) -> None:
    views = {view.name: view for view in load_views() if view.name.startswith("report_")}
    assert views.keys() - NO_FIGURES.keys() - {LONG} == RECIPES.keys() - {"opportunity_list"}
    for report in RECIPES:
        kinds = {row[0]: row[1] for row in company.query(f"DESCRIBE {report}").result_rows}
        numbers = {name for name, kind in kinds.items() if "Int" in kind or "Decimal" in kind or "Float" in kind}
        left = numbers - NOT_MADE_OF_RECORDS.get(report, set()) - set(RECIPES[report].keys)
        for column in left:
            assert made_of(report, column), column
        assert set(columns_of(report)) <= left


@pytest.mark.parametrize("report", RECIPES)
def test_the_records_of_every_row_and_column_add_up_to_it(company: Client, report: str) -> None:
    for column in RECIPES[report].columns:
        found = explained(company, report, column)
        wrong = [row for row in found.rows if not row.adds_up]
        assert not wrong, (column, wrong[:3])
        assert found.adds_up
        assert any(row.total for row in found.rows) or column in NEVER.get(report, ()), f"{column}: nothing to add"


@pytest.mark.parametrize("grain", ["week", "month", "quarter", "year"])
def test_so_do_those_of_periods(company: Client, grain: str) -> None:
    for report, recipe in RECIPES.items():
        if "day" in recipe.keys:
            for column in list(recipe.columns)[::6]:
                found = explained(company, report, column, grain=grain)
                assert found.adds_up, (report, column)
                assert found.rows


def test_the_pivot_table_is_explained_by_the_reports_it_is_made_of(company: Client) -> None:
    rows = company.query(
        "SELECT report, dimension, member, metric, sum(value) FROM report_long_month"
        " WHERE period_start = '2026-03-01' GROUP BY ALL ORDER BY sipHash64(report, dimension, member, metric) LIMIT 60"
    ).result_rows
    assert {row[0] for row in rows} >= {"lead_sources", "profitability", "campaign_revenue", "funnel"}
    for *place, value in rows:
        names = ("report", "dimension", "member", "metric")
        where = {name: [each] for name, each in zip(names, place, strict=True)}
        found = explained(company, LONG, "value", grain="month", day=date(2026, 3, 17), where=where)
        assert (found.adds_up, found.figure) == (True, value), place


def test_a_figure_that_its_records_do_not_make_is_said_to_differ(
    company: Client, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream.explain.PAUSE_SECONDS", 0)
    epoch = company.query("SELECT max(epoch) FROM manifest WHERE shard = 0").result_rows[0][0]
    company.command(
        "INSERT INTO roll_calls (shard, epoch, day, rep_id, direction, calls, answered, version)"
        f" VALUES (0, {epoch}, '2020-01-01', 'ghost', 'inbound', 3, 1, 1)"
    )
    try:
        where = ("--where", "rep_id=ghost")
        code, found = run("calls", "--column", "calls", *where, "--json")
        assert (code, found["adds_up"]) == (1, False)
        assert found["columns"][0]["rows"][0]["figure"] == 3
        assert found["columns"][0]["rows"][0]["sum"] == 0
        code, text = run("calls", *where)
        assert code == 1
        assert "calls: day 2020-01-01, rep_id ghost, direction inbound: 3, but the records come to 0" in text
    finally:
        company.command("ALTER TABLE roll_calls DELETE WHERE rep_id = 'ghost' SETTINGS mutations_sync = 2")


def test_a_figure_that_is_being_flushed_is_read_again(company: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    epoch = company.query("SELECT max(epoch) FROM manifest WHERE shard = 0").result_rows[0][0]
    columns = "(shard, epoch, day, rep_id, direction, calls, version)"
    company.command(f"INSERT INTO roll_calls {columns} VALUES (0, {epoch}, '2020-01-01', 'late', 'inbound', 3, 1)")
    pauses = []

    def rest(seconds: float) -> None:
        pauses.append(seconds)
        company.command("ALTER TABLE roll_calls DELETE WHERE rep_id = 'late' SETTINGS mutations_sync = 2")

    monkeypatch.setattr("stream.explain.time.sleep", rest)
    found = explained(company, "report_calls", "calls")
    assert found.adds_up
    assert len(pauses) == 1


def test_a_credit_says_who_said_what_and_what_was_found_when_it_was_read(run: Run) -> None:
    arguments = ("--day", "2026-03-05", "--where", "campaign_id=k1", "--column", "revenue", "--json")
    code, found = run("profitability", *arguments)
    assert code == 0
    (column,) = found["columns"]
    amounts = {
        (record["opportunity_id"], record["touch_id"]): (record["contribution"], record["facts"]["credited_amount"])
        for record in column["records"]
    }
    # a third of 100.3333 SEK each: 33.4445 to the creation, 33.4444 to the first touch; across the euro
    crossed = 1 / Decimal("11.37") / Decimal("0.91")
    own, recorded = amounts["won-SEK", ""], amounts["won-SEK", "t1"]
    assert (own[1], recorded[1]) == ("33.4445", "33.4444")
    assert abs(own[0] - Decimal("33.4445") * crossed) < Decimal("1e-24")
    assert column["figure"] == round(sum(value for value, _ in amounts.values()), 4)
    (record,) = [each for each in column["records"] if (each["opportunity_id"], each["touch_id"]) == ("won-SEK", "t1")]
    assert record["counted_by"] == "lead:x1"
    found_when_read = {each.pop("what"): each for each in record["resolved_when_read"]}
    assert found_when_read["campaign"] == {"given": "spring", "campaign_id": "k1"}
    assert found_when_read["rate"]["currency"] == "SEK"
    assert found_when_read["rate"]["since"] == "2026-03-05"
    said = record["said"]
    assert set(said) == {
        *("opportunity:won-SEK", "touch:x1/t1", "lead:x1", "campaign:k1"),
        *("rate:EUR/SEK/2026-03-04", "rate:USD/EUR/2026-03-05"),
    }
    amount = next(each for each in said["opportunity:won-SEK"] if each["field"] == "amount")
    assert amount == {
        "field": "amount",
        "value": Decimal("100.3333"),
        "source": "case",
        "id": amount["id"],
        "time": "2026-03-03T00:00:00Z",
        "sequence": 0,
    }
    status = [each for each in said["opportunity:won-SEK"] if each["field"] == "status"]
    assert [(each["value"], each["time"]) for each in status] == [("won", "2026-03-05T00:00:00Z")]
    assert next(each for each in said["lead:x1"] if each["field"] == "name") == {
        "field": "name",
        "personal": True,
        "source": "case",
        "sequence": 0,
        "id": next(each for each in said["lead:x1"] if each["field"] == "email")["id"],
        "time": "2026-03-02T00:00:00Z",
    }


def test_no_personal_value_is_shown(run: Run) -> None:
    for report in ("lead_sources", "key_accounts"):
        column = "leads" if report == "lead_sources" else "opportunities"
        _, found = run(report, "--column", column, "--json")
        assert PERSON not in json.dumps(found, default=str)
        assert "zeb@example.com" not in json.dumps(found, default=str)


def test_a_ratio_opens_what_it_is_computed_from(run: Run) -> None:
    code, text = run(
        "profitability", "--where", "campaign_id=k9", "--by", "month", "--day", "2026-03-31", "--column", "roas"
    )
    assert code == 0
    assert "roas is revenue / spend" in text
    assert "revenue" in text
    assert "touch:x1/t2" in text
    assert "spend:meta" in text
    _, found = run("profitability", "--column", "cpa", "--json", "--limit", "1", "--where", "campaign_id=k9")
    assert [each["column"] for each in found["columns"]] == ["spend", "customers"]


def test_all_figures_of_a_row_are_checked_at_once(run: Run) -> None:
    code, text = run("finance", "--day", "2026-03-05")
    assert code == 0
    assert " NO" not in text
    lines_ = [line.split() for line in text.splitlines()]
    assert {line[0] for line in lines_ if line[-1:] == ["yes"]} == set(columns_of("report_finance"))
    assert "--column NAME" in text


def test_records_are_the_greatest_first_and_as_many_as_asked_for(run: Run) -> None:
    _, found = run("expenses", "--column", "spend", "--limit", "5", "--json")
    (column,) = found["columns"]
    sizes = [abs(record["contribution"]) for record in column["records"]]
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) == 5 < column["record_count"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["freshness"], "report_freshness has no figures that are made of records"),
        (["calls", "--column", "cals"], "report_calls has no column cals; did you mean calls?"),
        (["calls", "--column", "benchmark_answer_rate"], "is no sum of records"),
        (["calls", "--where", "calls=3"], "is not told apart by calls, but by day, rep_id"),
        (["calls", "--where", "rep_id"], "--where takes column=value"),
        (["pipeline", "--day", "2026-01-01"], "report_pipeline has no day"),
        (["pipeline", "--grain", "month"], "report_pipeline has no periods"),
        (["calls", "--day", "yesterday"], "--day takes a day"),
        (["calls", "--model", "last"], "report_calls has no column model"),
        (["campaign_revenue", "--model", "lst"], "there is no model lst; did you mean last?"),
        (["long", "--where", "report=calls"], "say which dimension, once"),
    ],
)
def test_what_cannot_be_explained_gets_one_line(run: Run, arguments: list[str], complaint: str) -> None:
    code, text = run(*arguments)
    assert code == 2
    assert complaint in text
    assert len(text.splitlines()) == 1


def test_a_row_that_is_not_there_is_a_negative_answer(run: Run) -> None:
    code, text = run("calls", "--where", "rep_id=nobody", "--day", "2026-03-01")
    assert (code, text) == (1, "report_calls, day 2026-03-01, rep_id nobody: there is no such row\n")


def test_other_columns_are_refused(company: Client) -> None:
    with pytest.raises(NotAFigure, match="answer_rate"):
        explain(company, Question("report_calls", "answer_rate"), PARTITIONS)
