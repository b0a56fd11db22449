"""ClickHouse's Native format as clients of a newer protocol version want it: Go's driver, and so Grafana.

A client says in `client_protocol_version` which version of the native protocol it reads. The engine writes Native as
for version 0, whatever is asked for. From version 54454 on a block has a header, and each column a byte that says how
it is serialized: both are put in here. Versions between are left as they are, since the one client that asks for one,
clickhouse-connect, finds out what it gets.

To find where a column ends its type must be known; nothing is decoded.
"""

from collections.abc import Callable, Iterator

VERSION = 54454
"""The least protocol version that these blocks are for."""

# field 1: no overflows; field 2: no bucket (-1); the end
_HEADER = b"\x01\x00\x02\xff\xff\xff\xff\x00"
_AS_USUAL = b"\x00"

_WIDTHS = {
    **dict.fromkeys(("Bool", "Enum8", "Int8", "UInt8", "Nothing"), 1),
    **dict.fromkeys(("BFloat16", "Date", "Enum16", "Int16", "UInt16"), 2),
    **dict.fromkeys(("Date32", "DateTime", "Float32", "IPv4", "Int32", "Time", "UInt32"), 4),
    **dict.fromkeys(("DateTime64", "Float64", "Int64", "Time64", "UInt64"), 8),
    **dict.fromkeys(("IPv6", "Int128", "UInt128", "UUID"), 16),
    **dict.fromkeys(("Int256", "UInt256"), 32),
}
_DIGITS = ((9, 4), (18, 8), (38, 16), (76, 32))
"""Of a Decimal: up to so many digits, so many bytes."""


class UnknownTypeError(ValueError):
    """A type whose columns cannot be passed over here; its text names it."""


def with_headers(body: bytes) -> bytes:
    """Give whole blocks of version 0 as blocks of `VERSION`. Raises `UnknownTypeError`."""
    out = bytearray()
    reader = _Reader(body)
    while reader.at < len(body):
        start = reader.at
        columns, rows = reader.number(), reader.number()
        out += _HEADER + body[start : reader.at]
        for _ in range(columns):
            start = reader.at
            reader.text()
            type_ = reader.text()
            out += body[start : reader.at] + _AS_USUAL
            start = reader.at
            if rows:
                reader.pass_over(type_, rows)
            out += body[start : reader.at]
    return bytes(out)


class _Reader:
    """A place in a body, moved on by what is read there."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.at = 0
        self._containers: dict[str, Callable[[list[str], int], None]] = {
            "Array": self._array,
            "LowCardinality": self._low_cardinality,
            "Map": lambda inside, rows: self._array([f"Tuple({', '.join(inside)})"], rows),
            "Nullable": self._nullable,
            "SimpleAggregateFunction": lambda inside, rows: self._data(inside[1], rows),
            "Tuple": self._tuple,
        }

    def number(self) -> int:
        """A number of 7 bits a byte, the least first."""
        value = shift = 0
        while True:
            byte = self._body[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def text(self) -> str:
        """A text after its length."""
        size = self.number()
        self.at += size
        return self._body[self.at - size : self.at].decode()

    def pass_over(self, type_: str, rows: int) -> None:
        """Move past a column: what its dictionaries say beforehand, then its data."""
        self.at += 8 * _dictionaries(type_)
        self._data(type_, rows)

    def _data(self, type_: str, rows: int) -> None:
        name, inside = _split(type_)
        if name in self._containers:
            self._containers[name](inside, rows)
        elif name == "String":
            for _ in range(rows):
                size = self.number()
                self.at += size
        else:
            self.at += rows * _width(type_, name, inside)

    def _fixed(self) -> int:
        self.at += 8
        return int.from_bytes(self._body[self.at - 8 : self.at], "little")

    def _array(self, inside: list[str], rows: int) -> None:
        self.at += 8 * (rows - 1)
        if elements := self._fixed():  # the last offset
            self._data(inside[0], elements)

    def _nullable(self, inside: list[str], rows: int) -> None:
        self.at += rows
        self._data(inside[0], rows)

    def _tuple(self, inside: list[str], rows: int) -> None:
        for element in inside:
            self._data(_without_name(element), rows)

    def _low_cardinality(self, inside: list[str], _rows: int) -> None:
        """Keys by their number of bytes, the dictionary, the keys' count, the keys."""
        width = 1 << (self._fixed() & 0xFF)
        name, of_nullable = _split(inside[0])
        self._data(of_nullable[0] if name == "Nullable" else inside[0], self._fixed())
        keys = self._fixed()
        self.at += keys * width


def _width(type_: str, name: str, inside: list[str]) -> int:
    if name == "FixedString":
        return int(inside[0])
    if name == "Decimal":
        return next(width for digits, width in _DIGITS if int(inside[0]) <= digits)
    if name.startswith("Interval"):
        return 8
    width = _WIDTHS.get(name)
    if width is None:
        raise UnknownTypeError(f"columns of type {type_}")
    return width


def _dictionaries(type_: str) -> int:
    """How many dictionaries a column has, each with a version before all data."""
    name, inside = _split(type_)
    if name == "LowCardinality":
        return 1
    if name in ("Array", "Nullable", "Map", "Tuple", "SimpleAggregateFunction"):
        return sum(_dictionaries(_without_name(element)) for element in inside)
    return 0


def _without_name(element: str) -> str:
    """An element of a Tuple may have a name before its type."""
    for at, character in _outside(element):
        if character == " ":
            return element[at + 1 :]
    return element


def _split(type_: str) -> tuple[str, list[str]]:
    """`Map(String, Array(UInt8))` is `Map` and [`String`, `Array(UInt8)`]."""
    name, bracket, rest = type_.partition("(")
    if not bracket:
        return name, []
    inside = rest[:-1]
    commas = [at for at, character in _outside(inside) if character == ","]
    starts, ends = [0, *(at + 1 for at in commas)], [*commas, len(inside)]
    return name, [inside[start:end].strip() for start, end in zip(starts, ends, strict=True)]


def _outside(text: str) -> Iterator[tuple[int, str]]:
    """The characters that stand in no brackets and no quotes."""
    depth, quote, escaped = 0, "", False
    for at, character in enumerate(text):
        if quote:
            if not escaped and character == quote:
                quote = ""
            escaped = character == "\\" and not escaped
        elif character in "'`":
            quote = character
        elif character in "()":
            depth += 1 if character == "(" else -1
        elif depth == 0:
            yield at, character
