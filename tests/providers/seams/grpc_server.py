"""xAI on loopback: a real gRPC server of the SDK's own services, which answers as a test plans."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Self

import grpc
import xai_sdk
from xai_sdk.proto import (
    batch_pb2,
    batch_pb2_grpc,
    chat_pb2,
    chat_pb2_grpc,
    deferred_pb2,
    image_pb2,
    image_pb2_grpc,
    sample_pb2,
    tokenize_pb2_grpc,
    usage_pb2,
    video_pb2_grpc,
)

MODEL: Final = "grok-4.3"
USAGE: Final = {
    "prompt_tokens": 221,
    "completion_tokens": 11,
    "reasoning_tokens": 111,
    "cached_prompt_text_tokens": 128,
    "server_side_tools_used": ["SERVER_SIDE_TOOL_WEB_SEARCH", "SERVER_SIDE_TOOL_X_SEARCH"],
    "cost_in_usd_ticks": 4_468_500,
}
COUNTS: Final = {
    "input_tokens": 221,
    "output_tokens": 122,
    "cache_read_tokens": 128,
    "output_reasoning_tokens": 111,
    "web_searches": 1,
    "social_searches": 1,
}
_CODES: Final = {400: grpc.StatusCode.INVALID_ARGUMENT, 500: grpc.StatusCode.UNAVAILABLE}
"""What HTTP's statuses are in gRPC; only the second is tried again."""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """How one request is answered."""

    body: Any = None
    status: int = 200
    delay_ms: float = 0
    chunk_delay_ms: float = 0
    break_after: int | None = None


class GrpcSimulator:
    """Answers with protocol buffers, in the words of `ai_cost_calc.testing.ProviderSimulator`.

    A stream's body is a list of messages.
    """

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.waits = threading.Event()
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._plans: list[Planned] = []
        self._server = grpc.server(ThreadPoolExecutor(8))
        chat_pb2_grpc.add_ChatServicer_to_server(self, self._server)
        image_pb2_grpc.add_ImageServicer_to_server(self, self._server)
        video_pb2_grpc.add_VideoServicer_to_server(self, self._server)
        batch_pb2_grpc.add_BatchMgmtServicer_to_server(self, self._server)
        tokenize_pb2_grpc.add_TokenizeServicer_to_server(self, self._server)
        self.url = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *failed: object) -> None:
        self._closed.set()
        self._server.stop(None).wait()

    def replay(self, *, body: Any, content_type: str = "", **how: Any) -> None:
        """Plan an exact answer for the next request."""
        self._plans.append(Planned(body=body, **how))

    def next(self, *, status: int, retry_after: float = 0) -> None:
        """Plan a failure of the next request."""
        self._plans.append(Planned(body=b"Try again.", status=status))

    def __getattr__(self, name: str) -> Any:
        """Every RPC of every service is answered as planned."""
        if not name[0].isupper():
            raise AttributeError(name)
        return self._stream if name == "GetCompletionChunk" else self._answer

    def _answer(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self._take(request, context, streams=False).body

    def _stream(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        plan = self._take(request, context, streams=True)
        for number, chunk in enumerate(plan.body):
            if number == plan.break_after:
                context.abort(grpc.StatusCode.INTERNAL, "The connection broke.")
            yield chunk
            self._closed.wait(plan.chunk_delay_ms / 1_000)

    def _take(self, request: Any, context: grpc.ServicerContext, *, streams: bool) -> Planned:
        with self._lock:
            self.requests.append(request)
            plan = next(p for p in self._plans if p.status in _CODES or isinstance(p.body, list) == streams)
            self._plans.remove(plan)
        if plan.status in _CODES:
            context.abort(_CODES[plan.status], plan.body.decode())
        if plan.delay_ms:
            self.waits.set()
            self._closed.wait(plan.delay_ms / 1_000)
        return plan


def open_client(url: str, kind: Any = xai_sdk.Client, **options: Any) -> Any:
    """A client that nobody has wrapped."""
    return kind(api_key="any", api_host=url, use_insecure_channel=True, **options)


def usage(**changes: Any) -> usage_pb2.SamplingUsage:
    """What an answer used."""
    return usage_pb2.SamplingUsage(**{**USAGE, **changes})


def completion(text: str = "Deep and still.", **changes: Any) -> chat_pb2.GetChatCompletionResponse:
    """A whole answer."""
    message = chat_pb2.CompletionMessage(content=text, role=chat_pb2.ROLE_ASSISTANT)
    output = chat_pb2.CompletionOutput(message=message, finish_reason=sample_pb2.REASON_STOP)
    fields = {"id": "cec8162c-a241", "model": MODEL, "outputs": [output], "usage": usage()}
    return chat_pb2.GetChatCompletionResponse(**{**fields, **changes})


def chunks() -> list[chat_pb2.GetChatCompletionChunk]:
    """A streamed answer; usage is a running total, there from the second chunk on."""
    made = []
    for number, text in enumerate(("Deep ", "and ", "still.", "")):
        last = number == 3
        delta = chat_pb2.Delta(content=text, role=chat_pb2.ROLE_ASSISTANT)
        reason = sample_pb2.REASON_STOP if last else sample_pb2.REASON_INVALID
        output = chat_pb2.CompletionOutputChunk(delta=delta, finish_reason=reason)
        made.append(chat_pb2.GetChatCompletionChunk(id="cec8162c-a241", model=MODEL, outputs=[output]))
        if number:
            grown = usage() if last else usage(completion_tokens=number, cost_in_usd_ticks=number * 1_000)
            made[-1].usage.CopyFrom(grown)
    return made


def started(request_id: str = "job-1") -> deferred_pb2.StartDeferredResponse:
    """The name of an answer that is made in the background."""
    return deferred_pb2.StartDeferredResponse(request_id=request_id)


def found(status: int, response: Any = None) -> chat_pb2.GetDeferredCompletionResponse:
    """What became of it."""
    return chat_pb2.GetDeferredCompletionResponse(status=status, response=response)


def pictures(count: int, **used: Any) -> image_pb2.ImageResponse:
    """Pictures that were made."""
    made = [image_pb2.GeneratedImage(url=f"https://x.ai/{number}.png") for number in range(count)]
    return image_pb2.ImageResponse(images=made, model="grok-imagine-image", usage=usage_pb2.SamplingUsage(**used))


def batch_result(name: str, response: Any) -> batch_pb2.BatchResult:
    """What one request in a batch was answered with."""
    kind = "completion_response" if isinstance(response, chat_pb2.GetChatCompletionResponse) else "image_response"
    return batch_pb2.BatchResult(batch_request_id=name, response=batch_pb2.BatchResultData(**{kind: response}))
