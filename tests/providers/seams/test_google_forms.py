"""Every way to ask Google for something that is billed, and what is not billed, through its own client."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import pytest

from ai_cost_calc.providers import provider_for
from ai_cost_calc.testing import ProviderSimulator
from tests.conftest import MakeCalc
from tests.providers.seams.conformance import done
from tests.providers.seams.recording import RecordingMeter

genai = pytest.importorskip("google.genai")

from google.genai import types  # noqa: E402 - once it is known to be there

from tests.providers.seams import gemini as google  # noqa: E402

pytestmark = google.QUIET

Side = Callable[[Any], Any]
SIDES: Final[dict[str, Side]] = {"sync": lambda client: client, "aio": lambda client: client.aio}
JPEG: Final = b"\xff\xd8\xff" + bytes(2_000)


@pytest.fixture(params=["gemini", "gemini-httpx2", "vertex"])
async def client(
    request: pytest.FixtureRequest, simulator: ProviderSimulator, meter: RecordingMeter
) -> AsyncIterator[Any]:
    """A wrapped client of either API; the asynchronous side uses aiohttp, or httpx2."""
    kind, _, transport = request.param.partition("-")
    made = getattr(google, kind)(simulator.url, transport=transport or "aiohttp")
    provider_for(made).wrap(made, meter)
    yield made
    made.close()
    await made.aio.aclose()


@pytest.fixture(params=SIDES)
def side(request: pytest.FixtureRequest) -> Side:
    """One of the two sides of a client."""
    return SIDES[request.param]


def replies(simulator: ProviderSimulator, *bodies: Any) -> None:
    """Answer the next requests with these bodies; a list is a stream of chunks."""
    for body in bodies:
        if isinstance(body, list):
            simulator.replay(body=google.sse(*body), content_type="text/event-stream")
        else:
            simulator.replay(body=json.dumps(body).encode())


async def taken(stream: Any) -> list[Any]:
    """All chunks of a stream of either kind."""
    stream = await done(stream)
    return [chunk async for chunk in stream] if hasattr(stream, "__aiter__") else list(stream)


async def test_generated_content_is_read(
    client: Any, side: Side, simulator: ProviderSimulator, meter: RecordingMeter
) -> None:
    """What the caller asked for is known before the call, what the answer used after it."""
    replies(simulator, google.answer() | {"usageMetadata": {**google.METADATA, "serviceTier": "FLEX"}})
    config = types.GenerateContentConfig(
        system_instruction="Be short.",
        max_output_tokens=400,
        candidate_count=2,
        tools=[types.Tool(google_search=types.GoogleSearch())],
    )
    parts: Any = ["How deep is the fjord?", types.Part.from_bytes(data=JPEG, mime_type="image/jpeg")]
    answer = await done(side(client).models.generate_content(model=google.MODEL, contents=parts, config=config))
    assert answer.text == "The fjord is deep."
    call = meter.call
    request = call.request
    assert (request.provider, request.model, request.api, request.stream) == (
        "google", google.MODEL, "generate_content", False,
    )  # fmt: skip
    assert (request.max_output_tokens, request.choices) == (400, 2)
    assert call.media_items == 2
    assert len("How deep is the fjord?Be short.") <= call.input_bytes < len(JPEG)
    assert call.usage.counts() == google.COUNTS
    assert (call.reading.service_tier, call.reading.response_id) == ("flex", "resp-1")
    assert call.reading.region == (None if not client.vertexai else "europe-west4")
    assert call.ended


async def test_chats_are_read(client: Any, side: Side, simulator: ProviderSimulator, meter: RecordingMeter) -> None:
    """Every message of a chat is a call, streamed or not."""
    chat = side(client).chats.create(model=google.MODEL)
    replies(simulator, google.answer(), google.chunks())
    await done(chat.send_message("How deep is the fjord?"))
    await taken(chat.send_message_stream("And how wide?"))
    assert [call.request.stream for call in meter.calls] == [False, True]
    assert [call.usage.counts() for call in meter.calls] == [google.COUNTS] * 2
    assert meter.calls[1].input_bytes > meter.calls[0].input_bytes
    assert all(call.ended for call in meter.calls)


async def test_each_function_call_of_the_sdk_is_a_call(
    client: Any, side: Side, simulator: ProviderSimulator, meter: RecordingMeter
) -> None:
    """The SDK calls Python functions by itself and asks again: the model's work is billed each time."""

    def depth(fjord: str) -> int:
        """Tell how deep a fjord is, in metres."""
        return len(fjord) * 100

    wanted = {"functionCall": {"name": "depth", "args": {"fjord": "Sogne"}}}
    config = types.GenerateContentConfig(tools=[depth])
    replies(simulator, google.answer(wanted), google.answer())
    answer = await done(side(client).models.generate_content(model=google.MODEL, contents="Deep?", config=config))
    assert answer.text == "The fjord is deep."
    replies(simulator, [google.answer(wanted)], google.chunks())
    await taken(side(client).models.generate_content_stream(model=google.MODEL, contents="Deep?", config=config))
    assert [call.usage.counts() for call in meter.calls] == [google.COUNTS] * 4
    assert [call.request.stream for call in meter.calls] == [False, False, True, True]
    assert all(call.ended for call in meter.calls)
    assert len(simulator.requests) == 4


async def test_each_hop_of_a_continuation_is_a_call(
    client: Any, side: Side, simulator: ProviderSimulator, meter: RecordingMeter
) -> None:
    """Where an answer stops at a request's limit the SDK goes on by itself, and the whole prompt is billed again."""
    stopped = google.answer(finishReason="CONTINUATION", continuationToken="bW9yZQ==")
    replies(simulator, stopped, google.answer())
    await done(side(client).models.generate_content(model=google.MODEL, contents="Deep?"))
    replies(simulator, [stopped], google.chunks())
    await taken(side(client).models.generate_content_stream(model=google.MODEL, contents="Deep?"))
    assert [call.usage.counts() for call in meter.calls] == [google.COUNTS] * 4
    assert all(call.ended for call in meter.calls)


EMBEDDED: Final[dict[str, Any]] = {"values": [0.1, 0.2]}
PREDICTED: Final = {"statistics": {"token_count": 11, "truncated": False}, "values": [0.1]}


COUNTED: Final = {"usageMetadata": {"promptTokenCount": 11}}
EMBEDDINGS: Final[dict[str, dict[bool, Any]]] = {
    "gemini-embedding-2": {False: {"embeddings": [EMBEDDED], **COUNTED}, True: {"embedding": EMBEDDED, **COUNTED}},
    "text-embedding-005": {
        False: {"embeddings": [EMBEDDED], **COUNTED},
        True: {"predictions": [{"embeddings": PREDICTED}], "metadata": {"billableCharacterCount": 35}},
    },
}
"""Answers of each model, on the Gemini API and on Vertex AI."""


@pytest.mark.parametrize("model", EMBEDDINGS)
async def test_embeddings_are_read(
    client: Any, side: Side, simulator: ProviderSimulator, meter: RecordingMeter, model: str
) -> None:
    """The Gemini API and two generations of Vertex AI report tokens of embeddings each in its own way."""
    replies(simulator, EMBEDDINGS[model][client.vertexai])
    await done(side(client).models.embed_content(model=model, contents="Describe the fjord."))
    assert (meter.call.reading.provider, meter.call.reading.model) == ("google", model)
    assert meter.call.usage.counts() == {"input_tokens": 11}
    assert meter.call.input_bytes >= len("Describe the fjord.")
    assert meter.call.ended


async def test_embeddings_without_counts_are_not_known(
    client: Any, side: Side, simulator: ProviderSimulator, meter: RecordingMeter
) -> None:
    """What older models do not report is not known, and not zero."""
    replies(simulator, {"predictions": []} if client.vertexai else {"embeddings": [EMBEDDED]})
    await done(side(client).models.embed_content(model="gemini-embedding-001", contents="Describe the fjord."))
    assert (meter.call.reading.usage, meter.call.reading.complete) == (None, False)


@pytest.mark.parametrize("client", ["vertex"], indirect=True)
async def test_images_are_counted(client: Any, side: Side, simulator: ProviderSimulator, meter: RecordingMeter) -> None:
    """Imagen reports no usage; the images that came are counted."""
    image = {"bytesBase64Encoded": "aGk=", "mimeType": "image/png"}
    replies(simulator, {"predictions": [image, {"raiFilteredReason": "filtered"}, image]})
    config = types.GenerateImagesConfig(number_of_images=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the SDK says that Imagen is going away
        made = await done(
            side(client).models.generate_images(model="imagen-4.0-generate-001", prompt="A fjord", config=config)
        )
    assert len(made.generated_images) == 3
    assert (meter.call.request.api, meter.call.request.choices) == ("predict", 3)
    assert meter.call.usage.counts() == {"images": 2}
    assert meter.call.reading.model == "imagen-4.0-generate-001"


@pytest.mark.parametrize("client", ["vertex"], indirect=True)
async def test_videos_are_let_through(
    client: Any, side: Side, simulator: ProviderSimulator, meter: RecordingMeter
) -> None:
    """A video is billed by its seconds, which no response tells; `not_metered` lists it."""
    replies(simulator, {"name": "models/veo-3.1-generate-001/operations/o1"})
    await done(side(client).models.generate_videos(model="veo-3.1-generate-001", source={"prompt": "A fjord"}))
    assert len(simulator.requests) == 1
    assert meter.calls == []


async def test_making_a_voice_is_read(simulator: ProviderSimulator, meter: RecordingMeter, side: Side) -> None:
    """It is billed like an interaction, to the model that its request names; looking at voices is free."""
    client = google.gemini(simulator.url)
    provider_for(client).wrap(client, meter)
    made = {"id": "voice_1", "type": "prompted", "model": google.MODEL, "usage": google.INTERACTION_USAGE}
    replies(simulator, made, {"voices": [made]})
    voice = {"type": "prompted", "model": google.MODEL, "prompted": {"input": "Deep as a fjord."}}
    await done(side(client).voices.create(voice=voice))
    await done(side(client).voices.list())
    assert (meter.call.request.api, meter.call.request.model) == ("voices", google.MODEL)
    assert meter.call.usage.counts() == google.INTERACTION_COUNTS
    assert len(simulator.requests) == 2
    client.close()
    await client.aio.aclose()


async def test_decisions_are_read(simulator: ProviderSimulator, meter: RecordingMeter, side: Side) -> None:
    """Answers to questions about one context are billed like interactions."""
    client = google.gemini(simulator.url)
    provider_for(client).wrap(client, meter)
    replies(simulator, {"answers": {}, "usage": google.INTERACTION_USAGE})
    question = {"type": "score", "instructions": "How deep is it?", "criteria": ["metres"]}
    await done(
        side(client).decisions.create(model=f"models/{google.MODEL}", input="The fjord.", questions={"q": question})
    )
    assert (meter.call.request.api, meter.call.reading.model) == ("decisions", google.MODEL)
    assert meter.call.usage.counts() == google.INTERACTION_COUNTS
    client.close()
    await client.aio.aclose()


INTERACTION: Final[dict[str, Any]] = {"model": google.MODEL, "input": "How deep is the fjord?"}


async def test_interactions_in_every_form(
    simulator: ProviderSimulator, meter: RecordingMeter, side: Side, gemini_client: Any
) -> None:
    """Plain, streamed, raw and as a streaming response: each is one call, known by its id."""
    resource = side(gemini_client).interactions
    replies(simulator, google.interaction("v1_1"), google.interaction_events("v1_2"), google.interaction("v1_3"))
    await done(resource.create(**INTERACTION))
    await taken(resource.create(**INTERACTION, stream=True))
    await done(resource.with_raw_response.create(**INTERACTION))
    assert [call.usage.counts() for call in meter.calls] == [google.INTERACTION_COUNTS] * 3
    assert [call.tokens for call in meter.calls] == [[f"google:v1_{n}"] for n in (1, 2, 3)]
    assert [call.request.stream for call in meter.calls] == [False, True, False]
    assert all(call.ended for call in meter.calls)


async def test_each_hop_of_an_interaction_is_a_call(
    simulator: ProviderSimulator, meter: RecordingMeter, side: Side, gemini_client: Any
) -> None:
    """The SDK adds up what its hops used; each of them is billed, and is read, by itself."""
    resource = side(gemini_client).interactions
    stopped: dict[str, Any] = {"status": "requires_continuation", "continuation_token": "more"}
    replies(simulator, google.interaction("v1_1", **stopped), google.interaction("v1_2"))
    whole = await done(resource.create(**INTERACTION))
    assert whole.usage.total_input_tokens == 44
    replies(simulator, google.interaction_events("v1_3", **stopped), google.interaction_events("v1_4"))
    await taken(resource.create(**INTERACTION, stream=True))
    assert [call.usage.counts() for call in meter.calls] == [google.INTERACTION_COUNTS] * 4
    assert [call.tokens for call in meter.calls] == [[f"google:v1_{n}"] for n in (1, 2, 3, 4)]


@pytest.fixture
async def gemini_client(simulator: ProviderSimulator, meter: RecordingMeter) -> AsyncIterator[Any]:
    """A wrapped client of the Gemini API, which alone has interactions."""
    client = google.gemini(simulator.url)
    provider_for(client).wrap(client, meter)
    yield client
    client.close()
    await client.aio.aclose()


async def test_what_is_free_is_let_through(
    client: Any, side: Side, simulator: ProviderSimulator, meter: RecordingMeter
) -> None:
    """Counting tokens, models, caches and the state of an operation ask for no budget and are no calls."""
    used = side(client)
    cached = {"name": "cachedContents/c1", "usageMetadata": {"totalTokenCount": 4_000}}
    replies(simulator, {"totalTokens": 31}, cached, cached, {"name": "models/m"}, {})
    counted = await done(used.models.count_tokens(model=google.MODEL, contents="How deep is the fjord?"))
    assert counted.total_tokens == 31
    await done(used.caches.create(model=google.MODEL, config={"contents": "A long book", "ttl": "60s"}))
    await done(used.caches.get(name="cachedContents/c1"))
    await done(used.models.get(model=google.MODEL))
    await done(used.caches.delete(name="cachedContents/c1"))
    assert len(simulator.requests) == 5
    assert meter.calls == []


async def test_cached_content_is_input_of_unknown_size(
    client: Any, side: Side, simulator: ProviderSimulator, meter: RecordingMeter
) -> None:
    """What a request refers to is not in it, and is allowed for like a file."""
    replies(simulator, google.answer())
    config = types.GenerateContentConfig(cached_content="cachedContents/c1")
    await done(side(client).models.generate_content(model=google.MODEL, contents="Deep?", config=config))
    assert meter.call.media_items == 1


async def test_tuned_models_are_endpoints_on_vertex(
    simulator: ProviderSimulator, meter: RecordingMeter, side: Side
) -> None:
    """A tuned model is asked for by its endpoint; the answer names the model."""
    client = google.vertex(simulator.url)
    provider_for(client).wrap(client, meter)
    replies(simulator, google.answer())
    endpoint = "projects/p/locations/europe-west4/endpoints/1234"
    await done(side(client).models.generate_content(model=endpoint, contents="Deep?"))
    assert (meter.call.request.model, meter.call.reading.model) == ("1234", google.MODEL)
    client.close()
    await client.aio.aclose()


async def test_tasks_pay_for_their_own_customers(simulator: ProviderSimulator, make_calc: MakeCalc, side: Side) -> None:
    """One client serves tasks of several customers at once; each call is on record for whoever made it."""
    calc = make_calc()
    client = google.gemini(simulator.url)
    calc.wrap(client)
    for _ in range(6):
        replies(simulator, google.chunks())

    async def ask(customer: str, times: int) -> None:
        with calc.attribute(customer_id=customer):
            for _ in range(times):
                await taken(side(client).models.generate_content_stream(model=google.MODEL, contents="Deep?"))

    await asyncio.gather(ask("acme", 2), ask("globex", 4))
    rows = {row.customer: row for row in calc.report(by=["customer"])}
    assert {name: (row.calls, row.usage.input_tokens) for name, row in rows.items()} == {
        "acme": (2, 656),
        "globex": (4, 1_312),
    }
    assert rows["globex"].cost == 2 * rows["acme"].cost > 0
    client.close()
    await client.aio.aclose()
