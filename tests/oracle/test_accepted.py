"""What the contract accepts, however odd, is counted, written and read: no event stops the machine behind it."""

import random
from datetime import UTC, datetime

import pytest
from clickhouse_connect.driver.client import Client

from schemas import EVENT_TYPES, Rejected, decode
from sinks.audit import audit
from sinks.migrate import migrate
from tests.clickhouse import ClickHouseServer
from tests.oracle.engine import fill, rows_of, settings
from tests.oracle.journeys import Config
from tests.oracle.reports import WITH_PERIODS, WITHOUT_PERIODS
from tests.schemas.broken_events import LITERALS, event_with, places

RULES = Config(time_zone="Asia/Kolkata", currency="EUR", pivot_currency="USD", lookback_days=5)


def _accepted(value: bytes) -> bool:
    try:
        decode(value, None)
    except Rejected:
        return False
    return True


@pytest.fixture(scope="module")
def odd_events() -> list[bytes]:
    """Every spelling that a member takes, in every member of every type, one at a time."""
    every = (event_with(name, place, odd) for name in EVENT_TYPES for place in places(name) for odd in LITERALS)
    return [value for value in every if _accepted(value)]


def test_no_accepted_event_stops_a_shard(odd_events: list[bytes]) -> None:
    assert len(odd_events) > 20_000
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    # by portions: among thousands of odd identifiers, all merged with each other, everything goes everywhere
    for start in range(0, len(odd_events), 500):
        rows_of(odd_events[start : start + 500], RULES, now_ms, random.Random(start))


def test_what_was_counted_can_be_written_and_read(
    clickhouse_server: ClickHouseServer, empty_database: tuple[Client, str], odd_events: list[bytes]
) -> None:
    client, name = empty_database
    rng = random.Random(2)
    events = rng.sample(odd_events, 2000)
    for number, value in enumerate(events):  # most of them of an entity of their own
        if number % 4:
            for example in (b'"1042"', b'"d-5"', b'"d-6"', b'"c-310"', b'"t-88"'):
                value = value.replace(example, b'%s-%d"' % (example[:-1], number % 100))
            events[number] = value
    migrate(client, name, settings(RULES).view_settings())
    connected = clickhouse_server.connect(name)
    fill(connected, rows_of(events, RULES, int(datetime.now(UTC).timestamp() * 1000), rng))
    for view in (*WITH_PERIODS, *WITHOUT_PERIODS):
        assert connected.query(f"SELECT * FROM {view}").result_rows, view
    assert not audit(connected).differences
    connected.close()
