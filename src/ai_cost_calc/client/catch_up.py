"""Tries again in the background what could not be done when it was asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final
from weakref import WeakMethod

from ai_cost_calc.forks import renew_in_child

FIRST_SECONDS: Final = 1.0
"""The pause before the first attempt; it doubles from one to the next."""
LONGEST_SECONDS: Final = 60.0


class CatchUp:
    """A thread that is there only while something is behind; a forked child has one of its own."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._behind: WeakMethod[Callable[[], bool]] | None = None
        renew_in_child(self)

    def begin(self, again: Callable[[], bool]) -> None:
        """Try from now on, until it works or nobody has the method's owner any more.

        Args:
            again: a method that tries once more, does not raise, and says whether it worked.
        """
        self._behind = WeakMethod(again)
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(
                target=_try, args=(self._behind, self._stop), name="ai-cost-calc-catch-up", daemon=True
            )
            with suppress(RuntimeError):  # the interpreter shuts down
                self._thread.start()

    def done(self) -> None:
        """Nothing is behind any more."""
        self._behind = None

    def stop(self) -> None:
        """Give up."""
        self._stop.set()

    def renew(self) -> None:
        """In a forked child: the thread is not here."""
        stopped, self._stop, self._thread = self._stop.is_set(), threading.Event(), None
        again = self._behind() if self._behind is not None else None
        if again is not None and not stopped:
            self.begin(again)


def _try(method: WeakMethod[Callable[[], bool]], stop: threading.Event) -> None:
    pause = FIRST_SECONDS
    while not stop.wait(pause):
        again = method()
        if again is None or again():
            return
        del again  # nothing here may keep its owner alive while it waits
        pause = min(2 * pause, LONGEST_SECONDS)
