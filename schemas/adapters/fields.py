"""A provider's fields as members of canonical events: the part of the mapping that a customer can change.

A *field* is the provider's name of something (HubSpot's property, Salesforce's API name), a *target* is what it
becomes: a member of the event's data, one inside a group (`utm.source`), or a way of writing members:

| target | gives |
| --- | --- |
| `landing_page` | an address; its `utm_*` and click ids become those of the lead or touch |
| `close_date` | `due_date`, and `closed_at`: the instant, or the end of the day where there is only a date |
| `probability_percent` | `probability`, from 0 to 100 |
| `talk_milliseconds` | `talk_seconds` |
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Self
from urllib.parse import parse_qsl, urlsplit

from pydantic import BeforeValidator, Field, model_validator

from schemas.adapters import convert
from schemas.adapters.configuration import Names, Strict
from schemas.adapters.convert import UnreadableError
from schemas.adapters.draft import Collector, Draft, reading
from schemas.events import Account, Call, Campaign, ClickId, Lead, Members, Opportunity, Rep, Touch, Utm
from schemas.fields import member_group, member_kind

ENTITIES: dict[str, type[Members]] = {
    "lead": Lead,
    "opportunity": Opportunity,
    "call": Call,
    "account": Account,
    "rep": Rep,
    "campaign": Campaign,
    "touch": Touch,
}
_ORIGIN_WRITINGS = frozenset({"landing_page"})
_WRITINGS: dict[str, frozenset[str]] = {
    "lead": _ORIGIN_WRITINGS,
    "touch": _ORIGIN_WRITINGS,
    "opportunity": frozenset({"close_date", "probability_percent"}),
    "call": frozenset({"talk_milliseconds"}),
}
_LONGEST_ADDRESS = 8192


def _left_out(value: object) -> object:
    return "" if value is False else value


class Fields(Strict):
    """The fields of one of the provider's objects, and words of theirs.

    `fields` are added to those of the adapter, `false` leaves one out. `values` translates the raw values of a
    field; what is not in its table stays as it is, or stays away where the member takes certain words only; a
    translation that is empty keeps the value away, too.
    """

    ENTITY: ClassVar[str]

    fields: dict[str, Annotated[str, BeforeValidator(_left_out)]] = Field(default={})
    values: dict[str, Names] = Field(default={})

    @model_validator(mode="after")
    def _targets_are_known(self) -> Self:
        kinds = target_kinds(self.ENTITY)
        for field, target in self.fields.items():
            if target and target not in kinds:
                raise ValueError(f"fields.{field}: there is no member {target}; there are {', '.join(sorted(kinds))}")
        return self


class LeadFields(Fields):
    """Fields of what counts as a lead."""

    ENTITY = "lead"


class OpportunityFields(Fields):
    """Fields of what counts as an opportunity."""

    ENTITY = "opportunity"


class CallFields(Fields):
    """Fields of what counts as a call."""

    ENTITY = "call"


class AccountFields(Fields):
    """Fields of what counts as an account."""

    ENTITY = "account"


class RepFields(Fields):
    """Fields of what counts as a rep."""

    ENTITY = "rep"


class CampaignFields(Fields):
    """Fields of what counts as a campaign."""

    ENTITY = "campaign"


class FieldTable:
    """The adapter's fields with the customer's on top, put to work."""

    def __init__(self, given: Fields, defaults: Names, values: Mapping[str, Names], zone: str) -> None:
        self._kinds = target_kinds(given.ENTITY)
        self._targets = {field: target for field, target in {**defaults, **given.fields}.items() if target}
        self._values = {field: {**values.get(field, {}), **given.values.get(field, {})} for field in self._targets}
        self._zone = zone

    def __contains__(self, field: str) -> bool:
        return field in self._targets

    def __iter__(self) -> Iterator[str]:
        return iter(self._targets)

    def target(self, field: str) -> str:
        """What a field becomes."""
        return self._targets[field]

    def write(self, draft: Draft, field: str, raw: object, out: Collector, place: str | None = None) -> None:
        """Put a raw value into the event; null and empty text clear. Raises NotAdaptable, which names the place."""
        target = self._targets[field]
        place = place or field
        with reading(place):
            raw = convert.plain(raw) if self._kinds[target] != "list" else raw
            if self._values[field] and raw is not None:
                known = self._values[field].get(_word(raw))
                if known is None:
                    out.unmapped(place, _word(raw))
                    if self._kinds[target] == "enum":
                        return
                if known == "":
                    return
                raw = raw if known is None else known
            if target in _WRITERS:
                _WRITERS[target](draft, raw, self._zone, place)
            else:
                draft.put(target, convert.converted(self._kinds[target], raw, self._zone), place)


def target_kinds(entity: str) -> dict[str, str]:
    """The targets of an entity's fields, each with the kind of its value (`schemas.FIELD_KINDS`)."""
    model = ENTITIES[entity]
    found = dict.fromkeys(_WRITINGS.get(entity, ()), "text")
    for name in model.model_fields:
        group = member_group(model, name)
        if group is None:
            found[name] = member_kind(model, name).name
        else:
            found |= {f"{name}.{inner}": member_kind(group, inner).name for inner in group.model_fields}
    return found


def write_landing_page(draft: Draft, address: str, place: str) -> bool:
    """Put the `utm_*` parameters and click ids of an address into a lead or touch; True if it had any."""
    if len(address) > _LONGEST_ADDRESS:
        raise UnreadableError(f"is an address of more than {_LONGEST_ADDRESS} characters")
    try:
        query = urlsplit(address).query
        given = {name.lower(): value for name, value in parse_qsl(query, max_num_fields=200) if value}
    except ValueError:  # a broken host, or a flood of parameters
        return False
    found = False
    for group, members, prefix in (("utm", Utm.model_fields, "utm_"), ("click_id", ClickId.model_fields, "")):
        for name in members:
            if prefix + name in given:
                draft.put(f"{group}.{name}", given[prefix + name], place)
                found = True
    return found


def write_close_date(draft: Draft, raw: object, zone: str, place: str) -> None:
    """Put a close date into an opportunity: the day it is due, and when it closed if it did."""
    if raw is None:
        draft.put("due_date", None, place)
        draft.put("closed_at", None, place)
        return
    day = convert.day(raw, zone)
    closed_us = convert.end_of_day_us(day, zone) if convert.is_day(raw) else convert.instant_us(raw, zone)
    draft.put("due_date", day, place)
    draft.put("closed_at", convert.instant(closed_us), place)


def _write_landing_page(draft: Draft, raw: object, zone: str, place: str) -> None:  # noqa: ARG001 - one signature
    if type(raw) is str:
        write_landing_page(draft, raw, place)
    elif raw is not None:
        raise UnreadableError("must be an address")


def _write_percent(draft: Draft, raw: object, zone: str, place: str) -> None:  # noqa: ARG001 - one signature
    draft.put("probability", None if raw is None else convert.rounded(convert.decimal(raw), -2), place)


def _write_milliseconds(draft: Draft, raw: object, zone: str, place: str) -> None:  # noqa: ARG001 - one signature
    draft.put("talk_seconds", None if raw is None else convert.whole(raw) // 1000, place)


_WRITERS = {
    "landing_page": _write_landing_page,
    "close_date": write_close_date,
    "probability_percent": _write_percent,
    "talk_milliseconds": _write_milliseconds,
}


def _word(raw: object) -> str:
    return str(raw).lower() if type(raw) is bool else str(raw)
