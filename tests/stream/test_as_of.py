"""The as-of is the last instant of which it is certain that all that was in Kafka by then is in the tables."""

from datetime import UTC, datetime

from stream.as_of import MOST_NOTES, AsOf
from stream.wait import Bounds, Ends, Standing


def ends(events: int, documents: int = 0, other: int = 0) -> Ends:
    return Ends(
        {0: Bounds(0, events), 1: Bounds(0, other)},
        {0: Bounds(0, documents), 1: Bounds(0, 0)},
    )


def standings(events: int, documents: int = 0, other: int = 0, incarnation: str = "") -> dict[int, Standing]:
    def standing(shard: int, position: int, documents: int) -> Standing:
        return Standing(shard, 1, 1, position, documents, incarnation, 0, datetime.now(UTC), "worker")

    return {0: standing(0, events, documents), 1: standing(1, other, 0)}


def test_it_is_not_known_before_the_tables_have_reached_an_end() -> None:
    as_of = AsOf()
    as_of.reach(standings(5))
    assert as_of.at is None
    as_of.note(10.0, ends(7), "")
    as_of.reach(standings(5))
    assert as_of.at is None
    as_of.reach(standings(7))
    assert as_of.at == 10.0


def test_it_follows_tables_that_are_always_a_little_behind() -> None:
    as_of = AsOf()
    for tick in range(2 * MOST_NOTES):
        as_of.note(float(tick), ends(100 * (tick + 1)), "")
        as_of.reach(standings(100 * (tick + 1) - 1))
        assert as_of.at == (float(tick - 1) if tick else None)


def test_it_stands_while_the_tables_stand_and_catches_up_with_them() -> None:
    as_of = AsOf()
    as_of.note(1.0, ends(10), "")
    as_of.reach(standings(10))
    for tick in range(2, 2000):
        as_of.note(float(tick), ends(9 + tick), "")
        as_of.reach(standings(10))
        assert as_of.at == 1.0
    as_of.reach(standings(9 + 1990))
    assert as_of.at == 1990.0


def test_a_quiet_log_keeps_it_at_now() -> None:
    as_of = AsOf()
    for tick in range(5):
        as_of.note(float(tick), ends(10, 3, 4), "")
        as_of.reach(standings(10, 3, 4))
        assert as_of.at == float(tick)


def test_every_shard_counts_and_both_topics() -> None:
    for reached in (standings(10, 3, 3), standings(10, 2, 4), standings(9, 3, 4)):
        as_of = AsOf()
        as_of.note(1.0, ends(10, 3, 4), "")
        as_of.reach(reached)
        assert as_of.at is None


def test_positions_in_a_log_that_is_gone_say_nothing_of_the_new_one() -> None:
    as_of = AsOf()
    as_of.note(1.0, ends(10), "a")
    as_of.reach(standings(10, incarnation="a"))
    assert as_of.at == 1.0
    as_of.note(2.0, ends(3), "b")
    as_of.reach(standings(10, incarnation="a"))
    assert as_of.at == 1.0
    as_of.reach(standings(3, incarnation="b"))
    assert as_of.at == 2.0
    as_of = AsOf()
    as_of.note(1.0, ends(5), "a")
    as_of.note(2.0, ends(20), "b")
    as_of.reach(standings(7, incarnation="b"))
    assert as_of.at is None
