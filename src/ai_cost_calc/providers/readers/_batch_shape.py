"""Result files of batches: one JSON line per request, each with a whole response of another API inside.

Source: OpenAI's "Batch API" (`response.body`), Anthropic's "Batch processing" (`result.message`), Google's "Batch API"
(`response`), Amazon Bedrock's "Batch inference" (`modelOutput`). Mistral, Groq and Azure write OpenAI's lines.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.providers.readers._flavour import Flavour, Source
from ai_cost_calc.providers.readers._shapes import shape_of
from ai_cost_calc.providers.readers._wire import Wire, convert


class BatchLine(Wire, rename={"model_output": "modelOutput"}):
    """One line; the response is in one of these places, unless the request failed."""

    custom_id: Any = None
    response: Any = None
    result: Any = None
    model_output: Any = None


class BatchTotal(Wire):
    """What the lines add up to, by model; a file may have none, if it is some other file."""

    readings: dict[str | None, Reading]
    lines: int = 0


def batch_results(flavours: Mapping[str, Flavour]) -> Flavour:
    """The flavour of result files whose lines hold responses of these APIs."""

    def fold(kept: BatchTotal | None, line: Any) -> BatchTotal:
        kept = kept or BatchTotal(readings={})
        kept.lines += any(each is not None for each in (line.custom_id, line.response, line.result, line.model_output))
        body = _body(line)
        shape = shape_of(body) if body is not None else None
        flavour = flavours.get(shape.api) if shape is not None else None
        if flavour is not None:
            _add(kept, flavour.read(convert(flavour.wire, body)[0], Source()))
        return kept

    def read(wire: Any, source: Source) -> Reading:
        return _read(wire if isinstance(wire, BatchTotal) else fold(None, wire), source)

    return Flavour(wire=BatchLine, event=BatchLine, read=read, fold=fold, lines=True)


def _body(line: BatchLine) -> Mapping[str, Any] | None:
    for place, inside in ((line.response, "body"), (line.result, "message"), (line.model_output, "")):
        if isinstance(place, Mapping):
            body = place.get(inside, place) if inside else place
            return body if isinstance(body, Mapping) else None
    return None


def _add(kept: BatchTotal, reading: Reading) -> None:
    for each in (replace(reading, also=()), *reading.also):
        before = kept.readings.get(each.model)
        if each.usage is not None:
            total = each.usage if before is None or before.usage is None else before.usage + each.usage
            anomaly = each.anomaly if before is None else before.anomaly or each.anomaly
            kept.readings[each.model] = replace(each, usage=total, anomaly=anomaly, response_id=None)


def _read(total: BatchTotal, source: Source) -> Reading:
    """One reading per model, the first one's with the others beside it; all at the batch rate."""
    readings = [
        replace(each, model=each.model or source.model, provider=source.provider, service_tier="batch")
        for each in total.readings.values()
    ]
    if not readings:
        return replace(source.reading(None), service_tier="batch", usage=Usage() if total.lines else None)
    return replace(readings[0], also=tuple(readings[1:]))
