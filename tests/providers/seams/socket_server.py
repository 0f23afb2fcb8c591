"""A WebSocket server on loopback that answers events as a test says, and ways to talk to it through the real SDK."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Self

import openai
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

if TYPE_CHECKING:
    from websockets.http11 import Request

CLOSE: Final = "close"
"""Sent in place of an event: close the connection politely, or with the code that follows."""

Event = Mapping[str, Any]


class SocketServer:
    """Answers each client event with the server events that `answers` has for its type.

    Attributes:
        greets: events that a new connection begins with.
        answers: by the type of a client event, answers; the first time it is given the first, and so on, then the last.
        received: client events, as they came.
        paths: where connections were opened, queries included.
    """

    def __init__(self) -> None:
        self.greets: list[Event] = []
        self.answers: dict[str, list[list[Event]]] = {}
        self.received: list[Any] = []
        self.paths: list[str] = []
        self._server: Server | None = None

    def __enter__(self) -> Self:
        self._server = serve(self._talk, "127.0.0.1", 0, process_request=self._note)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.shutdown()

    @property
    def url(self) -> str:
        """Where it listens."""
        assert self._server is not None
        return f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}/v1"

    def _note(self, _: ServerConnection, request: Request) -> None:
        """Note a connection before its client knows that it is open."""
        self.paths.append(request.path)

    def _talk(self, connection: ServerConnection) -> None:
        self._say(connection, self.greets)
        try:
            for message in connection:
                event = json.loads(message)
                self.received.append(event)
                answers = self.answers.get(str(event["type"]), [[]])
                self._say(connection, answers.pop(0) if len(answers) > 1 else answers[0])
        except ConnectionClosed:
            return

    def _say(self, connection: ServerConnection, events: Sequence[Event]) -> None:
        for event in events:
            if event.get("type") == CLOSE:
                return connection.close(event.get("code", 1000))
            connection.send(json.dumps(event))
        return None


def answer(name: str, usage: Event | None = None, *, text: str = "Hello there.", **more: Any) -> list[Event]:
    """The events of one Realtime answer."""
    return [
        {"type": "response.created", "response": {"id": name}},
        {"type": "response.output_audio.delta", "response_id": name, "delta": "UklGRg=="},
        {"type": "response.output_audio_transcript.delta", "response_id": name, "delta": text},
        {"type": "response.done", "response": {"id": name, "status": "completed", "usage": usage, **more}},
    ]


def take(connection: Any, until: str) -> list[Any]:
    """Receive events up to one of this type."""
    events = []
    for event in connection:
        events.append(event)
        if event.type == until:
            break
    return events


async def atake(connection: Any, until: str) -> list[Any]:
    """Receive events up to one of this type."""
    events = []
    async for event in connection:
        events.append(event)
        if event.type == until:
            break
    return events


def client_of(kind: Any, server: SocketServer, **options: Any) -> Any:
    """A client whose WebSockets lead to this server, and whose HTTP leads nowhere."""
    asynchronous = issubclass(kind, openai.AsyncOpenAI)
    http = openai.DefaultAsyncHttpxClient if asynchronous else openai.DefaultHttpxClient
    if issubclass(kind, (openai.AzureOpenAI, openai.AsyncAzureOpenAI)):
        options |= {"azure_endpoint": "http://127.0.0.1:1", "api_version": "2025-04-01-preview"}
    return kind(api_key="any", websocket_base_url=server.url, http_client=http(verify=False), **options)
