"""Entity keys: exact spelling, and back again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import decode_key, entity_key

PARTS = st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("parts", "key"),
    [
        (("lead", "42"), "lead:42"),
        (("lead", "A-._~z/%ä"), "lead:A-._~z%2F%25%C3%A4"),
        (("lead", "²"), "lead:%C2%B2"),
        (("lead", None), "lead:"),
        (("touch", "L 1", "t/2"), "touch:L%201/t%2F2"),
        (("benchmark", "answer_rate", None), "benchmark:answer_rate/"),
        (
            ("spend", "p", None, "2026-03-01", None, None, None, None, None, None, "media"),
            "spend:p//2026-03-01//,,,,/media",
        ),
        (
            ("spend", "p", "a", "2026-03-01", "c", "s", "m,", "u", "", "n", "x"),
            "spend:p/a/2026-03-01/c/s,m%2C,u,,n/x",
        ),
    ],
)
def test_spelling(parts: tuple[str, ...], key: str) -> None:
    assert entity_key(*parts) == key


@given(st.sampled_from(["lead", "touch", "target"]), st.lists(PARTS, min_size=1, max_size=4))
def test_round_trip(kind: str, parts: list[str | None]) -> None:
    assert decode_key(entity_key(kind, *parts)) == (kind, tuple(parts))


@given(st.lists(PARTS, min_size=10, max_size=10))
def test_round_trip_of_spend(parts: list[str | None]) -> None:
    assert decode_key(entity_key("spend", *parts)) == ("spend", tuple(parts))


@pytest.mark.parametrize("key", ["", "lead", ":1", "spend:a/b", "spend:p/a/d/c/,,,/media", "lead:%ff"])
def test_no_key(key: str) -> None:
    with pytest.raises(ValueError, match=r"key|utf-8"):
        decode_key(key)


def test_spend_has_ten_parts() -> None:
    with pytest.raises(ValueError, match="10 parts"):
        entity_key("spend", "p")
