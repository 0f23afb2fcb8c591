"""Batches: their state, and their result files with one JSON line per request, a whole response of another API inside.

Source: OpenAI's "Batch API" (`usage` of the batch, `response.body`), Anthropic's "Batch processing" (`result.message`),
Google's "Batch API" (`response`), Amazon Bedrock's "Batch inference" (`modelOutput`). Mistral, Groq, Together and Azure
write OpenAI's lines. openai 3.54, `types/batch.py`; anthropic 2.12, `types/messages/message_batch.py`; together 3.1.1,
`types/batch_job.py`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.providers.readers._flavour import Flavour, Source
from ai_cost_calc.providers.readers._responses_shape import ResponseUsage, response_counts
from ai_cost_calc.providers.readers._shapes import shape_of
from ai_cost_calc.providers.readers._wire import Count, Wire, convert

TIER_STARTS: Final = (100_000, 128_000, 200_000, 256_000, 272_000)
"""Input tokens of one request above which some model's rates change (genai-prices 0.2.3). Requests are added up between
two of these only, so that their average pays what each of them pays."""
BARE: Final = frozenset({"google"})
"""Whose lines have the response itself in `response`. Elsewhere it is inside: other lines are somebody's own notes."""


class RequestCounts(Wire):
    """How many of a batch's requests were answered."""

    completed: Count = None


class BatchJob(Wire):
    """What Together wraps a new batch in."""

    id: str | None = None


class Batch(BatchJob):
    """A batch; most providers' reports no usage, OpenAI's has zeros until it is over."""

    model: str | None = None
    usage: ResponseUsage | None = None
    request_counts: RequestCounts | None = None
    job: BatchJob | None = None


def read_batch(wire: Batch, source: Source) -> Reading:
    """Read what a batch has used so far, all of it at the batch rate."""
    counts = None if wire.usage is None else response_counts(wire.usage)
    reading = source.reading(counts, wire.model, (wire.job or wire).id, service_tier="batch")
    answered = wire.request_counts.completed if wire.request_counts is not None else None
    return replace(reading, calls=answered or 1)


BATCHES: Final = Flavour(wire=Batch, read=read_batch, free=True)
"""The state of a batch. Looking at it is free; what the batch used is in its `usage`, where it has one."""


class BatchLine(Wire, rename={"model_output": "modelOutput"}):
    """One line; the response is in one of these places, unless the request failed."""

    custom_id: Any = None
    response: Any = None
    result: Any = None
    model_output: Any = None


class BatchTotal(Wire):
    """What the lines add up to, by model, size and context of request; a file of something else may have none."""

    readings: dict[tuple[str | None, int, tuple[tuple[str, str], ...]], Reading]
    lines: int = 0


def batch_results(flavours: Mapping[str, Flavour], *, by_size: bool = True) -> Flavour:
    """The flavour of result files whose lines hold responses of these APIs.

    Args:
        flavours: by the name of the API.
        by_size: whether requests of different tiers are kept apart. Not where the batch itself reports usage too: both
            must come to one record for each model.
    """

    def fold(kept: BatchTotal | None, line: Any) -> BatchTotal:
        kept = kept or BatchTotal(readings={})
        kept.lines += any(each is not None for each in (line.custom_id, line.response, line.result, line.model_output))
        body = _body(line)
        shape = shape_of(body) if body is not None else None
        own = shape is not None and (body is not line.response or shape.inventor in BARE)
        flavour = flavours.get(shape.api) if shape is not None and own else None
        if flavour is not None:
            _add(kept, flavour.read(convert(flavour.wire, body)[0], Source()), by_size=by_size)
        return kept

    def read(wire: Any, source: Source) -> Reading:
        return _read(wire if isinstance(wire, BatchTotal) else fold(None, wire), source)

    return Flavour(wire=BatchLine, event=BatchLine, read=read, fold=fold, ends=lambda _: False, lines=True)


def _body(line: BatchLine) -> Mapping[str, Any] | None:
    for place, inside in ((line.response, "body"), (line.result, "message"), (line.model_output, "")):
        if isinstance(place, Mapping):
            body = place.get(inside, place) if inside else place
            return body if isinstance(body, Mapping) else None
    return None


def _add(kept: BatchTotal, reading: Reading, *, by_size: bool) -> None:
    for each in (replace(reading, also=()), *reading.also):
        if each.usage is None:
            continue
        size = bisect_left(TIER_STARTS, each.usage.input_tokens) if by_size else 0
        key = each.model, size, tuple(each.context.items())
        before = kept.readings.get(key)
        kept.readings[key] = replace(each, response_id=None) if before is None else _sum(before, each.usage, each)


def _sum(before: Reading, usage: Usage, added: Reading) -> Reading:
    total = usage if before.usage is None else before.usage + usage
    return replace(before, usage=total, calls=before.calls + 1, anomaly=before.anomaly or added.anomaly)


def _read(total: BatchTotal, source: Source) -> Reading:
    """One reading per model, the first one's with the others beside it; all at the batch rate."""
    readings = [
        replace(each, model=each.model or source.model, provider=source.provider, service_tier="batch")
        for each in total.readings.values()
    ]
    if not readings:
        return replace(source.reading(None), service_tier="batch", usage=Usage() if total.lines else None)
    return replace(readings[0], also=tuple(readings[1:]))
