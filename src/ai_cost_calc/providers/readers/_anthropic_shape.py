"""Anthropic's messages, as Anthropic, Amazon Bedrock, Google Vertex and Azure Foundry serve them.

Source: Anthropic's API reference, "Messages" and "Streaming messages", read in anthropic 2.12 (`types/usage.py`,
`types/beta/beta_usage.py`, `beta_iterations_usage.py`, `raw_message_delta_event.py`).
"""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.providers.readers._flavour import Flavour, Source, utf8_bytes
from ai_cost_calc.providers.readers._wire import Count, Wire


class CacheCreation(Wire):
    """Cache writes by how long they are kept."""

    ephemeral_5m_input_tokens: Count = None
    ephemeral_1h_input_tokens: Count = None


class MessageOutputDetails(Wire):
    """What the output tokens consist of."""

    thinking_tokens: Count = None


class ServerToolUse(Wire):
    """Calls of tools that Anthropic runs and bills."""

    web_search_requests: Count = None
    web_fetch_requests: Count = None
    code_execution_requests: Count = None


class Tokens(Wire):
    """Counts of one message or iteration. `input_tokens` excludes what was read from or written to the cache."""

    input_tokens: Count = None
    output_tokens: Count = None
    cache_read_input_tokens: Count = None
    cache_creation_input_tokens: Count = None
    cache_creation: CacheCreation | None = None


class Iteration(Tokens):
    """One pass of a message; compaction and advisor passes are billed on top of the message's own counts."""

    type: str | None = None
    model: str | None = None


class MessageUsage(Tokens):
    """`usage` of a message."""

    output_tokens_details: MessageOutputDetails | None = None
    server_tool_use: ServerToolUse | None = None
    service_tier: str | None = None
    speed: str | None = None
    inference_geo: str | None = None
    iterations: list[Iteration] | None = None


class Message(Wire):
    """A message."""

    id: str | None = None
    model: str | None = None
    usage: MessageUsage | None = None


class BlockDelta(Wire):
    """What an event adds: text, thinking or a tool's input; at the end, why it stopped."""

    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None


class MessageEvent(Wire):
    """One event of a streamed message."""

    type: str | None = None
    message: Message | None = None
    delta: BlockDelta | None = None
    usage: MessageUsage | None = None


ON_TOP: Final = frozenset({"compaction", "advisor_message"})
"""Iterations that the top-level counts leave out (`beta_usage.py`: "not included in the top-level fields")."""


def token_counts(tokens: Any) -> dict[str, Any]:
    """Anthropic reports cached tokens beside `input_tokens`; we count them inside."""
    read, written = tokens.cache_read_input_tokens or 0, tokens.cache_creation_input_tokens or 0
    counts = {"output_tokens": tokens.output_tokens or 0, "cache_read_tokens": read, "cache_write_tokens": written}
    if (kinds := tokens.cache_creation) is not None:
        short, long = kinds.ephemeral_5m_input_tokens or 0, kinds.ephemeral_1h_input_tokens or 0
        counts["cache_write_5m_tokens"], counts["cache_write_1h_tokens"] = short, long
        counts["cache_write_tokens"] = written = max(written, short + long)
    counts["input_tokens"] = (tokens.input_tokens or 0) + read + written
    return counts


def message_counts(usage: MessageUsage) -> dict[str, Any]:
    """The counts of a message's `usage`, under our names."""
    counts = token_counts(usage)
    if usage.output_tokens_details is not None:
        counts["output_reasoning_tokens"] = usage.output_tokens_details.thinking_tokens or 0
    if (tools := usage.server_tool_use) is not None:
        counts["web_searches"] = tools.web_search_requests or 0
        counts["web_fetches"] = tools.web_fetch_requests or 0
        counts["code_executions"] = tools.code_execution_requests or 0
    return counts


def read_message(wire: Any, source: Source) -> Reading:
    """Read a message."""
    usage = wire.usage
    if usage is None:
        return source.reading(None, wire.model, wire.id)
    model, declined = _tried(usage)
    counts = message_counts(usage)
    if declined and _holds_all(usage):
        counts = _without(counts, declined)
    reading = source.reading(
        counts,
        model or wire.model,
        wire.id,
        service_tier=usage.service_tier,
        speed=usage.speed,
        region=None if usage.inference_geo in _NOWHERE else usage.inference_geo,
    )
    extra = [each for each in usage.iterations or () if each.type in ON_TOP]
    extra += [each for each in declined if each.output_tokens]
    return replace(reading, also=tuple(_on_top(each, reading, source) for each in extra)) if extra else reading


def _tried(usage: MessageUsage) -> tuple[str | None, list[Iteration]]:
    """The model that answered where others had given up, and what those used: billed where they had begun to answer.

    Source: platform.claude.com, "Refusals and fallback" and release notes (a refusal without output is not billed);
    anthropic 2.12, `beta_fallback_message_iteration_usage.py`.
    """
    tried = usage.iterations or []
    served = next((each.model for each in reversed(tried) if each.type == "fallback_message"), None)
    if served is None:
        return None, []
    return served, [each for each in tried if each.type == "message" and each.model not in (None, served)]


def _holds_all(usage: MessageUsage) -> bool:
    """Whether the counts at the top are those of all models that were tried, not of the one that answered alone."""
    tried = [token_counts(each) for each in usage.iterations or () if each.type in {"message", "fallback_message"}]
    top = token_counts(usage)
    return all(top[name] == sum(each[name] for each in tried) for name in ("input_tokens", "output_tokens"))


def _without(counts: dict[str, Any], left_out: list[Iteration]) -> dict[str, Any]:
    for each in left_out:
        for name, count in token_counts(each).items():
            counts[name] = max(counts.get(name, 0) - count, 0)
    return counts


_NOWHERE: Final = {"", "global", "not_available"}
"""Values of `inference_geo` that cost nothing extra."""


def _on_top(iteration: Iteration, reading: Reading, source: Source) -> Reading:
    """Compaction is done by the message's own model, advice by the advisor's."""
    return source.reading(
        token_counts(iteration),
        iteration.model or reading.model,
        service_tier=reading.service_tier,
        speed=reading.speed,
        region=reading.region,
    )


def fold_message(kept: Any, event: Any) -> Any:
    """`message_start` has the input side, `message_delta` running totals: what is not null replaces, nothing adds."""
    if kept is None:
        if event.message is None and event.usage is None:
            return None
        kept = event.message or Message()
    if event.usage is not None:
        kept.usage = _overridden(kept.usage, event.usage)
    return kept


def _overridden(before: MessageUsage | None, after: MessageUsage) -> MessageUsage:
    if before is None:
        return after
    for name in after.__struct_fields__:
        value = getattr(after, name)
        if value is not None:
            setattr(before, name, value)
    return before


def message_text(event: Any) -> int:
    """UTF-8 bytes of what this event adds to the answer."""
    if event.delta is None:
        return 0
    return utf8_bytes(event.delta.text) + utf8_bytes(event.delta.thinking) + utf8_bytes(event.delta.partial_json)


def message_ends(event: Any) -> bool:
    """Whether the totals are final: the message stopped, or says why it is about to."""
    return event.type == "message_stop" or (event.delta is not None and event.delta.stop_reason is not None)


MESSAGES: Final = Flavour(
    wire=Message,
    event=MessageEvent,
    read=read_message,
    fold=fold_message,
    text=message_text,
    ends=message_ends,
)
