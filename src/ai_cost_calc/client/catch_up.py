"""Tries again in the background what could not be done when it was asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final
from weakref import WeakMethod

FIRST_SECONDS: Final = 1.0
"""The pause before the first attempt; it doubles from one to the next."""
LONGEST_SECONDS: Final = 60.0


class CatchUp:
    """A thread that is there only while something is behind. It ends with the owner of the method, too.

    Args:
        again: a method that tries once more, does not raise, and says whether it worked.
    """

    def __init__(self, again: Callable[[], bool]) -> None:
        self._again = WeakMethod(again)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Try from now on, until it works."""
        if self._thread is None or not self._thread.is_alive():
            arguments = (self._again, self._stop)
            self._thread = threading.Thread(target=_try, args=arguments, name="ai-cost-calc-catch-up", daemon=True)
            with suppress(RuntimeError):  # the interpreter shuts down
                self._thread.start()

    def stop(self) -> None:
        """Give up."""
        self._stop.set()


def _try(method: WeakMethod[Callable[[], bool]], stop: threading.Event) -> None:
    pause = FIRST_SECONDS
    while not stop.wait(pause):
        again = method()
        if again is None or again():
            return
        del again  # nothing here may keep its owner alive while it waits
        pause = min(2 * pause, LONGEST_SECONDS)
