"""The three laws of the join; long histories and large documents, in any order, repeated and cut up."""

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream import batch, fold
from stream.flow import pieces
from stream.fold import Change, Document, Key, join, join_change

LIMIT = 8


def _changes(rng: random.Random, *, reused: bool) -> list[Change]:
    """Changes of an opportunity; with `reused`, of few moments and one id, so that a key has several values."""
    found = []
    for number in range(rng.randint(LIMIT, 4 * LIMIT)):
        key: Key = (rng.randint(0, 12), 0, "crm", "id" if reused else str(number))
        fields = {"status": [rng.choice(("open", "won", "lost"))], "amount": rng.randint(0, 3)}
        if rng.random() < 0.3:
            del fields["amount" if rng.random() < 0.5 else "status"]
        found.append(Change("opportunity:1", "opportunity:1", key, fields))
    return found


def _copy(change: Change) -> Change:
    fields = {name: list(value) if isinstance(value, list) else value for name, value in change.fields.items()}
    return msgspec.structs.replace(change, fields=fields)


@pytest.mark.parametrize("reused", [False, True])
def test_any_order_keeps_the_same_of_a_long_history(monkeypatch: pytest.MonkeyPatch, reused: bool) -> None:
    monkeypatch.setattr(fold, "HISTORY_LIMIT", LIMIT)
    monkeypatch.setattr(batch, "HISTORY_LIMIT", LIMIT)
    longest = 0
    for seed in range(500):
        rng = random.Random(seed)
        changes = _changes(rng, reused=reused)
        order = [*changes, *rng.sample(changes, len(changes) // 2)]
        rng.shuffle(order)
        document = Document()
        for change in order:
            join_change(document, _copy(change))
        kept = document.history("status")
        assert kept == batch._document([_copy(change) for change in changes]).history("status"), seed
        longest = max(longest, len(kept))
        earliest = {}
        for key, value in sorted((c.key, v) for c in changes for v in c.fields.get("status", ())):
            earliest.setdefault(value, key)
        assert all((key, value) in kept for value, key in earliest.items())
    assert LIMIT < longest <= LIMIT + 3


def test_the_pieces_of_a_document_join_to_it_in_any_order() -> None:
    encode, read = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(Document).decode
    most = 0
    for seed in range(200):
        rng = random.Random(seed)
        whole = Document(erased=rng.random() < 0.2)
        for change in _changes(rng, reused=rng.random() < 0.5):
            change.fields["stage"] = ["s" * rng.randrange(40)]
            join_change(whole, change)
        cut = [*pieces(encode(whole), 60)]
        assert all(len(piece) < 200 for piece in cut)
        most = max(most, len(cut))
        rng.shuffle(cut)
        joined = Document()
        for piece in [*cut, *rng.sample(cut, len(cut) // 2)]:
            join(joined, read(piece))
        assert joined == whole
        assert [*pieces(encode(whole), len(encode(whole)))] == [encode(whole)]
    assert most > 10


_keys = st.tuples(st.integers(0, 3), st.integers(0, 1), st.sampled_from(("crm", "ads")), st.sampled_from(("1", "2")))
_fields = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from((["open"], ["won"], ["lost"])),
        "stage": st.sampled_from((["Lead"], [None])),
        "amount": st.sampled_from((0, 1, 25, None)),
        "lead_id": st.sampled_from(("1", "2", None)),
        "unlinked@1": st.just(True),
        "deleted": st.booleans(),
    },
)
_changes_of_one = st.lists(
    st.builds(Change, st.just("opportunity:1"), st.just("opportunity:1"), _keys, _fields, st.booleans(), st.booleans()),
    max_size=6,
)


def _document(changes: list[Change]) -> Document:
    document = Document()
    for change in changes:
        join_change(document, _copy(change))
    return document


def _joined(*documents: Document) -> Document:
    """Their join, which leaves them as they are."""
    found, *others = msgspec.msgpack.decode(msgspec.msgpack.encode(documents), type=list[Document])
    for other in others:
        join(found, other)
    return found


@settings(max_examples=2_000, deadline=None)
@given(_changes_of_one, _changes_of_one, _changes_of_one)
def test_join_is_commutative_associative_and_idempotent(first: Any, second: Any, third: Any) -> None:
    a, b, c = _document(first), _document(second), _document(third)
    assert _joined(a, b) == _joined(b, a)
    assert _joined(_joined(a, b), c) == _joined(a, _joined(b, c))
    assert _joined(a, a) == a
    # a copy that one has seen before says nothing new, and an event is a small document
    assert _joined(_joined(a, b), b) == _joined(a, b) == _document([*first, *second])
