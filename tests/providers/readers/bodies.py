"""Bodies written after the providers' documentation, and ways to put them on the wire."""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.providers.readers import open_reader

SSE = "text/event-stream; charset=utf-8"
EVENT_STREAM = "application/vnd.amazon.eventstream"


Event = Mapping[str, Any] | str


def sse(*events: Event, end: str = "\n\n", named: bool = False) -> bytes:
    """A stream of server-sent events; text is sent as it is."""
    lines = []
    for event in events:
        data = event if isinstance(event, str) else json.dumps(event, ensure_ascii=False)
        name = f"event: {event['type']}{end[: len(end) // 2]}" if named and isinstance(event, Mapping) else ""
        lines.append(f"{name}data: {data}{end}")
    return "".join(lines).encode()


def json_lines(*documents: Mapping[str, Any]) -> bytes:
    """One JSON document a line."""
    return b"".join(json.dumps(document).encode() + b"\n" for document in documents)


def frame(payload: dict[str, Any], event: str = "chunk", kind: str = "event") -> bytes:
    """One AWS event stream frame, of an event or of an exception of that name."""
    body = json.dumps(payload).encode()
    told = {":message-type": kind, f":{kind}-type": event, ":content-type": "application/json"}
    headers = b"".join(_text_header(name, value) for name, value in told.items())
    prelude = struct.pack(">II", 16 + len(headers) + len(body), len(headers))
    start = prelude + struct.pack(">I", binascii.crc32(prelude)) + headers + body
    return start + struct.pack(">I", binascii.crc32(start))


def _text_header(name: str, value: str) -> bytes:
    """A header of a frame whose value is text, which is type 7."""
    return bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()


def wrapped(payload: dict[str, Any]) -> bytes:
    """A frame as InvokeModelWithResponseStream sends it: the model's own event in base64."""
    return frame({"bytes": base64.b64encode(json.dumps(payload).encode()).decode(), "p": "abcdef"})


def fed(chunks: Iterable[bytes], *, ended: bool = True, **known: Any) -> Reading:
    """What a reader makes of a body that arrives in these chunks."""
    reader = open_reader(**known)
    for chunk in chunks:
        reader.feed(chunk)
    return reader.close(ended=ended)


def pieces(body: bytes, cuts: Iterable[int]) -> Iterator[bytes]:
    """A body cut at these places."""
    start = 0
    for cut in sorted({cut % (len(body) + 1) for cut in cuts}):
        yield body[start:cut]
        start = cut
    yield body[start:]


def counts(reading: Reading) -> dict[str, Any]:
    """The counts that are not zero, by name; nothing where there is no usage."""
    return {} if reading.usage is None else reading.usage.counts()


PLAIN = {"prompt_tokens": 30, "completion_tokens": 7, "total_tokens": 37}
PLAIN_COUNTS = {"input_tokens": 30, "output_tokens": 7}

CHAT_USAGE = {
    "prompt_tokens": 1117,
    "completion_tokens": 46,
    "total_tokens": 1163,
    "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 30,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}
CHAT_COUNTS = {"input_tokens": 1117, "output_tokens": 46, "cache_read_tokens": 1024, "output_reasoning_tokens": 30}


def chat(usage: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """A chat completion."""
    return {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": "chat.completion",
        "created": 1_741_569_952,
        "model": "gpt-4.1-2025-04-14",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello!"}, "finish_reason": "stop"}],
        "usage": CHAT_USAGE if usage is None else usage,
        "service_tier": "default",
        **changes,
    }


def chunk(text: str | None = None, *, finish: str | None = None, **changes: Any) -> dict[str, Any]:
    """A chat completion chunk."""
    delta = {} if text is None else {"content": text}
    return {
        "id": "chatcmpl-123",
        "object": "chat.completion.chunk",
        "created": 1_694_268_190,
        "model": "gpt-4o-mini",
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}],
        **changes,
    }


def chat_stream(usage: dict[str, Any] | None = CHAT_USAGE) -> list[dict[str, Any] | str]:
    """A streamed completion as OpenAI sends it, with usage in a chunk of its own where it was asked for."""
    last = [] if usage is None else [chunk(choices=[], usage=usage)]
    return [chunk(""), chunk("Grüße"), chunk(" 👋"), chunk(finish="stop"), *last, "[DONE]"]


RESPONSE_USAGE = {
    "input_tokens": 328,
    "input_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 8},
    "output_tokens": 52,
    "output_tokens_details": {"reasoning_tokens": 12},
    "total_tokens": 380,
}
RESPONSE_COUNTS = {
    "input_tokens": 328,
    "output_tokens": 52,
    "cache_read_tokens": 20,
    "cache_write_tokens": 8,
    "output_reasoning_tokens": 12,
}


def response(**changes: Any) -> dict[str, Any]:
    """A response of the Responses API."""
    return {
        "id": "resp_67ccd2bed1ec8190b14f964abc054267",
        "object": "response",
        "status": "completed",
        "model": "gpt-4.1-2025-04-14",
        "instructions": "Be brief.",
        "output": [{"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": []}],
        "service_tier": "default",
        "usage": RESPONSE_USAGE,
        **changes,
    }


MESSAGE_USAGE = {
    "input_tokens": 3,
    "cache_creation_input_tokens": 200,
    "cache_read_input_tokens": 1000,
    "cache_creation": {"ephemeral_5m_input_tokens": 150, "ephemeral_1h_input_tokens": 50},
    "output_tokens": 90,
    "service_tier": "standard",
    "inference_geo": "us",
}
MESSAGE_COUNTS = {
    "input_tokens": 1203,
    "output_tokens": 90,
    "cache_read_tokens": 1000,
    "cache_write_tokens": 200,
    "cache_write_5m_tokens": 150,
    "cache_write_1h_tokens": 50,
}


def message(usage: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """An Anthropic message."""
    return {
        "id": "msg_013Zva2CMHLNnXjNJJKqJ2EF",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": [{"type": "text", "text": "Hi! My name is Claude."}],
        "stop_reason": "end_turn",
        "usage": MESSAGE_USAGE if usage is None else usage,
        **changes,
    }


def message_stream() -> list[dict[str, Any]]:
    """A streamed message: the input side first, running totals at the end."""
    return [
        {"type": "message_start", "message": message({**MESSAGE_USAGE, "output_tokens": 1}, content=[])},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Héllo"}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"a"'}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 90}},
        {"type": "message_stop"},
    ]


CONVERSE_USAGE = {
    "inputTokens": 3,
    "outputTokens": 121,
    "totalTokens": 2072,
    "cacheReadInputTokens": 1712,
    "cacheWriteInputTokens": 236,
    "cacheDetails": [{"ttl": "5m", "inputTokens": 200}, {"ttl": "1h", "inputTokens": 36}],
}
CONVERSE_COUNTS = {
    "input_tokens": 1951,
    "output_tokens": 121,
    "cache_read_tokens": 1712,
    "cache_write_tokens": 236,
    "cache_write_5m_tokens": 200,
    "cache_write_1h_tokens": 36,
}
METRICS = {
    "inputTokenCount": 702,
    "outputTokenCount": 98,
    "cacheReadInputTokenCount": 10,
    "cacheWriteInputTokenCount": 5,
}
METRIC_COUNTS = {"input_tokens": 717, "output_tokens": 98, "cache_read_tokens": 10, "cache_write_tokens": 5}
