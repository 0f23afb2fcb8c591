"""How HTTP clients of httpx and httpx2 are guarded themselves, for calls without an SDK, and for SDKs without a seam.

Everything such a client does passes `send(request, …)`, a public method of both libraries, once per attempt of whoever
retries above it. The class of the client is exchanged for a subclass with that method guarded. Inside of a call that a
wrapped SDK makes it does nothing, so that no call is counted twice.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any
from weakref import WeakValueDictionary

import msgspec

from ai_cost_calc.errors import ConfigError
from ai_cost_calc.ports.providers import Meter
from ai_cost_calc.providers._call import TappedCall, abegin, begin
from ai_cost_calc.providers._dropped import settle_dropped
from ai_cost_calc.providers._http import current, hook, hook_of
from ai_cost_calc.providers._http_request import Body, body_of_bytes, form_value, sending_of, unseen_body
from ai_cost_calc.providers._request import Sending
from ai_cost_calc.providers._tap import quietly
from ai_cost_calc.providers._wraps import Wraps, check_version, reduced, stand_in, standing

_classes: WeakValueDictionary[tuple[type[Any], int, str | None], type[Any]] = WeakValueDictionary()


class HttpVendor(msgspec.Struct, frozen=True, kw_only=True):
    """What is peculiar to one SDK, or to a library whose HTTP clients are used as they are.

    Attributes:
        name: the provider its clients talk to, unless the URL says otherwise.
        module: the SDK's root module.
        oldest: the first version that is supported.
        clients: gives its client classes.
        http_clients: the HTTP clients that a client sends with.
        home: whose API it is where a URL does not tell, as behind a proxy; `None` for a library that serves any.
    """

    name: str
    module: str
    oldest: tuple[int, ...]
    clients: Callable[[Any], tuple[type[Any], ...]]
    http_clients: Callable[[Any], Iterable[Any]]
    home: str | None = None


class HttpProvider(Wraps):
    """Wraps clients by guarding the HTTP clients that they send with (`ports.providers.Provider`)."""

    def __init__(self, vendor: HttpVendor) -> None:
        super().__init__(vendor.name)
        self.vendor = vendor

    def handles(self, client: object) -> bool:
        """Whether this is one of the vendor's clients, or of a class made from one."""
        module = sys.modules.get(self.vendor.module)
        return module is not None and isinstance(client, self.vendor.clients(module))

    def meter_of(self, client: Any) -> Meter | None:
        """Whom this client reports to, if it is wrapped."""
        for http_client in self.vendor.http_clients(client):
            if (wrapping := standing(http_client)) is not None:
                hooked = hook_of(http_client)
                if hooked is not None and hooked.owned_by(client):
                    return wrapping.meter  # type: ignore[no-any-return]
        return None

    def put_on(self, client: Any, meter: Meter) -> None:
        """Guard what this client sends with. Whoever else sends with it is guarded as well."""
        check_version(self.vendor.module, self.vendor.oldest)
        http_clients = tuple(self.vendor.http_clients(client))
        for http_client in http_clients:
            check_free(http_client, meter)
        for http_client in http_clients:
            guard(http_client, meter, client, self.vendor.home)

    def take_off(self, client: Any) -> None:
        """Give HTTP clients their own class back, unless another wrapped client sends with them."""
        for http_client in self.vendor.http_clients(client):
            unguard(http_client, client)


class Wrapping:
    """What the class of a guarded HTTP client knows: what it stands in for, and who decides and records."""

    __slots__ = ("base", "home", "meter")

    def __init__(self, base: type[Any], meter: Meter, home: str | None) -> None:
        self.base = base
        self.meter = meter
        self.home = home

    def sending(self, request: Any) -> Sending | None:
        """What is about to be sent; `None` when there is nothing to guard, or a wrapped SDK guards it."""
        if current.get() is not None:
            return None
        settle_dropped()
        return sending_of(request.method, str(request.url), lambda: _body_of(request), self.home)


def check_free(http_client: Any, meter: Meter) -> None:
    """Refuse an HTTP client that reports to another meter.

    Raises:
        ConfigError: it does.
    """
    wrapping = standing(http_client)
    if wrapping is not None and wrapping.meter is not meter:
        raise ConfigError(
            f"this {type(http_client).__name__} HTTP client is wrapped by another AiCostCalc: unwrap it there first"
        )


def guard(http_client: Any, meter: Meter, owner: Any, home: str | None = None) -> None:
    """Guard an HTTP client, which several owners may share: clients of SDKs, or the HTTP client itself.

    Args:
        home: whose API it is where a URL does not tell.
    """
    hook(http_client).own(owner)
    wrapping = standing(http_client)
    if wrapping is None or (wrapping.home is None and home is not None):
        base = type(http_client) if wrapping is None else wrapping.base
        http_client.__class__ = guarded(base, meter, home)


def unguard(http_client: Any, owner: Any) -> None:
    """Undo `guard`; the last owner to leave gives the HTTP client its own class and hooks back."""
    hooked, wrapping = hook_of(http_client), standing(http_client)
    if hooked is not None:
        hooked.disown(owner)
    if wrapping is not None and (hooked is None or not hooked.owned):
        http_client.__class__ = wrapping.base


def guarded(base: type[Any], meter: Meter, home: str | None) -> type[Any]:
    """The guarded subclass, the same one for all HTTP clients of a class and a meter (which it keeps alive)."""
    found = _classes.get((base, id(meter), home))
    if found is None:
        found = _classes[base, id(meter), home] = _guarded_class(Wrapping(base, meter, home))
    return found


def _guarded_class(wrapping: Wrapping) -> type[Any]:
    base: Any = wrapping.base
    sends = _asends if iscoroutinefunction(base.send) else _sends
    return stand_in(
        wrapping,
        {
            "send": sends(wrapping, base.send),
            "__reduce_ex__": lambda self, protocol: reduced(base, base.__reduce_ex__(self, protocol)),
        },
    )


def _sends(wrapping: Wrapping, original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def send(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        sending = quietly(wrapping.meter, "request", wrapping.sending, request)
        running = None if sending is None else begin(wrapping.meter, sending)
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
        sending = quietly(wrapping.meter, "request", wrapping.sending, request)
        running = None if sending is None else await abegin(wrapping.meter, sending)
        if sending is None or running is None:
            return await original(self, request, *args, **kwargs)
        with TappedCall(wrapping.meter, running, sending).through(self) as call:
            response = await original(self, request, *args, **kwargs)
            call.returned(response)
            return response

    return send


def _body_of(request: Any) -> Body:
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
    return Body(fields, len(parts) - len(fields))
