"""Salesforce's change events and exports, and the events worked out from them by hand."""

import json
from decimal import Decimal
from typing import Any

import pytest

from schemas import decode
from schemas.adapters import UnusableTable, reference_of
from schemas.adapters.adapted import Context
from stream import batch
from stream.rules import Rules
from tests.schemas.adapters.samples import (
    NOON,
    NOON_MS,
    adapter,
    decoded,
    read,
    refusals,
    rows,
    said,
    salesforce,
    source,
)

LEAD, OPPORTUNITY, TASK = "00Q5f000005bwLFEAY", "0065f00000UloqVAAR", "00T5f00000AbCdEFGH"
SECOND = {"sequenceNumber": 2}


def one(*items: Any, text: str = "") -> list[tuple[str, str, dict[str, Any]]]:
    return said(adapter("salesforce", text).adapt(list(items)))


def named(*fields: str, nulled: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"changedFields": [*fields, "LastModifiedDate"], "nulledFields": list(nulled)}


def folded(events: list[bytes], entity: str) -> dict[str, Any]:
    return batch.documents(decode(event, None) for event in events)[entity].values()


def test_a_lead_as_pub_sub_gives_it() -> None:
    """Every field is there; in a creation null is no value."""
    created = salesforce(
        "Lead",
        LEAD,
        "CREATE",
        Name={"Salutation": None, "FirstName": "Ada", "LastName": "Example"},
        Company="Works",
        Email="ada@example.org",
        Status="Open",
        LeadSource="Web",
        OwnerId="0055f000005mc66AAA",
        CreatedDate=NOON_MS,
        IsConverted=False,
        ConvertedOpportunityId=None,
        ConvertedAccountId=None,
        AnnualRevenue=None,
    )
    assert one(created, text='[lead.values.LeadSource]\nWeb = "organic"') == [
        (
            "lead.created",
            NOON,
            {
                "lead_id": LEAD,
                "name": "Ada Example",
                "company": "Works",
                "email": "ada@example.org",
                "stage": "Open",
                "channel": "organic",
                "owner_id": "0055f000005mc66AAA",
                "created_at": NOON,
                "account_id": None,
            },
        )
    ]


def test_an_update_says_only_what_changed() -> None:
    """Nulls of a whole record are no changes, unless a list of the header names the field."""
    update = salesforce(
        "Opportunity",
        OPPORTUNITY,
        "UPDATE",
        named("Amount", nulled=("CampaignId",)),
        Name=None,
        Amount=Decimal("12500.5"),
        StageName=None,
        IsClosed=None,
        IsWon=None,
        CampaignId=None,
        CloseDate=None,
    )
    expected = {"opportunity_id": OPPORTUNITY, "amount": "12500.5", "campaign_id": None}
    assert one(update) == [("opportunity.updated", NOON, expected)]
    # sparse forms leave out what was nulled
    assert one({key: value for key, value in update.items() if value is not None}) == [
        ("opportunity.updated", NOON, expected)
    ]


def test_connect_and_streaming_forms_are_the_same_events() -> None:
    flat = salesforce(
        "Lead", LEAD, "CREATE", Name=None, FirstName="Ada", LastName="Example", Status="Open", Id=LEAD, ReplayId="13"
    )
    del flat["ChangeEventHeader"]["nulledFields"]
    pub_sub = salesforce("Lead", LEAD, "CREATE", Name={"FirstName": "Ada", "LastName": "Example"}, Status="Open")
    changes = adapter("salesforce")
    forms = [
        flat,
        {"schema": {"type": "struct"}, "payload": flat},
        {"schema": "t9m-x", "payload": pub_sub, "event": {"replayId": 13}},
        {
            "channel": "/data/LeadChangeEvent",
            "data": {"schema": "t9m-x", "payload": pub_sub, "event": {"replayId": 13}},
        },
    ]
    assert {tuple(changes.adapt(form).events) for form in forms} == {tuple(changes.adapt(pub_sub).events)}
    assert read(changes.adapt(json.dumps(forms[1]).encode()))[0]["data"]["name"] == "Ada Example"


def test_a_changed_field_that_is_null_is_cleared_where_there_is_no_list_of_nulled_ones() -> None:
    update = salesforce("Lead", LEAD, "UPDATE", named("OwnerId"), OwnerId=None, Status=None)
    del update["ChangeEventHeader"]["nulledFields"]
    assert one(update) == [("lead.updated", NOON, {"lead_id": LEAD, "owner_id": None})]


def test_half_a_name_is_no_name() -> None:
    half = salesforce("Lead", LEAD, "UPDATE", named("Name.LastName"), Name={"LastName": "Other"}, Status="Open")
    assert one(half) == [("lead.updated", NOON, {"lead_id": LEAD, "stage": "Open"})]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"IsClosed": True, "IsWon": True, "StageName": "Closed Won"}, "won"),
        ({"IsClosed": True, "StageName": "Closed Lost"}, "lost"),
        ({"IsClosed": True, "IsWon": False}, "lost"),
        ({"IsWon": False}, "lost"),  # was won, so it is closed, and stays so
        ({"IsWon": True}, "won"),  # was lost
        ({"IsClosed": False, "IsWon": False}, "open"),
        ({"IsClosed": False}, "open"),
        ({"StageName": "Proposal"}, None),
        ({"StageName": "Closed Won"}, "won"),  # where IsWon is not captured
        ({"Amount": 5}, None),
    ],
)
def test_how_an_opportunity_stands(fields: dict[str, Any], status: str | None) -> None:
    ((_, _, data),) = one(salesforce("Opportunity", OPPORTUNITY, "UPDATE", named(*fields), **fields))
    assert data.get("status") == status


def test_a_stage_table_goes_before_is_won() -> None:
    text = '[opportunity.stages]\n"Signed" = { status = "won" }\n"Verbal" = { name = "Verbal yes", probability = 0.9 }'
    signed = salesforce("Opportunity", OPPORTUNITY, "UPDATE", named("StageName"), StageName="Signed", IsClosed=False)
    verbal = salesforce("Opportunity", OPPORTUNITY, "UPDATE", named("StageName"), StageName="Verbal")
    assert [(data["stage"], data["status"]) for _, _, data in one(signed, verbal, text=text)] == [
        ("Signed", "won"),
        ("Verbal yes", "open"),
    ]


def test_a_close_date_that_came_with_the_creation_holds_for_the_close() -> None:
    """A new opportunity is not said to be open: its close date would be that of a close before."""
    created = salesforce(
        "Opportunity", OPPORTUNITY, "CREATE", CloseDate=1774224000000, IsClosed=False, IsWon=False, Amount=Decimal(100),
        CreatedDate="2026-03-01T12:00:00.000Z", Probability=Decimal(40), StageName="Proposal", Name="Ten licences",
    )  # fmt: skip
    won = salesforce(
        "Opportunity", OPPORTUNITY, "UPDATE", {**named("IsWon", "IsClosed"), "commitTimestamp": NOON_MS + 1000},
        IsWon=True, IsClosed=True,
    )  # fmt: skip
    adapted = adapter("salesforce", 'time_zone = "Europe/Stockholm"\ncurrency = "EUR"').adapt([created, won])
    assert said(adapted)[0][2] == {
        "opportunity_id": OPPORTUNITY,
        "due_date": "2026-03-23",
        "closed_at": "2026-03-23T22:59:59Z",
        "amount": "100",
        "created_at": NOON,
        "probability": "0.4000",
        "stage": "Proposal",
        "subject": "Ten licences",
        "currency": "EUR",
    }
    tables = batch.tables((decode(event, None) for event in adapted.events), Rules())
    assert {key[1] for key in tables["roll_opportunities"] if key[0] == "closed"} == {"2026-03-23"}


def test_the_conversion_of_a_lead_links_its_opportunity() -> None:
    """One transaction: account, contact, opportunity, and the update of the lead, a second later."""
    transaction = {"transactionKey": "00006948-0ac9-7da3-edb3-ea0e31b2334a", "commitNumber": 1100638524517}
    items = [
        salesforce("Account", "0015f00002JUX1JAAX", "CREATE", {**transaction, "sequenceNumber": 1}, Name="Works"),
        salesforce("Contact", "0035f00002EztxDAAR", "CREATE", {**transaction, "sequenceNumber": 2}),
        salesforce(
            "Opportunity", OPPORTUNITY, "CREATE", {**transaction, "sequenceNumber": 3}, AccountId="0015f00002JUX1JAAX",
            Amount=None, StageName="Prospecting", IsClosed=False, IsWon=False,
        ),
        salesforce(
            "Lead",
            LEAD,
            "UPDATE",
            {**transaction, "sequenceNumber": 4, "commitTimestamp": NOON_MS + 1000, "changedFields": ["0x08F81000"]},
            Name=None,
            Status="Closed - Converted",
            IsConverted=True,
            ConvertedDate=1772323200000,
            ConvertedAccountId="0015f00002JUX1JAAX",
            ConvertedContactId="0035f00002EztxDAAR",
            ConvertedOpportunityId=OPPORTUNITY,
        ),
    ]  # fmt: skip
    adapted = adapter("salesforce").adapt(items)
    assert [(kind, data) for kind, _, data in said(adapted)] == [
        ("account.upserted", {"account_id": "0015f00002JUX1JAAX", "name": "Works"}),
        (
            "opportunity.created",
            {"opportunity_id": OPPORTUNITY, "account_id": "0015f00002JUX1JAAX", "amount": None, "stage": "Prospecting"},
        ),
        ("lead.updated", {"lead_id": LEAD, "stage": "Closed - Converted", "account_id": "0015f00002JUX1JAAX"}),
        ("opportunity.updated", {"opportunity_id": OPPORTUNITY, "lead_id": LEAD}),
    ]
    assert adapted.passed_over == {"Contact": 1}
    assert folded(adapted.events[::-1], f"opportunity:{OPPORTUNITY}")["lead_id"] == LEAD


def test_one_change_of_several_records_is_an_event_each() -> None:
    many = salesforce("Opportunity", ["0061", "0062", "0063"], "UPDATE", named("StageName"), StageName="Proposal")
    events = read(adapter("salesforce").adapt(many))
    assert [event["data"]["opportunity_id"] for event in events] == ["0061", "0062", "0063"]
    assert len({event["id"] for event in events}) == 3


def test_deleted_and_undeleted() -> None:
    back = salesforce("Lead", LEAD, "UNDELETE", Status="Open", Name={"FirstName": "Ada", "LastName": "Example"})
    assert one(
        salesforce("Lead", LEAD, "DELETE"),
        back,
        salesforce("Opportunity", OPPORTUNITY, "DELETE"),
        salesforce("Task", TASK, "DELETE"),
        salesforce("Lead", "00Q2", "DELETE", MasterRecordId=LEAD),
    ) == [
        ("lead.deleted", NOON, {"lead_id": LEAD}),
        ("lead.restored", NOON, {"lead_id": LEAD}),
        ("lead.created", NOON, {"lead_id": LEAD, "stage": "Open", "name": "Ada Example"}),
        ("opportunity.deleted", NOON, {"opportunity_id": OPPORTUNITY}),
        ("call.deleted", NOON, {"call_id": TASK}),
        ("lead.merged", NOON, {"lead_id": LEAD, "merged_ids": ["00Q2"]}),
    ]


def gap(entity: str, record: str, change: str) -> tuple[str, str, dict[str, Any]]:
    about = {"system": "salesforce/test", "entity": entity, "record": record, "open": True, "change": change}
    return ("gap.posted", NOON, about)


def test_gaps_say_which_records_to_fetch() -> None:
    adapted = adapter("salesforce").adapt(
        [
            salesforce("Opportunity", ["0061", "0062"], "GAP_UPDATE"),
            salesforce("Lead", LEAD, "GAP_CREATE"),
            salesforce("Lead", LEAD, "GAP_UNDELETE", SECOND),
            salesforce("Lead", "00Q9", "GAP_DELETE"),
            salesforce("Opportunity", "000000000000000AAA", "GAP_OVERFLOW"),
            salesforce("Opportunity", "006*", "UPDATE", named("Size__c")),
            salesforce("Contact", "0031", "GAP_UPDATE"),
        ]
    )
    assert said(adapted) == [
        gap("Opportunity", "0061", "GAP_UPDATE"),
        gap("Opportunity", "0062", "GAP_UPDATE"),
        gap("Lead", LEAD, "GAP_CREATE"),
        gap("Lead", LEAD, "GAP_UNDELETE"),
        ("lead.deleted", NOON, {"lead_id": "00Q9"}),
        gap("Opportunity", "*", "GAP_OVERFLOW"),
        gap("Opportunity", "*", "UPDATE"),
    ]
    assert len(adapted.findings) == 6


def test_what_was_nulled_by_bitmap_or_sent_as_a_difference_is_to_be_fetched() -> None:
    bitmap = salesforce("Lead", LEAD, "UPDATE", {"nulledFields": ["0x40"], "changedFields": ["0x42"]}, Status="Open")
    assert one(bitmap) == [gap("Lead", LEAD, "UPDATE"), ("lead.updated", NOON, {"lead_id": LEAD, "stage": "Open"})]
    difference = salesforce(
        "Lead",
        LEAD,
        "UPDATE",
        {**named("Detail__c"), "diffFields": ["Detail__c"]},
        Detail__c="@@ -1 +1 @@",
        Status="Open",
    )
    text = '[lead.fields]\nDetail__c = "utm.content"'
    assert one(difference, text=text) == [
        gap("Lead", LEAD, "UPDATE"),
        ("lead.updated", NOON, {"lead_id": LEAD, "stage": "Open"}),
    ]
    assert one(difference) == [("lead.updated", NOON, {"lead_id": LEAD, "stage": "Open"})]  # nobody reads that field


def test_tasks_are_calls_when_they_say_so() -> None:
    call = salesforce(
        "Task", TASK, "CREATE", TaskSubtype="Call", CallType="Outbound", CallDurationInSeconds=312, WhoId=LEAD,
        WhatId=OPPORTUNITY, OwnerId="0051", CreatedDate=NOON_MS, CallDisposition="Left Voicemail", Subject="Call",
    )  # fmt: skip
    contact = salesforce(
        "Task", TASK, "UPDATE", named("WhoId", "CallDurationInSeconds"), WhoId="0031", CallDurationInSeconds=0
    )
    mail = salesforce("Task", "00T2", "CREATE", TaskSubtype="Email", WhoId=LEAD)
    adapted = adapter("salesforce").adapt([call, contact, mail])
    assert said(adapted) == [
        (
            "call.logged",
            NOON,
            {
                "call_id": TASK,
                "direction": "outbound",
                "talk_seconds": 312,
                "lead_id": LEAD,
                "opportunity_id": OPPORTUNITY,
                "rep_id": "0051",
                "started_at": NOON,
                "status": "voicemail",
            },
        ),
        # a contact is no lead; without an outcome the talk says whether somebody answered
        ("call.logged", NOON, {"call_id": TASK, "talk_seconds": 0, "lead_id": None, "status": "missed"}),
    ]
    assert adapted.passed_over == {"Task": 1}
    assert len(one(mail, text="[task]\nevery_task = true")) == 1


def test_campaigns_users_and_members() -> None:
    assert one(
        salesforce("Campaign", "7011", "CREATE", Name="Spring", BudgetedCost=Decimal(5000), CurrencyIsoCode=None),
        salesforce("CampaignMember", "00v1", "CREATE", LeadId=LEAD, CampaignId="7011", ContactId=None),
        salesforce("CampaignMember", "00v1", "UPDATE", named("Status"), Status="Responded"),
        salesforce(
            "User", "0051", "UPDATE", named("Name"), Name={"FirstName": "Ada", "LastName": "Example"}, Team__c="N"
        ),
        text='currency = "EUR"\n[user.fields]\nTeam__c = "team"',
    ) == [
        ("campaign.upserted", NOON, {"campaign_id": "7011", "name": "Spring", "budget": "5000", "currency": "EUR"}),
        ("touch.recorded", NOON, {"touch_id": "00v1", "lead_id": LEAD, "campaign_id": "7011", "at": NOON}),
        ("rep.upserted", NOON, {"rep_id": "0051", "name": "Ada Example", "team": "N"}),
    ]


def test_transactions_of_one_second_are_in_the_order_of_their_commits() -> None:
    """commitTimestamp has seconds: which came last, commitNumber and sequenceNumber say."""

    def stage(name: str, commit: int, sequence: int) -> dict[str, Any]:
        header = {**named("StageName"), "commitNumber": commit, "sequenceNumber": sequence, "transactionKey": name}
        return salesforce("Opportunity", OPPORTUNITY, "UPDATE", header, StageName=name)

    events = adapter("salesforce").adapt([stage("third", 8, 1), stage("second", 7, 2), stage("first", 7, 1)]).events
    for order in (events, events[::-1]):
        history = batch.documents(decode(event, None) for event in order)[f"opportunity:{OPPORTUNITY}"].history("stage")
        assert [value for _, value in history] == ["first", "second", "third"]


def test_a_change_of_several_records_is_taken_whole_or_not_at_all() -> None:
    """What was refused is sent again whole, once it is put right."""
    many = salesforce("Opportunity", ["0061", "x" * 300], "UPDATE", named("StageName"), StageName="Proposal")
    adapted = adapter("salesforce").adapt([many, salesforce("Lead", LEAD, "DELETE")])
    assert [event["type"] for event in decoded(adapted)] == ["crm.lead.deleted"]
    assert refusals(adapted) == [
        ("invalid-member", "recordIds: must have 1 to 256 characters, has 300 (data.opportunity_id)")
    ]


def test_a_tombstone_is_no_change() -> None:
    adapted = adapter("salesforce").adapt(None)
    assert (adapted.events, adapted.refusals, dict(adapted.passed_over)) == ([], [], {"tombstone": 1})


def test_a_change_that_is_delivered_again_is_the_same_event() -> None:
    update = salesforce("Lead", LEAD, "UPDATE", named("Status"), Status="Open")
    again = {"payload": {**update, "ReplayId": "77", "_EventType": "x"}}
    changes = adapter("salesforce")
    assert changes.adapt(update).events == changes.adapt(again).events
    other = salesforce("Lead", LEAD, "UPDATE", {**named("Status"), **SECOND}, Status="Open")
    assert decoded(changes.adapt(update))[0]["id"] != decoded(changes.adapt(other))[0]["id"]


def test_what_is_wrong_with_a_change_event_is_named() -> None:
    bad_amount = salesforce("Opportunity", OPPORTUNITY, "UPDATE", named("Amount"), Amount="1.23456")
    adapted = adapter("salesforce").adapt(
        [
            {"Status": "Open"},
            salesforce("Lead", LEAD, "REWRITE"),
            salesforce("Lead", [], "UPDATE"),
            salesforce("Lead", LEAD, "UPDATE", {"commitTimestamp": None}),
            salesforce("Opportunity", OPPORTUNITY, "UPDATE", named("CloseDate"), CloseDate="soon"),
            bad_amount,
        ]
    )
    assert refusals(adapted) == [
        ("missing-member", "ChangeEventHeader: is missing"),
        ("invalid-member", "changeType: is none of CREATE, UPDATE, DELETE, UNDELETE, GAP_.."),
        ("invalid-member", "recordIds: must be an array with an id in it"),
        ("missing-member", "commitTimestamp: is missing"),
        ("invalid-date", "CloseDate: a string is no instant in a form that is known"),
        ("invalid-member", "Amount: 1.23456 has more than 4 decimals (data.amount)"),
    ]
    assert json.loads(adapted.refusals[-1].raw) == bad_amount


# -- exports

ROW = {
    "ID": OPPORTUNITY,
    "NAME": "Ten licences",
    "AMOUNT": "1250.5",
    "STAGENAME": "Closed Won",
    "PROBABILITY": "100",
    "CLOSEDATE": "2026-03-05",
    "ISCLOSED": "true",
    "ISWON": "true",
    "ACCOUNTID": "",
    "SYSTEMMODSTAMP": "2026-03-01T12:00:00.000Z",
}


def test_an_opportunity_of_an_export() -> None:
    assert said(rows("salesforce-csv", 'currency = "EUR"', [ROW])) == [
        (
            "opportunity.updated",
            NOON,
            {
                "opportunity_id": OPPORTUNITY,
                "subject": "Ten licences",
                "amount": "1250.5",
                "stage": "Closed Won",
                "probability": "1.0000",
                "due_date": "2026-03-05",
                "closed_at": "2026-03-05T23:59:59Z",
                "status": "won",
                "account_id": None,
                "currency": "EUR",
            },
        )
    ]


def test_leads_of_an_export_with_conversion_merge_and_deletion() -> None:
    lead = {
        "Id": LEAD, "FirstName": "Ada", "LastName": "Example", "Status": "Converted", "IsDeleted": "false",
        "ConvertedOpportunityId": OPPORTUNITY, "MasterRecordId": "", "LastModifiedDate": "2026-03-01 12:00:00",
        "CreatedDate": "2026-02-01 12:00:00",
    }  # fmt: skip
    merged = {**lead, "Id": "00Q2", "IsDeleted": "1", "MasterRecordId": LEAD}
    deleted = {**lead, "Id": "00Q3", "IsDeleted": "true"}
    adapted = rows("salesforce-csv", "", [lead, merged, deleted, {**lead, "Id": "0031"}])
    assert said(adapted) == [
        (
            "lead.updated",
            NOON,
            {"lead_id": LEAD, "stage": "Converted", "created_at": "2026-02-01T12:00:00Z", "name": "Ada Example"},
        ),
        ("opportunity.updated", NOON, {"opportunity_id": OPPORTUNITY, "lead_id": LEAD}),
        ("lead.merged", NOON, {"lead_id": LEAD, "merged_ids": ["00Q2"]}),
        ("lead.deleted", NOON, {"lead_id": "00Q3"}),
    ]
    assert adapted.passed_over == {"other-object": 1}


def test_short_ids_of_reports_are_the_records_that_change_events_name() -> None:
    row = {"Id": OPPORTUNITY[:15], "AccountId": "0015f00002JUX1J", "OwnerId": "", "SystemModstamp": NOON}
    ((_, _, data),) = said(rows("salesforce-csv", "", [row]))
    assert data == {"opportunity_id": OPPORTUNITY, "account_id": "0015f00002JUX1JAAX", "owner_id": None}


def test_fetching_a_record_closes_its_gap() -> None:
    """Even one of the same second; a gap that opens later stays open."""
    gaps = adapter("salesforce")
    opened = gaps.adapt(salesforce("Opportunity", OPPORTUNITY, "GAP_UPDATE")).events
    later = gaps.adapt(salesforce("Opportunity", OPPORTUNITY, "GAP_UPDATE", {"commitTimestamp": NOON_MS + 1000})).events
    fetched = rows("salesforce-csv", "", [ROW], close_gaps=True).events
    entity = f"gap:salesforce%2Ftest/Opportunity/{OPPORTUNITY}"
    assert folded(opened + fetched, entity)["open"] is False
    assert folded(fetched + opened, entity)["open"] is False
    assert folded(fetched + later + opened, entity)["open"] is True
    assert rows("salesforce-csv", "", [ROW]).findings == []


def test_an_export_overlaps_with_change_events_without_harm() -> None:
    changes = adapter("salesforce")

    def amount(value: int, at_ms: int) -> list[bytes]:
        header = {**named("Amount"), "commitTimestamp": at_ms}
        return changes.adapt(salesforce("Opportunity", OPPORTUNITY, "UPDATE", header, Amount=value)).events

    row = rows("salesforce-csv", "", [ROW]).events
    before, same, after = amount(1, NOON_MS - 1000), amount(2, NOON_MS), amount(3, NOON_MS + 1000)
    entity = f"opportunity:{OPPORTUNITY}"
    for order in (before + row, row + before, row + before + row):
        assert folded(order, entity)["amount"] == 12505000
    for order in (row + same, same + row):
        assert folded(order, entity)["amount"] == 20000
    for order in (after + row + same, same + after + row):
        assert folded(order, entity)["amount"] == 30000


def test_a_row_reopens_what_was_won() -> None:
    won = adapter("salesforce").adapt(
        salesforce("Opportunity", OPPORTUNITY, "UPDATE", {"commitTimestamp": NOON_MS - 1000}, IsWon=True, IsClosed=True)
    )
    row = {**ROW, "STAGENAME": "Proposal", "ISCLOSED": "false", "ISWON": "false"}
    assert folded(won.events + rows("salesforce-csv", "", [row]).events, f"opportunity:{OPPORTUNITY}")["status"] == [
        "open"
    ]


def test_an_export_without_the_columns_that_it_needs() -> None:
    with pytest.raises(UnusableTable, match="no column Id"):
        rows("salesforce-csv", "", [{"Name": "x", "SystemModstamp": NOON}])
    with pytest.raises(UnusableTable, match="--as-of"):
        rows("salesforce-csv", "", [{"Id": LEAD, "Status": "Open"}])
    found = rows("salesforce-csv", "", [{"Id": LEAD, "Status": "Open"}], Context(as_of=NOON))
    assert said(found) == [("lead.updated", NOON, {"lead_id": LEAD, "stage": "Open"})]
    bad = rows("salesforce-csv", "", [{**ROW, "CLOSEDATE": "5 maj"}, {**ROW, "SYSTEMMODSTAMP": ""}])
    assert [reason for reason, _ in refusals(bad)] == ["invalid-date", "missing-member"]


def test_users_of_the_source_file_are_reps() -> None:
    found = reference_of(source("salesforce", '[users]\n"0051" = "Ada Example"'))
    assert said(found) == [("rep.upserted", "1970-01-01T00:00:00Z", {"rep_id": "0051", "name": "Ada Example"})]
