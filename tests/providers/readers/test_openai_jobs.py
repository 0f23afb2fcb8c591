"""OpenAI's batches and sessions, which add up over many responses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ai_cost_calc.core.usage import Usage
from ai_cost_calc.providers.readers import open_reader, read_usage
from tests.providers.readers.bodies import (
    RESPONSE_COUNTS,
    RESPONSE_USAGE,
    SSE,
    chat,
    counts,
    fed,
    json_lines,
    response,
    sse,
)

URL = "https://api.openai.com/v1/"


def test_a_batch_is_billed_at_the_batch_rate() -> None:
    """The finished batch sums its requests; the tier makes the price."""
    body = {"id": "batch_1", "object": "batch", "status": "completed", "model": "gpt-5-nano", "usage": RESPONSE_USAGE}
    reading = read_usage(json.dumps(body), url=f"{URL}batches/batch_1")
    assert counts(reading) == RESPONSE_COUNTS
    assert (reading.service_tier, reading.response_id) == ("batch", "batch_1")


@pytest.mark.parametrize(
    ("url", "body", "expected", "calls"),
    [
        (
            "https://api.cohere.com/v2/batches/b1",
            {
                "batch": {
                    "id": "b1", "model": "command-a", "input_tokens": "1200", "output_tokens": "300",
                    "num_records": 4, "num_successful_records": 3,
                }
            },
            {"input_tokens": 1200, "output_tokens": 300},
            3,
        ),
        (
            "https://api.fireworks.ai/v1/accounts/me/batchInferenceJobs/b1",
            {
                "name": "b1",
                "model": "command-a",
                "jobProgress": {
                    "inputTokens": 1200, "outputTokens": 300, "cachedInputTokenCount": 1000,
                    "successfullyProcessedRequests": 3,
                },
            },
            {"input_tokens": 1200, "output_tokens": 300, "cache_read_tokens": 1000},
            3,
        ),
        ("https://api.cohere.com/v2/batches", {"batch": {"id": "b1", "model": "command-a"}}, None, 1),
    ],
    ids=["cohere", "fireworks", "begun"],
)  # fmt: skip
def test_a_batch_says_its_tokens_in_the_words_of_its_vendor(
    url: str, body: dict[str, Any], expected: dict[str, int] | None, calls: int
) -> None:
    """What it has used so far stands in its state, as text or as numbers, at the batch rate."""
    reading = read_usage(json.dumps(body), url=url)
    assert (reading.usage and counts(reading)) == expected
    assert (reading.calls, reading.service_tier, reading.complete) == (calls, "batch", True)
    assert (reading.model, reading.response_id) == ("command-a", "b1")


def test_steps_of_a_run_are_part_of_it() -> None:
    """A stream tells the usage of each step as well; whoever leaves between a step and the run knows neither."""
    url = "https://api.openai.com/v1/threads/t1/runs"
    step = {"id": "step_1", "object": "thread.run.step", "usage": {"prompt_tokens": 3, "completion_tokens": 2}}
    run = {"id": "run_1", "object": "thread.run", "model": "gpt-4.1", "usage": None}
    done = run | {"usage": {"prompt_tokens": 7, "completion_tokens": 4, "total_tokens": 11}}
    for events in ((run, step, done), (run, step, done, step)):
        reading = fed([sse(*events, "[DONE]")], url=url, content_type=SSE)
        assert (counts(reading), reading.model) == ({"input_tokens": 7, "output_tokens": 4}, "gpt-4.1")
        assert (reading.response_id, reading.complete) == ("run_1", True)
    cut = fed([sse(run, step)], url=url, content_type=SSE, ended=False)
    assert (cut.usage, cut.complete) == (None, False)


def test_lines_of_a_result_file_add_up_by_model() -> None:
    """Every line is a response of some API; failed lines cost nothing."""
    lines: list[dict[str, Any]] = [
        {
            "custom_id": "1",
            "response": {"status_code": 200, "body": chat({"prompt_tokens": 5, "completion_tokens": 1})},
        },
        {"custom_id": "2", "response": {"status_code": 200, "body": response(model="gpt-5-nano")}},
        {
            "custom_id": "3",
            "response": {"status_code": 200, "body": chat({"prompt_tokens": 6, "completion_tokens": 2})},
        },
        {"custom_id": "4", "response": None, "error": {"code": "batch_expired"}},
    ]
    reading = read_usage(json_lines(*lines), url=f"{URL}files/file-1/content", content_type="application/octet-stream")
    assert {each.model: counts(each) for each in (reading, *reading.also)} == {
        "gpt-4.1-2025-04-14": {"input_tokens": 11, "output_tokens": 3},
        "gpt-5-nano": RESPONSE_COUNTS,
    }
    assert {each.service_tier for each in (reading, *reading.also)} == {"batch"}
    assert reading.complete
    assert counts(read_usage(json_lines(lines[0]), provider="openai", api="batch_results"))["input_tokens"] == 5
    assert read_usage(json_lines(lines[3]), provider="openai", api="batch_results").usage == Usage()


REALTIME_USAGE = {
    "total_tokens": 200,
    "input_tokens": 139,
    "output_tokens": 61,
    "input_token_details": {
        "text_tokens": 43,
        "audio_tokens": 96,
        "image_tokens": 0,
        "cached_tokens": 64,
        "cached_tokens_details": {"text_tokens": 20, "audio_tokens": 44, "image_tokens": 0},
    },
    "output_token_details": {"text_tokens": 18, "audio_tokens": 43},
}


def test_turns_of_a_realtime_session_add_up() -> None:
    """Each response has its own counts; what was heard is billed to the transcription model on top."""
    reader = open_reader(provider="openai", api="realtime", model="gpt-realtime")
    transcribed = {
        "type": "conversation.item.input_audio_transcription.completed",
        "usage": {"type": "duration", "seconds": 3},
    }
    done = {"type": "response.done", "event_id": "e", "response": {"id": "resp_1", "usage": REALTIME_USAGE}}
    delta = {"type": "response.output_audio_transcript.delta", "delta": "Hi"}
    for event in (delta, done, transcribed, done):
        reader.message(json.dumps(event))
    reading = reader.close()
    assert counts(reading) == {
        "input_tokens": 278,
        "output_tokens": 122,
        "cache_read_tokens": 128,
        "input_text_tokens": 86,
        "input_audio_tokens": 192,
        "cache_text_read_tokens": 40,
        "cache_audio_read_tokens": 88,
        "output_text_tokens": 36,
        "output_audio_tokens": 86,
    }
    assert [(each.model, counts(each)) for each in reading.also] == [(None, {"audio_seconds": 3})]
    assert reader.output_bytes == 2


def test_xai_reports_beside_a_realtime_response() -> None:
    """What stands inside it is empty there, and says nothing."""
    usage = {
        "input_tokens": 10,
        "input_token_details": {"text_tokens": 10, "audio_tokens": 0, "grok_tokens": 0},
        "output_tokens": 277,
        "output_token_details": {"text_tokens": 19, "audio_tokens": 258, "grok_tokens": 0},
        "total_tokens": 287,
    }
    for inside in ({"id": "r1", "usage": {}}, {"id": "r1"}):
        done = {"type": "response.done", "event_id": "e", "response": inside, "usage": usage}
        reader = open_reader(provider="xai", api="realtime", model="grok-voice-latest")
        reader.message(json.dumps(done))
        reading = reader.close()
        assert counts(reading) == {
            "input_tokens": 10,
            "output_tokens": 277,
            "input_text_tokens": 10,
            "output_text_tokens": 19,
            "output_audio_tokens": 258,
        }
        assert (reading.complete, reading.response_id) == (True, "r1")


def test_seconds_of_a_live_session_are_a_running_total() -> None:
    """Live events repeat the session's total; the last one counts."""
    reader = open_reader(provider="openai", api="live", model="gpt-live")
    for seconds in (1.5, 4, 12.5):
        reader.message(json.dumps({"type": "session.usage.updated", "event_id": "e", "usage": {"seconds": seconds}}))
    assert counts(reader.close()) == {"audio_seconds": 12.5}
