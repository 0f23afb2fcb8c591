"""Streams that nobody closes: dropped ones, those the garbage collector finds, those open when the process ends."""

from __future__ import annotations

import atexit
import gc
import os
from collections import deque
from collections.abc import Iterable
from threading import get_ident
from typing import Protocol


class Ending(Protocol):
    """Something that is to end exactly once."""

    def finish(self, *, ended: bool, error: BaseException | None = None) -> None:
        """It is over; only the first time counts."""
        ...

    def conclude(self, *, ended: bool, error: BaseException | None) -> None:
        """Do what follows from it being over."""
        ...

    def forget(self) -> None:
        """Never finish: this process is a copy of the one that it belongs to."""
        ...


_open: set[Ending] = set()
"""What the caller still holds. Kept here because a weak reference that dies with its object calls nobody."""
_later: deque[tuple[Ending, bool, BaseException | None]] = deque()
_collecting = 0
"""The thread in which Python's garbage collector runs at this moment."""


def follow(streams: Iterable[Ending]) -> None:
    """Remember what the caller has been given and has not finished with."""
    if _note_collection not in gc.callbacks:
        gc.callbacks.append(_note_collection)
    _open.update(streams)


def let_go(stream: Ending) -> None:
    """Stop remembering it: it is over, or something else stands for it now."""
    _open.discard(stream)


def conclude(stream: Ending, *, ended: bool, error: BaseException | None) -> None:
    """Conclude a stream now, or, inside of the garbage collector, as soon as it has left.

    The collector may run in the middle of anything, with locks held that concluding would take.
    """
    _open.discard(stream)
    if _collecting == get_ident():
        _later.append((stream, ended, error))
    else:
        stream.conclude(ended=ended, error=error)


def settle_dropped() -> None:
    """Conclude what the garbage collector found. Called before each call; call it before looking at sums as well."""
    while _later:
        try:
            stream, ended, error = _later.popleft()
        except IndexError:
            return
        stream.conclude(ended=ended, error=error)


def end_streams() -> None:
    """Conclude every stream that is still open: the process ends, and they with it."""
    for stream in tuple(_open):
        stream.finish(ended=False)
    settle_dropped()


def _note_collection(phase: str, _: object) -> None:
    global _collecting  # noqa: PLW0603 - there is one collector
    _collecting = get_ident() if phase == "start" else 0


def _start_anew() -> None:
    for stream in _open:
        stream.forget()
    _open.clear()
    _later.clear()


atexit.register(end_streams)
os.register_at_fork(after_in_child=_start_anew)
