"""Vendors that copied OpenAI's shapes, and where each departs from them; Cohere and Ollama, who did not."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import pytest

from ai_cost_calc.providers.readers import read_usage, route
from tests.providers.readers.bodies import (
    CHAT_COUNTS,
    CHAT_USAGE,
    MESSAGE_COUNTS,
    PLAIN,
    PLAIN_COUNTS,
    RESPONSE_COUNTS,
    RESPONSE_USAGE,
    SSE,
    Event,
    chat,
    chunk,
    counts,
    fed,
    message,
    message_stream,
    response,
    sse,
)

CACHED_COUNTS = PLAIN_COUNTS | {"cache_read_tokens": 20}


@pytest.mark.parametrize(
    ("provider", "usage"),
    [
        ("deepseek", PLAIN | {"prompt_cache_hit_tokens": 20, "prompt_cache_miss_tokens": 10}),
        ("together", PLAIN | {"cached_tokens": 20}),
        ("moonshotai", PLAIN | {"cached_tokens": 20}),
        ("mistral", PLAIN | {"num_cached_tokens": 20}),
        ("databricks", PLAIN | {"cache_read_input_tokens": 20}),
        ("openai", PLAIN | {"prompt_tokens_details": {"cached_tokens": 20}, "cached_tokens": 3}),
    ],
)
def test_cached_tokens_have_many_places(provider: str, usage: dict[str, Any]) -> None:
    """Wherever a vendor puts them they are part of the prompt; the documented place goes first."""
    assert counts(read_usage(chat(usage), provider=provider, api="chat")) == CACHED_COUNTS


def test_groq_streams_usage_in_a_place_of_its_own() -> None:
    """The last chunk has it in `x_groq`, without being asked."""
    events: list[Event] = [
        chunk("Hi", x_groq={"id": "req_1"}),
        chunk(finish="stop", x_groq={"id": "req_1", "usage": PLAIN}),
        "[DONE]",
    ]
    reading = fed([sse(*events)], url="https://api.groq.com/openai/v1/chat/completions", content_type=SSE)
    assert counts(reading) == PLAIN_COUNTS
    assert reading.complete


@pytest.mark.parametrize(("duration", "billed"), [(3.2, 10), (12, 12), (61.5, 61.5)])
def test_groq_bills_ten_seconds_of_audio_at_least(duration: float, billed: float) -> None:
    """Shorter clips cost as much as ten seconds."""
    body = {"text": "hi", "duration": duration}
    reading = read_usage(body, url="https://api.groq.com/openai/v1/audio/transcriptions")
    assert counts(reading) == {"audio_seconds": billed}


def test_mistral_bills_audio_by_the_second() -> None:
    """Audio tokens stand outside the prompt and are not billed; connectors' tokens come on top of it."""
    usage = PLAIN | {
        "prompt_audio_seconds": 4,
        "prompt_tokens_details": {"audio_tokens": 375},
        "service_tier": "standard",
    }
    reading = read_usage(chat(usage), url="https://api.mistral.ai/v1/chat/completions")
    assert counts(reading) == PLAIN_COUNTS | {"audio_seconds": 4}
    assert reading.service_tier == "standard"
    conversation = {"conversation_id": "conv_1", "usage": PLAIN | {"connector_tokens": 15}}
    assert counts(read_usage(conversation, url="https://api.mistral.ai/v1/conversations")) == {
        "input_tokens": 45,
        "output_tokens": 7,
        "input_tool_tokens": 15,
    }
    event = sse({"type": "conversation.response.done", "usage": PLAIN})
    assert counts(read_usage(event, url="https://api.mistral.ai/v1/conversations", content_type=SSE)) == PLAIN_COUNTS


def test_mistral_bills_calls_of_its_connectors() -> None:
    """Searching, running code and painting cost by the call; what other connectors cost, Mistral cannot say."""
    called = {
        "web_search": 2, "web_search_premium": 1, "code_interpreter": 3, "image_generation": 4, "document_library": 5,
        "somebody_else": 6,
    }  # fmt: skip
    for connectors in (called, called | {"web_search": [], "code_interpreter": -1}):
        body = {"conversation_id": "conv_1", "usage": PLAIN | {"connectors": connectors}}
        told = counts(read_usage(body, url="https://api.mistral.ai/v1/conversations"))
        assert told == PLAIN_COUNTS | {
            name: count
            for name, count in {
                "web_searches": 3 if connectors is called else 1,
                "code_executions": 3 if connectors is called else 0,
                "images": 4,
                "storage_searches": 5,
            }.items()
            if count
        }


MISTRAL = "https://api.mistral.ai/v1/"
VERTEX = (
    "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1/publishers/mistralai/models/"
)


def test_a_conversation_names_its_model_with_what_was_answered() -> None:
    """Usage comes without a name, whole or streamed (mistralai 3.7, `messageoutputentry`, `messageoutputevent`)."""
    said = {"type": "message.output", "content": "Hi", "model": "mistral-medium-2505"}
    tool = {"type": "tool.execution", "name": "web_search"}
    whole = {
        "object": "conversation.response", "conversation_id": "conv_1", "outputs": [tool, said],
        "usage": PLAIN | {"connector_tokens": 3, "connectors": {"web_search": 1}},
    }  # fmt: skip
    events: list[Event] = [
        {"type": "conversation.response.started", "conversation_id": "conv_1"},
        said | {"type": "message.output.delta"},
        {"type": "conversation.response.done", "usage": whole["usage"]},
    ]
    wanted = {"input_tokens": 33, "output_tokens": 7, "input_tool_tokens": 3, "web_searches": 1}
    ways: list[dict[str, Any]] = [{"url": f"{MISTRAL}conversations{each}"} for each in ("", "/conv_1", "#stream")]
    for known in [*ways, {}]:
        for reading in (read_usage(whole, **known), fed([sse(*events)], content_type=SSE, **known)):
            assert (counts(reading), reading.model) == (wanted, "mistral-medium-2505")
            assert (reading.provider, reading.complete) == ("mistral", True)


def test_speech_of_mistral_says_its_tokens_where_it_is_streamed() -> None:
    """The last event has usage (mistralai 3.7, `speechstreamdone`); a whole answer has none."""
    first, last = (
        {"type": "speech.audio.delta", "audio_data": "UklGRg=="},
        {"type": "speech.audio.done", "usage": PLAIN},
    )
    reading = fed([sse(first, last)], url=f"{MISTRAL}audio/speech", content_type=SSE, model="voxtral-mini-tts-latest")
    assert (counts(reading), reading.model) == (PLAIN_COUNTS, "voxtral-mini-tts-latest")
    reading = read_usage({"audio_data": "UklGRg=="}, url=f"{MISTRAL}audio/speech")
    assert (reading.usage, reading.complete) == (None, False)


@pytest.mark.parametrize("method", ["rawPredict", "streamRawPredict"])
def test_mistral_on_vertex_is_read_as_mistral(method: str) -> None:
    """Its total includes tokens of audio, which are no thinking that Google hides (mistralai 3.7, `gcp`)."""
    usage = PLAIN | {"prompt_audio_seconds": 10, "total_tokens": 400}
    url = f"{VERTEX}voxtral-small-2507:{method}"
    streamed = method == "streamRawPredict"
    body = sse(chunk("Hi"), chunk(usage=usage), "[DONE]") if streamed else json.dumps(chat(usage)).encode()
    reading = read_usage(body, url=url, content_type=SSE if streamed else None)
    assert counts(reading) == PLAIN_COUNTS | {"audio_seconds": 10}
    assert (reading.provider, reading.region) == ("google", "us-central1")


@pytest.mark.parametrize(
    "url",
    [
        f"{MISTRAL}responses/input_tokens",
        "https://openrouter.ai/api/v1/responses/input_tokens",
        "https://mine.services.ai.azure.com/anthropic/v1/messages/count_tokens",
        f"{VERTEX.replace('mistralai', 'anthropic')}count-tokens:rawPredict",
        "https://gateway.example/v1/responses/input_tokens",
    ],
)
def test_counting_is_free_wherever_it_is_offered(url: str) -> None:
    """Every vendor that copied an API copied the way to count its input."""
    for body in ({"input_tokens": 11}, {"object": "response.input_tokens", "input_tokens": 11}):
        reading = read_usage(body, url=url)
        assert (reading.usage, reading.complete) == (None, True)
    reading = read_usage({"object": "response.input_tokens", "input_tokens": 11})
    assert (reading.usage, reading.complete) == (None, True)


def test_mistral_reads_documents_by_the_page() -> None:
    """OCR has no tokens."""
    body = {"model": "mistral-ocr-latest", "usage_info": {"pages_processed": 29, "doc_size_bytes": 3002783}}
    reading = read_usage(json.dumps(body), url="https://api.mistral.ai/v1/ocr")
    assert counts(reading) == {"input_document_pages": 29}
    assert reading.model == "mistral-ocr-latest"


@pytest.mark.parametrize(
    "annotation",
    [
        {"document_annotation": "{}"},
        {"pages": [{"images": []}, {"images": [{"id": "1"}, {"id": "2", "image_annotation": "{}"}]}]},
    ],
    ids=["of the document", "of an image"],
)
def test_pages_that_mistral_annotates_are_counted_apart(annotation: dict[str, Any]) -> None:
    """`usage_info` does not tell them apart, the annotation does (mistralai 3.7, `ocrresponse`, `ocrimageobject`)."""
    body = {"model": "mistral-ocr-2512", "usage_info": {"pages_processed": 3}}
    plain = {"document_annotation": None, "pages": [{"images": [{"id": "1", "image_annotation": None}]}]}
    pages = {"input_document_pages": 3}
    ways: list[dict[str, Any]] = [{"url": f"{MISTRAL}ocr"}, {}]
    for known in ways:
        assert counts(read_usage(body | plain, **known)) == pages
        assert counts(read_usage(body | annotation, **known)) == pages | {"input_annotated_document_pages": 3}


@pytest.mark.parametrize("outputs", [None, [], "none", [None, 7], [{"response": None}], [{"response": {"body": "x"}}]])
def test_a_batch_of_mistral_without_answers(outputs: Any) -> None:
    """Whatever stands where answers should, the batch itself is read: which it is, and that it costs the batch rate."""
    body = {"id": "job-1", "object": "batch", "model": "mistral-ocr-latest", "status": "SUCCESS", "outputs": outputs}
    reading = read_usage(json.dumps(body), url="https://api.mistral.ai/v1/batch/jobs/job-1")
    assert not reading.usage
    assert (reading.response_id, reading.service_tier, reading.complete) == ("job-1", "batch", True)


def test_answers_of_a_mistral_batch_are_its_models_where_they_name_none() -> None:
    """An answer that does not tell its model is the batch's."""
    answers = [{"response": {"body": {"usage_info": {"pages_processed": pages}}}} for pages in (2, 3)]
    body = {"id": "job-1", "model": "mistral-ocr-latest", "outputs": answers}
    reading = read_usage(json.dumps(body), url="https://api.mistral.ai/v1/batch/jobs/job-1")
    assert (reading.model, reading.calls, counts(reading)) == ("mistral-ocr-latest", 2, {"input_document_pages": 5})


def test_conversations_in_a_mistral_batch_add_up() -> None:
    """A batch may hold them too (mistralai 3.7, `models/apiendpoint.py`)."""
    said = {"object": "conversation.response", "outputs": [{"model": "mistral-medium-2505"}], "usage": PLAIN}
    lines = [{"custom_id": str(each), "response": {"status_code": 200, "body": said}} for each in range(2)]
    reading = read_usage(
        b"\n".join(json.dumps(line).encode() for line in lines), provider="mistral", api="batch_results"
    )
    assert (counts(reading), reading.model) == ({"input_tokens": 60, "output_tokens": 14}, "mistral-medium-2505")


def test_xai_counts_thinking_outside_the_completion_and_says_the_cost() -> None:
    """Ticks are ten thousand million to the dollar, and are turned into one exactly."""
    usage = PLAIN | {"completion_tokens_details": {"reasoning_tokens": 189}, "cost_in_usd_ticks": 1_399_001}
    reading = read_usage(chat(usage), url="https://api.x.ai/v1/chat/completions")
    assert counts(reading) == {"input_tokens": 30, "output_tokens": 196, "output_reasoning_tokens": 189}
    assert reading.provider_cost_usd == Decimal("0.0001399001")


def test_xai_says_what_its_images_cost() -> None:
    """They are billed by their number; OpenAI's client is what asks for them."""
    body = {"data": [{"url": "https://example.com/1"}, {"url": "https://example.com/2"}]}
    url = "https://api.x.ai/v1/images/generations"
    assert counts(read_usage(body, url=url, model="grok-imagine-image")) == {"images": 2}
    reading = read_usage(body | {"usage": {"cost_in_usd_ticks": 700_000_000}}, url=url)
    assert (counts(reading), reading.provider_cost_usd) == ({"images": 2}, Decimal("0.07"))


def test_xai_counts_its_tools_itself() -> None:
    """What it says goes before what the output shows; older responses say nothing."""
    calls = {"web_search_calls": 2, "x_search_calls": 3, "code_interpreter_calls": 1, "file_search_calls": 4}
    output = [{"type": "web_search_call", "status": "completed", "action": {"type": "search"}}]
    url = "https://api.x.ai/v1/responses"
    told = response(output=output, usage=RESPONSE_USAGE | {"server_side_tool_usage_details": calls})
    assert counts(read_usage(told, url=url)) == RESPONSE_COUNTS | {
        "web_searches": 2,
        "social_searches": 3,
        "code_executions": 1,
        "storage_searches": 4,
    }
    assert counts(read_usage(response(output=output), url=url)) == RESPONSE_COUNTS | {"web_searches": 1}


@pytest.mark.parametrize("api", ["responses", "grpc_chat"])
def test_xai_searches_attached_files_at_another_price(api: str) -> None:
    """They are told apart from searches of collections, on top of the answer; the stated cost is for both."""
    details = {"file_search_calls": 1, "document_search_calls": 2}
    named = ["SERVER_SIDE_TOOL_COLLECTIONS_SEARCH", *["SERVER_SIDE_TOOL_ATTACHMENT_SEARCH"] * 2]
    body = {
        "responses": response(
            usage=RESPONSE_USAGE | {"server_side_tool_usage_details": details, "cost_in_usd_ticks": 300_000_000}
        ),
        "grpc_chat": {
            "id": "1",
            "usage": {"prompt_tokens": 30, "server_side_tools_used": named, "cost_in_usd_ticks": "300000000"},
        },
    }[api]
    reading = read_usage(json.dumps(body), provider="xai", api=api)
    assert counts(reading)["storage_searches"] == 1
    assert reading.provider_cost_usd == Decimal("0.03")
    (attached,) = reading.also
    assert counts(attached) == {"storage_searches": 2}
    assert attached.context == {"search": "attachments"}
    assert attached.provider_cost_usd is None


def test_the_grpc_api_of_xai_names_its_tools() -> None:
    """One entry a call; thinking comes on top of the completion here too."""
    used = ["SERVER_SIDE_TOOL_WEB_SEARCH", "SERVER_SIDE_TOOL_X_SEARCH", "SERVER_SIDE_TOOL_WEB_SEARCH", 7]
    usage = {"prompt_tokens": 2332, "completion_tokens": 38, "reasoning_tokens": 310, "cached_prompt_text_tokens": 1540}
    body = {"model": "grok-4", "usage": usage | {"server_side_tools_used": used, "cost_in_usd_ticks": "4468500"}}
    reading = read_usage(json.dumps(body), provider="xai", api="grpc_chat")
    assert counts(reading) == {
        "input_tokens": 2332,
        "output_tokens": 348,
        "cache_read_tokens": 1540,
        "output_reasoning_tokens": 310,
        "web_searches": 2,
        "social_searches": 1,
    }
    assert reading.provider_cost_usd == Decimal("0.00044685")


def test_openrouter_says_what_was_charged() -> None:
    """The cost is read from the digits on the wire, not through a float."""
    for path, body, expected in (
        ("chat/completions", chat(CHAT_USAGE), CHAT_COUNTS),
        ("embeddings", {"object": "list", "usage": PLAIN}, PLAIN_COUNTS),
        ("responses", response(), RESPONSE_COUNTS),
        ("rerank", {"usage": {"total_tokens": 17}}, {"input_tokens": 17}),
        ("messages", message({"input_tokens": 5, "total_tokens": 17}), {"input_tokens": 5}),
    ):
        text = json.dumps(body).replace('_tokens": 17', '_tokens": 17, "cost": 0.12345678901234567891')
        text = text.replace('"total_tokens": ', '"cost": 0.12345678901234567891, "total_tokens": ')
        reading = read_usage(text, url=f"https://openrouter.ai/api/v1/{path}")
        assert counts(reading) == expected
        assert reading.provider_cost_usd == Decimal("0.12345678901234567891")


def test_openrouter_says_what_a_streamed_message_cost() -> None:
    """The end of the stream has the cost."""
    events = message_stream()
    events[4]["usage"]["cost"] = 0.25
    reading = read_usage(sse(*events), url="https://openrouter.ai/api/v1/messages", content_type=SSE)
    assert (counts(reading), reading.provider_cost_usd) == (MESSAGE_COUNTS, Decimal("0.25"))


@pytest.mark.parametrize(
    ("more", "charged"),
    [
        ({"is_byok": True, "cost_details": {"upstream_inference_cost": "0.02"}}, Decimal("0.021")),
        ({"is_byok": True, "cost_details": {"upstream_inference_cost": None}}, None),
        ({"is_byok": True}, None),
        ({"is_byok": False, "cost_details": {"upstream_inference_cost": "0.001"}}, Decimal("0.001")),
    ],
)
def test_a_key_of_ones_own_is_charged_as_well(more: dict[str, object], charged: Decimal | None) -> None:
    """With one, OpenRouter's `cost` is its fee alone; what the provider charges comes on top, and may be unknown."""
    for path, body in (("chat/completions", chat(PLAIN)), ("responses", response())):
        body["usage"] = {**body["usage"], "cost": "0.001", **more}
        text = re.sub(r'"(0\.\d+)"', r"\1", json.dumps(body))
        assert read_usage(text, url=f"https://openrouter.ai/api/v1/{path}").provider_cost_usd == charged


@pytest.mark.parametrize("cost", ["-1", "1e400000000", '"NaN"', '"free"', "true", "[]", "1e-90", "1e12"])
def test_an_impossible_cost_is_not_one(cost: str) -> None:
    """Nothing that could not be charged is taken for a price."""
    body = f'{{"usage": {{"prompt_tokens": 3, "cost": {cost}}}}}'
    reading = read_usage(body, provider="openrouter", api="chat")
    assert reading.provider_cost_usd is None
    assert counts(reading) == {"input_tokens": 3}


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 160, "total_tokens": 165, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 50},
        {
            "prompt_tokens": 160,
            "total_tokens": 165,
            "prompt_tokens_details": {"cached_tokens": 100},
            "cache_creation_input_tokens": 50,
        },
        {
            "prompt_tokens": 160,
            "total_tokens": 165,
            "prompt_tokens_details": {"cached_tokens": 100, "cache_creation_tokens": 50},
        },
        {
            "prompt_tokens": 10,
            "total_tokens": 165,
            "prompt_tokens_details": {"cached_tokens": 100},
            "cache_read_input_tokens": 100,
            "cache_creation_input_tokens": 50,
        },
    ],
    ids=["in the prompt", "LiteLLM", "LiteLLM, in the details", "Portkey, beside the prompt"],
)
def test_gateways_say_what_claude_wrote_to_its_cache(usage: dict[str, Any]) -> None:
    """It is dearer than other input, and stands in the prompt or beside it, as the total tells."""
    wanted = {"input_tokens": 160, "output_tokens": 5, "cache_read_tokens": 100, "cache_write_tokens": 50}
    body = chat(usage | {"completion_tokens": 5})
    for url in ("https://gateway.example/v1/chat/completions", "https://api.portkey.ai/v1/chat/completions"):
        assert counts(read_usage(body, url=url)) == wanted
    assert counts(read_usage(sse(chunk(usage=body["usage"]), "[DONE]"), provider="openai", api="chat")) == wanted


def test_gateways_say_how_long_claude_keeps_what_it_cached() -> None:
    """An hour costs more than five minutes (LiteLLM's `PromptTokensDetailsWrapper`)."""
    kept = {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 20}
    details = {"cache_creation_tokens": 50, "cache_creation_token_details": kept}
    usage = {"prompt_tokens": 160, "completion_tokens": 5, "total_tokens": 165, "prompt_tokens_details": details}
    assert counts(read_usage(chat(usage), url="https://gateway.example/v1/chat/completions")) == {
        "input_tokens": 160,
        "output_tokens": 5,
        "cache_write_tokens": 50,
        "cache_write_5m_tokens": 30,
        "cache_write_1h_tokens": 20,
    }


@pytest.mark.parametrize(
    ("url", "provider", "cost"),
    [
        ("https://openrouter.ai/api/v1/decisions", "openrouter", 0.0004),
        ("https://openrouter.ai/api/v1/systemone", "openrouter", 0.0004),
        ("https://api.perplexity.ai/v1/decisions", "perplexity", {"total_cost": 0.0004}),
        ("https://api.typesafe.ai/v1/decisions", "typesafe", None),
    ],
)
def test_decisions_are_counted_as_responses_are(url: str, provider: str, cost: Any) -> None:
    """Whoever offers them (genai-prices 0.2.3, extractors `decisions`); the cost is where the vendor states it."""
    usage = {"input_tokens": 9, "output_tokens": 1, "total_tokens": 10, "cost": cost}
    reading = read_usage({"model": "decider", "answers": [], "usage": usage}, url=url)
    assert (counts(reading), reading.provider) == ({"input_tokens": 9, "output_tokens": 1}, provider)
    assert reading.provider_cost_usd == (None if cost is None else Decimal("0.0004"))
    assert route(None, None, url).api == "decisions"


def test_databricks_says_at_the_top_what_was_thought() -> None:
    """It is part of the completion, unlike Perplexity's (genai-prices 0.2.3, extractor `chat` of databricks)."""
    url = "https://mine.cloud.databricks.com/serving-endpoints/chat/completions"
    reading = read_usage(chat(PLAIN | {"reasoning_tokens": 5}), url=url)
    assert counts(reading) == PLAIN_COUNTS | {"output_reasoning_tokens": 5}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("images/generations", {"created": 1, "data": [{}], "usage": {"input_tokens": 14, "output_tokens": 45}}),
        ("audio/transcriptions", {"text": "hi", "usage": {"type": "tokens", "input_tokens": 14, "output_tokens": 45}}),
        ("audio/translations", {"text": "hi", "usage": {"type": "tokens", "input_tokens": 14, "output_tokens": 45}}),
    ],
)
def test_the_path_of_azure_names_the_deployment_of_every_api(path: str, body: dict[str, Any]) -> None:
    """Images and transcriptions name no model, so the deployment is all there is."""
    url = f"https://mine.openai.azure.com/openai/deployments/prod/{path}?api-version=2025-04-01-preview"
    reading = read_usage(body, url=url)
    assert (counts(reading), reading.model) == ({"input_tokens": 14, "output_tokens": 45}, "prod")


def test_perplexity_bills_thoughts_citations_and_searches_on_top() -> None:
    """None of them is part of the completion; the cost is stated."""
    usage = PLAIN | {
        "reasoning_tokens": 100,
        "citation_tokens": 50,
        "num_search_queries": 3,
        "search_context_size": "low",
        "cost": {"request_cost": 0.005, "total_cost": 0.00502},
    }
    reading = read_usage(json.dumps(chat(usage)), url="https://api.perplexity.ai/chat/completions")
    assert counts(reading) == {
        "input_tokens": 30,
        "output_tokens": 157,
        "output_reasoning_tokens": 100,
        "output_citation_tokens": 50,
        "web_searches": 3,
    }
    assert reading.provider_cost_usd == Decimal("0.00502")
    assert reading.context == {"search": "low"}


@pytest.mark.parametrize(("said", "kept"), [("\ud800", "?"), ("x" * 5_000, "x" * 512)])
def test_the_size_of_a_search_is_fit_to_be_kept(said: str, kept: str) -> None:
    """Half a character or a whole page is no reason to lose a record."""
    usage = PLAIN | {"search_context_size": said}
    reading = read_usage(json.dumps(chat(usage)), url="https://api.perplexity.ai/chat/completions")
    assert reading.context == {"search": kept}


def test_perplexity_has_its_own_details_of_responses() -> None:
    """Cached tokens and searches have other names there."""
    usage = {
        "input_tokens": 40,
        "output_tokens": 9,
        "input_tokens_details": {"cache_read_input_tokens": 8},
        "tool_calls_details": {"search_web": {"invocation": 2}},
        "cost": {"total_cost": 0.5},
    }
    events = [{"type": "response.completed", "response": response(usage=usage)}]
    reading = read_usage(sse(*events), url="https://api.perplexity.ai/v1/responses", content_type=SSE)
    assert counts(reading) == {"input_tokens": 40, "output_tokens": 9, "cache_read_tokens": 8, "web_searches": 2}
    assert reading.provider_cost_usd == Decimal("0.5")
