"""Mistral's completions, as Mistral, Google's Vertex AI and Amazon Bedrock serve them.

Source: docs.mistral.ai/api; mistralai 3.7, `models/usageinfo.py`, `models/conversationusageinfo.py`. Audio is billed by
`prompt_audio_seconds`; its tokens stand outside `prompt_tokens`, and only `total_tokens` includes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.providers.readers._flavour import Flavour, Source, whole
from ai_cost_calc.providers.readers._openai_shape import (
    ChatChunk,
    ChatUsage,
    chat_counts,
    chat_ends,
    chat_reading,
    chat_text,
    fold_chat,
)
from ai_cost_calc.providers.readers._wire import Count, Seconds, Wire


class MistralUsage(ChatUsage):
    """`usage` with what Mistral adds; conversations count calls of connectors, and their tokens, which come on top."""

    prompt_audio_seconds: Seconds = None
    connector_tokens: Count = None
    connectors: Any = None
    service_tier: str | None = None


class MistralAnswer(Wire):
    """A completion, embeddings, a transcription, a conversation."""

    id: str | None = None
    conversation_id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    usage: MistralUsage | None = None


class MistralChunk(ChatChunk):
    """One chunk of a streamed completion."""

    usage: MistralUsage | None = None


def mistral_counts(usage: MistralUsage) -> dict[str, Any]:
    """The counts of `usage`, under our names."""
    counts = chat_counts(usage)
    for name in ("input_audio_tokens", "input_image_tokens", "input_video_tokens", "input_text_tokens"):
        counts.pop(name, None)
    connectors = usage.connector_tokens or 0
    counts["input_tokens"] += connectors
    counts["input_tool_tokens"] = connectors
    counts["audio_seconds"] = whole(usage.prompt_audio_seconds or 0)
    for connector, calls in usage.connectors.items() if isinstance(usage.connectors, Mapping) else ():
        if (unit := CONNECTORS.get(connector)) is not None and type(calls) is int and calls > 0:
            counts[unit] = counts.get(unit, 0) + calls
    return counts


CONNECTORS: Final = {
    "code_interpreter": "code_executions",
    "document_library": "storage_searches",
    "image_generation": "images",
    "web_search": "web_searches",
    "web_search_premium": "web_searches",
}
"""Mistral's own connectors, billed by the call (mistral.ai/pricing, "Agent API"), and what we count them as."""


def read_mistral(wire: Any, source: Source) -> Reading:
    """Read an answer; the tier that was billed stands in `usage`."""
    if wire.usage is None:
        return chat_reading(wire, source, None)
    return chat_reading(wire, source, mistral_counts(wire.usage), tier=wire.usage.service_tier)


MISTRAL_CHAT: Final = Flavour(
    wire=MistralAnswer, event=MistralChunk, read=read_mistral, fold=fold_chat, text=chat_text, ends=chat_ends
)
