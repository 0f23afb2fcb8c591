"""Windows of budgets on every kind of calendar."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ai_cost_calc.core.windows import PERIODS, SUB_WINDOWS, Per, Window, window_at, zone

FOREVER: Final = float("inf")
CALENDARS: Final[tuple[Per, ...]] = ("hour", "day", "week", "month", "year")


def unix(text: str) -> float:
    """Unix seconds of an ISO time with its offset."""
    return datetime.fromisoformat(text).timestamp()


# By timezone: a moment, per; the id, start and end of its window, worked out by hand from the zone's rules.
BY_HAND: Final[dict[str, list[tuple[str, Per, str, str, str]]]] = {
    "UTC": [
        # Plain calendars.
        ("2026-11-23T14:30:59+00:00", "hour", "2026-11-23T14", "2026-11-23T14:00+00:00", "2026-11-23T15:00+00:00"),
        ("2026-11-23T00:00:00+00:00", "day", "2026-11-23", "2026-11-23T00:00+00:00", "2026-11-24T00:00+00:00"),
        ("2026-11-22T23:59:59+00:00", "week", "2026-W47", "2026-11-16T00:00+00:00", "2026-11-23T00:00+00:00"),
        ("2028-02-29T12:00:00+00:00", "month", "2028-02", "2028-02-01T00:00+00:00", "2028-03-01T00:00+00:00"),
        ("2026-12-31T23:59:59+00:00", "month", "2026-12", "2026-12-01T00:00+00:00", "2027-01-01T00:00+00:00"),
        ("2026-12-31T23:59:59+00:00", "year", "2026", "2026-01-01T00:00+00:00", "2027-01-01T00:00+00:00"),
        # A week belongs to the year of its Thursday: 2026 has 53 of them.
        ("2027-01-03T23:00:00+00:00", "week", "2026-W53", "2026-12-28T00:00+00:00", "2027-01-04T00:00+00:00"),
        ("2025-12-29T00:00:00+00:00", "week", "2026-W01", "2025-12-29T00:00+00:00", "2026-01-05T00:00+00:00"),
    ],
    "Europe/Berlin": [
        # Berlin, 2026-03-29: from 02:00 +01:00 straight to 03:00 +02:00, a day of 23 hours.
        ("2026-03-29T12:00:00+02:00", "day", "2026-03-29", "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00"),
        ("2026-03-29T01:59:59+01:00", "hour", "2026-03-29T01+0100", "2026-03-29T01:00+01:00", "2026-03-29T03:00+02:00"),
        ("2026-03-29T03:00:00+02:00", "hour", "2026-03-29T03+0200", "2026-03-29T03:00+02:00", "2026-03-29T04:00+02:00"),
        # Berlin, 2026-10-25: from 03:00 +02:00 back to 02:00 +01:00, a day of 25 hours with two hours called 02.
        ("2026-10-25T12:00:00+01:00", "day", "2026-10-25", "2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00"),
        ("2026-10-25T02:30:00+02:00", "hour", "2026-10-25T02+0200", "2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00"),
        ("2026-10-25T02:30:00+01:00", "hour", "2026-10-25T02+0100", "2026-10-25T02:00+01:00", "2026-10-25T03:00+01:00"),
        ("2026-10-25T12:00:00+01:00", "month", "2026-10", "2026-10-01T00:00+02:00", "2026-11-01T00:00+01:00"),
    ],
    "America/Sao_Paulo": [
        # São Paulo, 2018-11-04: there is no midnight, the day starts at 01:00; 2018-02-17 has 23:00 to 24:00 twice.
        ("2018-11-04T01:00:00-02:00", "day", "2018-11-04", "2018-11-04T01:00-02:00", "2018-11-05T00:00-02:00"),
        ("2018-11-03T23:59:59-03:00", "day", "2018-11-03", "2018-11-03T00:00-03:00", "2018-11-04T01:00-02:00"),
        ("2018-02-17T23:30:00-03:00", "day", "2018-02-17", "2018-02-17T00:00-02:00", "2018-02-18T00:00-03:00"),
    ],
    "Australia/Lord_Howe": [
        # Lord Howe Island moves its clocks by half an hour: at 02:00 +11:00 back to 01:30, at 02:00 +10:30 to 02:30.
        ("2026-04-05T01:45:00+11:00", "hour", "2026-04-05T01+1100", "2026-04-05T01:00+11:00", "2026-04-05T02:00+11:00"),
        ("2026-04-05T01:45:00+10:30", "hour", "2026-04-05T01+1030", "2026-04-05T01:30+10:30", "2026-04-05T02:00+10:30"),
        ("2026-10-04T02:45:00+11:00", "hour", "2026-10-04T02+1100", "2026-10-04T02:30+11:00", "2026-10-04T03:00+11:00"),
        ("2026-10-04T12:00:00+11:00", "day", "2026-10-04", "2026-10-04T00:00+10:30", "2026-10-05T00:00+11:00"),
    ],
    "Asia/Kolkata": [
        # Kolkata: whole hours start at half past those of UTC.
        ("2026-11-23T14:15:00+05:30", "hour", "2026-11-23T14+0530", "2026-11-23T14:00+05:30", "2026-11-23T15:00+05:30"),
        ("2026-11-23T03:00:00+05:30", "day", "2026-11-23", "2026-11-23T00:00+05:30", "2026-11-24T00:00+05:30"),
    ],
    "America/St_Johns": [
        # St. John's, 2010-11-07: at 00:01 back to 23:01 of the day before; the new day has begun all the same.
        ("2010-11-07T00:00:30-02:30", "day", "2010-11-07", "2010-11-07T00:00-02:30", "2010-11-08T00:00-03:30"),
        ("2010-11-06T23:30:00-03:30", "day", "2010-11-07", "2010-11-07T00:00-02:30", "2010-11-08T00:00-03:30"),
        ("2010-11-07T00:00:30-02:30", "hour", "2010-11-07T00-0230", "2010-11-07T00:00-02:30", "2010-11-07T00:01-02:30"),
        ("2010-11-06T23:30:00-03:30", "hour", "2010-11-06T23-0330", "2010-11-06T23:01-03:30", "2010-11-07T00:00-03:30"),
    ],
    "Pacific/Apia": [
        # Samoa had no 30th of December 2011.
        ("2011-12-29T23:00:00-10:00", "day", "2011-12-29", "2011-12-29T00:00-10:00", "2011-12-31T00:00+14:00"),
        ("2011-12-31T00:00:00+14:00", "day", "2011-12-31", "2011-12-31T00:00+14:00", "2012-01-01T00:00+14:00"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("timezone", "moment", "per", "window_id", "start", "end"),
    [(timezone, *row) for timezone, rows in BY_HAND.items() for row in rows],
)
def test_windows_are_those_of_the_local_calendar(
    *, timezone: str, moment: str, per: Per, window_id: str, start: str, end: str
) -> None:
    """The id, start and end are what a calendar on the wall there says."""
    window = window_at(unix(moment), per, timezone)
    assert window == Window(id=window_id, start=unix(start), end=unix(end), ids=(window_id,), resets_at=unix(end))


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-11-23", 24)])
def test_a_day_has_as_many_hours_as_the_clock_shows(day: str, hours: int) -> None:
    """The hours of a day are windows of their own, with different ids, and fill it."""
    window = window_at(
        datetime.fromisoformat(day).replace(tzinfo=ZoneInfo("Europe/Berlin")).timestamp(), "day", "Europe/Berlin"
    )
    inside = [window_at(window.start + 3_600 * hour, "hour", "Europe/Berlin") for hour in range(hours)]
    assert inside[0].start == window.start
    assert inside[-1].end == window.end
    assert len({hour.id for hour in inside}) == hours


def test_total_never_ends() -> None:
    """A budget in total has one window, for ever."""
    window = window_at(0.0, "total", "Asia/Tokyo")
    assert (window.id, window.start, window.end, window.resets_at) == ("total", -FOREVER, FOREVER, FOREVER)
    assert window_at(4e9, "total", "Asia/Tokyo", rolling=True) == window


def test_the_last_instant_of_a_window_is_not_rounded_into_the_next() -> None:
    """A float a hair before midnight is still today."""
    midnight = unix("2026-11-24T00:00:00+00:00")
    assert window_at(midnight - 2.5e-7, "day").id == "2026-11-23"
    assert window_at(midnight, "day").id == "2026-11-24"


# Every zone there is, with the hours around some clock changes more often than others.
CHANGES: Final = [
    unix(text)
    for text in (
        "2026-03-29T01:00+00:00", "2026-10-25T01:00+00:00", "2018-11-04T03:00+00:00", "2018-02-18T02:00+00:00",
        "2026-04-04T15:00+00:00", "2026-10-03T15:30+00:00", "2010-11-07T02:31+00:00", "2010-03-14T03:31+00:00",
        "2011-12-30T10:00+00:00", "1993-08-21T12:00+00:00", "2026-12-31T00:00+00:00", "2027-01-04T00:00+00:00",
    )
]  # fmt: skip
ODD_ZONES: Final = [
    "UTC", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kolkata", "America/St_Johns",
    "Pacific/Apia", "Pacific/Kwajalein", "Asia/Kathmandu", "Africa/Casablanca", "Africa/Monrovia", "Antarctica/Troll",
]  # fmt: skip
zones = st.sampled_from(ODD_ZONES) | st.sampled_from(sorted(available_timezones()))
moments = st.floats(0, 4e9) | st.builds(
    lambda change, seconds: change + seconds, st.sampled_from(CHANGES), st.floats(-90_000, 90_000)
)


@given(now=moments, per=st.sampled_from(PERIODS), timezone=zones, rolling=st.booleans())
def test_a_moment_is_inside_of_its_window(*, now: float, per: Per, timezone: str, rolling: bool) -> None:
    """Whatever the calendar, `start <= now < end`."""
    window = window_at(now, per, timezone, rolling=rolling)
    assert window.start <= now < window.end
    assert window.ids[-1] == window.id


@given(now=moments, per=st.sampled_from(CALENDARS), timezone=zones, rolling=st.booleans(), share=st.floats(0, 1))
@example(now=CHANGES[6], per="hour", timezone="America/St_Johns", rolling=False, share=0.5)
def test_windows_follow_each_other_without_gaps(
    *, now: float, per: Per, timezone: str, rolling: bool, share: float
) -> None:
    """Where one window ends another starts, under another id; every moment of a window names the same one."""
    window = window_at(now, per, timezone, rolling=rolling)
    following = window_at(window.end, per, timezone, rolling=rolling)
    assert following.start == window.end
    assert following.id != window.id
    inside = min(window.start + share * (window.end - window.start), window.end - 1e-3)
    assert window_at(inside, per, timezone, rolling=rolling) == window


@given(now=st.floats(0, 3.9e9), per=st.sampled_from(CALENDARS), timezone=zones)
def test_ids_are_unique(now: float, per: Per, timezone: str) -> None:
    """Windows that follow each other never repeat an id, nor do they in the course of a changing clock."""
    ids = []
    for _ in range(30):
        window = window_at(now, per, timezone)
        ids.append(window.id)
        now = window.end
    assert len(set(ids)) == len(ids)


@given(spent_at=st.floats(0, 3.9e9), per=st.sampled_from(CALENDARS), share=st.floats(0, 1))
def test_rolling_windows_never_forget_too_early(spent_at: float, per: Per, share: float) -> None:
    """What was spent counts for the whole period after it, and at most a sixtieth of the period longer."""
    lengths = {"hour": 3_600, "day": 86_400, "week": 604_800, "month": 30 * 86_400, "year": 365 * 86_400}
    length = lengths[per]
    spent_in = window_at(spent_at, per, rolling=True).id
    assert spent_in in window_at(spent_at + share * length, per, rolling=True).ids
    assert spent_in not in window_at(spent_at + length * (1 + 1 / SUB_WINDOWS) + 1e-3, per, rolling=True).ids


def test_rolling_windows_do_not_depend_on_a_timezone() -> None:
    """The last day is the same day everywhere."""
    now = unix("2026-11-23T14:30:00+00:00")
    here = window_at(now, "day", "Asia/Tokyo", rolling=True)
    assert here == window_at(now, "day", "UTC", rolling=True)
    assert len(here.ids) == len(set(here.ids)) == SUB_WINDOWS + 1
    assert (here.start, here.end) == (unix("2026-11-23T14:24:00+00:00"), unix("2026-11-23T14:48:00+00:00"))
    assert here.resets_at == here.end


@pytest.mark.parametrize("name", ["Europe/Atlantis", "", "../../etc/passwd", "Europe", None, 7])
def test_unknown_zones_are_refused(name: str) -> None:
    """The message says what a timezone looks like."""
    with pytest.raises(ValueError, match="use an IANA name such as 'Europe/Berlin'"):
        zone(name)


def test_known_zones_are_shared() -> None:
    """A zone is looked up once, and UTC needs no data."""
    assert zone("Europe/Berlin") is zone("Europe/Berlin")
    assert zone("UTC") is UTC
