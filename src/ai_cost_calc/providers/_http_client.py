"""How HTTP clients are guarded themselves, for calls without an SDK, and for SDKs without a seam of their own.

The class of an HTTP client is exchanged for a subclass that guards the one method which everything passes, once per
attempt of whoever retries above it; the file of its library says which (`_httpx`, `_requests`, `_aiohttp`). Inside of a
call that a wrapped SDK makes it does nothing, so that no call is counted twice.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final
from weakref import WeakKeyDictionary, WeakSet, WeakValueDictionary

import msgspec

from ai_cost_calc.errors import ConfigError, UnsupportedClient
from ai_cost_calc.forks import ForkLock, held_over_forks
from ai_cost_calc.ports.providers import Meter
from ai_cost_calc.providers._dropped import settle_dropped
from ai_cost_calc.providers._http import current
from ai_cost_calc.providers._http_request import Body, sending_of
from ai_cost_calc.providers._request import Sending
from ai_cost_calc.providers._wraps import Wraps, check_version, standing

_SEAMS: Final = {
    "aiohttp": "ai_cost_calc.providers._aiohttp",
    "httpx": "ai_cost_calc.providers._httpx",
    "httpx2": "ai_cost_calc.providers._httpx",
    "requests": "ai_cost_calc.providers._requests",
}
"""Root module of a library's client classes to the file whose `guarded_class(wrapping)` makes one that stands in."""

_lock: Final = held_over_forks(ForkLock())
_owners: WeakKeyDictionary[Any, WeakSet[Any]] = WeakKeyDictionary()
"""The wrapped clients that each guarded HTTP client serves."""
_classes: WeakValueDictionary[tuple[type[Any], int, str | None], type[Any]] = WeakValueDictionary()


class HttpVendor(msgspec.Struct, frozen=True, kw_only=True):
    """What is peculiar to one SDK, or to a library whose HTTP clients are used as they are.

    Attributes:
        name: what it is called.
        package: what it is installed as.
        module: the module that has its client classes.
        oldest: the first version that is supported.
        clients: names of its client classes.
        http_clients: the HTTP clients that a client sends with.
        home: whose API it is where a URL does not tell, as behind a proxy; `None` for a library that serves any.
    """

    name: str
    package: str
    module: str
    oldest: tuple[int, ...]
    clients: tuple[str, ...]
    http_clients: Callable[[Any], Iterable[Any]] = lambda client: (client,)
    home: str | None = None


class HttpProvider(Wraps):
    """Wraps clients by guarding the HTTP clients that they send with (`ports.providers.Provider`)."""

    def __init__(self, vendor: HttpVendor) -> None:
        super().__init__(vendor.name)
        self.vendor = vendor

    def handles(self, client: object) -> bool:
        """Whether this is one of the vendor's clients, or of a class made from one."""
        module = sys.modules.get(self.vendor.module)
        return module is not None and isinstance(client, tuple(getattr(module, name) for name in self.vendor.clients))

    def meter_of(self, client: Any) -> Meter | None:
        """Whom this client reports to, if it is wrapped."""
        for http_client in guarded_for(client):
            if (wrapping := standing(http_client)) is not None:
                return wrapping.meter  # type: ignore[no-any-return]
        return None

    def put_on(self, client: Any, meter: Meter) -> None:
        """Guard what this client sends with. Whoever else sends with it is guarded as well."""
        with suppress(PackageNotFoundError):  # one that was put into an archive does not tell
            check_version(self.vendor.package, version(self.vendor.package), self.vendor.oldest)
        http_clients = tuple(self.vendor.http_clients(client))
        for http_client in http_clients:
            check(http_client, meter)
        for http_client in http_clients:
            guard(http_client, meter, client, self.vendor.home)

    def take_off(self, client: Any) -> None:
        """Give HTTP clients their own class back, unless another wrapped client sends with them."""
        for http_client in guarded_for(client):
            unguard(http_client, client)


class Wrapping:
    """What the class of a guarded HTTP client knows: what it stands in for, and who decides and records."""

    __slots__ = ("base", "home", "meter")

    def __init__(self, base: type[Any], meter: Meter, home: str | None) -> None:
        self.base = base
        self.meter = meter
        self.home = home

    def sending(self, method: str, url: str, body: Callable[[], Body]) -> Sending | None:
        """What is about to be sent; `None` when there is nothing to guard, or a wrapped SDK guards it."""
        if current.get() is not None:
            return None
        settle_dropped()
        return sending_of(method, url, body, self.home)

    def rewrapped(self, made: Any) -> Any:
        """A copy of a guarded HTTP client, guarded as well."""
        guard(made, self.meter, made, self.home)
        return made


def check(http_client: Any, meter: Meter) -> None:
    """Refuse an HTTP client that cannot be guarded.

    Raises:
        UnsupportedClient: it is of a library that is not known.
        ConfigError: it reports to another meter.
    """
    if _seam_of(type(http_client)) is None:
        kind = type(http_client)
        raise UnsupportedClient(
            f"it sends with {kind.__module__}.{kind.__qualname__}, which is not known; give it an HTTP client of "
            f"{', '.join(_SEAMS)}"
        )
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
    with _lock:
        _owners.setdefault(http_client, WeakSet()).add(owner)
        wrapping = standing(http_client)
        if wrapping is None or (wrapping.home is None and home is not None):
            base = type(http_client) if wrapping is None else wrapping.base
            object.__setattr__(http_client, "__class__", _guarded(base, meter, home))


def guarded_for(owner: Any) -> list[Any]:
    """The HTTP clients that are guarded for this owner, whatever it sends with by now."""
    with _lock:
        return [http_client for http_client, owners in _owners.items() if owner in owners]


def unguard(http_client: Any, owner: Any) -> None:
    """Undo `guard`; the last owner to leave gives the HTTP client its own class back."""
    with _lock:
        owners = _owners.get(http_client)
        if owners is not None:
            owners.discard(owner)
        wrapping = standing(http_client)
        if not owners and wrapping is not None:
            _owners.pop(http_client, None)
            object.__setattr__(http_client, "__class__", wrapping.base)


def _guarded(base: type[Any], meter: Meter, home: str | None) -> type[Any]:
    """The guarded subclass, the same one for all HTTP clients of a class and a meter (which it keeps alive)."""
    found = _classes.get((base, id(meter), home))
    if found is None:
        seam: Any = import_module(str(_seam_of(base)))
        found = _classes[base, id(meter), home] = seam.guarded_class(Wrapping(base, meter, home))
    return found


def _seam_of(base: type[Any]) -> str | None:
    roots = (each.__module__.partition(".")[0] for each in base.__mro__)
    return next((_SEAMS[root] for root in roots if root in _SEAMS), None)
