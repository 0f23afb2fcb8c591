"""What Google's SDK sends with, and how its responses come to the call that they belong to.

One API client has up to four ways to send: httpx2 or httpx, synchronous and, with one client for each event loop,
asynchronous; aiohttp, where it is installed, for all asynchronous requests but those of generated resources; and, with
client certificates on Vertex AI, the sessions of google-auth, made of requests and aiohttp. Sessions are made when they
are first needed. Read in google-genai 3.6, `_api_client.py`, and google-auth 2.56, `aio/transport/sessions.py`.
"""
# ruff: noqa: SLF001 - the SDK offers none of what it sends with

from __future__ import annotations

from functools import cache, wraps
from typing import Any, Final

from ai_cost_calc.providers._call import Library, TappedCall
from ai_cost_calc.providers._http import Httpx, current
from ai_cost_calc.providers._tap import quietly

Sends = tuple[type[Library], Any]
"""Whose responses come, and the HTTP client whose hook sees them; `None` where the session tells of them itself."""

_AUTHORIZED: Final = "_authorized_session"


def sync_client(api: Any) -> Sends:
    """What the API client sends with from synchronous methods."""
    if api._use_google_auth_sync():
        from ai_cost_calc.providers._requests import Requests  # noqa: PLC0415 - only where requests is used

        return Requests, None
    return Httpx, api._httpx_client


def async_client(api: Any) -> Sends:
    """What it sends with from asynchronous methods."""
    if api._use_aiohttp():
        from ai_cost_calc.providers._aiohttp import Aiohttp  # noqa: PLC0415 - only where aiohttp is used

        return Aiohttp, None
    return Httpx, _of_this_loop(api._async_httpx_client)


def sync_resource(resource: Any) -> Sends:
    """What a generated resource sends with."""
    return Httpx, resource.sdk_configuration.client


def async_resource(resource: Any) -> Sends:
    """What an asynchronous one sends with."""
    return Httpx, _of_this_loop(resource.sdk_configuration.async_client)


def _of_this_loop(http_client: Any) -> Any:
    """The client that sends in this event loop: the SDK's own keeps one for each, which do not share its hooks."""
    return http_client._client_for_running_loop() if getattr(http_client, "_per_loop", False) else http_client


def telling(base: Any) -> dict[str, Any]:
    """Where an API client takes its sessions from: they tell of their responses."""

    @wraps(base._get_aiohttp_session)
    async def aiohttp_session(api: Any) -> Any:
        return _AsyncSession(await base._get_aiohttp_session(api))

    def authorized_session(api: Any) -> Any:
        session = vars(api).get(_AUTHORIZED)
        return None if session is None else _Session(session)

    return {
        "_get_aiohttp_session": aiohttp_session,
        _AUTHORIZED: property(authorized_session, lambda api, made: vars(api).__setitem__(_AUTHORIZED, made)),
    }


class _Session:
    """A session of google-auth's, of which a call hears what was answered."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def request(self, *args: Any, **kwargs: Any) -> Any:
        response = self._session.request(*args, **kwargs)
        _tell(response, response.status_code)
        return response


class _AsyncSession(_Session):
    """A session of aiohttp, or of google-auth's around one."""

    async def request(self, *args: Any, **kwargs: Any) -> Any:
        response = await self._session.request(*args, **kwargs)
        inside = getattr(response, "_response", response)
        _tell(inside, inside.status)
        return response


def _tell(response: Any, status: int) -> None:
    call = current.get()
    if isinstance(call, TappedCall) and 200 <= status < 300:  # noqa: PLR2004 - success: what providers bill
        quietly(call.meter, "tap", call.arrived, response)


def released(response: Any) -> Any:
    """A streamed answer, let go of once its consumer has left, and not when the garbage collector finds it.

    The SDK's own keeps its iterator, which keeps it; so neither the connection nor we would hear of it for long.
    """
    if not isinstance(response.response_stream, list):
        base: Any = type(response)
        response.__class__ = _uncycled(base)
    return response


@cache
def _uncycled(base: Any) -> Any:
    class HttpResponse(base):  # type: ignore[misc]  # the SDK's class, known only now
        __slots__ = ()

        def __aiter__(self) -> Any:
            return self.async_segments()

    HttpResponse.__qualname__, HttpResponse.__module__ = base.__qualname__, base.__module__
    return HttpResponse
