"""Amazon Bedrock: Converse, InvokeModel of every family, and their event streams."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ai_cost_calc.providers.readers import open_reader, read_usage, route
from tests.providers.readers.bodies import (
    CONVERSE_COUNTS,
    CONVERSE_USAGE,
    EVENT_STREAM,
    MESSAGE_COUNTS,
    METRIC_COUNTS,
    METRICS,
    chat,
    counts,
    fed,
    frame,
    message,
    message_stream,
    response,
    wrapped,
)

RUNTIME = "https://bedrock-runtime.us-east-1.amazonaws.com/model/"


def test_converse_is_the_same_for_every_model() -> None:
    """Cached tokens stand beside the input and are counted inside; the path names the model, the host the region."""
    body = {"output": {}, "stopReason": "end_turn", "usage": CONVERSE_USAGE, "serviceTier": {"type": "flex"}}
    reading = read_usage(json.dumps(body), url=f"{RUNTIME}us.anthropic.claude-sonnet-4-5-v1%3A0/converse")
    assert counts(reading) == CONVERSE_COUNTS
    assert (reading.provider, reading.model) == ("aws", "us.anthropic.claude-sonnet-4-5-v1:0")
    assert (reading.service_tier, reading.region) == ("flex", "us-east-1")


def test_a_prompt_router_names_the_model_that_answered() -> None:
    """The model asked for is then a router, and what answered is what is billed."""
    body = {
        "usage": CONVERSE_USAGE,
        "trace": {
            "promptRouter": {"invokedModelId": "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0"}
        },
        "performanceConfig": {"latency": "optimized"},
    }
    reading = read_usage(body, provider="bedrock", api="converse", model="router")
    assert reading.model == "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0"
    assert reading.speed == "optimized"


CONVERSE_EVENTS: list[tuple[str, dict[str, Any]]] = [
    ("messageStart", {"role": "assistant", "p": "ab"}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hé"}, "p": "abcd"}),
    ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"toolUse": {"input": "{}"}}}),
    ("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"reasoningContent": {"text": "hm"}}}),
    ("messageStop", {"stopReason": "end_turn"}),
    ("metadata", {"usage": CONVERSE_USAGE, "metrics": {"latencyMs": 2368}}),
]


def test_usage_of_a_converse_stream_is_in_its_last_event() -> None:
    """Before the metadata event nothing is known but the bytes that passed."""
    frames = [frame(payload, event) for event, payload in CONVERSE_EVENTS]
    known: dict[str, Any] = {"url": f"{RUNTIME}amazon.nova-lite-v1%3A0/converse-stream", "content_type": EVENT_STREAM}
    assert counts(fed(frames, **known)) == CONVERSE_COUNTS
    assert counts(fed([b"".join(frames)])) == CONVERSE_COUNTS, "recognised by its look alone"
    reader = open_reader(**known)
    for each in frames[:-1]:
        reader.feed(each)
    reading = reader.close(ended=False)
    assert (reading.usage, reading.complete) == (None, False)
    assert reader.output_bytes == len("Hé{}hm".encode())


def test_events_may_come_as_botocore_parsed_them() -> None:
    """An SDK hands out the same events under their names."""
    reader = open_reader(provider="aws", api="converse")
    for event, payload in CONVERSE_EVENTS:
        reader.message({event: payload})
    assert counts(reader.close()) == CONVERSE_COUNTS
    assert reader.output_bytes == len("Hé{}hm".encode())


CACHE_HEADERS = [("read", "7"), ("write", "many")]
HEADERS = {"x-amzn-bedrock-input-token-count": "5", "x-amzn-bedrock-output-token-count": "10"}


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (message(), {}, MESSAGE_COUNTS),
        (
            {"usage": {"inputTokens": 8, "outputTokens": 2, "cacheReadInputTokenCount": 1}},
            {},
            {"input_tokens": 9, "output_tokens": 2, "cache_read_tokens": 1},
        ),
        (
            {"inputTextTokenCount": 8, "results": [{"tokenCount": 4}, {"tokenCount": 3}]},
            {},
            {"input_tokens": 8, "output_tokens": 7},
        ),
        ({"embedding": [0.1], "inputTextTokenCount": 8}, {}, {"input_tokens": 8}),
        ({"prompt_token_count": 6, "generation_token_count": 9}, {}, {"input_tokens": 6, "output_tokens": 9}),
        ({"usage": {"prompt_tokens": 6, "completion_tokens": 10}}, {}, {"input_tokens": 6, "output_tokens": 10}),
        (
            {
                "usage": {
                    "prompt_tokens": 60,
                    "completion_tokens": 10,
                    "prompt_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 5},
                    "completion_tokens_details": {"reasoning_tokens": 8},
                }
            },
            {},
            {
                "input_tokens": 60,
                "output_tokens": 10,
                "cache_read_tokens": 40,
                "cache_write_tokens": 5,
                "output_reasoning_tokens": 8,
            },
        ),
        ({"images": ["iVBORw0KGgo=", "iVBORw0KGgo="]}, {}, {"images": 2}),
        ({"outputs": [{"text": "x"}]}, HEADERS, {"input_tokens": 5, "output_tokens": 10}),
        ({"embeddings": [[0.1]]}, {"x-amzn-bedrock-input-token-count": "4"}, {"input_tokens": 4}),
        (
            {"text": "x"},
            HEADERS | {f"x-amzn-bedrock-cache-{name}-input-token-count": told for name, told in CACHE_HEADERS},
            {"input_tokens": 12, "output_tokens": 10, "cache_read_tokens": 7},
        ),
    ],
    ids=[
        "anthropic",
        "nova",
        "titan",
        "titan-embed",
        "llama",
        "openai-like",
        "openai-like, cached",
        "images",
        "mistral",
        "cohere-embed",
        "cached",
    ],
)
def test_every_family_is_read_by_its_own_fields(
    body: dict[str, Any], headers: dict[str, str], expected: dict[str, int]
) -> None:
    """InvokeModel hands through what the model says; where that is nothing, Bedrock's headers count."""
    reading = read_usage(json.dumps(body), url=f"{RUNTIME}vendor.model-v1%3A0/invoke", headers=headers)
    assert counts(reading) == expected
    assert reading.model == "vendor.model-v1:0"
    assert reading.complete
    assert reading.speed is None


def test_faster_hardware_is_told_by_a_header() -> None:
    """InvokeModel says in a header what Converse says in its body."""
    headers = {"x-amzn-bedrock-performanceconfig-latency": "optimized"}
    reading = read_usage(json.dumps(message()), url=f"{RUNTIME}vendor.model-v1%3A0/invoke", headers=headers)
    assert reading.speed == "optimized"


def test_the_metrics_of_the_last_chunk_are_what_is_billed() -> None:
    """They go before what the model itself said, for every family."""
    stop = {"type": "message_stop", "amazon-bedrock-invocationMetrics": METRICS}
    url = f"{RUNTIME}anthropic.claude-x/invoke-with-response-stream"
    body = b"".join(wrapped(event) for event in [*message_stream()[:-1], stop])
    reading = read_usage(body, url=url, content_type=EVENT_STREAM)
    assert counts(reading) == METRIC_COUNTS | {"cache_write_5m_tokens": 5}
    assert (reading.model, reading.complete) == ("anthropic.claude-x", True)
    titan = wrapped({"outputText": "Hi", "inputTextTokenCount": 9.0, "amazon-bedrock-invocationMetrics": METRICS})
    assert counts(read_usage(titan, url=url, content_type=EVENT_STREAM)) == METRIC_COUNTS


def test_the_metrics_leave_to_the_message_what_they_do_not_count() -> None:
    """Thinking is a part of their output, searches are billed beside it; only the message tells of both."""
    told = {"output_tokens_details": {"thinking_tokens": 2}, "server_tool_use": {"web_search_requests": 3}}
    delta = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9} | told}
    stop = {"type": "message_stop", "amazon-bedrock-invocationMetrics": METRICS}
    body = b"".join(wrapped(event) for event in [message_stream()[0], delta, stop])
    reading = read_usage(
        body, url=f"{RUNTIME}anthropic.claude-x/invoke-with-response-stream", content_type=EVENT_STREAM
    )
    assert counts(reading) == METRIC_COUNTS | {
        "cache_write_5m_tokens": 5,
        "output_reasoning_tokens": 2,
        "web_searches": 3,
    }


def test_a_stream_of_claude_that_is_left_early_keeps_the_input() -> None:
    """Without the metrics, the events count as they do at Anthropic."""
    frames = [wrapped(event) for event in message_stream()[:3]]
    reader = open_reader(url=f"{RUNTIME}anthropic.claude-x/invoke-with-response-stream", content_type=EVENT_STREAM)
    for each in frames:
        reader.feed(each)
    reading = reader.close(ended=False)
    assert counts(reading) == MESSAGE_COUNTS | {"output_tokens": 1}
    assert (reading.complete, reader.output_bytes) == (False, len("Héllo".encode()))


def test_what_nova_and_llama_stream_is_counted() -> None:
    """Text of every family bounds what was answered."""
    reader = open_reader(provider="aws", api="invoke")
    reader.feed(wrapped({"contentBlockDelta": {"delta": {"text": "ab"}}}) + wrapped({"generation": "cde"}))
    reader.feed(wrapped({"metadata": {"usage": {"inputTokens": 12, "outputTokens": 13}}}))
    assert reader.output_bytes == 5
    assert counts(reader.close()) == {"input_tokens": 12, "output_tokens": 13}


def test_the_mantle_endpoint_speaks_openai() -> None:
    """Same shapes, billed by Amazon in the host's region."""
    mantle = "https://bedrock-mantle.eu-west-1.api.aws/v1/"
    for path, body in (("chat/completions", chat()), ("responses", response())):
        reading = read_usage(json.dumps(body), url=mantle + path)
        assert reading.usage is not None
        assert (reading.provider, reading.region) == ("aws", "eu-west-1")


def test_guardrails_are_billed_by_what_has_no_count_here() -> None:
    """Policy units are not tokens: the reading says that the usage is not known."""
    for path, usage in (
        ("guardrail/g/version/1/apply", {"topicPolicyUnits": 1}),
        ("guardrail-checks/invoke", {"contentFilter": {"textUnits": 1}}),
    ):
        url = f"https://bedrock-runtime.us-east-1.amazonaws.com/{path}"
        reading = read_usage(json.dumps({"usage": usage, "action": "NONE"}), url=url)
        assert (reading.usage, reading.complete) == (None, False)
        assert route(None, None, url).api == "apply_guardrail"
