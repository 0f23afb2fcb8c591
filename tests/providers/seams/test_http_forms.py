"""Every billed method of Mistral's, Cohere's and Ollama's clients, and what providers recorded of them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final

import cohere
import httpx
import ollama
import pydantic
import pytest

from ai_cost_calc.providers import provider_for
from ai_cost_calc.testing import ProviderSimulator
from tests.providers.readers.bodies import PLAIN, PLAIN_COUNTS, chat, sse
from tests.providers.seams.conformance import each
from tests.providers.seams.exchanges import Ask, load, names, needs_recordings
from tests.providers.seams.http_clients import without_certificates
from tests.providers.seams.http_conformance import body_of, check_recorded, content_type_of, taken
from tests.providers.seams.recording import RecordingMeter
from tests.providers.seams.test_http_sdks import BILLED, BILLED_COUNTS, COHERE_V1_ANSWER, MESSAGES, mistral

Form = tuple[Callable[[Any], Any], Any, str, dict[str, Any] | None]
"""How it is called, what is answered, which API it is, and what was used; `None` where the answer does not tell."""


class Greeting(pydantic.BaseModel):
    """What an answer is parsed to."""

    hello: str


SMALL: Final = "mistral-small-latest"
GREETED: Final = chat(PLAIN, model=SMALL, choices=[
    {"index": 0, "message": {"role": "assistant", "content": '{"hello": "you"}'}, "finish_reason": "stop"}
])  # fmt: skip
CONVERSATION: Final = {
    "conversation_id": "conv_1", "object": "conversation.response", "usage": {**PLAIN, "connector_tokens": 5},
    "outputs": [{"type": "message.output", "content": "Hello.", "id": "msg_1", "model": SMALL}],
}  # fmt: skip
EMBEDDED: Final = {
    "id": "e1", "object": "list", "model": "mistral-embed",
    "data": [{"object": "embedding", "embedding": [0.5], "index": 0}],
    "usage": {"prompt_tokens": 30, "completion_tokens": 0, "total_tokens": 30},
}  # fmt: skip
PAGES: Final = {"pages": [], "model": "mistral-ocr-latest", "usage_info": {"pages_processed": 29}}
HEARD: Final[dict[str, Any]] = {
    "model": "voxtral-mini-latest", "text": "Hello.", "language": None, "segments": [],
    "usage": {"prompt_audio_seconds": 13, "prompt_tokens": 3, "completion_tokens": 7, "total_tokens": 200},
}  # fmt: skip
MODERATED: Final = {"id": "m1", "model": "mistral-moderation-latest", "results": []}
DOCUMENT: Final[Any] = {"type": "document_url", "document_url": "https://example.com/a.pdf"}

pytestmark = pytest.mark.filterwarnings(r"ignore:ast\.\w+ is deprecated:DeprecationWarning")
"""jsonpath-python 1.1, which mistralai imports, asks Python 3.13 for names that Python gives up."""

MISTRAL: Final[dict[str, Form]] = {
    "parse": (
        lambda c: c.chat.parse(Greeting, model=SMALL, messages=MESSAGES), GREETED, "chat", PLAIN_COUNTS
    ),
    "fim": (lambda c: c.fim.complete(model="codestral-latest", prompt="def f("), GREETED, "chat", PLAIN_COUNTS),
    "agents": (lambda c: c.agents.complete(agent_id="a1", messages=MESSAGES), GREETED, "chat", PLAIN_COUNTS),
    "conversations": (
        lambda c: c.beta.conversations.start(model=SMALL, inputs="Hello."), CONVERSATION, "conversations",
        {"input_tokens": 35, "output_tokens": 7, "input_tool_tokens": 5},
    ),
    "append": (
        lambda c: c.beta.conversations.append(conversation_id="conv_1", inputs="Hello."), CONVERSATION, "conversations",
        {"input_tokens": 35, "output_tokens": 7, "input_tool_tokens": 5},
    ),
    "embeddings": (
        lambda c: c.embeddings.create(model="mistral-embed", inputs=["Hello."]), EMBEDDED, "embeddings",
        {"input_tokens": 30},
    ),
    "ocr": (
        lambda c: c.ocr.process(model="mistral-ocr-latest", document=DOCUMENT), PAGES, "ocr",
        {"input_document_pages": 29},
    ),
    "transcriptions": (
        lambda c: c.audio.transcriptions.complete(
            model="voxtral-mini-latest", file={"content": b"ID3", "file_name": "talk.mp3"}
        ), HEARD, "transcriptions", {"input_tokens": 3, "output_tokens": 7, "audio_seconds": 13},
    ),
    "speech": (
        lambda c: c.audio.speech.complete(model="voxtral-mini-tts-latest", input="Hello.", voice_id="v1"),
        {"audio_data": "SUQz"}, "speech", None,
    ),
    "classify": (
        lambda c: c.classifiers.moderate(model="mistral-moderation-latest", inputs=["Hello."]), MODERATED, "classify",
        None,
    ),
}  # fmt: skip

RANKED: Final = {"id": "r1", "results": [], "meta": {"billed_units": {"search_units": 2}}}
COHERE: Final[dict[str, Form]] = {
    "embed": (
        lambda c: c.v2.embed(model="embed-v4.0", input_type="search_query", texts=["a"], embedding_types=["float"]),
        {"id": "e1", "embeddings": {"float": [[0.5]]}, "texts": ["a"], "meta": {"billed_units": {"input_tokens": 3}}},
        "cohere_embed", {"input_tokens": 3},
    ),
    "rerank": (lambda c: c.rerank(model="rerank-v3.5", query="a", documents=["b"]), RANKED, "rerank",
               {"rerank_searches": 2}),
    "rerank, version 2": (lambda c: c.v2.rerank(model="rerank-v3.5", query="a", documents=["b"]), RANKED, "rerank",
                          {"rerank_searches": 2}),
    "generate": (
        lambda c: c.generate(model="command", prompt="Hello."),
        {"id": "g1", "generations": [{"id": "g2", "text": "Hi."}], "meta": BILLED}, "chat_v1", BILLED_COUNTS,
    ),
    "summarize": (
        lambda c: c.summarize(model="command", text="Hello."), {"id": "s1", "summary": "Hi.", "meta": BILLED},
        "classify", BILLED_COUNTS,
    ),
    "classify": (
        lambda c: c.classify(model="embed-english-v3.0", inputs=["a"]),
        {"id": "k1", "classifications": [], "meta": {"billed_units": {"classifications": 1}}}, "classify", None,
    ),
    "parse": (
        lambda c: c.v2.parse(model="parse", document={"type": "document_url", "document_url": "https://example.com"}),
        {"id": "p1", "pages": [], "meta": {"billed_units": {"pages": 4}}}, "parse", {"input_document_pages": 4},
    ),
    "transcriptions": (
        lambda c: c.audio.transcriptions.create(model="transcribe", language="en", file=("a.mp3", io.BytesIO(b"ID3"))),
        {"text": "Hello."}, "transcriptions", None,
    ),
}  # fmt: skip

COUNTED: Final = {"model": "llama3.2", "prompt_eval_count": 3, "eval_count": 5, "done": True}
OLLAMA: Final[dict[str, Form]] = {
    "generate": (
        lambda c: c.generate("llama3.2", "Hello."), {**COUNTED, "response": "Hi."}, "ollama",
        {"input_tokens": 3, "output_tokens": 5},
    ),
    "embed": (
        lambda c: c.embed("nomic", ["a"]), {"model": "nomic", "embeddings": [[0.5]], "prompt_eval_count": 3}, "ollama",
        {"input_tokens": 3},
    ),
    "embeddings": (lambda c: c.embeddings("nomic", "a"), {"embedding": [0.5]}, "ollama", None),
    "systemone": (
        lambda c: c.systemone("llama3.2", "a state", {}),
        {"model": "llama3.2", "answers": {}, "usage": {"input_tokens": 3, "output_tokens": 5}}, "systemone",
        {"input_tokens": 3, "output_tokens": 5},
    ),
}  # fmt: skip


@pytest.fixture
def mistral_client(simulator: ProviderSimulator, meter: RecordingMeter) -> Iterator[Any]:
    """A wrapped client of Mistral's."""
    client = mistral(simulator.url)
    provider_for(client).wrap(client, meter)
    with client.sdk_configuration.client:  # type: ignore[union-attr]  # it was given one
        yield client


@pytest.fixture
def cohere_client(simulator: ProviderSimulator, meter: RecordingMeter) -> Iterator[Any]:
    """A wrapped client of Cohere's."""
    with without_certificates(httpx) as http:
        client = cohere.Client("any", base_url=simulator.url, httpx_client=http)
        provider_for(client).wrap(client, meter)
        yield client


@pytest.fixture
def ollama_client(simulator: ProviderSimulator, meter: RecordingMeter) -> Iterator[Any]:
    """A wrapped client of Ollama's."""
    with ollama.Client(simulator.url, verify=False) as client:
        provider_for(client).wrap(client, meter)
        yield client


def check_form(form: Form, provider: str, client: Any, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """One request, one begin under the right names, one reading, one end; what is not told is unknown, not zero."""
    call, answer, api, used = form
    simulator.replay(body=json.dumps(answer).encode())
    call(client)
    assert len(simulator.requests) == 1
    assert (meter.call.request.provider, meter.call.request.api) == (provider, api)
    assert meter.call.ended
    if used is None:
        assert (meter.call.reading.usage, meter.call.reading.complete) == (None, False)
    else:
        assert meter.call.usage.counts() == used
        assert meter.call.reading.complete


@pytest.mark.parametrize("form", MISTRAL)
def test_mistral(form: str, mistral_client: Any, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """A method of Mistral's client is metered once."""
    check_form(MISTRAL[form], "mistral", mistral_client, meter, simulator)


@pytest.mark.parametrize("form", COHERE)
def test_cohere(form: str, cohere_client: Any, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """A method of Cohere's client is metered once."""
    check_form(COHERE[form], "cohere", cohere_client, meter, simulator)


@pytest.mark.parametrize("form", OLLAMA)
def test_ollama(form: str, ollama_client: Any, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """A method of Ollama's client is metered once."""
    check_form(OLLAMA[form], "ollama", ollama_client, meter, simulator)


async def test_mistral_streams_conversations_and_transcriptions(
    mistral_client: Any, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Streams that are no chat say what they used with their last event."""
    done = {"type": "conversation.response.done", "created_at": "2026-11-25T07:00:00Z", "usage": PLAIN}
    simulator.replay(body=sse(done, named=True), content_type="text/event-stream")
    events = mistral_client.beta.conversations.start_stream(model=SMALL, inputs="Hello.")
    assert [event async for event in each(events)]
    assert (meter.call.request.stream, meter.call.usage.counts()) == (True, PLAIN_COUNTS)
    meter.forget()
    heard = {"type": "transcription.done", **HEARD}
    simulator.replay(body=sse(heard, named=True), content_type="text/event-stream")
    events = mistral_client.audio.transcriptions.stream(model="voxtral", file={"content": b"ID3", "file_name": "a.mp3"})
    assert [event async for event in each(events)]
    assert (meter.call.request.stream, meter.call.request.model) == (True, "voxtral")
    assert meter.call.usage.audio_seconds == 13


def test_what_is_free_is_not_begun(
    cohere_client: Any, mistral_client: Any, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Counting tokens and listing models cost nothing, and are never refused."""
    simulator.replay(body=b'{"tokens": [1], "token_strings": ["a"]}')
    cohere_client.tokenize(text="a", model="command", offline=False)
    simulator.replay(body=b'{"object": "list", "data": []}')
    mistral_client.models.list()
    assert meter.calls == []


def test_a_stream_of_cohere_1(cohere_client: Any, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """Version 1 streams JSON lines, which say on the last one what is billed."""
    last = {"is_finished": True, "event_type": "stream-end", "finish_reason": "COMPLETE", "response": COHERE_V1_ANSWER}
    simulator.replay(body=json.dumps(last).encode() + b"\n", content_type="application/stream+json")
    assert len(list(cohere_client.chat_stream(model="command", message="Hello."))) == 1
    assert meter.call.usage.counts() == BILLED_COUNTS


RECORDED_MISTRAL: Final[dict[str, Ask]] = {
    "chat": lambda c, s: (c.chat.stream if s else c.chat.complete)(model=SMALL, messages=MESSAGES),
    "embeddings": lambda c, _: c.embeddings.create(model="mistral-embed", inputs=["Hello."]),
    "ocr": lambda c, _: c.ocr.process(model="mistral-ocr-latest", document=DOCUMENT),
    "speech": lambda c, _: MISTRAL["speech"][0](c),
    "transcriptions": lambda c, _: MISTRAL["transcriptions"][0](c),
}
RECORDED_COHERE: Final[dict[str, Ask]] = {
    "chat_v1": lambda c, s: (c.chat_stream if s else c.chat)(model="command", message="Hello."),
    "chat_v2": lambda c, s: (c.v2.chat_stream if s else c.v2.chat)(model="command", messages=MESSAGES),
    "cohere_embed": lambda c, _: c.v2.embed(model="embed-v4.0", input_type="search_query", texts=["Hello."]),
    "rerank": lambda c, _: c.v2.rerank(model="rerank-v3.5", query="a", documents=["b"]),
}
RECORDED_OLLAMA: Final[dict[str, Ask]] = {
    "/api/chat": lambda c, s: c.chat("llama3.2", MESSAGES, stream=s),
    "/api/embed": lambda c, _: c.embed("nomic", "Hello."),
    "/api/embeddings": lambda c, _: c.embeddings("nomic", "Hello."),
    "/api/generate": lambda c, s: c.generate("llama3.2", "Hello.", stream=s),
}
"""By their paths: all of them are one API."""


async def replayed(name: str, asks: dict[str, Ask], client: Any, meter: RecordingMeter, simulator: Any) -> None:
    """What the tap reads of an exchange is what is read of its whole body, whatever the SDK makes of it."""
    exchange = load(name)
    simulator.replay(body=body_of(exchange), content_type=content_type_of(exchange), status=exchange["status"])
    with suppress(Exception):  # errors are the SDK's, some of which cannot read what an older API answered
        ask = asks.get(exchange["api"]) or asks[exchange["url_path"]]
        await taken(lambda _: ask(client, exchange["streaming"]), client)
    check_recorded(exchange, f"{simulator.url}{simulator.requests[-1].path}", meter)


@pytest.mark.recorded
@needs_recordings
@pytest.mark.parametrize("name", names("mistral", RECORDED_MISTRAL))
async def test_recorded_by_mistral(name: str, mistral_client: Any, meter: RecordingMeter, simulator: Any) -> None:
    """Exchanges of Mistral's, through its SDK."""
    await replayed(name, RECORDED_MISTRAL, mistral_client, meter, simulator)


@pytest.mark.recorded
@needs_recordings
@pytest.mark.parametrize("name", names("cohere", RECORDED_COHERE))
async def test_recorded_by_cohere(name: str, cohere_client: Any, meter: RecordingMeter, simulator: Any) -> None:
    """Exchanges of Cohere's, through its SDK."""
    await replayed(name, RECORDED_COHERE, cohere_client, meter, simulator)


@pytest.mark.recorded
@needs_recordings
@pytest.mark.parametrize("name", names("ollama", {"ollama": RECORDED_OLLAMA["/api/chat"]}))
async def test_recorded_by_ollama(name: str, ollama_client: Any, meter: RecordingMeter, simulator: Any) -> None:
    """Exchanges of Ollama's, through its SDK."""
    await replayed(name, RECORDED_OLLAMA, ollama_client, meter, simulator)
