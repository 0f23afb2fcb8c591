"""Batches of the Gemini API and of Vertex AI: an operation that holds its answers, once it is over.

Source: ai.google.dev/api/batch-api (`GenerateContentBatch`, `EmbedContentBatch`); google-genai 3.6.1, `batches.py`
(`_BatchJob_from_mldev`, `_BatchJob_from_vertex`). Answers in a file or a bucket are not in it: the file is read when
the application downloads it, a bucket's objects never pass here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.providers.readers._batch_shape import BatchLine, batch_results
from ai_cost_calc.providers.readers._flavour import Flavour, Source
from ai_cost_calc.providers.readers._gemini_shape import GENERATE
from ai_cost_calc.providers.readers._wire import Wire


class InlinedResponses(Wire, rename="camel"):
    """Answers, in an object of their own; each is what a line of a file of answers is."""

    inlined_responses: list[BatchLine] | None = None


class BatchOutput(Wire, rename="camel"):
    """Where the answers are."""

    inlined_responses: InlinedResponses | None = None
    inlined_embed_content_responses: InlinedResponses | None = None
    responses_file: str | None = None


class BatchMetadata(Wire, rename="camel"):
    """What the Gemini API says of a batch."""

    model: str | None = None
    state: str | None = None
    output: BatchOutput | None = None


class GeminiBatch(Wire, rename="camel"):
    """A batch; Vertex AI has no metadata, and its answers are in a bucket or a table."""

    name: str | None = None
    model: str | None = None
    state: str | None = None
    metadata: BatchMetadata | None = None
    response: BatchOutput | None = None


SUCCEEDED: Final = frozenset({"SUCCEEDED", "PARTIALLY_SUCCEEDED"})
"""Ends of the states in which there are answers, all of which are billed: `JOB_STATE_…` and `BATCH_STATE_…`."""
FAILED: Final = frozenset({"CANCELLED", "EXPIRED", "FAILED"})
"""Ends of those in which there will be none."""
BATCH_RESULTS: Final = batch_results({"generate_content": GENERATE})


def read_batch(wire: GeminiBatch, source: Source) -> Reading:
    """Read all answers together, one reading per model, under the batch's name."""
    told = wire.metadata or BatchMetadata(model=wire.model, state=wire.state)
    output = told.output or wire.response or BatchOutput()
    source = replace(source, model=(told.model or "").rpartition("/")[2] or source.model)
    held = output.inlined_responses or output.inlined_embed_content_responses
    if held is None:
        return _without_answers(wire, (told.state or "").partition("_STATE_")[2], output.responses_file, source)
    reading = _read_answers(held.inlined_responses or [], source)
    return replace(reading, response_id=None if reading.usage is None else _name(wire))


def _name(wire: GeminiBatch) -> str | None:
    """The batch's name without its project, which Vertex AI writes as a number or in letters."""
    name = wire.name or ""
    return name[max(name.find("batchPredictionJobs/"), 0) :] or None


def _read_answers(lines: list[BatchLine], source: Source) -> Reading:
    embedded = [tokens for line in lines if (tokens := _embedded(line.response)) is not None]
    if embedded:
        return source.reading({"input_tokens": sum(embedded)}, service_tier="batch")
    total: Any = None
    for line in lines:
        total = BATCH_RESULTS.fold(total, line)
    return source.reading(None, service_tier="batch") if total is None else BATCH_RESULTS.read(total, source)


def _embedded(response: Any) -> int | None:
    """Tokens of one embedding; a number of 64 bits, which JSON has as text."""
    tokens = response.get("tokenCount") if isinstance(response, Mapping) else None
    return int(tokens) if isinstance(tokens, int | str) and str(tokens).isdigit() else None


def _without_answers(wire: GeminiBatch, state: str, file: str | None, source: Source) -> Reading:
    """A batch that has not begun or is under way; or one that is over: its file tells, nothing ever will, or it failed.

    The id is what the answers are to be found under, none where there are none.
    """
    unknown = state in SUCCEEDED and file is None
    found_under = None if state in FAILED else file or _name(wire)
    return replace(source.reading(None, response_id=found_under, service_tier="batch"), complete=not unknown)


BATCHES: Final = Flavour(wire=GeminiBatch, read=read_batch, free=True)
"""Free: asking for a batch costs nothing, its answers did."""
