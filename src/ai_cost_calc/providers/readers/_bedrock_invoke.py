"""InvokeModel on Amazon Bedrock: the body is each model family's own, the headers are the same for all.

Source: docs.aws.amazon.com/bedrock, "Inference request parameters and response fields for foundation models": Anthropic
(`usage`), Nova (`usage.inputTokens`), Titan (`inputTextTokenCount`, `results[].tokenCount`), Llama
(`prompt_token_count`, `generation_token_count`), Cohere, Mistral and AI21 (nothing, or OpenAI's `usage`), Nova Canvas,
Titan Image and Stability (`images`, billed by their number). Headers: `API_runtime_InvokeModel`.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.providers.readers._anthropic_shape import (
    BlockDelta,
    Message,
    MessageEvent,
    MessageUsage,
    fold_message,
    message_counts,
    read_message,
)
from ai_cost_calc.providers.readers._flavour import Flavour, Source, utf8_bytes
from ai_cost_calc.providers.readers._openai_shape import InputDetails, OutputDetails
from ai_cost_calc.providers.readers._wire import MOST, Count, Wire


class InvokeUsage(MessageUsage):
    """`usage` as Anthropic, OpenAI-like models and Nova write it."""

    prompt_tokens: Count = None
    completion_tokens: Count = None
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None
    nova_input: Count = msgspec.field(default=None, name="inputTokens")
    nova_output: Count = msgspec.field(default=None, name="outputTokens")
    nova_read: Count = msgspec.field(default=None, name="cacheReadInputTokenCount")
    nova_written: Count = msgspec.field(default=None, name="cacheWriteInputTokenCount")


class Metrics(Wire, rename="camel"):
    """What Bedrock itself counted; the input excludes cached tokens."""

    input_token_count: Count = None
    output_token_count: Count = None
    cache_read_input_token_count: Count = None
    cache_write_input_token_count: Count = None


class TitanResult(Wire, rename="camel"):
    """One answer of a Titan model."""

    token_count: Count = None


class Invoked(Message):
    """A whole answer, whichever family it is from."""

    usage: InvokeUsage | None = None
    prompt_token_count: Count = None
    generation_token_count: Count = None
    titan_input: Count = msgspec.field(default=None, name="inputTextTokenCount")
    titan_output: Count = msgspec.field(default=None, name="totalOutputTextTokenCount")
    results: list[TitanResult] | None = None
    images: list[Any] | None = None
    metrics: Metrics | None = msgspec.field(default=None, name="amazon-bedrock-invocationMetrics")


class NovaMetadata(Wire):
    """Nova's last event but one."""

    usage: InvokeUsage | None = None


class NovaDelta(Wire):
    """What a Nova event adds."""

    delta: BlockDelta | None = None


class InvokeEvent(MessageEvent):
    """One event, whichever family it is from."""

    usage: InvokeUsage | None = None
    metadata: NovaMetadata | None = None
    nova: NovaDelta | None = msgspec.field(default=None, name="contentBlockDelta")
    titan_text: str | None = msgspec.field(default=None, name="outputText")
    generation: str | None = None
    metrics: Metrics | None = msgspec.field(default=None, name="amazon-bedrock-invocationMetrics")


def _metric_counts(metrics: Metrics, usage: MessageUsage | None) -> dict[str, Any]:
    """Bedrock's own counts; only the message tells how long cache writes are kept, what was thought and searched."""
    read, written = metrics.cache_read_input_token_count or 0, metrics.cache_write_input_token_count or 0
    counts = {
        "input_tokens": (metrics.input_token_count or 0) + read + written,
        "output_tokens": metrics.output_token_count or 0,
        "cache_read_tokens": read,
        "cache_write_tokens": written,
    }
    told = message_counts(usage) if usage is not None else {}
    for name in (*_ONLY_TOLD, *(_LIFETIMES if written else ())):
        if told.get(name):
            counts[name] = told[name]
    return counts


_LIFETIMES: Final = ("cache_write_5m_tokens", "cache_write_1h_tokens")
_ONLY_TOLD: Final = ("output_reasoning_tokens", "web_searches", "web_fetches", "code_executions")


def _usage_counts(usage: InvokeUsage) -> dict[str, Any] | None:
    if usage.prompt_tokens is not None:
        details = usage.prompt_tokens_details or InputDetails()
        answered = usage.completion_tokens_details or OutputDetails()
        return {
            "input_tokens": usage.prompt_tokens,
            "output_tokens": usage.completion_tokens or 0,
            "cache_read_tokens": details.cached_tokens or 0,
            "cache_write_tokens": details.cache_write_tokens or 0,
            "output_reasoning_tokens": answered.reasoning_tokens or 0,
        }
    if usage.nova_input is not None:
        read, written = usage.nova_read or 0, usage.nova_written or 0
        return {
            "input_tokens": usage.nova_input + read + written,
            "output_tokens": usage.nova_output or 0,
            "cache_read_tokens": read,
            "cache_write_tokens": written,
        }
    return message_counts(usage) if usage.input_tokens is not None or usage.output_tokens is not None else None


def _family_counts(wire: Invoked) -> dict[str, Any] | None:
    if wire.prompt_token_count is not None or wire.generation_token_count is not None:
        return {"input_tokens": wire.prompt_token_count or 0, "output_tokens": wire.generation_token_count or 0}
    if wire.titan_input is not None:
        answered = sum(each.token_count or 0 for each in wire.results or ())
        return {"input_tokens": wire.titan_input, "output_tokens": answered or wire.titan_output or 0}
    return None


_HEADERS: Final = {
    "input_tokens": "x-amzn-bedrock-input-token-count",
    "output_tokens": "x-amzn-bedrock-output-token-count",
    "cache_read_tokens": "x-amzn-bedrock-cache-read-input-token-count",
    "cache_write_tokens": "x-amzn-bedrock-cache-write-input-token-count",
}


def header_counts(source: Source) -> dict[str, Any] | None:
    """The counts that the response headers state; the input excludes cached tokens."""
    told = {name: source.headers.get(header, "") for name, header in _HEADERS.items()}
    counts = {name: min(int(value), MOST) for name, value in told.items() if value.isdecimal() and value.isascii()}
    if "input_tokens" not in counts and "output_tokens" not in counts:
        return None
    cached = counts.get("cache_read_tokens", 0) + counts.get("cache_write_tokens", 0)
    return counts | {"input_tokens": counts.get("input_tokens", 0) + cached}


def read_sold(wire: Any, source: Source) -> Reading:
    """Read a message that Bedrock sells, under the name asked for, which tells a global price from a regional one."""
    if source.model is not None:
        wire.model = source.model
    return read_message(wire, source)


def read_invoked(wire: Any, source: Source) -> Reading:
    """Read an answer. The model asked for is the one that Bedrock prices; the body names Anthropic's own."""
    usage = wire.usage
    if wire.metrics is not None:
        counts: dict[str, Any] | None = _metric_counts(wire.metrics, usage)
    else:
        counts = (usage and _usage_counts(usage)) or _family_counts(wire) or header_counts(source)
        counts = counts or ({"images": len(wire.images)} if wire.images else None)
    tier = source.headers.get("x-amzn-bedrock-service-tier")
    optimized = source.headers.get("x-amzn-bedrock-performanceconfig-latency") == "optimized"
    if usage is not None and usage.iterations and wire.metrics is None:
        return read_sold(wire, source)
    model, speed = source.model or wire.model, "optimized" if optimized else None
    return source.reading(counts, model, wire.id, service_tier=tier, speed=speed)


def fold_invoked(kept: Any, event: InvokeEvent) -> Any:
    """Anthropic's events add up as they do elsewhere; Bedrock's own metrics come last and settle it."""
    kept = kept or Invoked()
    message = fold_message(Message(id=kept.id, model=kept.model, usage=kept.usage), event)
    if event.message is not None:
        message = event.message
    kept.id, kept.model, kept.usage = message.id, message.model, _as_invoke(message.usage)
    if event.metadata is not None and event.metadata.usage is not None:
        kept.usage = event.metadata.usage
    kept.metrics = event.metrics or kept.metrics
    return kept


def _as_invoke(usage: MessageUsage | None) -> InvokeUsage | None:
    if usage is None or isinstance(usage, InvokeUsage):
        return usage
    return InvokeUsage(**{name: getattr(usage, name) for name in usage.__struct_fields__})


def _text(event: InvokeEvent) -> int:
    delta = event.delta or (event.nova.delta if event.nova is not None else None)
    said = utf8_bytes(event.titan_text) + utf8_bytes(event.generation)
    if delta is None:
        return said
    return said + utf8_bytes(delta.text) + utf8_bytes(delta.thinking) + utf8_bytes(delta.partial_json)


INVOKE: Final = Flavour(
    wire=Invoked,
    event=InvokeEvent,
    read=read_invoked,
    fold=fold_invoked,
    text=_text,
    ends=lambda event: event.metrics is not None,
)
