"""What a customer says of a source in its TOML file: which account it is, and how its fields are called.

One model a kind of source, in the file of its adapter; this file holds what they share.
"""

import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

_CURRENCY = re.compile(r"[A-Z]{3}")


class ConfigurationError(Exception):
    """A source file that cannot be used: one line for each fault, with file and member."""


class Strict(BaseModel):
    """A table of a source file: other members than the known ones are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("must be the name of a time zone, such as Europe/Stockholm")
    return name


def _currency(value: str) -> str:
    if not _CURRENCY.fullmatch(value):
        raise ValueError("must be a currency code of three capital letters, such as EUR")
    return value


def _share(value: object) -> Decimal:
    share = Decimal(str(value)) if type(value) in (int, Decimal) else None
    if share is None or not share.is_finite() or not 0 <= share <= 1:
        raise ValueError("must be a number from 0 to 1")
    return share


def _named(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


Zone = Annotated[str, AfterValidator(_zone)]
Currency = Annotated[str, AfterValidator(_currency)]
Share = Annotated[Decimal, BeforeValidator(_share)]
Names = dict[str, str]


Topic = Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,249}$")]


class Kafka(Strict):
    """Topics whose records are payloads of the source; `sixfold sources` reads them."""

    topics: list[Topic] = Field(min_length=1)


class Source(Strict):
    """What every source file says."""

    source: str = Field(min_length=1, max_length=200)
    """What its events carry as their source: system and account, such as `hubspot/62515`."""
    revision: int = Field(0, ge=0, le=90)
    """Raise it when you correct the file and send what was sent before once more: of two events with the same time
    that of the later revision wins."""
    time_zone: Zone = "UTC"
    """Of times without an offset, and of the source's calendar days."""
    kafka: Kafka | None = None
    """Where its payloads stand in Kafka, if they do."""


class Rows(Source):
    """Rows of somebody's own tables; which events they become is said by a mapping."""

    mapping: str = Field(min_length=1)
    """The mapping file, relative to the source file."""


class Stage(Strict):
    """What a stage of the source is called here, and whether it closes the deal.

    `probability` is that of the pipeline's settings: 1 closes as won, 0 as lost, anything between is open.
    """

    name: str = Field("", max_length=256)
    status: Literal["open", "won", "lost"] | None = None
    probability: Share | None = None

    @property
    def deal_status(self) -> str | None:
        """Status of a deal in this stage, None where nothing says."""
        if self.status is not None or self.probability is None:
            return self.status
        return "won" if self.probability == 1 else "lost" if self.probability == 0 else "open"


Stages = dict[str, Annotated[Stage, BeforeValidator(_named)]]
"""By the source's own id of the stage, or by its name where it has no ids."""


class StageBook:
    """Stages of a source by id and by name: webhooks know the one, exports the other, reports shall see one."""

    def __init__(self, *layers: Stages) -> None:
        self._stages: dict[str, tuple[str, str | None]] = {}
        for stages in layers:
            for key, stage in stages.items():
                found = stage.name or key, stage.deal_status
                self._stages[key] = self._stages[found[0].casefold()] = found

    def find(self, raw: str) -> tuple[str, str | None] | None:
        """Name and status of a stage; None for one that nobody named. `Closed won (Sales)` is `Closed won`."""
        for text in (raw, raw.casefold(), raw.rpartition(" (")[0].casefold()):
            if text in self._stages:
                return self._stages[text]
        return None


class Rep(Strict):
    """What somebody who owns leads is called; `team` is in force from the beginning."""

    name: str = Field("", max_length=256)
    team: str | None = None


Reps = dict[str, Annotated[Rep, BeforeValidator(_named)]]
"""By the source's id of the user."""


def read_source(text: str, name: str, kinds: Mapping[str, type[Source]]) -> Source:
    """Read a source file's text; `kind` says which of the models it follows. Raises ConfigurationError."""
    try:
        given: dict[str, Any] = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{name}: cannot be read as TOML: {error}") from None
    except RecursionError:
        raise ConfigurationError(f"{name}: cannot be read as TOML: is nested too deep") from None
    kind = given.pop("kind", None)
    model = kinds.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise ConfigurationError(f"{name}: kind: must say which source this is: {', '.join(kinds)}")
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise ConfigurationError("\n".join(f"{name}: {line}" for line in _complaints(error))) from None


def _complaints(error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        # pydantic names the arms of a union too: they are no members
        members = [
            str(part) for part in problem["loc"] if part not in ("decimal", "int") and "function-" not in str(part)
        ]
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = "there is no such member"
        lines.append(f"{'.'.join(members)}: {message}" if members else message)
    return list(dict.fromkeys(lines))
