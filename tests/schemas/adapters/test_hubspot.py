"""HubSpot's notifications and exports, and the events worked out from them by hand."""

import json
from decimal import Decimal
from typing import Any

import pytest

from schemas import decode
from schemas.adapters import UnusableTable, kind_of, reference_of
from schemas.adapters.adapted import Context
from stream import batch
from tests.schemas.adapters.samples import (
    NOON,
    NOON_MS,
    adapter,
    changed,
    decoded,
    hubspot,
    read,
    refusals,
    rows,
    said,
    source,
)


def one(*items: Any, text: str = "") -> list[tuple[str, str, dict[str, Any]]]:
    return said(adapter("hubspot", text).adapt(list(items)))


def final(events: list[bytes], entity: str) -> dict[str, Any]:
    """The fields of an entity when all events are folded."""
    return batch.documents(decode(event, None) for event in events)[entity].values()


# -- notifications


def test_a_contact_from_creation_to_deletion() -> None:
    assert one(
        hubspot("contact.creation"),
        changed("contact", "lifecyclestage", "marketingqualifiedlead"),
        changed("contact", "hubspot_owner_id", "901"),
        changed("contact", "utm_campaign", "spring"),
        changed("contact", "hs_analytics_source", "PAID_SEARCH"),
        changed("contact", "hs_google_click_id", "g-1"),
        hubspot("contact.deletion"),
        hubspot("contact.restore"),
        hubspot("contact.privacyDeletion"),
    ) == [
        ("lead.created", NOON, {"lead_id": "512", "created_at": NOON}),
        ("lead.updated", NOON, {"lead_id": "512", "stage": "Marketing Qualified Lead"}),
        ("lead.updated", NOON, {"lead_id": "512", "owner_id": "901"}),
        ("lead.updated", NOON, {"lead_id": "512", "utm": {"campaign": "spring"}}),
        ("lead.updated", NOON, {"lead_id": "512", "channel": "cpc"}),
        ("lead.updated", NOON, {"lead_id": "512", "click_id": {"gclid": "g-1"}}),
        ("lead.deleted", NOON, {"lead_id": "512"}),
        ("lead.restored", NOON, {"lead_id": "512"}),
        ("lead.erased", NOON, {"lead_id": "512"}),
    ]


@pytest.mark.parametrize("empty", ["", None, "  "])
def test_an_emptied_property_clears_its_member(empty: str | None) -> None:
    assert one(changed("contact", "hubspot_owner_id", empty)) == [
        ("lead.updated", NOON, {"lead_id": "512", "owner_id": None})
    ]
    assert one(changed("deal", "closedate", empty)) == [
        ("opportunity.updated", NOON, {"opportunity_id": "512", "due_date": None, "closed_at": None})
    ]
    assert one(changed("deal", "dealstage", empty)) == [
        ("opportunity.updated", NOON, {"opportunity_id": "512", "stage": None})
    ]


def test_a_deal_is_won_lost_and_open_again_as_its_stages_say() -> None:
    stages = """
        [deal.stages]
        "98765" = { name = "Signed", probability = 1 }
        "98766" = { name = "Dropped", probability = 0.0 }
        "98767" = { name = "Pilot", probability = 0.6 }
        "98768" = "Parked"
    """
    assert [
        (data["stage"], data.get("status"))
        for _, _, data in one(
            changed("deal", "dealstage", "98767"),
            changed("deal", "dealstage", "98765"),
            changed("deal", "dealstage", "98766"),
            changed("deal", "dealstage", "98768"),
            changed("deal", "dealstage", "closedwon"),
            changed("deal", "dealstage", "closedlost"),
            changed("deal", "dealstage", "contractsent"),
            text=stages,
        )
    ] == [
        ("Pilot", "open"),
        ("Signed", "won"),
        ("Dropped", "lost"),
        ("Parked", None),
        ("Closed Won", "won"),
        ("Closed Lost", "lost"),
        ("Contract Sent", "open"),
    ]


def test_a_stage_that_nobody_named_stays_as_it_is_and_is_counted() -> None:
    adapted = adapter("hubspot").adapt(
        [changed("deal", "dealstage", "4711"), changed("deal", "hs_is_closed_won", "true")]
    )
    assert [data for _, _, data in said(adapted)] == [
        {"opportunity_id": "512", "stage": "4711"},
        {"opportunity_id": "512", "status": "won"},
    ]
    assert adapted.unmapped == {("deal.stages", "4711"): 1}
    assert one(changed("deal", "hs_is_closed_won", "false")) == []


def test_amounts_keep_every_digit_and_shares_are_rounded_to_four() -> None:
    adapted = adapter("hubspot").adapt(
        b'[{"eventId":1,"portalId":62515,"occurredAt":1772366400000,"subscriptionType":"deal.propertyChange",'
        b'"objectId":512,"propertyName":"amount","propertyValue":12345678901234.5678},'
        b'{"eventId":1,"portalId":62515,"occurredAt":1772366400000,"subscriptionType":"deal.propertyChange",'
        b'"objectId":512,"propertyName":"hs_deal_stage_probability",'
        b'"propertyValue":"0.200000000000000011102230246251565404236316680908203125"}]'
    )
    assert [data for _, _, data in said(adapted)] == [
        {"opportunity_id": "512", "amount": "12345678901234.5678"},
        {"opportunity_id": "512", "probability": "0.2000"},
    ]
    too_fine = adapter("hubspot").adapt([changed("deal", "amount", "10.00001")])
    assert refusals(too_fine) == [("invalid-member", "amount: 10.00001 has more than 4 decimals (data.amount)")]
    assert json.loads(too_fine.refusals[0].raw)["propertyValue"] == "10.00001"


def test_the_accounts_currency_goes_with_amounts_unless_deals_have_their_own() -> None:
    single = 'currency = "SEK"'
    assert [
        data.get("currency")
        for _, _, data in one(hubspot("deal.creation"), changed("deal", "amount", "5"), text=single)
    ] == ["SEK", "SEK"]
    several = 'currency = "SEK"\nseveral_currencies = true'
    found = one(
        hubspot("deal.creation"),
        changed("deal", "amount", "5"),
        changed("deal", "deal_currency_code", "nok"),
        text=several,
    )
    assert [data.get("currency") for _, _, data in found] == ["SEK", None, "NOK"]


def test_properties_set_with_the_creation_win_over_it() -> None:
    """All of one millisecond: the creation says the account's currency, the property the deal's own."""
    text = 'currency = "SEK"\nseveral_currencies = true'
    for deal in range(20):  # whatever the hashes are
        items = [changed("deal", "deal_currency_code", "NOK", objectId=deal), hubspot("deal.creation", object_id=deal)]
        events = adapter("hubspot", text).adapt(items).events
        assert final(events, f"opportunity:{deal}")["currency"] == "NOK"
        assert final(events[::-1], f"opportunity:{deal}")["currency"] == "NOK"


def test_a_close_date_is_the_day_in_the_accounts_zone_and_the_moment_of_the_close() -> None:
    late = changed("deal", "closedate", "1772319600000")  # 2026-02-28T23:00Z is March in Stockholm
    assert one(late, text='time_zone = "Europe/Stockholm"')[0][2] == {
        "opportunity_id": "512",
        "due_date": "2026-03-01",
        "closed_at": "2026-02-28T23:00:00Z",
    }
    assert one(late)[0][2]["due_date"] == "2026-02-28"
    # midnight in UTC is how HubSpot writes a date: the close is the end of that day
    assert one(changed("deal", "closedate", "1772323200000"), text='time_zone = "Europe/Stockholm"')[0][2] == {
        "opportunity_id": "512",
        "due_date": "2026-03-01",
        "closed_at": "2026-03-01T22:59:59Z",
    }
    # in New York that instant is in February: a date is a date all the same
    assert one(changed("deal", "closedate", "1772323200000"), text='time_zone = "America/New_York"')[0][2] == {
        "opportunity_id": "512",
        "due_date": "2026-03-01",
        "closed_at": "2026-03-02T04:59:59Z",
    }


def test_a_calls_duration_is_in_milliseconds() -> None:
    call = "0-48"
    assert one(
        hubspot("object.creation", objectTypeId=call),
        changed("object", "hs_call_duration", "45999", objectTypeId=call),
        changed("object", "hs_call_direction", "OUTBOUND", objectTypeId=call),
        changed("object", "hs_call_status", "NO_ANSWER", objectTypeId=call),
        changed("object", "hs_call_disposition", "b2cf5968-551e-4856-9783-52b3da59a7d0", objectTypeId=call),
        changed("object", "hs_timestamp", str(NOON_MS - 60_000), objectTypeId=call),
        changed("object", "hubspot_owner_id", "901", objectTypeId=call),
        hubspot("object.deletion", objectTypeId=call),
    ) == [
        ("call.logged", NOON, {"call_id": "512"}),
        ("call.logged", NOON, {"call_id": "512", "talk_seconds": 45}),
        ("call.logged", NOON, {"call_id": "512", "direction": "outbound"}),
        ("call.logged", NOON, {"call_id": "512", "status": "missed"}),
        ("call.logged", NOON, {"call_id": "512", "status": "voicemail"}),
        ("call.logged", NOON, {"call_id": "512", "started_at": "2026-03-01T11:59:00Z"}),
        ("call.logged", NOON, {"call_id": "512", "rep_id": "901"}),
        ("call.deleted", NOON, {"call_id": "512"}),
    ]


def test_a_calls_outcome_beats_its_status_of_the_same_moment() -> None:
    for call_id in range(20):  # whatever the hashes are
        items = [
            changed("call", "hs_call_disposition", "b2cf5968-551e-4856-9783-52b3da59a7d0", objectId=call_id),
            changed("call", "hs_call_status", "COMPLETED", objectId=call_id),
        ]
        events = adapter("hubspot").adapt(items).events
        assert final(events, f"call:{call_id}")["outcome"] == "voicemail"
        assert final(events[::-1], f"call:{call_id}")["outcome"] == "voicemail"


def test_an_outcome_of_ones_own_is_left_out_until_it_is_mapped() -> None:
    own = changed("call", "hs_call_disposition", "my-own")
    adapted = adapter("hubspot").adapt([own])
    assert (adapted.events, dict(adapted.unmapped)) == ([], {("hs_call_disposition", "my-own"): 1})
    text = 'call.values.hs_call_disposition = { "my-own" = "answered" }'
    assert one(own, text=text) == [("call.logged", NOON, {"call_id": "512", "status": "answered"})]
    # a call that still rings says nothing yet
    ringing = adapter("hubspot").adapt([changed("call", "hs_call_status", "RINGING")])
    assert (ringing.events, ringing.refusals, dict(ringing.unmapped)) == ([], [], {})


def test_merges_of_contacts() -> None:
    assert one(
        hubspot("contact.merge", primaryObjectId=1, mergedObjectIds=[2, 3], numberOfPropertiesMoved=7),
        hubspot("contact.merge", primaryObjectId=1, mergedObjectIds=[2], newObjectId=9),
        hubspot("contact.merge", primaryObjectId=1, mergedObjectIds=[1, 2], newObjectId=1),
    ) == [
        ("lead.merged", NOON, {"lead_id": "1", "merged_ids": ["2", "3"]}),
        ("lead.merged", NOON, {"lead_id": "9", "merged_ids": ["1", "2"]}),
        ("lead.merged", NOON, {"lead_id": "1", "merged_ids": ["2"]}),
    ]


def test_a_merge_of_deals_deletes_those_that_are_gone_and_asks_for_the_new_one() -> None:
    assert one(hubspot("deal.merge", primaryObjectId=1, mergedObjectIds=[2], newObjectId=9)) == [
        ("opportunity.deleted", NOON, {"opportunity_id": "1"}),
        ("opportunity.deleted", NOON, {"opportunity_id": "2"}),
        (
            "gap.posted",
            NOON,
            {"system": "hubspot/test", "entity": "deal", "record": "9", "open": True, "change": "merge"},
        ),
    ]


def association(kind: str, source_id: int, target_id: int, **members: Any) -> dict[str, Any]:
    return hubspot(
        f"{kind.partition('_')[0].lower()}.associationChange",
        associationType=kind,
        fromObjectId=source_id,
        toObjectId=target_id,
        **{"associationRemoved": False, "isPrimaryAssociation": True, **members},
    )


def test_associations_link_from_either_side() -> None:
    linked = ("opportunity.updated", NOON, {"opportunity_id": "9", "lead_id": "512", "contact_id": "512"})
    generic = hubspot(
        "object.associationChange",
        fromObjectTypeId="0-3",
        toObjectTypeId="0-1",
        fromObjectId=9,
        toObjectId=512,
        associationRemoved=False,
    )
    assert one(association("DEAL_TO_CONTACT", 9, 512)) == [linked]
    assert one(association("CONTACT_TO_DEAL", 512, 9)) == [linked]
    assert one(generic) == [linked]
    assert one(
        association("CONTACT_TO_COMPANY", 512, 7),
        association("CALL_TO_CONTACT", 3, 512),
        association("DEAL_TO_CALL", 9, 3),
    ) == [
        ("lead.updated", NOON, {"lead_id": "512", "account_id": "7"}),
        ("call.logged", NOON, {"call_id": "3", "lead_id": "512"}),
        ("call.logged", NOON, {"call_id": "3", "opportunity_id": "9"}),
    ]


def test_a_second_company_and_other_associations_mean_nothing() -> None:
    adapted = adapter("hubspot").adapt(
        [association("CONTACT_TO_COMPANY", 512, 7, isPrimaryAssociation=False), association("DEAL_TO_LINE_ITEM", 9, 4)]
    )
    assert (adapted.events, adapted.refusals) == ([], [])
    assert adapted.passed_over == {"secondary-company": 1, "deal.associationChange": 1}


def test_a_removed_association_clears_the_link_only_where_it_is_the_current_one() -> None:
    removed = {"associationRemoved": True}
    wrong, right = association("DEAL_TO_CONTACT", 9, 1), association("DEAL_TO_CONTACT", 9, 2, occurredAt=NOON_MS + 1)
    gone = association("DEAL_TO_CONTACT", 9, 1, occurredAt=NOON_MS + 2, **removed)
    webhooks = adapter("hubspot")

    def lead_of(*items: Any) -> str | None:
        events = webhooks.adapt(list(items)).events
        orders = events, events[::-1]
        deals = [batch.documents(decode(each, None) for each in order)["opportunity:9"] for order in orders]
        assert deals[0].lead(deals[0].values()) == deals[1].lead(deals[1].values())
        return deals[0].lead(deals[0].values())

    assert lead_of(wrong, right, gone) == "2"
    assert lead_of(wrong, gone) is None
    # what cannot be said that way is asked for
    (asked,) = webhooks.adapt([association("DEAL_TO_COMPANY", 9, 7, **removed)]).findings
    assert json.loads(asked)["data"]["record"] == "9"


def test_the_same_notification_again_is_the_same_event_and_another_is_another() -> None:
    webhooks = adapter("hubspot")

    def ids(*items: Any) -> list[str]:
        return [event["id"] for event in decoded(webhooks.adapt(list(items)))]

    first = changed("deal", "amount", "10")
    again = {**first, "attemptNumber": 4, "subscriptionId": 99}
    assert ids(first) == ids(again)
    # eventId is not unique: these two share it
    others = [
        changed("deal", "amount", "11"),
        changed("deal", "dealname", "10"),
        changed("deal", "amount", "10", occurredAt=NOON_MS + 1),
        changed("deal", "amount", "10", objectId=513),
        changed("contact", "amount", "10"),
    ]
    found = [event for item in others for event in [webhooks.adapt([item])] if event.events]
    events = {(event["id"], event["time"]) for each in found for event in decoded(each)}
    assert len(events) == 4  # a contact has no amount
    assert (ids(first)[0], NOON) not in events


def test_ids_tell_nothing_of_a_person() -> None:
    """The id of an event stands in every node and in Kafka; two mail addresses must not show in it."""
    webhooks = adapter("hubspot")
    ids = {
        decoded(webhooks.adapt([changed("contact", "email", mail)]))[0]["id"]
        for mail in ("a@example.org", "b@example.org")
    }
    assert len(ids) == 1


def test_notifications_of_another_account_are_refused() -> None:
    adapted = adapter("hubspot", "portal = 1").adapt([hubspot("contact.creation")])
    assert refusals(adapted) == [("wrong-account", "portalId: is not 1, the account of this source")]


def test_one_bad_notification_does_not_hold_up_the_others() -> None:
    adapted = adapter("hubspot").adapt(
        [
            hubspot("contact.creation", object_id=1),
            {**hubspot("contact.creation", object_id=2), "occurredAt": "yesterday"},
            "what",
            hubspot("contact.merge", primaryObjectId=1, mergedObjectIds="2"),
            {"subscriptionType": "contact.creation"},
            hubspot("contact.propertyChange", propertyName="email"),
            hubspot("ticket.creation"),
            hubspot("contact.creation", object_id=3),
        ]
    )
    assert [event["data"]["lead_id"] for event in decoded(adapted)] == ["1", "3"]
    assert refusals(adapted) == [
        ("invalid-date", "occurredAt: a string is no instant in a form that is known"),
        ("invalid-payload", "notification: must be an object, not a string"),
        ("invalid-member", "mergedObjectIds: must be an array"),
        ("missing-member", "occurredAt: is missing"),
        ("missing-member", "propertyValue: is missing"),
    ]
    assert adapted.passed_over == {"ticket.creation": 1}


def test_fields_of_ones_own() -> None:
    text = """
        [contact.fields]
        lead_source_detail = "utm.source"
        first_page = "landing_page"
        hs_analytics_source = false
        [deal.fields]
        cost_of_sales = "cost"
        [company.fields]
        target_account = "key_account"
    """
    assert one(
        changed("contact", "first_page", "https://example.org/?utm_medium=cpc&UTM_Campaign=x&gclid=g"),
        changed("contact", "hs_analytics_source", "OFFLINE"),
        changed("deal", "cost_of_sales", "3.5"),
        changed("company", "target_account", "true"),
        text=text,
    ) == [
        (
            "lead.updated",
            NOON,
            {"lead_id": "512", "utm": {"medium": "cpc", "campaign": "x"}, "click_id": {"gclid": "g"}},
        ),
        ("opportunity.updated", NOON, {"opportunity_id": "512", "cost": "3.5"}),
        ("account.upserted", NOON, {"account_id": "512", "key_account": True}),
    ]


def test_sequence_and_revision_order_what_has_one_time() -> None:
    (event,) = read(adapter("hubspot", "revision = 2").adapt([changed("deal", "amount", "10")]))
    assert event["sequence"] == 2 * 10**17 + 1
    assert event["source"] == "hubspot/test"


# -- exports

DEAL = {
    "Record ID": "9",
    "Deal Name": "Ten licences",
    "Deal Stage": "Closed Won",
    "Amount": "1250.50",
    "Close Date": "2026-03-05 10:30",
    "Deal owner": "Ada Example",
    "Create Date": "2026-02-20 09:00",
    "Last Modified Date": "2026-03-05 10:31",
    "Associated Contact IDs": "512;513",
    "Associated Company IDs": "",
}
OWNERS = """
    time_zone = "Europe/Stockholm"
    currency = "SEK"
    [owners]
    901 = { name = "Ada Example", team = "North" }
"""


def test_a_deal_of_an_export() -> None:
    assert said(rows("hubspot-csv", OWNERS, [DEAL])) == [
        (
            "opportunity.updated",
            "2026-03-05T09:31:00Z",
            {
                "opportunity_id": "9",
                "subject": "Ten licences",
                "stage": "Closed Won",
                "status": "won",
                "amount": "1250.50",
                "due_date": "2026-03-05",
                "closed_at": "2026-03-05T09:30:00Z",
                "owner_id": "901",
                "created_at": "2026-02-20T08:00:00Z",
                "lead_id": "512",
                "contact_id": "512",
                "account_id": None,
                "currency": "SEK",
            },
        )
    ]


def test_a_contact_of_an_export() -> None:
    row = {
        "Record ID": "512",
        "First Name": "Ada",
        "Last Name": "Example",
        "Email": "ada@example.org",
        "Lifecycle Stage": "Marketing Qualified Lead",
        "Original Source": "Paid Search",
        "Contact owner": "",
        "Create Date": "2026-02-20 09:00",
        "Last Modified Date": "2026-03-05 10:31",
        "Favourite colour": "blue",
    }
    assert said(rows("hubspot-csv", "", [row])) == [
        (
            "lead.updated",
            "2026-03-05T10:31:00Z",
            {
                "lead_id": "512",
                "name": "Ada Example",
                "email": "ada@example.org",
                "stage": "Marketing Qualified Lead",
                "channel": "cpc",
                "owner_id": None,
                "created_at": "2026-02-20T09:00:00Z",
            },
        )
    ]


def test_a_call_and_a_company_of_exports() -> None:
    call = {
        "Record ID": "3",
        "hs_lastmodifieddate": "2026-03-01T12:00:00Z",
        "Call duration": "61000",
        "Call direction": "Inbound",
        "Call outcome": "Connected",
        "Activity date": "2026-03-01 11:00",
        "Associated Contact IDs": "512",
    }
    assert said(rows("hubspot-csv", "", [call])) == [
        (
            "call.logged",
            NOON,
            {
                "call_id": "3",
                "talk_seconds": 61,
                "direction": "inbound",
                "status": "answered",
                "started_at": "2026-03-01T11:00:00Z",
                "lead_id": "512",
            },
        )
    ]
    company = {"Record ID": "7", "Company name": "Works", "Last Modified Date": "2026-03-01T12:00:00Z"}
    assert said(rows("hubspot-csv", "", [company])) == [
        ("account.upserted", NOON, {"account_id": "7", "name": "Works"})
    ]


def test_an_export_overlaps_with_notifications_without_harm() -> None:
    """The row was last changed at 09:31: it beats what happened before, and loses to what happened after."""
    at = 1772703060000
    webhooks = adapter("hubspot", OWNERS)
    before = webhooks.adapt([changed("deal", "amount", "1", objectId=9, occurredAt=at - 1000)]).events
    after = webhooks.adapt([changed("deal", "dealname", "Eleven", objectId=9, occurredAt=at + 1000)]).events
    row = rows("hubspot-csv", OWNERS, [DEAL]).events
    for order in (before + row + after, after + row + before, row + after + row + before):
        folded = final(order, "opportunity:9")
        assert folded["amount"] == 12505000
        written = batch.documents(decode(event, None) for event in order)["opportunity:9"].key_of("subject")
        assert written is not None
        assert written[0] == (at + 1000) * 1000


def test_fetching_a_record_closes_what_was_asked_for() -> None:
    asked = adapter("hubspot").adapt([association("DEAL_TO_COMPANY", 9, 7, associationRemoved=True)]).events
    fetched = rows("hubspot-csv", "", [DEAL], close_gaps=True).events
    assert final(asked, "gap:hubspot%2Ftest/deal/9")["open"] is True
    assert final(fetched + asked, "gap:hubspot%2Ftest/deal/9")["open"] is False


def test_dates_as_the_account_writes_them() -> None:
    text = '[export]\ndate_formats = ["%d/%m/%Y %H:%M", "%d/%m/%Y"]\ncolumns = { "Ändrad" = "lastmodifieddate" }'
    row = {"Record ID": "9", "Deal Name": "x", "Close Date": "05/03/2026 10:30", "Ändrad": "06/03/2026"}
    ((_, time, data),) = said(rows("hubspot-csv", text, [row]))
    assert (time, data["closed_at"]) == ("2026-03-06T00:00:00Z", "2026-03-05T10:30:00Z")
    bad = rows("hubspot-csv", "", [{**DEAL, "Close Date": "5 maj"}])
    assert refusals(bad) == [("invalid-date", "closedate: a string is no instant in a form that is known")]


def test_an_export_without_the_columns_that_it_needs() -> None:
    for missing, message in (
        ("Record ID", "no column Record ID"),
        ("Last Modified Date", "no column Last Modified Date"),
    ):
        columns = {name: cell for name, cell in DEAL.items() if name != missing}
        with pytest.raises(UnusableTable, match=message):
            rows("hubspot-csv", "", [columns])
    adapted = rows("hubspot-csv", "", [{"Record ID": "9", "Deal Name": "x"}], Context(as_of=NOON))
    assert said(adapted) == [("opportunity.updated", NOON, {"opportunity_id": "9", "subject": "x"})]


def test_owners_are_reps() -> None:
    account = source("hubspot", OWNERS)
    assert kind_of(account) == "hubspot"
    assert said(reference_of(account)) == [
        ("rep.upserted", "1970-01-01T00:00:00Z", {"rep_id": "901", "name": "Ada Example", "team": "North"})
    ]


def test_decimals_of_a_decoded_payload_are_taken_and_floats_are_not() -> None:
    webhooks = adapter("hubspot")
    assert said(webhooks.adapt([changed("deal", "amount", Decimal("0.1"))]))[0][2]["amount"] == "0.1"
    refused = webhooks.adapt([changed("deal", "amount", 0.1)])
    assert refusals(refused) == [
        ("invalid-member", "amount: was read as a binary float, whose digits are not those that were sent")
    ]
