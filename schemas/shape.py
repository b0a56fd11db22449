"""A model of `events.py` as tables: data in, normalised fields out, without pydantic in between."""

from collections.abc import Callable
from typing import NoReturn

from schemas.events import GROUP_PREFIX, Members
from schemas.fields import member_group, member_kind
from schemas.reasons import Reason, Rejected
from schemas.values import InvalidValueError, Value, named

Reader = Callable[[object], Value]


class Shape:
    """How the data of one event type is read."""

    __slots__ = ("_defaults", "_groups", "_members", "_readers", "_required")

    def __init__(self, model: type[Members]) -> None:
        self._members = tuple(model.model_fields)
        self._required = tuple(name for name, field in model.model_fields.items() if field.is_required())
        self._defaults: tuple[tuple[str, Value], ...] = tuple(
            (name, field.default)
            for name, field in model.model_fields.items()
            if not field.is_required() and field.default is not None
        )
        self._readers: dict[str, Reader] = {}
        self._groups: dict[str, dict[str, tuple[str, Reader]]] = {}
        for name in self._members:
            group = member_group(model, name)
            if group is None:
                self._readers[name] = member_kind(model, name).read
            else:
                self._groups[name] = {
                    inner: (GROUP_PREFIX[name] + inner, member_kind(group, inner).read) for inner in group.model_fields
                }

    def normalise(self, data: dict[str, object]) -> dict[str, Value]:
        """Read the members that are there, flatten the groups, fill in the defaults.

        Raises Rejected for the first problem in the model's order of members, whatever the order in `data`.
        """
        fields: dict[str, Value] = {}
        readers = self._readers
        try:
            for name, value in data.items():
                read = readers.get(name)
                if read is not None:
                    fields[name] = None if value is None else read(value)
                elif name in self._groups:
                    self._read_group(name, value, fields)
        except InvalidValueError:
            self._complain(data)
        for name in self._required:
            if fields.get(name) is None:
                self._complain(data)
        for name, default in self._defaults:
            if fields.get(name) is None:
                fields[name] = default
        return fields

    def _read_group(self, name: str, value: object, fields: dict[str, Value]) -> None:
        group = self._groups[name]
        if value is None:
            for field, _ in group.values():
                fields[field] = None
        elif type(value) is dict:
            for inner, inner_value in value.items():
                found = group.get(inner)
                if found is not None:
                    fields[found[0]] = None if inner_value is None else found[1](inner_value)
        else:
            raise InvalidValueError(f"must be an object, not {named(value)}")

    def _complain(self, data: dict[str, object]) -> NoReturn:
        for name in self._members:
            if name not in data:
                if name in self._required:
                    raise Rejected(Reason.MISSING_MEMBER, f"data.{name} is missing") from None
            elif data[name] is None:
                if name in self._required:
                    raise Rejected(Reason.INVALID_MEMBER, f"data.{name}: must not be null") from None
            else:
                self._check(name, data[name])
        raise AssertionError("asked for a problem of data that has none")

    def _check(self, name: str, value: object) -> None:
        place = f"data.{name}"
        try:
            if name in self._readers:
                self._readers[name](value)
            elif type(value) is dict:
                for inner, (_, read) in self._groups[name].items():
                    place = f"data.{name}.{inner}"
                    if value.get(inner) is not None:
                        read(value[inner])
            else:
                self._read_group(name, value, {})
        except InvalidValueError as error:
            raise Rejected(Reason.INVALID_MEMBER, f"{place}: {error}") from None
