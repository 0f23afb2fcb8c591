"""Providers: how each vendor's responses are read, and how its clients are hooked. One file a vendor.

May import `core`, `ports` and `errors`; nothing here loads a vendor's SDK until one of its objects is handed in.
"""

from __future__ import annotations

import importlib
import sys
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, cast

from ai_cost_calc.errors import UnsupportedClient

if TYPE_CHECKING:
    from ai_cost_calc.ports.providers import Provider
    from ai_cost_calc.providers.readers import UsageReader, open_reader, read_usage, reading_of

__all__ = [
    "UsageReader",
    "end_streams",
    "open_reader",
    "provider_for",
    "read_usage",
    "reading_of",
    "settle_dropped",
]

_LIBRARIES: Final = {
    "aiohttp": "ai_cost_calc.providers.aiohttp:PROVIDER",
    "httpx": "ai_cost_calc.providers.httpx:HTTPX",
    "httpx2": "ai_cost_calc.providers.httpx:HTTPX2",
    "requests": "ai_cost_calc.providers.requests:PROVIDER",
}
"""Root module of HTTP libraries, which serve any vendor, to the provider that hooks their clients."""


def __getattr__(name: str) -> Any:
    """What reads responses is loaded when it is first asked for, so that `import ai_cost_calc` stays quick."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.readers"), name)


@cache
def clients() -> dict[str, str]:
    """Root modules of all libraries and SDKs whose clients can be hooked, to the provider that does.

    SDKs are in the registry of vendors (`readers._registry`), where a new one adds a line.
    """
    from ai_cost_calc.providers.readers import VENDORS  # noqa: PLC0415 - as above

    return _LIBRARIES | {each.sdk: each.wraps for each in VENDORS.values() if each.sdk and each.wraps}


def provider_for(client: object) -> Provider:
    """The provider that knows how to hook this client.

    Raises:
        UnsupportedClient: none does; the message says what to use instead.
    """
    names = [client.__name__] if isinstance(client, ModuleType) else [base.__module__ for base in type(client).__mro__]
    for name in names:
        target = clients().get(name.partition(".")[0])
        if target is not None:
            module, _, attribute = target.partition(":")
            provider = cast("Provider", getattr(importlib.import_module(module), attribute))
            if provider.handles(client):
                return provider
    raise _unsupported(client)


def _unsupported(client: object) -> UnsupportedClient:
    *known, last = clients()
    return UnsupportedClient(
        f"{_described(client)} cannot be wrapped; clients of {', '.join(known)} and {last} can, whole ones: not a part "
        "such as client.chat. For anything else, "
        "guard the call and record its response: with calc.guard(...) as call: call.record(response)"
    )


def _described(client: object) -> str:
    if isinstance(client, type):
        return f"the class {client.__qualname__}, other than an object of it,"
    if isinstance(client, ModuleType):
        return f"the module {client.__name__}"
    return f"{type(client).__module__}.{type(client).__qualname__}"


def settle_dropped() -> None:
    """Conclude streams that the garbage collector found, so that what they came to is in the sums looked at next."""
    _streams("settle_dropped")


def end_streams() -> None:
    """Conclude every stream that is still open, before what records them is shut down."""
    _streams("end_streams")


def _streams(do: str) -> None:
    followed = sys.modules.get(f"{__name__}._dropped")  # nothing streams before it is loaded
    if followed is not None:
        getattr(followed, do)()
