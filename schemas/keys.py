"""Entity keys: the text that names an entity, and the Kafka record key of its home.

`KIND:PART/PART/...`, every part percent-encoded (all but RFC 3986's unreserved characters, upper-case hex),
an absent part empty. The key decides the partition, so all programs must write an entity byte for byte alike.
"""

import re
from urllib.parse import quote, unquote

_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]+")
_SPEND_PARTS = 10
_UTM_FROM, _UTM_TO = 4, 9


def entity_key(kind: str, *parts: str | None) -> str:
    """Name an entity: `entity_key("lead", "42")` is `lead:42`.

    A `spend` has ten parts: platform, account, date, campaign, the five UTM members (source, medium,
    campaign, term, content) and category; its UTM is written as one part of five, with commas between them,
    so absent UTM is `,,,,`. A `touch` has two, lead and touch id (its *home* is its lead's).
    Raises ValueError for a spend with another number of parts.
    """
    if len(parts) == 1 and kind != "spend":
        part = parts[0]
        if part is not None and part.isalnum() and part.isascii():
            return f"{kind}:{part}"
    encoded = [_encode(part) for part in parts]
    if kind == "spend":
        if len(encoded) != _SPEND_PARTS:
            raise ValueError(f"a spend key has {_SPEND_PARTS} parts, not {len(encoded)}")
        encoded[_UTM_FROM:_UTM_TO] = [",".join(encoded[_UTM_FROM:_UTM_TO])]
    return f"{kind}:{'/'.join(encoded)}"


def decode_key(key: str) -> tuple[str, tuple[str | None, ...]]:
    """Take a key apart again: its kind, and the parts that `entity_key` was given (None where absent).

    Raises ValueError for a text that is no key.
    """
    kind, colon, rest = key.partition(":")
    if not kind or not colon:
        raise ValueError(f"{key!r} is no entity key: KIND:PART/PART is one")
    encoded = rest.split("/")
    if kind == "spend":
        encoded[_UTM_FROM:-1] = [member for part in encoded[_UTM_FROM:-1] for member in part.split(",")]
        if len(encoded) != _SPEND_PARTS:
            raise ValueError(f"{key!r} is no key of a spend")
    return kind, tuple(unquote(part, errors="strict") or None for part in encoded)


def _encode(part: str | None) -> str:
    if not part:
        return ""
    return part if _UNRESERVED.fullmatch(part) else quote(part, safe="")
