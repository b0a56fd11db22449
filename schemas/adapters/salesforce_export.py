"""Salesforce: exports of records (CSV, as Data Loader, the weekly export and SOQL tools write them).

Sources: Salesforce Help, "Data Loader Guide" and "Export Backup Data from Salesforce".

Columns are API names; the object of a row is known by the first three characters of its `Id` (00Q a lead, 006 an
opportunity, 00T a task, 001 an account, 005 a user, 701 a campaign, 00v a campaign member). A row is a whole record
as it was at `SystemModstamp`, else `LastModifiedDate`, which is the time of its events; members are those of
`salesforce.py`. A column that is there and empty clears its member.

| column | becomes |
| --- | --- |
| IsDeleted true | `.deleted` in the place of all else; of a lead with MasterRecordId `crm.lead.merged` |
| ConvertedOpportunityId | `crm.opportunity.updated` of that opportunity with the lead's id |
| IsClosed, IsWon | status of an opportunity, else what `opportunity.stages` says |

Ids of 15 characters, as reports have them, become those of 18 that change events have.

With `close_gaps` every row says as well that its record was fetched, which closes what a GAP event opened.

Overlap with change events: those later than the row's time win, those earlier lose; of the same second the change
event wins, which says the same.
"""

from collections.abc import Mapping, Sequence

from schemas.adapters import convert
from schemas.adapters.adapted import NOTHING_KNOWN, Adapted, Context, NotAdaptable, UnusableTable
from schemas.adapters.draft import Collector, Draft, reading
from schemas.adapters.salesforce import How, Mapper, Salesforce, full_id
from schemas.reasons import Reason

OBJECTS = {
    "00Q": "Lead",
    "006": "Opportunity",
    "00T": "Task",
    "001": "Account",
    "005": "User",
    "701": "Campaign",
    "00v": "CampaignMember",
}
_TYPES = {
    "Lead": ("lead_id", "crm.lead.updated", "crm.lead.deleted"),
    "Opportunity": ("opportunity_id", "crm.opportunity.updated", "crm.opportunity.deleted"),
    "Task": ("call_id", "crm.call.logged", "crm.call.deleted"),
    "Account": ("account_id", "crm.account.upserted", ""),
    "User": ("rep_id", "crm.rep.upserted", ""),
    "Campaign": ("campaign_id", "crm.campaign.upserted", ""),
}
_MODIFIED = ("SystemModstamp", "LastModifiedDate")


class SalesforceExport:
    """Rows of one export become canonical events."""

    def __init__(
        self,
        source: Salesforce,
        columns: Sequence[str],
        context: Context = NOTHING_KNOWN,
        *,
        close_gaps: bool = False,
    ) -> None:
        """Take the header of the file. Raises UnusableTable."""
        self._source, self._mapper = source, Mapper(source)
        self._as_of, self._close_gaps = context.as_of, close_gaps
        by_name = {column.strip().casefold(): column for column in columns}
        known = {name for table in self._mapper.tables.values() for name in table}
        known |= {"Id", "IsDeleted", "MasterRecordId", "ConvertedOpportunityId", "IsClosed", "IsWon", "WhoId", "WhatId"}
        known |= {"TaskSubtype", "Type", "FirstName", "LastName", "Name", "LeadId", "CampaignId", *_MODIFIED}
        # some tools write the header in capitals
        self._names = {by_name[name.casefold()]: name for name in known if name.casefold() in by_name}
        found = set(self._names.values())
        if "Id" not in found:
            raise UnusableTable("there is no column Id: is this an export of Salesforce records?")
        if not found & set(_MODIFIED) and self._as_of is None:
            raise UnusableTable(
                "there is neither a column SystemModstamp nor LastModifiedDate: export one of them too, or say with "
                "--as-of when the export was made"
            )

    def row(self, row: Mapping[str, str]) -> Adapted:
        """Read a row, cells by column."""
        out = Collector(self._source.source, self._source.revision)
        with out.part(dict(row)):
            cells = {name: row[column].strip() or None for column, name in self._names.items()}
            ids = {name: full_id(cell) for name, cell in cells.items() if name.endswith("Id") and cell}
            self._row({**cells, **ids}, out)
        return out.adapted

    def _row(self, cells: dict[str, str | None], out: Collector) -> None:
        with reading("Id"):
            record = convert.identifier(cells["Id"])
        entity = OBJECTS.get(record[:3])
        if entity is None:
            out.pass_over("other-object")
            return
        modified = next((cells[name] for name in _MODIFIED if cells.get(name)), self._as_of)
        if modified is None:
            raise NotAdaptable(Reason.MISSING_MEMBER, "SystemModstamp: is empty")
        with reading("SystemModstamp, LastModifiedDate"):
            time_us = convert.instant_us(modified, self._source.time_zone)
        if entity == "CampaignMember":
            self._touch(record, cells, time_us, out)
            return
        if entity == "Task" and not self._mapper.is_call(cells):
            out.pass_over("Task")
            return
        with reading("IsDeleted"):
            deleted = bool(cells.get("IsDeleted")) and convert.flag(cells["IsDeleted"])
        if deleted:
            self._deleted(record, entity, cells, time_us, out)
        else:
            self._record(record, entity, cells, time_us, out)
        if self._close_gaps:
            out.close_gap(time_us, entity, record)

    def _record(self, record: str, entity: str, cells: dict[str, str | None], time_us: int, out: Collector) -> None:
        id_member, type_, _ = _TYPES[entity]
        draft = out.add(Draft(type_, time_us, 0, "export"))
        draft.put(id_member, record, "Id")
        self._mapper.write(draft, entity, dict(cells), out, How.WHOLE)
        opportunity = cells.get("ConvertedOpportunityId")
        if entity == "Lead" and opportunity:
            about = {"opportunity_id": opportunity, "lead_id": record}
            out.add(Draft("crm.opportunity.updated", time_us, 0, "export", **about))

    def _deleted(self, record: str, entity: str, cells: dict[str, str | None], time_us: int, out: Collector) -> None:
        id_member, _, type_ = _TYPES[entity]
        master = cells.get("MasterRecordId")
        if entity == "Lead" and master:
            out.add(Draft("crm.lead.merged", time_us, 0, "export", lead_id=master, merged_ids=[record]))
        elif type_:
            out.add(Draft(type_, time_us, 0, "export")).put(id_member, record, "Id")
        else:
            out.pass_over(f"{entity}.deleted")

    def _touch(self, record: str, cells: dict[str, str | None], time_us: int, out: Collector) -> None:
        lead = cells.get("LeadId")
        if not lead:
            out.pass_over("CampaignMember")
            return
        created = cells.get("CreatedDate")
        with reading("CreatedDate"):
            at_us = convert.instant_us(created, self._source.time_zone) if created else time_us
        draft = out.add(Draft("crm.touch.recorded", time_us, 0, touch_id=record, lead_id=lead))
        draft.put("campaign_id", cells.get("CampaignId"), "CampaignId")
        draft.put("at", convert.instant(at_us), "CreatedDate")
