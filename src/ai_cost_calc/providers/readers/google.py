"""Google: Gemini on the Gemini API and on Vertex AI, interactions, and other vendors' shapes that both serve.

Source: ai.google.dev/api (`generateContent`, `interactions`, OpenAI compatibility), cloud.google.com/vertex-ai, "Text
embeddings API" (`predictions[].embeddings.statistics`) and "Anthropic's Claude models" (`rawPredict`). The compatible
chat API leaves thinking out of `completion_tokens`; only `total_tokens` shows it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.providers.readers._anthropic_shape import MESSAGES
from ai_cost_calc.providers.readers._batch_shape import batch_results
from ai_cost_calc.providers.readers._compatible import COMPATIBLE
from ai_cost_calc.providers.readers._flavour import FREE, UNREPORTED, Flavour, Source, Vendor, utf8_bytes
from ai_cost_calc.providers.readers._gemini_shape import GENERATE, LIVE, with_searches
from ai_cost_calc.providers.readers._openai_shape import CHAT, Chat, chat_counts, chat_reading
from ai_cost_calc.providers.readers._wire import Count, Wire


def read_compatible(wire: Chat, source: Source) -> Reading:
    """Read a completion of the compatible API."""
    usage = wire.usage
    if usage is None:
        return chat_reading(wire, source, None)
    counts = chat_counts(usage)
    hidden = (usage.total_tokens or 0) - counts["input_tokens"] - counts["output_tokens"]
    if hidden > 0 and usage.completion_tokens is not None:
        counts["output_tokens"] += hidden
        counts["output_reasoning_tokens"] = counts.get("output_reasoning_tokens", 0) + hidden
    return chat_reading(wire, source, counts)


class ModalityTokens(Wire):
    """Tokens of one modality, named in lower case."""

    modality: str | None = None
    tokens: Count = None


class GroundingCount(Wire):
    """How often a grounding tool was used."""

    type: str | None = None
    count: Count = None


class InteractionUsage(Wire):
    """`usage` of an interaction; output excludes thoughts, tool use comes on top of the input."""

    total_input_tokens: Count = None
    total_output_tokens: Count = None
    total_thought_tokens: Count = None
    total_tool_use_tokens: Count = None
    total_cached_tokens: Count = None
    input_tokens_by_modality: list[ModalityTokens] | None = None
    output_tokens_by_modality: list[ModalityTokens] | None = None
    cached_tokens_by_modality: list[ModalityTokens] | None = None
    tool_use_tokens_by_modality: list[ModalityTokens] | None = None
    grounding_tool_count: list[GroundingCount] | None = None


class Interaction(Wire):
    """An interaction; one in the background has its usage when it is done."""

    id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    usage: InteractionUsage | None = None


class InteractionMetadata(Wire):
    """Running totals beside a step."""

    usage: InteractionUsage | None = None


class StepDelta(Wire):
    """What a step adds."""

    text: str | None = None


class InteractionEvent(Wire):
    """One event of a streamed interaction."""

    event_type: str | None = None
    interaction: Interaction | None = None
    metadata: InteractionMetadata | None = None
    delta: StepDelta | None = None


_MODALITIES: Final = {"text": "text", "image": "image", "document": "image", "audio": "audio", "video": "video"}


def interaction_counts(usage: InteractionUsage) -> dict[str, Any]:
    """The counts of an interaction's `usage`, under our names."""
    thoughts, tools = usage.total_thought_tokens or 0, usage.total_tool_use_tokens or 0
    counts = {
        "input_tokens": (usage.total_input_tokens or 0) + tools,
        "output_tokens": (usage.total_output_tokens or 0) + thoughts,
        "cache_read_tokens": usage.total_cached_tokens or 0,
        "output_reasoning_tokens": thoughts,
        "input_tool_tokens": tools,
    }
    for name, details in (
        ("input_{}_tokens", usage.input_tokens_by_modality),
        ("input_{}_tokens", usage.tool_use_tokens_by_modality),
        ("cache_{}_read_tokens", usage.cached_tokens_by_modality),
        ("output_{}_tokens", usage.output_tokens_by_modality),
    ):
        for detail in details or ():
            if (modality := _MODALITIES.get((detail.modality or "").lower())) is not None:
                key = name.format(modality)
                counts[key] = counts.get(key, 0) + (detail.tokens or 0)
    return counts


def read_interaction(wire: Interaction, source: Source) -> Reading:
    """Read an interaction."""
    usage = wire.usage
    counts = None if usage is None else interaction_counts(usage)
    reading = source.reading(counts, wire.model, wire.id, service_tier=wire.service_tier)
    searches = (each.count or 0 for each in (usage.grounding_tool_count if usage is not None else None) or ())
    return with_searches(reading, sum(searches))


def _fold_interaction(kept: Any, event: InteractionEvent) -> Any:
    kept = kept or Interaction()
    told = event.interaction or Interaction()
    for name in ("id", "model", "service_tier", "usage"):
        setattr(kept, name, getattr(told, name) or getattr(kept, name))
    if event.metadata is not None and event.metadata.usage is not None and told.usage is None:
        kept.usage = event.metadata.usage
    return kept


def _interaction_ends(event: InteractionEvent) -> bool:
    return event.event_type in {"interaction.completed", "interaction.complete", "interaction.failed"}


class Statistics(Wire):
    """Counts of one embedding."""

    token_count: Count = None


class Embeddings(Wire):
    """One embedding."""

    statistics: Statistics | None = None


class Prediction(Wire):
    """One prediction; images and videos have nothing to count but themselves."""

    embeddings: Embeddings | None = None


class Predictions(Wire):
    """What Vertex AI predicts."""

    predictions: list[Prediction] | None = None


def read_predictions(wire: Predictions, source: Source) -> Reading:
    """Read the tokens of embeddings."""
    embeddings = [each.embeddings for each in wire.predictions or () if each.embeddings is not None]
    counts = [each.statistics.token_count or 0 for each in embeddings if each.statistics is not None]
    return source.reading({"input_tokens": sum(counts)} if counts else None)


GOOGLE_CHAT: Final = replace(CHAT, read=read_compatible)
_MODEL: Final = r"models/(?P<model>[^/:]+)"

GOOGLE: Final = Vendor(
    name="google",
    aliases=("gemini", "vertex", "vertexai", "vertex-ai", "google-vertex", "google-gla"),
    hosts=(
        r"generativelanguage\.googleapis\.com",
        r"(?:(?P<region>[\w-]+?)-)?aiplatform\.googleapis\.com",
        r"aiplatform\.(?P<region>\w+)\.rep\.googleapis\.com",
    ),
    paths=(
        (rf"anthropic/{_MODEL}:(rawPredict|streamRawPredict)$", "messages"),
        (rf"{_MODEL}:(generateContent|streamGenerateContent)$", "generate_content"),
        (rf"{_MODEL}:\w*[eE]mbedContents?$", "embed"),
        (rf"{_MODEL}:predict$", "predict"),
        (rf"{_MODEL}:predictLongRunning$", "videos"),
        (rf"{_MODEL}:count", "count_tokens"),
        (r"/interactions", "interactions"),
        (r"/cachedContents", "cached_contents"),
        (r"BidiGenerateContent", "live"),
        (r"/batches/|/operations/|/models(/[^/:]+)?$|/files", "jobs"),
    ),
    flavours={
        **COMPATIBLE,
        "chat": GOOGLE_CHAT,
        "completions": GOOGLE_CHAT,
        "messages": MESSAGES,
        "generate_content": GENERATE,
        "embed": GENERATE,
        "live": LIVE,
        "predict": Flavour(wire=Predictions, read=read_predictions),
        "videos": UNREPORTED,
        "interactions": Flavour(
            wire=Interaction,
            event=InteractionEvent,
            read=read_interaction,
            fold=_fold_interaction,
            text=lambda event: utf8_bytes(event.delta.text) if event.delta is not None else 0,
            ends=_interaction_ends,
        ),
        "cached_contents": FREE,
        "count_tokens": FREE,
        "jobs": FREE,
        "batch_results": batch_results({"generate_content": GENERATE}),
    },
)
