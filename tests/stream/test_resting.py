"""Compressed nodes and rows give back what was put down, with whatever dictionary."""

import random

import pytest

from stream import resting
from stream.flow import Node
from stream.fold import Change
from stream.resting import PIECE_BYTES, Dictionaries, Lines, Nodes, Piece, rows_in


def _state(entity: str, rng: random.Random, fields: int = 4) -> bytes:
    node = Node(entity)
    for number in range(fields):
        change = Change(entity, entity, (number, 0, "crm", str(number)), {f"field_{number}": rng.random()})
        node.fold(change)
    return node.encode()


def _contributed(number: int, rng: random.Random) -> bytes | None:
    """Of some nodes something, of some nothing, and of some it is not known."""
    return (None, b"", rng.randbytes(number % 300 + 1))[number % 3]


def test_what_is_put_down_is_taken_up_again() -> None:
    rng, dictionaries = random.Random(1), Dictionaries()
    states, contributed = dict[str, bytes](), dict[str, bytes | None]()
    shards = Nodes(dictionaries), Nodes(dictionaries)
    for number in range(4_000):
        entity = f"{rng.choice(('lead', 'call', 'rep'))}:{number}"
        states[entity], contributed[entity] = _state(entity, rng), _contributed(number, rng)
        shards[number % 2].put(entity, states[entity], contributed[entity])
    states["lead:huge"], contributed["lead:huge"] = _state("lead:huge", rng, 5_000), rng.randbytes(100_000)
    shards[0].put("lead:huge", states["lead:huge"], contributed["lead:huge"])
    assert {**dict(shards[0].items()), **dict(shards[1].items())} == states
    assert {entity: nodes.take_up(entity) for nodes in shards for entity in nodes} == {
        entity: (state, contributed[entity]) for entity, state in states.items()
    }
    assert shards[0]["lead:huge"] == states["lead:huge"]
    assert shards[0].take_up("lead:none") is None
    assert "lead:none" not in shards[0]
    assert len(shards[0]) + len(shards[1]) == 4_001


def test_what_is_put_down_last_is_taken_up() -> None:
    nodes, rng = Nodes(Dictionaries()), random.Random(1)
    for number in range(3_000):
        entity, state, contributed = f"lead:{number % 7}", _state("lead:7", rng), _contributed(number, rng)
        nodes.put(entity, state, contributed)
        assert nodes.take_up(entity) == (state, contributed)


def test_states_that_resemble_each_other_take_less(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes, rng, size = Nodes(Dictionaries()), random.Random(1), 0
    for number in range(3_000):
        state = _state(f"lead:{number}", rng)
        nodes.put(f"lead:{number}", state)
        size += len(state)
    kept = sum(map(len, nodes._packed.values()))
    assert kept < 0.75 * size  # a third of them came before there was a dictionary; the numbers here are random
    monkeypatch.setattr(resting, "MADE_AT", frozenset())
    plain = Nodes(Dictionaries())
    for entity, state in nodes.items():
        plain.put(entity, state)
    assert sum(map(len, plain._packed.values())) == size + len(plain)


def test_samples_of_large_states_stay_small() -> None:
    dictionaries = Dictionaries()
    nodes, rng = Nodes(dictionaries), random.Random(1)
    for _ in range(1_100):
        nodes.put("lead:catch-all", rng.randbytes(100_000))
    assert sum(len(sample) for sample in dictionaries._samples["lead"]) <= resting.SAMPLES * resting.DICTIONARY_BYTES


def test_rows_are_taken_in_their_order_however_many_were_compressed_together() -> None:
    lines = Lines()
    for number in range(2_000):
        lines.append(b'{"entity":"lead:%d","text":"%s"}' % (number, b"x" * (number % 300)))
        assert len(lines) == number + 1
    lines.append(b"y" * (PIECE_BYTES + 1))
    lines.append(b"the last")
    taken = lines.take()
    assert rows_in(taken) == 2_002
    rows = [row for line in taken for row in bytes(line).split(b"\n")]
    assert [row.partition(b'"text"')[0] for row in rows[:2_000]] == [b'{"entity":"lead:%d",' % n for n in range(2_000)]
    assert rows[2_000:] == [b"y" * (PIECE_BYTES + 1), b"the last"]
    assert all(len(bytes(line)) == len(line) for line in taken)
    pieces = [line for line in taken if isinstance(line, Piece)]
    assert len(pieces) == sum(map(len, rows)) // PIECE_BYTES
    assert rows_in(pieces) == 2_001  # what makes no whole piece is left as it is
    assert taken[-1] == b"the last"
    assert (len(lines), lines.take()) == (0, [])
