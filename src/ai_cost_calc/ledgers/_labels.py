"""The names of hours, days and months in a timezone, and whether whole hours of UTC are whole hours there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from ai_cost_calc.core.event import MICROS
from ai_cost_calc.core.windows import zone

TIMES: Final = {"hour": 13, "day": 10, "month": 7}
"""Dimensions of time, and how many characters of `2026-11-23T14` name one."""

HOUR: Final = 3_600 * MICROS
DAY: Final = 24 * HOUR
_HOUR: Final = timedelta(hours=1)


@lru_cache(maxsize=65_536)
def time_label(dimension: str, at: int, timezone: str) -> str:
    """The hour, day or month, in a timezone, of a moment in unix microseconds."""
    return datetime.fromtimestamp(at // MICROS, zone(timezone)).isoformat()[: TIMES[dimension]]


def fitting_grain(since: int, until: int, timezone: str) -> int:
    """The longest stretch of UTC, `DAY`, `HOUR` or 1 microsecond, that no local day or hour begins or ends inside.

    Args:
        since: first microsecond of the span of time that is asked about.
        until: first microsecond after it.
        timezone: IANA name.
    """
    return _fitting_grain(max(since // DAY - 1, 0), until // DAY + 2, timezone)


@lru_cache(maxsize=256)
def _fitting_grain(first_day: int, last_day: int, timezone: str) -> int:
    """Look at the offset once a day; no offset lasts shorter."""
    where = zone(timezone)
    if where is UTC:
        return DAY
    offsets = {datetime.fromtimestamp(day * DAY // MICROS, where).utcoffset() for day in range(first_day, last_day)}
    if any(offset and offset % _HOUR for offset in offsets):
        return 1
    return HOUR if any(offsets) else DAY
