"""The fake clock."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_cost_calc.testing import FakeClock


def test_advance_moves_both_clocks() -> None:
    """Time that passes shows on the wall and on the monotonic clock."""
    clock = FakeClock(datetime(2026, 11, 30, 23, 59, 30, tzinfo=UTC))
    clock.advance(45.5)
    assert clock.now() == datetime(2026, 12, 1, 0, 0, 15, 500_000, tzinfo=UTC)
    assert clock.monotonic() == 45.5


def test_set_moves_only_the_wall_clock() -> None:
    """Putting the wall clock back leaves durations as they were."""
    clock = FakeClock()
    clock.advance(10)
    clock.set(datetime(2020, 2, 29, tzinfo=UTC))
    assert clock() == datetime(2020, 2, 29, tzinfo=UTC).timestamp()
    assert clock.monotonic() == 10


def test_other_timezones_mean_the_same_instant() -> None:
    """A moment in Tokyo is the moment it is in UTC."""
    tokyo = timezone(timedelta(hours=9))
    assert FakeClock(datetime(2026, 1, 1, 9, tzinfo=tokyo))() == FakeClock(datetime(2026, 1, 1, tzinfo=UTC))()


def test_time_does_not_pass_backwards() -> None:
    """A negative duration is refused and changes nothing."""
    clock = FakeClock()
    before = clock()
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-1)
    assert clock() == before


@pytest.mark.parametrize("use", ["start", "set"])
def test_naive_moments_are_refused(use: str) -> None:
    """A time without a timezone could be any instant."""
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - the mistake under test
    clock = FakeClock()
    with pytest.raises(ValueError, match="timezone"):
        FakeClock(naive) if use == "start" else clock.set(naive)


def test_many_small_steps_do_not_drift() -> None:
    """A million steps of a microsecond are a second, from eight threads as from one."""
    clock = FakeClock()
    start = clock()

    def step() -> None:
        for _ in range(12_500):
            clock.advance(0.000_001)

    threads = [threading.Thread(target=step) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.monotonic() == 0.1
    assert clock() == pytest.approx(start + 0.1, abs=1e-6)


@given(st.datetimes(min_value=datetime(1980, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_a_moment_survives_the_clock(moment: datetime) -> None:
    """What was set is what is shown, to the microsecond."""
    clock = FakeClock()
    clock.set(moment)
    assert clock.now() == moment
    assert datetime.fromtimestamp(clock(), UTC) - moment < timedelta(microseconds=1)
