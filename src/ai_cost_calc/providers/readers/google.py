"""Google: Gemini on the Gemini API and on Vertex AI, predictions, and other vendors' shapes that both serve.

Source: ai.google.dev/api (`generateContent`, OpenAI compatibility), cloud.google.com/vertex-ai, "Text embeddings API"
(`predictions[].embeddings.statistics`), "Imagen API" (`predictions[].mimeType`), "Anthropic's Claude models" and
"Mistral AI models" (`rawPredict`; anthropic 2.12, `lib/vertex`; mistralai 3.7, `gcp`). The compatible chat API leaves
thinking out of `completion_tokens`; only `total_tokens` shows it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import msgspec

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.providers.readers._anthropic_shape import MESSAGES
from ai_cost_calc.providers.readers._compatible import COMPATIBLE
from ai_cost_calc.providers.readers._flavour import FREE, UNREPORTED, Flavour, Source, Vendor
from ai_cost_calc.providers.readers._gemini_batches import BATCH_RESULTS, BATCHES
from ai_cost_calc.providers.readers._gemini_shape import GENERATE, LIVE, GeminiAnswer, read_gemini
from ai_cost_calc.providers.readers._interactions_shape import DECISIONS, INTERACTIONS
from ai_cost_calc.providers.readers._mistral_shape import MISTRAL_CHAT
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


class Statistics(Wire):
    """Counts of one embedding."""

    token_count: Count = None


class Embeddings(Wire):
    """One embedding."""

    statistics: Statistics | None = None


class EmbedAnswer(GeminiAnswer, rename="camel"):
    """Embeddings. Where Vertex AI answers with many, each may have its own counts."""

    embeddings: list[Embeddings] | None = None


def read_embedded(wire: EmbedAnswer, source: Source) -> Reading:
    """Read the tokens of all embeddings together, or of each (google-genai 3.6.1, `_ContentEmbedding_from_vertex`)."""
    counts = _embedded(wire.embeddings)
    return read_gemini(wire, source) if wire.usage_metadata is not None or not counts else source.reading(counts)


def _embedded(embeddings: list[Embeddings] | None) -> dict[str, int] | None:
    told = [each.statistics.token_count for each in embeddings or () if each.statistics is not None]
    counts = [count for count in told if count is not None]
    return {"input_tokens": sum(counts)} if counts else None


class Prediction(Wire):
    """One prediction: an embedding, or an image, unless a safety filter took it out, which is not billed."""

    embeddings: Embeddings | None = None
    mime_type: str | None = msgspec.field(default=None, name="mimeType")


class GeneratedImage(Wire):
    """An image as google-genai hands it out, unless a filter took it (3.6.1, `types.py`, `GeneratedImage`)."""

    image: Any = None


class Predictions(Wire):
    """What Vertex AI predicts."""

    predictions: list[Prediction] | None = None
    generated_images: list[GeneratedImage] | None = msgspec.field(default=None, name="generatedImages")


def read_predictions(wire: Predictions, source: Source) -> Reading:
    """Read the tokens of embeddings, or the number of images."""
    counts = _embedded([each.embeddings for each in wire.predictions or () if each.embeddings is not None])
    if counts:
        return source.reading(counts)
    images = sum((each.mime_type or "").startswith("image/") for each in wire.predictions or ())
    images += sum(each.image is not None for each in wire.generated_images or ())
    return source.reading({"images": images} if images else None)


GOOGLE_CHAT: Final = replace(CHAT, read=read_compatible)
_PLACE: Final = r"locations/(?P<region>(?!global/)[\w-]+)/"
_MODEL: Final = rf"(?:{_PLACE}(?:publishers/\w+/)?)?(?:models|endpoints)/(?P<model>[^/:]+)"
"""Vertex AI names the place in the path as well, which is all there is behind a gateway; tuned models are endpoints."""

GOOGLE: Final = Vendor(
    name="google",
    aliases=("gemini", "vertex", "vertexai", "vertex-ai", "google-vertex", "google-gla"),
    hosts=(
        r"generativelanguage\.googleapis\.com",
        r"(?:(?P<region>[\w-]+?)-)?aiplatform\.googleapis\.com",
        r"aiplatform\.(?P<region>\w+)\.rep\.googleapis\.com",
    ),
    paths=(
        (r"anthropic/models/count-tokens:rawPredict$", "count_tokens"),
        (rf"(?:{_PLACE}publishers/)?mistralai/models/(?P<model>[^/:]+):(rawPredict|streamRawPredict)$", "mistral_chat"),
        (rf"(?:{_PLACE}publishers/)?anthropic/models/(?P<model>[^/:]+):(rawPredict|streamRawPredict)$", "messages"),
        (rf"{_MODEL}:(generateContent|streamGenerateContent)$", "generate_content"),
        (rf"{_MODEL}:(batchGenerateContent|asyncBatchEmbedContent)$", "batches"),
        (rf"{_MODEL}:\w*[eE]mbedContents?$", "embed"),
        (rf"{_MODEL}:predict$", "predict"),
        (rf"{_MODEL}:predictLongRunning$", "videos"),
        (rf"{_MODEL}:count", "count_tokens"),
        (r"/interactions", "interactions"),
        (r"/decisions$", "decisions"),
        (r"/voices(/[^/]+)?$", "voices"),
        (r"/cachedContents", "cached_contents"),
        (r"BidiGenerateContent", "live"),
        (r"/(batches|batchPredictionJobs)(/[^/:]+)?$", "batches"),
        (r"/files/[^/]+:download$", "batch_results"),
        (r"/batches/|/batchPredictionJobs/|/operations/|/models(/[^/:]+)?$|/files", "jobs"),
    ),
    flavours={
        **COMPATIBLE,
        "chat": GOOGLE_CHAT,
        "completions": GOOGLE_CHAT,
        "messages": MESSAGES,
        "mistral_chat": MISTRAL_CHAT,
        "generate_content": GENERATE,
        "embed": Flavour(wire=EmbedAnswer, read=read_embedded),
        "live": LIVE,
        "predict": Flavour(wire=Predictions, read=read_predictions),
        "videos": UNREPORTED,
        "interactions": INTERACTIONS,
        "decisions": DECISIONS,
        "voices": DECISIONS,
        "batches": BATCHES,
        "cached_contents": FREE,
        "count_tokens": FREE,
        "jobs": FREE,
        "batch_results": BATCH_RESULTS,
    },
)
