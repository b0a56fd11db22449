"""Mapping files: what says how the rows of somebody's CSV become canonical events.

A mapping (TOML or YAML) names the source, and for each event that a row can give its type, the rows it
applies to, its time and its data members, each taken from a column, a constant or a template. The time comes
from the data or is a constant, never from the clock: importing the same file again must give the same events.

`read_mapping` checks a file against the contract, down to the names of members; `rows.py` puts it to work.
"""

import hashlib
import json
import re
import tomllib
from collections.abc import Collection, Sequence
from collections.abc import Mapping as Map
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import available_timezones

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)

from schemas import EVENT_TYPES
from schemas.fields import member_group

__all__ = [
    "COLUMN_IN_TEMPLATE",
    "SEQUENCES",
    "EventMapping",
    "Fallback",
    "Lookup",
    "Mapping",
    "MappingError",
    "Number",
    "Row",
    "Value",
    "instant_in_utc",
    "read_mapping",
]

SEQUENCES = 1000
"""`sequence` of an event is `revision` times this plus its position in the mapping."""

Row = Map[str, str]
"""Cells by column."""

COLUMN_IN_TEMPLATE = re.compile(r"\{([^{}]+)\}")
_SPACES = (" ", "\N{NO-BREAK SPACE}", "\N{NARROW NO-BREAK SPACE}")
_ARM = re.compile(r"[\[(]|^(Value|Fallback|Number|str|bool|int|decimal)$")
_PLAIN_WORDS = {
    "missing": "is missing",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
}
"""What pydantic says, for people who write mappings and not Python."""
_HINT = " (docs/sources/README.md says what a mapping holds)"
_PLAIN_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?\Z")


class MappingError(Exception):
    """A mapping that cannot be used: one line for each fault, with file and member."""


def instant_in_utc(moment: datetime) -> str:
    """Write an instant that knows its offset as canonical events carry it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _scalar(value: object) -> object:
    if not isinstance(value, str | bool | int | Decimal):
        raise ValueError("must be text, a number, true or false")  # noqa: TRY004 - pydantic tells a ValueError
    return value


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("must be the name of a time zone, such as Europe/Stockholm")
    return name


def _list(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _constant(value: object) -> object:
    """Take TOML's and YAML's own dates and instants as their text."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("an instant needs an offset: 2026-03-01T12:00:00Z")
        return instant_in_utc(value)
    if isinstance(value, date):
        return value.isoformat()
    return [_scalar(each) for each in value] if isinstance(value, list) else _scalar(value)


Scalar = Annotated[str | bool | int | Decimal, BeforeValidator(_scalar)]
Zone = Annotated[str, AfterValidator(_zone)]
Constant = Annotated[Scalar | list[Scalar], BeforeValidator(_constant)]
Texts = Annotated[list[str], BeforeValidator(_list), Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _keys_are_known(cls, given: object) -> object:
        if isinstance(given, dict):
            known = [field.alias or name for name, field in cls.model_fields.items()]
            if unknown := [str(key) for key in given if key not in known]:
                raise ValueError("; ".join(_no_key(key, known) for key in unknown))
        return given


def _no_key(key: str, known: Sequence[str]) -> str:
    close = get_close_matches(key, known, 1)
    return f"no key {key}; " + (f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}")


class Fallback(_Strict):
    """A value that stands in for one that is missing."""

    constant: Constant


def _arm_of_fallback(given: object) -> str | None:
    if isinstance(given, str):
        return _WORD
    return "Fallback" if isinstance(given, dict | Fallback) else None


_WORD = "(word)"
_OrFallback = Discriminator(
    _arm_of_fallback,
    custom_error_type="no_fallback",
    custom_error_message="must be one of the words for it, or a table: { constant = ... }",
)
# The arm of a union is decided by what is given, so that the faults of the other arms are not told, too.
Instead = Annotated[
    Annotated[Literal["reject", "absent", "null"], Tag(_WORD)] | Annotated[Fallback, Tag("Fallback")], _OrFallback
]
InsteadOrKept = Annotated[
    Annotated[Literal["reject", "keep", "absent", "null"], Tag(_WORD)] | Annotated[Fallback, Tag("Fallback")],
    _OrFallback,
]


class Condition(_Strict):
    """A test of one column, compared without surrounding space; everything that is given must hold."""

    column: str
    equals: str | None = None
    one_of: list[str] | None = Field(None, alias="in")
    not_in: list[str] | None = None
    empty: bool | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if all(test is None for test in (self.equals, self.one_of, self.not_in, self.empty)):
            raise ValueError("needs one of equals, in, not_in, empty")
        return self

    def holds(self, row: Row, blanks: Collection[str]) -> bool:
        """Test a row; `blanks` are the texts that count as empty."""
        text = row[self.column].strip()
        return (
            (self.equals is None or text == self.equals)
            and (self.one_of is None or text in self.one_of)
            and (self.not_in is None or text not in self.not_in)
            and (self.empty is None or (text in blanks) == self.empty)
        )


class Lookup(_Strict):
    """Another CSV whose rows are found by a key.

    A relative `file` is looked for beside the mapping, then beside the imported file.
    """

    file: str
    key: str
    delimiter: str = Field(",", min_length=1, max_length=1)
    encoding: str = "utf-8"


class LookedUp(_Strict):
    """The value is a key of a lookup table; what stands in `column` there takes its place."""

    table: str
    column: str
    otherwise: Instead = "reject"


class Number(_Strict):
    """How numbers are written; they come out as exact decimal text (`whole`: as JSON integers)."""

    thousands: str = ""
    """Characters that may stand between groups of digits."""
    decimal: Literal[".", ","] = "."
    remove: list[str] = []
    """Texts that are taken away first: currency signs and codes."""
    percent: bool = False
    """25 or 25 % is 0.25."""
    whole: bool = False

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        if self.decimal in self.thousands:
            raise ValueError(f"{self.decimal!r} cannot be both the decimal sign and between thousands")
        return self

    def read(self, text: str) -> str | int | None:
        """Read a number; None if it is none, or its groups of digits are wrong."""
        for taken in (*self.remove, "%" if self.percent else "", *_SPACES):
            if taken and taken not in self.thousands:
                text = text.replace(taken, "")
        sign = ""
        if text.startswith("(") and text.endswith(")"):  # how accountants write what is below zero
            sign, text = "-", text[1:-1]
        elif text[:1] in ("-", "+", "\N{MINUS SIGN}"):
            sign, text = "" if text[0] == "+" else "-", text[1:]
        whole, point, decimals = text.partition(self.decimal)
        if self.thousands:
            between = f"[{re.escape(self.thousands)}]"
            if re.fullmatch(rf"[0-9]{{1,3}}({between}[0-9]{{2,3}})*{between}[0-9]{{3}}", whole):
                whole = re.sub(between, "", whole)
        plain = f"{sign}{whole or '0'}.{decimals}" if point and decimals else f"{sign}{whole}"
        if not _PLAIN_NUMBER.match(plain):
            return None
        if self.percent:
            plain = f"{Decimal(plain).scaleb(-2):f}"
        if not self.whole:
            return plain
        return int(Decimal(plain)) if Decimal(plain) == int(Decimal(plain)) else None


def _arm_of_number(given: object) -> str | None:
    if given is True:
        return "(true)"
    return "Number" if isinstance(given, dict | Number) else None


NumberOrTrue = Annotated[
    Annotated[Number, Tag("Number")] | Annotated[Literal[True], Tag("(true)")],
    Discriminator(
        _arm_of_number, custom_error_type="no_number", custom_error_message="must be true, or a table that says how"
    ),
]


class Value(_Strict):
    """Where a value comes from, and what is done to it, in this order.

    `column`, `constant` or `template` ("{first} {last}"), stripped; if empty, `if_empty` says what becomes of
    it; then `case`, `map`, `lookup`, one of `date`, `instant`, `number`, `split`, and `prefix`. A date or an
    instant has a list of formats, tried in turn: those of strptime, `iso`, `unix`, `unix-ms`; what carries no
    offset is in `zone` (of an hour that comes twice, the first).
    """

    column: str | None = None
    constant: Constant | None = None
    template: str | None = None
    if_empty: Instead = "absent"
    case: Literal["lower", "upper"] | None = None
    map: dict[str, Scalar] | None = None
    otherwise: InsteadOrKept = "reject"
    """What becomes of a value that is not in the map."""
    lookup: LookedUp | None = None
    date: Texts | None = None
    instant: Texts | None = None
    zone: Zone | None = None
    number: NumberOrTrue | None = None
    split: str | None = Field(None, min_length=1)
    """The text between the items of a list."""
    prefix: str = ""

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        if sum(origin is not None for origin in (self.column, self.constant, self.template)) != 1:
            raise ValueError("needs exactly one of column, constant, template")
        if sum(form is not None for form in (self.date, self.instant, self.number, self.split)) > 1:
            raise ValueError("takes at most one of date, instant, number, split")
        if self.constant is not None and len(self.model_fields_set) > 1:
            raise ValueError("a constant is used as it stands: nothing else can be said beside it")
        if "otherwise" in self.model_fields_set and self.map is None:
            raise ValueError("otherwise says what becomes of a value that is not in the map: there is no map")
        if self.zone and not (self.date or self.instant):
            raise ValueError("zone belongs to a date or an instant")
        if self.template is not None and not self.columns:
            raise ValueError("a template names columns in braces: {first} {last}")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that it is made of."""
        if self.column is not None:
            return (self.column,)
        return tuple(COLUMN_IN_TEMPLATE.findall(self.template)) if self.template is not None else ()


def _arm_of_member(given: object) -> str | None:
    if isinstance(given, Value):
        return "Value"
    if not isinstance(given, dict):
        return None
    is_group = not given.keys() & Value.model_fields.keys() and any(
        isinstance(each, dict | Value) for each in given.values()
    )
    return "(group)" if is_group else "Value"


Member = Annotated[
    Annotated[Value, Tag("Value")] | Annotated[dict[str, Value], Tag("(group)")],
    Discriminator(
        _arm_of_member,
        custom_error_type="no_value",
        custom_error_message='must be a table such as { column = "..." } or { constant = "..." }',
    ),
]


class EventMapping(_Strict):
    """One event that a row gives, if all of `when` holds."""

    type: str
    when: Annotated[list[Condition], BeforeValidator(_list)] = []
    time: Value
    id: Value | None = None
    """Without it, a hash of mapping and row."""
    data: dict[str, Member]

    @model_validator(mode="before")
    @classmethod
    def _time_is_said(cls, given: object) -> object:
        if isinstance(given, dict) and "time" not in given:
            raise ValueError(
                "has no time: say from which column it comes, time = {column = ..., instant = [formats]}, or "
                "give a constant, time = {constant = 2026-01-01T00:00:00Z}; the clock is never used, so that "
                "the same file always gives the same events"
            )
        return given

    @model_validator(mode="after")
    def _fits_the_contract(self) -> Self:
        if self.type not in EVENT_TYPES:
            raise ValueError(f"type: {self.type} is not known; docs/events.md lists those that are")
        if self.time.constant is None and self.time.instant is None:
            raise ValueError("time: needs instant = [formats] beside its column, or a constant")
        model = EVENT_TYPES[self.type].data
        for name, value in self.data.items():
            if name not in model.model_fields:
                raise ValueError(f"data.{name}: {self.type} has no such member; it has {', '.join(model.model_fields)}")
            group = member_group(model, name)
            if group is None and isinstance(value, dict):
                raise ValueError(f"data.{name}: needs a column, a constant or a template")
            if group is not None and not isinstance(value, dict):
                raise ValueError(f"data.{name}: has members of its own: {', '.join(group.model_fields)}")
            if group is not None and isinstance(value, dict):
                for inner in value.keys() - group.model_fields.keys():
                    known = ", ".join(group.model_fields)
                    raise ValueError(f"data.{name}.{inner}: there is no such member; there are {known}")
        for name, field in model.model_fields.items():
            if field.is_required() and name not in self.data:
                raise ValueError(f"data.{name}: is required by {self.type}, and missing")
        return self

    def values(self) -> list[tuple[str, Value]]:
        """All values with their places, such as `data.utm.source`."""
        found = [("time", self.time)] + ([("id", self.id)] if self.id else [])
        for name, value in self.data.items():
            if isinstance(value, dict):
                found += [(f"data.{name}.{inner}", each) for inner, each in value.items()]
            else:
                found.append((f"data.{name}", value))
        return found


class Mapping(_Strict):
    """A whole mapping file. Raise `revision` to import a file again with a corrected mapping.

    Of two events with the same time about the same thing the one of the later revision wins, and among those
    of one revision the one that stands later in the mapping.
    """

    source: str = Field(min_length=1, max_length=256)
    revision: int = Field(0, ge=0, le=10**12)
    delimiter: str = Field(",", min_length=1, max_length=1)
    encoding: str = "utf-8"
    zone: Zone = "UTC"
    """Time zone of dates and times that carry no offset."""
    empty: list[str] = [""]
    """Texts that count as no value."""
    skip: Annotated[list[Condition], BeforeValidator(_list)] = []
    """Rows that are left out on purpose: those for which one of these holds."""
    lookups: dict[str, Lookup] = {}
    events: list[EventMapping] = Field(min_length=1, max_length=SEQUENCES)

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        for encoding in (self.encoding, *(lookup.encoding for lookup in self.lookups.values())):
            try:
                "".encode(encoding)
            except LookupError:
                raise ValueError(f"encoding: {encoding} is not known; utf-8, utf-16, cp1252 are") from None
        for number, event in enumerate(self.events):
            for place, value in event.values():
                if value.lookup and value.lookup.table not in self.lookups:
                    raise ValueError(
                        f"events.{number}.{place}: there is no lookup {value.lookup.table!r}; "
                        f"there are {', '.join(self.lookups) or 'none'}"
                    )
        return self

    def columns(self) -> dict[str, str]:
        """Columns that an imported file must have, each with the first place that uses it."""
        found: dict[str, str] = {}
        for number, condition in enumerate(self.skip):
            found.setdefault(condition.column, f"skip.{number}")
        for number, event in enumerate(self.events):
            for condition in event.when:
                found.setdefault(condition.column, f"events.{number}.when")
            for place, value in event.values():
                for column in value.columns:
                    found.setdefault(column, f"events.{number}.{place}")
        return found

    def digest(self) -> str:
        """Hash of what the mapping says, whatever its format and comments."""
        said = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


class _Yaml(yaml.SafeLoader):
    """YAML whose numbers stay exact."""


def _exact(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> object:
    """Read a YAML float by its text; `.inf` and `.nan` come out as no mapping takes them."""
    text = str(loader.construct_scalar(node))
    try:
        return Decimal(text.replace("_", ""))
    except InvalidOperation:
        return loader.construct_yaml_float(node)


_Yaml.add_constructor("tag:yaml.org,2002:float", _exact)


def read_mapping(path: Path) -> Mapping:
    """Read and check a mapping file, by its suffix: .toml, .yaml, .yml. Raises MappingError."""
    suffix = path.suffix.lower()
    if suffix not in (".toml", ".yaml", ".yml"):
        raise MappingError(f"{path}: a mapping is a file named .toml, .yaml or .yml")
    try:
        text = path.read_text("utf-8")
        given = (
            tomllib.loads(text, parse_float=Decimal) if suffix == ".toml" else yaml.load(text, Loader=_Yaml)  # noqa: S506 - a subclass of SafeLoader
        )
    except OSError as error:
        raise MappingError(f"{path}: {error.strerror}; give the path of a readable mapping") from None
    except UnicodeDecodeError as error:
        raise MappingError(f"{path}: is not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except (tomllib.TOMLDecodeError, yaml.YAMLError) as error:
        raise MappingError(f"{path}: cannot be read: {' '.join(str(error).split())}{_HINT}") from None
    if not given:
        raise MappingError(f"{path}: is empty: it must have source and events{_HINT}")
    if not isinstance(given, dict):
        raise MappingError(f"{path}: must have source and events as its keys{_HINT}")
    try:
        return Mapping.model_validate(given)
    except ValidationError as error:
        raise MappingError("\n".join(f"{path}: {line}" for line in _complaints(error)) + _HINT) from None


def _complaints(error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors(include_url=False, include_context=False):
        # Pydantic names the arms of a union too (Value, (group), list[...]): they are no members.
        members = [str(part) for part in problem["loc"] if not _ARM.search(str(part))]
        place = ".".join(members)
        message = _PLAIN_WORDS.get(problem["type"]) or problem["msg"].removeprefix("Value error, ")
        message = message.replace("Input should be", "must be").replace("String should have", "must have")
        lines.append(f"{place}: {message}" if place else message)
    return list(dict.fromkeys(lines))
