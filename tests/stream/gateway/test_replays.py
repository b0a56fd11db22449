"""What is remembered of signed requests, and for how long."""

import pytest

from stream.gateway.replays import Replays
from stream.gateway.signatures import WINDOW_SECONDS, SignatureError

NOW = 1_790_000_000.0


def take(replays: Replays, source: str = "crm", at: float | None = NOW, body: bytes = b"{}", now: float = NOW) -> bool:
    try:
        with replays.once(source, at, body, now):
            return True
    except SignatureError as error:
        return error.fault != "replayed"


def test_each_is_taken_once() -> None:
    replays = Replays()
    assert [take(replays) for _ in range(3)] == [True, False, False]
    assert take(replays, source="other")
    assert take(replays, at=NOW + 0.001)
    assert take(replays, body=b"[]")
    assert take(replays, at=None)
    assert take(replays, at=None)


def test_one_that_was_not_kept_may_come_again() -> None:
    replays = Replays()
    with pytest.raises(ConnectionError), replays.once("crm", NOW, b"{}", NOW):
        raise ConnectionError
    assert take(replays)


def test_a_copy_that_comes_meanwhile_is_refused() -> None:
    replays = Replays()
    with replays.once("crm", NOW, b"{}", NOW):
        assert not take(replays)


def test_what_is_too_old_to_be_signed_rightly_is_forgotten() -> None:
    replays = Replays()
    for number in range(100):
        assert take(replays, at=NOW + number, now=NOW + number)
    assert not take(replays, at=NOW, now=NOW + WINDOW_SECONDS)
    assert take(replays, at=NOW + 400, now=NOW + 400)
    assert len(replays._until) == 1
