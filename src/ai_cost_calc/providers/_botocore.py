"""What botocore hands to its callers as an answer, made to pass a tap: event streams and bodies that are read later.

Read in botocore 1.44 (`eventstream.py`, `response.py`). Both classes are public, and so is what is overridden of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Final
from weakref import ref

from botocore.exceptions import EventStreamError

from ai_cost_calc.providers._tap import Tap

_TAP: Final = "_ai_cost_calc_tap"
_LEFT: Final = "_ai_cost_calc_left"


def tapped_stream(stream: Any, tap: Tap) -> Any:
    """The same stream, of the same class by name and `isinstance`, whose events are seen.

    Another object, because an event stream and its own generator keep each other alive: this one dies as soon as the
    caller drops it. Both share the generator, so whatever was read before is not read again.
    """
    base: Any = type(stream)
    made = object.__new__(_tapped_stream_class(base))
    vars(made).update(vars(stream))
    vars(made)[_TAP] = tap
    tap.keepsake = ref(made, lambda _: tap.finish(ended=False))
    return made


@cache
def _tapped_stream_class(base: Any) -> Any:
    class Tapped(base):  # type: ignore[misc]  # botocore's class, or one made from it
        __slots__ = ()

        def __iter__(self) -> Iterator[Any]:
            return _watched(vars(self)[_TAP], base.__iter__(self))

        def close(self) -> None:
            try:
                base.close(self)
            finally:
                vars(self)[_TAP].finish(ended=False)

    return _named(Tapped, base)


def _watched(tap: Tap, events: Iterator[Any]) -> Iterator[Any]:
    """Pass events on. Leaving the loop is not the end: botocore lets callers go on with the same stream."""
    try:
        for event in events:
            tap.message(event["chunk"].get("bytes", b"{}") if "chunk" in event else event)
            yield event
    except Exception as error:
        if isinstance(error, EventStreamError):
            tap.refused()
        tap.finish(ended=False, error=error)
        raise
    except GeneratorExit:
        if tap.finished:
            tap.finish(ended=True)
        raise
    tap.finish(ended=True)


def tap_body(body: Any, length: int | None, tap: Tap) -> None:
    """Let a tap see what is read of this body from now on; the object stays, its class is exchanged meanwhile.

    Args:
        length: its bytes, where the provider said; with the last of them, it is over.
    """
    vars(body)[_TAP] = tap
    vars(body)[_LEFT] = length
    tap.keepsake = ref(body, lambda _: tap.finish(ended=False))
    base: Any = type(body)
    body.__class__ = _tapped_body_class(base)


@cache
def _tapped_body_class(base: Any) -> Any:
    """Methods name `base` rather than `super()`: the class of the object may be restored meanwhile.

    Iterating over it and `iter_lines` go through `read`.
    """

    class Tapped(base):  # type: ignore[misc]  # botocore's class, or one made from it
        __slots__ = ()

        def read(self, amt: int | None = None) -> Any:
            return _seen(self, lambda: base.read(self, amt), whole=amt is None, asked=amt != 0)

        def readinto(self, b: Any) -> Any:
            with memoryview(b) as view:
                size = view.nbytes
            filled: list[int] = []
            _seen(self, lambda: _filled(base.readinto(self, b), b, filled), asked=size > 0)
            return filled[0]

        def readlines(self) -> Any:
            lines: list[bytes] = []

            def read() -> bytes:
                lines.extend(base.readlines(self))
                return b"".join(lines)

            _seen(self, read, whole=True)
            return lines

        def __enter__(self) -> Any:
            return _seen_below(self, base.__enter__(self))

        def __exit__(self, *failed: object) -> None:
            try:
                base.__exit__(self, *failed)
            finally:
                _over(self, ended=False)

        def close(self) -> None:
            try:
                base.close(self)
            finally:
                _over(self, ended=False)

    return _named(Tapped, base)


def _filled(count: int, buffer: Any, filled: list[int]) -> bytes:
    filled.append(count)
    with memoryview(buffer) as view:
        return bytes(view.cast("B")[:count])


def _seen(body: Any, read: Callable[[], Any], *, whole: bool = False, asked: bool = True) -> Any:
    """Read, and let the tap see it.

    Args:
        whole: whether everything was asked for that is left.
        asked: whether anything was, so that nothing read means nothing left.
    """
    tap: Tap | None = vars(body).get(_TAP)
    if tap is None or tap.inside:
        return read()
    tap.inside = True
    try:
        chunk = read()
    except Exception as error:
        _over(body, ended=False, error=error)
        raise
    finally:
        tap.inside = False
    if chunk:
        tap.feed(chunk)
    left = vars(body).get(_LEFT)
    if left is not None:
        left = vars(body)[_LEFT] = left - len(chunk)
    if whole or (asked and not chunk) or (left is not None and left <= 0):
        _over(body, ended=True)
    return chunk


def _seen_below(body: Any, raw: Any) -> Any:
    """A body's `with` block hands out the connection's own response: what is read from that is seen as well."""
    read, body_of = raw.read, ref(body)

    def seen(amt: int | None = None, *args: Any, **kwargs: Any) -> Any:
        outer = body_of()
        if outer is None:
            return read(amt, *args, **kwargs)
        return _seen(outer, lambda: read(amt, *args, **kwargs), whole=amt is None, asked=amt != 0)

    if hasattr(raw, "__dict__"):
        raw.read = seen
    return raw


def _over(body: Any, *, ended: bool, error: BaseException | None = None) -> None:
    tap: Tap | None = vars(body).pop(_TAP, None)
    vars(body).pop(_LEFT, None)
    if tap is not None:
        body.__class__ = type(body).__bases__[0]
        tap.finish(ended=ended, error=error)


def _named(made: Any, base: Any) -> Any:
    made.__name__, made.__qualname__, made.__module__ = base.__name__, base.__qualname__, base.__module__
    return made
