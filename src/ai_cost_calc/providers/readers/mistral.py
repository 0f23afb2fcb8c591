"""Mistral: chat, agents, conversations, embeddings, OCR and speech to text.

Source: docs.mistral.ai/api; mistralai 3.7, `models/conversationresponse.py`, `models/messageoutputevent.py`,
`models/transcriptionstreamdone.py`, `models/speechstreamdone.py`, `models/ocrusageinfo.py`. Batches:
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
from ai_cost_calc.providers.readers._flavour import FREE, UNREPORTED, Flavour, Source, Vendor, utf8_bytes
from ai_cost_calc.providers.readers._mistral_shape import MISTRAL_CHAT, MistralAnswer, read_mistral
from ai_cost_calc.providers.readers._wire import Count, Wire


class Entry(Wire):
    """One entry of a conversation; what was answered names the model."""

    model: str | None = None


class Conversation(MistralAnswer):
    """A conversation."""

    outputs: list[Entry] | None = None


class MistralEvent(MistralAnswer):
    """One event of a streamed conversation, transcription or speech."""

    type: str | None = None
    content: Any = None
    text: str | None = None


class OcrUsage(Wire):
    """What OCR bills."""

    pages_processed: Count = None


class OcrImage(Wire):
    """An image in a document; only whether it was annotated matters."""

    image_annotation: Any = None


class OcrPage(Wire):
    """A page of a document."""

    images: list[OcrImage] | None = None


class Ocr(Wire):
    """A document that was read, and annotated if that was asked for."""

    model: str | None = None
    usage_info: OcrUsage | None = None
    document_annotation: Any = None
    pages: list[OcrPage] | None = None


def read_ocr(wire: Ocr, source: Source) -> Reading:
    """Read the pages; those of an annotated document have a price of their own (mistral.ai/pricing, "OCR")."""
    if wire.usage_info is None:
        return source.reading(None, wire.model)
    pages = wire.usage_info.pages_processed or 0
    images = (image for page in wire.pages or () for image in page.images or ())
    notes = (wire.document_annotation, *(image.image_annotation for image in images))
    annotated = any(isinstance(note, str | Mapping) for note in notes)  # what the SDK has for "not set" is neither
    counts = {"input_document_pages": pages, "input_annotated_document_pages": pages if annotated else 0}
    return source.reading(counts, wire.model)


def read_conversation(wire: Any, source: Source) -> Reading:
    """Read a conversation, or what the events of one add up to."""
    for entry in (isinstance(wire, Conversation) and wire.outputs) or ():
        wire.model = wire.model or entry.model
    return read_mistral(wire, source)


def _fold(kept: Any, event: MistralEvent) -> Any:
    """Usage comes with the last event, the model's name with those before."""
    kept = kept or MistralAnswer()
    kept.model = event.model or kept.model
    kept.usage = event.usage or kept.usage
    return kept


def _event_text(event: MistralEvent) -> int:
    return utf8_bytes(event.content) + utf8_bytes(event.text)


MISTRAL_EVENTS: Final = Flavour(
    wire=Conversation,
    event=MistralEvent,
    read=read_conversation,
    fold=_fold,
    text=_event_text,
    ends=lambda event: event.usage is not None,
)
OCR: Final = Flavour(wire=Ocr, read=read_ocr)
_FLAVOURS: Final = {
    **COMPATIBLE, "chat": MISTRAL_CHAT, "completions": MISTRAL_CHAT, "conversations": MISTRAL_EVENTS,
    "embeddings": MISTRAL_CHAT, "ocr": OCR,
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
        (r"/audio/transcriptions(?:/realtime)?$", "transcriptions"),
        (r"/audio/speech$", "speech"),
        (r"/(?:moderations|classifications)$", "classify"),
        (r"/files/[^/]+/content$", "batch_results"),
        (r"/batch/jobs", "batches"),
        (r"/models(/[^/]+)?$", "models"),
    ),
    flavours={
        **_FLAVOURS,
        "transcriptions": MISTRAL_EVENTS,
        "speech": MISTRAL_EVENTS,
        "classify": UNREPORTED,
        "batches": Flavour(wire=MistralBatch, read=read_mistral_batch, free=True),
        "batch_results": RESULTS,
        "models": FREE,
    },
)
