"""What is known of a plain HTTP request before it is sent: whose API, which model, how much, and what is left alone."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

import aiohttp
import pytest
import requests

from ai_cost_calc.providers import provider_for
from ai_cost_calc.providers._http_request import Body, body_of_bytes, sending_of, unseen_body
from tests.providers.readers.bodies import CHAT_COUNTS, chat
from tests.providers.seams.conformance import done
from tests.providers.seams.http_clients import OPEN, OPENAI, close
from tests.providers.seams.plain_server import plain_server
from tests.providers.seams.recording import RecordingMeter

HELLO: Final = [{"role": "user", "content": "Hello there."}]
TRANSCRIBED: Final = json.dumps({"text": "Hello.", "usage": {"type": "duration", "seconds": 3}}).encode()


def asked(url: str, body: dict[str, Any] | None = None, *, method: str = "POST", home: str | None = None) -> Any:
    """What a request is."""
    return sending_of(method, url, lambda: Body(body or {}), home)


@pytest.mark.parametrize(
    ("url", "body", "expected"),
    [
        ("https://api.openai.com/v1/chat/completions", {"model": "gpt-5"}, ("openai", "chat", "gpt-5", False)),
        ("https://api.openai.com/v1/images/generations", {"prompt": "a"}, ("openai", "images", None, False)),
        ("https://api.openai.com/v1/audio/speech", {"model": "tts-1"}, ("openai", "speech", "tts-1", False)),
        (
            "https://r.openai.azure.com/openai/deployments/mine/chat/completions?api-version=1",
            {"stream": True},
            ("azure", "chat", "mine", True),
        ),
        ("https://api.anthropic.com/v1/messages", {"model": "c"}, ("anthropic", "messages", "c", False)),
        (
            "https://generativelanguage.googleapis.com/v1/models/gemini-3:generateContent",
            {},
            ("google", "generate_content", "gemini-3", False),
        ),
        (
            "https://generativelanguage.googleapis.com/v1/models/gemini-3:streamGenerateContent?alt=sse",
            {},
            ("google", "generate_content", "gemini-3", True),
        ),
        ("https://bedrock-runtime.us-east-1.amazonaws.com/model/m/converse", {}, ("aws", "converse", "m", False)),
        ("https://bedrock-runtime.us-east-1.amazonaws.com/model/m/converse-stream", {}, ("aws", "converse", "m", True)),
        ("https://api.mistral.ai/v1/agents/completions#stream", {"agent_id": "a"}, ("mistral", "chat", None, False)),
        ("https://api.eu.mistral.ai/v1/ocr", {"model": "o"}, ("mistral", "ocr", "o", False)),
        ("https://api.cohere.com/v2/rerank", {"model": "r"}, ("cohere", "rerank", "r", False)),
        ("http://localhost:11434/api/chat", {"model": "l"}, ("ollama", "ollama", "l", True)),
        ("http://localhost:11434/api/chat", {"model": "l", "stream": False}, ("ollama", "ollama", "l", False)),
        ("https://llm.example.com/v1/chat/completions", {"model": "gpt-5"}, ("openai", "chat", "gpt-5", False)),
        ("https://llm.example.com/v1/messages", {"model": "claude"}, ("anthropic", "messages", "claude", False)),
    ],
)
def test_a_request_is_known_by_its_url(url: str, body: dict[str, Any], expected: tuple[Any, ...]) -> None:
    """Host and path tell provider and API, the body or the path the model and whether it streams."""
    request = asked(url, body).request
    assert (request.provider, request.api, request.model, request.stream) == expected


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("POST", "https://api.openai.com/v1/moderations"),
        ("POST", "https://api.openai.com/v1/responses/input_tokens"),
        ("POST", "https://api.openai.com/v1/videos"),
        ("POST", "https://api.openai.com/v1/files"),
        ("GET", "https://api.openai.com/v1/models"),
        ("GET", "https://api.openai.com/v1/chat/completions"),
        ("DELETE", "https://api.openai.com/v1/responses/resp_1"),
        ("POST", "https://api.anthropic.com/v1/messages/count_tokens"),
        ("POST", "https://api.cohere.com/v1/tokenize"),
        ("POST", "http://localhost:11434/api/pull"),
        ("POST", "https://api.stripe.com/v1/charges"),
        ("POST", "https://slack.com/api/chat.postMessage"),
        ("POST", "https://example.com/"),
    ],
)
def test_what_is_free_or_unknown_is_left_alone(method: str, url: str) -> None:
    """Free endpoints, other methods and hosts that are no model's begin nothing, and their bodies are not looked at."""

    def body() -> Body:
        raise AssertionError("nobody asked for the body")

    assert sending_of(method, url, body) is None


@pytest.mark.parametrize(
    "url", ["https://chat.example.com/rooms/7/messages", "http://localhost:8000/messages", "https://a.b/v1/responses"]
)
def test_a_copied_path_needs_a_model(url: str) -> None:
    """Somebody else's `/messages` are no model's: where the host does not tell, the body has to name a model."""
    assert asked(url, {"text": "Hello."}) is None
    assert asked(url, {"model": "m"}) is not None


def test_a_proxy_is_its_sdks_vendor() -> None:
    """Where a client is one vendor's, a host that nobody knows serves that vendor's API; a known one serves its own."""
    request = asked("http://127.0.0.1:9/v2/chat", {}, home="cohere").request
    assert (request.provider, request.api) == ("cohere", "chat_v2")
    assert asked("http://127.0.0.1:9/v2/chat", {}) is None
    assert asked("https://api.openai.com/v1/embeddings", {}, home="cohere").request.provider == "openai"
    assert asked("http://127.0.0.1:9/v2/chat", {}, home="cohere").by_proxy


@pytest.mark.parametrize(
    ("body", "limit", "choices"),
    [
        ({"max_tokens": 7}, 7, 1),
        ({"max_completion_tokens": 7, "n": 3}, 7, 3),
        ({"generationConfig": {"maxOutputTokens": 7, "candidateCount": 2}}, 7, 2),
        ({"options": {"num_predict": 7}}, 7, 1),
        ({"options": {"num_predict": -1}}, None, 1),
        ({"inferenceConfig": {"maxTokens": 7}}, 7, 1),
        ({"completion_args": {"max_tokens": 7}}, 7, 1),
        ({"max_tokens": "many", "n": True}, None, 1),
    ],
)
def test_the_callers_limits(body: dict[str, Any], limit: int | None, choices: int) -> None:
    """Each provider has its name for the most that may be answered, and its place for it."""
    request = asked("https://api.openai.com/v1/chat/completions", {"model": "m", **body}).request
    assert (request.max_output_tokens, request.choices) == (limit, choices)


def test_sizes() -> None:
    """Text is measured, a file or an encoded image counts as media, and what cannot be seen counts whole."""
    url = "https://api.openai.com/v1/chat/completions"
    assert asked(url, {"model": "m", "messages": "ab" * 50}).request.input_bytes == 100
    picture = {"role": "user", "content": "hi", "images": ["iVBOR" * 1000]}
    shown = asked(url, {"model": "m", "messages": [picture]}).request
    assert (shown.input_bytes < 100, shown.media_items) == (True, 1)
    unseen = sending_of("POST", url, lambda: unseen_body("5000"))
    assert unseen is not None
    assert (unseen.request.input_bytes, unseen.request.media_items) == (5000, 0)
    endless = sending_of("POST", url, lambda: unseen_body(None))
    assert endless is not None
    assert (endless.request.input_bytes, endless.request.media_items) == (0, 1)


def test_bytes_are_json_a_form_or_unseen() -> None:
    """A form's files are passed over, its truth values and numbers are told by how they look."""
    assert body_of_bytes(b'{"model": "m"}', "application/json") == Body({"model": "m"})
    assert body_of_bytes(b"\x1f\x8b compressed", "application/json") == Body(unseen_bytes=13)
    assert body_of_bytes(b"[1, 2]", "application/json") == Body(unseen_bytes=6)
    form = (
        b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
        b'--x\r\nContent-Disposition: form-data; name="stream"\r\n\r\ntrue\r\n'
        b'--x\r\nContent-Disposition: form-data; name="n"\r\n\r\n2\r\n'
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\n\r\nID3\r\n--x--\r\n'
    )
    fields = {"model": "whisper-1", "stream": True, "n": 2}
    assert body_of_bytes(form, 'multipart/form-data; boundary="x"') == Body(fields, 1)
    assert body_of_bytes(form, "multipart/form-data") == Body()


def test_looking_for_a_background_response_is_no_call() -> None:
    """Polls and cancellations of OpenAI's responses are free, and may find usage."""
    found = asked("https://api.openai.com/v1/responses/resp_1", method="GET")
    assert (found.polls, found.request.provider, found.path) == (True, "openai", b"/v1/responses/resp_1")
    assert asked("https://api.openai.com/v1/responses/resp_1/cancel").polls
    assert asked("https://api.openai.com/v1/responses", {"model": "m", "background": True}).background


def upload(client: Any) -> Any:
    """Send a form with a file, as each library does it."""
    url = "http://api.openai.com/v1/audio/transcriptions"
    if isinstance(client, aiohttp.ClientSession):
        form = aiohttp.FormData({"model": "whisper-1"})
        form.add_field("file", b"ID3 sound", filename="talk.mp3")
        return client.post(url, data=form)
    return client.post(url, data={"model": "whisper-1"}, files={"file": ("talk.mp3", io.BytesIO(b"ID3 sound"))})


@pytest.mark.parametrize("name", OPEN)
async def test_forms_are_read_and_sent_whole(name: str, meter: RecordingMeter) -> None:
    """The model in a form is known, its file counts as media, and arrives."""
    with plain_server(TRANSCRIBED) as server:
        client = OPEN[name](server.url)
        provider_for(client).wrap(client, meter)
        answer = await done(upload(client))
        if isinstance(client, aiohttp.ClientSession):
            assert await answer.read() == TRANSCRIBED
        await done(close(client))
    request = meter.call.request
    assert (request.provider, request.api, request.model) == ("openai", "transcriptions", "whisper-1")
    assert meter.call.media_items == 1
    assert meter.call.usage.counts() == {"audio_seconds": 3}
    assert b"ID3 sound" in server.bodies[0]


PIECES: Final = [b'{"model": "gpt-4.1", ', b'"messages": []}']


def sync_pieces() -> Iterator[bytes]:
    """A body that is made while it is sent."""
    yield from PIECES


async def async_pieces() -> AsyncIterator[bytes]:
    """The same for asyncio."""
    for piece in PIECES:
        yield piece


@pytest.mark.parametrize("name", OPEN)
async def test_a_body_that_is_made_while_it_is_sent(name: str, meter: RecordingMeter) -> None:
    """It is not touched before: it arrives whole, and counts as media of unknown size."""
    with plain_server(json.dumps(chat()).encode()) as server:
        client = OPEN[name](server.url)
        provider_for(client).wrap(client, meter)
        asynchronous = hasattr(client, "aclose") or isinstance(client, aiohttp.ClientSession)
        body: Any = async_pieces() if asynchronous else sync_pieces()
        named = "data" if isinstance(client, aiohttp.ClientSession | requests.Session) else "content"
        answer = await done(client.post("http://api.openai.com/v1/chat/completions", **{named: body}))
        if isinstance(client, aiohttp.ClientSession):
            await answer.json()
        await done(close(client))
    assert server.bodies == [b"".join(PIECES)]
    assert (meter.call.request.model, meter.call.media_items) == (None, 1)
    assert meter.call.reading.model == "gpt-4.1-2025-04-14"


def _headless(plain: bytes) -> bytes:
    compress = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compress.compress(plain) + compress.flush()


COMPRESSES: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "deflate, without its header": _headless,
}


@pytest.mark.parametrize("name", OPEN)
@pytest.mark.parametrize("taken", ["decoded", "raw"])
@pytest.mark.parametrize("encoding", COMPRESSES)
async def test_compressed_answers(name: str, taken: str, encoding: str, meter: RecordingMeter) -> None:
    """Whoever takes the bytes as they came gets them so; they are read all the same."""
    plain = json.dumps(chat()).encode()
    with plain_server(COMPRESSES[encoding](plain)) as server:
        server.headers["content-encoding"] = encoding.partition(",")[0]
        client = OPEN[name](server.url)
        provider_for(client).wrap(client, meter)
        got = await done(fetch(client, raw=taken == "raw"))
        await done(close(client))
    assert got == (server.answer if taken == "raw" else plain)
    assert meter.call.usage.counts() == CHAT_COUNTS
    assert meter.call.ended


def fetch(client: Any, *, raw: bool) -> Any:
    """The bytes of an answer, as they were sent or as they were meant."""
    if isinstance(client, requests.Session):
        response = client.post(OPENAI, json={"model": "m"}, stream=True)
        return response.raw.read(decode_content=False) if raw else response.content
    if isinstance(client, aiohttp.ClientSession):
        return _fetch_aiohttp(client, raw=raw)
    if hasattr(client, "aclose"):
        return _fetch_async(client, raw=raw)
    with client.stream("POST", OPENAI, json={"model": "m"}) as response:
        return b"".join(response.iter_raw() if raw else response.iter_bytes())


async def _fetch_async(client: Any, *, raw: bool) -> bytes:
    async with client.stream("POST", OPENAI, json={"model": "m"}) as response:
        return b"".join([piece async for piece in (response.aiter_raw() if raw else response.aiter_bytes())])


async def _fetch_aiohttp(client: aiohttp.ClientSession, *, raw: bool) -> bytes:
    async with client.post(OPENAI, json={"model": "m"}, auto_decompress=not raw) as response:
        return await response.content.read()
