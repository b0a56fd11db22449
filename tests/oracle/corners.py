"""Which hard corners of the contract a company has: without them, agreement would say little."""

from collections import Counter
from datetime import UTC, date, datetime

from tests.oracle.journeys import SECOND, Journeys, has_origin
from tests.oracle.reports import Reports

CORNERS = (
    "three leads merged",
    "a cycle of merges",
    "a merge into itself",
    "a merge undone by a later one",
    "the root is not the lead that counts",
    "a won deal of leads that are all deleted",
    "a won deal without any lead, with a campaign of its own",
    "a touch of an unknown lead",
    "an origin taken from a recorded touch",
    "an origin taken from a merged lead",
    "touches after the close",
    "touches out of the look-back",
    "no touch left but the lead's own",
    "eight touches of a deal",
    "a touch that weighs nothing",
    "an opportunity created before its first touch",
    "a refund shared by several touches",
    "a remainder that is shared out",
    "closed_at of an older close, unused",
    "closed_at in use",
    "converted before creation",
    "converted",
    "a direct rate",
    "an inverse rate",
    "both rates of one day",
    "a rate across the pivot",
    "a deal without a rate, shared by several touches",
    "a spend figure without a rate",
    "an open opportunity due without a rate",
    "half a unit rounded to even",
    "a budget in another currency",
    "a campaign by alias, name or id in another case",
    "one alias of two campaigns",
    "channel of spend by its campaign",
    "channel of spend by its platform",
    "a call by way of an opportunity",
    "an opportunity that was unlinked from its lead",
    "a call without a known lead",
    "a rise credited to a call",
    "a rise at the very end of a call's window",
    "a rise that a call in the window names itself",
    "two stages crossed at once",
    "a stage that is not mapped",
    "a team changed within the time",
    "a benchmark changed within the time",
    "another day here than in UTC",
    "a day of 23 or 25 hours",
    "subject and contact erased",
    *(f"a target of {metric} for {scope} met in part" for metric in ("leads", "revenue", "won_deals", "calls")
      for scope in ("company", "team", "rep", "campaign")),
)  # fmt: skip


def corners(reports: Reports) -> Counter[str]:
    """How often each occurs."""
    found: Counter[str] = Counter()
    _leads(reports.journeys, found)
    _deals(reports.journeys, found)
    _money(reports, found)
    _calls(reports.journeys, found)
    _rest(reports, found)
    return found


def _leads(journeys: Journeys, found: Counter[str]) -> None:
    leads = journeys.state.leads
    for name, entity in leads.items():
        found["a merge into itself"] += entity.get("merged_into") == name
        found["a merge undone by a later one"] += len(entity.links.get("merged_into", ())) > 1
        above = entity.get("merged_into")
        found["a cycle of merges"] += (
            above not in (None, name) and (leads[above].get("merged_into") if above in leads else None) == name
        )
    for group in journeys.groups:
        found["three leads merged"] += len(group.members) > 2 and group.lead is not None
        found["the root is not the lead that counts"] += group.lead not in (None, group.root)
        found["a touch of an unknown lead"] += group.lead is None and bool(group.touches)
        if (
            group.lead is not None
            and not has_origin(leads[group.lead], journeys.config)
            and group.origin.channel != "direct"
        ):
            said = (
                (t, journeys.state.touches[t.lead_id, t.touch_id] if t.recorded else leads[t.lead_id])
                for t in group.touches
            )
            source = next(touch for touch, entity in said if has_origin(entity, journeys.config))
            found[f"an origin taken from a {'recorded touch' if source.recorded else 'merged lead'}"] += 1
        if group.converted_at is not None:
            found["converted" if group.converted_at >= group.created else "converted before creation"] += 1
        found["two stages crossed at once"] += "mofu" in group.reached and group.reached["mofu"] == group.reached.get(
            "bofu"
        )
        found["a stage that is not mapped"] += any(raw and not journeys.config.mapped(raw) for _, raw in group.stages)


def _deals(journeys: Journeys, found: Counter[str]) -> None:
    for deal in journeys.opportunities:
        entity = journeys.state.opportunities[deal.id]
        found["an opportunity that was unlinked from its lead"] += (
            entity.lead is None and entity.get("lead_id") is not None
        )
        if deal.status != "open" and entity.get("closed_at") is not None:
            found[
                "closed_at in use" if deal.closed == entity.get("closed_at") else "closed_at of an older close, unused"
            ] += 1
        if deal.status != "won" or deal.closed is None:
            continue
        if deal.lead is None:
            found["a won deal of leads that are all deleted"] += deal.group is not None and any(
                journeys.state.leads[lead].deleted for lead in deal.group.members if lead in journeys.state.leads
            )
            found["a won deal without any lead, with a campaign of its own"] += (
                deal.group is None and deal.campaign_id is not None
            )
            continue
        touches = journeys.touches_of(deal)
        everything = deal.lead.touches
        found["touches after the close"] += any(touch.at > deal.closed for touch in everything)
        found["no touch left but the lead's own"] += touches[0].at > deal.closed
        found["touches out of the look-back"] += any(
            touch.at <= deal.closed and touch not in touches for touch in everything
        )
        found["eight touches of a deal"] += len(touches) >= 8
        mine = [credit for credit in journeys.credits if credit.opportunity is deal]
        decayed = [credit for credit in mine if credit.model == "time_decay"]
        found["a touch that weighs nothing"] += len(touches) > len(decayed) or not all(
            credit.deals for credit in decayed
        )
        found["an opportunity created before its first touch"] += deal.created < touches[0].at and len(touches) > 2
        found["a refund shared by several touches"] += deal.units < 0 and len(touches) > 2
        found["a remainder that is shared out"] += (
            len({credit.revenue for credit in mine if credit.model == "linear"}) == 2
        )
        missing = journeys.rate(deal.currency, deal.closed_day) is None
        found["a deal without a rate, shared by several touches"] += missing and len(touches) > 1


def _money(reports: Reports, found: Counter[str]) -> None:
    journeys, config = reports.journeys, reports.config
    amounts = [(each.currency, each.closed_day) for each in journeys.opportunities]
    amounts += [(each.currency, each.day) for each in journeys.spend]
    for currency, day in amounts:
        if currency != config.currency:
            found[_way(journeys, currency, day)] += 1
    for figure in journeys.spend:
        found["a spend figure without a rate"] += journeys.rate(figure.currency, figure.day) is None
    for each in journeys.opportunities:
        due = each.status == "open" and each.due is not None
        found["an open opportunity due without a rate"] += due and journeys.rate(each.currency, None) is None
        if each.status == "open" and each.probability is not None:
            found["half a unit rounded to even"] += each.units * each.probability % 1 * 2 == 1
    for entity in journeys.state.campaigns.values():
        other = entity.get("currency") not in (None, config.currency)
        found["a budget in another currency"] += other and entity.get("budget") is not None


def _way(journeys: Journeys, currency: str, day: date | None) -> str:
    pairs: dict[str, list[str]] = {"a direct rate": [], "an inverse rate": []}
    target = journeys.config.currency
    for base, quote, on in journeys.state.rates:
        if day is None or date.fromisoformat(on) <= day:
            if (base, quote) == (currency, target):
                pairs["a direct rate"].append(on)
            if (base, quote) == (target, currency):
                pairs["an inverse rate"].append(on)
    direct, inverse = (max(days, default="") for days in pairs.values())
    if direct == inverse:
        none = "a rate across the pivot" if journeys.rate(currency, day) is not None else "no rate"
        return "both rates of one day" if direct else none
    return "a direct rate" if direct > inverse else "an inverse rate"


def _calls(journeys: Journeys, found: Counter[str]) -> None:
    window = journeys.config.call_credit_hours * 3600 * SECOND
    for call in journeys.calls:
        lead = call.group if call.group is not None and call.group.lead is not None else None
        found["a call without a known lead"] += lead is None
        found["a call by way of an opportunity"] += lead is not None and journeys.state.calls[call.id].lead is None
        found["a rise credited to a call"] += call.says is None and bool(call.advanced)
        for stage in ("mofu", "bofu"):
            rise = None if lead is None else lead.reached.get(stage)
            if rise is not None and call.started <= rise <= call.started + window:
                found["a rise at the very end of a call's window"] += (
                    rise == call.started + window and stage in call.advanced
                )
                found["a rise that a call in the window names itself"] += (
                    call.says is not None and journeys.config.stage(call.says) == stage
                )


def _rest(reports: Reports, found: Counter[str]) -> None:
    journeys, config = reports.journeys, reports.config
    campaigns = journeys.campaigns
    for group in journeys.leads:
        given = group.origin.campaign_id
        found["a campaign by alias, name or id in another case"] += campaigns.resolve(given) != given
        utc = datetime.fromtimestamp(group.created // SECOND, UTC).date()
        found["another day here than in UTC"] += utc != group.day
        found["a day of 23 or 25 hours"] += config.time_zone == "Europe/Stockholm" and str(group.day) in (
            "2026-03-29",
            "2025-10-26",
        )
    names = [
        {alias.strip().lower() for alias in (name, each.get("campaign_name") or "", *(each.get("aliases") or []))}
        - {""}
        for name, each in campaigns.known.items()
    ]
    found["one alias of two campaigns"] += len(set().union(*names)) < sum(map(len, names))
    for figure in journeys.spend:
        if not (figure.utm[0].strip() or figure.utm[1].strip()):
            by_campaign = campaigns.channel(figure.origin.campaign_id)
            found["channel of spend by its campaign"] += figure.origin.channel == by_campaign != ""
            found["channel of spend by its platform"] += not by_campaign and figure.origin.channel in ("cpc", "social")
    for rep in journeys.state.reps.values():
        found["a team changed within the time"] += sum(name.startswith("team") for name in rep.fields) > 1
    found["a benchmark changed within the time"] += len(journeys.state.benchmarks) > 3
    found["subject and contact erased"] += len(reports.erased_opportunities)
    for row in reports.report_targets():
        met = row["actual"].value != 0
        found[f"a target of {row['metric']} for {row['scope'].partition('/')[0]} met in part"] += met
