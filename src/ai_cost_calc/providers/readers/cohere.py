"""Cohere: chat, embeddings and reranking of both API versions, by what is billed rather than what was processed.

Source: docs.cohere.com/reference, "Chat", "Embed", "Rerank" and "How Does Cohere's Pricing Work?": `billed_units` is
what is charged, `tokens` what the model saw; cached tokens are part of the latter. The compatibility API is OpenAI's.
Fields: cohere 7.3.1, `types/api_meta.py`, `api_meta_billed_units.py`, `usage.py`.
"""

from __future__ import annotations

from typing import Any, Final

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.providers.readers._batch_shape import BATCHES
from ai_cost_calc.providers.readers._compatible import COMPATIBLE
from ai_cost_calc.providers.readers._flavour import FREE, UNREPORTED, Flavour, Source, Vendor, utf8_bytes
from ai_cost_calc.providers.readers._wire import Count, Wire


class BilledUnits(Wire):
    """What is charged; images of embeddings are billed beside the text."""

    input_tokens: Count = None
    output_tokens: Count = None
    image_tokens: Count = None
    text_tokens: Count = None
    images: Count = None
    search_units: Count = None
    classifications: Count = None
    pages: Count = None


class Processed(Wire):
    """Tokens the model saw."""

    input_tokens: Count = None
    output_tokens: Count = None


class CohereUsage(Wire):
    """`usage` of version 2, `meta` of version 1."""

    billed_units: BilledUnits | None = None
    tokens: Processed | None = None
    cached_tokens: Count = None


class CohereAnswer(Wire):
    """An answer, embeddings or a ranking."""

    id: str | None = None
    generation_id: str | None = None
    usage: CohereUsage | None = None
    meta: CohereUsage | None = None


class V1Event(Wire):
    """One event of a version 1 stream; the last holds the whole answer."""

    event_type: str | None = None
    text: str | None = None
    response: CohereAnswer | None = None


class V2Content(Wire):
    """What a content event adds."""

    text: str | None = None
    thinking: str | None = None


class V2Message(Wire):
    """What a message event adds."""

    content: Any = None
    tool_plan: str | None = None
    tool_calls: Any = None


class V2Delta(Wire):
    """What an event adds; the last has usage."""

    message: V2Message | None = None
    usage: CohereUsage | None = None


class V2Event(Wire):
    """One event of a version 2 stream."""

    type: str | None = None
    id: str | None = None
    delta: V2Delta | None = None


def cohere_counts(usage: CohereUsage) -> dict[str, Any] | None:
    """What is billed, under our names; what was processed where nothing says what is billed.

    Classifications are billed by the piece, which is no unit of ours: `None`, since what they cost is not known.
    """
    if (billed := usage.billed_units) is not None:
        images = billed.image_tokens or 0
        if billed.classifications:
            return None
        return {
            "input_tokens": _billed_input(billed),
            "output_tokens": billed.output_tokens or 0,
            "input_image_tokens": images,
            "rerank_searches": billed.search_units or 0,
            "images": 0 if images else billed.images or 0,
            "input_document_pages": billed.pages or 0,
        }
    if (tokens := usage.tokens) is not None:
        counts = {"input_tokens": tokens.input_tokens or 0, "output_tokens": tokens.output_tokens or 0}
        return counts | {"cache_read_tokens": usage.cached_tokens or 0}
    return None


def _billed_input(billed: BilledUnits) -> int:
    """Images are billed beside `input_tokens`; with a count of text as well, that may be the sum of both."""
    counted, images = billed.input_tokens or 0, billed.image_tokens or 0
    return counted + images if billed.text_tokens is None else max(counted, billed.text_tokens + images)


def read_cohere(wire: Any, source: Source) -> Reading:
    """Read an answer, embeddings or a ranking."""
    usage = wire.usage or wire.meta
    return source.reading(None if usage is None else cohere_counts(usage), None, wire.id or wire.generation_id)


def _fold_v1(kept: Any, event: V1Event) -> Any:
    return kept if event.response is None else event.response


def _fold_v2(kept: Any, event: V2Event) -> Any:
    kept = kept or CohereAnswer()
    kept.id = kept.id or event.id
    kept.usage = (event.delta.usage if event.delta is not None else None) or kept.usage
    return kept


def _text_v2(event: V2Event) -> int:
    message = event.delta.message if event.delta is not None else None
    if message is None:
        return 0
    content = message.content if isinstance(message.content, dict) else {}
    calls = message.tool_calls if isinstance(message.tool_calls, dict) else {}
    function = calls.get("function")
    arguments = function.get("arguments") if isinstance(function, dict) else None
    return sum(map(utf8_bytes, (content.get("text"), content.get("thinking"), message.tool_plan, arguments)))


ANSWER: Final = Flavour(wire=CohereAnswer, read=read_cohere)

COHERE: Final = Vendor(
    name="cohere",
    hosts=(r"(?:\w+\.)?api\.cohere\.(?:com|ai)", r"(?:stg\.)?api\.cohere\.(?:com|ai)"),
    paths=(
        (r"/compatibility/v1/chat/completions$", "chat"),
        (r"/compatibility/v1/embeddings$", "embeddings"),
        (r"/v1/(chat|generate)$", "chat_v1"),
        (r"/v2/chat$", "chat_v2"),
        (r"/embed$", "cohere_embed"),
        (r"/rerank$", "rerank"),
        (r"/(classify|summarize)$", "classify"),
        (r"/parse$", "parse"),
        (r"/audio/transcriptions$", "transcriptions"),
        (r"/batches(/[^/]+)?$", "dataset_batches"),
        (r"/(tokenize|detokenize|models)", "count_tokens"),
    ),
    flavours={
        **COMPATIBLE,
        "chat_v1": Flavour(
            wire=CohereAnswer,
            event=V1Event,
            read=read_cohere,
            fold=_fold_v1,
            text=lambda event: utf8_bytes(event.text),
            ends=lambda event: event.event_type == "stream-end",
        ),
        "chat_v2": Flavour(
            wire=CohereAnswer,
            event=V2Event,
            read=read_cohere,
            fold=_fold_v2,
            text=_text_v2,
            ends=lambda event: event.type == "message-end",
        ),
        "cohere_embed": ANSWER,
        "rerank": ANSWER,
        "classify": ANSWER,
        "parse": ANSWER,
        "transcriptions": UNREPORTED,
        "dataset_batches": BATCHES,
        "count_tokens": FREE,
    },
)
