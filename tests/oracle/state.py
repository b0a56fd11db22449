"""What every entity is now: raw JSON events in, registers and histories out, by the letter of the events' contract.

Plain and slow on purpose, and written without the product's modules: what it says again, it says from the contract
alone. Events given to it are valid (what is refused has tests of its own).
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple
from urllib.parse import urlsplit

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UTM = ("source", "medium", "campaign", "term", "content")
CLICK_IDS = ("gclid", "msclkid", "fbclid")

IDENTIFIERS = {
    "lead_id",
    "touch_id",
    "opportunity_id",
    "call_id",
    "rep_id",
    "owner_id",
    "account_id",
    "campaign_id",
    "contact_id",
}
INSTANTS = {"created_at", "closed_at", "at", "started_at"}
DECIMALS = {"amount", "cost", "budget", "probability", "rate", "value"}
PERSONAL = {"name", "email", "company", "contact", "subject"}
HISTORIES = {"stage", "status"}
BENCHMARKS = {"answer_rate", "avg_talk_seconds", "advance_rate"}


class Moment(NamedTuple):
    """Where an event stands in the order of events: instant in microseconds, sequence, source, id (by bytes)."""

    time: int
    sequence: int
    source: bytes
    id: bytes


class Write(NamedTuple):
    """What an event says of a field; the greater wins. `canon` is the canonical JSON of the value."""

    moment: Moment
    canon: bytes
    value: Any


@dataclass
class Entity:
    """All that was ever said of an entity."""

    fields: dict[str, Write] = field(default_factory=dict)
    histories: dict[str, set[tuple[Moment, bytes]]] = field(default_factory=dict)
    #: times of the events that make it known
    seen: list[int] = field(default_factory=list)
    #: every value that a link field ever had
    links: dict[str, set[str]] = field(default_factory=dict)
    erased: bool = False

    def get(self, name: str) -> Any:
        written = self.fields.get(name)
        return None if written is None else written.value

    def write(self, name: str, moment: Moment, value: Any, canon: bytes) -> None:
        new = Write(moment, canon, value)
        old = self.fields.get(name)
        if old is None or (old.moment, old.canon) < (new.moment, new.canon):
            self.fields[name] = new

    def history(self, name: str) -> list[tuple[Moment, Any]]:
        """All values in their order."""
        return [(moment, json.loads(canon)) for moment, canon in sorted(self.histories.get(name, ()))]

    @property
    def lead(self) -> str | None:
        """The lead that an opportunity or a call names, unless a later event said that it is not that one."""
        lead = self.get("lead_id")
        unlinked = None if lead is None else self.fields.get(f"unlinked {lead}")
        return None if unlinked is not None and unlinked.moment > self.fields["lead_id"].moment else lead

    @property
    def known(self) -> bool:
        return bool(self.seen)

    @property
    def deleted(self) -> bool:
        return bool(self.get("deleted"))


@dataclass
class State:
    """Every entity, by kind and key."""

    leads: dict[str, Entity] = field(default_factory=dict)
    touches: dict[tuple[str, str], Entity] = field(default_factory=dict)
    opportunities: dict[str, Entity] = field(default_factory=dict)
    calls: dict[str, Entity] = field(default_factory=dict)
    spend: dict[tuple[str, ...], Entity] = field(default_factory=dict)
    campaigns: dict[str, Entity] = field(default_factory=dict)
    reps: dict[str, Entity] = field(default_factory=dict)
    accounts: dict[str, Entity] = field(default_factory=dict)
    rates: dict[tuple[str, str, str], Entity] = field(default_factory=dict)
    benchmarks: dict[tuple[str, str], Entity] = field(default_factory=dict)
    targets: dict[tuple[str, str, str], Entity] = field(default_factory=dict)
    #: (kind, id, field) -> the greatest of (time, sequence, source, id, value)
    people: dict[tuple[str, str, str], tuple[Any, ...]] = field(default_factory=dict)
    #: events that are no events of the contract
    rejected: int = 0


def read(events: Iterable[bytes]) -> State:
    """Fold all events, in whatever order they come."""
    state = State()
    for raw in events:
        event = json.loads(raw, parse_float=_decimal, parse_int=_integer)
        if event["type"] == "crm.benchmark.posted" and event["data"]["metric"] not in BENCHMARKS:
            state.rejected += 1
        else:
            _fold(state, event)
    return state


def _integer(text: str) -> int:
    """An integer of any length; longer than 4,300 digits they are of no use to anybody."""
    return int(text[:4300])


def _decimal(text: str) -> Decimal:
    """A number by its text; of absurd exponents, which no member takes, none."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("NaN")


def _sequence(value: str | int | None) -> int:
    text = str(value or 0)
    return int(text.lstrip("-").lstrip("0") or "0") * (-1 if text[0] == "-" else 1)


def microseconds(text: str) -> int:
    """An RFC 3339 instant, cut to microseconds; a leap second is the next one."""
    text = text.upper().replace(" ", "T")
    clock, offset = (text[:-1], "+00:00") if text.endswith("Z") else (text[:-6], text[-6:])
    whole, _, fraction = clock.partition(".")
    moment = datetime.fromisoformat(whole[:-2] + "00" + offset) + timedelta(seconds=int(whole[-2:])) - EPOCH
    return (moment.days * 86400 + moment.seconds) * 1_000_000 + int((fraction + "000000")[:6])


def instant_text(us: int) -> str:
    text = (EPOCH + timedelta(microseconds=us)).replace(tzinfo=None).isoformat()
    return (text.rstrip("0") if "." in text else text) + "Z"


def host(referrer: str) -> str | None:
    """The host of an address, or of what is only a host."""
    address = referrer.strip()
    try:
        parts = urlsplit(address if "//" in address.partition("/")[0] + address[:300] else "//" + address)
        parts.port  # noqa: B018 - raises where it is none
    except ValueError:
        return None
    return parts.hostname or None


def _normal(name: str, value: Any) -> tuple[Any, bytes]:
    """The value of a member, and its canonical JSON."""
    if value is None:
        return None, b"null"
    if name in IDENTIFIERS:
        value = str(value)
    elif name in INSTANTS:
        us = microseconds(value)
        return us, json.dumps(instant_text(us)).encode()
    elif name in DECIMALS:
        exact = Decimal(str(value))
        text = f"{exact:f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return exact, (b"0" if exact == 0 else text.encode())
    elif name == "referrer":
        value = host(value)
    elif name == "talk_seconds":
        value = int(value)
    return value, json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _flat(data: dict[str, Any]) -> dict[str, Any]:
    """The members, those of `utm` and `click_id` as fields of their own."""
    flat: dict[str, Any] = {}
    for name, value in data.items():
        if name in ("utm", "click_id"):
            inner = UTM if name == "utm" else CLICK_IDS
            for each in inner:
                if value is None or each in value:
                    flat[f"{name}.{each}"] = None if value is None else value[each]
        else:
            flat[name] = value
    return flat


def _take(entity: Entity, moment: Moment, flat: dict[str, Any], names: Iterable[str]) -> None:
    for name in names:
        if name in flat and name not in PERSONAL:
            value, canon = _normal(name, flat[name])
            if name in HISTORIES:
                entity.histories.setdefault(name, set()).add((moment, canon))
            else:
                entity.write(name, moment, value, canon)


ORIGIN = [*(f"utm.{each}" for each in UTM), *(f"click_id.{each}" for each in CLICK_IDS), "referrer", "channel"]
LEAD = ["created_at", "account_id", "owner_id", "campaign_id", "lead_magnet", "stage", *ORIGIN]
TOUCH = ["at", "campaign_id", *ORIGIN]
OPPORTUNITY = [
    *("lead_id", "account_id", "contact_id", "amount", "currency", "cost", "probability", "stage", "status"),
    *("due_date", "created_at", "closed_at", "owner_id", "campaign_id"),
]
CALL = [
    *("rep_id", "lead_id", "opportunity_id", "direction", "started_at", "talk_seconds", "advanced_to"),
    "call_status",
]


def _fold(state: State, event: dict[str, Any]) -> None:
    moment = Moment(
        microseconds(event["time"]),
        _sequence(event.get("sequence")),
        str(event["source"]).encode(),
        str(event["id"]).encode(),
    )
    kind, data = event["type"], _flat(event["data"])
    subject = kind.split(".")[1]
    what = kind.split(".")[2]
    if kind == "crm.lead.merged":
        survivor = str(data["lead_id"])
        for merged in map(str, data["merged_ids"]):
            lead = state.leads.setdefault(merged, Entity())
            lead.write("merged_into", moment, *_normal("lead_id", survivor))
            lead.links.setdefault("merged_into", set()).add(survivor)
    elif subject in ("lead", "opportunity", "deal", "call"):
        subject = "opportunity" if subject == "deal" else subject
        table: dict[str, Entity] = {
            "lead": state.leads,
            "opportunity": state.opportunities,
            "call": state.calls,
        }[subject]
        name = str(data.pop(f"{subject}_id"))
        entity = table.setdefault(name, Entity())
        if what in ("deleted", "restored"):
            entity.write("deleted", moment, what == "deleted", b"true" if what == "deleted" else b"false")
        elif what == "erased":
            entity.erased = True
        else:
            entity.seen.append(moment.time)
            if subject == "call" and "status" in data:
                data["call_status"] = data.pop("status")
            if subject == "opportunity" and "status" in data:
                data["status"] = data["status"] or "open"  # null adds the default
            if kind.startswith("crm.deal."):
                data["status"] = {"won": "won", "lost": "lost", "reopened": "open"}[what]
            _take(entity, moment, data, {"lead": LEAD, "opportunity": OPPORTUNITY, "call": CALL}[subject])
            if data.get("unlinked_lead_id") is not None:
                entity.write(f"unlinked {data['unlinked_lead_id']}", moment, value=True, canon=b"true")
            if data.get("lead_id") is not None:
                entity.links.setdefault("lead_id", set()).add(str(data["lead_id"]))
            for personal in PERSONAL & data.keys():
                key = (subject, name, personal)
                value = (*moment, data[personal] or "")
                state.people[key] = max(state.people.get(key, value), value)
    elif subject == "touch":
        touch = state.touches.setdefault((str(data["lead_id"]), str(data["touch_id"])), Entity())
        touch.seen.append(moment.time)
        _take(touch, moment, data, TOUCH)
    else:
        _fold_reference(state, subject, data, moment)


def _fold_reference(  # noqa: C901 - one branch an event type
    state: State, subject: str, data: dict[str, Any], moment: Moment
) -> None:
    def put(entity: Entity, name: str, value: Any, kind: str = "") -> None:
        entity.write(name, moment, *_normal(kind or name, value))

    if subject == "spend":
        key = (
            str(data["platform"]),
            "" if data.get("account_id") is None else str(data["account_id"]),
            data["date"],
            "" if data.get("campaign_id") is None else str(data["campaign_id"]),
            *(data.get(f"utm.{each}") or "" for each in UTM),
            str(data.get("category") or "media"),
        )
        figure = {
            "amount": Decimal(str(data["amount"])),
            "currency": data["currency"],
            "channel": data.get("channel"),
            **{each: int(data.get(each) or 0) for each in ("impressions", "clicks", "visitors")},
        }
        spend = state.spend.setdefault(key, Entity())
        # whole figures: the order of what only their content tells apart is the implementation's
        spend.write("figure", moment, figure, repr(figure).encode())
    elif subject == "campaign":
        campaign = state.campaigns.setdefault(str(data["campaign_id"]), Entity())
        for name in ("name", "group", "channel", "aliases", "budget", "currency"):
            if name in data:
                put(campaign, "campaign_name" if name == "name" else name, data[name])
    elif subject == "rep":
        rep = state.reps.setdefault(str(data["rep_id"]), Entity())
        if "name" in data:
            put(rep, "rep_name", data["name"])
        if "team" in data:
            put(rep, f"team since {data.get('team_since') or '1970-01-01'}", data["team"])
    elif subject == "account":
        account = state.accounts.setdefault(str(data["account_id"]), Entity())
        if "name" in data:
            put(account, "account_name", data["name"])
        if "key_account" in data:
            put(account, "key_account", data["key_account"])
    elif subject == "rate":
        rate = state.rates.setdefault((data["base"], data["quote"], data["date"]), Entity())
        put(rate, "rate", data["rate"])
    elif subject == "benchmark":
        key2 = (data["metric"], data.get("valid_from") or "1970-01-01")
        put(state.benchmarks.setdefault(key2, Entity()), "value", data["value"])
    elif subject == "target":
        key3 = (data["metric"], data.get("scope") or "company", data["month"])
        put(state.targets.setdefault(key3, Entity()), "value", data["value"])
