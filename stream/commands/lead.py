"""`sixfold lead`."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number
from rich.text import Text

from stream.commands.exits import NEGATIVE, OK
from stream.commands.output import AsJson, Rows, stderr, stdout, table_of, write_json
from stream.records import MODELS
from stream.settings import Settings

if TYPE_CHECKING:
    from stream.timeline import Entry, Journey

SHOWN_ENTRIES = 200
"""To a person, unless --limit says otherwise."""


def lead(
    lead_id: str,
    /,
    *,
    limit: Annotated[int | None, Parameter(validator=Number(gte=0))] = None,
    as_json: AsJson = False,
) -> int:
    """Show one person's whole journey: touches, stages, calls, deals, credits by model, merged leads, in order.

    A lead that was merged is shown with its group, where it counts. Name, address and company come from the table of
    people; of an erased person there are none. Exit code 1: nothing was ever said of this lead.

    Examples: `sixfold lead 42`, `sixfold lead 42 --json`

    Parameters
    ----------
    lead_id
        The lead's id as the CRM gives it; of a merged one, too.
    limit
        The most entries of the timeline, the latest; 0 for all. To a person 200 unless told, as JSON all.
    as_json
        Print JSON: {"counted_by", "counted_as", "leads", "people", "lead", "timeline", "credits", "said", ..}.

    """
    from sinks.client import connect
    from stream.timeline import UnknownLead, read_journey

    settings = Settings()
    most = SHOWN_ENTRIES if limit is None and not as_json else limit or None
    try:
        journey = read_journey(connect(settings), lead_id, settings.partitions)
    except UnknownLead as error:
        stderr().print(Text(f"sixfold: {error}"))
        return NEGATIVE
    if as_json:
        found = journey.as_json()
        write_json(found if most is None else {**found, "timeline": found["timeline"][-most:]})
    else:
        _write(journey, most)
    return OK


def _write(journey: "Journey", most: int | None) -> None:
    out = stdout()
    out.print(Text(f"lead {journey.lead_id}", style="bold"))
    for line in _lines(journey):
        out.print(Text(line))
    entries = journey.timeline if most is None else journey.timeline[-most:]
    rows = [[entry.at, entry.what, entry.entity, _details(entry), entry.source, entry.event_id] for entry in entries]
    columns = ["at", "what", "entity", "details", "source", "event"]
    out.print(table_of(Rows(columns, ["String"] * len(columns), rows), "What happened"))
    if len(entries) < len(journey.timeline):
        out.print(Text(f"the latest {len(entries)} of {len(journey.timeline):,} entries; --limit 0 for all"))
    if journey.credits:
        columns = ["deal", "touch of", "touch", "channel", "campaign", "currency", *MODELS]
        types = ["String"] * 6 + ["Decimal(38, 4)"] * len(MODELS)
        credited = [
            [
                *(each.opportunity_id, each.touch_lead_id, each.touch_id or "(creation)", each.channel),
                *(each.campaign_id, each.currency),
                *(each.models[model]["revenue"] for model in MODELS),
            ]
            for each in journey.credits
        ]
        out.print(table_of(Rows(columns, types, credited), "What each touch is credited of the won deals, by model"))


def _lines(journey: "Journey") -> list[str]:
    lines = []
    if journey.erased:
        lines.append("erased: no personal data are kept")
    for entity, values in journey.people.items():
        lines.append(f"{entity}: " + ", ".join(f"{name} {value}" for name, value in values.items()))
    others = [each for each in journey.members if each != journey.lead_id]
    if others:
        lines.append(f"one person with {', '.join(others)}")
    if journey.lead is None or journey.counted_as is None:
        lines.append(f"counted by {journey.root}, as no lead: none of the group is known and not deleted")
        return lines
    row = journey.lead
    lines.append(f"counts as lead {journey.counted_as} of {row['day']} at {journey.root}")
    lines.append(
        f"from {row['channel']} ({row['source']} / {row['medium']}, campaign {row['campaign_id']}), "
        f"magnet {row['lead_magnet']}, stage {row['stage']}, reached {row['reached_stage']}, owner {row['owner_id']}"
    )
    return lines


def _details(entry: "Entry") -> str:
    return ", ".join(f"{name} {value}" for name, value in entry.details.items() if value not in ("", None))
