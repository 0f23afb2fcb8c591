"""How the WebSocket connections of OpenAI's SDK are tapped: `client.realtime.connect()`, `.responses`, `.live`.

Such a connection passes neither `request` nor an HTTP hook. What is public on the way to it is exchanged for a subclass
made from it, as the client itself is: the resource whose `connect` makes a manager, the manager that opens the
connection when it is entered, and the connection with its `send`, `send_raw`, `recv_bytes` and `close`. Everything else
an SDK offers (iteration, `recv`, dispatch to handlers, resources on the connection) goes through these.

The session helpers of openai 3 send beside them, on the socket itself; what it is sent is looked at there, unless it
was before. Read in openai 2.54 and 3.54, `resources/realtime/realtime.py`, `_websocket_connection.py`,
`lib/responses_websocket/_session.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, wraps
from inspect import getattr_static, iscoroutinefunction
from typing import Any, Final
from weakref import ref

from ai_cost_calc.providers._line import Line, Pass
from ai_cost_calc.providers._sdk import Wrapping
from ai_cost_calc.providers._session import Ask, Session
from ai_cost_calc.providers._session_events import LIVE, REALTIME, RESPONSES, SIDEBAND, TRANSLATIONS, Dialect
from ai_cost_calc.providers._tap import quietly
from ai_cost_calc.providers._wraps import passing_for, standing

DIALECTS: Final[Mapping[str, Dialect]] = {
    "Realtime": REALTIME,
    "Translations": TRANSLATIONS,
    "Responses": RESPONSES,
    "Live": LIVE,
    "Forks": LIVE,
    "Sideband": SIDEBAND,
}
"""By the name of the resource class, which an `Async` may precede."""

Tree = Mapping[str, "Tree"]
RESOURCES: Final[Tree] = {
    "realtime": {"translations": {}},
    "responses": {},
    "beta": {"realtime": {}, "responses": {}},
    "live": {"forks": {}, "sideband": {}},
}
"""Attributes of a client that open connections, and their attributes that do."""

_LINE: Final = "_ai_cost_calc_line"
_TAPPED: Final = "_ai_cost_calc_tapped"


class Sockets:
    """The WebSocket connections of one SDK's clients.

    Args:
        provider_of: whose API a client talks to, where its host tells.
        ask: makes a request of a client event, for this client.
    """

    def __init__(self, provider_of: Callable[[Any], str | None], ask: Callable[..., Any]) -> None:
        self._provider_of = provider_of
        self._ask = ask
        self._classes: dict[Any, Any] = {}

    def members(self, base: type[Any]) -> dict[str, Any]:
        """What a guarded class has in the place of its resources."""
        return self._tapping(base, RESOURCES)

    def put_on(self, client: Any) -> None:
        """Tap the resources that a client made before it was wrapped."""
        self._each_made(client, RESOURCES, self._tap_resource)

    def take_off(self, client: Any) -> None:
        """Give resources their own classes back."""
        self._each_made(client, RESOURCES, lambda resource, _: _untap(resource))

    def _each_made(self, holder: Any, tree: Tree, do: Callable[[Any, Tree], object]) -> None:
        for name, inner in tree.items():
            if (resource := vars(holder).get(name)) is not None:
                self._each_made(resource, inner, do)
                do(resource, inner)

    def _tapping(self, base: type[Any], tree: Tree) -> dict[str, Any]:
        return {
            name: _Tapping(self, getattr_static(base, name), inner)
            for name, inner in tree.items()
            if hasattr(base, name)
        }

    def _tap_resource(self, resource: Any, tree: Tree) -> None:
        base = type(resource)
        if hasattr(base, _TAPPED):
            return
        if base not in self._classes:
            connecting = {"connect": self._connecting(base)} if hasattr(base, "connect") else {}
            self._classes[base] = passing_for(base, self._tapping(base, tree) | connecting | {_TAPPED: True})
        resource.__class__ = self._classes[base]

    def _connecting(self, base: Any) -> Callable[..., Any]:
        @wraps(base.connect)
        def connect(resource: Any, *args: Any, **options: Any) -> Any:
            manager = base.connect(resource, *args, **options)
            client = resource._client  # noqa: SLF001 - its name since openai 1.0; there is no public one
            wrapping = standing(client)
            if wrapping is not None:
                dialect = DIALECTS[base.__name__.removeprefix("Async")]
                quietly(wrapping.meter, "connect", self._tap_manager, manager, client, wrapping, dialect, options)
            return manager

        return connect

    def _tap_manager(
        self, manager: Any, client: Any, wrapping: Wrapping, dialect: Dialect, options: dict[str, Any]
    ) -> None:
        provider = self._provider_of(client) or wrapping.provider.name
        query = options.get("extra_query")
        model = options.get("model") or (query.get("model") if isinstance(query, Mapping) else None)
        ask: Ask = lambda body, session: self._ask(client, provider, body, session)  # noqa: E731 - a closure of two names
        session = Session(wrapping.meter, dialect, provider, ask, model if isinstance(model, str) else None)
        vars(manager)[_LINE] = Line(session)
        manager.__class__ = _tapped_manager(type(manager))  # type: ignore[arg-type]  # a type is hashable


class _Tapping:
    """A resource of a client: the one that its class makes and keeps, tapped when it is first asked for."""

    def __init__(self, sockets: Sockets, original: Any, tree: Tree) -> None:
        self._sockets = sockets
        self._original = original
        self._tree = tree

    def __get__(self, holder: Any, owner: Any = None) -> Any:
        resource = self._original.__get__(holder, owner)
        if holder is not None and (wrapping := standing(holder) or standing(holder._client)) is not None:  # noqa: SLF001
            quietly(wrapping.meter, "wrap", self._sockets._tap_resource, resource, self._tree)  # noqa: SLF001
        return resource


@cache
def _tapped_manager(base: Any) -> Any:
    members: dict[str, Any] = {}
    if hasattr(base, "__aenter__"):

        @wraps(base.__aenter__)
        async def aenter(self: Any) -> Any:
            line = _line_of(self)
            await line.aopen()
            try:
                connection = await base.__aenter__(self)
            except BaseException as error:
                line.session.finish(ended=False, error=error)
                raise
            return _follow(connection, line)

        members |= {"__aenter__": aenter, "enter": aenter}
    else:

        @wraps(base.__enter__)
        def enter(self: Any) -> Any:
            line = _line_of(self)
            line.open()
            try:
                connection = base.__enter__(self)
            except BaseException as error:
                line.session.finish(ended=False, error=error)
                raise
            return _follow(connection, line)

        members |= {"__enter__": enter, "enter": enter}
    if hasattr(base, "send"):
        members["send"] = _sending(base.send, Line.queue)
    if hasattr(base, "_connect_ws"):
        members["_connect_ws"] = _connecting_socket(base)
    return passing_for(base, members)


def _connecting_socket(base: Any) -> Callable[..., Any]:
    """How a manager opens a socket, and another when it is lost: private, but the only way to what helpers send."""
    if iscoroutinefunction(base._connect_ws):  # noqa: SLF001 - see above

        async def aconnect(self: Any, *args: Any, **options: Any) -> Any:
            return _tap_socket(await base._connect_ws(self, *args, **options), _line_of(self))  # noqa: SLF001

        return aconnect

    def connect(self: Any, *args: Any, **options: Any) -> Any:
        return _tap_socket(base._connect_ws(self, *args, **options), _line_of(self))  # noqa: SLF001

    return connect


def _tap_socket(socket: Any, line: Line) -> Any:
    vars(socket)[_LINE] = line
    socket.__class__ = _tapped_socket(type(socket))  # type: ignore[arg-type]  # likewise
    return socket


@cache
def _tapped_socket(base: Any) -> Any:
    """A socket of the `websockets` library that shows what it is sent, unless that was looked at before."""
    if iscoroutinefunction(base.send):

        @wraps(base.send)
        async def asend(self: Any, message: Any, *args: Any, **options: Any) -> Any:
            line = _line_of(self)
            if line.passed():
                return await base.send(self, message, *args, **options)
            return await line.asend(message, lambda: base.send(self, message, *args, **options))

        return passing_for(base, {"send": asend})

    @wraps(base.send)
    def send(self: Any, message: Any, *args: Any, **options: Any) -> Any:
        line = _line_of(self)
        if line.passed():
            return base.send(self, message, *args, **options)
        return line.send(message, lambda: base.send(self, message, *args, **options))

    return passing_for(base, {"send": send})


def _follow(connection: Any, line: Line) -> Any:
    """Tap the connection that was opened; when the caller drops it, nobody receives any more."""
    session = line.session
    vars(connection)[_LINE] = line
    connection.__class__ = _tapped_connection(type(connection))  # type: ignore[arg-type]  # likewise
    session.keepsake = ref(connection, lambda _: session.finish(ended=False))
    return connection


@cache
def _tapped_connection(base: Any) -> Any:
    return passing_for(base, _async_members(base) if iscoroutinefunction(base.recv_bytes) else _sync_members(base))


def _sync_members(base: Any) -> dict[str, Any]:
    @wraps(base.recv_bytes)
    def recv_bytes(self: Any, *args: Any, **options: Any) -> Any:
        line = _line_of(self)
        try:
            return line.take(base.recv_bytes(self, *args, **options))
        except Exception as error:
            line.failed(error)
            raise

    @wraps(base.close)
    def close(self: Any, *args: Any, **options: Any) -> Any:
        try:
            return base.close(self, *args, **options)
        finally:
            _line_of(self).session.finish(ended=False)

    return {"recv_bytes": recv_bytes, "close": close} | _senders(base, Line.send)


def _async_members(base: Any) -> dict[str, Any]:
    @wraps(base.recv_bytes)
    async def recv_bytes(self: Any, *args: Any, **options: Any) -> Any:
        line = _line_of(self)
        try:
            return line.take(await base.recv_bytes(self, *args, **options))
        except Exception as error:
            line.failed(error)
            raise

    @wraps(base.close)
    async def close(self: Any, *args: Any, **options: Any) -> Any:
        try:
            return await base.close(self, *args, **options)
        finally:
            _line_of(self).session.finish(ended=False)

    return {"recv_bytes": recv_bytes, "close": close} | _senders(base, Line.asend)


def _senders(base: Any, pass_on: Callable[..., Any]) -> dict[str, Any]:
    return {name: _sending(getattr(base, name), pass_on) for name in ("send", "send_raw") if hasattr(base, name)}


def _sending(original: Any, pass_on: Callable[..., Any]) -> Any:
    """A method whose one argument is an event, looked at here; the socket is told to let it pass."""

    def passing(line: Line, self: Any, args: Any, options: Any) -> Callable[[], Any]:
        if iscoroutinefunction(original):

            async def apass() -> Any:
                with Pass(line.session):
                    return await original(self, *args, **options)

            return apass

        def pass_() -> Any:
            with Pass(line.session):
                return original(self, *args, **options)

        return pass_

    @wraps(original)
    def send(self: Any, *args: Any, **options: Any) -> Any:
        event = args[0] if args else next(iter(options.values()), None)
        line = _line_of(self)
        return pass_on(line, event, passing(line, self, args, options))

    return send


def _line_of(tapped: Any) -> Line:
    line: Line = vars(tapped)[_LINE]
    return line


def _untap(resource: Any) -> None:
    if hasattr(type(resource), _TAPPED):
        resource.__class__ = type(resource).__bases__[0]
