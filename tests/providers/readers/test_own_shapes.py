"""Cohere, Voyage, Ollama and Cloudflare, who have shapes of their own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ai_cost_calc.providers.readers import open_reader, read_usage
from tests.providers.readers.bodies import (
    PLAIN,
    PLAIN_COUNTS,
    SSE,
    counts,
    fed,
    json_lines,
    sse,
)

BILLED = {
    "billed_units": {"input_tokens": 12, "output_tokens": 64},
    "tokens": {"input_tokens": 212, "output_tokens": 64},
}
BILLED_COUNTS = {"input_tokens": 12, "output_tokens": 64}


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("v2/chat", {"id": "c1", "usage": BILLED | {"cached_tokens": 208}}, BILLED_COUNTS),
        ("v1/chat", {"generation_id": "c1", "text": "Hi", "meta": BILLED}, BILLED_COUNTS),
        ("v2/embed", {"id": "c1", "meta": {"billed_units": {"input_tokens": 3}}}, {"input_tokens": 3}),
        (
            "v2/embed",
            {"id": "c1", "meta": {"billed_units": {"input_tokens": 3, "image_tokens": 258, "images": 1}}},
            {"input_tokens": 261, "input_image_tokens": 258},
        ),
        (
            "v2/embed",
            {"id": "c1", "meta": {"billed_units": {"text_tokens": 7, "image_tokens": 20}}},
            {"input_tokens": 27, "input_image_tokens": 20},
        ),
        (
            "v2/embed",
            {"id": "c1", "meta": {"billed_units": {"input_tokens": 27, "text_tokens": 7, "image_tokens": 20}}},
            {"input_tokens": 27, "input_image_tokens": 20},
        ),
        ("v1/embed", {"id": "c1", "meta": {"billed_units": {"images": 2}}}, {"images": 2}),
        ("v2/rerank", {"id": "c1", "meta": {"billed_units": {"search_units": 2}}}, {"rerank_searches": 2}),
        ("v2/chat", {"id": "c1", "usage": {"tokens": {"input_tokens": 9}}}, {"input_tokens": 9}),
        (
            "v2/chat",
            {"id": "c1", "usage": {"tokens": {"input_tokens": 9.0}, "cached_tokens": 4.0}},
            {"input_tokens": 9, "cache_read_tokens": 4},
        ),
    ],
)
def test_cohere_is_read_by_what_it_bills(path: str, body: dict[str, Any], expected: dict[str, int]) -> None:
    """What the model saw is more than what is charged; images and searches are units of their own."""
    reading = read_usage(json.dumps(body), url=f"https://api.cohere.com/{path}", model="command-a")
    assert counts(reading) == expected
    assert (reading.model, reading.response_id) == ("command-a", "c1")


def test_both_streams_of_cohere_end_with_what_is_billed() -> None:
    """Version 2 sends server-sent events, version 1 JSON lines."""
    call = {"tool_calls": {"function": {"arguments": "{}"}}}
    second = [
        {"type": "message-start", "id": "c1", "delta": {"message": {"role": "assistant"}}},
        {"type": "content-delta", "delta": {"message": {"content": {"text": "Hé"}}}},
        {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "I will"}}},
        {"type": "tool-call-delta", "delta": {"message": call}},
        {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": BILLED}},
    ]
    reader = open_reader(url="https://api.cohere.com/v2/chat", content_type=SSE)
    reader.feed(sse(*second))
    assert reader.output_bytes == len("HéI will{}".encode())
    assert counts(reader.close()) == BILLED_COUNTS
    first = [
        {"is_finished": False, "event_type": "stream-start", "generation_id": "c1"},
        {"is_finished": False, "event_type": "text-generation", "text": "Hé"},
        {"is_finished": True, "event_type": "stream-end", "response": {"generation_id": "c1", "meta": BILLED}},
    ]
    reader = open_reader(url="https://api.cohere.com/v1/chat", content_type="application/stream+json")
    reader.feed(json_lines(*first))
    assert reader.output_bytes == 3
    reading = reader.close()
    assert (counts(reading), reading.complete, reading.response_id) == (BILLED_COUNTS, True, "c1")


@pytest.mark.parametrize("path", ["embeddings", "rerank"])
def test_voyage_reports_a_total_alone(path: str) -> None:
    """All of it is input."""
    body = {"object": "list", "model": "voyage-3.5", "usage": {"total_tokens": 12}}
    assert counts(read_usage(json.dumps(body), url=f"https://api.voyageai.com/v1/{path}")) == {"input_tokens": 12}


def test_ollama_counts_on_its_last_line() -> None:
    """Its own API streams JSON lines; the counts come with the one that is done."""
    lines: list[dict[str, Any]] = [
        {"model": "llama3", "message": {"content": "Hé", "thinking": "hm"}, "done": False},
        {"model": "llama3", "response": "y", "done": False},
        {"model": "llama3", "done": True, "prompt_eval_count": 17, "eval_count": 63},
    ]
    reader = open_reader(url="http://localhost:11434/api/chat", content_type="application/x-ndjson")
    reader.feed(json_lines(*lines))
    assert reader.output_bytes == 6
    reading = reader.close()
    assert counts(reading) == {"input_tokens": 17, "output_tokens": 63}
    assert (reading.provider, reading.model, reading.complete) == ("ollama", "llama3", True)
    assert read_usage(json.dumps(lines[2]), provider="ollama", api="ollama") == reading
    cut = fed([json_lines(*lines[:2])], url="http://localhost:11434/api/chat", content_type="application/x-ndjson")
    assert (cut.usage, cut.complete) == (None, False)


def test_cloudflare_puts_answers_into_an_envelope() -> None:
    """The path names the model; a stream has no envelope."""
    url = "https://api.cloudflare.com/client/v4/accounts/a1/ai/run/@cf/meta/llama-3.1-8b-instruct"
    reading = read_usage(json.dumps({"result": {"response": "Hi", "usage": PLAIN}, "success": True}), url=url)
    assert (counts(reading), reading.model) == (PLAIN_COUNTS, "@cf/meta/llama-3.1-8b-instruct")
    stream = sse({"response": "Hé"}, {"response": "", "usage": PLAIN}, "[DONE]")
    assert counts(fed([stream], url=url, content_type=SSE)) == PLAIN_COUNTS


@pytest.mark.parametrize("path", ["run/@cf/typesafe/decider", "v1/decisions"])
def test_cloudflare_speaks_of_input_and_output_too(path: str) -> None:
    """Decisions and responses count in other words than chats, in the same envelope."""
    url = f"https://api.cloudflare.com/client/v4/accounts/a1/ai/{path}"
    usage = {"input_tokens": 9, "output_tokens": 4, "total_tokens": 13}
    details = {"input_tokens_details": {"cached_tokens": 5}, "output_tokens_details": {"reasoning_tokens": 3}}
    for told, more in (({}, {}), (details, {"cache_read_tokens": 5, "output_reasoning_tokens": 3})):
        reading = read_usage({"result": {"model": "decider", "usage": usage | told}, "success": True}, url=url)
        assert (counts(reading), reading.model) == ({"input_tokens": 9, "output_tokens": 4} | more, "decider")
