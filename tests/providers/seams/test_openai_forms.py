"""Every way to ask OpenAI's clients for something that is billed: begun once, read once, ended once."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any

import openai
import pytest
from openai._models import FinalRequestOptions
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel

from ai_cost_calc.providers import provider_for
from ai_cost_calc.providers.openai import PROVIDER
from ai_cost_calc.testing import ProviderSimulator
from tests.providers.seams.conftest import USAGE, MakeClient
from tests.providers.seams.recording import RecordingMeter

HELLO = [{"role": "user", "content": "Say hello to the team in Oslo."}]
CHAT: dict[str, Any] = {"model": "gpt-4o", "messages": HELLO}
ASK: dict[str, Any] = {"model": "gpt-5", "input": "Say hello."}


class Greeting(BaseModel):
    """What structured output is asked for."""

    text: str


def drain(stream: Any) -> None:
    """Take a stream to its end."""
    for _ in stream:
        pass


async def adrain(stream: Any) -> None:
    """Take an asynchronous stream to its end."""
    async for _ in stream:
        pass


def _stream_helper(client: Any) -> None:
    with client.chat.completions.stream(**CHAT) as stream:
        stream.get_final_completion()


def _responses_helper(client: Any) -> None:
    with client.responses.stream(**ASK) as stream:
        stream.get_final_response()


def _streaming_response(read: Callable[[Any], Any], **more: Any) -> Callable[[Any], None]:
    def form(client: Any) -> None:
        with client.chat.completions.with_streaming_response.create(**CHAT, **more) as response:
            read(response)

    return form


FORMS: dict[str, Callable[[Any], Any]] = {
    "chat": lambda c: c.chat.completions.create(**CHAT),
    "chat parse": lambda c: c.chat.completions.parse(**CHAT, response_format=Greeting),
    "chat stream": lambda c: drain(c.chat.completions.create(**CHAT, stream=True)),
    "chat stream, usage asked for": lambda c: drain(
        c.chat.completions.create(**CHAT, stream=True, stream_options={"include_usage": True})
    ),
    "chat stream helper": _stream_helper,
    "chat raw": lambda c: c.chat.completions.with_raw_response.create(**CHAT).parse(),
    "chat raw, not parsed": lambda c: c.chat.completions.with_raw_response.create(**CHAT),
    "chat raw stream": lambda c: drain(c.chat.completions.with_raw_response.create(**CHAT, stream=True).parse()),
    "chat streaming response, parsed": _streaming_response(lambda response: response.parse()),
    "chat streaming response, read": _streaming_response(lambda response: response.read()),
    "chat streaming response, bytes": _streaming_response(lambda response: drain(response.iter_bytes())),
    "chat streaming response, small bytes": _streaming_response(lambda response: drain(response.iter_bytes(7))),
    "chat streaming response, raw bytes": _streaming_response(lambda r: drain(r.http_response.iter_raw())),
    "chat streaming response, lines": _streaming_response(lambda response: drain(response.iter_lines()), stream=True),
    "chat streaming response, text": _streaming_response(lambda response: drain(response.iter_text()), stream=True),
    "chat streaming response, stream": _streaming_response(lambda response: drain(response.parse()), stream=True),
    "chat beta": lambda c: c.beta.chat.completions.parse(**CHAT, response_format=Greeting),
    "chat, options": lambda c: c.with_options(timeout=20).chat.completions.create(**CHAT),
    "chat, copy": lambda c: c.copy(max_retries=0).chat.completions.create(**CHAT),
    "posted": lambda c: c.post("/chat/completions", body=CHAT, cast_to=ChatCompletion),
    "posted, to a dict": lambda c: c.post("/chat/completions", body=CHAT, cast_to=object),
    "posted, stream": lambda c: drain(
        c.post(
            "/chat/completions",
            body={**CHAT, "stream": True},
            cast_to=ChatCompletion,
            stream=True,
            stream_cls=openai.Stream[ChatCompletionChunk],
        )
    ),
    "posted, a stream read whole": lambda c: c.post("/chat/completions", body={**CHAT, "stream": True}, cast_to=str),
    "completions": lambda c: c.completions.create(model="gpt-3.5-turbo-instruct", prompt="Say hello."),
    "completions stream": lambda c: drain(
        c.completions.create(model="gpt-3.5-turbo-instruct", prompt="Say hello.", stream=True)
    ),
}
"""Forms that OpenAI and Azure both know; Azure names a deployment where OpenAI names a model."""

RESPONSES: dict[str, Callable[[Any], Any]] = {
    "responses": lambda c: c.responses.create(**ASK),
    "responses parse": lambda c: c.responses.parse(**ASK, text_format=Greeting),
    "responses stream": lambda c: drain(c.responses.create(**ASK, stream=True)),
    "responses stream helper": _responses_helper,
    "responses raw": lambda c: c.responses.with_raw_response.create(**ASK).parse(),
}


async def _astream_helper(client: Any) -> None:
    async with client.chat.completions.stream(**CHAT) as stream:
        await stream.get_final_completion()


async def _aresponses_helper(client: Any) -> None:
    async with client.responses.stream(**ASK) as stream:
        await stream.get_final_response()


def _astreaming_response(read: Callable[[Any], Any], **more: Any) -> Callable[[Any], Any]:
    async def form(client: Any) -> None:
        async with client.chat.completions.with_streaming_response.create(**CHAT, **more) as response:
            await read(response)

    return form


async def _araw_stream(client: Any) -> None:
    raw = await client.chat.completions.with_raw_response.create(**CHAT, stream=True)
    await adrain(raw.parse())


async def _aparsed_stream(response: Any) -> None:
    await adrain(await response.parse())


async def _astream(client: Any, **more: Any) -> None:
    await adrain(await client.chat.completions.create(**CHAT, stream=True, **more))


async def _aresponses_stream(client: Any) -> None:
    await adrain(await client.responses.create(**ASK, stream=True))


ASYNC_FORMS: dict[str, Callable[[Any], Any]] = {
    "chat": lambda c: c.chat.completions.create(**CHAT),
    "chat parse": lambda c: c.chat.completions.parse(**CHAT, response_format=Greeting),
    "chat stream": _astream,
    "chat stream, usage asked for": lambda c: _astream(c, stream_options={"include_usage": True}),
    "chat stream helper": _astream_helper,
    "chat raw": lambda c: c.chat.completions.with_raw_response.create(**CHAT),
    "chat raw stream": _araw_stream,
    "chat streaming response, parsed": _astreaming_response(lambda response: response.parse()),
    "chat streaming response, read": _astreaming_response(lambda response: response.read()),
    "chat streaming response, bytes": _astreaming_response(lambda response: adrain(response.iter_bytes())),
    "chat streaming response, raw bytes": _astreaming_response(lambda r: adrain(r.http_response.aiter_raw())),
    "chat streaming response, lines": _astreaming_response(lambda r: adrain(r.iter_lines()), stream=True),
    "chat streaming response, stream": _astreaming_response(_aparsed_stream, stream=True),
    "chat, options": lambda c: c.with_options(timeout=20).chat.completions.create(**CHAT),
    "posted": lambda c: c.post("/chat/completions", body=CHAT, cast_to=ChatCompletion),
    "completions": lambda c: c.completions.create(model="gpt-3.5-turbo-instruct", prompt="Say hello."),
}

ASYNC_RESPONSES: dict[str, Callable[[Any], Any]] = {
    "responses": lambda c: c.responses.create(**ASK),
    "responses parse": lambda c: c.responses.parse(**ASK, text_format=Greeting),
    "responses stream": _aresponses_stream,
    "responses stream helper": _aresponses_helper,
}


@pytest.fixture
def azure(make_azure: MakeClient, meter: RecordingMeter) -> Any:
    """A wrapped client of an Azure resource."""
    client = make_azure()
    provider_for(client).wrap(client, meter)
    return client


@pytest.fixture
async def aazure(simulator: ProviderSimulator, meter: RecordingMeter) -> AsyncIterator[openai.AsyncAzureOpenAI]:
    """A wrapped asynchronous client of an Azure resource."""
    async with openai.AsyncAzureOpenAI(
        azure_endpoint=simulator.azure_endpoint,
        api_version="2025-04-01-preview",
        api_key="any",
        http_client=openai.DefaultAsyncHttpxClient(verify=False),
    ) as client:
        provider_for(client).wrap(client, meter)
        yield client


def check(meter: RecordingMeter, simulator: ProviderSimulator, provider: str) -> None:
    """One request, one begin, one reading with the exact usage, one end."""
    assert len(simulator.requests) == 1
    call = meter.call
    details = {} if call.request.api == "completions" else {"cache_read_tokens": USAGE["cache_read_tokens"]}
    assert call.usage.counts() == {name: USAGE[name] for name in ("input_tokens", "output_tokens")} | details
    assert call.ended
    assert call.reading.complete
    assert not call.reading.estimated
    assert (call.request.provider, call.reading.provider) == (provider, provider)
    assert call.input_bytes >= len("Say hello.")


@pytest.mark.parametrize("form", FORMS | RESPONSES)
def test_openai_is_metered_once(
    form: str, openai_client: openai.OpenAI, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Whatever the form, OpenAI's client begins, reads and ends one call, with the usage that was reported."""
    (FORMS | RESPONSES)[form](openai_client)
    check(meter, simulator, "openai")


@pytest.mark.parametrize("form", FORMS)
def test_azure_is_metered_once(
    form: str, azure: openai.AzureOpenAI, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Azure's client, which rewrites paths, is metered in every form too."""
    FORMS[form](azure)
    check(meter, simulator, "azure")


@pytest.mark.parametrize("form", ASYNC_FORMS | ASYNC_RESPONSES)
async def test_async_openai_is_metered_once(
    form: str, async_client: openai.AsyncOpenAI, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Whatever the form, the asynchronous client begins, reads and ends one call."""
    await (ASYNC_FORMS | ASYNC_RESPONSES)[form](async_client)
    check(meter, simulator, "openai")


@pytest.mark.parametrize("form", ASYNC_FORMS)
async def test_async_azure_is_metered_once(
    form: str, aazure: openai.AsyncAzureOpenAI, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Azure's asynchronous client is metered in every form too."""
    await ASYNC_FORMS[form](aazure)
    check(meter, simulator, "azure")


def test_embeddings_are_metered(
    openai_client: openai.OpenAI, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Embeddings report input only, and name no response."""
    openai_client.embeddings.create(model="text-embedding-3-small", input=["one", "two"])
    assert meter.call.usage.input_tokens == USAGE["input_tokens"]
    assert meter.call.usage.output_tokens == 0
    assert meter.call.request.api == "embeddings"


def test_azure_with_a_deployment_of_its_own(
    make_azure: MakeClient, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """A deployment in the client's base URL is the model, where a request names none that matters."""
    client = make_azure(azure_deployment="gpt-4o")
    provider_for(client).wrap(client, meter)
    client.chat.completions.create(**CHAT)
    check(meter, simulator, "azure")
    assert meter.call.reading.model == "gpt-4o-2024-08-06"


HOSTS = {
    "https://api.openai.com/v1": "openai",
    "https://eu.api.openai.com/v1": "openai",
    "https://api.groq.com/openai/v1": "groq",
    "https://openrouter.ai/api/v1": "openrouter",
    "http://127.0.0.1:40123/v1": "openai",
}


@pytest.mark.parametrize("url", HOSTS)
def test_the_host_tells_the_provider(url: str) -> None:
    """OpenAI's client talks to many providers; one that is not known is taken for OpenAI."""
    options = FinalRequestOptions.construct(method="post", url="/chat/completions", json_data=CHAT)
    found = PROVIDER.vendor.sending(openai.OpenAI(base_url=url, api_key="any"), options)
    assert found is not None
    assert found.request.provider == HOSTS[url]
    assert found.by_proxy == url.startswith("http://127")


MADE_ELSEWHERE: dict[str, tuple[Callable[[Any], Any], bytes, dict[str, Any]]] = {
    "image": (
        lambda c: c.images.generate(model="gpt-image-1", prompt="A fjord at dawn."),
        (
            b'{"created": 1, "data": [{"b64_json": "aGk="}], "usage": {"input_tokens": 12, "output_tokens": 272, '
            b'"total_tokens": 284, "input_tokens_details": {"text_tokens": 12, "image_tokens": 0}}}'
        ),
        {"input_tokens": 12, "output_tokens": 272},
    ),
    "image edit": (
        lambda c: c.images.edit(model="gpt-image-1", image=b"PNG", prompt="Add a boat."),
        (
            b'{"created": 1, "data": [{"b64_json": "aGk="}], "usage": {"input_tokens": 335, "output_tokens": 272, '
            b'"total_tokens": 607, "input_tokens_details": {"text_tokens": 12, "image_tokens": 323}}}'
        ),
        {"input_tokens": 335, "output_tokens": 272},
    ),
    "transcription": (
        lambda c: c.audio.transcriptions.create(model="gpt-4o-transcribe", file=("talk.mp3", b"ID3")),
        (
            b'{"text": "Hello.", "usage": {"type": "tokens", "input_tokens": 14, "output_tokens": 45, '
            b'"total_tokens": 59, "input_token_details": {"text_tokens": 0, "audio_tokens": 14}}}'
        ),
        {"input_tokens": 14, "output_tokens": 45},
    ),
    "compact": (
        lambda c: c.responses.compact(model="gpt-5", input="Hello."),
        (
            b'{"id": "resp_1", "object": "response.compaction", "created_at": 1, "output": [], '
            b'"usage": {"input_tokens": 139, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0}, '
            b'"output_tokens": 438, "output_tokens_details": {"reasoning_tokens": 64}, "total_tokens": 577}}'
        ),
        {"input_tokens": 139, "output_tokens": 438},
    ),
}


@pytest.mark.parametrize("form", MADE_ELSEWHERE)
def test_images_audio_and_compaction_are_metered(
    form: str, openai_client: openai.OpenAI, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Usage in the answers of the image and audio APIs is read, whose responses name no model."""
    ask, body, usage = MADE_ELSEWHERE[form]
    simulator.replay(body=body)
    ask(openai_client)
    assert meter.call.usage.counts().items() >= usage.items()
    assert meter.call.reading.model == meter.call.request.model is not None
    assert meter.call.ended


def test_speech_is_recorded_although_it_reports_nothing(
    openai_client: openai.OpenAI, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Audio carries no usage: the call is there, its usage unknown and not zero."""
    simulator.replay(body=b"\xff\xfb" * 500, content_type="audio/mpeg")
    speech = openai_client.audio.speech.create(model="tts-1", voice="alloy", input="Hello.")
    assert speech.content == b"\xff\xfb" * 500
    assert (meter.call.reading.usage, meter.call.reading.complete) == (None, False)
    assert meter.call.ended


FREE: dict[str, tuple[Callable[[Any], Any], bytes]] = {
    "moderation": (
        lambda c: c.moderations.create(input="Hello."),
        b'{"id": "modr-1", "model": "omni-moderation-latest", "results": []}',
    ),
    "models": (lambda c: c.models.list(), b'{"object": "list", "data": []}'),
    "input tokens": (
        lambda c: c.post("/responses/input_tokens", body={"input": "Hello."}, cast_to=object),
        b'{"object": "response.input_tokens", "input_tokens": 9}',
    ),
    "stored completion": (
        lambda c: c.chat.completions.update("chatcmpl-1", metadata={"team": "red"}),
        b'{"id": "chatcmpl-1", "object": "chat.completion", "usage": {"prompt_tokens": 3, "completion_tokens": 4}}',
    ),
}


@pytest.mark.parametrize("form", FREE)
def test_what_costs_nothing_is_left_alone(
    form: str, openai_client: openai.OpenAI, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Requests that OpenAI does not bill are neither refused nor recorded."""
    ask, body = FREE[form]
    meter.refusal = AssertionError("nothing may be begun")
    simulator.replay(body=body)
    ask(openai_client)
    assert meter.calls == []


def test_every_form_has_an_asynchronous_one() -> None:
    """The two lists of forms name the same APIs, and each asynchronous form gives something to await."""
    assert ASYNC_FORMS.keys() | ASYNC_RESPONSES.keys() <= FORMS.keys() | RESPONSES.keys()
    assert inspect.iscoroutinefunction(openai.AsyncOpenAI.request)
