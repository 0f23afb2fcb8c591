"""What is true of the code that runs now: whom it works for, and which guarded block it is inside of.

Kept in a context variable: asyncio tasks and `asyncio.to_thread` inherit it; a bare thread or an executor starts
without it, unless it is started through `contextvars.copy_context().run`.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Final, Self

from ai_cost_calc.core.attribution import NOBODY, Attribution


class Frame:
    """One nested scope: what holds inside of it, who opened it, and the scope around it."""

    __slots__ = ("attribution", "block", "outer", "owner")

    def __init__(self, attribution: Attribution, block: Any, owner: object, outer: Frame | None) -> None:
        self.attribution = attribution
        self.block = block
        self.owner = owner
        self.outer = outer


OUTERMOST: Final = Frame(NOBODY, None, None, None)
_frame: ContextVar[Frame] = ContextVar("ai_cost_calc_frame", default=OUTERMOST)

current_frame = _frame.get


def push(inner: Attribution, owner: object, *, block: Any = None) -> Frame:
    """Open a scope inside the current one."""
    outer = _frame.get()
    whom = inner if outer.attribution is NOBODY else outer.attribution.merged(inner)
    frame = Frame(whom, block or outer.block, owner, outer)
    _frame.set(frame)
    return frame


def opened(owner: object) -> Frame | None:
    """The scope that `owner` opened here, and has not closed.

    A generator may be closed in another context than the one that ran it: there, nothing is open.
    """
    frame: Frame | None = _frame.get()
    while frame is not None and frame.owner is not owner:
        frame = frame.outer
    return None if frame is None or frame.outer is None else frame


def close(frame: Frame) -> None:
    """Close an open scope, and any left open inside of it."""
    if frame.outer is not None:
        _frame.set(frame.outer)


def pop(owner: object) -> Frame | None:
    """Close the scope that `owner` opened here, and return it; `None` where it is not open."""
    frame = opened(owner)
    if frame is not None:
        close(frame)
    return frame


def enter(frame: Frame) -> Frame:
    """Make `frame` current and return the one that was; for generators, whose steps run in their caller's context."""
    before = _frame.get()
    _frame.set(frame)
    return before


class AttributionScope:
    """A `with` block whose calls belong to somebody. May be entered again, nested, and by several threads at once."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Attribution) -> None:
        self._inner = inner

    def __repr__(self) -> str:
        return f"AttributionScope({self._inner})"

    def __enter__(self) -> Self:
        push(self._inner, self)
        return self

    def __exit__(self, *exc: object) -> None:
        pop(self)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, *exc: object) -> None:
        pop(self)
