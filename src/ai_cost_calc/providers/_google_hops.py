"""Loops of Google's SDK that go on by themselves: our refusal of a further request leaves them as it is, at once.

An interaction that goes on makes an error of its own of whatever stops it (`ContinuationInterruptedError`, which says
how to resume). A stream of contents asks for the same part up to three times more, whatever the error was. Read in
google-genai 3.6: `_interactions_continuation.py`, `models.py` and `StreamContinuation` in `_extra_utils.py`.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache, wraps
from typing import Any, Final, Self

from ai_cost_calc.errors import CostCalcError
from ai_cost_calc.providers._wraps import passing_for

_LOOP: Final = "_generate_content_stream_with_continuation"


# Interactions.


class _Unwrapped:
    """A `with` block that our refusal leaves as it is; what the SDK made of it becomes its `__context__`."""

    def __enter__(self) -> None:
        """Nothing has to be prepared."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        refusal = None if error is None else error.__cause__
        if error is not None and isinstance(refusal, CostCalcError) and isinstance(error, _interrupted()):
            error.__cause__ = error.__context__ = None  # chained to each other, whoever follows them would never end
            raise refusal


_UNWRAPPED: Final = _Unwrapped()


def _interrupted() -> Any:
    return getattr(sys.modules["google.genai.errors"], "ContinuationInterruptedError", ())


def creates(original: Callable[..., Any]) -> Callable[..., Any]:
    """The method that makes an interaction, and goes on with it."""

    @wraps(original)
    def create(*args: Any, **kwargs: Any) -> Any:
        with _UNWRAPPED:
            return _streamed(original(*args, **kwargs))

    return create


def acreates(original: Callable[..., Any]) -> Callable[..., Any]:
    """The same of the asynchronous side."""

    @wraps(original)
    async def create(*args: Any, **kwargs: Any) -> Any:
        with _UNWRAPPED:
            return _streamed(await original(*args, **kwargs))

    return create


def _streamed(made: Any) -> Any:
    """What was made; a stream goes on while it is read."""
    base: Any = type(made)
    if hasattr(base, "__next__") or hasattr(base, "__anext__"):
        made.__class__ = _stream(base)
    return made


@cache
def _stream(base: Any) -> Any:
    def following(self: Any) -> Any:
        with _UNWRAPPED:
            return base.__next__(self)

    async def afollowing(self: Any) -> Any:
        with _UNWRAPPED:
            return await base.__anext__(self)

    return passing_for(base, {"__next__": following} if hasattr(base, "__next__") else {"__anext__": afollowing})


# Streams of contents.


class _Passing(BaseException):
    """Takes a refusal out of the SDK's loop, which catches every `Exception`, and no further."""

    def __init__(self, refusal: CostCalcError) -> None:
        super().__init__()
        self.refusal = refusal


class _Models:
    """What the SDK's loop takes for its models: each further request is made by `asked`."""

    def __init__(self, models: Any, asked: Callable[..., Any]) -> None:
        self._models = models
        self._generate_content_stream = asked

    def __getattr__(self, name: str) -> Any:
        return getattr(self._models, name)


def streams(base: Any) -> dict[str, Any]:
    """The loop of a synchronous client's models."""
    loop: Any = getattr(base, _LOOP, None)

    def looped(self: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        def asked(*args: Any, **kwargs: Any) -> Iterator[Any]:
            try:
                yield from self._generate_content_stream(*args, **kwargs)
            except CostCalcError as refusal:
                raise _Passing(refusal) from refusal

        refusal = None
        try:
            yield from loop(_Models(self, asked), *args, **kwargs)
        except _Passing as passing:
            refusal = passing.refusal
        if refusal is not None:  # outside of the handler, which would become its context
            raise refusal

    return {} if loop is None else {_LOOP: wraps(loop)(looped)}


def astreams(base: Any) -> dict[str, Any]:
    """The same of the asynchronous side."""
    loop: Any = getattr(base, _LOOP, None)

    def looped(self: Any, *args: Any, **kwargs: Any) -> _Chunks:
        async def asked(*args: Any, **kwargs: Any) -> Any:
            try:
                return await self._generate_content_stream(*args, **kwargs)
            except CostCalcError as refusal:
                raise _Passing(refusal) from refusal

        return _Chunks(loop(_Models(self, asked), *args, **kwargs))

    return {} if loop is None else {_LOOP: wraps(loop)(looped)}


class _Chunks:
    """Chunks of the SDK's loop. No generator: one more of those would be closed a turn of the event loop later."""

    __slots__ = ("_chunks",)

    def __init__(self, chunks: AsyncIterator[Any]) -> None:
        self._chunks = chunks

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        try:
            return await anext(self._chunks)
        except _Passing as passing:
            refusal = passing.refusal
        raise refusal  # outside of the handler, as above
