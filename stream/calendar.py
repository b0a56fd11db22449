"""Days in the reporting time zone.

A day is its ISO text, `YYYY-MM-DD`: it sorts by time, and both JSON and ClickHouse take it as it is.
"""

from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

#: Needs no rate: the row is in the reporting currency.
NO_RATE_DAY = "1970-01-01"
#: No due date; as the day of a rate, the latest there is.
LAST_DAY = "2149-06-06"

# Zones have shifted at quarter hours only since 1970 (Liberia's seconds ended in 1972), so within one the local day
# is the same.
_QUARTER_US = 900_000_000


class Calendar:
    """Local days of one zone. Unknown zone: `zoneinfo.ZoneInfoNotFoundError`."""

    def __init__(self, zone: str) -> None:
        tz = ZoneInfo(zone)

        @lru_cache(maxsize=1 << 16)
        def day_of_quarter(quarter: int) -> str:
            local = datetime.fromtimestamp(quarter * 900, UTC).astimezone(tz)
            # ClickHouse's Date begins in 1970: west of Greenwich its first hours count for the first day
            return max(local.strftime("%Y-%m-%d"), "1970-01-01")

        self._day_of_quarter = day_of_quarter

    def day(self, instant_us: int) -> str:
        """The local day of an instant in microseconds since 1970, UTC."""
        return self._day_of_quarter(instant_us // _QUARTER_US)
