"""Anthropic's messages, wherever they are served."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ai_cost_calc.providers.readers import open_reader, read_usage
from tests.providers.readers.bodies import (
    MESSAGE_COUNTS,
    MESSAGE_USAGE,
    SSE,
    counts,
    fed,
    json_lines,
    message,
    message_stream,
    sse,
)

URL = "https://api.anthropic.com/v1/messages"
VERTEX = "https://eu-west1-aiplatform.googleapis.com/v1/projects/p/locations/eu-west1/publishers/"


def test_cached_tokens_are_counted_inside_the_input() -> None:
    """Anthropic reports what was read from and written to the cache beside `input_tokens`; our totals include it."""
    reading = read_usage(json.dumps(message()), url=URL)
    assert counts(reading) == MESSAGE_COUNTS
    assert (reading.provider, reading.model) == ("anthropic", "claude-sonnet-4-5-20250929")
    assert (reading.service_tier, reading.region) == ("standard", "us")
    assert reading.response_id == "msg_013Zva2CMHLNnXjNJJKqJ2EF"


@pytest.mark.parametrize("geo", [None, "global", "not_available"])
def test_a_place_that_costs_nothing_extra_is_no_region(geo: str | None) -> None:
    """Only a place with a price of its own is told."""
    assert read_usage(message({"input_tokens": 1, "inference_geo": geo}), provider="anthropic").region is None


def test_thinking_speed_and_tools_of_the_server_are_read() -> None:
    """Thinking is part of the output; searches are billed on their own; fetches are counted."""
    usage = {
        "input_tokens": 10,
        "output_tokens": 50,
        "output_tokens_details": {"thinking_tokens": 33},
        "server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 2},
        "speed": "fast",
    }
    reading = read_usage(json.dumps(message(usage)), provider="anthropic", api="messages")
    assert counts(reading) == {
        "input_tokens": 10,
        "output_tokens": 50,
        "output_reasoning_tokens": 33,
        "web_searches": 3,
        "web_fetches": 2,
    }
    assert reading.speed == "fast"


def test_compaction_and_advice_are_billed_on_top() -> None:
    """Iterations that the totals leave out become readings of their own, the advisor's with its own model."""
    iterations = [
        {"type": "compaction", "input_tokens": 60_385, "output_tokens": 592, "cache_read_input_tokens": 100},
        {"type": "message", "input_tokens": 682, "output_tokens": 1320},
        {"type": "advisor_message", "model": "claude-opus-4-8", "input_tokens": 2529, "output_tokens": 38},
    ]
    usage = {"input_tokens": 682, "output_tokens": 1320, "iterations": iterations, "service_tier": "priority"}
    reading = read_usage(json.dumps(message(usage)), provider="anthropic", api="messages")
    assert counts(reading) == {"input_tokens": 682, "output_tokens": 1320}
    assert [(each.model, counts(each)) for each in reading.also] == [
        ("claude-sonnet-4-5-20250929", {"input_tokens": 60_485, "output_tokens": 592, "cache_read_tokens": 100}),
        ("claude-opus-4-8", {"input_tokens": 2529, "output_tokens": 38}),
    ]
    assert {each.service_tier for each in reading.also} == {"priority"}


DECLINED = {"type": "message", "model": "claude-fable-5", "input_tokens": 100, "output_tokens": 40}
SERVED = {"type": "fallback_message", "model": "claude-opus-5", "input_tokens": 110, "output_tokens": 60}


@pytest.mark.parametrize(
    "total", [{"input_tokens": 110, "output_tokens": 60}, {"input_tokens": 210, "output_tokens": 100}]
)
def test_each_model_that_was_tried_is_billed_at_its_own_price(total: dict[str, int]) -> None:
    """A fallback goes on where another model gave up; the totals may be its own, or those of both."""
    body = message(total | {"iterations": [DECLINED, SERVED]}) | {"model": "claude-opus-5"}
    events = [
        {"type": "message_start", "message": body | {"model": "claude-fable-5", "usage": {"input_tokens": 100}}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": body["usage"]},
    ]
    for reading in (read_usage(body, url=URL), read_usage(sse(*events), url=URL, content_type=SSE)):
        assert [(each.model, counts(each)) for each in (reading, *reading.also)] == [
            ("claude-opus-5", {"input_tokens": 110, "output_tokens": 60}),
            ("claude-fable-5", {"input_tokens": 100, "output_tokens": 40}),
        ]


def test_a_model_that_gave_up_before_it_said_anything_is_not_billed() -> None:
    """A refusal without output costs nothing, whether the totals count it or not."""
    declined = DECLINED | {"output_tokens": 0}
    for total in (110, 210):
        usage = {"input_tokens": total, "output_tokens": 60, "iterations": [declined, SERVED]}
        reading = read_usage(message(usage), url=URL)
        assert (counts(reading), reading.also) == ({"input_tokens": 110, "output_tokens": 60}, ())


def test_totals_of_a_stream_replace_what_they_name() -> None:
    """The start has the input side, the end overrides only what it repeats; nothing is added up."""
    body = sse(*message_stream(), named=True)
    reading = read_usage(body, url=URL, content_type=SSE)
    assert counts(reading) == MESSAGE_COUNTS
    assert reading.complete
    events = message_stream()
    events[4]["usage"] = {"input_tokens": 7, "cache_read_input_tokens": None, "output_tokens": 91}
    later = counts(read_usage(sse(*events), url=URL, content_type=SSE))
    assert (later["input_tokens"], later["output_tokens"]) == (1207, 91)


def test_a_stream_that_is_left_early_has_exact_input_and_a_bound_of_the_output() -> None:
    """What is known at the start stays known; the bytes seen bound what was answered."""
    reader = open_reader(url=URL, content_type=SSE)
    reader.feed(sse(*message_stream()[:4]))
    reading = reader.close(ended=False)
    assert counts(reading) == MESSAGE_COUNTS | {"output_tokens": 1}
    assert not reading.complete
    assert reader.output_bytes == len("Héllo".encode()) + len('{"a"')


def test_a_gateway_may_send_the_input_at_the_end_only() -> None:
    """Some start with zeros, or with no usage at all."""
    events = message_stream()
    events[0]["message"]["usage"] = None
    events[4]["usage"] = MESSAGE_USAGE
    assert counts(fed([sse(*events)], content_type=SSE)) == MESSAGE_COUNTS


def test_results_of_a_batch_add_up() -> None:
    """Every line that succeeded is a message; all are billed at the batch rate."""
    lines = [
        {
            "custom_id": "a",
            "result": {"type": "succeeded", "message": message({"input_tokens": 20, "output_tokens": 5})},
        },
        {"custom_id": "b", "result": {"type": "errored", "error": {"type": "invalid_request"}}},
        {"custom_id": "c", "result": {"type": "succeeded", "message": message()}},
    ]
    reading = read_usage(
        json_lines(*lines), url=f"{URL}/batches/msgbatch_1/results", content_type="application/x-jsonl"
    )
    assert counts(reading) == MESSAGE_COUNTS | {"input_tokens": 1223, "output_tokens": 95}
    assert reading.service_tier == "batch"
    assert reading.complete


@pytest.mark.parametrize("path", ["/count_tokens", "/batches", "/batches/msgbatch_1"])
def test_counting_and_asking_are_free(path: str) -> None:
    """Nothing is billed, whatever counts the body holds."""
    reading = read_usage({"input_tokens": 2095, "processing_status": "ended"}, url=URL + path)
    assert (reading.usage, reading.complete) == (None, True)


@pytest.mark.parametrize(
    ("known", "provider", "model"),
    [
        ({"provider": "anthropic"}, "anthropic", None),
        ({"url": f"{VERTEX}anthropic/models/claude-x:rawPredict"}, "google", None),
        ({"url": "https://mine.services.ai.azure.com/anthropic/v1/messages"}, "azure", None),
        ({"url": "https://aws-external-anthropic.us-east-1.api.aws/v1/messages"}, "anthropic", None),
        ({"url": "https://bedrock-mantle.us-east-1.api.aws/anthropic/v1/messages"}, "aws", None),
        (
            {"url": "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.anthropic.claude-x-v1%3A0/invoke"},
            "aws",
            "us.anthropic.claude-x-v1:0",
        ),
        ({"url": "http://localhost:4000/v1/messages"}, None, None),
        ({}, None, None),
    ],
)  # fmt: skip
def test_the_same_message_is_read_wherever_it_is_served(known: dict[str, Any], provider: str, model: str) -> None:
    """Clouds serve the same shape; who bills is told by the URL, and so is the model where a cloud names it anew."""
    reading = read_usage(json.dumps(message()), **known)
    assert counts(reading) == MESSAGE_COUNTS
    assert reading.provider == provider
    assert reading.model == (model or "claude-sonnet-4-5-20250929")
