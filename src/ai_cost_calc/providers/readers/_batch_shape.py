"""Batches: their state, and their result files with one JSON line per request, a whole response of another API inside.

Source: OpenAI's "Batch API" (`usage` of the batch, `response.body`), Anthropic's "Batch processing" (`result.message`),
Google's "Batch API" (`response`), Amazon Bedrock's "Batch inference" (`modelOutput`). Mistral, Groq, Together and Azure
write OpenAI's lines. openai 3.54, `types/batch.py`; anthropic 2.12, `types/messages/message_batch.py`; together 3.1.1,
`types/batch_job.py`; cohere 7.3.1, `batches/types/batch.py`; fireworks-ai 1.2.30, `types/batch_inference_job.py`.
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


class JobProgress(Wire, rename="camel"):
    """How far a batch of Fireworks is; cached tokens are among those of the input."""

    input_tokens: Count = None
    output_tokens: Count = None
    cached_input_token_count: Count = None
    successfully_processed_requests: Count = None


class BatchJob(Wire):
    """What Together and Cohere wrap a batch in; only Cohere's has counts of tokens."""

    id: str | None = None
    model: str | None = None
    input_tokens: Count = None
    output_tokens: Count = None
    num_successful_records: Count = None


class Batch(BatchJob, rename={"job_progress": "jobProgress"}):
    """A batch; most providers' reports no usage, OpenAI's has zeros until it is over."""

    name: str | None = None
    usage: ResponseUsage | None = None
    request_counts: RequestCounts | None = None
    job: BatchJob | None = None
    batch: BatchJob | None = None
    job_progress: JobProgress | None = None


def read_batch(wire: Batch, source: Source) -> Reading:
    """Read what a batch has used so far, all of it at the batch rate."""
    job = wire.job or wire.batch or wire
    counts, answered = _used(wire)
    reading = source.reading(counts, job.model or wire.model, job.id or wire.name, service_tier="batch")
    return replace(reading, calls=answered or 1)


def _used(wire: Batch) -> tuple[dict[str, Any] | None, int | None]:
    """The counts of a batch, and how many requests they are of."""
    if (progress := wire.job_progress) is not None and progress.input_tokens is not None:
        cached = progress.cached_input_token_count or 0
        counts = {"input_tokens": progress.input_tokens, "output_tokens": progress.output_tokens or 0}
        return counts | {"cache_read_tokens": cached}, progress.successfully_processed_requests
    if (job := wire.batch) is not None and job.input_tokens is not None:
        return {"input_tokens": job.input_tokens, "output_tokens": job.output_tokens or 0}, job.num_successful_records
    answered = wire.request_counts.completed if wire.request_counts is not None else None
    return None if wire.usage is None else response_counts(wire.usage), answered


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
