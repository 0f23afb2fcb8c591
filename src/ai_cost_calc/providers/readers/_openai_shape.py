"""OpenAI's chat completions, completions and embeddings: the shape that most other providers copied.

Source: OpenAI's API reference, "The chat completion object" and "chat completion chunk object"; openai 3.54,
`types/completion_usage.py`, `types/chat/chat_completion_chunk.py`. Vendors that differ say so in their own files.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.providers.readers._anthropic_shape import CacheCreation
from ai_cost_calc.providers.readers._flavour import Flavour, Source, utf8_bytes
from ai_cost_calc.providers.readers._wire import Count, Wire


class InputDetails(Wire):
    """What the prompt tokens consist of; `cache_creation_…` is how LiteLLM says what Claude wrote to its cache."""

    cached_tokens: Count = None
    cache_write_tokens: Count = None
    cache_creation_tokens: Count = None
    cache_creation_token_details: CacheCreation | None = None
    audio_tokens: Count = None
    image_tokens: Count = None
    video_tokens: Count = None
    text_tokens: Count = None


class OutputDetails(Wire):
    """What the completion tokens consist of."""

    reasoning_tokens: Count = None
    audio_tokens: Count = None
    text_tokens: Count = None


class ChatUsage(Wire):
    """`usage` of chat completions, completions, embeddings and runs; totals include their details.

    `cached_tokens` at the top is Together's and Moonshot's place for it, `prompt_cache_hit_tokens` DeepSeek's,
    `num_cached_tokens` Mistral's, `cache_read_input_tokens` Databricks', as is `reasoning_tokens` (genai-prices 0.2.3,
    extractors of Databricks and Modal); `prompt_token_details` is what OpenAI's assistants call the details.

    What Claude wrote to its cache, gateways call `cache_creation_input_tokens`: part of the prompt at LiteLLM
    (docs.litellm.ai, "Prompt caching"), beside it at Portkey, as the total tells (portkey.ai/docs, "Prompt caching";
    Portkey-AI/gateway, `providers/anthropic/chatComplete.ts`).
    """

    prompt_tokens: Count = None
    completion_tokens: Count = None
    total_tokens: Count = None
    cached_tokens: Count = None
    num_cached_tokens: Count = None
    prompt_cache_hit_tokens: Count = None
    cache_read_input_tokens: Count = None
    cache_creation_input_tokens: Count = None
    reasoning_tokens: Count = None
    prompt_tokens_details: InputDetails | None = None
    prompt_token_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None


class Function(Wire):
    """A fragment of a tool call's function."""

    arguments: str | None = None


class ToolCall(Wire):
    """A fragment of a tool call."""

    function: Function | None = None


class Delta(Wire):
    """The text of one chunk; `reasoning` and `reasoning_content` are how other providers stream thinking."""

    content: Any = None
    refusal: Any = None
    reasoning: Any = None
    reasoning_content: Any = None
    tool_calls: list[ToolCall] | None = None


class Choice(Wire):
    """One choice of a chunk; `text` is where the older completions API puts it."""

    delta: Delta | None = None
    text: str | None = None
    finish_reason: str | None = None


class Chat(Wire):
    """A chat completion, a completion, a list of embeddings, a run."""

    id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    usage: ChatUsage | None = None


class ChatChunk(Chat):
    """One chunk of a streamed completion."""

    choices: list[Choice] | None = None


def chat_counts(usage: Any) -> dict[str, Any]:
    """The counts of OpenAI's `usage`, under our names."""
    counts = {"input_tokens": usage.prompt_tokens or 0, "output_tokens": usage.completion_tokens or 0}
    if usage.prompt_tokens is None and usage.completion_tokens is None:
        counts["input_tokens"] = usage.total_tokens or 0
    details = usage.prompt_tokens_details or usage.prompt_token_details
    cached = details.cached_tokens if details is not None else None
    if cached is None:
        cached = (
            usage.cached_tokens
            or usage.num_cached_tokens
            or usage.prompt_cache_hit_tokens
            or usage.cache_read_input_tokens
        )
    if cached:
        counts["cache_read_tokens"] = cached
    if usage.cache_creation_input_tokens or usage.cache_read_input_tokens:
        _add_cached(counts, usage)
    if details is not None:
        _add_input(counts, details)
    if usage.reasoning_tokens:
        counts["output_reasoning_tokens"] = usage.reasoning_tokens
    if usage.completion_tokens_details is not None:
        _add_output(counts, usage.completion_tokens_details)
    return counts


def _add_cached(counts: dict[str, Any], usage: Any) -> None:
    """Cached tokens as Anthropic counts them, which a total tells to stand beside the prompt or in it."""
    written = usage.cache_creation_input_tokens or 0
    beside = written + (usage.cache_read_input_tokens or 0)
    if usage.total_tokens == counts["input_tokens"] + counts["output_tokens"] + beside:
        counts["input_tokens"] += beside
    counts["cache_write_tokens"] = written


def _add_input(counts: dict[str, Any], details: InputDetails) -> None:
    if written := details.cache_write_tokens or details.cache_creation_tokens:
        counts["cache_write_tokens"] = written
    if (kept := details.cache_creation_token_details) is not None:
        counts["cache_write_5m_tokens"] = kept.ephemeral_5m_input_tokens or 0
        counts["cache_write_1h_tokens"] = kept.ephemeral_1h_input_tokens or 0
    if details.audio_tokens or details.image_tokens or details.video_tokens:
        counts["input_audio_tokens"] = details.audio_tokens or 0
        counts["input_image_tokens"] = details.image_tokens or 0
        counts["input_video_tokens"] = details.video_tokens or 0
        counts["input_text_tokens"] = details.text_tokens or 0


def _add_output(counts: dict[str, Any], details: OutputDetails) -> None:
    if details.reasoning_tokens:
        counts["output_reasoning_tokens"] = details.reasoning_tokens
    if details.audio_tokens:
        counts["output_audio_tokens"] = details.audio_tokens
        counts["output_text_tokens"] = details.text_tokens or 0


def chat_reading(
    wire: Any, source: Source, counts: dict[str, Any] | None, cost: Decimal | None = None, tier: str | None = None
) -> Reading:
    """A reading of these counts and of what a completion says beside them."""
    return source.reading(
        counts, wire.model, wire.id, service_tier=tier or wire.service_tier or None, provider_cost_usd=cost
    )


def read_chat(wire: Chat, source: Source) -> Reading:
    """Read a chat completion, a completion, embeddings or a run."""
    usage = wire.usage
    return source.reading(
        None if usage is None else chat_counts(usage), wire.model, wire.id, service_tier=wire.service_tier or None
    )


def fold_chat(kept: Any, chunk: Any) -> Any:
    """Keep the last usage, as vLLM repeats a running total; name, id and tier from whichever chunk has them."""
    if kept is None:
        chunk.choices = None
        return chunk
    if chunk.usage is not None:
        kept.usage = chunk.usage
    kept.model = kept.model or chunk.model
    kept.id = kept.id or chunk.id
    kept.service_tier = chunk.service_tier or kept.service_tier
    return kept


def chat_text(chunk: Any) -> int:
    """UTF-8 bytes of what this chunk answers: content, refusal, reasoning, tool arguments."""
    return sum(map(_choice_text, chunk.choices)) if chunk.choices else 0


def _choice_text(choice: Choice) -> int:
    delta = choice.delta
    if delta is None:
        return utf8_bytes(choice.text)
    said = (
        utf8_bytes(delta.content) + utf8_bytes(delta.refusal) + utf8_bytes(delta.reasoning or delta.reasoning_content)
    )
    if delta.tool_calls:
        said += sum(utf8_bytes(call.function.arguments) for call in delta.tool_calls if call.function is not None)
    return said


def chat_ends(chunk: Any) -> bool:
    """Usage is final in a chunk without choices, or in the one where each choice says why it finished."""
    return chunk.usage is not None and all(choice.finish_reason for choice in chunk.choices or ())


CHAT: Final = Flavour(wire=Chat, event=ChatChunk, read=read_chat, fold=fold_chat, text=chat_text, ends=chat_ends)
