"""Hypothesis strategies for the bytes of events: right ones, nearly right ones, and wreckage."""

import json
from functools import cache

from hypothesis import strategies as st

from schemas.events import EVENT_TYPES, Envelope, Members
from schemas.fields import member_group, member_kind

_texts = st.text(max_size=12).filter(lambda text: text.isprintable())
_good = {
    "identifier": ['"42"', "42", '"042"', '"ä/ö,%"', '"' + "x" * 256 + '"', "-7", "0", "9" * 256],
    "text": ['"Ada"', '""', '"\\ud83d\\ude00"', '"a\\u0000b"', '"ß"'],
    "boolean": ["true", "false"],
    "money": [
        "12",
        "12.5",
        '"12.3400000"',
        "-0.0001",
        '"-99999999999999.9999"',
        "99999999999999",
        "1e13",
        '"1.25E3"',
        "0e400",
        '"007"',
        "100000e-9",
        "1." + "0" * 60,
        "-0",
        "-0.0",
        '"-0"',
    ],
    "number 0 to 1": ["0", "1", "0.5", '"0.1234"', "1.0000", "0.00010", "1e-4", "-0.0"],
    "number": ["0", "1.50", '"-3"', "1e-18", "99999999999999.999999999999999999", "2e3", "-0.0", '"0.10"'],
    "number above 0": ["1", "0.9217", '"1e-18"', "1e13", '"10.10"'],
    "whole number": ["0", "12", "12.0", "1.2e1", "4294967295", "0e9", "-0", "-0.0", "120e-1"],
    "currency code": ['"EUR"', '"USD"'],
    "instant": [
        '"2026-03-01T12:00:00Z"',
        '"2026-03-01T12:00:00.123Z"',
        '"2026-03-01t12:00:00.1234567z"',
        '"2026-03-01 23:59:60+05:30"',
        '"1970-01-01T00:00:00-00:00"',
        '"1969-12-31T23:30:00-01:00"',
        '"2149-01-01T00:30:00+01:00"',
        '"2148-12-31T23:59:59.999999999Z"',
        '"2024-02-29T00:00:00+00:00"',
    ],
    "date": ['"2026-03-01"', '"2024-02-29"', '"1970-01-01"', '"2148-12-31"'],
    "month": ['"2026-03"', '"1970-01"', '"2148-12"'],
    "address or host": [
        '"https://www.Google.com:443/x"',
        '"Example.ORG"',
        '"host/path"',
        '""',
        '"http://"',
        '"http://@"',
        '"//u:p@a@Host.?q"',
        '"mailto:a@b.c"',
        '"about:blank"',
        '"android-app://com.Mail/"',
        '"http://[::1]:80/"',
        '"BÜCHER.de."',
        '"a b"',
        '" x.y "',
        '"h:8a"',
        '"-"',
        '"http:x"',
        '"' + "h" * 254 + '"',
        '"x/' + "y" * 300 + '"',
    ],
    "array of identifiers": ["[]", '["977",1013]', '["977","977"]', "[1]"],
    "array of texts": ["[]", '["a",""]'],
    "integer or its decimal text": [
        "0",
        "7",
        '"-9223372036854775808"',
        "9223372036854775807",
        '"' + "0" * 5000 + '1"',
        "null",
        '"-0"',
    ],
}
_bad = [
    *["null", "true", "false", '""', "{}", "[]", "[null]", "[true]", '[""]', "[1.5]", '{"source":5}'],
    *['{"gclid":[]}', '{"x":1}', '{"source":null,"campaign":"c"}', '{"fbclid":null}', "[[[]]]", '["a",2]'],
    *["42.0", "1e0", "1e3", "-1", "1.00001", "0.12345", "2", "1e14", "1e15", "1e16", "4294967296", "1e-19"],
    *["100000000000000", "-100000000000000", "1000000000000000", "1000000000000001", "-1e-4"],
    *["1e400", "1e-400", "1e999999999", "1e99999999999999999999", "0e99999999999999999999", "9" * 257],
    *["-" + "9" * 256, "9" * 4300, "9" * 4301, "1." + "0" * 60 + "1", "9" * 20, "18446744073709551616"],
    *["NaN", "Infinity", "-Infinity", "01", "1.", ".5", "+1", "0x1", "nul", "'a'", '"\t"', '"\\x"', "--1"],
    *['"\\ud800"', '"\\udc00\\ud800"', '"\\ud800x"', '["\\udfff"]', '{"\\ud800":1}', '[[{"a":["\\ud800"]}]]'],
    *[
        '"NaN"',
        '"Infinity"',
        '" 12"',
        '"12 "',
        '"1_000"',
        '"+5"',
        '".5"',
        '"5."',
        '"٣"',
        '"²"',
        '"1,5"',
        '"12\\n"',
    ],
    *['"--1"', '"1e"', '"0x10"', '"1e99999999999999999999"', '"1e999999999"', '"-"', '"9223372036854775808"'],
    *['"-9223372036854775809"', '"' + "9" * 5000 + '"', '"' + "x" * 257 + '"', '"- 1"', '"𝟙.𝟚"'],
    *[
        '"2026-02-29"',
        '"2026-3-1"',
        '"20260301"',
        '"0000-01-01"',
        '"1969-12-31"',
        '"2149-01-01"',
        '"2026-13-01"',
    ],
    *[
        '"2026-W01-1"',
        '"2026-03-01\\n"',
        '"２０２６-03-01"',
        '"2026-00"',
        '"2026-13"',
        '"1969-12"',
        '"2026-3"',
    ],
    *['"2026-03-01T12:00:00"', '"2026-03-01T24:00:00Z"', '"2026-03-01T12:00Z"', '"2026-03-01T12:00:00.Z"'],
    *[
        '"2026-02-30T12:00:00Z"',
        '"2026-03-01T12:00:61Z"',
        '"2026-03-01T12:00:00+24:00"',
        '"9999-12-31T23:59:60Z"',
    ],
    *[
        '"1969-12-31T23:59:59.9999999Z"',
        '"2148-12-31T23:59:60Z"',
        '"0001-01-01T00:00:00+23:59"',
        '"0000-01-01T00:00:00Z"',
    ],
    *['"2026-03-01T12:00:00+0100"', '"2026-03-01T12:00:00,5Z"', '"2026-03-01T12:00:00.٣Z"', "1772366400"],
    *[
        '"eur"',
        '"EURO"',
        '"ÄÖÜ"',
        '"EU"',
        '"EUR\\n"',
        '"OPEN"',
        '"open"',
        '"Answered"',
        '"team/"',
        '"team/x\\ny"',
    ],
    *[
        '"company/"',
        '"rep"',
        '"rep/"',
        '"x/y"',
        '"COMPANY"',
        '"true"',
        "[" * 255 + "]" * 255,
        "[" * 300 + "]" * 300,
    ],
    *["[" * 900 + "]" * 900, "[" * 100_000, '{"a":' * 400 + "1" + "}" * 400, '["' + "[" * 600 + '"]'],
]
_near = {
    "money": [
        '"1.00001"',
        '"12.34567"',
        '"100000000000000"',
        "1.00001",
        "100000000000000",
        '"1."',
        '"-0.00001"',
    ],
    "number 0 to 1": ["1.0001", "-0.0001", '"0.12345"', "2"],
    "number": ["1e-19", "1e14", '"1.0000000000000000001"'],
    "number above 0": ["0", "-1", "1e-19", '"0.0"', "0e5"],
    "whole number": ["12.5", '"12"', "-1", "1000000000000001", "4294967296", "1e15", "1e16", "1e-1"],
    "instant": [
        '"2148-12-31T23:59:60Z"',
        '"2148-12-31T23:59:59Z"',
        '"1969-12-31T23:59:59Z"',
        '"2026-03-01T12:00:61Z"',
        '"2026-02-29T12:00:00Z"',
        '"2026-03-01T12:00:00"',
    ],
    "identifier": ["42.0", '""', '"' + "x" * 257 + '"', "9" * 257, "-" + "9" * 256],
}
_choices = {
    "open, won or lost": ("open", "won", "lost"),
    "inbound or outbound": ("inbound", "outbound"),
    "answered, missed, busy, failed or voicemail": ("answered", "missed", "busy", "failed", "voicemail"),
    "answer_rate, avg_talk_seconds or advance_rate": ("answer_rate", "avg_talk_seconds", "advance_rate"),
    "leads, revenue, won_deals or calls": ("leads", "revenue", "won_deals", "calls"),
    "company, team/NAME, rep/ID or campaign/ID": (
        "company",
        "team/North",
        "rep/ 7",
        "campaign/a/b",
        "team/\n",
    ),
}
_everything = [
    *_bad,
    *(literal for literals in (*_good.values(), *_near.values()) for literal in literals),
    *(json.dumps(choice) for choices in _choices.values() for choice in choices),
]
LITERALS = tuple(dict.fromkeys(_everything))
"""Every spelling of a JSON value that is worth trying in every member."""
_ENVELOPE = {
    "id": "identifier",
    "source": "identifier",
    "time": "instant",
    "sequence": "integer or its decimal text",
}


_coin, _of_three, _of_six, _of_ten = st.booleans(), st.integers(0, 2), st.integers(0, 5), st.integers(0, 9)
_spaces = st.sampled_from(["", " ", "\n\t"])
_types = st.sampled_from(list(EVENT_TYPES))
_places = st.sampled_from(["nothing", "nothing", "data", "data", "envelope", "bytes"])
_attributes = st.sampled_from(["unknown", *Envelope.model_fields])
_odd_attributes = st.sampled_from(['"2.0"', '"crm.lead.lost"', '"crm.lead.created "', *_everything])


@cache
def _names(model: type[Members]) -> st.SearchStrategy[str]:
    return st.sampled_from(["unknown", *model.model_fields])


@cache
def _literal(label: str) -> st.SearchStrategy[str]:
    if label in _choices:
        return st.sampled_from([json.dumps(choice) for choice in _choices[label]])
    if label in ("text", "identifier"):
        spelled = st.builds(json.dumps, _texts.filter(bool), ensure_ascii=st.booleans())
        return st.one_of(st.sampled_from(_good[label]), spelled)
    return st.sampled_from(_good[label])


@cache
def _member(model: type[Members], name: str) -> st.SearchStrategy[str]:
    group = member_group(model, name)
    if group is None:
        return _literal(member_kind(model, name).label)
    return _object(group, wrong=0)


@cache
def _wrong(model: type[Members], name: str) -> st.SearchStrategy[str]:
    """What a member does not take, or takes at most by chance."""
    anything = st.sampled_from(_everything)
    if name not in model.model_fields or member_group(model, name) is not None:
        return anything
    near = _near.get(member_kind(model, name).label)
    return st.one_of(st.sampled_from(near), anything) if near else anything


@cache
def _object(model: type[Members], wrong: int) -> st.SearchStrategy[str]:
    return _spelled_object(model, wrong)


@st.composite
def _spelled_object(draw: st.DrawFn, model: type[Members], wrong: int) -> str:
    """An object of a model's members, about `wrong` of them not as they should be."""
    pairs = []
    for name, field in model.model_fields.items():
        if field.is_required() or draw(_of_three) == 0:
            pairs.append((name, draw(_member(model, name))))
        elif draw(_of_ten) == 0:
            pairs.append((name, "null"))
    for _ in range(wrong):
        name = draw(_names(model))
        fate = draw(_of_six)
        if fate == 0:
            pairs = [pair for pair in pairs if pair[0] != name]
        elif fate == 1:  # the same member twice: the last one counts
            pairs.insert(0, (name, draw(_wrong(model, name))))
        else:
            pairs.append((name, draw(_wrong(model, name))))
    if draw(_coin):
        pairs.reverse()
    return _spell(pairs, draw(_spaces))


@st.composite
def event_bytes(draw: st.DrawFn) -> bytes:
    """The value of one record: a third of them right, the others wrong in one or more places."""
    name = draw(_types)
    place = draw(_places)
    data = draw(_object(EVENT_TYPES[name].data, wrong=1 + draw(_of_three) if place == "data" else 0))
    pairs = [(attribute, draw(_literal(label))) for attribute, label in _ENVELOPE.items()]
    pairs += [("specversion", '"1.0"'), ("type", json.dumps(name)), ("data", data)]
    if place == "envelope":
        attribute = draw(_attributes)
        pairs = [pair for pair in pairs if pair[0] != attribute]
        if draw(_coin):
            pairs.append((attribute, draw(_odd_attributes)))
    value = _spell(pairs, "").encode("utf-8", "surrogatepass")
    if place != "bytes":
        return value
    return _damaged(value, draw(_of_ten), draw(st.integers(0, 2**16)) % (len(value) + 1), draw(_junk))


_junk = st.one_of(
    st.binary(min_size=1, max_size=3),
    st.sampled_from([b" ", b"\n", b"x", b"{}", b",", b"\0", b"\xa0", b"\xed\xa0\x80", b"\xc0\x80", b"\xff"]),
    st.sampled_from([b"null", b"42", b'"x"', b"[]", b"{}", b"[1.5]", b"tru", b""]),
)


def _damaged(value: bytes, way: int, at: int, junk: bytes) -> bytes:
    changed = {
        0: junk,
        1: b"\xef\xbb\xbf" + value,
        2: value.decode().encode("utf-16"),
        3: value.decode().encode("utf-16-le"),
        4: value[:at],
        5: value[:at] + value[at + 1 :],
        6: value + junk,
        7: b"[" * at + value + b"]" * at,
    }
    return changed.get(way, value[:at] + junk + value[at:])


def event_with(name: str, member: str, literal: str) -> bytes:
    """The example event of a type with one member, of `data` or of the envelope, spelled as told."""
    attributes = {"id": '"e"', "source": '"s"', "type": json.dumps(name), "time": '"2026-03-01T12:00:00Z"'}
    data = {key: json.dumps(value) for key, value in EVENT_TYPES[name].example.items()}
    place, _, inner = member.partition(".")
    if place == "data" and inner:
        group, _, key = inner.partition(".")
        data[group] = f'{{"{key}":{literal}}}' if key else literal
        literal = _spell(list(data.items()), "")
    attributes.setdefault("data", _spell(list(data.items()), ""))
    attributes[place] = literal
    return _spell(list(attributes.items()), "").encode("utf-8", "surrogatepass")


def places(name: str) -> list[str]:
    """Where `event_with` can put a value into an event of a type."""
    model = EVENT_TYPES[name].data
    found = [*Envelope.model_fields, "unknown", "data.unknown"]
    for member in model.model_fields:
        group = member_group(model, member)
        found.append(f"data.{member}")
        if group is not None:
            found += [f"data.{member}.{inner}" for inner in group.model_fields]
    return found


def _spell(pairs: list[tuple[str, str]], space: str) -> str:
    return "{" + ",".join(f"{json.dumps(name)}{space}:{space}{literal}" for name, literal in pairs) + "}"
