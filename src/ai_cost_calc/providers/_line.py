"""What passes between a tapped WebSocket connection and its session, in both directions."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any

from ai_cost_calc.providers._call import abegin, begin
from ai_cost_calc.providers._session import Session, Wanted
from ai_cost_calc.providers._tap import quietly


class Line:
    """A session, kept on the manager, on the connection that it opens and on its sockets."""

    __slots__ = ("session",)

    def __init__(self, session: Session) -> None:
        self.session = session

    # What is sent.

    def queue(self, event: Any, send: Callable[[], Any]) -> Any:
        """Queue an event for when the connection is opened."""
        wanted = self._wanted(event)
        result = send()
        if wanted is not None:
            self.session.queued.append(wanted)
        return result

    def open(self) -> None:
        """Reserve before the connection is opened; raises `BudgetExceeded` when it must not be."""
        try:
            for wanted in self.session.opening():
                self.session.expect(wanted, begin(self.session.meter, wanted.sending))
        except BaseException as error:
            self.session.finish(ended=False, error=error)
            raise

    async def aopen(self) -> None:
        """`open` for callers that must not block their event loop."""
        try:
            for wanted in self.session.opening():
                self.session.expect(wanted, await abegin(self.session.meter, wanted.sending))
        except BaseException as error:
            self.session.finish(ended=False, error=error)
            raise

    def send(self, event: Any, send: Callable[[], Any]) -> Any:
        """Send an event; raises `BudgetExceeded`, and sends nothing, when what it asks for is not allowed."""
        wanted = self._wanted(event)
        meter = self.session.meter
        asked = None if wanted is None else self.session.expect(wanted, begin(meter, wanted.sending))
        try:
            return send()
        except BaseException as error:
            if asked is not None:
                self.session.unsent(asked, error)
            raise

    async def asend(self, event: Any, send: Callable[[], Awaitable[Any]]) -> Any:
        """`send` for callers that must not block their event loop."""
        wanted = self._wanted(event)
        asked = (
            None if wanted is None else self.session.expect(wanted, await abegin(self.session.meter, wanted.sending))
        )
        try:
            return await send()
        except BaseException as error:
            if asked is not None:
                self.session.unsent(asked, error)
            raise

    def _wanted(self, event: Any) -> Wanted | None:
        return quietly(self.session.meter, "request", self.session.wanted, event)

    def passed(self) -> bool:
        """Whether the message that reaches the socket now was looked at already."""
        try:
            self.session.passes.popleft()
        except IndexError:
            return False
        return True

    # What is received.

    def take(self, data: Any) -> Any:
        """See what was received."""
        quietly(self.session.meter, "read", self.session.take, data)
        return data

    def failed(self, error: BaseException) -> None:
        """Receiving failed; where that means that the connection is gone, so is the session."""
        exceptions = sys.modules.get("websockets.exceptions")
        if exceptions is not None and isinstance(error, exceptions.ConnectionClosed):
            polite = isinstance(error, exceptions.ConnectionClosedOK)
            self.session.finish(ended=polite, error=None if polite else error)


class Pass:
    """Lets one message pass the socket that was looked at when it was handed over."""

    __slots__ = ("_mark", "_passes")

    def __init__(self, session: Session) -> None:
        self._passes = session.passes
        self._mark = object()

    def __enter__(self) -> None:
        self._passes.append(self._mark)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if error is not None and self._mark in self._passes:
            self._passes.remove(self._mark)
