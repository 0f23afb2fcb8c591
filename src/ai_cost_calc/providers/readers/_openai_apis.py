"""What OpenAI serves beside chat and responses, and Azure with it: images, batches, runs, Live, by path and name.

Source: OpenAI's API reference; openai 3.54, `types/images_response.py`, `batch.py`, `live/session_usage.py`.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.providers.readers._audio_shape import TRANSCRIPTIONS
from ai_cost_calc.providers.readers._batch_shape import BATCHES, batch_results
from ai_cost_calc.providers.readers._compatible import COMPATIBLE
from ai_cost_calc.providers.readers._flavour import FREE, UNREPORTED, Flavour, Source, whole
from ai_cost_calc.providers.readers._openai_shape import Chat, ChatChunk, chat_text, fold_chat, read_chat
from ai_cost_calc.providers.readers._realtime_shape import REALTIME, RealtimeUsage
from ai_cost_calc.providers.readers._responses_shape import (
    RESPONSES,
    ResponseUsage,
    SvgUsage,
    response_counts,
    svg_reading,
)
from ai_cost_calc.providers.readers._wire import Wire


class Image(Wire):
    """One image; only that there is one matters."""


class Images(Wire):
    """Images, or the event that ends a streamed one; models before GPT Image report no tokens."""

    type: str | None = None
    usage: ResponseUsage | None = None
    svg_usage: SvgUsage | None = None
    data: list[Image] | None = None


def read_images(wire: Images, source: Source) -> Reading:
    """Read tokens where there are any, else the number of images."""
    made = {"images": len(wire.data)} if wire.data else None
    reading = source.reading(made if wire.usage is None else _image_counts(wire))
    return reading if wire.svg_usage is None else replace(reading, also=(svg_reading(wire.svg_usage, source),))


def _image_counts(wire: Images) -> dict[str, Any]:
    """The end of a stream does not say what its output consists of: it is all "image tokens in the output image"

    (openai 3.54, `image_gen_completed_event.py` and `image_edit_completed_event.py`, `Usage.output_tokens`).
    """
    usage = wire.usage or ResponseUsage()
    counts = response_counts(usage)
    if usage.output_tokens_details is None and (wire.type or "").endswith(".completed"):
        counts["output_image_tokens"] = counts["output_tokens"]
    return counts


class LiveSession(Wire):
    """An event of a Live session; its seconds are the session's total, not to be added up."""

    type: str | None = None
    usage: RealtimeUsage | None = None


def read_live(wire: LiveSession, source: Source) -> Reading:
    """Read a Live session's seconds."""
    return source.reading(None if wire.usage is None else {"audio_seconds": whole(wire.usage.seconds or 0)})


class RunEvent(ChatChunk):
    """One event of a streamed run: the run, one of its steps, a message."""

    object: str | None = None


def fold_run(kept: Any, event: RunEvent) -> Any:
    """A step has usage of its own, which is part of the run's (openai 3.54, `types/beta/threads/runs/run_step.py`)."""
    if event.object == "thread.run.step":
        event.usage = None
    return fold_chat(kept, event)


OPENAI_PATHS: Final = (
    (r"/audio/(transcriptions|translations)$", "transcriptions"),
    (r"/images/\w+$", "images"),
    (r"/files/[^/]+/content$", "batch_results"),
    (r"/batches(/[^/]+)?(/cancel)?$", "batches"),
    (r"/threads/.*runs", "assistants_runs"),
    (r"/moderations$|/models(/[^/]+)?$|/input_tokens$", "moderations"),
    (r"/audio/speech$", "speech"),
    (r"/videos", "videos"),
    (r"/realtime$", "realtime"),
    (r"/live$", "live"),
    (r"/decisions$", "decisions"),
)
OPENAI_FLAVOURS: Final = {
    **COMPATIBLE,
    "decisions": RESPONSES,
    "assistants_runs": Flavour(
        wire=Chat,
        event=RunEvent,
        read=read_chat,
        fold=fold_run,
        text=chat_text,
        ends=lambda event: event.usage is not None and event.object != "thread.run.step",
    ),
    "images": Flavour(wire=Images, event=Images, read=read_images, ends=lambda event: event.usage is not None),
    "transcriptions": TRANSCRIPTIONS,
    "translations": TRANSCRIPTIONS,
    "speech": TRANSCRIPTIONS,
    "videos": UNREPORTED,
    "moderations": FREE,
    "count_tokens": FREE,
    "batches": BATCHES,
    "batch_results": batch_results(COMPATIBLE, by_size=False),
    "realtime": REALTIME,
    "live": Flavour(wire=LiveSession, event=LiveSession, read=read_live),
}
