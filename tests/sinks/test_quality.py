"""What keeps the figures from being better, and how fresh they are."""

from datetime import UTC, datetime, timedelta

import pytest
from clickhouse_connect.driver.client import Client

from tests.sinks.node_rows import call, insert, key, lead, node, opportunity, spend, touch, us

CHECKS = (
    "leads_without_channel_or_utm",
    "unknown_campaigns",
    "unmapped_stages",
    "opportunities_without_lead",
    "opportunities_without_amount",
    "opportunities_without_due_date",
    "overdue_opportunities",
    "won_deals_without_amount",
    "calls_without_lead",
    "spend_without_leads",
    "leads_of_a_campaign_without_spend",
    "amounts_without_rate",
    "dead_letters_of_the_last_24_h",
    "records_to_fetch",
    "roots_with_many_documents",
)

Result = tuple[int, int, list[str]]


def quality(client: Client) -> dict[str, Result]:
    """check -> records, failing, sample ids"""
    found = client.query("SELECT check, records, failing, share, sample_ids FROM report_quality").result_rows
    for _, records, failing, share, _ in found:
        assert share == (failing / records if records else None)
    return {check: (records, failing, list(ids)) for check, records, failing, _, ids in found}


def test_every_check_has_a_row_in_an_empty_database(database: Client) -> None:
    assert quality(database) == dict.fromkeys(CHECKS, (0, 0, []))


def _day(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).date().isoformat()


@pytest.fixture
def company(database: Client) -> Client:
    stages = [("2026-01-01T00:00:00", "odd", "tofu"), ("2026-01-02T00:00:00", "MQL", "mofu")]
    odd = lead("l1", "2026-01-01T00:00:00", *stages, campaign_id="paid")
    odd["stages"][0]["mapped"] = 0
    leads = [
        odd,
        lead("l2", "2026-01-01T00:00:00", given_channel="fair", campaign_id="alias"),
        lead("l3", "2026-01-01T00:00:00", has_utm=1, campaign_id="unpaid"),
        lead("l4", "2026-01-01T00:00:00", given_channel=" "),
    ]
    created, closed = "2026-01-01T00:00:00", "2026-01-02T00:00:00"
    opportunities = [
        opportunity("o1", "l1", 1, created, due_date=_day(-2), stage="strange", stage_mapped=0),
        opportunity("o2", "l1", 1, created, due_date=_day(2), currency="XAU"),
        opportunity("o3", "l1", 0, created, closed, has_amount=0, due_date="2026-01-01", currency="EUR"),
        opportunity("o4", "l1", 1, created, closed, status="lost", due_date="2026-01-01", stage="(none)"),
    ]
    touches = [touch("l1", "", created, campaign_id="paid"), touch("l1", "t1", created, campaign_id="mystery")]
    insert(
        database,
        "nodes",
        [
            node(
                key("lead", each["lead_id"]),
                leads=[each],
                opportunities=opportunities if each is odd else [],
                touches=touches if each is odd else [],
                calls=[call("k1", "l1", created)] if each is odd else [],
            )
            for each in leads
        ],
    )
    insert(
        database,
        "nodes",
        [
            node("opportunity:o5", opportunities=[opportunity("o5", "", 1, created)]),
            node("call:k2", calls=[call("k2", "", created)]),
            *(
                node(
                    f"spend:{place}",
                    spend=[spend("p", f"2026-01-0{place}", amount, campaign_id=name, currency=currency)],
                )
                for place, (amount, name, currency) in enumerate(
                    ((5, "paid", "EUR"), (5, "idle", "EUR"), (0, "unpaid", "EUR"), (5, "(none)", "USD")), start=1
                )
            ),
        ],
    )
    known = [{"shard": 0, "campaign_id": name, "name": name} for name in ("paid", "idle", "unpaid")]
    known[0]["aliases"] = ["Alias"]
    insert(database, "campaigns", known)
    # from the second day on: the figure of the first has none
    insert(database, "rates", [{"shard": 0, "base": "EUR", "quote": "USD", "date": "2026-01-02", "rate": "1.5"}])
    return database


def test_each_check_counts_those_that_fail(company: Client) -> None:
    expected: dict[str, Result] = {
        "leads_without_channel_or_utm": (4, 2, ["l1", "l4"]),
        "unknown_campaigns": (4, 1, ["mystery"]),
        # odd, MQL, strange, Proposal
        "unmapped_stages": (4, 2, ["odd", "strange"]),
        "opportunities_without_lead": (5, 1, ["o5"]),
        "opportunities_without_amount": (5, 1, ["o3"]),
        "opportunities_without_due_date": (5, 1, ["o5"]),
        "overdue_opportunities": (3, 1, ["o1"]),
        "won_deals_without_amount": (1, 1, ["o3"]),
        "calls_without_lead": (2, 1, ["k2"]),
        # paid and idle; a figure of 0 is no spend
        "spend_without_leads": (2, 1, ["idle"]),
        # the alias is the paid one
        "leads_of_a_campaign_without_spend": (2, 1, ["unpaid"]),
        # five opportunities and four figures
        "amounts_without_rate": (9, 2, ["o2", "p//2026-01-01/paid/media"]),
        "dead_letters_of_the_last_24_h": (0, 0, []),
        "records_to_fetch": (0, 0, []),
        # four leads, one loose opportunity, one loose call, four figures
        "roots_with_many_documents": (10, 0, []),
    }
    assert quality(company) == expected


def test_dead_letters_of_the_last_day_fail(database: Client) -> None:
    now = datetime.now(UTC)
    letters = [
        {"topic": "events", "partition": 3, "offset": hours, "received_at": (now - timedelta(hours=hours)).timestamp()}
        for hours in (1, 23, 25)
    ]
    insert(database, "dead_letters", letters)
    assert quality(database)["dead_letters_of_the_last_24_h"] == (3, 2, ["events/3/1", "events/3/23"])


def test_a_record_that_must_be_fetched_fails_until_it_was(database: Client) -> None:
    def gap(record: str, version: int, *, open_: int) -> dict[str, object]:
        about = {"system": "salesforce/acme", "entity": "Lead", "record": record}
        return {"shard": 1, **about, "open": open_, "change": "GAP_UPDATE", "since_us": 0, "version": version}

    insert(database, "source_gaps", [gap("00Q1", 1, open_=1), gap("00Q2", 1, open_=1), gap("00Q1", 2, open_=0)])
    assert quality(database)["records_to_fetch"] == (2, 1, ["salesforce/acme/Lead/00Q2"])


def test_samples_are_the_five_least_ids(database: Client) -> None:
    ids = [f"l{number}" for number in (7, 3, 1, 9, 5, 2, 8)]
    insert(database, "nodes", [node(key("lead", each), leads=[lead(each, "2026-01-01T00:00:00")]) for each in ids])
    check = quality(database)["leads_without_channel_or_utm"]
    assert check == (7, 7, ["l1", "l2", "l3", "l5", "l7"])


def test_a_root_of_more_than_ten_thousand_documents_fails(database: Client) -> None:
    def root(lead_id: str, calls: int) -> dict[str, object]:
        created = "2026-01-01T00:00:00"
        return node(
            key("lead", lead_id),
            leads=[lead(lead_id, created, merged_ids=["other"])],
            touches=[touch(lead_id, "", created), touch(lead_id, "t", created)],
            calls=[call(f"{lead_id}-{number}", lead_id, created) for number in range(calls)],
        )

    insert(database, "nodes", [root("at", 9_997), root("above", 9_998)])
    assert quality(database)["roots_with_many_documents"] == (2, 1, ["lead:above"])


def test_freshness_is_that_of_the_newest_rows_that_are_shown(database: Client) -> None:
    event = datetime.fromisoformat("2026-03-01T12:00:00")  # the driver gives UTC without saying so
    last_us = us(event.isoformat())
    written = "2026-03-01 12:00:02.500"
    manifests = [
        {"shard": 0, "epoch": 2, "flush": 1, "last_event_us": last_us, "written_at": written},
        {"shard": 0, "epoch": 1, "flush": 9, "last_event_us": last_us + 1, "written_at": "2026-03-02 00:00:00"},
        {"shard": 0, "epoch": 3, "flush": 0, "last_event_us": last_us, "written_at": "2026-03-02 00:00:00", "ready": 0},
        {"shard": 1, "epoch": 1, "flush": 1, "last_event_us": 0, "written_at": written},
    ]
    insert(database, "manifest", manifests)
    found = database.query("SELECT * FROM report_freshness ORDER BY shard").result_rows
    read = event + timedelta(seconds=2.5)
    assert found == [(0, event, read, 2.5), (1, None, read, None)]


def test_a_source_is_quiet_after_ten_of_its_usual_gaps(database: Client) -> None:
    now = datetime.now(UTC).replace(second=0, microsecond=0)

    def heard(source: str, *minutes_ago: float) -> list[dict[str, object]]:
        instants = [now - timedelta(minutes=ago) for ago in minutes_ago]
        return [
            {
                "source": source,
                "minute": int(at.replace(second=0).timestamp()),
                "last_us": round(at.timestamp() * 1e6),
            }
            for at in instants
        ]

    # the older half of the same minute was read later; what lies 28 days before the last event is not looked at
    steady = [*heard("steady", 5, 10, 15, 25), *heard("steady", 4.75), *heard("steady", *range(41_000, 41_100))]
    # ten gaps of five minutes are over; a median of an even number of gaps is the lower one
    quiet = heard("quiet", 51, 56, 61, 161, 261)
    insert(database, "source_minutes", [*steady, *quiet, *heard("once", 9_000)])
    found = database.query("SELECT * FROM report_sources ORDER BY source").result_rows
    naive = now.replace(tzinfo=None)
    assert found == [
        ("once", naive - timedelta(minutes=9_000), None, 0),
        ("quiet", naive - timedelta(minutes=51), 300, 1),
        ("steady", naive - timedelta(minutes=4.75), 300, 0),
    ]
