"""Google's `generateContent`, `embedContent` and Live API, on the Gemini API and on Vertex AI.

Source: ai.google.dev/api/generate-content#UsageMetadata and .../live#usagemetadata; google-genai 3.4, `types.py`
(`GenerateContentResponseUsageMetadata`, `UsageMetadata`).
"""

from __future__ import annotations

from typing import Any, Final

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.providers.readers._flavour import Flavour, Source, sum_counts, utf8_bytes
from ai_cost_calc.providers.readers._grounding import Grounding, Searches, searches_in, with_searches
from ai_cost_calc.providers.readers._wire import Count, Wire


class ModalityCount(Wire, rename="camel"):
    """Tokens of one modality; its number where a gRPC message was turned into JSON."""

    modality: Any = None
    token_count: Count = None


class UsageMetadata(Wire, rename="camel"):
    """`usageMetadata`. Prompt tokens include cached ones; candidates exclude thoughts; tool-use prompts come on top."""

    prompt_token_count: Count = None
    cached_content_token_count: Count = None
    candidates_token_count: Count = None
    response_token_count: Count = None
    thoughts_token_count: Count = None
    tool_use_prompt_token_count: Count = None
    prompt_tokens_details: list[ModalityCount] | None = None
    cache_tokens_details: list[ModalityCount] | None = None
    candidates_tokens_details: list[ModalityCount] | None = None
    response_tokens_details: list[ModalityCount] | None = None
    tool_use_prompt_tokens_details: list[ModalityCount] | None = None
    traffic_type: Any = None
    service_tier: Any = None


class Candidate(Wire, rename="camel"):
    """One candidate of a whole answer."""

    grounding_metadata: Grounding | None = None


class Part(Wire, rename="camel"):
    """One part of streamed content."""

    text: str | None = None


class Content(Wire):
    """Streamed content."""

    parts: list[Part] | None = None


class CandidateChunk(Candidate, rename="camel"):
    """One candidate of a chunk."""

    content: Content | None = None
    finish_reason: Any = None


class GeminiFacts(Wire, rename="camel"):
    """What answers and chunks share."""

    response_id: str | None = None
    model_version: str | None = None
    usage_metadata: UsageMetadata | None = None


class GeminiAnswer(GeminiFacts, rename="camel"):
    """A whole answer, or embeddings."""

    candidates: list[Candidate] | None = None


class GeminiChunk(GeminiFacts, rename="camel"):
    """One chunk of a streamed answer."""

    candidates: list[CandidateChunk] | None = None


class GeminiTotal(Wire):
    """What chunks add up to."""

    response_id: str | None = None
    model: str | None = None
    usage: UsageMetadata | None = None
    searches: Searches = Searches()


_MODALITIES: Final = {
    None: "text",
    "MODALITY_UNSPECIFIED": "text",
    0: "text",
    "TEXT": "text",
    "IMAGE": "image",
    "VIDEO": "video",
    "AUDIO": "audio",
    "DOCUMENT": "image",
    1: "text",
    2: "image",
    3: "video",
    4: "audio",
    5: "image",
}
"""Names and numbers of `MediaModality`; pages of documents count as images (ai.google.dev, "Documents"), and what has
no modality "is treated as `TEXT`" (google-genai 3.6.1, `types.py`)."""

_TIERS: Final = {
    "ON_DEMAND_FLEX": "flex",
    "ON_DEMAND_PRIORITY": "priority",
    "ON_DEMAND_OFFPEAK": "offpeak",
    "PROVISIONED_THROUGHPUT": "provisioned",
}
"""Vertex AI's traffic types that are not billed at the standard rate."""


def gemini_counts(usage: UsageMetadata) -> dict[str, Any]:
    """The counts of `usageMetadata`, under our names."""
    thoughts, tools = usage.thoughts_token_count or 0, usage.tool_use_prompt_token_count or 0
    answered = usage.response_token_count if usage.candidates_token_count is None else usage.candidates_token_count
    counts = {
        "input_tokens": (usage.prompt_token_count or 0) + tools,
        "output_tokens": (answered or 0) + thoughts,
        "cache_read_tokens": usage.cached_content_token_count or 0,
        "output_reasoning_tokens": thoughts,
        "input_tool_tokens": tools,
    }
    _add(counts, "input_{}_tokens", usage.prompt_tokens_details)
    _add(counts, "input_{}_tokens", usage.tool_use_prompt_tokens_details)
    _add(counts, "cache_{}_read_tokens", usage.cache_tokens_details)
    _add(counts, "output_{}_tokens", usage.candidates_tokens_details or usage.response_tokens_details)
    return counts


def _add(counts: dict[str, Any], name: str, details: list[ModalityCount] | None) -> None:
    for detail in details or ():
        modality = _MODALITIES.get(detail.modality) if isinstance(detail.modality, str | int | None) else None
        if modality is not None and detail.token_count:
            key = name.format(modality)
            counts[key] = counts.get(key, 0) + detail.token_count


def _counted(usage: UsageMetadata | None) -> bool:
    """Whether there are counts at all: Vertex AI sends metadata without any on all but the last chunk."""
    return usage is not None and any(
        count is not None
        for count in (
            usage.prompt_token_count,
            usage.candidates_token_count,
            usage.response_token_count,
            usage.thoughts_token_count,
            usage.tool_use_prompt_token_count,
        )
    )


def fold_gemini(kept: GeminiTotal | None, chunk: Any) -> GeminiTotal:
    """Counts are running totals, the last ones win; search queries come with one of the last chunks."""
    kept = kept or GeminiTotal()
    if _counted(chunk.usage_metadata):
        kept.usage = chunk.usage_metadata
    kept.model = chunk.model_version or kept.model
    kept.response_id = chunk.response_id or kept.response_id
    if any(each.grounding_metadata is not None for each in chunk.candidates or ()):
        kept.searches |= searches_in([each.grounding_metadata for each in chunk.candidates])
    return kept


def read_gemini(wire: Any, source: Source) -> Reading:
    """Read an answer, or what chunks add up to."""
    total = wire if isinstance(wire, GeminiTotal) else fold_gemini(None, wire)
    tier = None if total.usage is None else _tier(total.usage)
    reading = source.reading(
        None if total.usage is None else gemini_counts(total.usage), total.model, total.response_id, service_tier=tier
    )
    return with_searches(reading, total.searches)


def _tier(usage: UsageMetadata) -> str | None:
    tier = usage.service_tier
    return str(tier).lower() if isinstance(tier, str) and tier else _TIERS.get(str(usage.traffic_type))


def gemini_text(chunk: Any) -> int:
    """UTF-8 bytes of the text in this chunk."""
    contents = (each.content for each in chunk.candidates or ())
    return sum(utf8_bytes(part.text) for each in contents if each is not None for part in each.parts or ())


def gemini_ends(chunk: Any) -> bool:
    """Whether a candidate says why it finished."""
    return any(each.finish_reason for each in chunk.candidates or ())


class ServerContent(Wire, rename="camel"):
    """Content that the Live API sends."""

    turn_complete: bool | None = None
    grounding_metadata: Grounding | None = None


class LiveMessage(GeminiFacts, rename="camel"):
    """One message of a Live session; its counts are running totals of one turn."""

    server_content: ServerContent | None = None


class LiveTotal(Wire):
    """What the messages of a session add up to: turns that are over, and the one under way, with their searches."""

    turns: list[dict[str, Any]]
    turn: dict[str, Any] | None = None
    tier: str | None = None
    searched: tuple[Searches, ...] = ()
    searches: Searches = Searches()


def ends_turn(message: Any) -> bool:
    """Whether the model's turn is over."""
    return message.server_content is not None and message.server_content.turn_complete is True


def fold_live(kept: LiveTotal | None, message: Any) -> LiveTotal:
    """Within a turn the last counts win, turns add up."""
    kept = kept or LiveTotal(turns=[])
    if _counted(message.usage_metadata):
        kept.turn, kept.tier = gemini_counts(message.usage_metadata), _tier(message.usage_metadata) or kept.tier
    content = message.server_content
    if content is not None and content.grounding_metadata is not None:
        kept.searches |= searches_in([content.grounding_metadata])
    if kept.turn is not None and ends_turn(message):
        kept.turns = [sum_counts([*kept.turns, kept.turn])]
        kept.turn = None
        if kept.searches != Searches():
            kept.searched, kept.searches = (*kept.searched, kept.searches), Searches()
    return kept


def read_live(wire: Any, source: Source) -> Reading:
    """Read one message, or what those of a session add up to."""
    total = wire if isinstance(wire, LiveTotal) else fold_live(None, wire)
    turns = total.turns if total.turn is None else [*total.turns, total.turn]
    reading = source.reading(sum_counts(turns) if turns else None, service_tier=total.tier)
    for searches in (*total.searched, total.searches):
        reading = with_searches(reading, searches)
    return reading


GENERATE: Final = Flavour(
    wire=GeminiAnswer,
    event=GeminiChunk,
    read=read_gemini,
    fold=fold_gemini,
    text=gemini_text,
    ends=gemini_ends,
)
LIVE: Final = Flavour(wire=LiveMessage, event=LiveMessage, read=read_live, fold=fold_live, ends=ends_turn)
