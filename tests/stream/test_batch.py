"""The rules of the fold and of the reports, case by case, through the batch reference.

The simulation holds the stream to the batch; the audit holds both to SQL of its own.
"""

from typing import Any

import pytest

from schemas import decode
from stream import batch
from stream.calendar import LAST_DAY, NO_RATE_DAY
from stream.records import MODELS
from stream.reports import TABLES
from stream.rules import Rules
from tests.stream.cases import call, deal, event, lead, opportunity, touch

KEYS = {table.name: table.key for table in TABLES}
MEASURES = {table.name: table.measures for table in TABLES}


def rows(table: str, events: list[bytes], rules: Rules | None = None, **where: str) -> list[dict[str, Any]]:
    """The rows of one table, by column, that agree with `where`."""
    tables = batch.tables((decode(each, None) for each in events), rules or Rules())
    found = [
        {
            **dict(zip(KEYS[table], key, strict=True)),
            **dict(zip(MEASURES[table], measures, strict=True)),
            "sparse": sparse,
        }
        for key, (measures, sparse) in tables[table].items()
    ]
    return [row for row in found if all(row[name] == value for name, value in where.items())]


def credits_of(events: list[bytes], model: str, by: str = "channel", **where: str) -> dict[str, int]:
    """Revenue of one model by close, in units of 1e-4."""
    found = rows("roll_revenue", events, date_kind="closed", **where)
    return {row[by]: row[f"revenue_{model}"] for row in found if row[f"revenue_{model}"]}


# -- attribution

WORKED = [
    lead("1", "2026-03-01", channel="A"),
    touch("B", "1", "2026-03-17", channel="B"),
    touch("C", "1", "2026-03-24", channel="C"),
    opportunity("o", "2026-03-20", lead_id="1", amount="100.00"),
    deal("won", "o", "2026-03-31"),
]


@pytest.mark.parametrize(
    ("model", "shares"),
    [
        ("first", {"A": 1000000}),
        ("last", {"C": 1000000}),
        ("linear", {"A": 333334, "B": 333333, "C": 333333}),
        ("position", {"A": 400000, "B": 200000, "C": 400000}),
        ("time_decay", {"A": 63987, "B": 312004, "C": 624009}),
        ("w_shaped", {"A": 600000, "B": 300000, "C": 100000}),
    ],
)
def test_the_worked_example(model: str, shares: dict[str, int]) -> None:
    assert credits_of(WORKED, model) == shares


def test_a_refund_mirrors_the_sale() -> None:
    refund = [*WORKED[:3], opportunity("o", "2026-03-20", lead_id="1", amount="-100.00"), WORKED[4]]
    assert credits_of(refund, "linear") == {"A": -333334, "B": -333333, "C": -333333}
    assert credits_of(refund, "time_decay") == {"A": -63987, "B": -312004, "C": -624009}


def test_a_deal_two_hundred_days_after_its_first_touch_counts_it_unless_a_look_back_says_no() -> None:
    events = [
        lead("1", "2026-01-01", channel="A"),
        touch("B", "1", "2026-06-01", channel="B"),
        opportunity("o", "2026-06-02", lead_id="1", amount=10),
        deal("won", "o", "2026-07-20"),
    ]
    assert credits_of(events, "first") == {"A": 100000}
    limited = rows("roll_revenue", events, Rules(lookback_days=90), date_kind="closed")
    assert {row["channel"]: row["revenue_first"] for row in limited} == {"B": 100000}
    none_left = rows("roll_revenue", events, Rules(lookback_days=10), date_kind="closed")
    assert {row["channel"]: row["revenue_first"] for row in none_left} == {"A": 100000}


def test_a_deal_without_a_known_lead_keeps_its_campaign_and_has_no_cohort() -> None:
    events = [
        opportunity("o", "2026-03-01", lead_id="nobody", amount=5, campaign_id="k"),
        deal("won", "o", "2026-03-02"),
    ]
    (row,) = rows("roll_revenue", events)
    assert (row["date_kind"], row["campaign_id"], row["channel"]) == ("closed", "k", "(unattributed)")
    assert all(
        (row[f"deals_{model}"], row[f"revenue_{model}"], row[f"heads_{model}"]) == (1000000, 50000, 1)
        for model in MODELS
    )


def test_a_lead_without_origin_takes_that_of_its_groups_earliest_touch() -> None:
    events = [lead("1", "2026-03-01"), touch("t", "1", "2026-03-05", utm={"source": "News", "medium": "E-Mail"})]
    (row,) = rows("roll_leads", events)
    assert (row["channel"], row["source"], row["medium"]) == ("email", "news", "e-mail")
    (row,) = rows("roll_leads", events[:1])
    assert (row["channel"], row["source"], row["campaign_id"]) == ("direct", "(none)", "(none)")


# -- deals and days


def test_a_deal_won_reopened_and_lost_is_lost_when_it_was_lost() -> None:
    events = [
        opportunity("o", "2026-03-01", amount=7, owner_id="r"),
        deal("won", "o", "2026-03-02", closed_at="2026-03-02T10:00:00Z"),
        deal("reopened", "o", "2026-03-03"),
        deal("lost", "o", "2026-03-04"),
    ]
    (row,) = rows("roll_opportunities", events, date_kind="closed")
    assert (row["status"], row["day"], row["weighted_units"]) == ("lost", "2026-03-04", 0)
    assert rows("roll_revenue", events) == []


def test_two_currencies_carry_the_day_of_their_rate() -> None:
    events = [
        opportunity("usd", "2026-03-01", amount=1),
        opportunity("eur-open", "2026-03-01", amount=1, currency="EUR", due_date="2026-04-01"),
        opportunity("eur-won", "2026-03-01", amount=1, currency="EUR"),
        deal("won", "eur-won", "2026-03-09"),
    ]
    created = rows("roll_opportunities", events, date_kind="created")
    assert sorted((row["currency"], row["rate_day"]) for row in created) == [
        ("EUR", "2026-03-09"),
        ("EUR", LAST_DAY),
        ("USD", NO_RATE_DAY),
    ]
    assert sorted(row["day"] for row in rows("roll_opportunities", events, date_kind="due")) == [
        "2026-04-01",
        LAST_DAY,
        LAST_DAY,
    ]


def test_the_day_is_that_of_the_reporting_zone() -> None:
    events = [lead("1", "2026-03-01T23:30:00Z"), call("c", "2026-07-01T22:30:00Z")]
    stockholm = Rules(time_zone="Europe/Stockholm")
    assert [row["day"] for row in rows("roll_leads", events)] == ["2026-03-01"]
    assert [row["day"] for row in rows("roll_leads", events, stockholm)] == ["2026-03-02"]
    assert [row["day"] for row in rows("roll_calls", events, stockholm)] == ["2026-07-02"]


def test_weighted_amounts_round_half_to_even() -> None:
    events = [
        opportunity("a", "2026-03-01", amount="0.0001", probability="0.5"),
        opportunity("b", "2026-03-01", amount="0.0003", probability="0.5", stage="x"),
        opportunity("c", "2026-03-01", amount="1", stage="Proposal"),
    ]
    rules = Rules(stage_probability={"Proposal": 2500})
    found = rows("roll_opportunities", events, rules, date_kind="created")
    assert {row["stage"]: row["weighted_units"] for row in found} == {"(none)": 0, "x": 2, "Proposal": 2500}


# -- links, merges, deletes


def test_an_opportunity_may_come_before_its_lead() -> None:
    events = [
        opportunity("o", "2026-03-02", lead_id="1", amount=3),
        deal("won", "o", "2026-03-05"),
        lead("1", "2026-03-01", channel="A"),
    ]
    assert credits_of(events, "first") == {"A": 30000}
    (row,) = rows("roll_leads", events)
    assert (row["reached_bofu"], row["customers"], row["converted"], row["seconds_to_convert"]) == (1, 1, 1, 4 * 86400)
    assert row["sparse"] == {96: 1}


def test_a_close_before_the_creation_makes_a_customer_and_no_conversion_time() -> None:
    events = [lead("1", "2026-03-10"), opportunity("o", "2026-03-10", lead_id="1"), deal("won", "o", "2026-03-01")]
    (row,) = rows("roll_leads", events)
    assert (row["customers"], row["converted"], row["sparse"]) == (1, 0, {})


def test_a_call_without_lead_rep_or_opportunity_counts() -> None:
    (row,) = rows("roll_calls", [call("c", "2026-03-01")])
    assert (row["rep_id"], row["direction"], row["calls"], row["missed"]) == ("(unassigned)", "(none)", 1, 1)


def test_unlinking_clears_the_link_only_where_that_lead_is_the_current_one() -> None:
    leads = [lead("1", "2026-03-01", channel="A"), lead("2", "2026-03-01", channel="B")]
    won = [opportunity("o", "2026-03-02", lead_id="1", amount=4), deal("won", "o", "2026-03-09")]

    def said(time: str, **data: Any) -> bytes:
        return event("crm.opportunity.updated", time, opportunity_id="o", **data)

    assert credits_of([*leads, *won, said("2026-03-03", unlinked_lead_id="1")], "first") == {"(unattributed)": 40000}
    other = [*leads, *won, said("2026-03-03", lead_id="2"), said("2026-03-04", unlinked_lead_id="1")]
    assert credits_of(other, "first") == {"B": 40000}
    # two removals do not hide each other, and a link that is made again holds
    both = [*other, said("2026-03-05", unlinked_lead_id="2"), said("2026-03-06", unlinked_lead_id="1")]
    assert credits_of(both, "first") == {"(unattributed)": 40000}
    assert credits_of([*both, said("2026-03-07", lead_id="2")], "first") == {"B": 40000}
    assert credits_of(both, "first") == credits_of(both[::-1], "first")


def test_a_chain_of_merges_counts_once_at_its_end_and_a_cycle_at_its_least_id() -> None:
    def merged(survivor: str, *merged_ids: str) -> bytes:
        return event("crm.lead.merged", "2026-03-20", lead_id=survivor, merged_ids=list(merged_ids))

    leads = [lead(each, f"2026-03-0{each}", channel=each, stage="mofu" if each == "1" else "tofu") for each in "123"]
    (row,) = rows("roll_leads", [*leads, merged("2", "1"), merged("3", "2")])
    assert (row["channel"], row["leads"], row["reached_mofu"]) == ("3", 1, 1)
    (row,) = rows("roll_leads", [*leads, merged("2", "1"), merged("3", "2"), merged("1", "3")])
    assert (row["channel"], row["leads"]) == ("1", 1)
    freed = event("crm.lead.merged", "2026-03-21", lead_id="1", merged_ids=["1"])
    assert len(rows("roll_leads", [*leads, merged("2", "1"), freed])) == 3


def test_a_deleted_lead_gives_no_row_and_its_deal_counts_as_of_no_known_lead() -> None:
    events = [
        lead("1", "2026-03-01", channel="A"),
        opportunity("o", "2026-03-02", lead_id="1", amount=4),
        deal("won", "o", "2026-03-03"),
        event("crm.lead.deleted", "2026-03-04", lead_id="1"),
    ]
    assert rows("roll_leads", events) == []
    assert credits_of(events, "last") == {"(unattributed)": 40000}
    restored = [*events, event("crm.lead.restored", "2026-03-05", lead_id="1")]
    assert credits_of(restored, "last") == {"A": 40000}


def test_spend_is_replaced_whole() -> None:
    def spend(time: str, **data: Any) -> bytes:
        return event("crm.spend.posted", time, platform="meta", date="2026-03-01", currency="USD", **data)

    events = [spend("2026-03-02", amount=10, clicks=5), spend("2026-03-03", amount="8.50")]
    (row,) = rows("roll_spend", events)
    assert (row["figures"], row["amount_units"], row["clicks"], row["source"]) == (1, 85000, 0, "facebook")
    assert rows("roll_spend", events) == rows("roll_spend", events[::-1])


# -- calls that advance a lead


def advanced(events: list[bytes]) -> dict[str, tuple[int, int]]:
    return {row["rep_id"]: (row["advanced_mofu"], row["advanced_bofu"]) for row in rows("roll_calls", events)}


def answered(identifier: str, time: str, **data: Any) -> bytes:
    return call(identifier, time, rep_id=identifier, lead_id="1", status="answered", talk_seconds=60, **data)


def test_the_last_silent_call_within_a_day_is_credited_once_per_stage_crossed() -> None:
    events = [
        lead("1", "2026-03-01", stage="tofu"),
        answered("early", "2026-03-01T11:00:00Z"),
        answered("last", "2026-03-02T00:00:00Z"),
        event("crm.lead.updated", "2026-03-02T12:00:00Z", lead_id="1", stage="bofu"),
        answered("after", "2026-03-02T12:00:01Z"),
    ]
    assert advanced(events) == {"early": (0, 0), "last": (1, 1), "after": (0, 0)}
    late = [*events[:3], event("crm.lead.updated", "2026-03-03T00:00:01Z", lead_id="1", stage="mofu")]
    assert advanced(late) == {"early": (0, 0), "last": (0, 0)}


def test_a_call_that_names_the_stage_takes_the_credit_whatever_its_status() -> None:
    events = [
        lead("1", "2026-03-01", stage="tofu"),
        answered("silent", "2026-03-02T00:00:00Z"),
        call("says", "2026-03-01T23:00:00Z", rep_id="says", lead_id="1", status="missed", advanced_to="mofu"),
        event("crm.lead.updated", "2026-03-02T12:00:00Z", lead_id="1", stage="bofu"),
    ]
    assert advanced(events) == {"silent": (0, 1), "says": (1, 0)}


# -- people


def test_personal_values_are_in_no_document() -> None:
    events = [lead("1", "2026-03-01", name="Ann Ek", email="ann@ek.example", company="Ek AB")]
    text = repr(batch.documents(decode(each, None) for each in events))
    assert "'name'" in text
    assert not any(value in text for value in ("Ann", "ann@", "Ek"))
