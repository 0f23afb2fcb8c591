"""OpenAI's Realtime API over WebSocket, as OpenAI, Azure and xAI serve it.

Source: OpenAI's API reference, "Realtime server events" (`response.done`,
`conversation.item.input_audio_transcription.completed`); openai 3.54, `types/realtime/realtime_response_usage.py`.
xAI leaves `response.usage` empty and reports beside the response (genai-prices 0.2.3, extractor `realtime` of x-ai).
"""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.providers.readers._flavour import Flavour, Source, sum_counts, utf8_bytes
from ai_cost_calc.providers.readers._wire import Count, Seconds, Wire


class Modalities(Wire):
    """Tokens by modality."""

    text_tokens: Count = None
    audio_tokens: Count = None
    image_tokens: Count = None


class RealtimeInput(Modalities):
    """What the input tokens consist of."""

    cached_tokens: Count = None
    cached_tokens_details: Modalities | None = None


class RealtimeUsage(Wire):
    """`usage` of a response or of a transcription, which counts tokens or seconds."""

    input_tokens: Count = None
    output_tokens: Count = None
    seconds: Seconds = None
    input_token_details: RealtimeInput | None = None
    output_token_details: Modalities | None = None


class RealtimeResponse(Wire):
    """A finished response."""

    id: str | None = None
    model: str | None = None
    usage: RealtimeUsage | None = None


class RealtimeEvent(Wire):
    """One server event."""

    type: str | None = None
    item_id: str | None = None
    delta: Any = None
    response: RealtimeResponse | None = None
    usage: RealtimeUsage | None = None


class RealtimeTotal(Wire):
    """What a session adds up to; transcriptions are billed to the transcription model, which events do not name."""

    responses: list[dict[str, Any]]
    transcriptions: list[dict[str, Any]]
    response_id: str | None = None
    model: str | None = None


def realtime_counts(usage: RealtimeUsage) -> dict[str, Any]:
    """The counts of `usage`, under our names."""
    counts: dict[str, Any] = {"input_tokens": usage.input_tokens or 0, "output_tokens": usage.output_tokens or 0}
    if (details := usage.input_token_details) is not None:
        _add(counts, "input_{}_tokens", details)
        _add(counts, "cache_{}_read_tokens", details.cached_tokens_details)
        counts["cache_read_tokens"] = details.cached_tokens or 0
    _add(counts, "output_{}_tokens", usage.output_token_details)
    counts["audio_seconds"] = usage.seconds or 0
    return counts


def _add(counts: dict[str, Any], name: str, details: Modalities | None) -> None:
    if details is not None:
        counts[name.format("text")] = details.text_tokens or 0
        counts[name.format("audio")] = details.audio_tokens or 0
        counts[name.format("image")] = details.image_tokens or 0


def fold_realtime(kept: RealtimeTotal | None, event: Any) -> RealtimeTotal:
    """Every `response.done` has its own counts, and they add up."""
    kept = kept or RealtimeTotal(responses=[], transcriptions=[])
    response = event.response
    if response is not None and event.type == "response.done":
        kept.response_id, kept.model = response.id, response.model or kept.model
        if (usage := _told(response.usage) or event.usage) is not None:
            kept.responses = [sum_counts([*kept.responses, realtime_counts(usage)])]
    elif event.usage is not None and event.type == TRANSCRIBED:
        kept.transcriptions = [sum_counts([*kept.transcriptions, realtime_counts(event.usage)])]
    return kept


def _told(usage: RealtimeUsage | None) -> RealtimeUsage | None:
    return None if usage is None or usage == RealtimeUsage() else usage


TRANSCRIBED: Final = "conversation.item.input_audio_transcription.completed"


def read_realtime(wire: Any, source: Source) -> Reading:
    """Read one event, or what those of a session add up to."""
    total = wire if isinstance(wire, RealtimeTotal) else fold_realtime(None, wire)
    heard = [_transcription(counts, source) for counts in total.transcriptions]
    if not total.responses:
        return heard[0] if heard else source.reading(None, total.model, total.response_id)
    reading = source.reading(total.responses[0], total.model, total.response_id)
    return replace(reading, also=tuple(heard)) if heard else reading


def _transcription(counts: dict[str, Any], source: Source) -> Reading:
    usage, anomaly = Usage.corrected(counts)
    return Reading(usage=usage, provider=source.provider, region=source.region, anomaly=anomaly)


def realtime_text(event: Any) -> int:
    """UTF-8 bytes of what this event adds to the answer; audio is base64 and not text."""
    return 0 if event.type is None or event.type.endswith("audio.delta") else utf8_bytes(event.delta)


def realtime_ends(event: Any) -> bool:
    """Whether a response has just ended."""
    return event.type in {"response.done", TRANSCRIBED}


REALTIME: Final = Flavour(
    wire=RealtimeEvent,
    event=RealtimeEvent,
    read=read_realtime,
    fold=fold_realtime,
    text=realtime_text,
    ends=realtime_ends,
)
