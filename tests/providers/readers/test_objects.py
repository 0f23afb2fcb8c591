"""What SDKs and HTTP clients hand to their callers."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from anthropic.types import Message
from anthropic.types.beta import BetaMessage
from openai import OpenAI, Stream
from openai._legacy_response import HttpxBinaryResponseContent
from openai.types import Batch, CreateEmbeddingResponse
from openai.types.audio import Transcription, TranscriptionDiarized, TranscriptionVerbose, TranslationVerbose
from openai.types.chat import ChatCompletion
from openai.types.responses import Response
from pydantic import BaseModel

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.providers.readers import message_fields, reading_of
from tests.providers.readers.bodies import (
    CHAT_COUNTS,
    CHAT_USAGE,
    MESSAGE_COUNTS,
    RESPONSE_COUNTS,
    RESPONSE_USAGE,
    SSE,
    chat,
    chat_stream,
    counts,
    json_lines,
    message,
    response,
    sse,
)


def test_models_of_openai_are_read_by_their_attributes() -> None:
    """Every class of the SDK reads as its JSON does; its URL is not known, so neither is the provider."""
    search = {
        "type": "web_search_call",
        "id": "ws_1",
        "status": "completed",
        "action": {"type": "search", "query": "x"},
    }
    embeddings: dict[str, Any] = {
        "object": "list",
        "data": [],
        "model": "e",
        "usage": {"prompt_tokens": 8, "total_tokens": 8},
    }
    batch: dict[str, Any] = {"id": "batch_1", "object": "batch", "model": "m", "usage": RESPONSE_USAGE}
    for model, expected in (
        (ChatCompletion.construct(**chat()), CHAT_COUNTS),
        (ChatCompletion.model_validate(chat()), CHAT_COUNTS),
        (Response.construct(**response(output=[search])), RESPONSE_COUNTS | {"web_searches": 1}),
        (CreateEmbeddingResponse.construct(**embeddings), {"input_tokens": 8}),
        (Batch.construct(**batch), RESPONSE_COUNTS),
    ):
        reading = reading_of(model)
        assert counts(reading) == expected
        assert reading.provider is None
        assert reading.model is not None


def test_a_model_of_openai_may_come_from_any_provider() -> None:
    """The caller's word, or the body's own look, says whose dialect it is; extra fields are read too."""
    usage = CHAT_USAGE | {"cost": 0.00123, "is_byok": False}
    completion = ChatCompletion.construct(**chat(usage))
    assert (reading_of(completion).provider, str(reading_of(completion).provider_cost_usd)) == ("openrouter", "0.00123")
    groq = reading_of(ChatCompletion.construct(**chat()), url="https://api.groq.com/openai/v1/chat/completions")
    assert (groq.provider, counts(groq)) == ("groq", CHAT_COUNTS)


@pytest.mark.parametrize("kind", [Message, BetaMessage])
def test_models_of_anthropic_are_read_by_their_attributes(kind: Any) -> None:
    """Cached tokens and iterations are read as they are from JSON."""
    usage = {"input_tokens": 1, "iterations": [{"type": "compaction", "input_tokens": 60, "output_tokens": 5}]}
    reading = reading_of(kind.construct(**message()))
    assert (counts(reading), reading.provider) == (MESSAGE_COUNTS, "anthropic")
    beta = reading_of(BetaMessage.construct(**message(usage)))
    assert [counts(each) for each in beta.also] == [{"input_tokens": 60, "output_tokens": 5}]


class GoogleUsage(BaseModel):
    """Fields in Python's spelling, as Google's SDK has them."""

    prompt_token_count: int | None = None
    candidates_token_count: int | None = None


class GoogleAnswer(BaseModel):
    """An answer of Google's SDK."""

    usage_metadata: GoogleUsage
    model_version: str


GoogleAnswer.__module__ = "google.genai.types"


def test_models_that_spell_names_pythons_way_are_read() -> None:
    """Google's SDK renames every field of the wire."""
    metadata = GoogleUsage(prompt_token_count=7, candidates_token_count=3)
    reading = reading_of(GoogleAnswer(usage_metadata=metadata, model_version="gemini-2.5-flash"))
    assert counts(reading) == {"input_tokens": 7, "output_tokens": 3}
    assert (reading.provider, reading.model) == ("google", "gemini-2.5-flash")


def test_what_google_hands_out_has_other_names_than_the_wire() -> None:
    """Embeddings of Vertex AI have counts of their own; images are counted, unless a filter took them."""
    types = pytest.importorskip("google.genai.types")
    embeddings = [{"values": [0.1], "statistics": {"token_count": tokens}} for tokens in (4, 3)]
    embedded = types.EmbedContentResponse.model_validate({"embeddings": embeddings})
    assert counts(reading_of(embedded)) == {"input_tokens": 7}
    whole = {"embeddings": [{"values": [0.1]}], "usage_metadata": {"prompt_token_count": 9}}
    assert counts(reading_of(types.EmbedContentResponse.model_validate(whole))) == {"input_tokens": 9}
    images = [{"image": {"mime_type": "image/png"}}, {"rai_filtered_reason": "filtered"}]
    painted = types.GenerateImagesResponse.model_validate({"generated_images": images})
    assert counts(reading_of(painted)) == {"images": 1}


def test_what_openai_says_of_audio_is_seconds_or_tokens() -> None:
    """Each class of a transcription has its own way to say it; a translation has its duration alone."""
    tokens = {"type": "tokens", "input_tokens": 5, "output_tokens": 2, "input_token_details": {"audio_tokens": 5}}
    for model, expected in (
        (Transcription.construct(text="Hi", usage=tokens), {"input_tokens": 5, "output_tokens": 2}),
        (
            TranscriptionDiarized.construct(text="Hi", duration=8.5, usage=tokens),
            {"input_tokens": 5, "output_tokens": 2},
        ),
        (
            TranscriptionVerbose.construct(
                text="Hi", language="english", duration=8.5, usage={"type": "duration", "seconds": 9}
            ),
            {"audio_seconds": 9},
        ),
        (TranslationVerbose.construct(text="Hi", language="english", duration=8.5), {"audio_seconds": 8.5}),
    ):
        assert counts(reading_of(model)) == expected | ({"input_audio_tokens": 5} if "input_tokens" in expected else {})


def test_ocr_of_the_sdk_without_an_annotation_is_not_annotated() -> None:
    """What Mistral's SDK puts for "not set" is no annotation."""
    models = pytest.importorskip("mistralai.client.models")
    body = {"pages": [], "model": "mistral-ocr-2512", "usage_info": {"pages_processed": 3}}
    pages = {"input_document_pages": 3}
    assert counts(reading_of(models.OCRResponse.model_validate(body))) == pages
    annotated = models.OCRResponse.model_validate(body | {"document_annotation": "{}"})
    assert counts(reading_of(annotated)) == pages | {"input_annotated_document_pages": 3}


class Unset(BaseModel):
    """What Mistral's SDK puts where the response had nothing."""


class MistralUsage(BaseModel, extra="allow"):
    """Usage with fields that were not set, and one that the SDK does not know."""

    prompt_tokens: int = 9
    completion_tokens: Unset | int = Unset()
    prompt_audio_seconds: Unset | int = Unset()


def test_fields_that_were_not_set_are_no_anomaly() -> None:
    """Placeholders for absent fields are absent fields."""
    usage = MistralUsage.model_validate({"num_cached_tokens": 4})
    reading = reading_of(SimpleNamespace(model="mistral-small", usage=usage), provider="mistral", api="chat")
    assert counts(reading) == {"input_tokens": 9, "cache_read_tokens": 4}
    assert reading.anomaly is None


def test_protocol_buffers_are_read_by_their_descriptors() -> None:
    """XAI's SDK hands out messages; numbers become the names that JSON has, and what was not set is no zero."""
    proto = pytest.importorskip("xai_sdk.proto")
    tools = [proto.usage_pb2.SERVER_SIDE_TOOL_WEB_SEARCH] * 2
    usage = proto.usage_pb2.SamplingUsage(
        prompt_tokens=10, completion_tokens=2, reasoning_tokens=3, server_side_tools_used=tools
    )
    outputs = [proto.chat_pb2.CompletionOutput(message=proto.chat_pb2.CompletionMessage(content="secret"))]
    answer = proto.chat_pb2.GetChatCompletionResponse(id="x", model="grok-4", usage=usage, outputs=outputs)
    reading = reading_of(answer, provider="x-ai", api="grpc_chat")
    assert counts(reading) == {
        "input_tokens": 10,
        "output_tokens": 5,
        "output_reasoning_tokens": 3,
        "web_searches": 2,
    }
    assert (reading.model, reading.response_id, reading.provider_cost_usd) == ("grok-4", "x", None)
    assert message_fields(answer).keys() == {"id", "model", "system_fingerprint", "citations", "service_tier", "usage"}
    unset = reading_of(proto.chat_pb2.GetChatCompletionResponse(model="grok-4"), provider="x-ai", api="grpc_chat")
    assert unset.usage is None


def test_values_that_a_protocol_does_not_know_keep_their_number() -> None:
    """An SDK may be older than the service that it talks to."""
    proto = pytest.importorskip("xai_sdk.proto")
    usage = proto.usage_pb2.SamplingUsage.FromString(b"\x4a\x01\x63")  # server_side_tools_used: 99
    assert message_fields(usage)["server_side_tools_used"] == [99]


def test_dictionaries_of_botocore_are_read_without_touching_the_body() -> None:
    """Converse is parsed already; the body of InvokeModel can be read once, and is the caller's."""
    converse = {"ResponseMetadata": {"HTTPHeaders": {}}, "usage": {"inputTokens": 5, "outputTokens": 6}}
    assert counts(reading_of(converse, model="m")) == {"input_tokens": 5, "output_tokens": 6}

    class Body:
        def read(self) -> bytes:
            raise AssertionError("the caller's body was read")

    headers = {"x-amzn-bedrock-input-token-count": "4", "x-amzn-bedrock-output-token-count": "2"}
    reading = reading_of({"ResponseMetadata": {"HTTPHeaders": headers}, "body": Body()}, model="m")
    assert counts(reading) == {"input_tokens": 4, "output_tokens": 2}
    assert (reading.provider, reading.model) == ("aws", "m")


def _client(body: bytes, content_type: str = "application/json") -> httpx2.Client:
    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": content_type}, content=iter([body]))

    return httpx2.Client(transport=httpx2.MockTransport(answer))


def test_responses_of_http_clients_tell_their_url() -> None:
    """The response knows where it came from, its type and its headers."""
    with _client(json.dumps(chat()).encode()) as client:
        reading = reading_of(client.post("https://api.groq.com/openai/v1/chat/completions"))
        assert (counts(reading), reading.provider) == (CHAT_COUNTS, "groq")
        with client.stream("POST", "https://api.openai.com/v1/chat/completions") as unread:
            reading = reading_of(unread)
            assert (reading.usage, reading.complete) == (None, False)
            assert "not read yet" in (reading.anomaly or "")
            assert json.loads(unread.read()) == chat(), "the caller can still read it"


def test_raw_responses_of_an_sdk_are_read() -> None:
    """`with_raw_response` and files wrap the HTTP response."""
    body = json.dumps(chat()).encode()
    with _client(body) as http, OpenAI(api_key="none", http_client=http) as client:
        raw = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=[])
        assert counts(reading_of(raw)) == CHAT_COUNTS
        assert reading_of(raw).provider == "openai"
    lines = json_lines({"custom_id": "1", "response": {"body": chat()}})
    with _client(lines, "application/octet-stream") as http, OpenAI(api_key="none", http_client=http) as client:
        content = client.files.content("file-1")
        assert isinstance(content, HttpxBinaryResponseContent)
        assert counts(reading_of(content)) == CHAT_COUNTS
        assert reading_of(content).service_tier == "batch"


def test_a_stream_is_no_response() -> None:
    """It is left unconsumed, and the reading says what to do."""
    with _client(sse(*chat_stream()), SSE) as http, OpenAI(api_key="none", http_client=http) as client:
        stream = client.chat.completions.create(model="gpt-4o", messages=[], stream=True)
        assert isinstance(stream, Stream)
        reading = reading_of(stream, model="gpt-4o")
        assert (reading.usage, reading.complete, reading.model) == (None, False, "gpt-4o")
        assert reading.anomaly == "no usage can be read from a Stream: it is a stream; record what it adds up to"
        assert len(list(stream)) == len(chat_stream()) - 1, "nothing was taken from it"


class Awkward:
    """An object each of whose attributes raises."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


@pytest.mark.parametrize(
    "thing",
    [None, 5, object(), [], [1], {}, iter(()), Awkward(), SimpleNamespace(), SimpleNamespace(a=1), print, type],
    ids=type,
)
def test_anything_else_is_told_and_never_raises(thing: object) -> None:
    """Recording goes beside the caller's call, which must go on."""
    reading = reading_of(thing, provider="xai", model="m")
    assert (reading.usage, reading.complete) == (None, False)
    assert (reading.provider, reading.model) == ("x-ai", "m")
    assert (reading.anomaly or "").startswith("no usage can be read from a ")


def test_what_was_read_already_passes_through() -> None:
    """Users may hand in their own counts."""
    reading = Reading(usage=Usage(input_tokens=1))
    assert reading_of(reading) is reading
    assert reading_of(Usage(input_tokens=2), provider="xai", model="m") == Reading(
        usage=Usage(input_tokens=2), provider="x-ai", model="m"
    )


@pytest.mark.parametrize("body", [json.dumps(chat()), json.dumps(chat()).encode(), chat()])
def test_bodies_are_read_in_every_form(body: Any) -> None:
    """Text, bytes and what they were parsed to."""
    assert counts(reading_of(body)) == CHAT_COUNTS
