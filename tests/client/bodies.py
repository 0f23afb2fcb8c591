"""Response bodies written after the providers' documentation, for tests that need no server."""

from __future__ import annotations

import itertools
from typing import Any

_numbers = itertools.count()


def chat_completion(input_tokens: int, output_tokens: int, model: str = "gpt-4o-2024-08-06") -> dict[str, Any]:
    """An OpenAI chat completion with this usage and an id of its own."""
    return {
        "id": f"chatcmpl-test{next(_numbers)}",
        "object": "chat.completion",
        "created": 1_760_000_000,
        "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": input_tokens,
            "completion_tokens": output_tokens,
            "total_tokens": input_tokens + output_tokens,
        },
    }


TEN_CENTS = (0, 10_000)
"""Input and output tokens of a gpt-4o call that costs $0.10: 10,000 output tokens at $10 a million."""


def ten_cents() -> dict[str, Any]:
    """A chat completion of gpt-4o that costs exactly ten cents."""
    return chat_completion(*TEN_CENTS)
