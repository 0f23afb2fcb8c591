"""What a provider answers in the benchmarks; standard library only, so that every environment can import it."""

from __future__ import annotations

import json

USAGE = {
    "prompt_tokens": 1200, "completion_tokens": 340, "total_tokens": 1540,
    "prompt_tokens_details": {"cached_tokens": 256, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}  # fmt: skip

CHAT = json.dumps({
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1_760_000_000, "model": "gpt-4o-2024-08-06",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes. " * 60}, "finish_reason": "stop"}],
    "usage": USAGE, "service_tier": "default",
}).encode()  # fmt: skip
"""A small chat completion."""

EMBEDDINGS = json.dumps({
    "object": "list", "model": "text-embedding-3-small", "usage": {"prompt_tokens": 800, "total_tokens": 800},
    "data": [
        {"object": "embedding", "index": index, "embedding": [0.0123456789 * number for number in range(1536)]}
        for index in range(34)
    ],
}).encode()  # fmt: skip
"""Embeddings of 34 texts: a megabyte of numbers."""


def _chunk(**changes: object) -> bytes:
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_760_000_000, "model": "gpt-4o"}
    return b"data: " + json.dumps(chunk | changes).encode() + b"\n\n"


STREAM = [
    *[_chunk(choices=[{"index": 0, "delta": {"content": " word"}, "finish_reason": None}])] * 2_000,
    _chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}]),
    _chunk(choices=[], usage=USAGE),
    b"data: [DONE]\n\n",
]
"""A streamed completion of two thousand chunks, with usage at its end."""
