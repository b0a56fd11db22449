"""A day of each source, from its payloads to the rows of the reports, with figures worked out by hand."""

import random
from datetime import date
from decimal import Decimal
from typing import Any

from clickhouse_connect.driver.client import Client

from schemas.adapters import reference_of
from schemas.adapters.adapted import Context
from sinks.migrate import ViewSettings, migrate
from stream.channels import DEFAULT_PLATFORMS
from stream.rules import Rules
from tests.schemas.adapters.reporting import fold, table
from tests.schemas.adapters.samples import (
    ECB_XML,
    GOOGLE_ADS,
    META,
    NOON_MS,
    PIPEDRIVE_DEAL,
    SEGMENT_IDENTIFY,
    SEGMENT_PAGE,
    SNOWPLOW,
    TELEPHONY,
    TWILIO,
    adapter,
    changed,
    hubspot,
    pipedrive,
    rows,
    salesforce,
    source,
)

DAY = date(2026, 3, 1)
MINUTE = 60_000


def events(kind: str, *payloads: Any, text: str = "", query: dict[str, str] | None = None) -> list[bytes]:
    """The events of some payloads, each of them delivered twice, in no order."""
    opened = adapter(kind, text)
    found: list[bytes] = []
    for payload in payloads:
        adapted = opened.adapt(payload, Context(query=query or {}))
        assert adapted.refusals == []
        found += adapted.events
    shuffled = found + found
    random.Random(7).shuffle(shuffled)
    return shuffled


def test_hubspot_from_a_contact_to_revenue_by_channel(database: Client) -> None:
    """Two contacts: one of search whose deal is won for 1,200 EUR, one of mail that is lost to a merge."""
    at = NOON_MS
    items = [
        hubspot("contact.creation", object_id=1),
        changed("contact", "utm_source", "google", objectId=1),
        changed("contact", "utm_medium", "cpc", objectId=1),
        changed("contact", "lifecyclestage", "marketingqualifiedlead", objectId=1, occurredAt=at + MINUTE),
        hubspot("contact.creation", object_id=2, occurredAt=at + MINUTE),
        changed("contact", "hs_analytics_source", "EMAIL_MARKETING", objectId=2, occurredAt=at + MINUTE),
        hubspot("contact.merge", primaryObjectId=1, mergedObjectIds=[2], occurredAt=at + 2 * MINUTE),
        hubspot("deal.creation", object_id=9, occurredAt=at + 3 * MINUTE),
        changed("deal", "amount", "1000", objectId=9, occurredAt=at + 3 * MINUTE),
        changed("deal", "dealstage", "contractsent", objectId=9, occurredAt=at + 3 * MINUTE),
        hubspot(
            "deal.associationChange", associationType="DEAL_TO_CONTACT", fromObjectId=9, toObjectId=2,
            associationRemoved=False, occurredAt=at + 4 * MINUTE,
        ),
        hubspot("call.creation", object_id=3, occurredAt=at + 5 * MINUTE),
        changed("call", "hs_call_status", "COMPLETED", objectId=3, occurredAt=at + 5 * MINUTE),
        changed("call", "hs_call_direction", "OUTBOUND", objectId=3, occurredAt=at + 5 * MINUTE),
        changed("call", "hs_call_duration", "90999", objectId=3, occurredAt=at + 5 * MINUTE),
        changed("call", "hubspot_owner_id", "901", objectId=3, occurredAt=at + 5 * MINUTE),
        hubspot(
            "call.associationChange", associationType="CALL_TO_CONTACT", fromObjectId=3, toObjectId=1,
            associationRemoved=False, occurredAt=at + 6 * MINUTE,
        ),
        changed("deal", "amount", "1200", objectId=9, occurredAt=at + 7 * MINUTE),
        changed("deal", "dealstage", "closedwon", objectId=9, occurredAt=at + 8 * MINUTE),
        changed("deal", "hubspot_owner_id", "901", objectId=9, occurredAt=at + 8 * MINUTE),
    ]  # fmt: skip
    text = 'currency = "EUR"\n[owners]\n901 = { name = "Ada Example", team = "North" }'
    rates = adapter("ecb").adapt(ECB_XML.replace(b"2026-03-02", b"2026-03-01")).events
    account = reference_of(source("hubspot", text)).events
    fold(
        database,
        events("hubspot", items[:9], items[9:], text=text) + rates + account,
        Rules(stages={"Marketing Qualified Lead": "mofu"}),
    )
    leads = "SELECT channel, leads, opportunities, customers FROM report_leads_by_channel"
    assert table(database, leads) == [("cpc", 1, 1, 1)]
    # 1,200 EUR at 1.0899; first touch is the search
    revenue = table(
        database, "SELECT day, channel, deals, revenue FROM report_channel_attribution WHERE model = 'first'"
    )
    assert revenue == [(DAY, "cpc", 1, Decimal("1307.8800"))]
    linear = "SELECT channel, revenue FROM report_channel_attribution WHERE model = 'linear' ORDER BY channel"
    assert table(database, linear) == [("cpc", Decimal("653.9400")), ("email", Decimal("653.9400"))]
    calls = "SELECT rep, team, direction, calls, answered, talk_seconds, p50_talk_seconds FROM report_calls"
    assert table(database, calls) == [("Ada Example", "North", "outbound", 1, 1, 90, 90)]
    deals = "SELECT owner, opportunities, won, won_revenue, win_rate FROM report_opportunities"
    assert table(database, deals) == [("Ada Example", 1, 1, Decimal("1307.8800"), 1.0)]
    quality = "SELECT records, failing, sample_ids FROM report_quality WHERE check = 'unmapped_stages'"
    # the lead's is mapped, the deal's Closed Won is not
    assert table(database, quality) == [(2, 1, ["Closed Won"])]


def test_a_hubspot_export_and_webhooks_together_count_once(database: Client) -> None:
    contact = {"Record ID": "1", "Email": "a@example.org", "Original Source": "Organic Search",
               "Create Date": "2026-02-27 10:00", "Last Modified Date": "2026-03-01 11:00"}  # fmt: skip
    deal = {"Record ID": "9", "Deal Name": "x", "Deal Stage": "Contract Sent", "Amount": "300.10",
            "Associated Contact IDs": "1", "Close Date": "2026-04-01", "Create Date": "2026-02-28 10:00",
            "Last Modified Date": "2026-03-01 11:00"}  # fmt: skip
    backfill = rows("hubspot-csv", "", [contact]).events + rows("hubspot-csv", "", [deal]).events
    live = events(
        "hubspot",
        [
            changed("deal", "amount", "1", objectId=9, occurredAt=NOON_MS - 120 * MINUTE),  # older than the export
            changed("deal", "dealstage", "closedwon", objectId=9, occurredAt=NOON_MS),
            changed("deal", "closedate", str(NOON_MS), objectId=9, occurredAt=NOON_MS),
        ],
    )
    fold(database, backfill + live + backfill)
    found = "SELECT opportunity_id, lead_id, amount, status, due_date, toDate(closed_at), subject FROM opportunity_list"
    assert table(database, found) == [("9", "1", Decimal("300.1000"), "won", DAY, DAY, "x")]
    by_channel = "SELECT day, channel, leads, customers, avg_days_to_convert FROM report_leads_by_channel"
    # from 27 February 10:00 to 1 March 12:00
    assert table(database, by_channel) == [(date(2026, 2, 27), "organic", 1, 1, 2 + 2 / 24)]


def test_salesforce_conversion_to_revenue_and_gaps_to_quality(database: Client) -> None:
    """A lead of the web is converted; its opportunity, won for 5,000.25; another has gaps."""
    won = {"commitTimestamp": NOON_MS + 60 * MINUTE, "transactionKey": "b", "changedFields": ["IsWon"]}
    payloads = [
        salesforce(
            "Lead", "00Q1", "CREATE", {"commitTimestamp": NOON_MS - 48 * 60 * MINUTE}, Status="Open", LeadSource="Web",
            CreatedDate=NOON_MS - 48 * 60 * MINUTE, Name={"FirstName": "Ada", "LastName": "Example"},
        ),
        salesforce("Account", "0011", "CREATE", {"sequenceNumber": 1}, Name="Works"),
        salesforce(
            "Opportunity", "0061", "CREATE", {"sequenceNumber": 3}, AccountId="0011", Amount=Decimal("5000.25"),
            StageName="Prospecting", IsClosed=False, IsWon=False, OwnerId="0051", CloseDate="2026-03-01",
        ),
        salesforce(
            "Lead", "00Q1", "UPDATE", {"sequenceNumber": 4, "changedFields": ["0x08F81000"]}, Status="Converted",
            IsConverted=True, ConvertedOpportunityId="0061", ConvertedAccountId="0011", Name=None,
        ),
        salesforce("Opportunity", "0061", "UPDATE", won, StageName="Closed Won", IsWon=True, IsClosed=True),
        salesforce("Opportunity", "0062", "GAP_UPDATE"),
        salesforce("Lead", "00Q7", "GAP_CREATE"),
        salesforce("User", "0051", "CREATE", Name={"FirstName": "Bo", "LastName": "Berg"}),
    ]  # fmt: skip
    text = '[lead.values.LeadSource]\nWeb = "organic"'
    fetched = rows(
        "salesforce-csv", text, [{"Id": "0062", "Amount": "10", "StageName": "Proposal", "IsClosed": "false",
                                  "SystemModstamp": "2026-03-01T12:00:00Z"}], close_gaps=True,
    )  # fmt: skip
    fold(database, events("salesforce", *payloads, text=text) + fetched.events)
    leads = "SELECT day, channel, leads, opportunities, customers, avg_days_to_convert FROM report_leads_by_channel"
    # closed at the end of 1 March: two days, 11 hours, 59 minutes, 59 seconds after the lead came
    assert table(database, leads) == [
        (date(2026, 2, 27), "organic", 1, 1, 1, (2 * 86400 + 11 * 3600 + 59 * 60 + 59) / 86400)
    ]
    accounts = "SELECT account, opportunities, won, won_revenue FROM report_key_accounts ORDER BY account"
    assert table(database, accounts) == [("", 1, 0, Decimal(0)), ("Works", 1, 1, Decimal("5000.2500"))]
    closed = "SELECT day, owner, won, won_revenue FROM report_opportunities_closed"
    assert table(database, closed) == [(DAY, "Bo Berg", 1, Decimal("5000.2500"))]
    to_fetch = "SELECT records, failing, sample_ids FROM report_quality WHERE check = 'records_to_fetch'"
    assert table(database, to_fetch) == [(2, 1, ["salesforce/test/Lead/00Q7"])]


def test_pipedrive_deals_merged_persons_and_calls(database: Client) -> None:
    person = {"name": "Ada", "add_time": "2026-02-27T12:00:00Z", "custom_fields": {"c3": {"value": "Fair"}}}
    deal = {**PIPEDRIVE_DEAL, "currency": "USD", "status": "won", "won_time": "2026-03-01T11:00:00Z", "person_id": 76}
    call = {"type": "call", "done": True, "duration": "00:02", "person_id": 77, "owner_id": 91,
            "due_date": "2026-03-01", "due_time": "10:00"}  # fmt: skip
    payloads = [
        pipedrive("person", "create", person, entity_id="77", id="1", timestamp="2026-02-27T12:00:00Z"),
        pipedrive("person", "create", {"name": "A."}, entity_id="76", id="2", timestamp="2026-02-28T12:00:00Z"),
        pipedrive("person", "delete", None, {}, entity_id="76", id="3", merged_to_id="77"),
        pipedrive("deal", "change", deal, entity_id="31", id="4"),
        pipedrive("deal", "create", {**deal, "value": 7}, entity_id="32", id="5"),
        pipedrive("deal", "delete", None, deal, entity_id="32", id="6", timestamp="2026-03-01T12:00:01Z"),
        pipedrive("activity", "create", call, entity_id="5", id="7"),
        pipedrive("user", "create", {"name": "Bo"}, entity_id="91", id="8"),
    ]
    text = '[person.fields]\nc3 = "channel"\n[activity]\ndirection = "inbound"\n[deal.stages]\n4 = "Signed"'
    fold(database, events("pipedrive", *payloads, text=text))
    leads = "SELECT day, channel, leads, customers FROM report_leads_by_channel"
    assert table(database, leads) == [(date(2026, 2, 27), "Fair", 1, 1)]
    pipeline = "SELECT owner, stage, status, opportunities, estimated_revenue FROM report_pipeline"
    assert table(database, pipeline) == [("Bo", "Signed", "won", 1, Decimal("1250.5000"))]
    calls = "SELECT rep, direction, calls, answered, talk_seconds FROM report_calls"
    assert table(database, calls) == [("Bo", "inbound", 1, 1, 120)]


def test_exports_of_pipedrive_and_reports_of_ad_platforms(database: Client) -> None:
    """A person of a fair, a deal of theirs won for 800 USD, a call; 10 USD of Google and 20 of Meta for a campaign."""
    person = {"Person - ID": "77", "Person - Name": "Ada", "Person - Channel": "Fair",
              "Person - Person created": "2026-02-27 12:00:00",
              "Person - Update time": "2026-03-01 12:00:00"}  # fmt: skip
    deal = {"Deal - ID": "31", "Deal - Value": "800", "Deal - Currency of Value": "USD", "Deal - Status": "Won",
            "Deal - Stage": "Signed", "Deal - Won time": "2026-03-01 11:00:00", "Person - ID": "77",
            "Deal - Deal created": "2026-02-28 09:00:00", "Deal - Update time": "2026-03-01 12:00:00"}  # fmt: skip
    call = {"Activity - ID": "5", "Activity - Type": "Call", "Activity - Done": "Done", "Activity - Duration": "00:10",
            "Activity - Due date": "2026-03-01", "Activity - Due time": "11:30", "Person - ID": "77",
            "Activity - Update time": "2026-03-01 12:00:00"}  # fmt: skip
    text = '[export]\ncolumns = { "Person - Channel" = "c3" }\n[person.fields]\nc3 = "channel"'
    found = [event for row in (person, deal, call) for event in rows("pipedrive-csv", text, [row]).events]
    made = Context(as_of="2026-03-02T06:00:00Z")
    google = {"Day": "2026-03-01", "Campaign ID": "55", "Campaign": "Spring", "Currency code": "USD", "Cost": "10.00"}
    meta = {"Day": "2026-03-01", "Campaign ID": "55", "Amount spent (USD)": "20", "Impressions": "7"}
    found += rows("google-ads-csv", "", [google], made).events + rows("meta-csv", "", [meta], made).events
    random.Random(3).shuffle(found)
    fold(database, found + found)
    leads = "SELECT day, channel, leads, customers, avg_days_to_convert FROM report_leads_by_channel"
    assert table(database, leads) == [(date(2026, 2, 27), "Fair", 1, 1, 47 / 24)]
    revenue = "SELECT day, revenue FROM report_channel_attribution WHERE model = 'last'"
    assert table(database, revenue) == [(DAY, Decimal("800.0000"))]
    assert table(database, "SELECT calls, answered, talk_seconds FROM report_calls") == [(1, 1, 600)]
    spend = "SELECT campaign, sum(spend) FROM report_profitability WHERE campaign_id = '55' GROUP BY campaign"
    assert table(database, spend) == [("Spring", Decimal("30.0000"))]
    impressions = "SELECT platform, impressions FROM fact_spend ORDER BY platform"
    assert table(database, impressions) == [("google_ads", 0), ("meta", 7)]


def test_twilio_and_telephony_calls(database: Client) -> None:
    """Three calls of Twilio (312 s, one missed, one into a mailbox), one of another system that advances its lead."""
    callbacks = [
        {**TWILIO, "CallStatus": "ringing", "SequenceNumber": "1"},
        TWILIO,
        {**TWILIO, "CallSid": "CA2", "CallStatus": "no-answer"},
        {**TWILIO, "CallSid": "CA3", "AnsweredBy": "machine_start", "CallDuration": "20"},
        {**TWILIO, "CallSid": "CA4", "ParentCallSid": TWILIO["CallSid"]},
    ]
    calls = events("twilio", *callbacks, text='[reps]\n"+15005550006" = "rep-7"', query={"lead_id": "1042"})
    calls += events("telephony", {**TELEPHONY, "advanced_to": "mofu"})
    fold(database, calls)
    found = table(
        database,
        "SELECT rep_id, direction, calls, answered, missed, talk_seconds, avg_talk_seconds, advanced_mofu, answer_rate"
        " FROM report_calls",
    )
    assert found == [("rep-7", "outbound", 4, 2, 2, 624, 312.0, 1, 0.5)]
    statuses = table(database, "SELECT call_id, status, talk_seconds FROM fact_calls ORDER BY call_id")
    assert statuses == [
        (TWILIO["CallSid"], "answered", 312),
        ("CA2", "missed", 0),
        ("CA3", "voicemail", 20),
        ("c-1", "answered", 312),
    ]


def test_ad_spend_meets_its_leads_in_the_reporting_currency(database: Client) -> None:
    """184.215 EUR of Google, restated to 190, at 1.0899; 99.95 SEK of Meta, for which there is no rate."""
    restated = {**GOOGLE_ADS, "as_of": "2026-03-20T06:00:00Z"}
    platforms = {platform: origin["channel"] for platform, origin in DEFAULT_PLATFORMS.items()}
    migrate(database, str(database.database), ViewSettings(platform_channels=platforms))
    (row,) = GOOGLE_ADS["results"]
    restated["results"] = [{**row, "metrics": {**row["metrics"], "costMicros": "190000000"}}]
    lead = [
        hubspot("contact.creation", object_id=1),
        changed("contact", "utm_source", "google", objectId=1),
        changed("contact", "utm_medium", "cpc", objectId=1),
        changed("contact", "utm_campaign", "SPRING", objectId=1),
    ]
    rates = adapter("ecb").adapt(ECB_XML.replace(b"2026-03-02", b"2026-03-01")).events
    fold(
        database,
        events("google-ads", restated, GOOGLE_ADS) + events("meta", META) + events("hubspot", lead) + rates,
    )
    sources = table(
        database,
        "SELECT channel, source, medium, campaign_id, campaign, leads, spend, clicks, impressions, cpl, unconverted"
        " FROM report_lead_sources ORDER BY channel",
    )
    spend = Decimal("207.0810")  # 190 x 1.0899
    assert sources == [
        ("cpc", "google", "cpc", "55", "Spring", 1, spend, 411, 18250, float(spend), 0),
        ("social", "facebook", "paid_social", "120001", "Influencer", 0, Decimal(0), 52, 4000, None, 1),
    ]


def test_rates_convert_across_the_pivot(database: Client) -> None:
    deals = [
        salesforce("Opportunity", "0061", "CREATE", IsWon=True, IsClosed=True, Amount=16233, CurrencyIsoCode="JPY"),
    ]
    rates = adapter("ecb").adapt(ECB_XML.replace(b"2026-03-02", b"2026-03-01")).events
    fold(database, events("salesforce", *deals) + rates + rates)
    # 16,233 JPY = 100 EUR = 108.99 USD
    found = table(database, "SELECT won_revenue, unconverted FROM report_opportunities")
    assert found == [(Decimal("108.9900"), 0)]
    assert table(database, "SELECT count() FROM rates FINAL") == [(3,)]


def test_visits_of_unknown_visitors_count_once_they_are_known(database: Client) -> None:
    """Segment's visitor comes by search, Snowplow's by a newsletter; the CRM's contact is both of them."""
    visits = events("segment", SEGMENT_PAGE, SEGMENT_IDENTIFY, text='lead_id = ["traits.crm_id"]')
    later = {**SNOWPLOW, "derived_tstamp": "2026-03-01 13:00:00", "user_id": "512", "mkt_clickid": None}
    stranger = {**SNOWPLOW, "domain_userid": "d-9", "event_id": "e-9"}
    crm = events(
        "hubspot",
        [
            hubspot("contact.creation", occurredAt=NOON_MS + 10 * MINUTE),
            hubspot("deal.creation", object_id=9, occurredAt=NOON_MS + 90 * MINUTE),
            changed("deal", "amount", "100", objectId=9, occurredAt=NOON_MS + 90 * MINUTE),
            changed("deal", "dealstage", "closedwon", objectId=9, occurredAt=NOON_MS + 120 * MINUTE),
            hubspot(
                "deal.associationChange", associationType="DEAL_TO_CONTACT", fromObjectId=9, toObjectId=512,
                associationRemoved=False, occurredAt=NOON_MS + 91 * MINUTE,
            ),
        ],
    )  # fmt: skip
    fold(database, visits + events("snowplow", later, stranger) + crm)
    assert table(database, "SELECT channel, leads, customers FROM report_leads_by_channel") == [("cpc", 1, 1)]
    touches = (
        "SELECT touch_id, channel, source FROM fact_touches WHERE NOT own AND counted_lead_id = '512' ORDER BY touch_id"
    )
    found = table(database, touches)
    assert found == [("c6ef3124-0000-4000-8000-000000000001", "email", "newsletter"), ("m-1", "cpc", "google")]
    # the lead itself has no origin: its own touch, between the two, carries that of the first
    linear = "SELECT channel, revenue FROM report_channel_attribution WHERE model = 'linear' ORDER BY channel"
    assert table(database, linear) == [("cpc", Decimal("66.6667")), ("email", Decimal("33.3333"))]


def test_no_personal_value_is_anywhere_but_in_the_table_of_people(database: Client) -> None:
    names = {"Ada", "Example", "ada@example.org", "Works AB", "Ten licences"}
    payloads = events(
        "hubspot",
        [
            changed("contact", "hs_full_name_or_email", "Ada Example"),
            changed("contact", "email", "ada@example.org"),
            changed("contact", "company", "Works AB"),
            changed("deal", "dealname", "Ten licences"),
        ],
    )
    payloads += events("salesforce", salesforce("Lead", "00Q1", "CREATE", Name="Ada Example", Email="ada@example.org"))
    payloads += events("pipedrive", pipedrive("person", "create", {"name": "Ada Example", "email": "ada@example.org"}))
    payloads += events("segment", SEGMENT_IDENTIFY)
    fold(database, payloads)
    tables = table(
        database, "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
    )
    for (name,) in tables:
        content = database.raw_query(f"SELECT * FROM {name} FORMAT JSONEachRow").decode("utf-8", "replace")
        assert name == "people" or not [each for each in names if each in content], name
    assert table(database, "SELECT countDistinct(value) FROM people")[0][0] == 4
