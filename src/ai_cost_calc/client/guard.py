"""`calc.guard`: a budget check and a record around any code, as a `with` block or as a decorator."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Mapping
from decimal import Decimal
from typing import Any, Self, TypeVar, cast

from ai_cost_calc import context
from ai_cost_calc.client.call import Call
from ai_cost_calc.client.metering import Metering
from ai_cost_calc.core.attribution import Attribution, attribution
from ai_cost_calc.core.estimate import Amounts, Estimate
from ai_cost_calc.core.money import nanos_from_usd
from ai_cost_calc.errors import ConfigError
from ai_cost_calc.providers.readers import reading_of

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
Label = str | Callable[..., str | None] | None


class Block:
    """What `with calc.guard(...) as call` gives: record here what the calls inside came to."""

    __slots__ = ("_call", "_metering")

    def __init__(self, metering: Metering, call: Call) -> None:
        self._metering = metering
        self._call = call

    def record(
        self, response: object, *, provider: str | None = None, api: str | None = None, model: str | None = None
    ) -> None:
        """Record what a response says: any vendor's response object, or its JSON body. Never raises.

        A response that a wrapped client has already recorded is not counted twice.

        Args:
            response: the response.
            provider: whose API answered, such as `openai`, where the response does not tell.
            api: the flavour, such as `chat`, `responses` or `messages`; naming it saves looking for it.
            model: the requested model, for responses that name none.
        """
        try:
            self._metering.take(self._call, reading_of(response, provider=provider, api=api, model=model))
        except Exception as exc:  # noqa: BLE001 - a fault of ours must not break the user's code
            self._metering.fault("record", exc)

    @property
    def cost(self) -> Decimal | None:
        """US dollars that this block came to, once it ended; `None` when nothing was recorded or a price is unknown."""
        return self._call.cost


class Guard:
    """A guarded block of code, or a decorator that makes every call of a function one.

    Entering it reserves on every budget that matches and raises `BudgetExceeded` when one does not allow it. It may be
    entered again, nested, and by several threads and tasks at once.
    """

    __slots__ = ("_estimate", "_inner", "_labels", "_metering")

    def __init__(
        self, metering: Metering, *, customer_id: Label = None, feature: Label = None, session_id: Label = None,
        tags: Mapping[str, str] | None = None, estimate: Decimal | int | str | None = None,
    ) -> None:  # fmt: skip
        self._metering = metering
        self._labels: dict[str, Callable[..., str | None]] = {}
        if callable(customer_id) or callable(feature) or callable(session_id):
            labels = {"customer_id": customer_id, "feature": feature, "session_id": session_id}
            self._labels = {name: label for name, label in labels.items() if callable(label)}
            fixed: dict[str, Any] = {name: label for name, label in labels.items() if not callable(label)}
            self._inner = attribution(tags=tags, **fixed)
        else:
            self._inner = attribution(customer_id, feature, session_id, tags)
        self._estimate = None if estimate is None else _given(estimate)

    def __repr__(self) -> str:
        """Show whom its blocks are for."""
        return f"Guard({self._inner})"

    # As a `with` block.

    def __enter__(self) -> Block:
        if self._labels:
            self._refuse_callables()
        return self._open(self._inner, self)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._close(self, error)

    async def __aenter__(self) -> Block:
        if self._labels:
            self._refuse_callables()
        call = None
        frame = context.push(self._inner, self)
        try:
            call = self._metering.block(frame, self._estimate)
            await call.aopen()
            frame.block = call
            return Block(self._metering, call)
        except BaseException as error:
            _leave(frame, call, error)
            raise

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._close(self, error)

    def _open(self, inner: Attribution, owner: object) -> Block:
        call = None
        frame = context.push(inner, owner)
        try:
            call = self._metering.block(frame, self._estimate)
            call.open()
            frame.block = call
            return Block(self._metering, call)
        except BaseException as error:
            _leave(frame, call, error)
            raise

    def _close(self, owner: object, error: BaseException | None) -> None:
        frame = context.opened(owner)
        if frame is not None:
            try:
                context.close(frame)
                frame.block.end(error=error)
            except BaseException:  # an interrupt, perhaps before anything was ended
                _leave(frame, frame.block, error)
                raise

    def leave(self) -> Call | None:
        """Close the scope but not the call: whoever asks for it ends it later."""
        frame = context.pop(self)
        return None if frame is None else frame.block

    def _refuse_callables(self) -> None:
        names = ", ".join(self._labels)
        raise ConfigError(f"{names} takes a decorated function's arguments; a with block has none: write the value")

    # As a decorator.

    def __call__(self, function: F) -> F:
        """Guard every call of `function`: a function, coroutine function, generator or async generator."""
        if inspect.isasyncgenfunction(function):
            wrapper: Any = self._async_generator(function)
        elif inspect.isgeneratorfunction(function):
            wrapper = self._generator(function)
        elif inspect.iscoroutinefunction(function):
            wrapper = self._coroutine(function)
        else:
            wrapper = self._function(function)
        return cast("F", functools.wraps(function)(wrapper))

    def _for(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Guard:
        """This guard with its labels filled in from one call's arguments."""
        if not self._labels:
            return self
        filled = Guard(self._metering)
        labels: dict[str, Any] = {name: label(*args, **kwargs) for name, label in self._labels.items()}
        filled._inner = self._inner.merged(attribution(**labels))
        filled._estimate = self._estimate
        return filled

    def _function(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*args: Any, **kwargs: Any) -> Any:
            guard = self._for(args, kwargs)
            with guard:
                result = function(*args, **kwargs)
            return guard._made(result)  # noqa: SLF001 - the same class

        return guarded

    def _made(self, result: Any) -> Any:
        """What a function returned; what it only began, as wrappers of coroutines and generators do, is guarded too."""
        if inspect.iscoroutine(result):
            return self._awaited(result)
        if inspect.isgenerator(result):
            return self._generator(lambda: result)()
        return self._async_generator(lambda: result)() if inspect.isasyncgen(result) else result

    async def _awaited(self, begun: Coroutine[Any, Any, T]) -> T:
        try:
            async with self:
                return await begun
        finally:
            begun.close()

    def _coroutine(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def guarded(*args: Any, **kwargs: Any) -> Any:
            async with self._for(args, kwargs):
                return await function(*args, **kwargs)

        return guarded

    def _generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            with _Steps(self._for(args, kwargs)) as steps:
                generator = function(*args, **kwargs)
                resume, value = generator.send, None
                while True:
                    try:
                        item = steps.take(resume, value)
                    except StopIteration as done:
                        return done.value
                    try:
                        resume, value = generator.send, (yield item)
                    except GeneratorExit:
                        steps.take(generator.close)
                        raise
                    except BaseException as exc:  # noqa: BLE001 - what the consumer throws belongs to the generator
                        resume, value = generator.throw, exc

        return guarded

    def _async_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def guarded(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
            with _Steps(self._for(args, kwargs)) as steps:
                generator = function(*args, **kwargs)
                resume, value = generator.asend, None
                while True:
                    try:
                        item = await steps.atake(resume, value)
                    except StopAsyncIteration:
                        return
                    try:
                        resume, value = generator.asend, (yield item)
                    except GeneratorExit:
                        await steps.atake(generator.aclose)
                        raise
                    except BaseException as exc:  # noqa: BLE001 - what the consumer throws belongs to the generator
                        resume, value = generator.athrow, exc

        return guarded


def _leave(frame: context.Frame, call: Call | None, error: BaseException | None) -> None:
    """Close a scope, and end its call if it has not ended."""
    context.close(frame)
    if call is not None:
        call.end(error=error)


class _Steps:
    """The scope of a guarded generator: current while the generator runs, not while its consumer does.

    A generator runs in the context of whoever asks for its next item, so its scope is entered and left around every
    step.
    """

    __slots__ = ("_block", "_frame", "_guard")

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def __enter__(self) -> Self:
        before = context.current_frame()
        self._guard._open(self._guard._inner, self)  # noqa: SLF001 - one class in two parts
        self._frame = context.enter(before)
        self._block = self._frame.block
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._block.end(error=error)

    def take(self, step: Callable[..., Any], *values: Any) -> Any:
        """Run one step inside the scope."""
        before = context.enter(self._frame)
        try:
            return step(*values)
        finally:
            self._frame = context.enter(before)

    async def atake(self, step: Callable[..., Any], *values: Any) -> Any:
        """Run one awaited step inside the scope."""
        before = context.enter(self._frame)
        try:
            return await step(*values)
        finally:
            self._frame = context.enter(before)


def _given(estimate: Decimal | int | str) -> Estimate:
    """The most a block can cost, as its author says."""
    try:
        nanos = nanos_from_usd(estimate, field="estimate")
    except (TypeError, ValueError) as exc:
        raise ConfigError(str(exc)) from exc
    if nanos < 0:
        raise ConfigError(f"estimate {estimate!r} is negative; a call that costs nothing is estimated at 0")
    most = Amounts(nanos, 0)
    return Estimate(expected=most, strict=most, learned=True)
