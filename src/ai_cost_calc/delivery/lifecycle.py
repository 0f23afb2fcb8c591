"""What happens to deliveries when their process forks or ends."""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from functools import cache
from typing import Final, Protocol

from ai_cost_calc.forks import ForkLock

EXIT_SECONDS: Final = 2.0
"""How long all deliveries together may hold up the end of the process."""


class Watched(Protocol):
    """What a delivery must be able to do."""

    def fork_locks(self) -> tuple[ForkLock, ...]:
        """Locks that a fork takes first."""
        ...

    def after_fork_in_child(self) -> None:
        """Start anew in a process that has one thread, and only copies of what the parent opened."""
        ...

    def close(self, timeout: float) -> int:
        """Flush and stop within `timeout` seconds."""
        ...


class Running(Protocol):
    """A thread that delivers; it may outlive its delivery."""

    def stop(self, timeout: float) -> None:
        """End within `timeout` seconds."""
        ...


_watched: dict[int, weakref.ref[Watched]] = {}
_held = threading.local()
running: set[Running] = set()
"""Every thread that delivers, from its start to its end."""
_inherited: list[Running] = []
"""Keeps the parent's threads from being collected in a child, which must not close the parent's database connection."""


def watch(delivery: Watched) -> None:
    """Tend to this delivery for as long as somebody holds it."""
    key = id(delivery)
    _watched[key] = weakref.ref(delivery, lambda _: _watched.pop(key, None))


def _living() -> list[Watched]:
    return [delivery for ref in list(_watched.values()) if (delivery := ref()) is not None]


def _before_fork() -> None:
    if "locks" in _held.__dict__:  # registered twice, see `stand_first`
        return
    _held.locks = []
    for delivery in _living():
        _held.locks += [lock for lock in delivery.fork_locks() if lock.take_for_fork()]


def _after_fork_in_parent() -> None:
    for lock in _held.__dict__.pop("locks", ()):
        lock.give_back()


def _after_fork_in_child() -> None:
    if _held.__dict__.pop("locks", None) is None:
        return
    _inherited.extend(running)
    running.clear()
    for delivery in _living():
        delivery.after_fork_in_child()


def _at_exit() -> None:
    end = time.monotonic() + EXIT_SECONDS
    for delivery in _living():
        delivery.close(max(0.0, end - time.monotonic()))
    for orphan in tuple(running):
        orphan.stop(end - time.monotonic())


def _register() -> None:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
        )


@cache
def stand_first() -> None:
    """Before a fork, be asked before the ledger, whose module is loaded late and may prepare for forks too.

    What is registered last is asked first. The ledger could otherwise take its own locks, so that the delivering thread
    waits for the ledger, and the fork for that thread.
    """
    _register()


atexit.register(_at_exit)
_register()
