"""Every report view over rolling rows written by hand: the figures, names, rates and generations it must show."""

import json
from datetime import date
from decimal import Decimal

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sinks.migrate import ViewSettings, migrate
from sinks.views import load_views

MODELS = ("first", "last", "linear", "position", "time_decay", "w_shaped")
LATEST = "2149-06-06"
NONE = {"source": "(none)", "medium": "(none)", "campaign_id": "(none)"}


def put(client: Client, table: str, *rows: dict) -> None:
    """Insert rows of which only the columns that matter are given; money in units of 1e-4."""
    defaults = {"version": 1} if table != "manifest" else {}
    if table.startswith("roll_"):
        defaults["epoch"] = 1
        known = {row[0] for row in client.query("SELECT shard FROM manifest").result_rows}
        shards = {row.get("shard", 0) for row in rows} - known
        if shards:
            put(client, "manifest", *({"shard": shard, "epoch": 1} for shard in shards))
    body = "\n".join(json.dumps({**defaults, **row}) for row in rows)
    client.raw_insert(table, insert_block=body, fmt="JSONEachRow")


def revenue(*, models: tuple[str, ...] = MODELS, deals: int = 1, amount: int = 0, cost: int = 0, **key) -> dict:
    """A row of roll_revenue with the same credit in each of the models; deals whole, money in units."""
    row = {"date_kind": "closed", "channel": "direct", **NONE, "lead_magnet": "(none)", "currency": "USD"}
    row |= {"rate_day": key.get("day", "1970-01-01")} | key
    for model in models:
        row |= {
            f"deals_{model}": deals * 1_000_000,
            f"revenue_{model}": amount,
            f"cost_{model}": cost,
            f"heads_{model}": deals,
        }
    return row


def spend(**key) -> dict:
    row = {"platform": "meta", "channel": "social", **NONE, "category": "media", "currency": "USD", "figures": 1}
    return row | key


def leads(**key) -> dict:
    return {"channel": "direct", **NONE, "lead_magnet": "(none)"} | key


def opportunities(**key) -> dict:
    row = {"date_kind": "created", "owner_id": "ann", "stage": "Proposal", "status": "open", "currency": "USD"}
    return row | {"rate_day": "1970-01-01", "opportunities": 1} | key


def read(client: Client, query: str) -> list[dict]:
    return list(client.query(query).named_results())


def one(client: Client, query: str) -> dict:
    (row,) = read(client, query)
    return row


def change(client: Client, **values: object) -> None:
    """Migrate again with other view settings."""
    migrate(client, str(client.database), ViewSettings(**values), migrations=None)


def test_every_view_has_the_columns_it_says_and_is_empty_on_an_empty_database(database):
    always_a_row = {"base_settings", "base_rates", "report_quality"}
    for view in load_views():
        for statement in view.statements:
            source = f"{statement.name}(grain = 'quarter')" if statement.name.endswith("_by") else statement.name
            described = database.query(f"DESCRIBE TABLE {source}").result_rows
            expected = [column.name for column in view.columns]
            if view.has_periods and statement.name != view.name:
                expected[expected.index("day")] = "period_start"
            assert [row[0] for row in described] == expected, statement.name
            if view.name not in always_a_row:
                assert database.query(f"SELECT * FROM {source}").result_rows == [], statement.name


def test_texts_and_periods_are_never_nullable(database):
    may_be_null = {"due_month"}
    for view in load_views():
        if not view.name.startswith("report_"):
            continue
        for statement in view.statements:
            source = f"{statement.name}(grain = 'year')" if statement.name.endswith("_by") else statement.name
            for name, kind, *_ in database.query(f"DESCRIBE TABLE {source}").result_rows:
                if name not in may_be_null:
                    assert "Nullable(String)" not in kind, (statement.name, name)
                    assert kind != "Nullable(Date)", (statement.name, name)


def test_the_golden_example(database):
    day = "2026-03-02"
    put(
        database,
        "campaigns",
        {"campaign_id": "ig", "name": "Instagram post", "campaign_group": "spring"},
        {"campaign_id": "sea", "name": "Search ad"},
    )
    instagram = {"channel": "social", "source": "instagram", "medium": "influencer", "campaign_id": "ig"}
    search = {"channel": "cpc", "source": "google", "medium": "cpc", "campaign_id": "sea"}
    put(
        database,
        "roll_leads",
        leads(day=day, **instagram, leads=1000, reached_mofu=100, reached_bofu=100, customers=100),
        leads(day=day, **search, leads=1000, reached_mofu=1000, reached_bofu=1000, customers=1000),
    )
    for kind in ("closed", "cohort"):
        put(
            database,
            "roll_revenue",
            revenue(date_kind=kind, day=day, **instagram, deals=100, amount=40_000 * 10_000),
            revenue(date_kind=kind, day=day, **search, deals=1000, amount=400_000 * 10_000),
        )
    put(
        database,
        "roll_spend",
        spend(day=day, **instagram, amount_units=50_000 * 10_000),
        spend(day=day, platform="google_ads", **search, amount_units=50_000 * 10_000, visitors=100_000, clicks=100_000),
    )
    by_campaign = {row["campaign_id"]: row for row in read(database, "SELECT * FROM report_profitability")}
    assert by_campaign["ig"] | {
        "roas": 0.8, "roi": -0.2, "cpa": 500, "cpl": 50, "contribution": -10_000, "campaign_group": "spring",
    } == by_campaign["ig"]  # fmt: skip
    assert by_campaign["sea"] | {"roas": 8, "roi": 7, "cpa": 50, "won_deals": 1000} == by_campaign["sea"]
    sources = {row["campaign"]: row for row in read(database, "SELECT * FROM report_lead_sources_month")}
    assert sources["Search ad"]["visitor_conversion"] == 0.01
    assert sources["Search ad"]["cohort_roas"] == 8
    assert sources["Search ad"]["cpc"] == 0.5
    assert (
        sources["Instagram post"] | {"cpa": 500, "roas": 0.8, "visitor_conversion": None} == sources["Instagram post"]
    )
    conversion = read(database, "SELECT channel, conversion_rate FROM report_leads_by_channel ORDER BY channel")
    assert [row["conversion_rate"] for row in conversion] == [1.0, 0.1]
    first = read(
        database,
        "SELECT campaign, revenue, average_deal FROM report_campaign_revenue"
        " WHERE model = 'linear' ORDER BY revenue DESC",
    )
    assert [row["campaign"] for row in first] == ["Search ad", "Instagram post"]
    assert first[0]["average_deal"] == 400
    shares = read(database, "SELECT revenue_share FROM report_channel_attribution_year WHERE model = 'last' ORDER BY 1")
    assert [row["revenue_share"] for row in shares] == pytest.approx([1 / 11, 10 / 11])
    funnel = one(database, "SELECT * FROM report_funnel WHERE campaign_id = 'sea'")
    assert (funnel["visitor_to_lead"], funnel["mofu_to_bofu"]) == (0.01, 1)
    finance = one(database, "SELECT * FROM report_finance")
    assert (finance["revenue"], finance["spend_media"], finance["operating_result"]) == (440_000, 100_000, 340_000)


# --- rates

RATES = (
    # direct and inverse of one pair: the later one counts, the direct one on the same day
    {"base": "GBP", "quote": "USD", "date": "2026-01-01", "rate": "1.25"},
    {"base": "USD", "quote": "GBP", "date": "2026-02-01", "rate": "0.75"},
    {"base": "GBP", "quote": "USD", "date": "2026-03-01", "rate": "1.5"},
    {"base": "USD", "quote": "GBP", "date": "2026-03-01", "rate": "0.1"},
    # only across the pivot, each leg the later of its own two
    {"base": "CHF", "quote": "EUR", "date": "2026-01-05", "rate": "0.9"},
    {"base": "EUR", "quote": "USD", "date": "2026-01-10", "rate": "1.1"},
    {"base": "USD", "quote": "EUR", "date": "2026-01-20", "rate": "0.8"},
    {"base": "EUR", "quote": "CHF", "date": "2026-01-25", "rate": "1.6"},
    # across the pivot until there is a pair of its own, even when a leg is newer
    {"base": "SEK", "quote": "EUR", "date": "2026-01-01", "rate": "0.1"},
    {"base": "SEK", "quote": "USD", "date": "2026-01-15", "rate": "0.2"},
    {"base": "SEK", "quote": "EUR", "date": "2026-01-16", "rate": "0.3"},
    # across the pivot, both legs anew on one day
    {"base": "NOK", "quote": "EUR", "date": "2026-01-05", "rate": "0.4"},
    {"base": "NOK", "quote": "EUR", "date": "2026-01-20", "rate": "0.5"},
    # the reporting currency is 1, whatever is said of it
    {"base": "USD", "quote": "USD", "date": "2026-01-01", "rate": "5"},
)
CASES = [
    ("USD", "1971-01-01", Decimal(1)),
    ("GBP", "2025-12-31", None),
    ("GBP", "2026-01-01", Decimal("1.25")),
    ("GBP", "2026-01-31", Decimal("1.25")),
    ("GBP", "2026-02-01", 1 / Decimal("0.75")),
    ("GBP", "2026-03-01", Decimal("1.5")),
    ("GBP", LATEST, Decimal("1.5")),
    ("CHF", "2026-01-09", None),
    ("CHF", "2026-01-10", Decimal("0.99")),
    ("CHF", "2026-01-20", Decimal("0.9") / Decimal("0.8")),
    ("CHF", "2026-01-25", 1 / Decimal("1.6") / Decimal("0.8")),
    ("EUR", "2026-01-20", Decimal("1.25")),
    ("SEK", "2026-01-09", None),
    ("SEK", "2026-01-10", Decimal("0.11")),
    ("SEK", "2026-01-15", Decimal("0.2")),
    ("SEK", LATEST, Decimal("0.2")),
    ("NOK", "2026-01-19", Decimal("0.4") * Decimal("1.1")),
    ("NOK", "2026-01-20", Decimal("0.5") * Decimal("1.25")),
    ("XXX", LATEST, None),
    ("", LATEST, None),
]


def test_money_has_the_rate_of_its_day(database):
    put(database, "rates", *RATES)
    amount = 99_999_999_999_999_9999  # 14 integer digits and 4 decimals
    for number, (currency, day, _) in enumerate(CASES):
        row = opportunities(day="2026-05-01", owner_id=str(number), currency=currency, rate_day=day)
        put(database, "roll_opportunities", row | {"amount_units": amount, "weighted_units": -amount})
    shown = {int(row["owner_id"]): row for row in read(database, "SELECT * FROM report_opportunities")}
    for number, (currency, day, factor) in enumerate(CASES):
        row = shown[number]
        exact = Decimal(amount) / 10_000 * (factor or 0)
        assert abs(row["estimated_revenue"] - exact) <= Decimal("0.0001"), (currency, day)
        assert abs(row["weighted_revenue"] + exact) <= Decimal("0.0001"), (currency, day)
        assert row["unconverted"] == (factor is None), (currency, day)
        assert row["opportunities"] == 1


def test_a_currency_has_one_rate_a_day_and_the_reporting_currency_one_for_ever(database):
    put(database, "rates", *RATES)
    rows = read(database, "SELECT currency, since, factor FROM base_rates")
    assert [(row["since"], row["factor"]) for row in rows if row["currency"] == "USD"] == [(date(1970, 1, 1), 1)]
    days = [(row["currency"], row["since"]) for row in rows]
    assert len(days) == len(set(days))


def test_another_reporting_currency_that_is_the_pivot(database):
    change(database, currency="EUR")
    put(database, "rates", *RATES)
    factors = {
        row["currency"]: row["factor"]
        for row in read(database, "SELECT currency, argMax(factor, since) AS factor FROM base_rates GROUP BY currency")
    }
    # a pound has no pair with the euro, which is its own pivot
    assert set(factors) == {"EUR", "USD", "CHF", "SEK", "NOK"}
    assert (factors["EUR"], factors["USD"], factors["CHF"]) == (1, Decimal("0.8"), Decimal("0.625"))


def test_what_has_no_rate_is_counted_and_left_out(database):
    day = "2026-05-05"
    put(
        database,
        "roll_revenue",
        revenue(day=day, amount=100_0000, cost=40_0000),
        revenue(day=day, currency="XXX", deals=2, amount=0),
        # a touch that the deal was credited to as well, but not first
        revenue(day=day, currency="XXX", deals=1, amount=5, channel="email") | {f"heads_{m}": 0 for m in MODELS},
        revenue(day="2026-05-01", date_kind="cohort", currency="XXX", deals=2, amount=7),
    )
    put(
        database,
        "roll_spend",
        spend(day=day, currency="XXX", figures=3, amount_units=9, clicks=2),
        spend(day=day, currency="XXX", figures=4, amount_units=0, category="salaries"),
    )
    put(
        database,
        "roll_opportunities",
        opportunities(date_kind="due", day=day, currency="XXX", opportunities=5),
        opportunities(date_kind="due", day=day, status="won", currency="XXX", opportunities=6),
        opportunities(date_kind="due", day=LATEST, currency="XXX", opportunities=7),
    )
    attribution = read(database, "SELECT * FROM report_channel_attribution WHERE model = 'first' ORDER BY channel")
    assert [(r["channel"], r["deals"], r["revenue"], r["unconverted"]) for r in attribution] == [
        ("direct", 3, 100, 2),
        ("email", 1, 0, 0),
    ]
    by_campaign = one(database, "SELECT * FROM report_campaign_revenue WHERE model = 'last' AND channel = 'direct'")
    assert (by_campaign["average_deal"], by_campaign["unconverted"]) == (100, 2)
    sources = read(database, "SELECT * FROM report_lead_sources ORDER BY day, channel")
    assert [(r["channel"], r["unconverted"], r["clicks"]) for r in sources] == [("direct", 2, 0), ("social", 3, 2)]
    profit = one(database, "SELECT * FROM report_profitability")
    assert (profit["unconverted"], profit["won_deals"], profit["gross_margin"]) == (2 + 3 + 4, 4, 60)
    assert one(database, "SELECT * FROM report_finance")["unconverted"] == 2 + 3 + 4 + 5
    magnets = one(database, "SELECT * FROM report_lead_magnets")
    assert (str(magnets["day"]), magnets["unconverted"], magnets["cohort_revenue"]) == ("2026-05-01", 2, 0)
    expenses = {row["category"]: row for row in read(database, "SELECT * FROM report_expenses")}
    assert (expenses["media"]["unconverted"], expenses["salaries"]["unconverted"]) == (3, 4)
    forecast = read(database, "SELECT due_month, open, unconverted FROM report_forecast ORDER BY due_month")
    assert [tuple(row.values()) for row in forecast] == [(date(2026, 5, 1), 5, 5), (None, 7, 7)]


# --- generations


def test_only_the_newest_generation_shows_and_deleted_and_zero_rows_do_not(database):
    put(database, "manifest", {"shard": 3, "epoch": 1}, {"shard": 3, "epoch": 2}, {"shard": 4, "epoch": 1})
    key = {"day": "2026-01-01", "shard": 3}
    put(
        database,
        "roll_leads",
        leads(**key, epoch=1, leads=100),
        leads(**key, epoch=2, leads=1),
        leads(**key, epoch=2, leads=7, version=2),
        leads(**key, epoch=3, leads=1000),  # of an owner that has not written its manifest
        leads(**key, epoch=2, channel="email", leads=5),
        leads(**key, epoch=2, channel="email", leads=0, is_deleted=1, version=2),
        leads(**key, epoch=2, channel="cpc", leads=0),
        leads(day="2026-01-01", shard=4, epoch=1, leads=30),
        leads(day="2026-01-01", shard=5, leads=1),
    )
    assert [(r["channel"], r["leads"]) for r in read(database, "SELECT * FROM report_leads_by_channel")] == [
        ("direct", 7 + 30 + 1)
    ]


# --- campaigns


def test_an_alias_that_comes_later_moves_past_figures(database):
    day = "2026-01-01"
    put(database, "roll_leads", leads(day=day, leads=1) | {"campaign_id": " Spring Sale"})
    put(database, "roll_leads", leads(day=day, leads=2) | {"campaign_id": "c2"})
    put(database, "roll_leads", leads(day=day, leads=4) | {"campaign_id": "C9"})

    def shown() -> dict:
        rows = read(database, "SELECT campaign_id, campaign, sum(leads) AS n FROM report_funnel GROUP BY ALL")
        return {(row["campaign_id"], row["campaign"]): row["n"] for row in rows}

    assert shown() == {(" Spring Sale", ""): 1, ("c2", ""): 2, ("C9", ""): 4}
    put(
        database,
        "campaigns",
        {"campaign_id": "c2", "name": "Two", "aliases": ["SPRING sale "]},
        {"campaign_id": "c3", "name": "spring sale", "aliases": ["c2", "c9"]},  # c2 is an id: it means itself
        {"campaign_id": "b4", "name": "", "aliases": ["C2"]},  # the smaller id, but c2 still means itself
    )
    assert shown() == {("c2", "Two"): 3, ("c3", "spring sale"): 4}
    put(database, "campaigns", {"campaign_id": "c1", "name": "One", "aliases": ["spring sale"], "version": 5})
    assert shown() == {("c1", "One"): 1, ("c2", "Two"): 2, ("c3", "spring sale"): 4}
    put(database, "campaigns", {"campaign_id": "c1", "name": "Uno", "version": 6})
    assert shown()[("c2", "Two")] == 3


def test_spend_without_a_channel_takes_its_campaigns_then_its_platforms(database):
    change(database, platform_channels={"google_ads": "cpc"})
    put(database, "campaigns", {"campaign_id": "a", "channel": "display", "aliases": ["alias"]})
    put(
        database,
        "roll_spend",
        *(
            spend(day="2026-01-01", channel=channel, platform=platform, amount_units=10_000, clicks=1)
            | {"campaign_id": campaign}
            for channel, platform, campaign in [
                ("own", "google_ads", "a"),
                ("", "google_ads", "ALIAS"),
                ("", "google_ads", "(none)"),
                ("", "tv", "(none)"),
            ]
        ),
    )
    rows = read(database, "SELECT channel, spend FROM report_lead_sources ORDER BY channel")
    assert [row["channel"] for row in rows] == ["cpc", "display", "other", "own"]


def test_a_budget_stands_on_the_first_day_of_its_campaign(database):
    put(
        database,
        "campaigns",
        {"campaign_id": "a", "has_budget": 1, "budget_units": 1000_0000, "currency": "EUR"},
        {"campaign_id": "b", "has_budget": 1, "budget_units": 5_0000, "currency": "XXX"},
        {"campaign_id": "c", "budget_units": 5_0000, "currency": "USD"},
    )
    put(
        database,
        "rates",
        {"base": "EUR", "quote": "USD", "date": "2026-01-01", "rate": "2"},
        {"base": "EUR", "quote": "USD", "date": "2026-02-01", "rate": "3"},
    )
    put(
        database,
        "roll_leads",
        *(
            leads(day=day, leads=1) | {"campaign_id": campaign}
            for campaign in "abc"
            for day in ("2026-01-31", "2026-02-02", "2026-07-01")
        ),
    )
    rows = read(
        database, "SELECT day, budget, unconverted FROM report_profitability WHERE campaign_id = 'a' ORDER BY 1"
    )
    assert [(str(row["day"]), row["budget"]) for row in rows] == [
        ("2026-01-31", 2000), ("2026-02-02", 0), ("2026-07-01", 0),
    ]  # fmt: skip
    quarters = read(
        database, "SELECT budget FROM report_profitability_quarter WHERE campaign_id = 'a' ORDER BY period_start"
    )
    assert [row["budget"] for row in quarters] == [2000, 0]
    others = read(database, "SELECT budget, unconverted FROM report_profitability WHERE campaign_id != 'a'")
    assert {(row["budget"], row["unconverted"]) for row in others} == {(0, 0)}


def test_a_budget_without_a_currency_is_in_the_reporting_currency(database):
    put(database, "campaigns", {"campaign_id": "a", "has_budget": 1, "budget_units": 1000_0000, "currency": ""})
    put(database, "roll_leads", leads(day="2026-01-31", leads=1) | {"campaign_id": "a"})
    assert one(database, "SELECT budget FROM report_profitability")["budget"] == 1000
    change(database, currency="SEK")
    assert one(database, "SELECT budget FROM report_profitability")["budget"] == 1000


# --- people


def test_teams_are_those_of_the_day_and_lists_have_todays(database):
    teams = [("1970-01-01", "Old"), ("2026-03-15", "New"), ("2148-01-01", "Far")]
    put(
        database,
        "reps",
        {"rep_id": "ann", "name": "Ann", "teams": [{"since": d, "team": t} for d, t in reversed(teams)]},
    )
    put(database, "reps", {"rep_id": "bob", "name": "Bob", "teams": [{"since": "2026-03-15", "team": "New"}]})
    put(
        database,
        "roll_calls",
        *(
            {"day": day, "rep_id": rep, "direction": "inbound", "calls": 1, "missed": 1}
            for rep in ("ann", "bob", "carl")
            for day in ("2026-03-14", "2026-03-15")
        ),
    )
    rows = read(database, "SELECT rep, team, calls FROM report_calls_by(grain = 'month') ORDER BY rep, team")
    assert [tuple(row.values()) for row in rows] == [
        ("", "", 2), ("Ann", "New", 1), ("Ann", "Old", 1), ("Bob", "", 1), ("Bob", "New", 1),
    ]  # fmt: skip
    put(
        database,
        "roll_opportunities",
        opportunities(day="2026-03-01", amount_units=10),
        opportunities(date_kind="due", day="2020-02-03", weighted_units=10),
        opportunities(date_kind="due", day="2148-02-03"),
        opportunities(date_kind="due", day=LATEST),
    )
    assert one(database, "SELECT owner, team FROM report_opportunities") == {"owner": "Ann", "team": "Old"}
    assert one(database, "SELECT owner, team FROM report_pipeline") == {"owner": "Ann", "team": "New"}
    forecast = read(database, "SELECT due_month, overdue, team FROM report_forecast ORDER BY due_month")
    assert [tuple(row.values()) for row in forecast] == [
        (date(2020, 2, 1), 1, "New"), (date(2148, 2, 1), 0, "New"), (None, 0, "New"),
    ]  # fmt: skip


def test_benchmarks_are_those_in_force_on_the_day_or_the_periods_last(database):
    put(
        database,
        "benchmarks",
        {"metric": "answer_rate", "valid_from": "2026-03-10", "value": "0.5"},
        {"metric": "answer_rate", "valid_from": "2026-03-20", "value": "0.6"},
        {"metric": "avg_talk_seconds", "valid_from": "2026-04-01", "value": "90"},
    )
    call = {"rep_id": "(unassigned)", "direction": "(none)", "calls": 1, "answered": 1, "talk": {"3": 1}}
    put(database, "roll_calls", *({"day": f"2026-03-{day}", **call} for day in ("09", "10", "19", "20")))
    names = "benchmark_answer_rate, benchmark_avg_talk_seconds, benchmark_advance_rate"
    rows = read(database, f"SELECT {names} FROM report_calls ORDER BY day")
    assert [tuple(row.values()) for row in rows] == [
        (None, None, None), (0.5, None, None), (0.5, None, None), (0.6, None, None),
    ]  # fmt: skip
    assert tuple(one(database, f"SELECT {names} FROM report_calls_month").values()) == (0.6, None, None)
    assert tuple(one(database, f"SELECT {names} FROM report_calls_year").values()) == (0.6, 90, None)
    weeks = read(database, f"SELECT {names} FROM report_calls_week ORDER BY period_start")
    assert [row["benchmark_answer_rate"] for row in weeks] == [0.5, 0.6]


# --- measures


def test_opportunities_by_status(database):
    put(database, "reps", {"rep_id": "ann", "name": "Ann"})
    rows = [
        opportunities(day="2026-01-01", opportunities=4, amount_units=100_0000, weighted_units=25_0000),
        opportunities(day="2026-01-01", status="won", opportunities=3, amount_units=60_0000, weighted_units=60_0000),
        opportunities(day="2026-01-01", status="lost", opportunities=1, amount_units=20_0000),
    ]
    put(database, "roll_opportunities", *rows, *({**row, "date_kind": "closed"} for row in rows[1:]))
    shown = one(database, "SELECT * EXCEPT (day, owner_id, owner, team) FROM report_opportunities")
    assert list(shown.values()) == [8, 180, 85, 4, 3, 1, 60, 20, 0.75, 0.75, 0]
    closed = one(database, "SELECT * EXCEPT (owner_id, owner, team) FROM report_opportunities_closed_quarter")
    assert list(closed.values()) == [date(2026, 1, 1), 4, 80, 60, 0, 3, 1, 60, 20, 0.75, 0.75, 0]
    pipeline = read(database, "SELECT stage, status, opportunities FROM report_pipeline ORDER BY status")
    assert [tuple(row.values()) for row in pipeline] == [
        ("Proposal", "lost", 1), ("Proposal", "open", 4), ("Proposal", "won", 3),
    ]  # fmt: skip


def test_ratios_with_a_zero_denominator_are_null(database):
    day = {"day": "2026-01-01"}
    put(database, "roll_calls", {**day, "rep_id": "r", "direction": "(none)", "calls": 2, "missed": 2})
    put(database, "roll_opportunities", opportunities(**day))
    put(database, "roll_revenue", revenue(**day, amount=0))
    put(database, "roll_spend", spend(**day, visitors=5))
    put(database, "roll_leads", leads(day="2026-01-02", leads=1))
    ratios = {
        "report_calls": ["avg_talk_seconds", "p50_talk_seconds", "p90_talk_seconds", "advance_rate"],
        "report_opportunities": ["win_rate", "win_rate_by_amount"],
        "report_channel_attribution": ["revenue_share"],
        "report_profitability": ["gross_margin_ratio", "contribution_ratio", "roi", "roas", "cpa"],
        "report_lead_sources": ["cpa", "roas", "cohort_roas", "ctr", "cpc"],
        "report_leads_by_channel": ["avg_days_to_convert", "p50_days_to_convert", "p90_days_to_convert"],
        "report_funnel": ["lead_to_mofu", "mofu_to_bofu", "bofu_to_customer"][1:],
    }
    for view, names in ratios.items():
        for row in read(database, f"SELECT {', '.join(names)} FROM {view}"):
            assert set(row.values()) == {None}, view


def test_profitability_takes_cost_and_all_spend(database):
    put(database, "roll_revenue", revenue(day="2026-01-01", amount=100_0000, cost=30_0000))
    put(database, "roll_spend", spend(day="2026-01-01", amount_units=10_0000))
    put(database, "roll_spend", spend(day="2026-01-01", amount_units=10_0000, category="agency"))
    row = one(database, "SELECT * FROM report_profitability")
    assert (row["gross_margin"], row["gross_margin_ratio"], row["contribution"]) == (70, 0.7, 50)
    assert (row["contribution_ratio"], row["roi"], row["roas"], row["spend"]) == (0.5, 1, 5, 20)
    assert one(database, "SELECT sum(spend) AS s FROM report_lead_sources")["s"] == 10
    finance = one(database, "SELECT * FROM report_finance")
    assert [finance[name] for name in ("cost", "spend_media", "spend_other", "operating_result")] == [30, 10, 10, 50]


def test_the_default_model_is_that_of_the_settings(database):
    day = "2026-01-01"
    put(database, "roll_revenue", revenue(day=day, models=("first",), amount=10_0000, channel="email"))
    put(database, "roll_revenue", revenue(day=day, models=("last",), amount=10_0000, channel="cpc"))
    assert one(database, "SELECT channel FROM report_lead_sources")["channel"] == "email"
    change(database, attribution_model="last")
    assert one(database, "SELECT channel FROM report_lead_sources")["channel"] == "cpc"
    models = read(database, "SELECT DISTINCT model FROM report_campaign_revenue")
    assert sorted(row["model"] for row in models) == ["first", "last"]


# --- quantiles


def least_reaching(counts: dict[int, int], percent: int) -> int | None:
    """The least value whose cumulated count reaches ceil(percent / 100 x total)."""
    values = sorted(value for value, count in counts.items() for _ in range(count))
    return values[-(-len(values) * percent // 100) - 1] if values else None


COUNTS = st.dictionaries(st.integers(0, 4_000), st.integers(1, 40), max_size=30)


@given(st.lists(COUNTS, min_size=1, max_size=4))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_quantiles_are_exact_over_a_periods_days(database, days):
    for table in ("roll_calls", "roll_leads"):
        database.command(f"TRUNCATE TABLE {table}")
    total: dict[int, int] = {}
    for number, counts in enumerate(days, start=1):
        for value, count in counts.items():
            total[value] = total.get(value, 0) + count
        answered = sum(counts.values())
        seconds = sum(value * count for value, count in counts.items())
        as_json = {str(value): count for value, count in counts.items()}
        day = {"day": f"2026-01-0{number}", "shard": number}
        put(
            database,
            "roll_calls",
            {**day, "rep_id": "r", "direction": "(none)", "calls": answered + 1, "answered": answered, "missed": 1,
             "talk_seconds": seconds, "talk": as_json},
        )  # fmt: skip
        put(
            database,
            "roll_leads",
            leads(**day, leads=answered + 1, converted=answered, seconds_to_convert=seconds, hours_to_convert=as_json),
        )
    calls = one(database, "SELECT * FROM report_calls_month")
    assert (calls["p50_talk_seconds"], calls["p90_talk_seconds"]) == (
        least_reaching(total, 50),
        least_reaching(total, 90),
    )
    row = one(database, "SELECT * FROM report_leads_by_channel_month")
    for percent in (50, 90):
        hours = least_reaching(total, percent)
        assert row[f"p{percent}_days_to_convert"] == (None if hours is None else hours / 24)
    answered = sum(total.values())
    seconds = sum(value * count for value, count in total.items())
    average = None if answered == 0 else pytest.approx(seconds / 86400 / answered)
    assert row["avg_days_to_convert"] == average


# --- periods


def test_periods_follow_week_month_and_fiscal_year(database):
    days = ("2025-12-31", "2026-01-01", "2026-03-31", "2026-04-01", "2026-06-30", "2026-07-05")
    put(database, "roll_leads", *(leads(day=day, leads=1, customers=1) for day in days))

    def starts(grain: str) -> dict[str, int]:
        by = read(database, f"SELECT * FROM report_leads_by_channel_by(grain = '{grain}') ORDER BY period_start")
        if grain != "day":
            assert by == read(database, f"SELECT * FROM report_leads_by_channel_{grain} ORDER BY period_start")
        return {str(row["period_start"]): row["leads"] for row in by}

    assert starts("day") == dict.fromkeys(days, 1)
    assert starts("week") == {"2025-12-29": 2, "2026-03-30": 2, "2026-06-29": 2}
    assert starts("month") == {
        "2025-12-01": 1, "2026-01-01": 1, "2026-03-01": 1, "2026-04-01": 1, "2026-06-01": 1, "2026-07-01": 1,
    }  # fmt: skip
    assert starts("quarter") == {"2025-10-01": 1, "2026-01-01": 2, "2026-04-01": 2, "2026-07-01": 1}
    assert starts("year") == {"2025-01-01": 1, "2026-01-01": 5}
    change(database, fiscal_year_start=4)
    assert starts("quarter") == {"2025-10-01": 1, "2026-01-01": 2, "2026-04-01": 2, "2026-07-01": 1}
    assert starts("year") == {"2025-04-01": 3, "2026-04-01": 3}
    change(database, fiscal_year_start=2)
    assert starts("quarter") == {"2025-11-01": 2, "2026-02-01": 2, "2026-05-01": 2}
    assert starts("year") == {"2025-02-01": 2, "2026-02-01": 4}


@pytest.mark.parametrize("with_rows", [False, True])
def test_a_bad_grain_is_an_error_that_names_the_allowed_ones(database, with_rows):
    if with_rows:
        put(database, "roll_leads", leads(day="2026-01-01", leads=1))
    for view in load_views():
        if view.has_periods:
            with pytest.raises(DatabaseError, match="grain is one of day, week, month, quarter, year"):
                database.query(f"SELECT * FROM {view.name}_by(grain = 'decade')")


def test_views_can_be_read_from_another_database_and_with_other_null_rules(database, clickhouse_server):
    put(database, "roll_revenue", revenue(day="2026-01-01", currency="XXX", amount=5))
    other = clickhouse_server.connect()
    try:
        for setting in (0, 1):
            rows = other.query(
                f"SELECT revenue, unconverted, campaign FROM {database.database}.report_campaign_revenue_week"
                f" WHERE model = 'first' SETTINGS join_use_nulls = {setting}"
            ).result_rows
            assert rows == [(0, 1, "")]
    finally:
        other.close()


# --- what is built on the others


def test_model_sensitivity_says_which_campaigns_depend_on_the_model(database):
    for campaign, day, by_first, by_last in (("a", "2026-01-31", 50, 150), ("b", "2026-01-30", 10, 20)):
        key = {"day": day, "campaign_id": campaign}
        put(
            database,
            "roll_revenue",
            revenue(**key, models=("first",), amount=by_first * 10_000)
            | {f"revenue_{model}": by_last * 10_000 for model in MODELS[1:]},
        )
        put(database, "roll_spend", spend(**key | {"day": "2026-01-02"}, amount_units=100 * 10_000))
        put(database, "roll_spend", spend(**key, category="agency", amount_units=10_000))
    put(database, "roll_revenue", revenue(day="2026-01-03", campaign_id="c", amount=1))
    rows = {row["campaign_id"]: row for row in read(database, "SELECT * FROM report_model_sensitivity")}
    assert [rows["a"][n] for n in ("revenue_first", "revenue_w_shaped", "roas_min", "roas_max")] == [50, 150, 0.5, 1.5]
    assert {name: row["decision_depends"] for name, row in rows.items()} == {"a": 1, "b": 0, "c": 0}
    assert (rows["c"]["roas_min"], rows["c"]["spend"], rows["a"]["month"]) == (None, 0, date(2026, 1, 1))


def test_least_and_greatest_roas_of_refunded_spend(database):
    key = {"day": "2026-01-31", "campaign_id": "a"}
    put(database, "roll_revenue", revenue(**key, amount=100_0000) | {"revenue_last": 300_0000})
    put(database, "roll_spend", spend(**key, amount_units=-100_0000))
    row = one(database, "SELECT roas_min, roas_max, decision_depends FROM report_model_sensitivity")
    assert row == {"roas_min": -3, "roas_max": -1, "decision_depends": 0}


def test_targets_meet_their_actuals(database):
    put(database, "reps", {"rep_id": "ann", "name": "Ann", "teams": [{"since": "1970-01-01", "team": "East"}]})
    lead = {"day": "2026-01-31", "campaign_id": "c1", "owner_id": "ann", "lead_id": "l1"}
    call = {"day": "2026-01-05", "rep_id": "ann", "lead_id": "l1", "call_id": "x"}
    put(database, "nodes", {"entity": "lead:l1", "leads": [lead], "calls": [call, {**call, "lead_id": ""}]})
    put(database, "roll_revenue", revenue(day="2026-01-09", campaign_id="c1", amount=30_0000))
    won = opportunities(date_kind="closed", status="won", amount_units=30_0000)
    put(database, "roll_opportunities", won | {"day": "2026-01-09"}, won | {"day": "2026-02-01"})
    expected = {
        ("leads", "company"): 1, ("leads", "rep/ann"): 1, ("leads", "team/East"): 1, ("leads", "campaign/c1"): 1,
        ("calls", "company"): 2, ("calls", "rep/ann"): 2, ("calls", "team/East"): 2, ("calls", "campaign/c1"): 1,
        ("revenue", "company"): 30, ("revenue", "rep/ann"): 30, ("revenue", "team/East"): 30,
        ("revenue", "campaign/c1"): 30, ("won_deals", "company"): 1, ("won_deals", "rep/ann"): 1,
        ("won_deals", "team/East"): 1, ("won_deals", "campaign/c1"): 1, ("leads", "team/West"): 0,
    }  # fmt: skip
    put(
        database,
        "targets",
        *({"metric": m, "scope": s, "month": "2026-01-01", "value": "4"} for m, s in expected),
        {"metric": "leads", "scope": "company", "month": "2026-02-01", "value": "0"},
    )
    rows = read(database, "SELECT * FROM report_targets WHERE month = '2026-01-01'")
    assert {(row["metric"], row["scope"]): row["actual"] for row in rows} == expected
    assert {row["attainment"] for row in rows} == {0, 0.25, 0.5, 7.5}
    february = one(database, "SELECT target, actual, attainment FROM report_targets WHERE month = '2026-02-01'")
    assert tuple(february.values()) == (0, 0, None)


def test_long_has_every_measure_by_one_dimension_at_a_time(database):
    put(database, "campaigns", {"campaign_id": "c1", "name": "One"})
    for day in ("2026-01-01", "2026-01-02"):
        put(database, "roll_leads", leads(day=day, leads=2) | {"campaign_id": "c1"}, leads(day=day, leads=3))
        put(database, "roll_revenue", revenue(day=day, amount=10_0000))
    funnel = "SELECT dimension, member, metric, value FROM {} WHERE report = 'funnel' ORDER BY ALL"
    rows = [tuple(row.values()) for row in read(database, funnel.format("report_long_by(grain = 'month')"))]
    assert rows == [
        ("(all)", "(all)", "leads", 10),
        ("campaign", "", "leads", 6),
        ("campaign", "One", "leads", 4),
        ("campaign_id", "(none)", "leads", 6),
        ("campaign_id", "c1", "leads", 4),
        ("channel", "direct", "leads", 10),
    ]
    assert [tuple(row.values()) for row in read(database, funnel.format("report_long_month"))] == rows
    by_model = one(
        database,
        "SELECT sum(value) AS total FROM report_long WHERE report = 'campaign_revenue' AND metric = 'revenue'"
        " AND dimension = '(all)'",
    )
    assert by_model["total"] == 20


def test_long_has_all_measures_that_add_up():
    views = {view.name: view for view in load_views()}
    text = views["report_long"].statements[0].select
    # what cannot be added, told by its kind
    no_sums = ("rate", "ratio", "_share", "avg_", "p50_", "p90_", "average_", "cp", "roas", "roi", "ctr", "_to_")
    no_measures = {"day", "model", "visitor_conversion"}
    for name in text.split("'")[1::2]:
        view = views.get(f"report_{name}")
        if view is None or not view.has_periods:
            continue
        block = text.split(f"'{name}' AS report")[1].split("FROM report_")[0]
        for column in view.columns:
            left_out = column.name in no_measures or any(part in column.name for part in no_sums)
            kept = column.name in {"unconverted", "converted", "operating_result"}
            assert (f"('{column.name}'," in block) == (not left_out or kept), (name, column.name)
