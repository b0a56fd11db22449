"""The audit finds what was counted wrongly, and nothing else."""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from copy import deepcopy
from fractions import Fraction
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from sinks.audit import AuditResult, Difference, audit, audits
from tests.sinks.node_rows import (
    NO_DUE_DATE,
    NO_RATE_DAY,
    Record,
    call,
    insert,
    key,
    lead,
    node,
    opportunity,
    shard,
    spend,
    touch,
    us,
)

MODELS = ("first", "last", "linear", "position", "time_decay", "w_shaped")
VERSION = 1 << 32 | 1
HOUR_US = 3_600_000_000

# deal and touch -> the six models' (deals, revenue, cost, heads); worked out by hand (decays: calculator)
Share = tuple[int, int, int, int]
NOTHING: Share = (0, 0, 0, 0)


def _whole(amount: int, cost: int = 0) -> tuple[Share, ...]:
    return ((1_000_000, amount, cost, 1),) * 6


CREDITS: dict[tuple[str, str, str], tuple[Share, ...]] = {
    # 100.00 over three touches
    ("deal-a", "a", ""): (
        (1_000_000, 1_000_000, 0, 1),
        NOTHING,
        (333_334, 333_334, 0, 1),
        (400_000, 400_000, 0, 1),
        (63_987, 63_987, 0, 1),
        (600_000, 600_000, 0, 1),
    ),
    ("deal-a", "a", "B"): (
        NOTHING,
        NOTHING,
        (333_333, 333_333, 0, 0),
        (200_000, 200_000, 0, 0),
        (312_004, 312_004, 0, 0),
        (300_000, 300_000, 0, 0),
    ),
    ("deal-a", "a", "C"): (
        NOTHING,
        (1_000_000, 1_000_000, 0, 1),
        (333_333, 333_333, 0, 0),
        (400_000, 400_000, 0, 0),
        (624_009, 624_009, 0, 0),
        (100_000, 100_000, 0, 0),
    ),
    # a refund of 30.0001 EUR with a cost of 10.0001 over the creations of a merged lead and, a week later, of
    # the survivor: 1 : 2 by decay; w_shaped gives the survivor's both its own and the opportunity's milestone
    ("refund", "merged", ""): (
        (1_000_000, -300_001, 100_001, 1),
        NOTHING,
        (500_000, -150_001, 50_001, 1),
        (500_000, -150_001, 50_001, 1),
        (333_333, -100_000, 33_334, 1),
        (333_333, -100_000, 33_334, 1),
    ),
    ("refund", "survivor", ""): (
        NOTHING,
        (1_000_000, -300_001, 100_001, 1),
        (500_000, -150_000, 50_000, 0),
        (500_000, -150_000, 50_000, 0),
        (666_667, -200_001, 66_667, 0),
        (666_667, -200_001, 66_667, 0),
    ),
    # closed before its lead was created: no touch is left but the lead's own
    ("early", "late", ""): _whole(50_000),
    ("alone", "", ""): _whole(77_700, 100),
}

CALLS = (
    # the lead rises to MOFU on 03-05 at 12:00 and to BOFU with the opportunity of 03-20 at 00:00
    call("too-early", "a", "2026-03-04T11:59:59", talk_seconds=60),
    call("overtaken", "a", "2026-03-05T09:00:00", talk_seconds=60),
    call("inferred", "a", "2026-03-05T12:00:00", talk_seconds=90, advanced_mofu=1),
    call("not-answered", "a", "2026-03-05T12:00:00", "missed", talk_seconds=5),
    call("silent", "a", "2026-03-19T22:00:00"),
    call("said", "a", "2026-03-19T20:00:00", "busy", advanced_to="SQL", advanced_stage="bofu", advanced_bofu=1),
    call("says-tofu", "a", "2026-03-05T12:00:00", advanced_to="new", advanced_stage="tofu", talk_seconds=1),
)

OPPORTUNITIES = {
    "deal-a": opportunity("deal-a", "a", 1_000_000, "2026-03-20T00:00:00", "2026-03-31T00:00:00"),
    "refund": opportunity(
        "refund",
        "survivor",
        -300_001,
        "2026-04-09T00:00:00",
        "2026-04-10T00:00:00",
        currency="EUR",
        cost_units=100_001,
    ),
    "early": opportunity("early", "late", 50_000, "2026-04-30T00:00:00", "2026-05-01T12:00:00"),
    "alone": opportunity(
        "alone", "", 77_700, "2026-05-01T00:00:00", "2026-05-02T00:00:00", cost_units=100, campaign_id="expo"
    ),
    "open": opportunity(
        "open",
        "late",
        4_000_000,
        "2026-05-03T00:00:00",
        currency="EUR",
        due_date="2026-09-30",
        weighted_units=2_000_000,
    ),
    "lost": opportunity("lost", "late", 10_000, "2026-05-03T00:00:00", "2026-05-04T00:00:00", status="lost"),
}
CAMPAIGNS = {
    "a": "spring",
    "B": "mail",
    "C": "retarget",
    "merged": "fair",
    "survivor": "(none)",
    "late": "late",
}


def _lead(lead_id: str, created: str, *stages: tuple[str, str, str], **rest: Any) -> Record:
    rises = {name: us(at) for name in ("mofu", "bofu", "customer") if (at := rest.pop(name, None))}
    return lead(
        lead_id,
        created,
        *stages,
        campaign_id=CAMPAIGNS[lead_id],
        reached_stage="customer",
        **{f"{name}_us": at for name, at in rises.items()},
        **rest,
    )


LEADS = {
    "a": _lead(
        "a",
        "2026-03-01T00:00:00",
        ("2026-03-01T00:00:00", "new", "tofu"),
        ("2026-03-05T12:00:00", "MQL", "mofu"),
        mofu="2026-03-05T12:00:00",
        bofu="2026-03-20T00:00:00",
        customer="2026-03-31T00:00:00",
        lead_magnet="guide",
    ),
    "survivor": _lead(
        "survivor",
        "2026-04-08T00:00:00",
        merged_ids=["merged"],
        **dict.fromkeys(("mofu", "bofu"), "2026-04-09T00:00:00"),
        customer="2026-04-10T00:00:00",
    ),
    "late": _lead(
        "late",
        "2026-05-02T00:00:00",
        **dict.fromkeys(("mofu", "bofu"), "2026-04-30T00:00:00"),
        customer="2026-05-01T12:00:00",
    ),
}
TOUCHES = {
    "a": [
        touch("a", "C", "2026-03-24T00:00:00", campaign_id="retarget"),
        touch("a", "", "2026-03-01T00:00:00", campaign_id="spring"),
        touch("a", "B", "2026-03-17T00:00:00", campaign_id="mail", channel="email"),
    ],
    "survivor": [
        touch("survivor", "", "2026-04-08T00:00:00"),
        touch("merged", "", "2026-04-01T00:00:00", campaign_id="fair", counted_lead_id="survivor"),
    ],
    "late": [touch("late", "", "2026-05-02T00:00:00", campaign_id="late")],
}


def _credit(deal: Record, touch_lead_id: str, touch_id: str, shares: Sequence[Share]) -> Record:
    owner = next((row for row in LEADS.values() if row["lead_id"] == deal["lead_id"]), None)
    filed = next(
        (
            {name: each[name] for name in ("channel", "source", "medium", "campaign_id")}
            for each in TOUCHES.get(deal["lead_id"], ())
            if (each["lead_id"], each["touch_id"]) == (touch_lead_id, touch_id)
        ),
        dict.fromkeys(("channel", "source", "medium"), "(unattributed)") | {"campaign_id": "expo"},
    )
    return {
        "opportunity_id": deal["opportunity_id"],
        "touch_id": touch_id,
        "touch_lead_id": touch_lead_id,
        "own": int(bool(touch_lead_id) and not touch_id),
        "lead_id": deal["lead_id"],
        "day": deal["closed_day"],
        "cohort_day": owner["day"] if owner else None,
        **filed,
        "lead_magnet": owner["lead_magnet"] if owner else "(unattributed)",
        "currency": deal["currency"],
        "rate_day": deal["rate_day"],
        **{
            f"{measure}_{model}": value
            for model, share in zip(MODELS, shares, strict=True)
            for measure, value in zip(("deals", "revenue", "cost", "heads"), share, strict=True)
        },
    }


def nodes() -> list[Record]:
    """A company that was counted rightly: a deal of three touches, a merged lead with a refund, a deal older
    than its lead, one without a lead, calls of every kind, spend.
    """
    shared = [_credit(OPPORTUNITIES[deal], *of, shares) for (deal, *of), shares in CREDITS.items()]
    rows = [
        node(
            key("lead", lead_id),
            leads=[row],
            opportunities=[each for each in OPPORTUNITIES.values() if each["lead_id"] == lead_id],
            touches=TOUCHES[lead_id],
            calls=list(CALLS) if lead_id == "a" else [],
            credits=[each for each in shared if each["lead_id"] == lead_id],
        )
        for lead_id, row in LEADS.items()
    ]
    rows += [
        node(
            key("opportunity", "alone"),
            opportunities=[OPPORTUNITIES["alone"]],
            credits=[each for each in shared if not each["lead_id"]],
        ),
        node(
            "spend:google_ads//2026-03-01/spring/,,,,/",
            spend=[
                spend(
                    "google_ads",
                    "2026-03-01",
                    500_000,
                    campaign_id="spring",
                    clicks=7,
                    impressions=90,
                    visitors=5,
                )
            ],
        ),
        node(key("campaign", "spring")),
    ]
    return deepcopy(rows)


def rolled() -> dict[str, list[Record]]:
    """The rolling rows of `nodes`. Each key lies in one shard but one, which two shards share."""
    leads = {
        "source": "google",
        "medium": "cpc",
        "channel": "cpc",
        "leads": 1,
        "reached_mofu": 1,
        "reached_bofu": 1,
    }
    tables: dict[str, list[Record]] = {
        "roll_leads": [
            {
                "day": "2026-03-01",
                "campaign_id": "spring",
                "lead_magnet": "guide",
                "converted": 1,
                "seconds_to_convert": 30 * 86_400,
                "hours_to_convert": {"720": 1},
            },
            {
                "day": "2026-04-08",
                "campaign_id": "(none)",
                "lead_magnet": "(none)",
                "converted": 1,
                "seconds_to_convert": 2 * 86_400,
                "hours_to_convert": {"48": 1},
            },
            {"day": "2026-05-02", "campaign_id": "late", "lead_magnet": "(none)"},
        ],
        "roll_calls": [
            {"day": "2026-03-04", "calls": 1, "answered": 1, "talk_seconds": 60, "talk": {"60": 1}},
            {
                "day": "2026-03-05",
                "calls": 4,
                "answered": 3,
                "missed": 1,
                "talk_seconds": 151,
                "advanced_mofu": 1,
                "talk": {"60": 1, "90": 1, "1": 1},
            },
            {
                "day": "2026-03-19",
                "calls": 2,
                "answered": 1,
                "missed": 1,
                "advanced_bofu": 1,
                "talk": {"0": 1},
            },
        ],
        "roll_spend": [
            {
                "day": "2026-03-01",
                "platform": "google_ads",
                "channel": "",
                "source": "google",
                "medium": "cpc",
                "campaign_id": "spring",
                "category": "media",
                "currency": "USD",
                "figures": 1,
                "amount_units": 500_000,
                "impressions": 90,
                "clicks": 7,
                "visitors": 5,
            }
        ],
        "roll_opportunities": list(_rolled_opportunities()),
        "roll_revenue": list(_rolled_revenue()),
    }
    tables["roll_leads"] = [leads | {"customers": 1} | row for row in tables["roll_leads"]]
    tables["roll_calls"] = [{"rep_id": "rep-1", "direction": "outbound"} | row for row in tables["roll_calls"]]
    for rows in tables.values():
        for place, row in enumerate(rows):
            row.update(shard=place % 3, epoch=1, version=VERSION, is_deleted=0)
    # two shards share a key
    first = tables["roll_calls"][1]
    tables["roll_calls"].append(
        {
            **first,
            "shard": 7,
            "calls": 1,
            "answered": 1,
            "missed": 0,
            "talk_seconds": 1,
            "advanced_mofu": 0,
            "talk": {"1": 1},
        }
    )
    first.update(calls=3, answered=2, talk_seconds=150, talk={"60": 1, "90": 1})
    return tables


def _rolled_opportunities() -> Iterator[Record]:
    eur, usd = ("EUR", "2026-04-10"), ("USD", NO_RATE_DAY)
    for kind, day, status, (currency, rate_day), count, amount, weighted in (
        ("created", "2026-03-20", "won", usd, 1, 1_000_000, 1_000_000),
        ("created", "2026-04-09", "won", eur, 1, -300_001, -300_001),
        ("created", "2026-04-30", "won", usd, 1, 50_000, 50_000),
        ("created", "2026-05-01", "won", usd, 1, 77_700, 77_700),
        ("created", "2026-05-03", "open", ("EUR", NO_DUE_DATE), 1, 4_000_000, 2_000_000),
        ("created", "2026-05-03", "lost", usd, 1, 10_000, 0),
        ("closed", "2026-03-31", "won", usd, 1, 1_000_000, 1_000_000),
        ("closed", "2026-04-10", "won", eur, 1, -300_001, -300_001),
        ("closed", "2026-05-01", "won", usd, 1, 50_000, 50_000),
        ("closed", "2026-05-02", "won", usd, 1, 77_700, 77_700),
        ("closed", "2026-05-04", "lost", usd, 1, 10_000, 0),
        ("due", NO_DUE_DATE, "won", usd, 3, 1_127_700, 1_127_700),
        ("due", NO_DUE_DATE, "won", eur, 1, -300_001, -300_001),
        ("due", NO_DUE_DATE, "lost", usd, 1, 10_000, 0),
        ("due", "2026-09-30", "open", ("EUR", NO_DUE_DATE), 1, 4_000_000, 2_000_000),
    ):
        yield {
            "date_kind": kind,
            "day": day,
            "owner_id": "rep-1",
            "stage": "Proposal",
            "status": status,
            "currency": currency,
            "rate_day": rate_day,
            "opportunities": count,
            "amount_units": amount,
            "weighted_units": weighted,
        }


def _rolled_revenue() -> Iterator[Record]:
    """No two credits of CREDITS have the same key."""
    aside = {"opportunity_id", "touch_id", "touch_lead_id", "own", "lead_id", "cohort_day"}
    for row in nodes():
        for credit in row.get("credits", ()):
            filed = {name: value for name, value in credit.items() if name not in aside}
            yield {"date_kind": "closed", **filed}
            if credit["cohort_day"]:
                yield {"date_kind": "cohort", **filed, "day": credit["cohort_day"]}


def manifests(flush: int = 1) -> list[Record]:
    return [{"shard": each, "epoch": 1, "flush": flush} for each in range(32)]


@pytest.fixture
def counted(database: Client) -> Client:
    insert(database, "nodes", nodes())
    for table, rows in rolled().items():
        insert(database, table, rows)
    insert(database, "manifest", manifests())
    return database


def run(client: Client) -> AuditResult:
    return audit(client, pause_seconds=0)


def found(client: Client) -> dict[tuple[str, str], tuple[str, str]]:
    """(audit, measure) -> (rolled, recomputed)"""
    result = run(client)
    assert result.outcome == "differences"
    assert not result.busy
    return {(each.audit, each.measure): (each.rolled, each.recomputed) for each in result.differences}


def test_what_was_counted_rightly_is_clean(counted: Client) -> None:
    assert run(counted) == AuditResult((), ())
    assert run(counted).outcome == "clean"


def test_an_empty_database_is_clean(database: Client) -> None:
    assert run(database).outcome == "clean"


MEASURES = {
    "roll_leads": ("leads", "reached_mofu", "reached_bofu", "customers", "converted", "seconds_to_convert"),
    "roll_opportunities": ("opportunities", "amount_units", "weighted_units"),
    "roll_revenue": tuple(
        f"{measure}_{model}" for model in MODELS for measure in ("deals", "revenue", "cost", "heads")
    ),
    "roll_calls": ("calls", "answered", "missed", "talk_seconds", "advanced_mofu", "advanced_bofu"),
    "roll_spend": ("figures", "amount_units", "impressions", "clicks", "visitors"),
}


def test_every_measure_of_every_rolling_table_is_compared(counted: Client) -> None:
    expected = {}
    for table, (row, *_) in rolled().items():
        right = {measure: int(row.get(measure, 0)) for measure in MEASURES[table]}
        wrong = {measure: value + place for place, (measure, value) in enumerate(right.items(), start=1)}
        insert(counted, table, [{**row, **wrong}])
        expected |= {(f"audit_{table}", each): (str(wrong[each]), str(right[each])) for each in right}
    assert found(counted) == expected


def test_sparse_counts_are_compared(counted: Client) -> None:
    for table, column in (("roll_leads", "hours_to_convert"), ("roll_calls", "talk")):
        row = rolled()[table][0]
        insert(counted, table, [{**row, column: {next(iter(row[column])): 3, "5": 1}}])
    assert found(counted) == {
        ("audit_roll_leads", "hours_to_convert[720]"): ("3", "1"),
        ("audit_roll_leads", "hours_to_convert[5]"): ("1", "0"),
        ("audit_roll_calls", "talk[60]"): ("3", "1"),
        ("audit_roll_calls", "talk[5]"): ("1", "0"),
    }


def test_a_row_too_many_and_a_row_too_few_have_their_key(counted: Client) -> None:
    row = rolled()["roll_spend"][0]
    insert(counted, "roll_spend", [{**row, "is_deleted": 1}, {**row, "day": "2026-03-02"}])
    result = run(counted)
    assert {
        (each.key.split(",")[0], each.rolled, each.recomputed)
        for each in result.differences
        if each.measure == "amount_units"
    } == {('{"day":"2026-03-01"', "0", "500000"), ('{"day":"2026-03-02"', "500000", "0")}


def test_rows_of_another_generation_are_not_seen(counted: Client) -> None:
    insert(counted, "roll_spend", [{**rolled()["roll_spend"][0], "epoch": 2, "version": 2 << 32, "clicks": 99}])
    assert run(counted).outcome == "clean"


def _changed(place: int, column: str, record: int, **changes: Any) -> Record:
    row = nodes()[place]
    row[column] = [{**each, **changes} if i == record else each for i, each in enumerate(row[column])]
    return {**row, "version": VERSION}


def test_what_nodes_hold_of_credits_calls_and_leads_is_compared(counted: Client) -> None:
    row = _changed(0, "credits", 0, deals_linear=333_335)
    row["calls"] = [{**each, "advanced_bofu": 0} for each in row["calls"]]
    row["leads"][0] |= {"reached_stage": "bofu", "customer_us": None}
    insert(counted, "nodes", [row])
    assert found(counted) == {
        ("audit_credits", "deals_linear"): ("333335", "333334"),
        ("audit_calls", "advanced_bofu"): ("0", "1"),
        ("audit_leads", "reached_stage"): ("bofu", "customer"),
        ("audit_leads", "customer_us"): ("NULL", str(us("2026-03-31T00:00:00"))),
    }


def test_days_are_compared_with_their_instants(counted: Client) -> None:
    # 23:59:59.999999 is still that day
    late = us("2026-05-02T23:59:59") + 999_999
    row = _changed(2, "leads", 0, created_us=late)
    row["touches"] = [{**each, "at_us": late} for each in row["touches"]]
    insert(counted, "nodes", [row])
    assert run(counted).outcome == "clean"
    row["touches"] = [{**each, "at_us": late + 1} for each in row["touches"]]
    insert(counted, "nodes", [row])
    assert found(counted) == {("audit_days", "day"): ("2026-05-02", "2026-05-03")}


def test_days_are_those_of_the_reporting_zone(database: Client) -> None:
    # 01:00 in UTC is the evening before in New York; the first hours of 1970 have no earlier day to go to
    for lead_id, created, day in (
        ("a", "2026-03-01T01:00:00", "2026-02-28"),
        ("b", "1970-01-01T01:00:00", "1970-01-01"),
    ):
        insert(database, "nodes", [node(key("lead", lead_id), leads=[lead(lead_id, created, day=day)])])
    assert days(database) == [("2026-02-28", "2026-03-01")]
    changed = "* REPLACE ('America/New_York' AS time_zone, version + 1 AS version)"
    database.command(f"INSERT INTO view_settings SELECT {changed} FROM view_settings FINAL")
    assert days(database) == []


def days(client: Client) -> list[tuple[str, str]]:
    return [tuple(row) for row in client.query("SELECT rolled, recomputed FROM audit_days").result_rows]


def test_a_node_on_a_foreign_shard_and_a_record_in_two_nodes_are_found(counted: Client) -> None:
    home = shard("call:c1")
    other = {"shard": (home + 1) % 32, "entity": "call:c1", "version": VERSION}
    insert(counted, "nodes", [other])
    assert found(counted) == {("audit_placement", "shard"): (str((home + 1) % 32), str(home))}
    insert(counted, "nodes", [{**other, "shard": home, "spend": nodes()[4]["spend"]}])
    spent = rolled()["roll_spend"][0]
    doubled = {name: 2 * spent[name] for name in MEASURES["roll_spend"]}
    insert(counted, "roll_spend", [{**spent, **doubled}])
    assert found(counted)["audit_records", "counted"] == ("2", "1")


def test_a_flush_under_way_is_no_difference(counted: Client) -> None:
    wrong = {**rolled()["roll_spend"][0], "version": VERSION + 1, "clicks": 8}
    insert(counted, "roll_spend", [wrong])
    result = run(counted)
    assert result == AuditResult((), ("audit_roll_spend",))
    assert result.outcome == "busy"
    insert(counted, "manifest", manifests(flush=2))
    (difference,) = run(counted).differences
    assert difference == Difference("audit_roll_spend", difference.key, "clicks", "8", "7")


def test_a_flush_that_ends_while_a_view_is_read_is_no_difference(counted: Client) -> None:
    row = rolled()["roll_spend"][0]
    insert(counted, "roll_spend", [{**row, "clicks": 8}])

    class Flushing:
        """The database, in which a flush ends at every reading of a view."""

        flush = 1

        def query(self, sql: str) -> Any:
            if "audit_" in sql:
                self.flush += 1
                insert(counted, "manifest", manifests(self.flush))
            return counted.query(sql)

    assert audit(Flushing(), pause_seconds=0) == AuditResult((), ("audit_roll_spend",))  # type: ignore[arg-type] - its query


def test_there_is_an_audit_of_each_rolling_table() -> None:
    assert {f"audit_{table}" for table in MEASURES} < set(audits())


# --- credits against another implementation, over random journeys


def _reference(deal: Record, lead_id: str, touches: Sequence[Record], lookback_days: int) -> Iterator[tuple[Any, ...]]:
    """(touch's lead, touch, model, deals, revenue, cost, heads) with exact fractions and no array tricks."""
    limit = deal["closed_us"] - lookback_days * 86_400_000_000 if lookback_days else 0
    ordered = sorted(
        touches, key=lambda t: (t["at_us"], t["touch_id"] != "", t["lead_id"] if t["own"] else t["touch_id"])
    )
    listed = [t for t in ordered if limit <= t["at_us"] <= deal["closed_us"]]
    listed = listed or [t for t in ordered if t["own"] and t["lead_id"] == lead_id]
    count = len(listed)
    own = next((i for i, t in enumerate(listed) if t["own"] and t["lead_id"] == lead_id), 0)
    before = max((i for i, t in enumerate(listed) if t["at_us"] <= deal["created_us"]), default=0)
    others = count - len({0, own, before})
    weights: dict[str, list[Fraction]] = {
        "first": [Fraction(i == 0) for i in range(count)],
        "last": [Fraction(i == count - 1) for i in range(count)],
        "linear": [Fraction(1)] * count,
        "position": [Fraction(1)] * count
        if count < 3
        else [Fraction(40) if i in {0, count - 1} else Fraction(20, count - 2) for i in range(count)],
        "time_decay": [
            Fraction(round(1e9 * 2.0 ** (-((listed[-1]["at_us"] - t["at_us"]) / 1e6) / 604_800))) for t in listed
        ],
        "w_shaped": [
            Fraction(30 * [0, own, before].count(i)) if i in {0, own, before} else Fraction(10, others)
            for i in range(count)
        ],
    }
    for model, shares in weights.items():
        parts = [_apportion(total, shares) for total in (1_000_000, deal["amount_units"], deal["cost_units"])]
        head = next(i for i, share in enumerate(shares) if share)
        for i, t in enumerate(listed):
            yield t["lead_id"], t["touch_id"], model, *(part[i] for part in parts), int(i == head)


def _apportion(total: int, shares: Sequence[Fraction]) -> list[int]:
    exact = [abs(total) * share / sum(shares) for share in shares]
    cut = [int(each) for each in exact]
    by_rest = sorted(range(len(cut)), key=lambda i: (cut[i] - exact[i], i))
    for i in by_rest[: abs(total) - sum(cut)]:
        cut[i] += 1
    return [-each if total < 0 else each for each in cut]


@pytest.mark.parametrize("lookback_days", [0, 1])
def test_credits_are_those_of_another_implementation(database: Client, lookback_days: int) -> None:
    changed = f"* REPLACE ({lookback_days} AS lookback_days, version + 1 AS version)"
    database.command(f"INSERT INTO view_settings SELECT {changed} FROM view_settings FINAL")
    rng = random.Random(lookback_days)
    rows, expected = [], set()
    start = us("2025-06-01T00:00:00")
    for number in range(150):
        lead_id = f"L{number}"

        def at(spread: int = rng.choice([3, 100, 9000])) -> int:
            return start + rng.randrange(spread) * HOUR_US

        members = (lead_id, f"M{number}", f"K{number}")[: rng.randint(1, 3)]
        touches = [touch(member, "", "2025-06-01", at_us=at()) for member in members]
        touches += [
            touch(rng.choice(members), f"t{each}", "2025-06-01", at_us=at()) for each in range(rng.randrange(7))
        ]
        deals = [
            opportunity(
                f"O{number}-{each}",
                lead_id,
                rng.choice([0, 1, -1, 7, -100_003, rng.randrange(10**18)]),
                "2025-06-01",
                "2025-06-01",
                cost_units=rng.choice([0, 5, rng.randrange(10**6)]),
                created_us=at(),
                closed_us=at(),
            )
            for each in range(2)
        ]
        rng.shuffle(touches)
        rows.append(
            node(
                key("lead", lead_id),
                leads=[lead(lead_id, "2025-06-01")],
                touches=touches,
                opportunities=deals,
            )
        )
        expected |= {
            (deal["opportunity_id"], *credit)
            for deal in deals
            for credit in _reference(deal, lead_id, touches, lookback_days)
        }
    insert(database, "nodes", rows)
    columns = "opportunity_id, touch_lead_id, touch_id, model, deals, revenue, cost, heads"
    computed = database.query(f"SELECT {columns} FROM recomputed_credits").result_rows
    sizes: dict[str, int] = defaultdict(int)
    for deal_id, *_ in computed:
        sizes[deal_id] += 1
    assert len(sizes) == 300
    assert max(sizes.values()) > 6 * 5
    assert set(computed) == expected


# --- advances against another implementation, over random calls


def _advanced(stage: str, rise: int | None, calls: Sequence[Record]) -> set[str]:
    """The calls that advanced their lead to `stage`, which it rose to at `rise`."""
    advanced = {each["call_id"] for each in calls if each["advanced_stage"] == stage}
    if rise is None:
        return advanced
    near = [each for each in calls if 0 <= rise - each["started_us"] <= 24 * HOUR_US]
    if advanced.isdisjoint(each["call_id"] for each in near):
        silent = [each for each in near if each["status"] == "answered" and not each["advanced_to"]]
        if silent:
            advanced.add(max(silent, key=lambda each: (each["started_us"], each["call_id"]))["call_id"])
    return advanced


def test_advances_are_those_of_another_implementation(database: Client) -> None:
    rng = random.Random(5)
    rows, expected = [], set()
    start = us("2025-06-01T00:00:00")
    for number in range(200):
        lead_id = f"L{number}"
        hours = rng.choice([5, 60])
        opened, closed = (start + rng.randrange(hours) * HOUR_US for _ in range(2))
        deals = [
            opportunity("O" + lead_id, lead_id, 1, "2025-06-01", "2025-06-01", created_us=opened, closed_us=closed)
        ][: rng.randrange(2)]
        stages = [(start + rng.randrange(hours) * HOUR_US, rng.choice(("tofu", "mofu", "bofu"))) for _ in range(2)]
        rises = [*stages, *((opened, "bofu") for _ in deals), *((closed, "customer") for _ in deals)]
        calls = [
            call(
                f"{lead_id}-{each}",
                lead_id,
                "2025-06-01",
                rng.choice(["answered", "answered", "missed"]),
                started_us=start + rng.randrange(hours) * HOUR_US,
                advanced_to=(says := rng.choice(["", "", "", "tofu", "mofu", "bofu"])),
                advanced_stage=says,
            )
            for each in range(rng.randrange(6))
        ]
        rng.shuffle(calls)
        counted = lead(lead_id, "2025-06-01")
        counted["stages"] = [{"at_us": at, "stage": name, "funnel_stage": name} for at, name in stages]
        rows.append(node(key("lead", lead_id), leads=[counted], opportunities=deals, calls=calls))
        mofu, bofu = (
            _advanced(stage, min((at for at, name in rises if name not in below), default=None), calls)
            for stage, below in (("mofu", {"tofu"}), ("bofu", {"tofu", "mofu"}))
        )
        expected |= {(each, int(each in mofu), int(each in bofu)) for each in (c["call_id"] for c in calls)}
    insert(database, "nodes", rows)
    computed = database.query("SELECT call_id, advanced_mofu, advanced_bofu FROM recomputed_calls").result_rows
    assert len(computed) > 200
    assert set(computed) == expected
