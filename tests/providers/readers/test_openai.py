"""OpenAI's own APIs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ai_cost_calc.providers.readers import open_reader, read_usage
from tests.providers.readers.bodies import (
    CHAT_COUNTS,
    CHAT_USAGE,
    RESPONSE_COUNTS,
    RESPONSE_USAGE,
    SSE,
    Event,
    chat,
    chat_stream,
    chunk,
    counts,
    fed,
    response,
    sse,
)

URL = "https://api.openai.com/v1/"


def test_a_completion_says_everything_that_its_price_depends_on() -> None:
    """Counts with their parts, model, tier and id come from the body."""
    reading = read_usage(json.dumps(chat()), url=f"{URL}chat/completions")
    assert counts(reading) == CHAT_COUNTS
    assert (reading.provider, reading.model, reading.service_tier) == ("openai", "gpt-4.1-2025-04-14", "default")
    assert reading.response_id == "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT"
    assert reading.complete
    assert reading.anomaly is None


def test_audio_and_image_tokens_are_told_apart() -> None:
    """Modalities have prices of their own, so their parts are kept."""
    details = {"cached_tokens": 0, "audio_tokens": 40, "image_tokens": 12, "text_tokens": 48}
    usage = {"prompt_tokens": 100, "completion_tokens": 30, "prompt_tokens_details": details}
    usage |= {"completion_tokens_details": {"audio_tokens": 20, "text_tokens": 10}}
    assert counts(read_usage(chat(usage), provider="openai", api="chat")) == {
        "input_tokens": 100,
        "output_tokens": 30,
        "input_audio_tokens": 40,
        "input_image_tokens": 12,
        "input_text_tokens": 48,
        "output_audio_tokens": 20,
        "output_text_tokens": 10,
    }


def test_a_stream_with_usage_is_complete() -> None:
    """The chunk without choices carries the counts of the whole stream."""
    reading = read_usage(sse(*chat_stream()), url=f"{URL}chat/completions", content_type=SSE)
    assert counts(reading) == CHAT_COUNTS
    assert reading.complete
    assert (reading.model, reading.response_id) == ("gpt-4o-mini", "chatcmpl-123")


def test_a_stream_without_usage_is_not_known() -> None:
    """Where usage was not asked for there is none, and the reading does not pretend that nothing is billed."""
    reading = read_usage(sse(*chat_stream(None)), url=f"{URL}chat/completions", content_type=SSE)
    assert reading.usage is None
    assert not reading.complete


def test_answer_text_is_counted_in_bytes_while_it_passes() -> None:
    """Text, refusals, thinking and tool arguments count; names, ids and padding do not."""
    reader = open_reader(url=f"{URL}chat/completions", content_type=SSE)
    reader.feed(sse(*chat_stream(None)))
    assert reader.output_bytes == len("Grüße 👋".encode())
    tool = [{"index": 0, "id": "call_1", "function": {"name": "look", "arguments": '{"at":'}}]
    reader.feed(sse(chunk(choices=[{"index": 0, "delta": {"tool_calls": tool, "refusal": "no"}}], obfuscation="xyz")))
    assert reader.output_bytes == len("Grüße 👋".encode()) + len('{"at":') + len("no")


def test_running_totals_count_once() -> None:
    """A server that repeats usage on every chunk (vLLM's continuous usage) is read by its last one."""
    totals = [{"prompt_tokens": 7, "completion_tokens": done, "total_tokens": 7 + done} for done in (1, 2, 3)]
    events = [chunk("a", usage=totals[0]), chunk("b", usage=totals[1]), chunk(finish="stop", usage=totals[2])]
    assert counts(fed([sse(*events)], content_type=SSE)) == {"input_tokens": 7, "output_tokens": 3}
    cut = fed([sse(*events[:2])], content_type=SSE, ended=False)
    assert counts(cut) == {"input_tokens": 7, "output_tokens": 2}
    assert not cut.complete


def test_a_caller_who_leaves_after_the_usage_chunk_knows_everything() -> None:
    """The SDK closes the connection at `[DONE]`, or before: with final usage seen, nothing is missing."""
    whole = sse(*chat_stream()[:-1])
    assert fed([whole], content_type=SSE, ended=False).complete


@pytest.mark.parametrize("api", ["responses", "responses_compact"])
def test_a_response_says_its_usage(api: str) -> None:
    """The Responses API has other names for the same counts."""
    reading = read_usage(json.dumps(response()), provider="openai", api=api)
    assert counts(reading) == RESPONSE_COUNTS
    assert reading.response_id == "resp_67ccd2bed1ec8190b14f964abc054267"


def test_only_billed_calls_of_built_in_tools_are_counted() -> None:
    """Searches count when they finished; opening a page is part of one; others count per call, shells if hosted."""
    search = {"type": "web_search_call", "status": "completed"}
    output = [
        search | {"action": {"type": "search", "query": "x"}},
        search | {"action": {"type": "open_page"}},
        search | {"action": {"type": "search"}, "status": "failed"},
        search,
        {"type": "file_search_call", "status": "completed"},
        {"type": "code_interpreter_call", "status": "completed"},
        {"type": "shell_call", "environment": {"type": "container_reference", "container_id": "cntr_1"}},
        {"type": "shell_call", "environment": {"type": "local"}},
        {"type": "shell_call", "environment": None},
        {"type": "function_call", "name": "web_search_call"},
    ]
    expected = RESPONSE_COUNTS | {"web_searches": 2, "storage_searches": 1, "code_executions": 2}
    assert counts(read_usage(json.dumps(response(output=output)), provider="openai", api="responses")) == expected


@pytest.mark.parametrize(
    ("kind", "searches", "context"),
    [
        ("web_search_preview", 1, {"search": "preview"}),
        ("web_search_preview_2025_03_11", 1, {"search": "preview"}),
        ("web_search_preview", 0, {}),
        ("web_search", 1, {}),
    ],
)
def test_the_preview_of_web_search_has_its_own_price(kind: str, searches: int, context: dict[str, str]) -> None:
    """The tool's name is told where it was used; a tool that was only offered costs nothing."""
    search = {"type": "web_search_call", "status": "completed"}
    body = response(output=[search] * searches, tools=[{"type": "function"}, {"type": kind}])
    assert read_usage(json.dumps(body), provider="openai", api="responses").context == context


def test_what_the_response_says_of_its_tools_goes_first() -> None:
    """`tool_usage` counts billable searches, and image tokens that are billed to the image model."""
    painted = {
        "input_tokens": 50,
        "output_tokens": 1056,
        "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
        "cached_tokens": 30,
        "cached_tokens_details": {"cached_text_tokens": 4, "cached_image_tokens": 26},
    }
    body = response(
        output=[{"type": "web_search_call", "status": "completed"}] * 3,
        tools=[{"type": "image_generation", "model": "gpt-image-1.5"}],
        tool_usage={"web_search": {"num_requests": 2}, "image_gen": painted},
    )
    reading = read_usage(json.dumps(body), provider="openai", api="responses")
    assert counts(reading)["web_searches"] == 2
    (extra,) = reading.also
    assert extra.model == "gpt-image-1.5"
    assert counts(extra) == {
        "input_tokens": 50,
        "output_tokens": 1056,
        "input_text_tokens": 10,
        "input_image_tokens": 40,
        "cache_read_tokens": 30,
        "cache_text_read_tokens": 4,
        "cache_image_read_tokens": 26,
    }


def test_a_response_in_the_background_has_no_usage_yet() -> None:
    """Nothing is billed before it is done, so there is nothing missing either."""
    reading = read_usage(json.dumps(response(status="queued", usage=None)), provider="openai", api="responses")
    assert reading.usage is None
    assert reading.complete


@pytest.mark.parametrize("last", ["response.completed", "response.incomplete", "response.failed"])
def test_a_streamed_response_is_read_from_its_last_event(last: str) -> None:
    """However a response ends, its last event carries the whole response."""
    events: list[Event] = [
        {"type": "response.created", "response": response(status="in_progress", usage=None, service_tier="auto")},
        {"type": "response.output_text.delta", "delta": "Hi"},
        {"type": last, "response": response()},
    ]
    reading = read_usage(sse(*events, named=True), url=f"{URL}responses", content_type=SSE)
    assert counts(reading) == RESPONSE_COUNTS
    assert reading.service_tier == "default"
    assert reading.complete
    cut = fed([sse(*events[:2])], url=f"{URL}responses", content_type=SSE, ended=False)
    assert (cut.usage, cut.complete) == (None, False)
    assert (cut.model, cut.response_id) == (reading.model, reading.response_id)


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        (
            "embeddings",
            {"object": "list", "data": [], "usage": {"prompt_tokens": 8, "total_tokens": 8}},
            {"input_tokens": 8},
        ),
        (
            "threads/thread_1/runs/run_1",
            {"object": "thread.run", "usage": CHAT_USAGE | {"prompt_token_details": {"cached_tokens": 4}}},
            CHAT_COUNTS,
        ),
        ("images/generations", {"created": 1, "data": [{"url": "u"}, {"url": "u"}]}, {"images": 2}),
        (
            "images/edits",
            {
                "data": [{"b64_json": "aGk="}],
                "usage": {
                    "input_tokens": 50,
                    "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
                    "output_tokens": 272,
                    "output_tokens_details": {"text_tokens": 0, "image_tokens": 272},
                },
            },
            {
                "input_tokens": 50,
                "output_tokens": 272,
                "input_text_tokens": 10,
                "input_image_tokens": 40,
                "output_image_tokens": 272,
            },
        ),
        ("audio/transcriptions", {"text": "hi", "usage": {"type": "duration", "seconds": 37}}, {"audio_seconds": 37}),
        (
            "audio/transcriptions",
            {
                "text": "hi",
                "usage": {
                    "type": "tokens",
                    "input_tokens": 14,
                    "input_token_details": {"text_tokens": 4, "audio_tokens": 10},
                    "output_tokens": 45,
                },
            },
            {"input_tokens": 14, "output_tokens": 45, "input_text_tokens": 4, "input_audio_tokens": 10},
        ),
        ("audio/translations", {"text": "hi", "duration": 8.47}, {"audio_seconds": 8.47}),
        ("decisions", {"object": "decision", "model": "gpt-5.6", "usage": RESPONSE_USAGE}, RESPONSE_COUNTS),
    ],
)
def test_every_endpoint_is_read_by_its_own_fields(path: str, body: dict[str, Any], expected: dict[str, Any]) -> None:
    """The path tells the API, and each API says in its own way what is billed."""
    reading = read_usage(json.dumps(body), url=URL + path, model="asked-for")
    assert counts(reading) == expected
    assert reading.model in {"asked-for", "gpt-5.6"}
    assert reading.complete


@pytest.mark.parametrize("path", ["moderations", "models", "responses/input_tokens", "files/file-1/content"])
def test_free_endpoints_have_no_usage_and_miss_none(path: str) -> None:
    """Nothing is billed for them, even where the body looks like counts."""
    reading = read_usage('{"id": "x", "input_tokens": 11}', url=URL + path)
    assert reading.usage is None
    assert reading.complete == (path != "files/file-1/content")


def test_speech_is_billed_by_what_the_response_does_not_say() -> None:
    """Audio passes unread and unkept, and the reading says that its usage is not known."""
    reading = fed([b"\xff\xf3\x44", b"\xc4" * 5000], url=f"{URL}audio/speech", content_type="audio/mpeg")
    assert (reading.usage, reading.complete) == (None, False)


def test_speech_that_is_streamed_as_events_says_its_tokens() -> None:
    """With `stream_format="sse"` the last event has usage; whoever left before it does not know."""
    delta = {"type": "speech.audio.delta", "audio": "UklGRg=="}
    done = {"type": "speech.audio.done", "usage": {"input_tokens": 14, "output_tokens": 101, "total_tokens": 115}}
    ways: list[dict[str, Any]] = [{"url": f"{URL}audio/speech"}, {"provider": "openai", "api": "speech"}, {}]
    for known in ways:
        reading = fed([sse(delta, done)], content_type=SSE, **known)
        assert (counts(reading), reading.complete) == ({"input_tokens": 14, "output_tokens": 101}, True)
    cut = fed([sse(delta)], url=f"{URL}audio/speech", content_type=SSE, ended=False)
    assert (cut.usage, cut.complete) == (None, False)


@pytest.mark.parametrize("kind", ["image_generation", "image_edit"])
def test_the_output_of_a_streamed_image_is_image_tokens(kind: str) -> None:
    """The event that ends it has no details of its output: all of it is "image tokens in the output image"."""
    usage = {"input_tokens": 50, "output_tokens": 272, "input_tokens_details": {"text_tokens": 10, "image_tokens": 40}}
    partial = {"type": f"{kind}.partial_image", "partial_image_index": 0, "b64_json": "UklGRg=="}
    done = {"type": f"{kind}.completed", "b64_json": "UklGRg==", "usage": usage}
    path = {"image_generation": "generations", "image_edit": "edits"}[kind]
    ways: list[dict[str, Any]] = [{"url": f"{URL}images/{path}"}, {"provider": "openai", "api": "images"}, {}]
    for known in ways:
        reading = fed([sse(partial, done)], content_type=SSE, **known)
        assert counts(reading) == {
            "input_tokens": 50,
            "output_tokens": 272,
            "input_text_tokens": 10,
            "input_image_tokens": 40,
            "output_image_tokens": 272,
        }
    cut = fed([sse(partial)], url=f"{URL}images/{path}", content_type=SSE, ended=False)
    assert (cut.usage, cut.complete) == (None, False)


def test_an_svg_is_billed_to_the_model_that_wrote_it() -> None:
    """Images may come with tokens of a second model."""
    svg = {"model": "gpt-5.6", "input_tokens": 20, "output_tokens": 900, "reasoning_tokens": 300, "total_tokens": 920}
    body = {"data": [{}], "usage": {"input_tokens": 5, "output_tokens": 7}, "svg_usage": svg}
    reading = read_usage(body, url=f"{URL}images/generations", model="gpt-image-2")
    assert [(each.model, counts(each)["output_tokens"]) for each in (reading, *reading.also)] == [
        ("gpt-image-2", 7),
        ("gpt-5.6", 900),
    ]
    alone = read_usage({"data": [{}], "svg_usage": svg}, url=f"{URL}images/generations", model="gpt-image-2")
    drawn = response(output=[{"type": "image_generation_call", "status": "completed", "svg_usage": svg}])
    answer = read_usage(json.dumps(drawn), url=f"{URL}responses")
    assert alone.also == answer.also == reading.also


@pytest.mark.parametrize(("host", "region"), [("eu.api.openai.com", "eu"), ("api.openai.com", None)])
def test_a_regional_host_is_part_of_the_price(host: str, region: str | None) -> None:
    """Data residency costs extra, and only the host tells."""
    reading = read_usage(json.dumps(chat()), url=f"https://{host}/v1/chat/completions")
    assert (reading.provider, reading.region) == ("openai", region)
