"""How a client that speaks gRPC is guarded: by standing in for methods of its stubs, synchronous or asynchronous.

What generated code gives to its callers is kept: a response, an awaitable, an iterator of messages. The call object
behind a stream can still be reached through it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, Protocol, Self
from weakref import ref

import msgspec

from ai_cost_calc.ports.providers import Meter, RunningCall
from ai_cost_calc.providers._call import abegin, begin
from ai_cost_calc.providers._dropped import settle_dropped
from ai_cost_calc.providers._messages import MessageCall
from ai_cost_calc.providers._request import Request, Sending
from ai_cost_calc.providers._tap import Reader, Tap, quietly

STREAM: Final = "grpc-event-stream"
"""What a tap takes for a stream."""


class Waits(Protocol):
    """What waits for the answer of one RPC."""

    def answered(self, response: Any, /) -> None:
        """It came."""
        ...

    def failed(self, error: BaseException, /) -> None:
        """It will not come."""
        ...


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """One use of an RPC.

    Attributes:
        running: the call that holds what it may cost; `None` where nothing is billed for asking, likewise `sending`.
            A list of them, one for each part, for an RPC that has `parts`.
    """

    meter: Meter
    request: Any
    running: Any = None
    sending: Any = None


class Rpc(msgspec.Struct, frozen=True, kw_only=True):
    """One RPC that is guarded or looked at.

    Attributes:
        sending: what a request is to the meter; `None` where nothing is billed for asking.
        parts: the same where a request asks for any number of answers, each of which is a call of its own.
        waits: makes what waits for an answer that comes whole.
        reader: makes what reads an answer that streams, of the request.
    """

    sending: Callable[[Any], Sending] | None = None
    parts: Callable[[Any], list[Sending]] | None = None
    waits: Callable[[Asking], Waits] | None = None
    reader: Callable[[Any], Reader] | None = None


Reads = tuple[MessageCall, Reader]


class Guarded:
    """Stands in for a method of a stub; whatever else is asked of it, the method answers."""

    def __init__(self, original: Any, rpc: Rpc, meter: Meter) -> None:
        self.original = original
        self.rpc = rpc
        self.meter = meter

    def __getattr__(self, name: str) -> Any:
        return getattr(self.original, name)

    def sending(self, request: Any) -> Sending | None:
        """What is about to be asked; `None` where nothing is billed for it."""
        settle_dropped()
        return None if self.rpc.sending is None else quietly(self.meter, "request", self.rpc.sending, request)

    def parts(self, request: Any) -> list[Sending]:
        """What is about to be asked, part by part; none where nothing is billed."""
        settle_dropped()
        return [] if self.rpc.parts is None else quietly(self.meter, "request", self.rpc.parts, request) or []

    def waits(self, running: Any, sending: Sending | None, request: Any) -> Waits | None:
        """What waits for the answer; `None` where a fault of ours came in between."""
        if self.rpc.waits is None or (self.rpc.sending is not None and running is None):
            return None
        return self.rpc.waits(Asking(meter=self.meter, request=request, running=running, sending=sending))

    def reads(self, running: RunningCall | None, sending: Sending | None, request: Any) -> Reads | None:
        """A call whose answer streams, and what reads that; `None` likewise."""
        if self.rpc.reader is None or running is None or sending is None:
            return None
        return MessageCall(self.meter, running, sending), self.rpc.reader(request)


class Synchronous(Guarded):
    """A method that returns the answer, or an iterator of messages."""

    def __call__(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        sending = self.sending(request)
        running = None if sending is None else begin(self.meter, sending)
        if self.rpc.reader is not None:
            return self._stream(self.reads(running, sending, request), request, args, kwargs)
        waits = self.waits(running if self.rpc.parts is None else self._begun(request), sending, request)
        with Telling(self.meter, waits):
            response = self.original(request, *args, **kwargs)
        if waits is not None:
            quietly(self.meter, "tap", waits.answered, response)
        return response

    def _begun(self, request: Any) -> list[RunningCall | None]:
        begun: list[RunningCall | None] = []
        with AllOrNone(begun):
            for sending in self.parts(request):
                begun.append(begin(self.meter, sending))
                let_go(sending)
        return begun

    def _stream(self, reads: Reads | None, request: Any, args: Any, kwargs: Any) -> Any:
        with Telling(self.meter, None if reads is None else reads[0]):
            messages = self.original(request, *args, **kwargs)
        if reads is None:
            return messages
        return reads[0].opened(reads[1], partial(SeenMessages, messages), STREAM) or messages


class Asynchronous(Guarded):
    """A method that returns an awaitable of the answer, or an asynchronous iterator of messages."""

    def __call__(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        if self.rpc.reader is not None:
            return SeenAsyncMessages(self, request, args, kwargs)
        return self._answer(request, args, kwargs)

    async def _answer(self, request: Any, args: Any, kwargs: Any) -> Any:
        sending = self.sending(request)
        running = None if sending is None else await abegin(self.meter, sending)
        waits = self.waits(running if self.rpc.parts is None else await self._begun(request), sending, request)
        with Telling(self.meter, waits):
            response = await self.original(request, *args, **kwargs)
        if waits is not None:
            quietly(self.meter, "tap", waits.answered, response)
        return response

    async def _begun(self, request: Any) -> list[RunningCall | None]:
        begun: list[RunningCall | None] = []
        with AllOrNone(begun):
            for sending in self.parts(request):
                begun.append(await abegin(self.meter, sending))
                let_go(sending)
        return begun


def let_go(sending: Sending) -> None:
    """Keep nothing of what was asked: its answer comes later, and says itself what it used."""
    if isinstance(sending.request, Request):
        sending.request.input.let_go()


class AllOrNone:
    """A `with` block that begins calls; where one is refused, those that were begun hold nothing any more."""

    __slots__ = ("_begun",)

    def __init__(self, begun: list[RunningCall | None]) -> None:
        self._begun = begun

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            for running in self._begun:
                if running is not None:
                    running.end(error=error)


class Telling:
    """A `with` block that asks; what waits for the answer is told of what that raises."""

    __slots__ = ("_meter", "_waits")

    def __init__(self, meter: Meter, waits: Waits | MessageCall | None) -> None:
        self._meter = meter
        self._waits = waits

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None and self._waits is not None:
            quietly(self._meter, "end", self._waits.failed, error)


class SeenMessages:
    """The messages of a stream, each the caller's as soon as it is there."""

    __slots__ = ("__weakref__", "_messages", "_tap")

    def __init__(self, messages: Iterator[Any], tap: Tap) -> None:
        self._messages = messages
        self._tap = tap
        tap.keepsake = ref(self, lambda _: tap.finish(ended=False))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._messages, name)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        try:
            message = next(self._messages)
        except BaseException as error:
            _over(self._tap, error)
            raise
        self._tap.message(message)
        return message


class SeenAsyncMessages:
    """The same for an asynchronous stream, which is asked for when its first message is."""

    __slots__ = ("__weakref__", "_asked", "_call", "_guarded", "_messages", "_tap")

    def __init__(self, guarded: Guarded, request: Any, args: Any, kwargs: Any) -> None:
        self._guarded = guarded
        self._asked = (request, args, kwargs)
        self._call: Any = None
        self._messages: Any = None
        self._tap: Tap | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        if self._messages is None:
            await self._open()
        try:
            message = await anext(self._messages)
        except BaseException as error:
            if self._tap is not None:
                _over(self._tap, error)
            raise
        if self._tap is not None:
            self._tap.message(message)
        return message

    async def _open(self) -> None:
        guarded, (request, args, kwargs) = self._guarded, self._asked
        sending = guarded.sending(request)
        running = None if sending is None else await abegin(guarded.meter, sending)
        reads = guarded.reads(running, sending, request)
        with Telling(guarded.meter, None if reads is None else reads[0]):
            self._call = guarded.original(request, *args, **kwargs)
            self._messages = aiter(self._call)
        if reads is not None:
            reads[0].opened(reads[1], self._attach, STREAM)

    def _attach(self, tap: Tap) -> None:
        tap.keepsake = ref(self, lambda _: tap.finish(ended=False))
        self._tap = tap


def _over(tap: Tap, error: BaseException) -> None:
    """A stream has ended: as it should, with an error of the provider's, or because its consumer was stopped."""
    if isinstance(error, StopIteration | StopAsyncIteration):
        tap.finish(ended=True)
    elif isinstance(error, Exception):
        tap.refused()
        tap.finish(ended=False, error=error)
    else:
        tap.finish(ended=False)
