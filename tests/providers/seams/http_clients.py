"""HTTP clients of each library that reach vendors' hosts on loopback, and what a caller does with them."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import httpx
import httpx2
import requests
from aiohttp.abc import AbstractResolver, ResolveResult
from requests.adapters import HTTPAdapter

OPENAI: Final = "http://api.openai.com/v1/chat/completions"
"""Where the tests ask. Without TLS, since loopback has no certificate of OpenAI's; nothing else of the URL matters."""


def elsewhere(library: Any, url: str) -> Any:
    """A transport of httpx or httpx2 that sends every request to this server, whatever its host."""
    host, port = urlsplit(url).hostname, urlsplit(url).port

    def moved(request: Any) -> Any:
        return library.Request(
            request.method,
            request.url.copy_with(scheme="http", host=host, port=port),
            headers=request.headers,
            stream=request.stream,
            extensions=request.extensions,
        )

    class Elsewhere(library.HTTPTransport):  # type: ignore[misc]  # a class of either library
        def handle_request(self, request: Any) -> Any:
            return super().handle_request(moved(request))

    class AsyncElsewhere(library.AsyncHTTPTransport):  # type: ignore[misc]  # likewise
        async def handle_async_request(self, request: Any) -> Any:
            return await super().handle_async_request(moved(request))

    return Elsewhere(verify=False), AsyncElsewhere(verify=False)


class Adapter(HTTPAdapter):
    """An adapter of requests that sends every request to one server."""

    def __init__(self, url: str) -> None:
        self.url = url
        super().__init__()

    def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """Send it there; the response is one to what was asked."""
        moved = request.copy()
        moved.url = self.url + request.path_url
        response = super().send(moved, *args, **kwargs)
        response.request, response.url = request, request.url
        return response


class Resolver(AbstractResolver):
    """Finds every host on loopback."""

    def __init__(self, url: str) -> None:
        self.port = urlsplit(url).port or 80

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[ResolveResult]:
        """Loopback."""
        found = {"hostname": host, "host": "127.0.0.1", "port": self.port, "proto": 0, "flags": 0}
        return [ResolveResult(family=socket.AF_INET, **found)]  # type: ignore[typeddict-item]  # as it is written

    async def close(self) -> None:
        """Nothing is open."""


def without_certificates(library: Any) -> Any:
    """A client of httpx or httpx2 for loopback; loading certificates takes longer than a test."""
    return library.Client(verify=False)


def open_httpx(url: str) -> httpx.Client:
    """A client of httpx; likewise below."""
    return httpx.Client(transport=elsewhere(httpx, url)[0])


def open_async_httpx(url: str) -> httpx.AsyncClient:  # noqa: D103
    return httpx.AsyncClient(transport=elsewhere(httpx, url)[1])


def open_httpx2(url: str) -> httpx2.Client:  # noqa: D103
    return httpx2.Client(transport=elsewhere(httpx2, url)[0])


def open_async_httpx2(url: str) -> httpx2.AsyncClient:  # noqa: D103
    return httpx2.AsyncClient(transport=elsewhere(httpx2, url)[1])


def open_requests(url: str) -> requests.Session:  # noqa: D103
    session = requests.Session()
    session.mount("http://", Adapter(url))
    return session


def open_aiohttp(url: str) -> aiohttp.ClientSession:  # noqa: D103
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=Resolver(url)))


OPEN: Final[dict[str, Callable[[str], Any]]] = {
    "httpx.Client": open_httpx,
    "httpx.AsyncClient": open_async_httpx,
    "httpx2.Client": open_httpx2,
    "httpx2.AsyncClient": open_async_httpx2,
    "requests.Session": open_requests,
    "aiohttp.ClientSession": open_aiohttp,
}


def close(client: Any) -> Any:
    """Close a client of any kind."""
    return client.aclose() if hasattr(client, "aclose") else client.close()


def ask(client: Any, body: Any, url: str = OPENAI) -> Any:
    """Post JSON and get JSON."""
    if isinstance(client, aiohttp.ClientSession):
        return _ask_aiohttp(client, body, url)
    return _ask_async(client, body, url) if hasattr(client, "aclose") else _ask(client, body, url)


def _ask(client: Any, body: Any, url: str) -> Any:
    response = client.post(url, json=body)
    response.raise_for_status()
    return response.json()


async def _ask_async(client: Any, body: Any, url: str) -> Any:
    response = await client.post(url, json=body)
    response.raise_for_status()
    return response.json()


async def _ask_aiohttp(client: aiohttp.ClientSession, body: Any, url: str) -> Any:
    async with client.post(url, json=body) as response:
        response.raise_for_status()
        return await response.json()


async def get(client: Any, url: str) -> None:
    """Get something and take all of it."""
    answer = client.get(url)
    if isinstance(client, aiohttp.ClientSession):
        await (await answer).read()
    elif hasattr(client, "aclose"):
        await answer


class Lines:
    """A streamed answer, line by line, open until it is closed."""

    def __init__(self, response: Any, lines: Iterator[Any]) -> None:
        self.response = response
        self.lines = lines

    def __iter__(self) -> Iterator[Any]:
        return self.lines

    def close(self) -> None:
        """Leave it."""
        self.response.close()


class AsyncLines:
    """The same for asyncio."""

    def __init__(self, response: Any, lines: AsyncIterator[Any]) -> None:
        self.response = response
        self.lines = lines

    def __aiter__(self) -> AsyncIterator[Any]:
        return self.lines

    async def aclose(self) -> None:
        """Leave it."""
        await self.response.aclose() if hasattr(self.response, "aclose") else self.response.close()


def stream(client: Any, body: Any, url: str = OPENAI) -> Any:
    """Post JSON and get the lines of a stream."""
    if isinstance(client, requests.Session):
        response = client.post(url, json=body, stream=True)
        response.raise_for_status()
        return Lines(response, response.iter_lines(chunk_size=1))
    if isinstance(client, aiohttp.ClientSession):
        return _stream_aiohttp(client, body, url)
    request = client.build_request("POST", url, json=body)
    if hasattr(client, "aclose"):
        return _stream_async(client, request)
    response = client.send(request, stream=True)
    response.raise_for_status()
    return Lines(response, response.iter_lines())


async def _stream_async(client: Any, request: Any) -> AsyncLines:
    response = await client.send(request, stream=True)
    response.raise_for_status()
    return AsyncLines(response, response.aiter_lines())


async def _stream_aiohttp(client: aiohttp.ClientSession, body: Any, url: str) -> AsyncLines:
    response = await client.post(url, json=body)
    response.raise_for_status()
    return AsyncLines(response, _lines_of(response))


async def _lines_of(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """As applications do it: whoever lets go of the lines lets go of the connection."""
    async with response:
        async for line in response.content:
            yield line
