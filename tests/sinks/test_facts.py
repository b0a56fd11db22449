"""The records behind the reports: one row each, under the keys that the reports have, and lists made of them."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from sinks.views import load_views
from tests.sinks.node_rows import (
    NO_RATE_DAY,
    Record,
    call,
    insert,
    key,
    lead,
    node,
    opportunity,
    spend,
    touch,
    us,
)

ODD_ID = "Ü/7 ~(a)*'!"

UTM = {
    "utm_source": "Google",
    "utm_medium": "CPC",
    "utm_campaign": " Spring-Sale ",
    "utm_term": "shoes",
    "utm_content": "b2",
    "has_utm": 1,
}

NODES = [
    node(
        key("lead", "l1"),
        leads=[
            lead(
                "l1",
                "2026-03-01T09:30:00",
                ("2026-03-01T09:30:00", "new", "tofu"),
                ("2026-03-02T00:00:00", "MQL", "mofu"),
                merged_ids=["l0"],
                campaign_id="spring-sale",
                lead_magnet="guide",
                reached_stage="customer",
                mofu_us=us("2026-03-02T00:00:00"),
                bofu_us=us("2026-03-05T00:00:00"),
                customer_us=us("2026-03-09T00:00:00"),
                owner_id="rep-1",
                account_id="acme",
                has_origin=1,
                **UTM,
            )
        ],
        opportunities=[
            opportunity(
                "won-2",
                "l1",
                25_000_001,
                "2026-03-05T00:00:00",
                "2026-03-11T00:00:00",
                currency="EUR",
                campaign_id="c1",
                account_id="globex",
                probability_units=2_500,
            ),
            opportunity("won-1", "l1", 10_000, "2026-03-05T00:00:00", "2026-03-09T00:00:00"),
            opportunity(ODD_ID, "l1", 80_000, "2026-03-06T00:00:00", due_date="2026-03-31", weighted_units=20_000),
        ],
        calls=[call("k1", "l1", "2026-03-01T10:00:00", talk_seconds=30, advanced_mofu=1)],
        touches=[
            touch("l1", "", "2026-03-01T09:30:00", campaign_id="spring-sale", **UTM),
            touch("l0", "t1", "2026-03-04T00:00:00.000001", campaign_id="c1", counted_lead_id="l1"),
        ],
        credits=[
            {
                "opportunity_id": "won-1",
                "touch_id": "t1",
                "touch_lead_id": "l0",
                "lead_id": "l1",
                "day": "2026-03-09",
                "cohort_day": "2026-03-01",
                "campaign_id": "SPRING",
                "currency": "USD",
                "rate_day": NO_RATE_DAY,
                "deals_linear": 333_333,
                "revenue_linear": -3_333,
                "cost_linear": 1,
                "heads_linear": 1,
                "revenue_w_shaped": 10**18,
            }
        ],
    ),
    node(
        key("opportunity", "loose"),
        opportunities=[
            opportunity(
                "loose",
                "",
                0,
                "2026-03-01T00:00:00",
                "2026-03-03T00:00:00",
                status="lost",
                currency="JPY",
                has_amount=0,
            )
        ],
        calls=[call("k2", "", "2026-03-02T00:00:00", "voicemail", opportunity_id="loose")],
    ),
    node(
        "spend:google_ads",
        spend=[
            spend("google_ads", "2026-03-01", 123_456, campaign_id="spring-sale", given_campaign_id="spring-sale"),
            spend("google_ads", "2026-03-02", 1, campaign_id="other"),
            spend("fax", "2026-03-03", 1, campaign_id="other", category="fees"),
            spend("google_ads", "2026-03-04", 1, campaign_id="c1", channel="own", given_channel="own"),
        ],
    ),
]


@pytest.fixture
def company(database: Client) -> Client:
    insert(database, "nodes", NODES)
    campaign = {"shard": 0, "campaign_id": "c1", "name": "Spring", "channel": "paid", "aliases": ["Spring-Sale "]}
    insert(database, "campaigns", [campaign])
    teams = [{"since": "1970-01-01", "team": "North"}, {"since": "2026-03-09", "team": "South"}]
    insert(database, "reps", [{"shard": 0, "rep_id": "rep-1", "name": "Rita", "teams": teams}])
    accounts = [("acme", "Acme", 1), ("globex", "Globex", 0)]
    insert(
        database,
        "accounts",
        [{"shard": 0, "account_id": id_, "name": name, "key_account": which} for id_, name, which in accounts],
    )
    rates = [("2026-03-01", "1.1"), ("2026-03-12", "9")]
    insert(
        database, "rates", [{"shard": 0, "base": "EUR", "quote": "USD", "date": on, "rate": rate} for on, rate in rates]
    )
    changed = "* REPLACE (map('google_ads', 'cpc') AS platform_channels, version + 1 AS version)"
    database.command(f"INSERT INTO view_settings SELECT {changed} FROM view_settings FINAL")
    return database


def rows(client: Client, view: str, columns: str, where: str = "1") -> Sequence[Sequence[Any]]:
    found: Sequence[Sequence[Any]] = client.query(
        f"SELECT {columns} FROM {view} WHERE {where} ORDER BY ALL"
    ).result_rows
    return found


def at(text: str) -> datetime:
    """As the driver gives instants: in UTC, without saying so."""
    return datetime.fromisoformat(text)


def test_the_columns_are_those_that_their_files_describe(company: Client) -> None:
    mine = [view for view in load_views() if view.name.startswith(("fact_", "recomputed_", "audit_"))]
    listed = ("people_latest", "opportunity_list", "report_key_accounts", "report_quality", "report_freshness")
    for view in [*mine, *(view for view in load_views() if view.name in listed)]:
        described = [row[0] for row in company.query(f"DESCRIBE {view.name}").result_rows]
        assert described == [column.name for column in view.columns], view.name


def test_a_lead_is_found_by_the_keys_of_its_reports(company: Client) -> None:
    keys = "channel = 'cpc' AND source = 'google' AND medium = 'cpc' AND campaign_id = 'c1' AND campaign = 'Spring'"
    columns = "lead_id, merged_ids, created_at, given_campaign_id, owner, team, account_id, has_utm, has_origin"
    assert rows(company, "fact_leads", columns, f"day = '2026-03-01' AND lead_magnet = 'guide' AND {keys}") == [
        ("l1", ["l0"], at("2026-03-01T09:30:00"), "spring-sale", "Rita", "North", "acme", 1, 1)
    ]
    assert rows(company, "fact_leads", "utm_source, utm_medium, utm_campaign, utm_term, utm_content") == [
        ("Google", "CPC", " Spring-Sale ", "shoes", "b2")
    ]


def test_a_lead_has_its_stages_and_when_it_converted(company: Client) -> None:
    columns = "stage, funnel_stage, reached_stage, mofu_at, customer_at, converted_at, seconds_to_convert, stages"
    ((*first, stages),) = rows(company, "fact_leads", columns)
    close = at("2026-03-09T00:00:00")
    seconds = 7 * 86_400 + 14 * 3_600 + 1_800
    assert first == ["MQL", "mofu", "customer", at("2026-03-02T00:00:00"), close, close, seconds]
    assert [tuple(each.values()) if isinstance(each, dict) else tuple(each) for each in stages] == [
        (at("2026-03-01T09:30:00"), "new", "tofu", 1),
        (at("2026-03-02T00:00:00"), "MQL", "mofu", 1),
    ]


def test_a_close_before_the_creation_is_no_time_to_convert(database: Client) -> None:
    deal = opportunity("o", "l", 1, "2026-01-01T00:00:00", "2026-01-02T00:00:00")
    insert(database, "nodes", [node("lead:l", leads=[lead("l", "2026-01-02T00:00:00.000001")], opportunities=[deal])])
    assert rows(database, "fact_leads", "converted_at, seconds_to_convert") == [(at("2026-01-02T00:00:00"), None)]


def test_opportunities(company: Client) -> None:
    columns = (
        "opportunity_id, amount, currency, cost, probability, account_id, given_account_id, campaign_id, campaign,"
        " closed_day, due_month, overdue, created_team, closed_team, team"
    )
    own, closed, teams = ("c1", "Spring"), date(2026, 3, 11), ("North", "South", "South")
    assert rows(company, "fact_opportunities", columns, "lead_id = 'l1'") == [
        ("won-1", 1, "USD", 0, None, "acme", "", "", "", date(2026, 3, 9), None, 0, *teams),
        ("won-2", Decimal("2500.0001"), "EUR", 0, 0.25, "globex", "globex", *own, closed, None, 0, *teams),
        (ODD_ID, 8, "USD", 0, None, "acme", "", "", "", None, date(2026, 3, 1), 1, "North", "", "South"),
    ]
    assert rows(company, "fact_opportunities", "lead_id, account_id, has_amount", "opportunity_id = 'loose'") == [
        ("", "(none)", 0)
    ]


def test_calls_have_the_campaign_of_their_lead(company: Client) -> None:
    columns = "call_id, rep, team, direction, answered, campaign_id, campaign, talk_seconds, advanced_mofu"
    assert rows(company, "fact_calls", columns) == [
        ("k1", "Rita", "North", "outbound", 1, "c1", "Spring", 30, 1),
        ("k2", "Rita", "North", "outbound", 0, "(none)", "", 0, 0),
    ]


def test_touches_are_to_the_microsecond(company: Client) -> None:
    assert rows(company, "fact_touches", "lead_id, touch_id, own, at, campaign_id, utm_term, has_utm") == [
        ("l0", "t1", 0, at("2026-03-04T00:00:00.000001"), "c1", "", 0),
        ("l1", "", 1, at("2026-03-01T09:30:00"), "c1", "shoes", 1),
    ]


def test_the_channel_of_spend_is_its_own_its_campaigns_its_platforms(company: Client) -> None:
    assert rows(company, "fact_spend", "day, campaign_id, channel, amount, category, given_campaign_id") == [
        (date(2026, 3, 1), "c1", "paid", Decimal("12.3456"), "media", "spring-sale"),
        (date(2026, 3, 2), "other", "cpc", Decimal("0.0001"), "media", "other"),
        (date(2026, 3, 3), "other", "other", Decimal("0.0001"), "fees", "other"),
        (date(2026, 3, 4), "c1", "own", Decimal("0.0001"), "media", "c1"),
    ]


def test_credits_keep_every_digit(company: Client) -> None:
    columns = (
        "campaign_id, given_campaign_id, deals_linear, revenue_linear, cost_linear, heads_linear, revenue_w_shaped"
    )
    assert rows(company, "fact_credits", columns) == [
        ("c1", "SPRING", Decimal("0.333333"), Decimal("-0.3333"), Decimal("0.0001"), 1, Decimal(10**14))
    ]


def test_an_alias_that_comes_later_moves_records(company: Client) -> None:
    later = {"shard": 1, "campaign_id": "c0", "name": "Other", "aliases": ["OTHER"]}
    insert(company, "campaigns", [later])
    assert {row[0] for row in rows(company, "fact_spend", "campaign_id", "given_campaign_id = 'other'")} == {"c0"}


def _person(entity: str, field: str, value: str, time: str = "2026-01-01 00:00:00", **rest: Any) -> Record:
    order = {"sequence": 0, "source": "crm", "id": "e"}
    return {"entity": entity, "field": field, "time": time, "value": value, **order, **rest}


def test_people_have_the_greatest_of_each_field(database: Client) -> None:
    later, earlier = "2026-01-02 00:00:00.000001", "2026-01-02 00:00:00"
    people = [
        _person("lead:1", "name", "older", earlier, sequence=9),
        _person("lead:1", "name", "by time", later),
        _person("lead:2", "name", "ten", sequence=10),
        _person("lead:2", "name", "nine", sequence=9, source="z"),
        _person("lead:3", "name", "b", id="2"),
        _person("lead:3", "name", "c", id="10"),
        _person("lead:4", "name", "value a"),
        _person("lead:4", "name", "value b"),
        _person("lead:5", "name", "cleared"),
        _person("lead:5", "name", "", later),
        _person("lead:6", "name", "erased"),
    ]
    insert(database, "people", people)
    insert(database, "erased", [{"entity": "lead:6"}])
    assert [row[:2] for row in rows(database, "people_latest", "entity, value")] == [
        ("lead:1", "by time"),
        ("lead:2", "ten"),
        ("lead:3", "b"),
        ("lead:4", "value b"),
        ("lead:5", ""),
    ]


def test_the_list_joins_people_and_converts(company: Client) -> None:
    entity = key("opportunity", ODD_ID)
    people = [_person(entity, "subject", "Shoes"), _person(entity, "contact", "Ada")]
    insert(company, "people", [*people, _person("opportunity:won-1", "contact", "Bob")])
    insert(company, "erased", [{"entity": "opportunity:won-1"}])
    columns = (
        "opportunity_id, subject, contact, owner, team, account, key_account, overdue, amount, estimated_revenue,"
        " probability, unconverted"
    )
    assert list(_without_order(rows(company, "opportunity_list", columns))) == [
        ("loose", "", "", "Rita", "South", "", 0, 0, 0, 0, None, 1),
        ("won-1", "", "", "Rita", "South", "Acme", 1, 0, 1, 1, None, 0),
        ("won-2", "", "", "Rita", "South", "Globex", 0, 0, Decimal("2500.0001"), Decimal("2750.0001"), 0.25, 0),
        (ODD_ID, "Shoes", "Ada", "Rita", "South", "Acme", 1, 1, 8, 8, None, 0),
    ]
    ages = dict(_without_order(rows(company, "opportunity_list", "opportunity_id, age_days")))
    assert (ages["loose"], ages["won-2"]) == (2, 6)
    assert ages[ODD_ID] == (datetime.now(UTC).date() - date(2026, 3, 6)).days


def _without_order(found: Sequence[Sequence[Any]]) -> Iterator[Sequence[Any]]:
    yield from sorted(found, key=lambda row: str(row[0]))


def test_every_account_with_an_opportunity_is_reported(company: Client) -> None:
    columns = (
        "account_id, account, key_account, opportunities, open, won, lost, estimated_revenue, won_revenue, win_rate"
    )
    assert rows(company, "report_key_accounts", f"{columns}, unconverted") == [
        ("(none)", "", 0, 1, 0, 0, 1, 0, 0, 0.0, 0),
        ("acme", "Acme", 1, 2, 1, 1, 0, 8, 1, 1.0, 0),
        ("globex", "Globex", 0, 1, 0, 1, 0, 0, Decimal("2750.0001"), 1.0, 0),
    ]
