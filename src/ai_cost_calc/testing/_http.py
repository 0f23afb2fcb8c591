"""A small HTTP/1.1 server on loopback that can also misbehave; it knows nothing of providers.

One event loop in a daemon thread serves every connection: hundreds of clients cost no threads, and a delay or a hanging
answer costs nothing while it waits.
"""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from struct import unpack_from
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

BACKLOG: Final = 1024
"""Connections that may wait to be accepted; a burst of clients is not refused."""
HANG_SECONDS: Final = 60.0
"""How long a hanging answer keeps its connection open when nobody closes it."""
MAX_HEAD_BYTES: Final = 65_536
_CLOSE_SECONDS: Final = 5.0
_FRAME_LENGTH: Final = 4
_LINES: Final = ("application/x-ndjson", "application/stream+json")
"""Content types of JSON lines: Ollama's streams, and Cohere's of version 1."""
_EVENT_END: Final = re.compile(rb"(?<=\n\n)|(?<=\r\n\r\n)")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One request as it came in; header names are lower-case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def keep_alive(self) -> bool:
        """Whether the client wants to use the connection again."""
        return self.headers.get("connection", "").lower() != "close"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What to send, how fast, and where to fail.

    Attributes:
        parts: the body; of a streamed reply each part is sent, and flushed, as one chunk.
        break_after: close the connection after so many parts of a stream, or in the middle of a plain body; 0 closes it
            before the first byte of the answer.
        hang: never answer, until the client or the server closes the connection.
    """

    parts: tuple[bytes, ...]
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    streamed: bool = False
    delay_seconds: float = 0.0
    part_delay_seconds: float = 0.0
    break_after: int | None = None
    hang: bool = False

    @property
    def at_once(self) -> bool:
        """Whether one write does it all."""
        return not (self.streamed or self.delay_seconds or self.hang or self.break_after is not None)

    def head(self) -> bytes:
        """Return the status line and headers."""
        lines = [f"HTTP/1.1 {self.status} {_reason(self.status)}", f"content-type: {self.content_type}"]
        lines.append("transfer-encoding: chunked" if self.streamed else f"content-length: {sum(map(len, self.parts))}")
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def events_of(body: bytes) -> tuple[bytes, ...]:
    """Cut the body of an event stream after every event, losing no byte."""
    return tuple(part for part in _EVENT_END.split(body) if part)


def frames_of(body: bytes) -> tuple[bytes, ...]:
    """Cut an AWS event stream after every frame, each of which starts with its own length, losing no byte."""
    frames, start = [], 0
    while start < len(body):
        (length,) = unpack_from(">I", body, start) if len(body) - start >= _FRAME_LENGTH else (0,)
        end = start + length if length else len(body)
        frames.append(body[start:end])
        start = end
    return tuple(frames)


def cutter(content_type: str) -> Callable[[bytes], tuple[bytes, ...]] | None:
    """How to cut a body of this content type into its events; `None` where it is one document."""
    if content_type.startswith("text/event-stream"):
        return events_of
    if content_type.startswith(_LINES):
        return lambda body: tuple(body.splitlines(keepends=True))
    return frames_of if content_type.startswith("application/vnd.amazon.eventstream") else None


class LoopbackServer:
    """Answers HTTP requests on a free port of 127.0.0.1 from a daemon thread.

    Args:
        answer: called with every request, in the server's own thread; it must not block.
    """

    def __init__(self, answer: Callable[[HttpRequest], Reply]) -> None:
        self._answer = answer
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        self.port: int = self._socket.getsockname()[1]
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="provider-simulator", daemon=True)
        self._thread.start()
        self._ready.wait(_CLOSE_SECONDS)

    def close(self) -> None:
        """Drop every connection and end the thread; a second call does nothing."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._closing.set)
            self._thread.join(_CLOSE_SECONDS)

    def _run(self) -> None:
        # A loop of our own making: whatever policy the application has set, such as uvloop, stays out of it.
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._closing = asyncio.Event()
        connections: set[_Connection] = set()
        server = await self._loop.create_server(
            lambda: _Connection(self._answer, connections), sock=self._socket, backlog=BACKLOG
        )
        self._ready.set()
        await self._closing.wait()
        server.close()
        for connection in tuple(connections):
            connection.abort()


class _Connection(asyncio.Protocol):
    """One client: requests are answered one after another, in order."""

    def __init__(self, answer: Callable[[HttpRequest], Reply], connections: set[_Connection]) -> None:
        self._answer = answer
        self._connections = connections
        self._received = bytearray()
        self._sending: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        self._connections.discard(self)
        if self._sending:
            self._sending.cancel()

    def abort(self) -> None:
        """Drop the connection without sending what is still to be sent."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._sending is None:
            self._serve()

    def _serve(self) -> None:
        while not self._transport.is_closing() and (request := self._next_request()) is not None:
            reply = self._answer(request)
            if reply.at_once:
                self._transport.write(reply.head() + b"".join(reply.parts))
                self._finish(request)
            else:
                self._sending = asyncio.get_running_loop().create_task(self._send_slowly(request, reply))
                return

    def _finish(self, request: HttpRequest) -> None:
        if not request.keep_alive:
            self._transport.close()

    def _next_request(self) -> HttpRequest | None:
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            if len(self._received) > MAX_HEAD_BYTES:
                self._refuse(431)
            return None
        try:
            method, target, headers = _parse_head(self._received[:end].decode("latin-1"))
            length = int(headers.get("content-length", 0))
        except ValueError:
            self._refuse(400)
            return None
        if "transfer-encoding" in headers:
            self._refuse(411)
            return None
        return self._with_body(method, target, headers, (end + 4, end + 4 + length))

    def _with_body(
        self, method: str, target: str, headers: dict[str, str], span: tuple[int, int]
    ) -> HttpRequest | None:
        start, stop = span
        if len(self._received) < stop:
            if "expect" in headers and len(self._received) == start:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            return None
        body = bytes(self._received[start:stop])
        del self._received[:stop]
        path, _, query = target.partition("?")
        return HttpRequest(method=method, path=path, query=query, headers=headers, body=body)

    def _refuse(self, status: int) -> None:
        self._transport.write(Reply(status=status, parts=(), headers={"connection": "close"}).head())
        self._transport.close()

    async def _send_slowly(self, request: HttpRequest, reply: Reply) -> None:
        if await self._send(reply):
            self._finish(request)
        else:
            self._transport.close()
        self._sending = None
        self._serve()

    async def _send(self, reply: Reply) -> bool:
        """Send a reply; return False when the connection is to be dropped in its middle."""
        await _pause(reply.delay_seconds)
        if reply.hang:
            await asyncio.sleep(HANG_SECONDS)
        if reply.hang or reply.break_after == 0:
            return False
        self._transport.write(reply.head())
        return await self._send_stream(reply) if reply.streamed else self._send_plain(reply)

    def _send_plain(self, reply: Reply) -> bool:
        body = b"".join(reply.parts)
        whole = reply.break_after is None
        self._transport.write(body if whole else body[: len(body) // 2])
        return whole

    async def _send_stream(self, reply: Reply) -> bool:
        for part in reply.parts[: reply.break_after]:
            if self._transport.is_closing():  # the client has left; asyncio would log what is sent on
                return False
            self._transport.write(b"%x\r\n%b\r\n" % (len(part), part))
            await _pause(reply.part_delay_seconds)
        if reply.break_after is not None and reply.break_after < len(reply.parts):
            return False
        self._transport.write(b"0\r\n\r\n")
        return True


def _parse_head(head: str) -> tuple[str, str, dict[str, str]]:
    first, *lines = head.split("\r\n")
    method, target, _version = first.split(" ")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return method, target, headers


async def _pause(seconds: float) -> None:
    if seconds:
        await asyncio.sleep(seconds)


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Overloaded" if status == 529 else "Unknown"
