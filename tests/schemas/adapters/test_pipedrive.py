"""Pipedrive's webhooks and exports, and the events worked out from them by hand."""

import json
from decimal import Decimal
from typing import Any

import pytest

from schemas import decode
from schemas.adapters import UnusableTable, reference_of
from stream import batch
from tests.schemas.adapters.samples import (
    NOON,
    PIPEDRIVE_DEAL,
    adapter,
    decoded,
    pipedrive,
    refusals,
    rows,
    said,
    source,
)

STAGES = """
    [deal.stages]
    4 = "Proposal"
    5 = "Signed"
    [deal.fields]
    a1f0 = "cost"
    b2e1 = "campaign_id"
"""
PERSON = {
    "id": 77,
    "name": "Ada Example",
    "emails": [
        {"label": "home", "value": "home@example.org", "primary": False},
        {"label": "work", "value": "ada@example.org", "primary": True},
    ],
    "owner_id": 91,
    "org_id": 12,
    "add_time": "2026-02-20T08:00:00Z",
    "custom_fields": {"c3": {"type": "enum", "id": 8}},
}


def one(*items: Any, text: str = "") -> list[tuple[str, str, dict[str, Any]]]:
    return said(adapter("pipedrive", text).adapt(list(items)))


def test_a_deal() -> None:
    assert one(pipedrive("deal", "change", PIPEDRIVE_DEAL, {"stage_id": 3}), text=STAGES) == [
        (
            "opportunity.updated",
            NOON,
            {
                "opportunity_id": "31",
                "subject": "Ten licences",
                "amount": "1250.5",
                "currency": "EUR",
                "stage": "Proposal",
                "probability": "0.4000",
                "due_date": "2026-04-15",
                "lead_id": "77",
                "account_id": "12",
                "owner_id": "91",
                "created_at": "2026-02-20T08:00:00Z",
                "cost": "300.25",
                "campaign_id": None,
                "contact_id": "77",
                "status": "open",
            },
        )
    ]


@pytest.mark.parametrize(
    ("changes", "status", "closed_at"),
    [
        ({"status": "won", "won_time": "2026-03-01T11:59:59Z"}, "won", "2026-03-01T11:59:59Z"),
        ({"status": "lost", "lost_time": "2026-02-28 10:00:00"}, "lost", "2026-02-28T10:00:00Z"),
        ({"status": "won", "close_time": 1772366400}, "won", NOON),
        ({"status": "open", "won_time": "2026-02-01T00:00:00Z"}, "open", None),
    ],
)
def test_how_a_deal_stands(changes: dict[str, Any], status: str, closed_at: str | None) -> None:
    ((_, _, data),) = one(pipedrive("deal", "change", {**PIPEDRIVE_DEAL, **changes}))
    assert (data["status"], data.get("closed_at")) == (status, closed_at)


def test_deals_deleted_merged_and_back() -> None:
    deleted = {"opportunity_id": "31"}
    assert one(pipedrive("deal", "delete", None, PIPEDRIVE_DEAL)) == [("opportunity.deleted", NOON, deleted)]
    assert one(pipedrive("deal", "delete", None, PIPEDRIVE_DEAL, merged_to_id="30")) == [
        ("opportunity.deleted", NOON, deleted)
    ]
    assert one(pipedrive("deal", "change", {**PIPEDRIVE_DEAL, "status": "deleted"})) == [
        ("opportunity.deleted", NOON, deleted)
    ]
    back = one(pipedrive("deal", "change", PIPEDRIVE_DEAL, {"is_deleted": True}))
    assert [kind for kind, _, _ in back] == ["opportunity.restored", "opportunity.updated"]


def test_persons() -> None:
    text = '[person.fields]\nc3 = "channel"\n[person.values.c3]\n8 = "fair"'
    data = {
        "lead_id": "31",
        "name": "Ada Example",
        "owner_id": "91",
        "account_id": "12",
        "created_at": "2026-02-20T08:00:00Z",
        "channel": "fair",
        "email": "ada@example.org",
    }
    assert one(pipedrive("person", "create", PERSON), text=text) == [("lead.created", NOON, data)]
    assert one(pipedrive("person", "delete", None, PERSON)) == [("lead.deleted", NOON, {"lead_id": "31"})]
    assert one(pipedrive("person", "delete", None, PERSON, merged_to_id="30")) == [
        ("lead.merged", NOON, {"lead_id": "30", "merged_ids": ["31"]})
    ]
    # the survivor's change carries the other id, and is an ordinary change
    assert one(pipedrive("person", "change", PERSON, {"name": "A"}, merged_from_id="30"), text=text) == [
        ("lead.updated", NOON, data)
    ]
    restored = one(pipedrive("person", "change", PERSON, {"is_deleted": True}))
    assert [kind for kind, _, _ in restored] == ["lead.restored", "lead.updated"]


def test_custom_fields_as_objects_and_as_values() -> None:
    """v2 gives `{"value": ..}` or `{"id": ..}`, or nothing; links are numbers or objects."""
    text = STAGES + '[person.fields]\nd4 = "utm.source"'
    deal = {
        **PIPEDRIVE_DEAL,
        "person_id": {"value": 77, "name": "Ada"},
        "custom_fields": {"a1f0": 5, "b2e1": {"id": 9}},
    }
    ((_, _, data),) = one(pipedrive("deal", "change", deal), text=text)
    assert (data["cost"], data["campaign_id"], data["lead_id"]) == ("5", "9", "77")
    person = {**PERSON, "custom_fields": {"d4": {"type": "varchar", "value": "google"}}}
    assert one(pipedrive("person", "change", person), text=text)[0][2]["utm"] == {"source": "google"}


@pytest.mark.parametrize("timestamp", ["2026-03-01T12:00:00.000Z", 1772366400, "1772366400", "1772366400000"])
def test_a_timestamp_is_iso_or_seconds(timestamp: object) -> None:
    assert one(pipedrive("deal", "delete", None, {}, timestamp=timestamp))[0][1] == NOON


def test_calls_are_done_activities() -> None:
    call = {
        "id": 31,
        "type": "call",
        "done": True,
        "duration": "00:05",
        "due_date": "2026-03-01",
        "due_time": "11:30",
        "person_id": 77,
        "deal_id": 9,
        "owner_id": 91,
    }
    data = {
        "call_id": "31",
        "status": "answered",
        "rep_id": "91",
        "lead_id": "77",
        "opportunity_id": "9",
        "direction": "outbound",
        "talk_seconds": 300,
        "started_at": "2026-03-01T11:30:00Z",
    }
    text = '[activity]\ndirection = "outbound"'
    assert one(pipedrive("activity", "create", call), text=text) == [("call.logged", NOON, data)]
    assert one(pipedrive("activity", "delete", None, call)) == [("call.deleted", NOON, {"call_id": "31"})]
    # planned ones do not count until they are done, and no longer when they are not
    planned = adapter("pipedrive").adapt(pipedrive("activity", "create", {**call, "done": False}))
    assert (planned.events, dict(planned.passed_over)) == ([], {"activity": 1})
    undone = one(pipedrive("activity", "change", {**call, "done": False}, {"done": True}))
    assert undone == [("call.deleted", NOON, {"call_id": "31"})]
    done = one(pipedrive("activity", "change", call, {"done": False}), text=text)
    assert done == [("call.restored", NOON, {"call_id": "31"}), ("call.logged", NOON, data)]
    meeting = adapter("pipedrive").adapt(pipedrive("activity", "create", {**call, "type": "meeting"}))
    assert meeting.events == []
    later = {**call, "due_date": None, "duration": "01:00:05", "marked_as_done_time": "2026-03-01T11:00:00Z"}
    ((_, _, found),) = one(pipedrive("activity", "create", later))
    assert (found["talk_seconds"], found["started_at"]) == (3605, "2026-03-01T11:00:00Z")


def test_organizations_users_and_the_rest() -> None:
    adapted = adapter("pipedrive", '[organization.fields]\ne5 = "key_account"').adapt(
        [
            pipedrive("organization", "change", {"name": "Works", "custom_fields": {"e5": {"value": "yes"}}}),
            pipedrive("user", "change", {"name": "Ada Example", "email": "x@example.org"}),
            pipedrive("lead", "create", {"title": "x"}),
            pipedrive("organization", "delete", None, {}),
        ]
    )
    assert said(adapted) == [
        ("account.upserted", NOON, {"account_id": "31", "name": "Works", "key_account": True}),
        ("rep.upserted", NOON, {"rep_id": "31", "name": "Ada Example"}),
    ]
    assert adapted.passed_over == {"lead.create": 1, "organization.delete": 1}


def test_a_webhook_that_is_tried_again_is_the_same_event() -> None:
    webhooks = adapter("pipedrive")
    first = pipedrive("deal", "change", PIPEDRIVE_DEAL)
    again = pipedrive("deal", "change", PIPEDRIVE_DEAL, attempt=3, webhook_id="801", correlation_id="x")
    other = pipedrive("deal", "change", PIPEDRIVE_DEAL, id="another")
    assert webhooks.adapt(first).events == webhooks.adapt(again).events
    assert decoded(webhooks.adapt(first))[0]["id"] != decoded(webhooks.adapt(other))[0]["id"]
    # without an id of its own an event is known by what it says
    anonymous = [
        {**pipedrive("deal", "change", deal, id=None)} for deal in (PIPEDRIVE_DEAL, {**PIPEDRIVE_DEAL, "value": 1})
    ]
    ids = [decoded(webhooks.adapt(item))[0]["id"] for item in anonymous]
    assert ids[0] != ids[1]


def test_the_latest_webhook_says_it_all_in_any_order() -> None:
    webhooks = adapter("pipedrive", STAGES)
    early = webhooks.adapt(pipedrive("deal", "change", {**PIPEDRIVE_DEAL, "value": 1, "person_id": None})).events
    late = webhooks.adapt(pipedrive("deal", "change", PIPEDRIVE_DEAL, timestamp="2026-03-01T12:00:00.001Z")).events
    for order in (early + late, late + early):
        found = batch.documents(decode(event, None) for event in order)["opportunity:31"].values()
        assert (found["amount"], found["lead_id"]) == (12505000, "77")


def test_what_is_wrong_with_a_webhook_is_named() -> None:
    adapted = adapter("pipedrive", "company = 7001").adapt(
        [
            pipedrive("deal", "change", PIPEDRIVE_DEAL, company_id="7002"),
            {"data": {}},
            pipedrive("deal", "change", None),
            pipedrive("deal", "change", PIPEDRIVE_DEAL, entity_id=None),
            pipedrive("deal", "change", {**PIPEDRIVE_DEAL, "value": Decimal("0.00001")}),
            pipedrive("deal", "change", {**PIPEDRIVE_DEAL, "expected_close_date": "2026-02-30"}),
            pipedrive("activity", "change", {"type": "call"}),
            pipedrive("activity", "change", {"type": "call", "done": True, "duration": "soon"}),
        ]
    )
    assert refusals(adapted) == [
        ("wrong-account", "meta.company_id: is not 7001, the company of this source"),
        ("missing-member", "meta: is missing"),
        ("missing-member", "data: is missing"),
        ("missing-member", "entity_id: is missing"),
        ("invalid-member", "value: 0.00001 has more than 4 decimals (data.amount)"),
        ("invalid-member", "expected_close_date: 2026-02-30 is no date YYYY-MM-DD from 1970 to 2148 (data.due_date)"),
        ("invalid-member", "data.done: must be true or false"),
        ("invalid-member", "data.duration: a string is no decimal number"),
    ]
    assert json.loads(adapted.refusals[2].raw)["data"] is None


# -- exports

DEAL = {
    "Deal - ID": "31",
    "Deal - Title": "Ten licences",
    "Deal - Value": "1250.5",
    "Deal - Currency of Value": "EUR",
    "Deal - Stage": "Signed",
    "Deal - Status": "Won",
    "Deal - Probability": "",
    "Deal - Owner": "Ada Example",
    "Deal - Deal created": "2026-02-20 08:00:00",
    "Deal - Update time": "2026-03-01 12:00:00",
    "Deal - Won time": "2026-03-01 11:00:00",
    "Deal - Lost time": "",
    "Deal - Expected close date": "2026-04-15",
    "Deal - Campaign": "spring",
    "Person - ID": "77",
    "Person - Name": "Bo",
    "Organization - ID": "12",
}


def test_a_deal_of_an_export() -> None:
    text = STAGES + '[users]\n91 = "Ada Example"\n[export]\ncolumns = { "Deal - Campaign" = "b2e1" }'
    assert said(rows("pipedrive-csv", text, [DEAL])) == [
        (
            "opportunity.updated",
            NOON,
            {
                "opportunity_id": "31",
                "subject": "Ten licences",
                "amount": "1250.5",
                "currency": "EUR",
                "stage": "Signed",
                "probability": None,
                "due_date": "2026-04-15",
                "lead_id": "77",
                "account_id": "12",
                "owner_id": "91",
                "created_at": "2026-02-20T08:00:00Z",
                "campaign_id": "spring",
                "contact_id": "77",
                "status": "won",
                "closed_at": "2026-03-01T11:00:00Z",
            },
        )
    ]


def test_persons_calls_and_organizations_of_exports() -> None:
    person = {"Person - ID": "77", "Person - Name": "Ada", "Person - Email - Work": "a@e.org, b@e.org",
              "Person - Update time": "2026-03-01 12:00:00", "Person - Organization ID": "12"}  # fmt: skip
    call = {"Activity - ID": "5", "Activity - Type": "Call", "Activity - Done": "Done", "Activity - Duration": "00:10",
            "Activity - Due date": "2026-03-01", "Activity - Due time": "11:30",
            "Activity - Update time": "2026-03-01 12:00:00", "Deal - ID": "31", "Person - ID": "77",
            "Activity - Assigned to user": "Ada Example"}  # fmt: skip
    works = {
        "Organization - ID": "12",
        "Organization - Name": "Works",
        "Organization - Update time": "2026-03-01 12:00",
    }
    assert said(rows("pipedrive-csv", "", [person])) == [
        ("lead.updated", NOON, {"lead_id": "77", "name": "Ada", "account_id": "12", "email": "a@e.org"})
    ]
    assert said(rows("pipedrive-csv", "", [call])) == [
        (
            "call.logged",
            NOON,
            {
                "call_id": "5",
                "status": "answered",
                "rep_id": "Ada Example",
                "lead_id": "77",
                "opportunity_id": "31",
                "talk_seconds": 600,
                "started_at": "2026-03-01T11:30:00Z",
            },
        )
    ]
    assert said(rows("pipedrive-csv", "", [works])) == [
        ("account.upserted", NOON, {"account_id": "12", "name": "Works"})
    ]
    planned = rows("pipedrive-csv", "", [{**call, "Activity - Done": "To do"}])
    assert (planned.events, dict(planned.passed_over)) == ([], {"activity": 1})


def test_an_export_overlaps_with_webhooks_without_harm() -> None:
    webhooks = adapter("pipedrive", STAGES)
    before = webhooks.adapt(
        pipedrive("deal", "change", {**PIPEDRIVE_DEAL, "value": 1}, timestamp="2026-03-01T11:59:59Z")
    )
    after = webhooks.adapt(
        pipedrive("deal", "change", {**PIPEDRIVE_DEAL, "value": 2}, timestamp="2026-03-01T12:00:01Z")
    )
    row = rows("pipedrive-csv", STAGES, [DEAL]).events
    for order, amount in (
        (before.events + row, 12505000),
        (row + before.events, 12505000),
        (after.events + row, 20000),
    ):
        assert batch.documents(decode(each, None) for each in order)["opportunity:31"].values()["amount"] == amount


def test_an_export_without_the_columns_that_it_needs() -> None:
    with pytest.raises(UnusableTable, match="no column of an id"):
        rows("pipedrive-csv", "", [{"Deal - Title": "x", "Deal - Update time": NOON}])
    with pytest.raises(UnusableTable, match="Deal - Update time"):
        rows("pipedrive-csv", "", [{"Deal - ID": "1"}])
    bad = rows("pipedrive-csv", "", [{**DEAL, "Deal - Won time": "now"}, {**DEAL, "Deal - ID": ""}])
    assert refusals(bad) == [
        ("invalid-date", "won_time: a string is no instant in a form that is known"),
        ("invalid-member", "ID: is empty"),
    ]


def test_users_of_the_source_file_are_reps() -> None:
    found = reference_of(source("pipedrive", '[users]\n91 = { name = "Ada Example", team = "North" }'))
    assert said(found)[0][2] == {"rep_id": "91", "name": "Ada Example", "team": "North"}
