"""Groq: chat with usage in `x_groq` when streaming, speech to text billed by duration.

Source: console.groq.com/docs, "API reference" and "Speech to text" (10 seconds are billed at least); groq 1.7,
`types/chat/chat_completion_chunk.py`. `usage_breakdown` of compound systems repeats the sum per step and is not added.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.providers.readers._audio_shape import Transcription, read_transcription
from ai_cost_calc.providers.readers._batch_shape import BATCHES, batch_results
from ai_cost_calc.providers.readers._compatible import COMPATIBLE
from ai_cost_calc.providers.readers._flavour import FREE, UNREPORTED, Flavour, Source, Vendor
from ai_cost_calc.providers.readers._openai_shape import CHAT, ChatChunk, ChatUsage, chat_ends, chat_text, fold_chat
from ai_cost_calc.providers.readers._wire import Wire

LEAST_SECONDS: Final = 10
"""What a shorter clip is billed as."""


class GroqFacts(Wire):
    """Groq's own part of a chunk."""

    usage: ChatUsage | None = None


class GroqChunk(ChatChunk):
    """One chunk; the last has usage in `x_groq`, and beside it when it was asked for."""

    x_groq: GroqFacts | None = None


def _usual(chunk: GroqChunk) -> GroqChunk:
    """The chunk with usage in the usual place."""
    if chunk.usage is None and chunk.x_groq is not None:
        chunk.usage = chunk.x_groq.usage
    return chunk


def read_groq_transcription(wire: Transcription, source: Source) -> Reading:
    """Read the seconds that are billed."""
    reading = read_transcription(wire, source)
    usage = reading.usage
    if usage is None or not 0 < usage.audio_seconds < LEAST_SECONDS:
        return reading
    return replace(reading, usage=replace(usage, audio_seconds=LEAST_SECONDS))


def _fold(kept: Any, chunk: GroqChunk) -> Any:
    return fold_chat(kept, _usual(chunk))


def _ends(chunk: GroqChunk) -> bool:
    return chat_ends(_usual(chunk))


GROQ_CHAT: Final = Flavour(wire=CHAT.wire, event=GroqChunk, read=CHAT.read, fold=_fold, text=chat_text, ends=_ends)
_FLAVOURS: Final = {**COMPATIBLE, "chat": GROQ_CHAT}

GROQ: Final = Vendor(
    name="groq",
    hosts=(r"api\.groq\.com",),
    paths=(
        (r"/audio/(transcriptions|translations)$", "transcriptions"),
        (r"/audio/speech$", "speech"),
        (r"/files/[^/]+/content$", "batch_results"),
        (r"/batches(/[^/]+)?(/cancel)?$", "batches"),
        (r"/models(/[^/]+)?$", "models"),
    ),
    flavours={
        **_FLAVOURS,
        "transcriptions": Flavour(wire=Transcription, read=read_groq_transcription),
        "speech": UNREPORTED,
        "batches": BATCHES,
        "models": FREE,
        "batch_results": batch_results(_FLAVOURS),
    },
)
