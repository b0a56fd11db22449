"""Reads just enough of a statement's text to route it: what it is, its FORMAT, where an INSERT's data begin.

The engine parses and judges the statement itself; this scanner only has to agree with it on where tokens
begin and end, so that a word in a string, a quoted name, a comment or brackets is never taken for a keyword.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    rb"""(?P<skip>\s+|--[^\n]*|/\*.*?(?:\*/|\Z)|\#[ !][^\n]*)
    |(?P<quoted>'(?:[^'\\]|\\.|'')*'?|"(?:[^"\\]|\\.|"")*"?|`(?:[^`\\]|\\.|``)*`?)
    |(?P<word>[A-Za-z_][A-Za-z_0-9$]*)
    |(?P<number>[0-9][0-9A-Za-z_.]*)
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_OPEN, _CLOSE = b"([{", b")]}"


@dataclass(frozen=True, slots=True)
class Statement:
    """One request's statement.

    `head` is what the engine is given; for an INSERT that carries data it ends before `FORMAT` or `VALUES`,
    and `data` holds the rows in the format `format`. `data` is None when the statement carries no rows.
    `format` is the FORMAT in the text, or empty. `keyword` is the first word in upper case.
    `feeds_input` is whether an INSERT ... SELECT reads its rows from the table function `input`.
    """

    keyword: str
    head: str
    format: str
    data: bytes | None
    feeds_input: bool = False

    @classmethod
    def read(cls, query: str | None, body: bytes) -> Statement:
        """Read a request: `query` from the URL, or None when the body begins with the statement.

        With both, the body goes on after the query, as ClickHouse reads it. Raises `UnicodeDecodeError` when
        the statement itself (not its rows) is not UTF-8.
        """
        text = body if query is None else query.encode()
        rest = b"" if query is None else body
        first = next((token for token, _ in _tokens(text)), None)
        keyword = first.group().upper().decode() if first and first.lastgroup == "word" else ""
        if keyword == "INSERT":
            split = _insert_data(text)
            if split is not None:
                head_end, format_name, data_start = split
                data = _join(text[data_start:], rest)
                return cls(keyword, text[:head_end].decode().strip(), format_name, data)
        whole = _join(text, rest).decode().strip()
        feeds_input = keyword == "INSERT" and _calls_input(whole.encode())
        return cls(keyword, whole, _output_format(whole.encode()), None, feeds_input)


def _join(text: bytes, rest: bytes) -> bytes:
    if not rest or not text.strip():
        return rest or text
    return text + b"\n" + rest


def _tokens(text: bytes) -> Iterator[tuple[re.Match[bytes], int]]:
    """Every token that means something, with the depth of brackets it stands in."""
    depth = 0
    for token in _TOKEN.finditer(text):
        if token.lastgroup == "skip":
            continue
        mark = token.group()
        if token.lastgroup == "other" and mark in _CLOSE:
            depth = max(0, depth - 1)
        yield token, depth
        if token.lastgroup == "other" and mark in _OPEN:
            depth += 1


def _insert_data(text: bytes) -> tuple[int, str, int] | None:
    """Where an INSERT's head ends, the format's name and where its rows begin; None when it carries none."""
    format_at: int | None = None
    named = False  # whether the table's name has been read: names may be keywords
    before = b""
    for token, depth in _tokens(text):
        word = token.group().upper() if token.lastgroup == "word" else b""
        if format_at is not None:
            if not word:
                return None
            return format_at, token.group().decode(), _after_format(text, token.end())
        if depth == 0 and named and before != b".":
            if word == b"VALUES":
                return token.start(), "Values", token.end()
            if word in (b"SELECT", b"WITH", b"FROM"):
                return None  # rows come from a query or a file; input() is fed from the text itself
            if word == b"FORMAT":
                format_at = token.start()
        is_name = word not in (b"", b"INSERT", b"INTO", b"TABLE", b"FUNCTION") or token.lastgroup == "quoted"
        named = named or (depth == 0 and is_name) or (depth > 0)
        before = token.group()
    return None


def _after_format(text: bytes, at: int) -> int:
    """Past the blanks and the one line end that part a format's name from its rows."""
    while at < len(text) and text[at] in b" \t\f":
        at += 1
    if text[at : at + 1] == b"\r":
        at += 1
    return at + 1 if text[at : at + 1] == b"\n" else at


def _calls_input(text: bytes) -> bool:
    before = b""
    for token, _ in _tokens(text):
        if before == b"INPUT" and token.group() == b"(":
            return True
        before = token.group().upper() if token.lastgroup == "word" else b""
    return False


def _output_format(text: bytes) -> str:
    """The name after a FORMAT that ends the statement (only SETTINGS may follow), or empty."""
    found = ""
    previous = b""
    for token, depth in _tokens(text):
        word = token.group().upper() if token.lastgroup == "word" and depth == 0 else b""
        if previous == b"FORMAT" and word:
            found = token.group().decode()
        elif found and word == b"SETTINGS":
            return found
        elif found and token.group() != b";":
            found = ""
        previous = word
    return found
