"""Anthropic's middleware that asks another model once the first has given up: each of its requests is a call."""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest

from ai_cost_calc.testing import ProviderSimulator
from tests.providers.seams.recording import RecordingMeter, budget_exceeded

pytest.importorskip("anthropic", reason="the anthropic SDK is not installed")


def _stream_of(message: dict[str, Any], stop: dict[str, Any]) -> bytes:
    """Server-sent events of a message that says one word."""
    start = {**message, "content": [], "stop_reason": None, "usage": {"input_tokens": 40, "output_tokens": 1}}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Fjord"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": stop, "usage": {"output_tokens": 7}},
        {"type": "message_stop"},
    ]
    return b"".join(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in events)


def _refused_and_answered(simulator: ProviderSimulator) -> None:
    """Plan a stream that one model gives up, and another model's that goes on with it."""
    details = {"type": "refusal", "category": "cyber", "explanation": None, "fallback_has_prefill_claim": False}
    refusal = {"stop_reason": "refusal", "stop_details": {**details, "fallback_credit_token": "token"}}
    for model, stop in (("claude-fable-5", refusal), ("claude-opus-4-8", {"stop_reason": "end_turn"})):
        message = {"id": f"msg_{model}", "type": "message", "role": "assistant", "model": model}
        simulator.replay(body=_stream_of(message, stop), content_type="text/event-stream")


def _with_fallback(client: Any) -> Any:
    middleware = importlib.import_module("anthropic.lib.middleware")
    return client.with_middleware(middleware.BetaRefusalFallbackMiddleware(fallbacks=[{"model": "claude-opus-4-8"}]))


ASK_FABLE: dict[str, Any] = {
    "model": "claude-fable-5",
    "max_tokens": 400,
    "messages": [{"role": "user", "content": "Describe the fjord."}],
    "stream": True,
}
FALLBACK_CALLS = [("claude-fable-5", 40, 7), ("claude-opus-4-8", 40, 7)]


def _called(meter: RecordingMeter) -> list[tuple[str | None, int, int]]:
    return [(call.request.model, call.usage.input_tokens, call.usage.output_tokens) for call in meter.calls]


def test_middleware_that_asks_another_model_while_the_stream_is_read(
    meter: RecordingMeter, simulator: ProviderSimulator, anthropic_client: Any
) -> None:
    """A fallback is asked when the first model has given up, long after the call returned; both are paid for."""
    _refused_and_answered(simulator)
    events = list(_with_fallback(anthropic_client).beta.messages.create(**ASK_FABLE))
    assert events[-1].type == "message_stop"
    assert _called(meter) == FALLBACK_CALLS


async def test_middleware_that_asks_another_model_while_an_asynchronous_stream_is_read(
    meter: RecordingMeter, simulator: ProviderSimulator, async_anthropic: Any
) -> None:
    """Asynchronous streams go on likewise."""
    _refused_and_answered(simulator)
    stream = await _with_fallback(async_anthropic).beta.messages.create(**ASK_FABLE)
    assert [event.type async for event in stream][-1] == "message_stop"
    assert _called(meter) == FALLBACK_CALLS


def test_a_fallback_that_no_budget_allows_is_not_sent(
    meter: RecordingMeter, simulator: ProviderSimulator, anthropic_client: Any
) -> None:
    """Middleware takes a refusal of ours for a failure of the fallback, and its caller has what the model said."""
    _refused_and_answered(simulator)
    stream = _with_fallback(anthropic_client).beta.messages.create(**ASK_FABLE)
    meter.refusal = budget_exceeded()
    assert [event.type for event in stream][-1] == "message_stop"
    assert len(simulator.requests) == 1
    assert _called(meter) == FALLBACK_CALLS[:1]
