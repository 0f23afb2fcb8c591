"""What a fork must not cut in two, and what a forked child must have of its own.

A child has only the thread that forked. What another thread was doing stays half done there for ever: a lock nobody
releases, a descriptor nobody knows of, a module nobody finishes importing, a mutex inside SQLite nobody unlocks.
"""

from __future__ import annotations

# Loaded before our hooks are set, below: hooks before a fork run last to first, so ours wait while the lock of
# logging is still free. What they wait for may log, or import what makes a logger.
import logging  # noqa: F401
import os
import threading
import time
from typing import Final, Protocol
from weakref import WeakSet

FORK_SECONDS: Final = 2.0
"""How long a fork waits for work that it would cut in two; what runs for longer hangs, and holds up no fork."""


class ForkLock:
    """A lock over work that a fork must not cut in two. The thread that has it may take it again.

    Args:
        patience_seconds: how long a fork waits for the work to end.
    """

    def __init__(self, patience_seconds: float = FORK_SECONDS) -> None:
        self._lock = threading.RLock()
        self.patience_seconds = patience_seconds
        self._since = 0.0

    def __enter__(self) -> None:
        self._since = time.monotonic()  # before it is taken, or a fork right after might take it for old
        self._lock.acquire()
        self._since = time.monotonic()

    def __exit__(self, *exc: object) -> None:
        self._lock.release()

    def take_for_fork(self) -> bool:
        """Wait for the work to end; False when it has run for too long to wait any more."""
        deadline = time.monotonic() + 2 * self.patience_seconds  # threads that come and go hold up no fork for ever
        while True:
            since = self._since
            left = min(since + self.patience_seconds, deadline) - time.monotonic()
            if self._lock.acquire(timeout=max(0.0, left)):
                return True
            # Somebody may have taken it after we looked for how long it had been held.
            if self._since == since or time.monotonic() >= deadline:
                return False

    def give_back(self) -> None:
        """The fork is done."""
        self._lock.release()

    def renew(self) -> None:
        """In a child whose fork did not wait: whoever has the lock is not here."""
        self._lock = threading.RLock()


class Renewed(Protocol):
    """Something that starts anew in a forked child."""

    def renew(self) -> None:
        """Let go of what is the parent's."""
        ...


_renewed: WeakSet[Renewed] = WeakSet()
_held_over: WeakSet[ForkLock] = WeakSet()
_forking = threading.local()


_process = object()


def this_process() -> object:
    """Something that no other process has: what was begun before a fork is the parent's to end."""
    return _process


def renew_in_child(owner: Renewed) -> None:
    """Renew this object in every child that is forked while somebody holds it."""
    _renewed.add(owner)


def held_over_forks(lock: ForkLock) -> ForkLock:
    """Let forks wait until nobody has this lock."""
    _held_over.add(lock)
    return lock


def _before_fork() -> None:
    _forking.held = {lock for lock in list(_held_over) if lock.take_for_fork()}


def _after_fork_in_parent() -> None:
    for lock in _forking.__dict__.pop("held", ()):
        lock.give_back()


def _after_fork_in_child() -> None:
    global _process  # noqa: PLW0603 - there is one process
    _process = object()
    held = _forking.__dict__.pop("held", ())
    for lock in list(_held_over):
        if lock in held:
            lock.give_back()
        else:
            lock.renew()
    for owner in list(_renewed):
        owner.renew()


if hasattr(os, "register_at_fork"):  # not on Windows, which cannot fork
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
