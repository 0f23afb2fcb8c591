"""HTTP clients of httpx and httpx2: everything passes `send(request, …)`, a public method of both (`_client.py`)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import cache, wraps
from inspect import iscoroutinefunction
from typing import Any, Final

from ai_cost_calc.errors import CostCalcError
from ai_cost_calc.providers._call import TappedCall, abegin, begin
from ai_cost_calc.providers._http_client import Wrapping
from ai_cost_calc.providers._http_request import Body, body_of_bytes, form_value, unseen_body
from ai_cost_calc.providers._request import Sending
from ai_cost_calc.providers._tap import quietly
from ai_cost_calc.providers._wraps import copying, stand_in

_ERRORS: Final = {"anthropic": "AnthropicError", "openai": "OpenAIError"}
"""The base class of an SDK's errors."""


def guarded_class(wrapping: Wrapping) -> type[Any]:
    """A class that stands in for a client's own, with calls guarded."""
    base: Any = wrapping.base
    sends = _asends if iscoroutinefunction(base.send) else _sends
    return stand_in(wrapping, {"send": sends(wrapping, base.send), **copying(base, wrapping.rewrapped)})


def _sends(wrapping: Wrapping, original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def send(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        sending = quietly(wrapping.meter, "request", _sending, wrapping, request)
        try:
            running = None if sending is None else begin(wrapping.meter, sending)
        except CostCalcError as refusal:
            _pass_through(refusal, request)
            raise
        if sending is None or running is None:
            return original(self, request, *args, **kwargs)
        with TappedCall(wrapping.meter, running, sending).through(self) as call:
            response = original(self, request, *args, **kwargs)
            call.returned(response)
            return response

    return send


def _asends(wrapping: Wrapping, original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    async def send(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        sending = quietly(wrapping.meter, "request", _sending, wrapping, request)
        try:
            running = None if sending is None else await abegin(wrapping.meter, sending)
        except CostCalcError as refusal:
            _pass_through(refusal, request)
            raise
        if sending is None or running is None:
            return await original(self, request, *args, **kwargs)
        with TappedCall(wrapping.meter, running, sending).through(self) as call:
            response = await original(self, request, *args, **kwargs)
            call.returned(response)
            return response

    return send


def _sending(wrapping: Wrapping, request: Any) -> Sending | None:
    return wrapping.sending(request.method, str(request.url), lambda: _body(request))


def _pass_through(refusal: CostCalcError, request: Any) -> None:
    """Let SDKs that were handed a guarded HTTP client raise a refusal as it is, at once.

    openai 2 and anthropic 2 do so with errors of their own kind alone; others they wrap and try again.
    """
    if "x-stainless-lang" not in request.headers:
        return
    theirs = [getattr(sys.modules[sdk], name) for sdk, name in _ERRORS.items() if sdk in sys.modules]
    if theirs:
        kind: Any = type(refusal)
        refusal.__class__ = _mixed(kind, *theirs)


@cache
def _mixed(kind: Any, *theirs: Any) -> Any:
    return type(kind.__name__, (kind, *theirs), {"__module__": kind.__module__, "__qualname__": kind.__qualname__})


def _body(request: Any) -> Body:
    """What a request's body says; one that is made while it is sent is left alone."""
    try:
        content = request.content
    except RuntimeError:  # neither library says otherwise that it was not read
        fields = getattr(request.stream, "fields", None)  # a form's, of both libraries
        return unseen_body(request.headers.get("content-length")) if fields is None else _form(fields)
    return body_of_bytes(content, request.headers.get("content-type", ""))


def _form(parts: Iterable[Any]) -> Body:
    parts = tuple(parts)
    fields = {part.name: form_value(part.value) for part in parts if not hasattr(part, "file")}
    return Body(fields, sum(hasattr(part, "file") for part in parts))
