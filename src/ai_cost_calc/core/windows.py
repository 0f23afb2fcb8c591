"""When a budget starts over: calendar windows in a timezone, and rolling ones made of sub-windows.

A window's id is computed from the call's time, so there is no reset job: `2026-11`, `2026-11-23T14`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from math import floor
from typing import Final, Literal

import msgspec

Per = Literal["hour", "day", "week", "month", "year", "total"]

PERIODS: Final[tuple[Per, ...]] = ("hour", "day", "week", "month", "year", "total")
SUB_WINDOWS: Final = 60
"""A rolling window is this many sub-windows and the one now running, so it never forgets spend too early."""

_ROLLING_SECONDS: Final[dict[Per, int]] = {
    "hour": 3_600,
    "day": 86_400,
    "week": 7 * 86_400,
    "month": 30 * 86_400,
    "year": 365 * 86_400,
}
_FOREVER: Final = float("inf")


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """One window of a budget.

    Attributes:
        id: part of the key under which spend is kept; unique per `per` and timezone.
        start: when it starts, unix seconds.
        end: when it ends, unix seconds (infinity for `total`); this id is right for start <= now < end.
        ids: every window id that counts towards the limit now; more than one only for a rolling budget.
        resets_at: when room comes back, unix seconds or infinity.
    """

    id: str
    start: float
    end: float
    ids: tuple[str, ...]
    resets_at: float


@lru_cache(maxsize=64)
def zone(name: str) -> tzinfo:
    """The timezone of this IANA name.

    Raises:
        ValueError: there is no such timezone.
    """
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415 - most budgets need none

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError) as exc:
        msg = f"timezone {name!r} is unknown; use an IANA name such as 'Europe/Berlin'"
        raise ValueError(msg) from exc


def window_at(now: float, per: Per, timezone: str = "UTC", *, rolling: bool = False) -> Window:
    """The window that contains `now` (unix seconds).

    A day is the local calendar day, 23 or 25 hours long where daylight saving changes; a week starts on Monday. An hour
    is one of local time: one that daylight saving repeats is two windows, told apart by their UTC offset, and one that
    it cuts short is shorter. Windows of one kind never overlap and leave no gaps.
    """
    if per == "total":
        return Window(id="total", start=-_FOREVER, end=_FOREVER, ids=("total",), resets_at=_FOREVER)
    if rolling:
        return _rolling(now, per)
    local = datetime.fromtimestamp(floor(now), zone(timezone))  # windows start at whole seconds; rounding up would not
    return _hour(local) if per == "hour" else _days(local, per)


def _rolling(now: float, per: Per) -> Window:
    length = _ROLLING_SECONDS[per] // SUB_WINDOWS
    index = int(now // length)
    ids = tuple([f"r{length}-{number}" for number in range(index - SUB_WINDOWS, index + 1)])
    return Window(id=ids[-1], start=index * length, end=(index + 1) * length, ids=ids, resets_at=(index + 1) * length)


def _hour(local: datetime) -> Window:
    """A whole hour of local time, or the part of it that is at this UTC offset."""
    now = round(local.timestamp())
    start = now - local.minute * 60 - local.second
    end = start + 3_600
    where = local.tzinfo
    if where is UTC:
        return _window(f"{local:%Y-%m-%dT%H}", start, end)
    offset = local.utcoffset()
    if datetime.fromtimestamp(start, where).utcoffset() != offset:
        start = _offset_change(start, now, where)
    if datetime.fromtimestamp(end - 1, where).utcoffset() != offset:
        end = _offset_change(now, end - 1, where)
    return _window(f"{local:%Y-%m-%dT%H%z}", start, end)


def _days(local: datetime, per: Per) -> Window:
    """The day, week, month or year of a local time."""
    first = _first_day(local.date(), per)
    after = _next_period(first, per)
    end = _start_of(after, local.tzinfo)
    if local.timestamp() >= end:  # daylight saving repeats the minutes around midnight: the new day has begun before
        first, after = after, _next_period(after, per)
        end = _start_of(after, local.tzinfo)
    return _window(_day_id(first, per), _start_of(first, local.tzinfo), end)


def _window(window_id: str, start: float, end: float) -> Window:
    return Window(id=window_id, start=start, end=end, ids=(window_id,), resets_at=end)


def _first_day(day: date, per: Per) -> date:
    if per == "week":
        return day - timedelta(days=day.weekday())
    if per == "month":
        return day.replace(day=1)
    return day.replace(month=1, day=1) if per == "year" else day


def _next_period(first: date, per: Per) -> date:
    if per == "month":
        return (first.replace(day=28) + timedelta(days=4)).replace(day=1)
    if per == "year":
        return first.replace(year=first.year + 1)
    return first + timedelta(days=7 if per == "week" else 1)


def _start_of(day: date, where: tzinfo | None) -> int:
    """The first instant at which it is this day or a later one."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=where)
    start, again = round(midnight.timestamp()), round(midnight.replace(fold=1).timestamp())
    # Where daylight saving skips midnight, the two readings lie on either side of the skip.
    return start if again >= start else _offset_change(again, start, where)


def _offset_change(before: int, after: int, where: tzinfo | None) -> int:
    """The first second at which the UTC offset is the one of `after`; it changes once, after `before`."""
    offset = datetime.fromtimestamp(after, where).utcoffset()
    while after - before > 1:
        middle = (before + after) // 2
        if datetime.fromtimestamp(middle, where).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after


def _day_id(first: date, per: Per) -> str:
    if per == "week":
        year, week, _ = first.isocalendar()
        return f"{year}-W{week:02d}"
    return {"day": f"{first:%Y-%m-%d}", "month": f"{first:%Y-%m}", "year": f"{first:%Y}"}[per]
