"""Google's interactions: one answer, a stream of events, a job in the background; decisions and voices count alike.

Source: ai.google.dev/api/interactions; google-genai 3.6.1, `_gaos/types/interactions/usage.py`, `stepdeltametadata.py`,
`stepstop.py`, `interactionstatusupdate.py`, `interactioncancelledevent.py`,
`_gaos/types/decisions/createdecisionresponse.py`, `_gaos/types/voices/voice_output.py`; recorded streams.
"""

from __future__ import annotations

from typing import Any, Final

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.providers.readers._flavour import Flavour, Source, utf8_bytes
from ai_cost_calc.providers.readers._grounding import Searches, with_searches
from ai_cost_calc.providers.readers._wire import Count, Wire


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
    """An interaction, with a model or an agent; one in the background has its usage when it is done."""

    id: str | None = None
    model: str | None = None
    agent: str | None = None
    service_tier: str | None = None
    usage: InteractionUsage | None = None


class InteractionMetadata(Wire):
    """Running totals beside a step, under its name in recorded streams and in google-genai 3.6."""

    usage: InteractionUsage | None = None
    total_usage: InteractionUsage | None = None


class Thought(Wire):
    """A summary of what was thought."""

    text: str | None = None


class StepDelta(Wire):
    """What a step adds: text, a thought, arguments of a function call."""

    text: str | None = None
    arguments: str | None = None
    content: Thought | None = None


class InteractionEvent(Wire):
    """One event of a streamed interaction."""

    event_type: str | None = None
    status: Any = None
    interaction_id: str | None = None
    interaction: Interaction | None = None
    metadata: InteractionMetadata | None = None
    usage: InteractionUsage | None = None
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
    reading = source.reading(counts, wire.model or wire.agent, wire.id, service_tier=wire.service_tier)
    for each in (usage.grounding_tool_count if usage is not None else None) or ():
        if each.count and each.type != RETRIEVAL:
            maps = each.type == "google_maps"
            reading = with_searches(reading, Searches(each.count, web=not maps, maps=maps))
    return reading


RETRIEVAL: Final = "retrieval"
"""Looking into one's own files, which costs tokens alone (ai.google.dev/gemini-api/docs/file-search, "Pricing")."""


def _fold(kept: Any, event: InteractionEvent) -> Any:
    kept = kept or Interaction(id=event.interaction_id)
    told = event.interaction or Interaction()
    for name in ("id", "model", "agent", "service_tier"):
        setattr(kept, name, getattr(told, name) or getattr(kept, name))
    kept.usage = told.usage or _running(event) or kept.usage
    return kept


def _running(event: InteractionEvent) -> InteractionUsage | None:
    """Running totals, which come beside a step, at its end (beside its own `step_usage`), or with the status."""
    if event.metadata is not None:
        return event.metadata.total_usage or event.metadata.usage
    return event.usage


def _text(event: InteractionEvent) -> int:
    delta = event.delta
    if delta is None:
        return 0
    thought = delta.content.text if delta.content is not None else None
    return utf8_bytes(delta.text) + utf8_bytes(delta.arguments) + utf8_bytes(thought)


def _ends(event: InteractionEvent) -> bool:
    return event.event_type in _OVER or (event.event_type == "interaction.status_update" and event.status in _ENDS)


_OVER: Final = frozenset(
    {"interaction.completed", "interaction.complete", "interaction.failed", "interaction.cancelled"}
)
_ENDS: Final = frozenset({"completed", "failed", "cancelled", "incomplete", "budget_exceeded"})
"""States in which an interaction stays (google-genai 3.6.1, `interactionstatusupdate.py`)."""


INTERACTIONS: Final = Flavour(
    wire=Interaction, event=InteractionEvent, read=read_interaction, fold=_fold, text=_text, ends=_ends
)
DECISIONS: Final = Flavour(wire=Interaction, read=read_interaction)
