"""How threads wait for something that another thread does in turns."""

from __future__ import annotations

import threading


class Requests:
    """Numbered requests, answered in order: whoever asks during a turn waits for the next one."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.asked = 0
        self._answered = 0

    @property
    def pending(self) -> bool:
        """Whether somebody waits."""
        return self._answered < self.asked

    def ask(self) -> int:
        """Hand in a request; its number is what `wait` takes."""
        with self._changed:
            self.asked += 1
            return self.asked

    def answer(self, number: int) -> None:
        """Everything asked up to this number is done."""
        with self._changed:
            self._answered = max(self._answered, number)
            self._changed.notify_all()

    def wait(self, number: int, timeout: float) -> bool:
        """Wait until it is answered; False when the time is over."""
        with self._changed:
            return self._changed.wait_for(lambda: self._answered >= number, timeout)
