"""Visits of web tracking as touches of leads, also of visitors who are not known yet.

A visitor without a user id is the lead `anonymous/ID`, of which nothing is known but touches: it counts nowhere.
When the visitor is identified, that lead is merged into the user's, and its touches count for them.

Not every page view is a touch: only one that begins a visit, with campaign parameters, a click id, or a referrer
that is not one of one's own domains.
"""

from pydantic import Field

from schemas.adapters import convert
from schemas.adapters.adapted import NotAdaptable
from schemas.adapters.configuration import Source
from schemas.adapters.draft import Collector, Draft, reading
from schemas.adapters.fields import LeadFields, write_landing_page
from schemas.values import referrer as host_of

ANONYMOUS = "anonymous/"
HOUR_US = 3600 * 1_000_000


class TrackingSource(Source):
    """What the sources of web tracking say."""

    lead_id: list[str] = Field(default=[])
    """Where the CRM's id of the lead stands, paths with dots, the first that is there; else the user id is it."""
    own_domains: list[str] = Field(default=[])
    """One's own web sites, subdomains included: their pages are no referrers."""
    every_page: bool = False
    """Take every page view for a touch."""
    lead: LeadFields = LeadFields()


def anonymous(identifier: str) -> str:
    """The lead that a visitor is before anybody knows who it is."""
    return f"{ANONYMOUS}{identifier}"[:256]


def lead_id_of(raw: object, place: str) -> str | None:
    """Read a lead's id; None where there is none. Raises NotAdaptable.

    Ids stand in every table, so a mail address, which many sites take for one, is refused.
    """
    with reading(place):
        found = None if convert.plain(raw) is None else convert.identifier(raw)
    if found is not None and "@" in found:
        problem = f"{place}: is a mail address, and ids stand in every table: name another one with lead_id"
        raise NotAdaptable("personal-id", problem)
    return found


def seen_as(out: Collector, time_us: int, visitor: str, lead: str) -> None:
    """Say that what a visitor did, a known lead did. It is the same event all hour: pages are many."""
    merged(out, time_us - time_us % HOUR_US, visitor, lead)


def merged(out: Collector, time_us: int, visitor: str, lead: str) -> None:
    """Say that a visitor turned out to be a lead."""
    survivor_of = anonymous(visitor)
    if survivor_of != lead:
        out.add(Draft("crm.lead.merged", time_us, 0, lead_id=lead, merged_ids=[survivor_of]))


def is_own(host: str | None, domains: list[str]) -> bool:
    """Whether a host is one's own."""
    return host is not None and any(host == domain or host.endswith(f".{domain}") for domain in domains)


def write_visit(draft: Draft, source: TrackingSource, address: object, referring: object) -> bool:
    """Put a page view's address and referrer into a touch; True if it begins a visit."""
    begins = False
    if type(address) is str:
        with reading("page address"):
            begins = write_landing_page(draft, address, "page address")
    if type(referring) is str and referring.strip():
        host = host_of(referring)
        if host is not None and not is_own(host, source.own_domains):
            draft.put("referrer", host, "referrer")
            begins = True
    return begins or source.every_page
