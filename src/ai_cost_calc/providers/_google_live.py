"""Sessions of Google's Live API: each turn of the model is a call of its own.

The whole context is billed with every turn, and `usageMetadata` runs up to a turn's end (ai.google.dev/gemini-api/docs,
"Live API", "Token counts"). The first call begins before the socket is opened, the next ones with whatever the
application sends after a turn is over. A refusal is raised there: nothing is opened, or sent. What passes the socket
(`send`, `recv`, public methods of `websockets`) is looked at, and passes as it is. Read in google-genai 3.6, `live.py`,
and websockets 17, `asyncio/connection.py`.
"""

from __future__ import annotations

from asyncio import Lock
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache, wraps
from typing import Any, Final

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.ports.providers import Meter, RunningCall
from ai_cost_calc.providers import open_reader
from ai_cost_calc.providers._call import abegin
from ai_cost_calc.providers._request import Input, Request, Sending, decoded, text
from ai_cost_calc.providers._tap import quietly, unknown
from ai_cost_calc.providers._wraps import Standing

_TURNS: Final = "_ai_cost_calc_turns"
_ANSWERS: Final = (b'"modelTurn"', b'"toolCall"', b'"outputTranscription"')
"""What says that the model is at work, so that the turn is billed; in a text, the quotes would be escaped."""


class Turns:
    """The turns of one session, of which one at a time is under way.

    Args:
        model: the model that the session is opened for.
        url: where it is opened, which on Vertex AI names the region.
    """

    __slots__ = ("_answered", "_beginning", "_model", "_reader", "_running", "_url", "meter")

    def __init__(self, meter: Meter, model: str | None, url: str) -> None:
        self.meter = meter
        self._model = model
        self._url = url
        self._beginning = Lock()
        self._running: RunningCall | None = None
        self._renew()

    def _renew(self) -> None:
        self._answered = False
        self._reader = open_reader(provider="google", api="live", model=self._model, url=self._url)

    async def begin(self, said: Callable[[], Mapping[str, Any]]) -> None:
        """Something is about to be sent: a call begins, unless one is under way.

        Args:
            said: gives what is sent, as JSON has it.

        Raises:
            BudgetExceeded: it must not be sent.
        """
        async with self._beginning:
            if self._running is not None:
                quietly(self.meter, "beat", self._running.beat)
            elif (sending := quietly(self.meter, "request", self._sending, said)) is not None:
                self._running = await abegin(self.meter, sending)

    def _sending(self, said: Callable[[], Mapping[str, Any]] = dict) -> Sending:
        request = Request(provider="google", model=self._model, api="live", stream=True, input=Input(said()))
        return Sending(request, None, b"")

    def see(self, message: str | bytes) -> None:
        """Something was received; a turn that is over, and says what it used, ends its call."""
        raw = message.encode() if isinstance(message, str) else message
        self._answered = self._answered or any(sign in raw for sign in _ANSWERS)
        self._reader.message(raw)
        if self._reader.finished and (reading := self._reader.close()).usage is not None:
            self._end(reading)

    def close(self, error: BaseException | None) -> None:
        """The session is over; a turn that was under way is read as far as it came."""
        reading: Reading | None = self._reader.close(ended=False)
        if reading is not None and reading.usage is None:
            reading = unknown(self._sending()) if self._answered else None
        self._end(reading, error)

    def _end(self, reading: Reading | None, error: BaseException | None = None) -> None:
        running, self._running = self._running, None
        self._renew()
        if running is not None:
            if reading is not None:
                running.read(reading)
            cut = reading is not None and not reading.complete
            running.end(error=error, aborted=cut and error is None)
        elif reading is not None:
            self.meter.record(reading)


def connects(wrapping: Standing) -> Callable[..., AbstractAsyncContextManager[Any]]:
    """The method that opens sessions, which are metered from then on."""
    base: Any = wrapping.base

    @wraps(base.connect)
    def connect(live: Any, *args: Any, **asked: Any) -> AbstractAsyncContextManager[Any]:
        return _metered(wrapping.meter, live, base.connect(live, *args, **asked), asked)

    return connect


@asynccontextmanager
async def _metered(
    meter: Meter, live: Any, opening: AbstractAsyncContextManager[Any], asked: Mapping[str, Any]
) -> AsyncIterator[Any]:
    turns = Turns(meter, _name(asked.get("model")), _place(live))
    await turns.begin(lambda: {"setup": asked.get("config")})
    ended_by: BaseException | None = None
    try:
        async with opening as session:
            quietly(meter, "tap", _tap, session, turns)
            yield session
    except BaseException as error:
        ended_by = error
        raise
    finally:
        quietly(meter, "end", turns.close, ended_by)


def _name(model: object) -> str | None:
    said = text(model)
    return None if said is None else said.rpartition("/")[2]


def _place(live: Any) -> str:
    """A URL that names the region as Vertex AI's do, whatever host the session is opened at."""
    api = live._api_client  # noqa: SLF001 - the SDK has no other way to it
    at = f"{api.location}-" if api.vertexai and api.location not in {None, "global"} else ""
    return f"wss://{at}aiplatform.googleapis.com/"


def _tap(session: Any, turns: Turns) -> None:
    socket = session._ws  # noqa: SLF001 - its name since the first release; there is no public one
    vars(socket)[_TURNS] = turns
    base: Any = type(socket)
    socket.__class__ = _tapped(base)


@cache
def _tapped(base: Any) -> Any:
    """The class of a connection while it is tapped: the same, but what is sent and received is seen."""

    class Tapped(base):  # type: ignore[misc]  # a connection of `websockets`, which need not be installed
        __slots__ = ()

        async def send(self, message: Any, *args: Any, **kwargs: Any) -> None:
            await vars(self)[_TURNS].begin(lambda: decoded(message.encode() if isinstance(message, str) else message))
            await base.send(self, message, *args, **kwargs)

        async def recv(self, *args: Any, **kwargs: Any) -> Any:
            message = await base.recv(self, *args, **kwargs)
            turns = vars(self)[_TURNS]
            quietly(turns.meter, "tap", turns.see, message)
            return message

    Tapped.__name__, Tapped.__qualname__, Tapped.__module__ = base.__name__, base.__qualname__, base.__module__
    return Tapped
