"""Payloads in the providers' shapes, made up from their documentation; nothing in them was recorded anywhere."""

import json
from decimal import Decimal
from typing import Any

from schemas.adapters import Adapted, Adapter, open_adapter, open_table, parse_source
from schemas.adapters.adapted import NOTHING_KNOWN, Context

Record = dict[str, Any]


def source(kind: str, text: str = "") -> Any:
    """A source called `kind/test`; `text` is the rest of its file."""
    return parse_source(f'kind = "{kind}"\nsource = "{kind}/test"\n{text}', "test.toml")


def adapter(kind: str, text: str = "") -> Adapter:
    return open_adapter(source(kind, text))


def read(adapted: Adapted) -> list[Record]:
    """The events, decoded; there must be no refusal."""
    assert [refusal.message for refusal in adapted.refusals] == []
    return decoded(adapted)


def decoded(adapted: Adapted) -> list[Record]:
    return [json.loads(event, parse_float=Decimal) for event in adapted.events]


def said(adapted: Adapted) -> list[tuple[str, str, Record]]:
    """(type without `crm.`, time, data) of every event."""
    return [(event["type"][4:], event["time"], event["data"]) for event in read(adapted)]


def refusals(adapted: Adapted) -> list[tuple[str, str]]:
    return [(refusal.reason, refusal.message) for refusal in adapted.refusals]


def rows(format_name: str, text: str, csv_rows: list[Record], context: Context = NOTHING_KNOWN, **more: Any) -> Adapted:
    """What the rows of a table give together; the header is that of the first row."""
    kind = format_name.removesuffix("-csv")
    table = open_table(format_name, source(kind, text), list(csv_rows[0]), context, **more)
    whole = Adapted()
    for row in csv_rows:
        found = table.row(row)
        whole.events += found.events
        whole.refusals += found.refusals
        whole.passed_over += found.passed_over
        whole.unmapped += found.unmapped
    return whole


NOON_MS = 1772366400000  # 2026-03-01T12:00:00Z
NOON = "2026-03-01T12:00:00Z"


def hubspot(subscription: str, object_id: int = 512, **members: Any) -> Record:
    return {
        "eventId": 3816279340,
        "subscriptionId": 25,
        "portalId": 62515,
        "appId": 1160452,
        "occurredAt": NOON_MS,
        "subscriptionType": subscription,
        "attemptNumber": 0,
        "objectId": object_id,
        "changeSource": "CRM_UI",
        **members,
    }


def changed(object_name: str, name: str, value: Any, **members: Any) -> Record:
    return hubspot(f"{object_name}.propertyChange", propertyName=name, propertyValue=value, **members)


def salesforce(
    entity: str, record: str | list[str], change: str, header: Record | None = None, **fields: Any
) -> Record:
    return {
        "ChangeEventHeader": {
            "entityName": entity,
            "recordIds": record if isinstance(record, list) else [record],
            "changeType": change,
            "changeOrigin": "com/salesforce/api/rest/60.0",
            "transactionKey": "0000a1b2-0000-0000-0000-000000000001",
            "sequenceNumber": 1,
            "commitTimestamp": NOON_MS,
            "commitNumber": 1100638524517,
            "commitUser": "0055f000005mc66AAA",
            "nulledFields": [],
            "diffFields": [],
            "changedFields": [],
            **(header or {}),
        },
        **fields,
    }


def pipedrive(entity: str, action: str, data: Any, previous: Any = None, **meta: Any) -> Record:
    return {
        "meta": {
            "action": action,
            "entity": entity,
            "company_id": "7001",
            "correlation_id": "0d1c2b3a-0000-4000-8000-000000000001",
            "entity_id": "31",
            "id": "5b1e0000-0000-4000-8000-000000000001",
            "is_bulk_edit": False,
            "timestamp": "2026-03-01T12:00:00.000Z",
            "type": "general",
            "user_id": "91",
            "version": "2.0",
            "webhook_id": "800",
            "webhook_owner_id": "91",
            "change_source": "app",
            "attempt": 1,
            "host": "example.pipedrive.com",
            **meta,
        },
        "data": data,
        "previous": previous,
    }


PIPEDRIVE_DEAL: Record = {
    "id": 31,
    "title": "Ten licences",
    "value": Decimal("1250.5"),
    "currency": "EUR",
    "status": "open",
    "stage_id": 4,
    "pipeline_id": 1,
    "probability": 40,
    "person_id": 77,
    "org_id": 12,
    "owner_id": 91,
    "add_time": "2026-02-20T08:00:00Z",
    "update_time": "2026-03-01T12:00:00Z",
    "expected_close_date": "2026-04-15",
    "won_time": None,
    "lost_time": None,
    "close_time": None,
    "is_deleted": False,
    "custom_fields": {"a1f0": {"type": "double", "value": Decimal("300.25")}, "b2e1": None},
}

TWILIO: dict[str, str] = {
    "CallSid": "CA00000000000000000000000000000001",
    "AccountSid": "AC00000000000000000000000000000001",
    "From": "+15005550006",
    "To": "+46700000001",
    "CallStatus": "completed",
    "ApiVersion": "2010-04-01",
    "Direction": "outbound-api",
    "Timestamp": "Sun, 01 Mar 2026 12:00:00 +0000",
    "CallbackSource": "call-progress-events",
    "SequenceNumber": "3",
    "CallDuration": "312",
    "Duration": "6",
}

GOOGLE_ADS: Record = {
    "as_of": "2026-03-02T06:00:00Z",
    "results": [
        {
            "customer": {"resourceName": "customers/771204", "id": "771204", "currencyCode": "EUR"},
            "campaign": {"resourceName": "customers/771204/campaigns/55", "id": "55", "name": "Spring"},
            "segments": {"date": "2026-03-01"},
            "metrics": {"costMicros": "184215000", "impressions": "18250", "clicks": "411"},
        }
    ],
}

META: Record = {
    "as_of": "2026-03-02T06:00:00Z",
    "data": [
        {
            "account_id": "88",
            "account_currency": "SEK",
            "campaign_id": "120001",
            "campaign_name": "Influencer",
            "date_start": "2026-03-01",
            "date_stop": "2026-03-01",
            "spend": "99.95",
            "impressions": "4000",
            "clicks": "52",
            "inline_link_clicks": "40",
        }
    ],
    "paging": {"cursors": {"before": "MAZDZD", "after": "MAZDZD"}},
}

SEGMENT_PAGE: Record = {
    "type": "page",
    "messageId": "m-1",
    "anonymousId": "a-1",
    "userId": None,
    "timestamp": NOON,
    "properties": {"url": "https://example.org/?utm_source=google&utm_medium=cpc&gclid=g1", "referrer": ""},
    "context": {"page": {"url": "https://example.org/", "referrer": "https://www.google.com/"}},
}
SEGMENT_IDENTIFY: Record = {
    "type": "identify",
    "messageId": "m-2",
    "anonymousId": "a-1",
    "userId": "u-1",
    "timestamp": "2026-03-01T12:05:00Z",
    "traits": {"email": "ada@example.org", "firstName": "Ada", "lastName": "Example", "crm_id": 512},
    "context": {},
}

SNOWPLOW: Record = {
    "app_id": "web",
    "event": "page_view",
    "event_id": "c6ef3124-0000-4000-8000-000000000001",
    "user_id": None,
    "domain_userid": "d-1",
    "collector_tstamp": "2026-03-01 12:00:01.250",
    "derived_tstamp": "2026-03-01 12:00:00.000",
    "page_url": "https://example.org/pricing",
    "page_referrer": "https://news.example.com/a",
    "mkt_source": "newsletter",
    "mkt_medium": "email",
    "mkt_campaign": None,
    "mkt_clickid": "f1",
    "mkt_network": "Facebook",
}

TELEPHONY: Record = {
    "call_id": "c-1",
    "status": "Answered",
    "direction": "outbound",
    "started_at": NOON,
    "ended_at": "2026-03-01T12:05:12Z",
    "duration_seconds": 312,
    "rep_id": "rep-7",
    "lead_id": 1042,
}

ECB_XML = b"""<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"
 xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
<gesmes:subject>Reference rates</gesmes:subject>
<Cube><Cube time="2026-03-02"><Cube currency="USD" rate="1.0899"/><Cube currency="JPY" rate="162.33"/></Cube>
<Cube time="2026-02-27"><Cube currency="USD" rate="1.0875"/></Cube></Cube>
</gesmes:Envelope>"""

PAYLOADS: dict[str, list[Any]] = {
    "hubspot": [
        [hubspot("contact.creation"), changed("contact", "email", "ada@example.org")],
        [changed("deal", "dealstage", "closedwon"), changed("deal", "amount", "1250.50")],
        [hubspot("contact.merge", primaryObjectId=1, mergedObjectIds=[2, 3], newObjectId=4)],
        [
            hubspot(
                "deal.associationChange",
                associationType="DEAL_TO_CONTACT",
                fromObjectId=9,
                toObjectId=512,
                associationRemoved=False,
            )
        ],
        [hubspot("object.propertyChange", objectTypeId="0-48", propertyName="hs_call_duration", propertyValue="45999")],
    ],
    "salesforce": [
        salesforce("Lead", "00Q1", "CREATE", Name={"FirstName": "Ada", "LastName": "Example"}, Status="Open"),
        salesforce("Lead", "00Q1", "UPDATE", IsConverted=True, ConvertedOpportunityId="0061", Status="Converted"),
        salesforce("Opportunity", ["0061", "0062"], "UPDATE", Amount=Decimal("10.5"), IsClosed=True, IsWon=True),
        salesforce("Opportunity", "0061", "GAP_UPDATE"),
        salesforce("Task", "00T1", "CREATE", TaskSubtype="Call", CallDurationInSeconds=60, WhoId="00Q1"),
        {"schema": {}, "payload": salesforce("Account", "0011", "CREATE", Name="Works")},
    ],
    "pipedrive": [
        pipedrive("deal", "change", PIPEDRIVE_DEAL, {"stage_id": 3}),
        pipedrive("person", "create", {"id": 31, "name": "Ada", "emails": [{"value": "a@e.org", "primary": True}]}),
        pipedrive("person", "delete", None, {"id": 31}, merged_to_id="30"),
        pipedrive("activity", "change", {"type": "call", "done": True, "duration": "00:05", "person_id": 77}),
    ],
    "telephony": [TELEPHONY],
    "google-ads": [GOOGLE_ADS, [GOOGLE_ADS]],
    "meta": [META],
    "segment": [SEGMENT_PAGE, SEGMENT_IDENTIFY, {"batch": [SEGMENT_PAGE]}],
    "snowplow": [SNOWPLOW],
}
"""Good payloads of every source whose payloads are JSON."""
