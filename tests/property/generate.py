"""Events over a handful of ids, so that everything collides: links, merges, cycles, deletes, re-used ids."""

import random
from typing import Any

LEADS = ["1", "2", "3", "4", "ü/5"]
OPPORTUNITIES = ["a", "b", "c"]
CALLS = ["x", "y", "z"]
STAGES = [None, "tofu", "MQL", "SQL", "customer", "odd"]


def _instant(rng: random.Random) -> str:
    return f"2026-03-{rng.randint(1, 12):02d}T{rng.choice(('00:00:00', '06:00:00.5', '23:30:00'))}Z"


def _marketing(rng: random.Random) -> dict[str, Any]:
    return rng.choice(
        [
            {},
            {"utm": {"source": "google", "medium": "cpc", "campaign": "spring"}},
            {"utm": {"medium": "email"}},
            {"utm": None},
            {"referrer": "https://www.bing.com/search"},
            {"referrer": "https://www.example.com/"},
            {"channel": "partner", "campaign_id": "k1"},
            {"click_id": {"fbclid": "f"}},
        ]
    )


def event(rng: random.Random) -> dict[str, Any]:  # noqa: C901 - a branch a kind of event reads best in one place
    """One event of any kind that folds into leads, opportunities, calls and spend, or of a campaign or a rep."""
    lead, opportunity, call = rng.choice(LEADS), rng.choice(OPPORTUNITIES), rng.choice(CALLS)
    kind = rng.choices(
        [
            "lead",
            "merge",
            "lead-life",
            "touch",
            "opportunity",
            "deal",
            "opportunity-life",
            "call",
            "call-life",
            "spend",
            "campaign",
            "rep",
        ],
        [20, 14, 6, 14, 16, 14, 4, 12, 2, 4, 2, 2],
    )[0]
    data: dict[str, Any]
    if kind == "lead":
        type_ = rng.choice(["crm.lead.created", "crm.lead.updated"])
        data = {"lead_id": lead, **_marketing(rng)}
        for name, values in (
            ("stage", STAGES),
            ("created_at", [None, _instant(rng)]),
            ("lead_magnet", ["ebook", None]),
            ("owner_id", ["r1"]),
            ("name", ["Ann"]),
        ):
            if rng.random() < 0.35:
                data[name] = rng.choice(values)
    elif kind == "merge":
        type_ = "crm.lead.merged"
        data = {"lead_id": lead, "merged_ids": rng.sample(LEADS, rng.randint(1, 2))}
    elif kind == "lead-life":
        type_ = rng.choice(["crm.lead.deleted", "crm.lead.restored", "crm.lead.erased"])
        data = {"lead_id": lead}
    elif kind == "touch":
        type_ = "crm.touch.recorded"
        data = {"touch_id": rng.choice("TU"), "lead_id": lead, **_marketing(rng)}
        if rng.random() < 0.6:
            data["at"] = _instant(rng)
    elif kind in {"opportunity", "deal"}:
        data = {"opportunity_id": opportunity}
        if kind == "deal":
            type_ = rng.choice(["crm.deal.won", "crm.deal.won", "crm.deal.lost", "crm.deal.reopened"])
        else:
            type_ = rng.choice(["crm.opportunity.created", "crm.opportunity.updated"])
        for name, values in (
            ("lead_id", [*LEADS, None]),
            ("unlinked_lead_id", LEADS),
            ("amount", ["100.00", "-3.3333", 7, None]),
            ("cost", ["1.0001"]),
            ("currency", ["EUR", "USD"]),
            ("status", ["open", "won", "lost", None]),
            ("stage", ["Proposal", None]),
            ("probability", [0.25, "0.3333"]),
            ("created_at", [_instant(rng)]),
            ("closed_at", [_instant(rng), None]),
            ("due_date", ["2026-04-01", None]),
            ("campaign_id", ["k9"]),
        ):
            if rng.random() < 0.3:
                data[name] = rng.choice(values)
    elif kind == "opportunity-life":
        type_ = rng.choice(["crm.opportunity.deleted", "crm.opportunity.restored"])
        data = {"opportunity_id": opportunity}
    elif kind == "call":
        type_ = "crm.call.logged"
        data = {"call_id": call}
        for name, values in (
            ("lead_id", [*LEADS, None]),
            ("unlinked_lead_id", LEADS),
            ("opportunity_id", [*OPPORTUNITIES, None]),
            ("rep_id", ["r1", "r2", None]),
            ("direction", ["inbound", "outbound"]),
            ("status", ["answered", "answered", "missed"]),
            ("talk_seconds", [0, 42, 600]),
            ("started_at", [_instant(rng)]),
            ("advanced_to", [*STAGES]),
        ):
            if rng.random() < 0.5:
                data[name] = rng.choice(values)
    elif kind == "call-life":
        type_ = rng.choice(["crm.call.deleted", "crm.call.restored"])
        data = {"call_id": call}
    elif kind == "campaign":
        type_ = "crm.campaign.upserted"
        data = {"campaign_id": rng.choice(["g1", "g2"])}
        for name, values in (("name", ["Party", None]), ("channel", ["partner"]), ("aliases", [["Gala"], []])):
            if rng.random() < 0.6:
                data[name] = rng.choice(values)
    elif kind == "rep":
        type_ = "crm.rep.upserted"
        data = {"rep_id": "g", "team": rng.choice(["north", "south"])}
        if rng.random() < 0.5:
            data["team_since"] = rng.choice(["2026-03-01", "2026-03-05"])
    else:
        type_ = "crm.spend.posted"
        data = {
            "platform": "meta",
            "date": rng.choice(["2026-03-01", "2026-03-02"]),
            "amount": rng.choice(["5.00", 6]),
            "currency": "USD",
            **rng.choice([{}, {"clicks": 3}, {"channel": "partner"}]),
        }
    # few ids, times and sequences: re-used ids and equal order keys are part of life; some share one key whole
    key = {
        "id": str(rng.randint(0, 25)),
        "source": rng.choice(["crm", "crm", "web"]),
        "time": _instant(rng),
        "sequence": rng.choice([0, 0, 1]),
    }
    if rng.random() < 0.1:
        key = {"id": "0", "source": "crm", "time": "2026-03-06T00:00:00Z", "sequence": 0}
    return {"specversion": "1.0", "type": type_, "data": data, **key}
