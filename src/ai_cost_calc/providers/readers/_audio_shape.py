"""Speech to text, as OpenAI, Azure and Groq report it, and text to speech where it is streamed as events.

Source: OpenAI's API reference, "Create transcription", "Create speech" (`speech.audio.done`); openai 3.54,
`types/audio/transcription.py`, `transcription_verbose.py`, `speech_create_params.py` (`stream_format`).
"""

from __future__ import annotations

from typing import Final

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.providers.readers._flavour import Flavour, Source, utf8_bytes, whole
from ai_cost_calc.providers.readers._realtime_shape import RealtimeUsage, realtime_counts
from ai_cost_calc.providers.readers._wire import Seconds, Wire


class Transcription(Wire):
    """A transcription or translation, or an event of a streamed one; `duration` is in the verbose format."""

    type: str | None = None
    delta: str | None = None
    usage: RealtimeUsage | None = None
    duration: Seconds = None


def read_transcription(wire: Transcription, source: Source) -> Reading:
    """Read tokens, or seconds where the model is billed by duration."""
    if wire.usage is not None:
        return source.reading(realtime_counts(wire.usage))
    return source.reading(None if wire.duration is None else {"audio_seconds": whole(wire.duration)})


TRANSCRIPTIONS: Final = Flavour(
    wire=Transcription,
    event=Transcription,
    read=read_transcription,
    text=lambda event: utf8_bytes(event.delta),
    ends=lambda event: event.usage is not None,
)
