"""HTTP clients that reach a vendor's real address at a provider on loopback, so that base URLs stay real."""

from __future__ import annotations

from typing import Any


def rerouted(httpx: Any, url: str) -> Any:
    """A synchronous client of this library (httpx or httpx2) whose requests all go to this URL.

    The request that others see, and the address that the response belongs to, stay those that were asked for.
    """

    class Rerouting(httpx.HTTPTransport):  # type: ignore[misc]  # known only now
        def handle_request(self, request: Any) -> Any:
            return super().handle_request(_sent(httpx, request, url))

    return httpx.Client(transport=Rerouting(verify=False))


def async_rerouted(httpx: Any, url: str) -> Any:
    """Do the same for an asynchronous client."""

    class Rerouting(httpx.AsyncHTTPTransport):  # type: ignore[misc]  # known only now
        async def handle_async_request(self, request: Any) -> Any:
            return await super().handle_async_request(_sent(httpx, request, url))

    return httpx.AsyncClient(transport=Rerouting(verify=False))


def _sent(httpx: Any, request: Any, url: str) -> Any:
    here = httpx.URL(url)
    return httpx.Request(
        request.method,
        request.url.copy_with(scheme=here.scheme, host=here.host, port=here.port),
        headers=request.headers,
        stream=request.stream,
        extensions=request.extensions,
    )
