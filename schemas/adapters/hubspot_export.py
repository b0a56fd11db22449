"""HubSpot: exports of contacts, deals, calls and companies (CSV).

Source: HubSpot's knowledge base, "Export your records" (knowledge.hubspot.com/import-and-export/export-records).

A row is a whole record as it was at its last change. It gives one event, with the members of `hubspot.py`: a
column that is there and empty clears its member, a column that is not there leaves it alone.

| column | property | | column | property |
| --- | --- | --- | --- | --- |
| Record ID | hs_object_id | | Deal Name | dealname |
| Last Modified Date | lastmodifieddate | | Deal Stage | dealstage |
| Create Date | createdate | | Amount | amount |
| First Name, Last Name | firstname, lastname: together the name | | Currency | deal_currency_code |
| Email | email | | Close Date | closedate |
| Company Name | company (of a contact), name (of a company) | | Deal owner | hubspot_owner_id |
| Contact owner | hubspot_owner_id | | Deal probability | hs_deal_stage_probability |
| Lifecycle Stage | lifecyclestage | | Associated Contact IDs | the first is the lead |
| Original Source, Original Traffic Source | hs_analytics_source | | Associated Company IDs | the first is the account |
| Call duration, Call direction, Call status, Call outcome | hs_call_... | | Activity date | hs_timestamp |

Other columns are found by the internal name of the property (HubSpot can export these as headers), or by
`export.columns` of the source file. Owners and stages stand in exports by their names; `owners` and
`deal.stages` of the source file turn them into the ids and names that webhooks give.

With `close_gaps` every row says as well that its record was fetched, which closes what was asked for.

Overlap with webhooks: the event's time is the record's last change. A webhook of a later change wins; of an
earlier one it loses, for the row has seen it. So import and webhooks may run in any order, and again.
"""

from collections.abc import Mapping, Sequence

from schemas.adapters import convert
from schemas.adapters.adapted import NOTHING_KNOWN, Adapted, Context, NotAdaptable, UnusableTable
from schemas.adapters.draft import Collector, Draft, reading
from schemas.adapters.hubspot import HubSpot, stages_of, tables_of, write_property
from schemas.adapters.reps import rep_ids
from schemas.reasons import Reason

COLUMNS = {
    "record id": "hs_object_id",
    "last modified date": "lastmodifieddate",
    "last modified": "lastmodifieddate",
    "hs_lastmodifieddate": "lastmodifieddate",
    "object last modified date/time": "lastmodifieddate",
    "create date": "createdate",
    "first name": "firstname",
    "last name": "lastname",
    "email": "email",
    "company name": "company",
    "contact owner": "hubspot_owner_id",
    "deal owner": "hubspot_owner_id",
    "activity assigned to": "hubspot_owner_id",
    "lifecycle stage": "lifecyclestage",
    "original source": "hs_analytics_source",
    "original traffic source": "hs_analytics_source",
    "original source type": "hs_analytics_source",
    "utm source": "utm_source",
    "utm medium": "utm_medium",
    "utm campaign": "utm_campaign",
    "utm term": "utm_term",
    "utm content": "utm_content",
    "google ad click id": "hs_google_click_id",
    "facebook click id": "hs_facebook_click_id",
    "first referring site": "hs_analytics_first_referrer",
    "first conversion": "first_conversion_event_name",
    "deal name": "dealname",
    "deal stage": "dealstage",
    "amount": "amount",
    "currency": "deal_currency_code",
    "close date": "closedate",
    "deal probability": "hs_deal_stage_probability",
    "is closed won": "hs_is_closed_won",
    "is closed lost": "hs_is_closed_lost",
    "associated contact ids": "contacts",
    "associated company ids": "companies",
    "associated deal ids": "deals",
    "activity date": "hs_timestamp",
    "call direction": "hs_call_direction",
    "call status": "hs_call_status",
    "call outcome": "hs_call_disposition",
    "call duration": "hs_call_duration",
    "call duration (milliseconds)": "hs_call_duration",
}
"""Property of an English column, in small letters."""

LABELS = {
    "hs_analytics_source": {
        "Organic Search": "ORGANIC_SEARCH",
        "Paid Search": "PAID_SEARCH",
        "Email Marketing": "EMAIL_MARKETING",
        "Organic Social": "SOCIAL_MEDIA",
        "Paid Social": "PAID_SOCIAL",
        "Referrals": "REFERRALS",
        "AI Referrals": "AI_REFERRALS",
        "Other Campaigns": "OTHER_CAMPAIGNS",
        "Direct Traffic": "DIRECT_TRAFFIC",
        "Offline Sources": "OFFLINE",
    },
    "hs_call_direction": {"Inbound": "INBOUND", "Outbound": "OUTBOUND"},
    "hs_call_status": {
        "Completed": "COMPLETED",
        "Busy": "BUSY",
        "No answer": "NO_ANSWER",
        "Canceled": "CANCELED",
        "Missed": "MISSED",
        "Failed": "FAILED",
    },
    "hs_call_disposition": {
        "Connected": "f240bbac-87c9-4f6e-bf70-924b57d47db7",
        "Left live message": "a4c4c377-d246-4b32-a13b-75a56a4cd0ff",
        "Left voicemail": "b2cf5968-551e-4856-9783-52b3da59a7d0",
        "Busy": "9d9162e7-6cf3-4944-bf63-4dff82258764",
        "No answer": "73a0d17f-1163-4015-bdd5-ec830791da20",
        "Wrong number": "17b47fee-58de-441e-a44c-c6300d46f273",
    },
}
"""What exports call the values that webhooks give."""

_TELLING = (("deal", "dealname"), ("deal", "dealstage"), ("call", "hs_call_duration"), ("call", "hs_call_direction"))
_TYPES = {
    "contact": ("crm.lead.updated", "lead_id"),
    "deal": ("crm.opportunity.updated", "opportunity_id"),
    "call": ("crm.call.logged", "call_id"),
    "company": ("crm.account.upserted", "account_id"),
}
_LINKS: dict[str, dict[str, tuple[str, ...]]] = {
    "deal": {"contacts": ("lead_id", "contact_id"), "companies": ("account_id",)},
    "contact": {"companies": ("account_id",)},
    "call": {"contacts": ("lead_id",), "deals": ("opportunity_id",)},
    "company": {},
}
_TIMES = frozenset({"createdate", "closedate", "hs_timestamp"})


class HubSpotExport:
    """Rows of one export become canonical events."""

    def __init__(
        self, source: HubSpot, columns: Sequence[str], context: Context = NOTHING_KNOWN, *, close_gaps: bool = False
    ) -> None:
        """Take the header of the file. Raises UnusableTable."""
        self._source, self._as_of, self._close_gaps = source, context.as_of, close_gaps
        self._tables = tables_of(source)
        self._stages = stages_of(source)
        self._owners = rep_ids(source.owners)
        self._properties = {column: self._property_of(column) for column in columns}
        found = set(self._properties.values())
        self._kind = next((kind for kind, telling in _TELLING if telling in found), "")
        if not self._kind:
            self._kind = "contact" if found & {"email", "firstname", "lastname", "lifecyclestage"} else "company"
        if self._kind == "company":  # its own name, not that of the company of a contact
            renamed = {"company": "name"}
            self._properties = {column: renamed.get(name, name) for column, name in self._properties.items()}
        if "hs_object_id" not in found:
            raise UnusableTable("there is no column Record ID (or hs_object_id): is this a HubSpot export?")
        if "lastmodifieddate" not in found and self._as_of is None:
            raise UnusableTable(
                "there is no column Last Modified Date (or lastmodifieddate): export it too, or say with --as-of "
                "when the export was made"
            )

    def row(self, row: Mapping[str, str]) -> Adapted:
        """Read a row, cells by column."""
        out = Collector(self._source.source, self._source.revision)
        with out.part(dict(row)):
            self._row({self._properties[column]: cell for column, cell in row.items()}, out)
        return out.adapted

    def _row(self, cells: dict[str, str], out: Collector) -> None:
        modified = cells.get("lastmodifieddate", "").strip() or self._as_of
        if modified is None:
            raise NotAdaptable(Reason.MISSING_MEMBER, "Last Modified Date: is empty")
        with reading("Last Modified Date"):
            time_us = convert.instant_us(modified, self._source.time_zone, self._source.export.date_formats)
        type_, identifier = _TYPES[self._kind]
        draft = out.add(Draft(type_, time_us, 0, "export"))
        with reading("Record ID"):
            draft.put(identifier, convert.identifier(cells["hs_object_id"]), "Record ID")
        if self._close_gaps:
            out.close_gap(time_us, self._kind, str(draft.data[identifier]))
        for name, cell in cells.items():
            self._cell(draft, name, cell.strip(), out)
        if self._kind == "contact" and ("firstname" in cells or "lastname" in cells):
            name = " ".join(filter(None, (cells.get("firstname", "").strip(), cells.get("lastname", "").strip())))
            draft.put("name", name or None, "First Name, Last Name")
        if self._kind == "deal" and self._source.currency is not None and draft.data.get("currency") is None:
            draft.put("currency", self._source.currency, "currency")

    def _cell(self, draft: Draft, name: str, cell: str, out: Collector) -> None:
        if name in _LINKS[self._kind]:
            first = cell.replace(",", ";").partition(";")[0].strip() or None
            for member in _LINKS[self._kind][name]:
                draft.put(member, first, name)
            return
        if name == "hubspot_owner_id" and cell:
            cell = self._owners.get(cell.casefold(), cell)
        cell = LABELS.get(name, {}).get(cell, cell)
        if name in _TIMES and cell and not convert.is_day(cell):
            with reading(name):
                at_us = convert.instant_us(cell, self._source.time_zone, self._source.export.date_formats)
            cell = convert.instant(at_us)
        write_property(draft, self._kind, name, cell, self._tables, self._stages, out)

    def _property_of(self, column: str) -> str:
        given = self._source.export.columns
        if column in given:
            return given[column]
        name = column.strip()
        return COLUMNS.get(name.casefold(), name)
