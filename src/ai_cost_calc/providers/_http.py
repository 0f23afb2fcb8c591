"""The hook on httpx and httpx2 clients, and what it makes of a response so that its bytes pass the tap.

A `response` event hook (documented API of both libraries) finds the call that runs in this context. Whoever reads the
response (`read`, `iter_lines`, an SDK's decoder) goes through `iter_bytes`, which decompresses; whoever gives up on it
calls `close`, or drops it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import aclosing
from contextvars import ContextVar
from functools import cache
from inspect import iscoroutinefunction
from typing import Any, Final, Protocol
from weakref import WeakSet, ref

from ai_cost_calc.forks import ForkLock, held_over_forks
from ai_cost_calc.ports.providers import Meter
from ai_cost_calc.providers._tap import Tap, quietly

See = Callable[[bytes], bytes]

_TAP: Final = "_ai_cost_calc_tap"
_lock: Final = held_over_forks(ForkLock())


class Call(Protocol):
    """What responses arrive for."""

    meter: Meter

    def arrived(self, response: Any, /) -> None:
        """A response came that is billed; its body may not have been read yet."""
        ...


current: ContextVar[Call | None] = ContextVar("ai_cost_calc_call", default=None)
"""The call that the code running now makes for an SDK."""


class Hook:
    """Our hook on one HTTP client, which several SDK clients may share.

    It stays for as long as a wrapped client owns it or a call is under way: a call is billed even if its client is
    unwrapped meanwhile.
    """

    __slots__ = ("_calls", "_http_client", "_owned", "_owners", "on")

    def __init__(self, http_client: Any) -> None:
        self._http_client = ref(http_client)
        self._owners: WeakSet[Any] = WeakSet()
        self._owned = False
        self._calls: set[object] = set()
        self.on = True

    def on_response(self, response: Any) -> None:
        """Tap a response that is billed, for the call that this code runs in."""
        call = current.get()
        if call is not None and 200 <= response.status_code < 300:  # noqa: PLR2004 - success: what providers bill
            quietly(call.meter, "tap", call.arrived, response)

    async def aon_response(self, response: Any) -> None:
        """`on_response` for asynchronous clients."""
        self.on_response(response)

    def own(self, owner: Any) -> None:
        """A client of an SDK is wrapped."""
        self._owners.add(owner)
        self._owned = True

    def disown(self, owner: Any) -> None:
        """It is not any more."""
        self._owners.discard(owner)
        self._owned = bool(self._owners)
        self._leave_if_idle()

    def enter(self, call: object) -> bool:
        """A call begins. False when the hook was taken off this very moment, so that another one is needed."""
        self._calls.add(call)
        return self.on

    def leave(self, call: object) -> None:
        """Its responses have been tapped."""
        self._calls.discard(call)
        if not self._owned:
            self._leave_if_idle()

    def _leave_if_idle(self) -> None:
        http_client = self._http_client()
        with _lock:
            if http_client is not None and not self._owned and not self._calls:
                self.on = False
                hooks = http_client.event_hooks["response"]
                hooks[:] = [each for each in hooks if getattr(each, "__self__", None) is not self]


def hook_of(http_client: Any) -> Hook | None:
    """The hook on this HTTP client, if it has ours."""
    for each in http_client.event_hooks["response"]:
        found = getattr(each, "__self__", None)
        if type(found) is Hook:
            return found
    return None


def hook(http_client: Any) -> Hook:
    """The hook on this HTTP client, put on now if it has none. Other hooks stay as they are."""
    with _lock:
        found = hook_of(http_client)
        if found is None:
            found = Hook(http_client)
            method = found.aon_response if iscoroutinefunction(http_client.send) else found.on_response
            http_client.event_hooks["response"].append(method)
        return found


def hook_during(http_client: Any, call: object) -> Hook:
    """The hook on this HTTP client, kept on until the call leaves it."""
    found = hook_of(http_client) or hook(http_client)
    while not found.enter(call):
        found = hook(http_client)
    return found


class Httpx:
    """Responses of httpx and httpx2 (`_call.Library`)."""

    @staticmethod
    def path(response: Any) -> bytes:
        """The path of the URL that answered."""
        path: bytes = response.request.url.raw_path
        return path

    @staticmethod
    def url(response: Any) -> str:
        """The URL that answered."""
        return str(response.request.url)

    @staticmethod
    def content(response: Any) -> bytes | None:
        """The body, where it has been read."""
        try:
            content: bytes = response.content
        except RuntimeError:  # neither library says otherwise that it was not read
            return None
        return content

    @staticmethod
    def is_closed(response: Any) -> bool:
        """Whether nothing more can be read."""
        closed: bool = response.is_closed
        return closed

    @staticmethod
    def put_on(response: Any, tap: Tap) -> None:
        """Let the tap see what is read from this response from now on."""
        if response.is_stream_consumed:
            return _take_whole(response, tap)
        vars(response)[_TAP] = tap
        base: Any = type(response)
        response.__class__ = _tapped(base)
        tap.keepsake = ref(response, lambda _: tap.finish(ended=False))
        return None


def _take_whole(response: Any, tap: Tap) -> None:
    """A response that was made from bytes, by a cache or a test, or that another hook read, is in memory at once."""
    content = response.content
    passed = tap.feed(content) + tap.rest()
    if passed != content:
        response._content = passed  # noqa: SLF001 - there is no other way to change what was read
    tap.finish(ended=True)


@cache
def _tapped(base: Any) -> Any:
    """The class of a response while it is tapped: the same, but what is read from it is seen.

    A class rather than attributes of the object, so that no cycle keeps a dropped response from being freed at once.
    Methods name `base` rather than `super()`: another thread may finish the tap meanwhile, which restores the class.
    """

    class Tapped(base):  # type: ignore[misc]  # httpx's class or httpx2's, known only now
        __slots__ = ()

        def iter_bytes(self, chunk_size: int | None = None) -> Iterator[bytes]:
            source = base.iter_bytes(self, chunk_size)
            tap = vars(self).get(_TAP)
            return source if tap is None or tap.decoding else _watched(self, tap, source, tap.feed)

        def iter_raw(self, chunk_size: int | None = None) -> Iterator[bytes]:
            source = base.iter_raw(self, chunk_size)
            tap = vars(self).get(_TAP)
            return source if tap is None or tap.decoding else _watched(self, tap, source, _raw(self, tap))

        def close(self) -> None:
            try:
                base.close(self)
            finally:
                _closed(self)

        def aiter_bytes(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
            source = base.aiter_bytes(self, chunk_size)
            tap = vars(self).get(_TAP)
            return source if tap is None or tap.decoding else _awatched(self, tap, source, tap.feed)

        def aiter_raw(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
            source = base.aiter_raw(self, chunk_size)
            tap = vars(self).get(_TAP)
            return source if tap is None or tap.decoding else _awatched(self, tap, source, _raw(self, tap))

        async def aclose(self) -> None:
            try:
                await base.aclose(self)
            finally:
                _closed(self)

    Tapped.__name__, Tapped.__qualname__, Tapped.__module__ = base.__name__, base.__qualname__, base.__module__
    return Tapped


def _watched(response: Any, tap: Tap, source: Generator[bytes, None, None], see: See) -> Iterator[bytes]:
    ended, failure = False, None
    tap.inside = tap.decoding = True
    try:
        for chunk in source:
            if passed := see(chunk):
                tap.inside = False
                yield passed
                tap.inside = True
        ended = True
        if rest := tap.rest():
            yield rest
    except Exception as error:
        failure = error
        raise
    finally:
        tap.inside = False
        source.close()
        _over(response, tap, ended=ended, error=failure)


async def _awatched(response: Any, tap: Tap, source: AsyncGenerator[bytes, None], see: See) -> AsyncIterator[bytes]:
    ended, failure = False, None
    tap.inside = tap.decoding = True
    try:
        async with aclosing(source):
            try:
                async for chunk in source:
                    if passed := see(chunk):
                        tap.inside = False
                        yield passed
                        tap.inside = True
            except Exception as error:
                failure = error
                raise
        ended = True
        if rest := tap.rest():
            yield rest
    finally:
        tap.inside = False
        _over(response, tap, ended=ended, error=failure)


def _raw(response: Any, tap: Tap) -> See:
    """How to see bytes before decompression; that takes the response's own decoder, which nobody else can use then."""
    if not response.headers.get("content-encoding"):
        return tap.feed
    decoder = response._get_content_decoder()  # noqa: SLF001 - neither library offers its decoders
    return lambda raw: tap.feed_encoded(decoder.decode, raw)


def _closed(response: Any) -> None:
    """A close from inside of the reading is a part of it: it says by itself how it ended."""
    tap = vars(response).get(_TAP)
    if tap is not None and not tap.inside:
        _over(response, tap, ended=False)


def _over(response: Any, tap: Tap, *, ended: bool, error: BaseException | None = None) -> None:
    if vars(response).pop(_TAP, None) is not None:
        response.__class__ = type(response).__bases__[0]
    tap.finish(ended=ended, error=error)
