"""OpenAI's batches and sessions, which add up over many responses."""

from __future__ import annotations

import json
from typing import Any

from ai_cost_calc.core.usage import Usage
from ai_cost_calc.providers.readers import open_reader, read_usage
from tests.providers.readers.bodies import (
    RESPONSE_COUNTS,
    RESPONSE_USAGE,
    chat,
    counts,
    json_lines,
    response,
)

URL = "https://api.openai.com/v1/"


def test_a_batch_is_billed_at_the_batch_rate() -> None:
    """The finished batch sums its requests; the tier makes the price."""
    body = {"id": "batch_1", "object": "batch", "status": "completed", "model": "gpt-5-nano", "usage": RESPONSE_USAGE}
    reading = read_usage(json.dumps(body), url=f"{URL}batches/batch_1")
    assert counts(reading) == RESPONSE_COUNTS
    assert (reading.service_tier, reading.response_id) == ("batch", "batch_1")


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
