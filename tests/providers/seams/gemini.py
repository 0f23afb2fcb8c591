"""What Google's APIs answer, and clients of its SDK that talk to loopback."""

from __future__ import annotations

import json
import ssl
from typing import Any, Final

import google.oauth2.credentials
import httpx2
import pytest
from google import genai
from google.genai import types

METADATA: Final[dict[str, Any]] = {
    "promptTokenCount": 328,
    "cachedContentTokenCount": 220,
    "candidatesTokenCount": 39,
    "thoughtsTokenCount": 100,
    "totalTokenCount": 467,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 70}, {"modality": "DOCUMENT", "tokenCount": 258}],
}
COUNTS: Final = {
    "input_tokens": 328,
    "output_tokens": 139,
    "cache_read_tokens": 220,
    "output_reasoning_tokens": 100,
    "input_text_tokens": 70,
    "input_image_tokens": 258,
}
INTERACTION_USAGE: Final = {"total_input_tokens": 22, "total_output_tokens": 973, "total_thought_tokens": 249}
INTERACTION_COUNTS: Final = {"input_tokens": 22, "output_tokens": 1_222, "output_reasoning_tokens": 249}
ERROR: Final = b'{"error": {"code": 400, "message": "No such model.", "status": "INVALID_ARGUMENT"}}'
MODEL: Final = "gemini-2.5-flash"
QUIET: Final = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
"""The SDK's own session of aiohttp is one of a kind that aiohttp warns of."""
UNVERIFIED: Final = ssl._create_unverified_context()  # noqa: S323 - loopback; certificates take long to load


def answer(*parts: dict[str, Any], metadata: dict[str, Any] | None = None, **candidate: Any) -> dict[str, Any]:
    """An answer of `generateContent`, or one chunk of a stream."""
    content = {"role": "model", "parts": list(parts) or [{"text": "The fjord is deep."}]}
    return {
        "candidates": [{"content": content, "finishReason": "STOP", "index": 0, **candidate}],
        "usageMetadata": METADATA if metadata is None else metadata,
        "modelVersion": MODEL,
        "responseId": "resp-1",
    }


def chunks() -> list[dict[str, Any]]:
    """The chunks of a streamed answer, whose counts run up."""
    so_far = {"promptTokenCount": 328, "candidatesTokenCount": 3, "totalTokenCount": 331}
    return [
        answer({"text": "The fjord "}, metadata=so_far, finishReason=None),
        answer({"text": "is "}, metadata=so_far | {"candidatesTokenCount": 20}, finishReason=None),
        answer({"text": "deep."}),
    ]


def sse(*events: Any) -> bytes:
    """An event stream as Google sends it."""
    return b"".join(b"data: " + json.dumps(event).encode() + b"\r\n\r\n" for event in events)


def interaction(interaction_id: str = "v1_1", *, status: str = "completed", **fields: Any) -> dict[str, Any]:
    """An interaction; one that is over has its usage."""
    usage = {"usage": INTERACTION_USAGE} if status not in {"in_progress", "failed"} else {}
    steps = [{"type": "model_output", "content": [{"type": "text", "text": "Deep."}]}]
    return {
        "id": interaction_id, "object": "interaction", "status": status, "model": MODEL, "steps": steps, **usage,
        **fields,
    }  # fmt: skip


def interaction_events(interaction_id: str = "v1_1", **over: Any) -> list[dict[str, Any]]:
    """The events of a streamed interaction."""
    begun = {"id": interaction_id, "object": "interaction", "status": "in_progress", "model": MODEL}
    so_far = {"total_usage": {"total_input_tokens": 22, "total_output_tokens": 2}}
    return [
        {"event_type": "interaction.created", "interaction": begun},
        {"event_type": "step.start", "index": 0, "step": {"type": "model_output"}},
        {"event_type": "step.delta", "index": 0, "delta": {"type": "text", "text": "De"}, "metadata": so_far},
        {"event_type": "step.delta", "index": 0, "delta": {"type": "text", "text": "ep."}},
        {"event_type": "step.stop", "index": 0},
        {"event_type": "interaction.completed", "interaction": interaction(interaction_id, **over)},
    ]


def options(url: str, *, transport: str = "aiohttp", **more: Any) -> types.HttpOptions:
    """Options of a client that talks to this URL, with the SDK's choice of `aiohttp`, or with `httpx2` or `httpx`."""
    asynchronous: dict[str, Any] = {"ssl": UNVERIFIED}
    if transport != "aiohttp":
        asynchronous = {"verify": UNVERIFIED, "transport": httpx2.AsyncHTTPTransport(verify=False)}
    return types.HttpOptions(base_url=url, client_args={"verify": UNVERIFIED}, async_client_args=asynchronous, **more)


def gemini(url: str, **more: Any) -> genai.Client:
    """A client of the Gemini API."""
    return genai.Client(api_key="any", http_options=options(url, **more))


def vertex(url: str, location: str = "europe-west4", **more: Any) -> genai.Client:
    """A client of Vertex AI."""
    credentials = google.oauth2.credentials.Credentials(token="any")  # type: ignore[no-untyped-call]
    return genai.Client(
        vertexai=True, project="p", location=location, credentials=credentials, http_options=options(url, **more)
    )
