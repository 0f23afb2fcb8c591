"""One call of a wrapped client, from the moment that the SDK sends it until every response to it is over."""

from __future__ import annotations

from contextlib import suppress
from contextvars import Token
from typing import Any, Protocol, Self

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.errors import CostCalcError
from ai_cost_calc.ports.providers import Meter, RunningCall
from ai_cost_calc.providers import _dropped, open_reader, read_usage
from ai_cost_calc.providers._batches import BatchJob, BatchPoll
from ai_cost_calc.providers._http import Hook, Httpx, current, hook_during
from ai_cost_calc.providers._jobs import JOBS, Job, Poll
from ai_cost_calc.providers._request import Request, Sending, estimated
from ai_cost_calc.providers._tap import Tap, billed, quietly, unknown


def begin(meter: Meter, sending: Sending) -> RunningCall | None:
    """Reserve; `None` when that failed through a fault of ours, which must not stop the call.

    Raises:
        BudgetExceeded: the call must not be made.
    """
    if sending.polls:
        return _poll(meter, sending)
    try:
        return _begun(meter.begin(sending.request), sending)
    except CostCalcError:
        raise
    except Exception as error:  # noqa: BLE001 - see above
        meter.fault("begin", error)
        return None


async def abegin(meter: Meter, sending: Sending) -> RunningCall | None:
    """`begin` for callers that must not block their event loop."""
    if sending.polls:
        return _poll(meter, sending)
    try:
        return _begun(await meter.abegin(sending.request), sending)
    except CostCalcError:
        raise
    except Exception as error:  # noqa: BLE001 - see above
        meter.fault("begin", error)
        return None


def _begun(running: RunningCall, sending: Sending) -> RunningCall:
    if sending.follow is not None:
        return sending.follow(running)
    if not sending.background:
        return running
    return Job(running, JOBS) if sending.batch is None else BatchJob(running, JOBS)


def _poll(meter: Meter, sending: Sending) -> RunningCall:
    if sending.follow is not None:
        return sending.follow(meter)
    return Poll(meter, JOBS) if sending.batch is None else BatchPoll(meter, JOBS, sending.batch)


class Library(Protocol):
    """How an HTTP library's responses are handled."""

    @staticmethod
    def path(response: Any, /) -> bytes:
        """The path of the URL that answered."""
        ...

    @staticmethod
    def url(response: Any, /) -> str:
        """The URL that answered."""
        ...

    @staticmethod
    def content(response: Any, /) -> bytes | None:
        """The body, where it has been read."""
        ...

    @staticmethod
    def is_closed(response: Any, /) -> bool:
        """Whether nothing more can be read."""
        ...

    @staticmethod
    def put_on(response: Any, tap: Tap, /) -> None:
        """Let the tap see what is read from this response from now on."""
        ...


class TappedCall:
    """A call between its begin and its end. Used as a `with` block around the SDK's own request.

    A streamed answer is seen as its consumer takes it, and ends the call when it is over. An answer that the SDK reads
    by itself is read from what it read.
    """

    __slots__ = (
        "_arrived",
        "_context",
        "_elsewhere",
        "_hook",
        "_library",
        "_open",
        "_poll",
        "_returned",
        "_running",
        "answered",
        "meter",
        "sending",
    )

    _context: Token[Any]

    def __init__(self, meter: Meter, running: RunningCall, sending: Sending, library: type[Library] = Httpx) -> None:
        self.meter = meter
        self._library = library
        self.sending = sending
        self._running = running
        self._poll = running if isinstance(running, Poll) else None
        self._hook: Hook | None = None
        self.answered = False
        self._arrived: list[Any] = []
        self._elsewhere: Any = None
        self._open: list[Tap] = []
        self._returned = False

    def through(self, http_client: Any) -> Self:
        """Say what the SDK sends with; its hook stays on until the responses have come."""
        try:
            self._hook = hook_during(http_client, self)
        except Exception as fault:  # noqa: BLE001 - any fault of ours must leave the user's call alone
            self.meter.fault("hook", fault)
        return self

    def __enter__(self) -> Self:
        try:
            self._context = current.set(self)
        except BaseException as interrupt:  # there will be no `__exit__`
            self._end(interrupt)
            raise
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            self._leave(error)
        except BaseException as interrupt:  # the answer is paid for
            if self._open:
                self._arrived.clear()
            self._leave(error or interrupt)
            raise

    def _leave(self, error: BaseException | None) -> None:
        """Read what has come, and end, unless a stream is still to come; interrupted, it may be done again."""
        # A coroutine that is let go may be closed in another context than its own; what is done again was reset before.
        with suppress(ValueError, RuntimeError):
            current.reset(self._context)
        if self._hook is not None:
            self._hook.leave(self)
        answers = quietly(self.meter, "tap", self._answers)
        while answers:
            reading = quietly(self.meter, "tap", self._take, answers[0], error)
            del answers[0]
            if reading is not None:
                quietly(self.meter, "tap", self._running.read, reading)
        request = self.sending.request
        if error is None and self._open:
            self._returned = True
            quietly(self.meter, "request", lambda: request.input_bytes)
            return _dropped.follow(self._open)
        for tap in tuple(self._open):
            tap.finish(ended=False, error=error)
        if isinstance(request, Request):
            request.input.let_go()
        return self._end(error)

    def arrived(self, response: Any) -> None:
        """An attempt was answered, successfully, and is billed."""
        self.answered = True
        if self.sending.path not in self._library.path(response):
            self._elsewhere = response
            return
        if self.sending.request.stream:
            self._tap(response)
        else:
            self._arrived.append(response)

    def _answers(self) -> list[Any]:
        """What has arrived; an answer from another path is ours where a redirect of our request led to it."""
        last, self._elsewhere = self._elsewhere, None
        if last is not None and not (self._arrived or self._open):
            asked = (self._library.path(each) for each in getattr(last, "history", ()))
            if any(self.sending.path in path for path in asked):
                self._arrived.append(last)
        return self._arrived

    def returned(self, response: Any) -> None:
        """An HTTP client returned a response; no hook saw it if another client underneath has sent the request."""
        if not self.answered and response.is_success:
            quietly(self.meter, "tap", self.arrived, response)

    def _take(self, response: Any, error: BaseException | None) -> Reading | None:
        """Read what the SDK has read, or see it when it is read later; what broke off is estimated."""
        content = self._library.content(response)
        if content is not None:
            reading = self._read(response, content)
        elif error is None and not self._library.is_closed(response):
            self._tap(response)
            return None
        else:
            reading = estimated(unknown(self.sending), self.sending, 0)
        return billed(reading, self.sending)

    def _read(self, response: Any, content: bytes) -> Reading:
        request = self.sending.request
        if self._poll is not None:
            self._poll.watch(content)
        return read_usage(
            content,
            provider=request.provider,
            api=request.api,
            url=_where(self._library.url(response)),
            content_type=None if content.startswith(b"{") else response.headers.get("content-type"),
            model=request.model,
            headers=response.headers if self.sending.by_proxy else None,
        )

    def _tap(self, response: Any) -> None:
        request = self.sending.request
        content_type = response.headers.get("content-type", "")
        reader = open_reader(
            provider=request.provider,
            api=request.api,
            url=_where(self._library.url(response)),
            content_type=content_type,
            model=request.model,
            headers=response.headers if self.sending.by_proxy else None,
        )
        tap = Tap(self, reader, content_type)
        self._open.append(tap)
        self._library.put_on(response, tap)

    def see(self, chunk: bytes) -> None:
        """An answer is still coming."""
        self._running.beat()
        if self._poll is not None:
            self._poll.watch(chunk)

    def over(self, tap: Tap, reading: Reading | None, error: BaseException | None, *, ended: bool) -> None:
        """A response has been read, or left."""
        if reading is not None:
            quietly(self.meter, "read", self._running.read, reading)
        self._open.remove(tap)
        if self._returned and not self._open:
            self._end(error, aborted=not ended and error is None)

    def _end(self, error: BaseException | None = None, *, aborted: bool = False) -> None:
        try:
            self._running.end(error=error, aborted=aborted)
        except Exception as fault:  # noqa: BLE001 - any fault of ours must leave the user's call alone
            self.meter.fault("end", fault)


def _where(url: str) -> str:
    """A URL without its query, which may hold a key."""
    return url.partition("?")[0]
