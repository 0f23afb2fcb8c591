"""Telling by a body's own look which API it comes from, where neither the caller nor the URL says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from ai_cost_calc.providers.readers._wire import lenient

Top = Mapping[str, Any]
"""The top level of a document: values are parsed ones, or `msgspec.Raw`."""


class Shape(msgspec.Struct, frozen=True):
    """An API that a body looks like.

    Attributes:
        inventor: the vendor whose file reads it.
        api: its name there.
        own: whether nobody else has copied it, so that the look tells the provider too.
    """

    inventor: str
    api: str
    own: bool = True


_TOP: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def top_of(body: bytes | str | Top) -> Top:
    """The top level of a JSON document, its values left undecoded.

    Raises:
        ValueError: it is not JSON, or not an object.
    """
    if not isinstance(body, (bytes, str)):
        return body
    try:
        return _TOP.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        top = lenient(body)
    if not isinstance(top, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - what `_TOP` raises
    return top


def part(top: Top, name: str) -> Any:
    """A value of the top level, decoded."""
    value = top.get(name)
    return msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value


Look = Callable[[Top], bool]


def _word(top: Top, name: str) -> str:
    value = part(top, name) if name in top else ""
    return value if isinstance(value, str) else ""


def _has(*names: str) -> Look:
    return lambda top: all(name in top for name in names)


def _any(*names: str) -> Look:
    return lambda top: any(name in top for name in names)


def _one_of(name: str, *words: str) -> Look:
    return lambda top: _word(top, name) in words


def _starts(name: str, *words: str) -> Look:
    return lambda top: _word(top, name).startswith(words)


def _inside(outer: str, *names: str) -> Look:
    """One of these is told inside another value, and not null."""

    def look(top: Top) -> bool:
        inner = part(top, outer) if outer in top else None
        if isinstance(inner, Mapping):
            return any(inner.get(name) is not None for name in names)
        return any(getattr(inner, name, None) is not None for name in names)

    return look


def _both(one: Look, other: Look) -> Look:
    return lambda top: one(top) and other(top)


_CHAT: Final = _any("choices")
_RESPONSES: Final = _one_of("object", "response")
_XAI: Final = _inside("usage", "cost_in_usd_ticks", "num_sources_used")
_OPENROUTER: Final = _inside("usage", "is_byok", "cost_details")
_PERPLEXITY: Final = _inside("usage", "search_context_size", "num_search_queries")

SHAPES: Final[tuple[tuple[Look, Shape], ...]] = (
    (_has("custom_id", "result"), Shape("anthropic", "batch_results")),
    (_has("custom_id", "response"), Shape("openai", "batch_results", own=False)),
    (_has("x_groq"), Shape("groq", "chat")),
    (_both(_CHAT, _XAI), Shape("x-ai", "chat")),
    (_both(_RESPONSES, _XAI), Shape("x-ai", "responses")),
    (_both(_RESPONSES, _OPENROUTER), Shape("openrouter", "responses")),
    (_OPENROUTER, Shape("openrouter", "chat")),
    (_PERPLEXITY, Shape("perplexity", "chat")),
    (_starts("type", "conversation.response."), Shape("mistral", "conversations")),
    (_one_of("object", "conversation.response"), Shape("mistral", "conversations")),
    (_inside("usage", "prompt_audio_seconds", "connector_tokens"), Shape("mistral", "chat")),
    (_both(_CHAT, _inside("usage", "service_tier")), Shape("mistral", "chat")),
    (_one_of("object", "batch"), Shape("openai", "batches", own=False)),
    (_one_of("object", "response.input_tokens"), Shape("openai", "count_tokens", own=False)),
    (
        _both(_has("event_id"), _starts("type", "response.", "conversation.")),
        Shape("openai", "realtime", own=False),
    ),
    (_starts("type", "session.usage", "session.closed"), Shape("openai", "live")),
    (_starts("type", "transcript."), Shape("openai", "transcriptions", own=False)),
    (_starts("type", "speech.audio."), Shape("openai", "speech", own=False)),
    (_starts("type", "image_generation.", "image_edit."), Shape("openai", "images", own=False)),
    (_starts("type", "response."), Shape("openai", "responses", own=False)),
    (_starts("object", "response"), Shape("openai", "responses", own=False)),
    (
        _one_of("type", "message", "message_start", "message_delta", "content_block_delta"),
        Shape("anthropic", "messages", own=False),
    ),
    (_starts("type", "message-", "content-", "tool-plan-", "tool-call-", "citation-"), Shape("cohere", "chat_v2")),
    (_starts("event_type", "interaction.", "step."), Shape("google", "interactions")),
    (_one_of("object", "interaction"), Shape("google", "interactions")),
    (_inside("usage", "total_input_tokens"), Shape("google", "interactions")),
    (_has("event_type", "is_finished"), Shape("cohere", "chat_v1")),
    (_CHAT, Shape("openai", "chat", own=False)),
    (_any("serverContent", "setupComplete"), Shape("google", "live")),
    (_has("embeddings", "usageMetadata"), Shape("google", "embed")),
    (_has("generatedImages"), Shape("google", "predict")),
    (_any("candidates", "usageMetadata"), Shape("google", "generate_content")),
    (_has("predictions"), Shape("google", "predict")),
    (_inside("meta", "billed_units"), Shape("cohere", "chat_v1")),
    (_inside("usage", "billed_units"), Shape("cohere", "chat_v2")),
    (_inside("usage", "inputTokens"), Shape("aws", "converse")),
    (_any("contentBlockIndex", "contentBlockDelta", "messageStart", "stopReason"), Shape("aws", "converse")),
    (_has("p", "role"), Shape("aws", "converse")),
    (_inside("usage", "cached_prompt_text_tokens", "prompt_text_tokens"), Shape("x-ai", "grpc_chat")),
    (_any("prompt_eval_count", "eval_count", "done"), Shape("ollama", "ollama")),
    (_has("usage_info"), Shape("mistral", "ocr")),
    (_any("amazon-bedrock-invocationMetrics", "inputTextTokenCount", "prompt_token_count"), Shape("aws", "invoke")),
    (_inside("usage", "prompt_tokens"), Shape("openai", "chat", own=False)),
    (_inside("usage", "seconds", "input_token_details"), Shape("openai", "transcriptions", own=False)),
    (_inside("usage", "input_tokens_details", "output_tokens_details"), Shape("openai", "responses", own=False)),
    (_inside("usage", "input_tokens"), Shape("anthropic", "messages", own=False)),
    (_inside("usage", "total_tokens"), Shape("openai", "embeddings", own=False)),
    (_has("created", "data"), Shape("openai", "images", own=False)),
    (_has("duration", "language", "text"), Shape("openai", "transcriptions", own=False)),
)
"""Looks, the more telling ones first."""


def shape_of(top: Top) -> Shape | None:
    """Which API a document, or an event of a stream, comes from, by its top level."""
    return next((shape for look, shape in SHAPES if look(top)), None)


def unbilled(top: Top) -> bool:
    """Whether a response without usage is one that nothing is billed for (yet): an error, or work still under way."""
    return bool(part(top, "error")) or _word(top, "type") == "error" or _word(top, "status") in _UNDER_WAY


_UNDER_WAY: Final = {"queued", "in_progress", "validating", "finalizing", "cancelling", "requires_action"}
