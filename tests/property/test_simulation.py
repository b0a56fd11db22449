"""The property that all else rests on, over the real fold, flow, shard and claim.

`SIXFOLD_CASES` sets the number of cases (2,000 by default; `make deep` runs 100,000).
"""

import os
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stream import resting, shard
from tests.property import weakened
from tests.property.generate import event
from tests.property.simulation import Simulation, as_json, expected

CASES = int(os.environ.get("SIXFOLD_CASES", "2000"))
SHARDS = (1, 2, 3, 7)

# each event by a seed of its own, so that a failing list shrinks to the events that matter
events = st.lists(
    st.integers(0, 1 << 32).map(lambda seed: as_json(event(random.Random(seed)))), min_size=1, max_size=40
)


@settings(
    max_examples=CASES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
@given(events, st.integers(0, 1 << 32), st.sampled_from(SHARDS), st.booleans())
def test_every_order_repetition_batching_and_crash_ends_in_the_tables_of_the_batch(
    events: list[bytes], schedule: int, shards: int, crashes: bool
) -> None:
    assert Simulation(events, random.Random(schedule), shards, crashes).run() == expected(events)


def test_documents_that_travel_in_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard, "DOCUMENTS_BYTES", 40)
    for seed in range(150):
        rng = random.Random(seed)
        case = [as_json(event(rng)) for _ in range(rng.randint(5, 40))]
        assert Simulation(case, rng, rng.choice(SHARDS), crashes=True).run() == expected(case)


@pytest.mark.parametrize("known", [0, 1])
def test_documents_that_were_handed_over_and_are_not_known_again_change_nothing(
    known: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard, "TOKENS", known)
    for seed in range(100):
        rng = random.Random(seed)
        case = [as_json(event(rng)) for _ in range(rng.randint(5, 40))]
        assert Simulation(case, rng, rng.choice(SHARDS), crashes=True).run() == expected(case)


def test_nodes_at_rest_under_ever_new_dictionaries_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resting, "MADE_AT", frozenset({2, 5, 20}))
    monkeypatch.setattr(resting, "EVERY", 1)
    for seed in range(150):
        rng = random.Random(seed)
        case = [as_json(event(rng)) for _ in range(rng.randint(5, 40))]
        assert Simulation(case, rng, rng.choice(SHARDS), crashes=True).run() == expected(case)


@pytest.mark.parametrize("variant", weakened.VARIANTS, ids=lambda variant: variant.__name__)
def test_a_machine_with_one_rule_broken_is_caught(variant: weakened.Variant) -> None:
    for seed in range(4000):
        rng = random.Random(seed)
        case = [as_json(event(rng)) for _ in range(rng.randint(5, 40))]
        simulation = Simulation(case, rng, rng.choice(SHARDS), crashes=True)
        with variant():
            outcome = simulation.run()
        if outcome != expected(case):
            return
    pytest.fail(f"4000 cases did not notice: {variant.__doc__}")
