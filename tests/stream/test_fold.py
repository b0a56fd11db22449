"""Long histories and large documents: order, repetition and cutting them up change nothing."""

import random

import msgspec
import pytest

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
