"""Runs calls of the openai SDK over a mock transport, bare or watched by somebody, in an environment of its own.

Usage: `python -m benchmarks.sdk_worker WATCHED_BY CASE`
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import httpx2

from benchmarks.bodies import CHAT, EMBEDDINGS, STREAM
from benchmarks.cases import serve

STARTING_SECONDS = 1.0
"""What watchers begin in the background, such as a thread that opens a database, is done by then. A call that meets it
hands Python over to it, so that its cost would be spread over a thousand calls."""
STREAMS = 15
"""A single first chunk after a pause takes as long as the processor needs to wake up."""
MESSAGES: Any = [{"role": "user", "content": "hi " * 50}]


class _Streamed(httpx2.SyncByteStream):
    def __iter__(self) -> Iterator[bytes]:
        yield from STREAM


def _answer(request: httpx2.Request) -> httpx2.Response:
    if request.url.path.endswith("/embeddings"):
        return httpx2.Response(200, content=EMBEDDINGS, headers={"content-type": "application/json"})
    if b'"stream":true' in request.content:
        return httpx2.Response(200, stream=_Streamed(), headers={"content-type": "text/event-stream"})
    return httpx2.Response(200, content=CHAT, headers={"content-type": "application/json"})


def _options() -> dict[str, Any]:
    return {"api_key": "k", "http_client": httpx2.Client(transport=httpx2.MockTransport(_answer))}


def bare() -> Any:
    """Nobody watches."""
    from openai import OpenAI  # noqa: PLC0415 - only once the environment is known to have it

    return OpenAI(**_options())


def ours() -> Any:
    """Three budgets are held, what it cost is journalled."""
    from ai_cost_calc import AiCostCalc, Budget  # noqa: PLC0415 - this one environment has it

    budgets = [Budget("999999", per="day"), Budget("999999", per="month"), Budget("999999", per="hour")]
    folder = tempfile.mkdtemp(prefix="ai-cost-calc-bench-")
    return AiCostCalc(f"sqlite:///{folder}/sdk.db", budgets=budgets, flush_interval=100_000).wrap(bare())


def _spans_to_nowhere() -> Any:
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult  # noqa: PLC0415 - likewise

    class Nowhere(SpanExporter):
        def export(self, _: Any) -> Any:
            return SpanExportResult.SUCCESS

    return Nowhere()


def _instrumented(instrumentor: Any) -> Any:
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415 - likewise
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - likewise
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - likewise

    tracers = TracerProvider()
    tracers.add_span_processor(BatchSpanProcessor(_spans_to_nowhere()))
    instrumentor.instrument(tracer_provider=tracers, meter_provider=MeterProvider())
    return bare()


def opentelemetry() -> Any:
    """OpenTelemetry's own instrumentation makes a span of each call, and sends it nowhere."""
    from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor  # type: ignore[import-not-found]  # noqa: PLC0415

    return _instrumented(OpenAIInstrumentor())


def openllmetry() -> Any:
    """Traceloop's instrumentation does."""
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor  # type: ignore[import-not-found]  # noqa: PLC0415

    return _instrumented(OpenAIInstrumentor())


def langfuse() -> Any:
    """Langfuse's drop-in client does."""
    from langfuse import Langfuse  # type: ignore[import-not-found]  # noqa: PLC0415
    from langfuse.openai import OpenAI  # type: ignore[import-not-found]  # noqa: PLC0415

    Langfuse(public_key="pk", secret_key="sk", base_url="http://127.0.0.1:9", span_exporter=_spans_to_nowhere())  # noqa: S106 - opens nothing
    return OpenAI(**_options())


def _chat(client: Any) -> None:
    client.chat.completions.create(model="gpt-4o", messages=MESSAGES)


def _embeddings(client: Any) -> None:
    client.embeddings.create(model="text-embedding-3-small", input=["some text"] * 34)


def _stream(client: Any) -> None:
    for _ in client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True):
        pass


CASES: dict[str, Callable[[Any], None]] = {"chat": _chat, "embeddings": _embeddings, "stream": _stream}


def _first_chunk(client: Any) -> float:
    """Seconds of the processor until the first chunk of a stream is there."""
    start = time.thread_time()
    with client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True) as stream:
        next(iter(stream))
        return time.thread_time() - start


def _peak(client: Any) -> float:
    """The most memory, in bytes, that a stream takes while it is read."""
    tracemalloc.start()
    try:
        _stream(client)
        return float(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


def main() -> None:
    """Make a client, warm it up, and do what is asked."""
    watched_by, case = sys.argv[1:]
    makers = {
        "bare": bare,
        "ours": ours,
        "opentelemetry": opentelemetry,
        "openllmetry": openllmetry,
        "langfuse": langfuse,
    }
    client = makers[watched_by]()
    for _ in range(5):
        CASES[case](client)
    time.sleep(STARTING_SECONDS)

    def call() -> None:
        CASES[case](client)

    async def acall() -> None:
        call()

    serve(
        call,
        acall,
        once={
            "first chunk": lambda: statistics.median(_first_chunk(client) for _ in range(STREAMS)),
            "peak": lambda: _peak(client),
        },
    )


if __name__ == "__main__":
    main()
