"""A clock for tests: it moves only when told to."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class FakeClock:
    """Time under a test's control, in place of `time.time` and `time.monotonic`; threads may share one.

    Args:
        start: the first wall time; it must know its timezone.

    Example:
        >>> clock = FakeClock(datetime(2026, 11, 30, 23, 59, 30, tzinfo=UTC))
        >>> clock.advance(45)
        >>> clock.now().isoformat()
        '2026-12-01T00:00:15+00:00'
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._lock = threading.Lock()
        self._wall_us = _microseconds(start)
        self._elapsed_us = 0

    def __call__(self) -> float:
        """Wall time in unix seconds, as `time.time` gives it."""
        return self._wall_us / 1_000_000

    def monotonic(self) -> float:
        """Seconds that have passed since this clock was made; `set` does not change it."""
        return self._elapsed_us / 1_000_000

    def now(self) -> datetime:
        """Wall time as a datetime in UTC."""
        return _EPOCH + self._wall_us * _MICROSECOND

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks, to the microsecond.

        Raises:
            ValueError: `seconds` is negative; time that passes goes forward (`set` puts the wall clock back).
        """
        if seconds < 0:
            msg = f"time cannot pass backwards ({seconds} seconds); use set() to put the wall clock back"
            raise ValueError(msg)
        with self._lock:
            passed_us = round(seconds * 1_000_000)
            self._wall_us += passed_us
            self._elapsed_us += passed_us

    def set(self, moment: datetime) -> None:
        """Put the wall clock to `moment`, forward or back, as an administrator or NTP would.

        Raises:
            ValueError: `moment` does not know its timezone.
        """
        with self._lock:
            self._wall_us = _microseconds(moment)


def _microseconds(moment: datetime) -> int:
    if moment.tzinfo is None:
        msg = f"{moment!r} has no timezone; give it one, such as datetime.UTC"
        raise ValueError(msg)
    return (moment - _EPOCH) // _MICROSECOND
