"""Mistral: chat, agents, conversations, embeddings, OCR and speech to text.

Source: docs.mistral.ai/api; mistralai 3.7, `models/usageinfo.py`, `models/conversationusageinfo.py`,
`models/ocrusageinfo.py`. Audio is billed by `prompt_audio_seconds`; its tokens stand outside `prompt_tokens`. Batches:
`models/batchjob.py`; `extra/batch/client.py` (`_parse_output_obj`) for the lines of a result file, which `outputs` of a
batch repeats (`examples/mistral/jobs/async_batch_job_chat_completion_inline.py` of mistralai/client-python).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.providers.readers._batch_shape import BatchLine, batch_results
from ai_cost_calc.providers.readers._compatible import COMPATIBLE
from ai_cost_calc.providers.readers._flavour import FREE, UNREPORTED, Flavour, Source, Vendor, last, utf8_bytes, whole
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


class MistralEvent(MistralAnswer):
    """One event of a streamed conversation or transcription."""

    type: str | None = None
    content: Any = None
    text: str | None = None


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


class OcrUsage(Wire):
    """What OCR bills."""

    pages_processed: Count = None


class Ocr(Wire):
    """A document that was read."""

    model: str | None = None
    usage_info: OcrUsage | None = None


def read_ocr(wire: Ocr, source: Source) -> Reading:
    """Read the pages."""
    pages = None if wire.usage_info is None else {"input_document_pages": wire.usage_info.pages_processed or 0}
    return source.reading(pages, wire.model)


def _event_text(event: MistralEvent) -> int:
    return utf8_bytes(event.content) + utf8_bytes(event.text)


MISTRAL_CHAT: Final = Flavour(
    wire=MistralAnswer, event=MistralChunk, read=read_mistral, fold=fold_chat, text=chat_text, ends=chat_ends
)
MISTRAL_EVENTS: Final = Flavour(
    wire=MistralAnswer,
    event=MistralEvent,
    read=read_mistral,
    fold=last,
    text=_event_text,
    ends=lambda event: event.usage is not None,
)
OCR: Final = Flavour(wire=Ocr, read=read_ocr)
_FLAVOURS: Final = {
    **COMPATIBLE, "chat": MISTRAL_CHAT, "completions": MISTRAL_CHAT, "embeddings": MISTRAL_CHAT, "ocr": OCR,
}  # fmt: skip

RESULTS: Final = batch_results(_FLAVOURS)
UNREPORTED_BATCHES: Final = ("/moderations", "/classifications")
"""Endings of the endpoints whose answers report no usage (mistralai 3.7, `models/apiendpoint.py`)."""


class MistralBatch(Wire):
    """A batch; it has the answers themselves if it was asked for them, or their requests stood in it."""

    id: str | None = None
    model: str | None = None
    endpoint: str | None = None
    succeeded_requests: Count = None
    outputs: list[BatchLine] | None = None


def read_mistral_batch(wire: MistralBatch, source: Source) -> Reading:
    """Read what the answers came to, where the batch has them; of some, nothing will ever tell."""
    source = replace(source, model=wire.model or source.model)
    total = None
    for line in wire.outputs or ():
        total = RESULTS.fold(total, line)
    reading = RESULTS.read(total, source) if total is not None else source.reading(None, service_tier="batch")
    unreported = bool(wire.succeeded_requests) and (wire.endpoint or "").endswith(UNREPORTED_BATCHES)
    if unreported and not reading.usage:
        reading = replace(reading, usage=None, complete=False)
    return replace(reading, response_id=source.reading(None, response_id=wire.id).response_id)


MISTRAL: Final = Vendor(
    name="mistral",
    aliases=("mistralai",),
    hosts=(r"api\.(?:(?P<region>eu|us)\.)?mistral\.ai", r"codestral\.mistral\.ai"),
    paths=(
        (r"/(?:fim|agents)/completions$", "chat"),
        (r"/conversations", "conversations"),
        (r"/ocr$", "ocr"),
        (r"/audio/transcriptions$", "transcriptions"),
        (r"/audio/speech$", "speech"),
        (r"/(?:moderations|classifications)$", "classify"),
        (r"/files/[^/]+/content$", "batch_results"),
        (r"/batch/jobs", "batches"),
        (r"/models(/[^/]+)?$", "models"),
    ),
    flavours={
        **_FLAVOURS,
        "conversations": MISTRAL_EVENTS,
        "transcriptions": MISTRAL_EVENTS,
        "speech": UNREPORTED,
        "classify": UNREPORTED,
        "batches": Flavour(wire=MistralBatch, read=read_mistral_batch, free=True),
        "batch_results": RESULTS,
        "models": FREE,
    },
)
